#include "codegen/asmjit/assemble.h"

#include <atomic>

#include "codegen/asmjit/loop_steps.h"
#include "codegen/error.h"
#include "codegen/legalise.h"

namespace kiln::codegen::x64 {
namespace {

std::unique_ptr<Shape> shape_of(const Kernel& kernel, Vectors& vectors) {
  switch (kernel.reduction) {
    case Reduction::none: return pointwise(kernel, vectors);
    case Reduction::lanes:
    case Reduction::tree: return lanes(kernel, vectors);
    case Reduction::rows: return rows(kernel, vectors);
  }
  return nullptr;
}

}  // namespace

std::unique_ptr<Shape> lower(const Kernel& kernel, Isa isa, Workshop& w, bool loops) {
  w.program.clear();
  w.program.isa = isa;
  w.vectors.emplace(w.program);
  std::unique_ptr<Shape> shape = shape_of(kernel, *w.vectors);
  if (!shape) return nullptr;
  shape->lower();
  if (loops) w.program.loops.push_back({shape->entry() + 1, static_cast<int>(w.program.sections.size()) - 1});
  return shape;
}

void allocate(const Kernel& kernel, Workshop& w) {
  w.allocator.run(w.program, w.allocation);
  if (!check_allocations) return;
  const std::string wrong = check_allocation(w.program, w.allocation);
  if (!wrong.empty()) fail(ErrorCode::internal, "register allocation: " + wrong + "\n" + print(kernel));
}

void encode(const Kernel& kernel, Shape& shape, const Workshop& w, asmjit::x86::Emitter& to, const KernelLoop* loop) {
  Frame frame;
  Emitter emitter(to, kernel, w.program, w.allocation, frame);
  Outer outer(kernel, frame, shape.chunked());
  shape.reserve(frame);
  outer.emit(emitter, shape, frame, loop);
}

bool assemble(const Kernel& given, Isa isa, Workshop& w, asmjit::Logger* logger, const KernelLoop* loop) {
  const Kernel rewritten = is_legal(given) ? Kernel() : legalise(given);
  const Kernel& kernel = rewritten.nodes.empty() ? given : rewritten;
  const std::unique_ptr<Shape> shape = lower(kernel, isa, w, loop != nullptr);
  if (!shape) return false;
  allocate(kernel, w);
  if (loop != nullptr && !LoopSteps::covers(*loop, w.allocation)) return false;
  w.code.reset();
  w.code.init(asmjit::Environment::host());
  w.code.setLogger(logger);
  w.code.attach(&w.assembler);
  encode(kernel, *shape, w, *w.assembler.as<asmjit::x86::Emitter>(), loop);
  return true;
}

}  // namespace kiln::codegen::x64
