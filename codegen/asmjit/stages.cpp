#include "codegen/asmjit/stages.h"

#include <algorithm>
#include <chrono>

#include "codegen/asmjit/assemble.h"
#include "codegen/asmjit/code_pool.h"
#include "codegen/error.h"

namespace kiln::codegen::x64 {
namespace {

// Runs f and keeps its time if it is the best so far.
template <class F>
void time(double& best, F f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
  best = best == 0 ? took.count() : std::min(best, took.count());
}

void start(Workshop& w, asmjit::BaseEmitter& emitter) {
  w.code.reset();
  w.code.init(asmjit::Environment::host());
  w.code.attach(&emitter);
}

}  // namespace

StageTimes time_stages(const Kernel& kernel, Isa isa, int repetitions) {
  StageTimes best;
  Workshop w;
  for (int r = 0; r < repetitions; ++r) {
    std::unique_ptr<Shape> shape;
    time(best.lower, [&] { shape = lower(kernel, isa, w); });
    check(shape != nullptr, "a kernel that is not covered");
    time(best.allocate, [&] { allocate(kernel, w); });
    time(best.encode, [&] {
      start(w, w.assembler);
      encode(kernel, *shape, w, *w.assembler.as<asmjit::x86::Emitter>());
    });
    CodeBlock block;
    time(best.place, [&] { block = place_code(w.code); });
    release_code(block);
  }
  const std::unique_ptr<Shape> shape = lower(kernel, isa, w);
  allocate(kernel, w);
  for (int r = 0; r < repetitions; ++r) {
    asmjit::x86::Builder list;
    start(w, list);
    encode(kernel, *shape, w, *list.as<asmjit::x86::Emitter>());
    best.instructions = 0;
    for (asmjit::BaseNode* node = list.firstNode(); node != nullptr; node = node->next()) best.instructions += node->isInst() ? 1 : 0;
    asmjit::x86::Assembler assembler(&w.code);
    time(best.assembler, [&] { list.serializeTo(&assembler); });
  }
  return best;
}

}  // namespace kiln::codegen::x64
