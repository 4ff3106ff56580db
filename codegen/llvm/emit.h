// A kernel as one LLVM function of the kernel ABI, already vectorised: nothing is left for LLVM's loop passes to find.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "codegen/image.h"
#include "codegen/kernel.h"

namespace llvm {
class Function;
}  // namespace llvm

namespace kiln::codegen::llvm_ir {

struct Target {
  Isa isa = Isa::avx2;
  int64_t cache_bytes = 0;  // of the last level; larger results are stored past it
};

// Fills an empty function.
void emit(const Kernel&, const Target&, llvm::Function&);

// The image of a relocatable ELF object with one function; nullopt if it needs more than itself.
std::optional<CodeImage> image_of(std::string_view object);

}  // namespace kiln::codegen::llvm_ir
