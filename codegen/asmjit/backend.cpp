// The AsmJit back end: lower, allocate, emit, put the code where it can run.
#include "codegen/asmjit/assemble.h"
#include "codegen/asmjit/code_pool.h"
#include "codegen/thread_owned.h"

namespace kiln::codegen {
namespace x64 {
namespace {

// `loop`: which the kernel is the body of, or null.
std::shared_ptr<Code> code_of(const Kernel& kernel, Isa isa, const KernelLoop* loop) {
  auto& w = thread_owned<Workshop>();
  if (!assemble(kernel, isa, w, nullptr, loop)) return nullptr;
  return std::make_shared<MachineCode>(BackendKind::asmjit, place_code(w.code));
}

std::string listing_of(const Kernel& kernel, Isa isa, const KernelLoop* loop) {
  asmjit::StringLogger logger;
  Workshop fresh;
  if (!assemble(kernel, isa, fresh, &logger, loop)) return {};
  return std::string(logger.data(), logger.dataSize());
}

class AsmjitBackend final : public Backend {
 public:
  BackendKind kind() const override { return BackendKind::asmjit; }

  std::shared_ptr<Code> compile(const Kernel& kernel, Isa isa) override { return code_of(kernel, isa, nullptr); }

  std::string text(const Kernel& kernel, Isa isa, std::string_view what) override {
    return what == "asm" ? listing_of(kernel, isa, nullptr) : std::string();
  }
};

}  // namespace
}  // namespace x64

std::shared_ptr<Code> compile_loop(const KernelLoop& loop, Isa isa) { return x64::code_of(loop.kernel, isa, &loop); }

std::string loop_text(const KernelLoop& loop, Isa isa) { return x64::listing_of(loop.kernel, isa, &loop); }

Backend& asmjit_backend() {
  // Lives as long as the process: code may be freed after static objects are gone.
  static x64::AsmjitBackend& backend = *std::make_unique<x64::AsmjitBackend>().release();
  return backend;
}

}  // namespace kiln::codegen
