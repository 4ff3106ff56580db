// tanh |x| = t / (t + 2) with t = e^(2|x|) - 1, exact near 0, then the sign.
#include "codegen/math/exponential.h"

namespace kiln::codegen {

using namespace math;

Value tanh(Builder& b, Value x) {
  const bool f32 = x.dtype() == DType::F32;
  const Value magnitude = b.abs(x);
  const Value t = expm1_of_positive(b, at_most(b, magnitude + magnitude, f32 ? 20 : 44));  // beyond, t + 2 rounds to t
  const Value y = t / (t + 2);
  return b.select(b.lt(magnitude, f32 ? 0x1p-13 : 0x1p-28), x, b.select(b.lt(x, 0), -y, y));
}

}  // namespace kiln::codegen
