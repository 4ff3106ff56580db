// Every primitive on one element and on arrays: the living definition that all back ends are held against.
#pragma once

#include <cstdint>

#include "codegen/primitive.h"

namespace kiln::codegen::interpreter {

// out[i] = primitive(a[i], b[i], c[i]) for i in [0, n). Arrays hold their dtype's C type (bool as 0 or 1); out may be one of the operands.
using Apply = void (*)(void* out, const void* a, const void* b, const void* c, int64_t n);

// `operand` is the dtype of the operands (select: of the last two). Null where the primitive does not take it.
Apply apply_of(Prim, DType result, DType operand);

// On one element, given and returned in the low bytes. The Builder folds constants with this.
uint64_t evaluate(Prim, DType result, DType operand, uint64_t a, uint64_t b = 0, uint64_t c = 0);

// The canonical NaN for any NaN, other floats and dtypes as they are: what becomes of a value whose bits are to be seen.
uint64_t canonical_bits(DType, uint64_t bits);
void canonicalise(DType, void* values, int64_t n);

}  // namespace kiln::codegen::interpreter
