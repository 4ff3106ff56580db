// What functions that end in a logarithm share. Private to codegen/math.
#pragma once

#include "codegen/math/format.h"

namespace kiln::codegen::math {

// x = 2^k (1 + f) with 2/3 <= 1 + f < 4/3; x positive and finite. Both in x's dtype.
struct LogarithmParts {
  Value k, f;
};
LogarithmParts logarithm_parts(Builder&, Value x);

// (log(1 + f) - f) / f^2 for |f| <= 1/3
Value logarithm_tail(Builder&, Value f, bool single);  // single: f32's bits are enough

// log(x + one + lo) + shift ln 2, where one is 1 or 0 and x + one is positive and 2^-127 to 2^126 (f32) or 2^-1023 to 2^1022 (f64). lo, which
// may be empty, is what x lacks, an ulp or so.
Value log_of_sum(Builder&, Value x, Value one, Value lo, Value shift, bool single);

}  // namespace kiln::codegen::math
