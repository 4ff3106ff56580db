// The AsmJit back end: lower, allocate, emit, put the code where it can run.
#include <asmjit/x86.h>

#include <atomic>

#include "codegen/asmjit/code_pool.h"
#include "codegen/asmjit/shape.h"
#include "codegen/backend.h"
#include "codegen/error.h"
#include "codegen/legalise.h"

namespace kiln::codegen {
namespace x64 {
namespace {

class MachineCode final : public Code {
 public:
  MachineCode(const Kernel& kernel, Isa isa, CodeBlock block) : kernel_(kernel), isa_(isa), block_(block) {
    function = reinterpret_cast<KernelFunction>(block.code);
    backend = BackendKind::asmjit;
    bytes = block.bytes;
  }
  ~MachineCode() override { release_code(block_); }
  std::string listing() const override { return asmjit_backend().text(kernel_, isa_, "asm"); }

 private:
  const Kernel kernel_;
  const Isa isa_;
  const CodeBlock block_;
};

// What a thread keeps between compilations, so that most of them allocate no memory.
struct Workshop {
  Program program;
  Allocation allocation;
  asmjit::CodeHolder code;
  asmjit::x86::Assembler assembler;
};

std::unique_ptr<Shape> shape_of(const Kernel& kernel, const Schedule& schedule, Vectors& vectors) {
  switch (kernel.reduction) {
    case Reduction::none: return pointwise(kernel, schedule, vectors);
    case Reduction::lanes:
    case Reduction::tree: return lanes(kernel, schedule, vectors);
    case Reduction::rows: return rows(kernel, schedule, vectors);
  }
  return nullptr;
}

// Assembles into w.code. False where the kernel is not covered.
bool assemble(const Kernel& given, Isa isa, Workshop& w, asmjit::Logger* logger) {
  const Kernel rewritten = is_legal(given) ? Kernel() : legalise(given);
  const Kernel& kernel = rewritten.nodes.empty() ? given : rewritten;
  const Schedule schedule = codegen::schedule(kernel);
  w.program.clear();
  w.program.isa = isa;
  Vectors vectors(w.program);
  const std::unique_ptr<Shape> shape = shape_of(kernel, schedule, vectors);
  if (!shape) return false;
  shape->lower();
  allocate(w.program, w.allocation);
  if (check_allocations) {
    const std::string wrong = check_allocation(w.program, w.allocation);
    if (!wrong.empty()) fail(ErrorCode::internal, "register allocation: " + wrong + "\n" + print(kernel));
  }
  w.code.reset();
  w.code.init(asmjit::Environment::host());
  w.code.setLogger(logger);
  w.code.attach(&w.assembler);
  Frame frame;
  Emitter emitter(w.assembler, kernel, w.program, w.allocation, frame);
  Outer outer(kernel, frame, shape->chunked());
  shape->reserve(frame);
  outer.emit(emitter, *shape, frame);
  return true;
}

Workshop& workshop() {
  static thread_local Workshop workshop;
  return workshop;
}

class AsmjitBackend final : public Backend {
 public:
  BackendKind kind() const override { return BackendKind::asmjit; }

  std::shared_ptr<Code> compile(const Kernel& kernel, Isa isa) override {
    Workshop& w = workshop();
    if (!assemble(kernel, isa, w, nullptr)) return nullptr;
    const CodeBlock block = place_code(w.code);
    return std::make_shared<MachineCode>(kernel, isa, block);
  }

  std::string text(const Kernel& kernel, Isa isa, std::string_view what) override {
    if (what != "asm") return {};
    asmjit::StringLogger logger;
    Workshop fresh;
    if (!assemble(kernel, isa, fresh, &logger)) return {};
    return std::string(logger.data(), logger.dataSize());
  }
};

}  // namespace
}  // namespace x64

Backend& asmjit_backend() {
  // Lives as long as the process: code may be freed after static objects are gone.
  static x64::AsmjitBackend& backend = *std::make_unique<x64::AsmjitBackend>().release();
  return backend;
}

}  // namespace kiln::codegen
