// Math functions, each written once over primitives, so that every back end computes the same bits. No host libm.
// x is f32 or f64; the result has its dtype. At most 2 ulp off, 3 for two arguments: in f32 over all
// inputs, in f64 over samples (docs/math.md).
// Special values as in C99 Annex F.
#pragma once

#include "codegen/builder.h"

namespace kiln::codegen {

Value exp(Builder&, Value x);
Value exp2(Builder&, Value x);
Value expm1(Builder&, Value x);
Value log(Builder&, Value x);
Value log2(Builder&, Value x);
Value log10(Builder&, Value x);
Value log1p(Builder&, Value x);
Value pow(Builder&, Value x, Value y);
Value logaddexp(Builder&, Value x, Value y);  // log(exp(x) + exp(y))
Value rsqrt(Builder&, Value x);               // 1 / sqrt(x); of -0 it is -inf (IEEE 754-2019, 9.2.1)
Value cbrt(Builder&, Value x);
Value hypot(Builder&, Value x, Value y);

Value sin(Builder&, Value x);
Value cos(Builder&, Value x);
Value tan(Builder&, Value x);
Value asin(Builder&, Value x);
Value acos(Builder&, Value x);
Value atan(Builder&, Value x);
Value atan2(Builder&, Value y, Value x);

Value sinh(Builder&, Value x);
Value cosh(Builder&, Value x);
Value tanh(Builder&, Value x);
Value asinh(Builder&, Value x);
Value acosh(Builder&, Value x);
Value atanh(Builder&, Value x);

Value erf(Builder&, Value x);
Value erfc(Builder&, Value x);
Value lgamma(Builder&, Value x);   // log |gamma(x)|
Value digamma(Builder&, Value x);  // its derivative; NaN of negative integers, -+inf of +-0

Value sigmoid(Builder&, Value x);    // 1 / (1 + exp(-x))
Value softplus(Builder&, Value x);   // log(1 + exp(x))
Value gelu(Builder&, Value x);       // x times the standard normal distribution's share below x
Value gelu_tanh(Builder&, Value x);  // x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))

// Philox4x32-10 (Salmon et al., SC'11; Random123): the `lane`-th (0..3) 32-bit word, as i64 in [0, 2^32), of the block with counter
// (counter as i64 low/high words, call as i64 low/high words) under the 64-bit key. All operands i64.
Value philox(Builder&, Value counter, Value call, Value key, int lane);

}  // namespace kiln::codegen
