// pow(x, y) = exp(y * log|x|), with more bits than the result has: f32 through f64, f64 through a logarithm of two doubles.
// Special values as in C99 Annex F.9.4.4.
#include <limits>

#include "codegen/math/doubles.h"

namespace kiln::codegen {
namespace {

using math::Double2, math::fast_two_sum, math::two_product;

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// log(x) to about 2^-65, x positive and finite: x = 2^k m with m in [sqrt(1/2), sqrt(2)), s = (m - 1) / (m + 1) and
// log m = 2 (s + s^3/3 + s^5/5 + ...), of which the first two terms need both doubles.
Double2 log2_doubles(Builder& b, Value x) {
  const Value denormal = b.lt(x, std::numeric_limits<double>::min());
  const Value normal = b.select(denormal, x * 0x1p54, x);
  constexpr double kSqrtHalf = 0x1.6a09e667f3bcdp-1;
  const Value bits = b.bitcast(normal, DType::I64);
  const Value k = b.shr(bits - b.bitcast(b.constant(DType::F64, kSqrtHalf), DType::I64), 52);
  const Value m = b.bitcast(bits - b.shl(k, 52), DType::F64);
  const Value kd = b.cast(k, DType::F64) - b.select(denormal, b.constant(DType::F64, 54), 0);

  // m - 1 is exact; m + 1 and the quotient leave remainders that fma gives exactly.
  const Value f = m - 1.0;
  const Double2 g = fast_two_sum(b.constant(DType::F64, 2), f);
  const Value s = f / g.hi;
  const Value s_lo = (b.fma(-s, g.hi, f) - s * g.lo) / g.hi;

  // s^3 / 3 in two doubles.
  const Double2 z = two_product(b, s, s);
  const Value z_lo = z.lo + 2.0 * s * s_lo;
  const Double2 cube = two_product(b, z.hi, s);
  const Value cube_lo = cube.lo + (z.hi * s_lo + z_lo * s);
  constexpr double kThird = 0x1.5555555555555p-2, kThirdLo = 0x1.5555555555555p-56;
  const Double2 third = two_product(b, cube.hi, b.constant(DType::F64, kThird));
  const Value third_lo = third.lo + (cube.hi * kThirdLo + cube_lo * kThird);

  // s^5/5 + s^7/7 + ...: |s| <= 0.1716, so the term after s^23 is below 2^-66 of s.
  const Value w = z.hi;
  Value tail = b.constant(DType::F64, 1.0 / 25);
  for (int n = 23; n >= 5; n -= 2) tail = b.fma(tail, w, 1.0 / n);
  tail = tail * (w * cube.hi);

  // 2 (s + s^3/3 + tail) + k ln 2. ln2_hi has 32 bits, so that k ln2_hi is exact.
  constexpr double kLn2Hi = 0x1.62e42feep-1, kLn2Lo = 0x1.a39ef35793c76p-33, kLn2Lo2 = 0x1.cc01f97b57a08p-87;
  const Value k_hi = kd * kLn2Hi;
  const Double2 k_lo = two_product(b, kd, b.constant(DType::F64, kLn2Lo));
  const Double2 series = fast_two_sum(s, third.hi);
  const Value series_lo = series.lo + (s_lo + (third_lo + tail));
  const Double2 most = fast_two_sum(k_hi, 2.0 * series.hi);  // k_hi is 0 or at least ln 2, which is above 2 |s|
  const Double2 more = fast_two_sum(most.hi, k_lo.hi);
  const Value rest = more.lo + (most.lo + (2.0 * series_lo + (k_lo.lo + kd * kLn2Lo2)));
  return fast_two_sum(more.hi, rest);
}

Value magnitude_f64(Builder& b, Value x, Value y) {  // x >= 0 or NaN
  const Double2 l = log2_doubles(b, x);
  Value hi = b.select(b.eq(x, 0), -kInf, b.select(b.eq(x, kInf), kInf, l.hi));
  hi = b.select(b.ne(x, x), kNaN, hi);
  const Value t = y * hi;
  // The low part matters only where exp is neither 0 nor infinite (and is not a number elsewhere).
  const Value t_lo = b.select(b.lt(b.abs(t), 1000), b.fma(y, hi, -t) + y * l.lo, 0);
  const Value e = exp(b, t);
  return b.select(b.lt(e, kInf), b.fma(e, t_lo, e), e);
}

}  // namespace

Value pow(Builder& b, Value x, Value y) {
  const DType type = x.dtype();
  const Value size = b.abs(x);
  const Value magnitude =
      type == DType::F64 ? magnitude_f64(b, size, y) : b.cast(exp(b, b.cast(y, DType::F64) * log(b, b.cast(size, DType::F64))), DType::F32);
  const DType bits = type == DType::F32 ? DType::I32 : DType::I64;
  const Value negative = b.lt(b.bitcast(x, bits), 0);
  const Value whole = b.eq(b.trunc(y), y), half = y * 0.5;
  const Value odd = b.bit_and(whole, b.ne(b.trunc(half), half));
  Value result = b.select(b.bit_and(negative, odd), -magnitude, magnitude);
  const Value no_root = b.bit_and(b.bit_and(b.lt(x, 0), b.gt(x, -kInf)), b.bit_not(whole));
  result = b.select(no_root, kNaN, result);
  const Value one = b.bit_or(b.bit_or(b.eq(y, 0), b.eq(x, 1)), b.bit_and(b.eq(x, -1), b.eq(b.abs(y), kInf)));
  return b.select(one, 1, result);
}

}  // namespace kiln::codegen
