# libkiln.so holds all rooms but python; no LLVM, no Python symbol. libkiln_llvm.so is opened at the first tier-up. Who links to it sees the
# public headers at most; the rooms' own are for bindings and tests, which ask for them with kiln_inside.
add_library(kiln SHARED)
add_library(kiln_inside INTERFACE)
foreach(room ${KILN_ROOMS})
  target_sources(kiln PRIVATE $<TARGET_OBJECTS:kiln_${room}>)
  if(NOT room STREQUAL cpp)  # the other front, which neither the bindings nor the rooms' tests know
    target_include_directories(kiln_inside INTERFACE ${PROJECT_BINARY_DIR}/rooms/${room})
  endif()
endforeach()
target_link_libraries(kiln PRIVATE Threads::Threads ${CMAKE_DL_LIBS})
set_target_properties(kiln PROPERTIES INSTALL_RPATH "$ORIGIN" BUILD_WITH_INSTALL_RPATH ON LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)

find_path(ASMJIT_INCLUDE asmjit/asmjit.h)
find_library(ASMJIT_LIBRARY NAMES libasmjit.a asmjit)
if(NOT ASMJIT_LIBRARY)
  message(FATAL_ERROR "AsmJit is missing: apt-get install libasmjit-dev (script/bootstrap does it)")
endif()
target_include_directories(kiln_codegen PRIVATE ${ASMJIT_INCLUDE})
target_compile_definitions(kiln_codegen PRIVATE ASMJIT_STATIC)
target_link_libraries(kiln PRIVATE ${ASMJIT_LIBRARY} rt)
target_link_options(kiln PRIVATE -Wl,-Bsymbolic-functions -Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/exports.map)
set_target_properties(kiln PROPERTIES LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/exports.map)

find_path(XXHASH_INCLUDE xxhash.h)
if(NOT XXHASH_INCLUDE)
  message(FATAL_ERROR "xxHash's header is missing: apt-get install libxxhash-dev (script/bootstrap does it)")
endif()
target_include_directories(kiln_codegen PRIVATE ${XXHASH_INCLUDE})

# oneDNN's C header only: the library itself is opened at run time.
find_path(DNNL_INCLUDE oneapi/dnnl/dnnl.h HINTS ${KILN_VENV}/include ENV VIRTUAL_ENV PATH_SUFFIXES include)
if(NOT DNNL_INCLUDE)
  message(FATAL_ERROR "oneDNN's headers are missing: pip install onednn-devel-cpu-gomp==2023.2.0 (script/bootstrap does it)")
endif()
target_include_directories(kiln_codegen PRIVATE ${DNNL_INCLUDE})

if(KILN_LLVM)
  include(${PROJECT_SOURCE_DIR}/codegen/llvm/llvm.cmake)  # defines kiln_llvm
endif()
