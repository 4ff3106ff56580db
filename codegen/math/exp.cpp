// exp, exp2, expm1, sigmoid and softplus. Coefficients: least squares at Chebyshev nodes, rounded one by one from the lowest, the others fitted
// anew (fit.py).
#include <array>

#include "codegen/math/exponential.h"
#include "codegen/math/logarithm.h"

namespace kiln::codegen {
namespace math {
namespace {

constexpr double kLog2E = 0x1.71547652b82fep+0;

struct Exponential {
  double ln2_hi, ln2_lo;                 // hi has so few bits that x - k hi is exact
  double lowest, highest;                // exp: zero below, infinite above
  double lowest_minus_one;               // expm1: -1 below
  double small;                          // |x| below: expm1(x) rounds to x
  double lowest_of_two, highest_of_two;  // exp2: zero below, infinite above
};
constexpr Exponential kExponential32{0x1.62e4p-1, 0x1.7f7d1cp-20, -104, 89, -18, 0x1p-30, -151, 129};
constexpr Exponential kExponential64{0x1.62e42feep-1, 0x1.a39ef35793c76p-33, -746, 710, -38, 0x1p-60, -1076, 1025};

constexpr std::array kTail32{0x1.fffff8p-2, 0x1.55548ep-3, 0x1.555b96p-5, 0x1.123bdp-7, 0x1.685352p-10};
constexpr std::array kTail64{0x1.000000000000bp-1,  0x1.555555555550fp-3,  0x1.55555555502ap-5,   0x1.1111111122b4ap-7,
                             0x1.6c16c1852c01cp-10, 0x1.a01a014498ae6p-13, 0x1.a01997c656a0fp-16, 0x1.71deec62e8918p-19,
                             0x1.28af42a60c9fap-22, 0x1.add773f1864b3p-26};

// (2^r - 1) / r for |r| <= 1/2, with an error below 2^-28 (f32) or 2^-59 (f64) of 2^r.
constexpr std::array kPowerOfTwo32{0x1.62e43p-1, 0x1.ebfbep-3, 0x1.c6af72p-5, 0x1.3b2a48p-7, 0x1.5f0dccp-10, 0x1.4424bp-13};
constexpr std::array kPowerOfTwo64{0x1.62e42fefa39efp-1,  0x1.ebfbdff82c58fp-3,  0x1.c6b08d704a183p-5,  0x1.3b2ab6fba4d8p-7,
                                   0x1.5d87fe7888b62p-10, 0x1.430912f8a93b7p-13, 0x1.ffcbfcdbb0815p-17, 0x1.62c021635f524p-20,
                                   0x1.b524224fbe196p-24, 0x1.e4d2017c60869p-28, 0x1.eafe8868eac99p-32, 0x1.c0e2e02dac2bfp-36};

const Exponential& constants(Value x) { return x.dtype() == DType::F32 ? kExponential32 : kExponential64; }

// 2^n, given n + bias in the low bits: they become the exponent.
Value power_of_two(Builder& b, Value biased, DType t) {
  const Format& format = t == DType::F32 ? kF32 : kF64;
  return b.bitcast(b.shl(biased, format.mantissa), t);
}

}  // namespace

// Two products by normal numbers, so that denormal results round once.
Value scaled(Builder& b, Value e, Value k) {
  const Value half = b.shr(k, 1);
  const Value first = e * power_of_two(b, half, e.dtype());
  return first * power_of_two(b, k - half, e.dtype());
}

Reduced reduce_by_ln2(Builder& b, Value x, int offset) {
  const Exponential& e = constants(x);
  const double magic = format_of(x).round_magic + offset;
  const Value shifted = b.fma(x, kLog2E, magic);
  const Value k = shifted - magic;
  return {b.bitcast(shifted, format_of(x).integer), b.fma(k, -e.ln2_lo, b.fma(k, -e.ln2_hi, x))};
}

Value exponential_tail(Builder& b, Value r, bool single) { return single ? polynomial(b, r, kTail32) : polynomial(b, r, kTail64); }
Value exponential_tail(Builder& b, Value r) { return exponential_tail(b, r, r.dtype() == DType::F32); }

namespace {

// e^r for |r| <= ln 2 / 2.
Value exponential(Builder& b, Value r) { return b.fma(b.fma(exponential_tail(b, r), r, 1), r, 1); }

}  // namespace

Value exp_in_range(Builder& b, Value x) {
  const auto [k, r] = reduce_by_ln2(b, x, 2 * format_of(x).bias);
  return scaled(b, exponential(b, r), k);
}

Value exp_of_twice_plus_one(Builder& b, Value x) {
  const Exponential& e = constants(x);
  const double magic = format_of(x).round_magic + format_of(x).bias;
  const Value shifted = b.fma(x, 2 * kLog2E, magic);
  const Value k = shifted - magic;
  // f32: k is small, and so is the error of k ln 2.
  const Value half =
      x.dtype() == DType::F32 ? b.fma(k, -(e.ln2_hi + e.ln2_lo) / 2, x) : b.fma(k, -e.ln2_lo / 2, b.fma(k, -e.ln2_hi / 2, x));
  return b.fma(exponential(b, half + half), power_of_two(b, b.bitcast(shifted, format_of(x).integer), x.dtype()), 1);
}

}  // namespace math

using namespace math;

Value exp(Builder& b, Value x) {
  const Exponential& e = constants(x);
  return exp_in_range(b, at_most(b, at_least(b, x, e.lowest), e.highest));
}

Value exp2(Builder& b, Value x) {
  const Exponential& e = constants(x);
  const Format& format = format_of(x);
  const Value bounded = at_most(b, at_least(b, x, e.lowest_of_two), e.highest_of_two);
  const double magic = format.round_magic + 2 * format.bias;
  const Value shifted = bounded + magic, r = bounded - (shifted - magic);
  const Value slope = x.dtype() == DType::F32 ? polynomial(b, r, kPowerOfTwo32) : polynomial(b, r, kPowerOfTwo64);
  return scaled(b, b.fma(slope, r, 1), b.bitcast(shifted, format.integer));
}

Value expm1(Builder& b, Value x) {
  const Exponential& e = constants(x);
  // As 2 (2^(k-1) (e^r - 1) + 2^(k-1) - 1/2), for 2^k overflows before the result does.
  const auto [k, r] = reduce_by_ln2(b, at_most(b, at_least(b, x, e.lowest_minus_one), e.highest), format_of(x).bias - 1);
  const Value scale = power_of_two(b, k, x.dtype());
  const Value half = b.fma(b.fma(r * r, exponential_tail(b, r), r), scale, scale - 0.5);
  return b.select(b.lt(b.abs(x), e.small), x, half + half);
}

Value sigmoid(Builder& b, Value x) {
  // With t = e^-|x| and s = t / (1 + t): 1 - s, or t - t s for negative x; the rounding of 1 + t and of s then counts for little.
  const Value t = exp_in_range(b, at_least(b, -b.abs(x), constants(x).lowest));
  const Value whole = b.select(b.lt(x, 0), t, 1);
  return b.fma(-whole, t / (1 + t), whole);
}

// max(x, 0) + log(1 + t) with t = e^-|x|, which log1p gets with the bits that rounding took from it.
Value softplus(Builder& b, Value x) {
  const DType t = x.dtype();
  const auto [k, r] = reduce_by_ln2(b, at_least(b, -b.abs(x), constants(x).lowest), 2 * format_of(x).bias);
  const Value slope = b.fma(exponential_tail(b, r), r, 1), hi = b.fma(slope, r, 1), lo = b.fma(slope, r, 1 - hi);
  return at_least(b, x, 0) + log_of_sum(b, scaled(b, hi, k), b.constant(t, 1), scaled(b, lo, k), b.constant(t, 0), t == DType::F32);
}

}  // namespace kiln::codegen
