// Straight-line LLVM IR for one value at a time: primitives, constants, loads and stores of a strip of `width` elements.
// Width 1 is a scalar; a bool is an i1 in registers and a byte in memory. Loops and placement are emit.cpp's business.
//
// The rules of primitive.h hold bit for bit: no fast-math flag is ever set, nothing is contracted, and every operation whose LLVM
// form would be poison for some input (over-wide shifts, division, float to int) is guarded here.
#pragma once

#include <cstdint>
#include <span>

#include "codegen/backend.h"
#include "codegen/kernel.h"

namespace llvm {
class IRBuilderBase;
class Type;
class Value;
}  // namespace llvm

namespace kiln::codegen::llvm_ir {

llvm::Type* memory_type(llvm::IRBuilderBase&, DType, int width);  // of a strip as it lies in memory
llvm::Value* constant(llvm::IRBuilderBase&, DType, uint64_t bits, int width);

// `from` is the dtype of the last operand, `to` that of the result.
llvm::Value* primitive(llvm::IRBuilderBase&, Prim, DType from, DType to, std::span<llvm::Value* const> operands);

// Between registers and memory: only a bool changes its form.
llvm::Value* to_memory(llvm::IRBuilderBase&, DType, llvm::Value*);
llvm::Value* from_memory(llvm::IRBuilderBase&, DType, llvm::Value*);

// The first `count` lanes of a strip; 0 < count, and a count beyond the width means all.
llvm::Value* first_lanes(llvm::IRBuilderBase&, llvm::Value* count, int width);

// A strip of elements in memory.
struct Access {
  DType dtype;
  int width;
  Isa isa;
  Stride stride;
  llvm::Value* address;             // of the first element
  llvm::Value* step = nullptr;      // bytes between elements; used where stride is not contiguous
};

// Has this ISA an instruction that touches only the lanes of a mask? Strips whose accesses have not are never masked.
bool has_masked_form(Isa, DType, Stride);

// Elements outside of the mask (nullptr: none are outside) are not touched and read as `otherwise` (nullptr: anything).
llvm::Value* load(llvm::IRBuilderBase&, const Access&, llvm::Value* mask, llvm::Value* otherwise);

// Writes any NaN as the canonical one. `streaming` stores past the caches and needs an address aligned to the strip.
void store(llvm::IRBuilderBase&, const Access&, llvm::Value* value, llvm::Value* mask, bool streaming = false);

}  // namespace kiln::codegen::llvm_ir
