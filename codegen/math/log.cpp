// log, log2, log10 and log1p: x = 2^k (1 + f) with |f| <= 1/3, then log x = k ln 2 + log(1 + f). Coefficients as in exp.cpp.
#include <array>
#include <cmath>
#include <limits>

#include "codegen/math/logarithm.h"

namespace kiln::codegen {
namespace math {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Logarithm {
  double ln2_hi, ln2_lo;
  double two_thirds;  // in the format
  int rescale;        // log multiplies denormals by 2^rescale, log1p large values by 2^-rescale
};
constexpr Logarithm kLogarithm32{0x1.62e43p-1, -0x1.05c61p-29, 0x1.555556p-1, 64};
constexpr Logarithm kLogarithm64{0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56, 0x1.5555555555555p-1, 512};

// (log(1 + f) - f) / f^2, with an error below 2^-27 (f32) or 2^-59 (f64) of log(1 + f).
constexpr std::array kTail32{-0x1p-1,       0x1.5555p-2,    -0x1.ffff6ap-3, 0x1.99d268p-3, -0x1.55884ep-3,
                             0x1.1eb8dep-3, -0x1.f56284p-4, 0x1.1ee68ap-3,  -0x1.03037ap-3};
// clang-format off
constexpr std::array kTail64{
    -0x1p-1,               0x1.5555555555535p-2, -0x1.fffffffffffc6p-3, 0x1.99999999a0692p-3, -0x1.555555555b98ep-3, 0x1.249249209578ep-3,
    -0x1.fffffff890b54p-4, 0x1.c71c74170788bp-4, -0x1.99999bc614b75p-4, 0x1.745cb4d68af68p-4, -0x1.5554f84295a5fp-4, 0x1.3b1dc83b5b629p-4,
    -0x1.249bdd9137a8cp-4, 0x1.1068ce487b04cp-4, -0x1.febf7f3e5f722p-5, 0x1.efc7525246cb7p-5, -0x1.d460abb76d63cp-5, 0x1.55fd1dadf933ep-5,
    -0x1.4450089a576c3p-5, 0x1.5c311a6bfffa6p-4, -0x1.4cdd590a9863fp-4};
// clang-format on

const Logarithm& logarithm(Value x) { return x.dtype() == DType::F32 ? kLogarithm32 : kLogarithm64; }

// The k with x / 2^k in [2/3, 4/3), x positive, normal and finite.
Value exponent(Builder& b, Value x) {
  const Value bits = b.bitcast(x, format_of(x).integer);
  return b.shr(bits - b.bitcast(b.constant(x.dtype(), logarithm(x).two_thirds), format_of(x).integer), format_of(x).mantissa);
}

}  // namespace

LogarithmParts logarithm_parts(Builder& b, Value x) {
  const int rescale = logarithm(x).rescale;
  const Format& format = format_of(x);
  const Value denormal = b.lt(x, format.smallest_normal);
  const Value normal = b.select(denormal, x * std::ldexp(1, rescale), x);
  const Value k = exponent(b, normal);
  const Value f = b.bitcast(b.bitcast(normal, format.integer) - b.shl(k, format.mantissa), x.dtype()) - 1;
  const Value shift = b.select(denormal, b.constant(x.dtype(), -rescale), 0);
  return {b.cast(k, x.dtype()) + shift, f};
}

Value logarithm_tail(Builder& b, Value f, bool single) { return single ? polynomial(b, f, kTail32) : polynomial(b, f, kTail64); }

namespace {

Value log_of_parts(Builder& b, Value k, Value f) {
  const Logarithm& l = logarithm(f);
  return b.fma(k, l.ln2_hi, b.fma(k, l.ln2_lo, b.fma(f * f, logarithm_tail(b, f, f.dtype() == DType::F32), f)));
}

// To another base than e: 1 / ln(base) and ln(2) / ln(base), each as a sum of two numbers of the format.
struct Base {
  double scale_hi, scale_lo, two_hi, two_lo;
};
constexpr Base kTwo32{0x1.715476p+0, 0x1.4ae0cp-26, 1, 0}, kTwo64{0x1.71547652b82fep+0, 0x1.777d0ffda0d24p-56, 1, 0};
constexpr Base kTen32{0x1.bcb7b2p-2, -0x1.5b235ep-27, 0x1.344136p-2, -0x1.ec10cp-27};
constexpr Base kTen64{0x1.bcb7b1526e50ep-2, 0x1.95355baaafad3p-57, 0x1.34413509f79ffp-2, -0x1.9dc1da994fd21p-59};

// The result for x > pole; at the pole it is -inf, below (and for NaN) NaN.
Value with_specials(Builder& b, Value x, double pole, Value result) {
  const Value elsewhere = b.select(b.eq(x, pole), b.constant(x.dtype(), -kInf), kNaN);
  return b.select(b.gt(x, pole), b.select(b.lt(x, kInf), result, x), elsewhere);
}

}  // namespace

Value log_of_sum(Builder& b, Value x, Value one, Value lo, Value shift, bool single) {
  const Format& format = format_of(x);
  // k is that of x + one rounded, but f = (x + one) / 2^k - 1 comes from x itself, rounded once.
  const Value k = exponent(b, x + one);
  const Value reciprocal = b.bitcast(b.shl(format.bias - k, format.mantissa), x.dtype());  // 2^-k
  const Value f = b.fma(x, reciprocal, b.fma(reciprocal, one, -1));
  const Value whole = b.cast(k, x.dtype()) + shift;
  if (!lo) return log_of_parts(b, whole, f);
  const Logarithm& l = logarithm(f);
  const Value slope = b.fma(f, f - 1, 1);  // about 1 / (1 + f)
  const Value rest = b.fma(f * f, logarithm_tail(b, f, single), lo * reciprocal * slope);
  return b.fma(whole, l.ln2_hi, f) + b.fma(whole, l.ln2_lo, rest);
}

}  // namespace math

using namespace math;

Value log(Builder& b, Value x) {
  const auto [k, f] = logarithm_parts(b, x);
  return with_specials(b, x, 0, log_of_parts(b, k, f));
}

namespace {

Value log_to_base(Builder& b, Value x, const Base& base) {
  const auto [k, f] = logarithm_parts(b, x);
  const Value fraction =
      b.fma(f, base.scale_hi, b.fma(f, base.scale_lo, f * f * logarithm_tail(b, f, f.dtype() == DType::F32) * base.scale_hi));
  return with_specials(b, x, 0, b.fma(k, base.two_hi, b.fma(k, base.two_lo, fraction)));
}

}  // namespace

Value log2(Builder& b, Value x) { return log_to_base(b, x, x.dtype() == DType::F32 ? kTwo32 : kTwo64); }
Value log10(Builder& b, Value x) { return log_to_base(b, x, x.dtype() == DType::F32 ? kTen32 : kTen64); }

Value log1p(Builder& b, Value x) {
  // Where x is so large that 2^-k might be denormal, 1 does not count and x / 2^rescale stands for it.
  const int rescale = logarithm(x).rescale;
  const Value large = b.gt(x, std::ldexp(1, rescale));
  const Value scaled = b.select(large, x * std::ldexp(1, -rescale), x);
  const Value one = b.select(large, b.constant(x.dtype(), 0), 1);
  const Value shift = b.select(large, b.constant(x.dtype(), rescale), 0);
  const Value result = with_specials(b, x, -1, log_of_sum(b, scaled, one, Value(), shift, x.dtype() == DType::F32));
  return b.select(b.eq(x, 0), x, result);  // keeps the sign of a zero
}

}  // namespace kiln::codegen
