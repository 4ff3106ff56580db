// pow(x, y) = exp(y * log|x|), with more bits than the result has: f32 through f64, f64 through a logarithm of two doubles.
// Special values as in C99 Annex F.9.4.4. Coefficients as in exp.cpp.
#include <array>
#include <bit>
#include <limits>

#include "codegen/math/doubles.h"
#include "codegen/math/format.h"

namespace kiln::codegen {
namespace {

using math::Double2, math::fast_two_sum, math::polynomial_in_halves, math::two_product;

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

// log2(1 + f) / f for |f| <= 1/3, with an error below 2^-41 of it.
// clang-format off
constexpr std::array kPowLogarithm32{
    0x1.71547652b8315p+0, -0x1.71547652f0001p-1, 0x1.ec709dc3f5e4bp-2, -0x1.715475c095266p-2, 0x1.2776c4901f1f9p-2, -0x1.ec710c05b14fbp-3,
    0x1.a617c60b26992p-3, -0x1.7142376fd4527p-3, 0x1.483a542f9ee8bp-3, -0x1.29005d5883dcfp-3, 0x1.0e07ae2b7703cp-3, -0x1.c9748a90c34b1p-4,
    0x1.a5e0b774162f7p-4, -0x1.34a1117108828p-3, 0x1.2090dfb86059ap-3};
// (2^r - 1) / r for |r| <= 1/2, with an error below 2^-34 of 2^r; before them 1, so that the powers of two are exact.
constexpr std::array kPowExponential32{
    1.0, 0x1.62e42fef84cd5p-1, 0x1.ebfbe07d92437p-3, 0x1.c6b08dd700792p-5, 0x1.3b29eef26cb88p-7, 0x1.5d8745a3d1de6p-10,
    0x1.445fc88c66a44p-13, 0x1.00dc4c3b9706ap-16};
// clang-format on

// log2(x) of a finite f32 x >= 0, as f64 with an error below 2^-41 of it; 0 counts as 2^-1023.
Value wide_log2(Builder& b, Value x) {
  using namespace math;
  // x = 2^k m with m in [2/3, 4/3), for every f32 is a normal f64. k + bias is put into the exponent field of `moved`, and read from there by
  // making it the last bits of a number whose last bit counts 1.
  constexpr uint64_t kLeast = std::bit_cast<uint64_t>(0x1.5555555555555p-1), kOne = std::bit_cast<uint64_t>(1.0);
  constexpr double kUnits = 0x1p52;
  const auto bits = [&](uint64_t v) { return b.constant_bits(DType::I64, v); };
  const Value moved = b.bitcast(b.cast(x, DType::F64), DType::I64) + bits(kOne - kLeast);
  const Value m = b.bitcast(b.bit_and(moved, bits((uint64_t{1} << kF64.mantissa) - 1)) + bits(kLeast), DType::F64);
  const Value units = b.bit_or(b.shr_logical(moved, kF64.mantissa), bits(std::bit_cast<uint64_t>(kUnits)));
  const Value k = b.bitcast(units, DType::F64) - (kUnits + kF64.bias);

  // k and 1, 2, 4 and 8 coefficients: each sum is there when what it is added to is.
  const Value f = m - 1.0, f2 = f * f, f4 = f2 * f2, f8 = f4 * f4;
  const std::span<const double> c = kPowLogarithm32;
  Value sum = b.fma(f, c[0], k);
  sum = b.fma(f2, polynomial_in_halves(b, f, c.subspan(1, 2)), sum);
  sum = b.fma(f4, polynomial_in_halves(b, f, c.subspan(3, 4)), sum);
  return b.fma(f8, polynomial_in_halves(b, f, c.subspan(7)), sum);
}

// 2^p as f32, of an f64 p that is not infinite.
Value narrow_exp2(Builder& b, Value p) {
  using namespace math;
  const Value whole = b.round(p), r = p - whole;
  // Far beyond f32's range, which the conversion knows, the exponent stops, so that it remains one of f64's. NaN has any: r is NaN too.
  constexpr double kFar = 300;
  const Value k = at_most(b, b.select(b.gt(whole, -kFar), whole, -kFar), kFar) + (kF64.round_magic + kF64.bias);
  const Value scale = b.bitcast(b.shl(b.bitcast(k, DType::I64), kF64.mantissa), DType::F64);
  return b.cast(polynomial_in_halves(b, r, kPowExponential32) * scale, DType::F32);
}

// |x|^y of a number x. Few operations wait for one another: in a loop that needs one power before it can take the next, their number is the time.
// What special values need is done to y, which has it.
Value magnitude_f32(Builder& b, Value x, Value y) {
  constexpr double kMost = std::numeric_limits<float>::max();
  const Value size = b.abs(x), number = b.select(b.lt(size, kMost), size, kMost);
  // y does not matter to 1, even if it is no number: log2 1 = 0 does the rest.
  const Value exponent = b.select(b.bit_and(b.eq(x, 1), b.ne(y, y)), 0, math::at_most(b, math::at_least(b, y, -kMost), kMost));
  const Value wide = b.cast(exponent, DType::F64);
  // The logarithms of 0 and infinity are finite here: even the least y has to make them large.
  const Value extreme = b.bit_or(b.eq(size, 0), b.eq(size, kInf));
  return narrow_exp2(b, b.select(extreme, wide * 0x1p200, wide) * wide_log2(b, number));
}

}  // namespace

Value pow(Builder& b, Value x, Value y) {
  const bool single = x.dtype() == DType::F32;
  const Value magnitude = single ? magnitude_f32(b, x, y) : magnitude_f64(b, b.abs(x), y);
  const Value negative = is_negative(b, x);
  const Value whole = b.eq(b.trunc(y), y), half = y * 0.5;
  const Value odd = b.bit_and(whole, b.ne(b.trunc(half), half));
  const Value result = b.select(b.bit_and(negative, odd), -magnitude, magnitude);
  Value no_number = b.bit_and(b.bit_and(b.lt(x, 0), b.gt(x, -kInf)), b.bit_not(whole));  // where there is no root
  if (single) return b.select(b.bit_or(no_number, b.bit_and(b.ne(x, x), b.ne(y, 0))), kNaN, result);
  const Value one = b.bit_or(b.bit_or(b.eq(y, 0), b.eq(x, 1)), b.bit_and(b.eq(x, -1), b.eq(b.abs(y), kInf)));
  return b.select(one, 1, b.select(no_number, kNaN, result));
}

}  // namespace kiln::codegen
