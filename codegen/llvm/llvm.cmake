# libkiln_llvm.so: the LLVM back end with a static LLVM inside, of which nothing is visible, so that it lives in one process with the
# LLVMs of torch, TensorFlow and numba.
find_program(LLVM_CONFIG NAMES llvm-config-19)
if(NOT LLVM_CONFIG)
  message(FATAL_ERROR "LLVM 19 is missing: apt-get install llvm-19-dev (script/bootstrap does it), or build with -DKILN_LLVM=OFF")
endif()
function(kiln_llvm_config result)
  execute_process(COMMAND ${LLVM_CONFIG} ${ARGN} OUTPUT_VARIABLE output OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(output UNIX_COMMAND "${output}")
  set(${result} ${output} PARENT_SCOPE)
endfunction()
kiln_llvm_config(llvm_include --includedir)
kiln_llvm_config(llvm_libraries --link-static --libfiles core x86codegen)

# Of LLVM's system libraries only these two are called; static ones, so that a wheel needs neither.
foreach(library z zstd)
  find_library(KILN_STATIC_${library} NAMES lib${library}.a)
  if(NOT KILN_STATIC_${library})
    message(FATAL_ERROR "LLVM needs lib${library}.a: apt-get install zlib1g-dev libzstd-dev (script/bootstrap does it)")
  endif()
endforeach()

file(GLOB llvm_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/codegen/llvm/*.cpp)
add_library(kiln_llvm SHARED ${llvm_sources})
target_include_directories(kiln_llvm PRIVATE ${PROJECT_BINARY_DIR}/rooms/codegen)
target_include_directories(kiln_llvm SYSTEM PRIVATE ${llvm_include})
# -fno-gnu-unique: the loader would otherwise make one of all LLVMs' inline static variables, RTLD_LOCAL or not.
target_compile_options(kiln_llvm PRIVATE ${KILN_FLAGS} -fvisibility=hidden -fvisibility-inlines-hidden -fno-gnu-unique
                                         -ffunction-sections -fdata-sections)
target_compile_definitions(kiln_llvm PRIVATE __STDC_CONSTANT_MACROS __STDC_FORMAT_MACROS __STDC_LIMIT_MACROS)
target_link_libraries(kiln_llvm PRIVATE $<LINK_ONLY:kiln> ${llvm_libraries} ${KILN_STATIC_z} ${KILN_STATIC_zstd} Threads::Threads ${CMAKE_DL_LIBS} rt)
target_link_options(kiln_llvm PRIVATE -Wl,--exclude-libs,ALL -Wl,--gc-sections -Wl,-z,defs -Wl,--build-id=sha1)
set_target_properties(kiln_llvm PROPERTIES INSTALL_RPATH "$ORIGIN" BUILD_WITH_INSTALL_RPATH ON LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
