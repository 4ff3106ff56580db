// Unevaluated sums of two numbers of one format, hi + lo with |lo| <= ulp(hi) / 2: sums and products without error (Dekker 1971, Knuth's TAOCP 2,
// 4.2.2; Ogita, Rump, Oishi 2005). Private to codegen/math.
#pragma once

#include "codegen/math.h"

namespace kiln::codegen::math {

struct Double2 {
  Value hi, lo;
};

inline Double2 fast_two_sum(Value a, Value b) {  // |a| >= |b| or a == 0
  const Value s = a + b;
  return {s, b - (s - a)};
}

inline Double2 two_sum(Value a, Value b) {
  const Value s = a + b, b_part = s - a;
  return {s, (a - (s - b_part)) + (b - b_part)};
}

inline Double2 two_product(Builder& b, Value x, Value y) {
  const Value p = x * y;
  return {p, b.fma(x, y, -p)};
}

}  // namespace kiln::codegen::math
