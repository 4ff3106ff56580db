// exp and its kin: x = k ln 2 + r with an integer k and |r| <= ln 2 / 2, then e^x = 2^k e^r (Cody and Waite). Private to codegen/math.
#pragma once

#include "codegen/math/format.h"

namespace kiln::codegen::math {

struct Reduced {
  Value k_bits;  // an integer whose low bits (one more than an exponent field has) are k + offset
  Value r;
};

// Needs |k| + offset below 2^(mantissa - 1); NaN gives NaN in r and anything in k_bits.
Reduced reduce_by_ln2(Builder&, Value x, int offset);

// (e^r - 1 - r) / r^2 for |r| <= ln 2 / 2, with an error below 2^-28 (f32) or 2^-57 (f64) of e^r.
Value exponential_tail(Builder&, Value r);
Value exponential_tail(Builder&, Value r, bool single);  // single: f32's bits are enough

// e 2^k, given k + 2 bias in the low bits.
Value scaled(Builder&, Value e, Value k);

// e^x for x that neither overflows nor lies far below the smallest denormal: between the bounds that exp() clamps to.
Value exp_in_range(Builder&, Value x);

// e^(2 x) + 1 for x in [0, some 30].
Value exp_of_twice_plus_one(Builder&, Value x);

}  // namespace kiln::codegen::math
