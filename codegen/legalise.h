// From a kernel over all dtypes to one over those that a back end's registers hold.
//
// Machine dtypes are bool, u8, i32, i64, f32 and f64. The others get a CARRIER: i8, i16, u16 and u32 are computed in i32, u64 in i64. Narrow
// carriers may hold anything above their dtype's bits while only low bits count (add, sub, mul, bit operations, shl); they are wrapped, once,
// where what is above would show: comparisons, minima, quotients, shifts to the right, conversions. In memory a signed dtype is read and
// written as its unsigned twin, so the result has one dtype beside the machine's: u16, in loads, in stores, and in the casts next to them.
//
// f16 and bf16 become u16 first, their conversions pack_f16, unpack_f16 and integer operations (legalise_halves); that much is for the other
// back ends too.
//
// The result is a kernel like any other, and computes the same bits.
#pragma once

#include "codegen/kernel.h"

namespace kiln::codegen {

// Do all values have machine dtypes already? Most do, and need no rewriting.
bool is_legal(const Kernel&);
Kernel legalise(const Kernel&);

// Without f16 and bf16, which are u16 in the result; any other dtype as it was.
bool has_halves(const Kernel&);
Kernel legalise_halves(const Kernel&);

}  // namespace kiln::codegen
