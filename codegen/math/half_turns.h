// Arguments of sine, cosine and tangent, counted in half turns. Private to codegen/math.
#pragma once

#include "codegen/math/doubles.h"

namespace kiln::codegen::math {

// x / pi + shift = n + fraction with an integer n and |fraction| <= 1/2, for every finite x; NaN for the others. f64, with the fraction in two
// doubles (lo is empty if x was an f32). All bits of x count: of the fraction, at least 24 + 30 (f32) or 53 + 50 (f64) are right.
struct Turns {
  Value odd;  // bool: is n odd?
  Double2 fraction;
};
// shift is 0 or 1/2. quarters: in quarter turns, x / (pi / 2).
Turns turns_of(Builder&, Value x, double shift, bool quarters);

}  // namespace kiln::codegen::math
