// tanh x = x (1 + x^2 P(x^2)) up to |x| = 0.55, where tanh x = 1/2; beyond, tanh |x| = 1 - 2 / (e^(2|x|) + 1), which takes a small number from 1,
// and the sign. Coefficients as in exp.cpp.
#include <array>

#include "codegen/math/exponential.h"

namespace kiln::codegen {
namespace {

constexpr double kSmall = 0.55;
// (tanh x - x) / x^3 in x^2, with an error below 2^-24 (f32) or 2^-60 (f64) of tanh x.
constexpr std::array kCubic32{-0x1.555442p-2, 0x1.10cc7cp-3, -0x1.af42bcp-5, 0x1.0c80b8p-6};
constexpr std::array kCubic64{-0x1.555555555554ep-2,  0x1.111111111066fp-3,  -0x1.ba1ba1b96dc69p-5,  0x1.664f48561cf16p-6,
                              -0x1.226e2eaba2e3p-7,   0x1.d6d28b7bc14f7p-9,  -0x1.7d8f081e4bab8p-10, 0x1.347d38ebf097p-11,
                              -0x1.e92e95bd3a5fdp-13, 0x1.5cba73780a26fp-14, -0x1.4547352b1ecf8p-16};

}  // namespace

using namespace math;

Value tanh(Builder& b, Value x) {
  const bool f32 = x.dtype() == DType::F32;
  const Value magnitude = b.abs(x);
  const double most = f32 ? 10 : 22;                                       // from there on the result rounds to 1
  const Value bounded = b.select(b.lt(magnitude, most), magnitude, most);  // no NaN: it takes the other way
  const Value large = 1 - 2 / exp_of_twice_plus_one(b, bounded);
  const Value square = x * x;
  const Value small = x * b.fma(f32 ? polynomial(b, square, kCubic32) : polynomial(b, square, kCubic64), square, 1);  // keeps -0
  return b.select(b.ge(magnitude, kSmall), b.select(b.lt(x, 0), -large, large), small);
}

}  // namespace kiln::codegen
