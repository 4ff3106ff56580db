// What a back end is: kernel in, code out.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "codegen/abi.h"
#include "codegen/kernel.h"

namespace kiln::codegen {

enum class BackendKind : uint8_t { interpreter, asmjit, llvm, cuda };
inline constexpr std::array<std::string_view, 4> kBackendNames{"interpreter", "asmjit", "llvm", "cuda"};
constexpr std::string_view name_of(BackendKind k) { return kBackendNames[static_cast<size_t>(k)]; }

// Vector instructions our kernels use. KILN_ISA (avx2 | avx512) narrows what the CPU offers; the same bits result either way.
enum class Isa : uint8_t { avx2, avx512 };
Isa isa();  // what this process uses

// Compiled code. Kept alive by whoever may be running it; freeing returns the memory to the back end's pool.
class Code {
 public:
  virtual ~Code() = default;
  KernelFunction function = nullptr;
  const void* self = nullptr;  // goes to Args::self
  BackendKind backend = BackendKind::interpreter;
  size_t bytes = 0;  // size of the machine code
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual BackendKind kind() const = 0;
  // nullptr where this back end does not cover the kernel (the caller runs another one). Thread-safe. Throws only Error{memory}.
  virtual std::shared_ptr<Code> compile(const Kernel&, Isa) = 0;
  // The back end's own text of a kernel without running it: "asm", "llvm", "cuda"; empty where there is none.
  virtual std::string text(const Kernel&, Isa, std::string_view what) {
    (void)what;
    return {};
  }
};

Backend& interpreter_backend();
Backend& asmjit_backend();
// Opens libkiln_llvm.so (beside libkiln.so, or KILN_LLVM) on first use; nullptr where it is absent, with the reason in *why.
Backend* llvm_backend(std::string* why = nullptr);

}  // namespace kiln::codegen
