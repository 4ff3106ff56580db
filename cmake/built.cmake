# The libraries of another build folder, KILN_BUILT, in place of the rooms: only the Python module is built here. It is the one part that
# depends on the version of Python (script/test-pythons).
add_library(kiln SHARED IMPORTED)
set_target_properties(kiln PROPERTIES IMPORTED_LOCATION ${KILN_BUILT}/lib/libkiln.so)
add_library(kiln_inside INTERFACE)
foreach(room codegen eager tracer jit)
  target_include_directories(kiln_inside INTERFACE ${KILN_BUILT}/rooms/${room})
endforeach()
