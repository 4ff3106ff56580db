# Rooms. Each is one object library whose sources see only their own headers and those of the rooms to the left: a room's
# headers are reached through a link in a folder of their own, and only the allowed folders are on the include path.
set(KILN_ROOMS "")

function(kiln_room name)
  set(view ${PROJECT_BINARY_DIR}/rooms/${name})
  file(MAKE_DIRECTORY ${view})
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${name} ${view}/${name} SYMBOLIC)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${name}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/(codegen/llvm|cpp/generate)/")  # a library and a program of their own
  add_library(kiln_${name} OBJECT ${sources})
  target_include_directories(kiln_${name} PUBLIC ${view})
  target_compile_options(kiln_${name} PRIVATE ${KILN_FLAGS})
  target_compile_definitions(kiln_${name} PRIVATE KILN_VERSION="${PROJECT_VERSION}")
  target_precompile_headers(kiln_${name} PRIVATE ${PROJECT_SOURCE_DIR}/cmake/precompiled.h)
  foreach(left ${ARGN})
    target_include_directories(kiln_${name} PUBLIC ${PROJECT_BINARY_DIR}/rooms/${left})
  endforeach()
  set(KILN_ROOMS ${KILN_ROOMS} ${name} PARENT_SCOPE)
endfunction()
