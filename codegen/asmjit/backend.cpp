// The AsmJit back end: lower, allocate, emit, put the code where it can run.
#include "codegen/asmjit/assemble.h"
#include "codegen/asmjit/code_pool.h"
#include "codegen/thread_owned.h"

namespace kiln::codegen {
namespace x64 {
namespace {

class AsmjitBackend final : public Backend {
 public:
  BackendKind kind() const override { return BackendKind::asmjit; }

  std::shared_ptr<Code> compile(const Kernel& kernel, Isa isa) override {
    auto& w = thread_owned<Workshop>();
    if (!assemble(kernel, isa, w, nullptr)) return nullptr;
    return std::make_shared<MachineCode>(BackendKind::asmjit, place_code(w.code));
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

std::shared_ptr<Code> compile_loop(const KernelLoop& loop, Isa isa) {
  auto& w = thread_owned<x64::Workshop>();
  if (!x64::assemble(loop.kernel, isa, w, nullptr, &loop)) return nullptr;
  return std::make_shared<MachineCode>(BackendKind::asmjit, x64::place_code(w.code));
}

std::string loop_text(const KernelLoop& loop, Isa isa) {
  asmjit::StringLogger logger;
  x64::Workshop fresh;
  if (!x64::assemble(loop.kernel, isa, fresh, &logger, &loop)) return {};
  return std::string(logger.data(), logger.dataSize());
}

Backend& asmjit_backend() {
  // Lives as long as the process: code may be freed after static objects are gone.
  static x64::AsmjitBackend& backend = *std::make_unique<x64::AsmjitBackend>().release();
  return backend;
}

}  // namespace kiln::codegen
