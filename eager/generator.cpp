#include "eager/generator.h"

#include <mutex>

namespace kiln::eager {
namespace {

std::mutex mutex;
GeneratorState state;

}  // namespace

GeneratorState generator_state() {
  std::lock_guard lock(mutex);
  return state;
}

void set_generator_state(GeneratorState s) {
  std::lock_guard lock(mutex);
  state = s;
}

void manual_seed(int64_t seed) { set_generator_state({seed, 0}); }

GeneratorState next_call() {
  std::lock_guard lock(mutex);
  const GeneratorState taken = state;
  ++state.call;
  return taken;
}

}  // namespace kiln::eager
