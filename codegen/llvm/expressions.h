// Straight-line LLVM IR for one value at a time: primitives, constants, loads and stores of a strip of `width` elements.
// Width 1 is a scalar; a bool is an i1 in registers and a byte in memory. Loops are loops.cpp's business.
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
class Value;
}  // namespace llvm

namespace kiln::codegen::llvm_ir {

llvm::Value* constant(llvm::IRBuilderBase&, DType, uint64_t bits, int width);

// `from` is the dtype of the last operand, `to` that of the result.
// may_be_nan: of the first operand.
llvm::Value* primitive(llvm::IRBuilderBase&, Prim, DType from, DType to, std::span<llvm::Value* const> operands, bool may_be_nan = true);

// The first `count` lanes of a strip as a mask; 0 < count, and a count beyond the width means all.
llvm::Value* first_lanes(llvm::IRBuilderBase&, llvm::Value* count, int width);

// Values put aside and taken back, with their NaNs as they are.
llvm::Value* read(llvm::IRBuilderBase&, DType, int width, llvm::Value* address);
void write(llvm::IRBuilderBase&, DType, llvm::Value* value, llvm::Value* address);

// A strip of a buffer's elements.
struct Access {
  DType dtype;
  int width;
  Isa isa;
  bool contiguous;
  llvm::Value* address;            // of the first element
  llvm::Value* step;               // bytes from one to the next
  llvm::Value* offsets = nullptr;  // of loads of several elements: bytes by which each is moved
};

// Has the ISA loads and stores that touch only some of a contiguous strip's elements?
bool has_masked_form(Isa, DType);

// Elements outside of the mask (nullptr: none are outside) are not touched and read as `otherwise` (nullptr: anything).
llvm::Value* load(llvm::IRBuilderBase&, const Access&, llvm::Value* mask, llvm::Value* otherwise);

// Writes any NaN as the canonical one. A mask needs a contiguous strip that has a masked form. `streaming` stores past the caches and
// needs an address aligned to the strip, or to 64 bytes.
void store(llvm::IRBuilderBase&, const Access&, llvm::Value* value, llvm::Value* mask, bool may_be_nan, bool streaming = false);

}  // namespace kiln::codegen::llvm_ir
