// Random numbers: Philox4x32-10 with counter = (element block, call index), one index per operator call, so that eager, compiled and CUDA
// code draw the same numbers whatever the thread count.
#pragma once

#include <cstdint>

namespace kiln::eager {

struct GeneratorState {
  int64_t key = 0;   // the seed
  int64_t call = 0;  // index of the next operator call
  bool operator==(const GeneratorState&) const = default;
};
GeneratorState generator_state();  // the process's default generator
void set_generator_state(GeneratorState);
void manual_seed(int64_t seed);  // key = seed, call = 0
GeneratorState next_call();      // takes one call index; thread-safe

}  // namespace kiln::eager
