# Language, warnings and build speed, the same for every target.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

option(KILN_TESTS "Build the C++ tests" ON)
option(KILN_PYTHON "Build the Python module" ON)
option(KILN_LLVM "Build the LLVM back end" ON)

# x86-64-v3 is the first platform (AVX2, FMA3). No contraction: a*b+c is two roundings everywhere (DESIGN, "Numbers").
set(KILN_FLAGS -Wall -Wextra -Werror=switch -Wno-missing-field-initializers -ffp-contract=off -march=x86-64-v3
               -fno-semantic-interposition)

find_program(KILN_CCACHE ccache)
if(KILN_CCACHE)
  # Paths below the folder that holds both trees count relative to the build folder, so that copies of the tree and other build folders
  # find what the first one compiled.
  set(base ${PROJECT_SOURCE_DIR})
  cmake_path(IS_PREFIX base ${PROJECT_BINARY_DIR} holds_both)
  while(NOT holds_both)
    cmake_path(GET base PARENT_PATH base)
    cmake_path(IS_PREFIX base ${PROJECT_BINARY_DIR} holds_both)
  endwhile()
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${base} CCACHE_NOHASHDIR=1
                                  CCACHE_SLOPPINESS=pch_defines,time_macros ${KILN_CCACHE})
endif()
find_program(KILN_MOLD mold)
if(KILN_MOLD)
  add_link_options(-fuse-ld=mold)
endif()
add_link_options(-Wl,--as-needed)
find_package(Threads REQUIRED)
