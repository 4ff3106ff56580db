// The AsmJit back end: lower, allocate, emit, put the code where it can run.
#include "codegen/asmjit/assemble.h"
#include "codegen/asmjit/code_pool.h"

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
