// lgamma and digamma, computed in f64. Coefficients: fit.py.
//
// log gamma(x) for 0 < x < 8.5 comes from the interval around 2, where it is SLOPE u + u^2 P(u) with u in [-2/3, 1/2], by
// gamma(x + 1) = x gamma(x): plus or minus the logarithm of a product. Beyond, by Stirling's series (Abramowitz and Stegun 6.1.40). Negative x by
// reflection (6.1.17). digamma for 0 < x < 10 goes up to 10 in steps (6.3.6), then by its series (6.3.18).
#include <array>
#include <limits>

#include "codegen/math/doubles.h"
#include "codegen/math/logarithm.h"

namespace kiln::codegen {
namespace {

using namespace math;

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kPi = 0x1.921fb54442d18p+1;
constexpr double kLn2Hi = 0x1.62e42feep-1, kLn2Lo = 0x1.a39ef35793c76p-33;  // hi has 32 bits, so that k hi is exact

// (log gamma(2 + u) - (1 - Euler) u) / u^2 for -2/3 <= u <= 1/2
constexpr std::array kLogGamma64{0x1.4a34cc4a60fa6p-2,  -0x1.13e001a557607p-4,  0x1.51322ac7d8708p-6,  -0x1.e404fc218efccp-8,
                                 0x1.7add6ead763efp-9,  -0x1.38ac5c2c5f7f6p-10, 0x1.0b36af9fcb5c1p-11, -0x1.d3fd4c11ac56fp-13,
                                 0x1.a127a560d4df3p-14, -0x1.78de774a0d17fp-15, 0x1.580f665d3b8eep-16, -0x1.3cb827a089c45p-17,
                                 0x1.2574e29b85693p-18, -0x1.1223a5d6fb66dp-19, 0x1.022f19dfa988dp-20, -0x1.d4a1c840f5f64p-22,
                                 0x1.ad9d0592aedabp-23, -0x1.168ec2be42eedp-23, 0x1.e0b35ce7c7029p-25, 0x1.a246a676fa63dp-27,
                                 0x1.df1e951274725p-27, -0x1.6b3615145e4d9p-26};
// x times what Stirling's formula lacks, in 1 / x^2, for x >= 8.5
constexpr std::array kStirling64{0x1.555555555554dp-4,   -0x1.6c16c16b91f72p-9, 0x1.a019fce5ea6dcp-11,
                                 -0x1.380edf452a9e2p-11, 0x1.b71862e7feda1p-11, -0x1.b3ad03136b6edp-10};
// (digamma(x) - log(x) + 1 / (2 x)) x^2 in 1 / x^2 for x >= 10
constexpr std::array kDigamma32{-0x1.55555554fc5dap-4, 0x1.111106985c687p-7, -0x1.03f78805a0feep-8, 0x1.0573a1e891116p-8};
constexpr std::array kDigamma64{-0x1.555555555552bp-4, 0x1.1111111070f7ep-7, -0x1.04103dd8bc26p-8,
                                0x1.110d5ac40e2d6p-8,  -0x1.ee44b7d9cf3dp-8, 0x1.2f218d8a5fafdp-6};
// (sin(pi f) / f - pi) / f^2 in f^2 for |f| <= 1/2, as in trigonometric.cpp
constexpr std::array kSine64{-0x1.4abbce625be53p2,   0x1.466bc6775ab13p1,   -0x1.32d2cce62d93bp-1,
                             0x1.50783488ecca3p-4,   -0x1.e30750853b029p-8, 0x1.e8f475d335b2fp-12,
                             -0x1.6fbc9dff59c1bp-16, 0x1.ae98c1e9c61b4p-21, -0x1.e769e8f27326p-26};

Value sine_of_pi(Builder& b, Value f) {  // |f| <= 1/2
  const Value z = f * f;
  return f * b.fma(z, polynomial(b, z, kSine64), kPi);
}

Value log_gamma(Builder& b, Value x) {  // |gamma(x)|'s, x > -1/2
  // x = u + 2 + steps; the product is what gamma(x) is of gamma(u + 2), or, below 4/3, its reciprocal is.
  const Value tiny = b.lt(x, 0.5), below = b.lt(x, 4.0 / 3), beyond = b.ge(x, 8.5);
  Value u = b.select(tiny, x, x - 1), product = b.select(tiny, b.abs(b.fma(x, x, x)), x);
  Value up = b.constant(DType::F64, 1);
  Value u_up = x - 2;
  for (int i = 1; i <= 6; ++i) {
    const Value above = b.ge(x, i + 1.5);
    up = b.select(above, up * (x - i), up);
    u_up = b.select(above, x - (i + 2), u_up);
  }
  // Steps that start at x - 1: the product down to u + 2 is (x - 1) ... (u + 2).
  u = b.select(below, u, u_up);
  product = b.select(below, product, b.select(beyond, x, b.select(b.ge(x, 2.5), up, 1)));
  const auto [k, f] = logarithm_parts(b, product);
  const Value tail = f * f * logarithm_tail(b, f, false);

  constexpr double kSlope = 0x1.b0ee6072093cep-2, kSlopeLo = 0x1.6cb90701fbfabp-58;
  const Value bend = polynomial(b, u, kLogGamma64);
  const Value slope = b.fma(u, bend, kSlope), slope_lo = b.fma(u, bend, kSlope - slope) + kSlopeLo;
  const Value signed_f = b.select(below, -f, f), signed_k = b.select(below, -k, k), signed_tail = b.select(below, -tail, tail);
  const Value rest = b.fma(u, slope_lo, b.fma(signed_k, kLn2Lo, signed_tail));
  const Value near = b.fma(signed_k, kLn2Hi, b.fma(u, slope, signed_f) + rest);

  // (x - 1/2) (log x - 1) + (log(2 pi) - 1) / 2 + S, with the logarithm in two doubles.
  constexpr double kConstant = 0x1.acfe390c97d69p-2;
  const Double2 logarithm = fast_two_sum(b.fma(k, kLn2Hi, -1), f);
  const Value low = logarithm.lo + b.fma(k, kLn2Lo, tail), y = x - 0.5;
  const Double2 most = two_product(b, y, logarithm.hi);
  const Value inverse = 1.0 / x, z = inverse * inverse;
  const Value series = inverse * polynomial(b, z, kStirling64);
  const Value far = most.hi + (most.lo + b.fma(y, low, series + kConstant));
  const Value bounded = b.select(b.lt(most.hi, kInf), far, kInf);
  return b.select(beyond, b.select(b.lt(x, kInf), bounded, x), near);
}

}  // namespace

// All bits of f64 for f32, too: near the zeros at negative x the terms cancel.
Value lgamma(Builder& b, Value x) {
  const Value wide = b.cast(x, DType::F64), size = b.abs(wide);
  const Value reflected = b.lt(wide, -0.5);
  const Value positive = log_gamma(b, b.select(reflected, size, wide));
  // gamma(x) gamma(-x) = -pi / (x sin(pi x))
  const Value f = size - b.round(size);
  const Value product = size * b.abs(sine_of_pi(b, f)) * (1 / kPi);
  const Value mirrored = -log(b, product) - positive;
  const Value result = b.select(reflected, b.select(b.eq(f, 0), kInf, mirrored), positive);
  return b.cast(b.select(b.bit_or(b.eq(size, 0), b.eq(size, kInf)), kInf, result), x.dtype());
}

Value digamma(Builder& b, Value x) {
  const bool single = x.dtype() == DType::F32;
  const Value wide = b.cast(x, DType::F64), negative = b.lt(wide, 0);
  const Value start = b.select(negative, 1.0 - wide, wide);
  // The steps' reciprocals as two fractions: one alone would be rounded twice as often.
  Value y = start, reciprocals = b.constant(DType::F64, 0);
  for (int half = 0; half < 2; ++half) {
    Value numerator = b.constant(DType::F64, 0), denominator = b.constant(DType::F64, 1);
    for (int i = 0; i < 5; ++i) {
      const Value step = b.lt(y, 10);
      numerator = b.select(step, b.fma(numerator, y, denominator), numerator);
      denominator = b.select(step, denominator * y, denominator);
      y = b.select(step, y + 1, y);
    }
    reciprocals = reciprocals + numerator / denominator;
  }
  const Value inverse = 1.0 / y, z = inverse * inverse;
  const Value series = b.fma(z, single ? polynomial(b, z, kDigamma32) : polynomial(b, z, kDigamma64), inverse * -0.5);
  const Value positive = log(b, y) + (series - reciprocals);
  // digamma(x) = digamma(1 - x) - pi cot(pi x)
  const Value f = wide - b.round(wide), opposite = 0.5 - b.abs(f);
  const Value mirrored = positive - sine_of_pi(b, opposite) / sine_of_pi(b, f) * kPi;
  const Value at_pole = b.select(is_negative(b, wide), b.constant(DType::F64, kInf), -kInf);
  const Value result = b.select(negative, b.select(b.eq(f, 0), kNaN, mirrored), positive);
  return b.cast(b.select(b.eq(wide, 0), at_pole, b.select(b.eq(wide, kInf), kInf, result)), x.dtype());
}

}  // namespace kiln::codegen
