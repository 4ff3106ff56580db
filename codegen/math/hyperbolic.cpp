// sinh and cosh: with |x| = k ln 2 + r they are sums of products of those of k ln 2, (2^k -+ 2^-k) / 2, and of r, which are polynomials. So
// nothing cancels by more than a bit. Coefficients: fit.py.
#include <array>

#include "codegen/math/doubles.h"
#include "codegen/math/exponential.h"

namespace kiln::codegen {
namespace {

using namespace math;

// (cosh(r) - 1) / r^2 and (sinh(r) / r - 1) / r^2 in r^2 for |r| <= ln 2 / 2, with an error below 2^-26 (f32) or 2^-61 (f64) of cosh and sinh.
constexpr std::array kHyperbolicCosine32{0x1p-1, 0x1.5554e4p-5, 0x1.6d514ap-10};
constexpr std::array kHyperbolicCosine64{
    0x1p-1, 0x1.5555555555558p-5, 0x1.6c16c16c1500bp-10, 0x1.a01a01ad76d15p-16, 0x1.27e4cc2827b2ep-22, 0x1.1f8bb233a20cfp-29};
constexpr std::array kHyperbolicSine32{0x1.5554acp-3, 0x1.1229f8p-7};
constexpr std::array kHyperbolicSine64{0x1.5555555555559p-3, 0x1.111111110f651p-7, 0x1.a01a01b0054cbp-13, 0x1.71ddf80b7def9p-19,
                                       0x1.af5f30f40dd14p-26};

struct Limits {
  double most;       // of |x|: infinite from there
  double one_sided;  // beyond, e^-x does not count
  double small;      // below, sinh(x) rounds to x
};
constexpr Limits kLimits32{89.5, 20, 0x1p-13}, kLimits64{710.6, 40, 0x1p-27};

struct Parts {
  Double2 plus, minus;    // (2^k + 2^-k) / 4, (2^k - 2^-k) / 4
  Value sinh, cosh_tail;  // sinh r, cosh r - 1
};

Parts parts_of(Builder& b, Value x, const Limits& limits) {
  const Format& format = format_of(x);
  const bool single = x.dtype() == DType::F32;
  const Value size = at_most(b, b.abs(x), limits.most);
  const auto [k, r] = reduce_by_ln2(b, size, format.bias - 2);
  const Value up = b.bitcast(b.shl(k, format.mantissa), x.dtype());  // 2^k / 4
  const Value down = b.bitcast(b.shl(2 * (format.bias - 2) - k, format.mantissa), x.dtype());
  const Value counted = b.select(b.lt(size, limits.one_sided), down, 0);
  const Value z = r * r;
  return {fast_two_sum(up, counted), fast_two_sum(up, -counted),
          b.fma(r * z, single ? polynomial(b, z, kHyperbolicSine32) : polynomial(b, z, kHyperbolicSine64), r),
          z * (single ? polynomial(b, z, kHyperbolicCosine32) : polynomial(b, z, kHyperbolicCosine64))};
}

const Limits& limits_of(Value x) { return x.dtype() == DType::F32 ? kLimits32 : kLimits64; }

}  // namespace

Value sinh(Builder& b, Value x) {
  const Limits& limits = limits_of(x);
  const auto [plus, minus, sinh, cosh_tail] = parts_of(b, x, limits);
  const Value half = minus.hi + (b.fma(plus.hi, sinh, minus.hi * cosh_tail) + minus.lo), whole = half + half;
  return b.select(b.lt(b.abs(x), limits.small), x, b.select(b.lt(x, 0), -whole, whole));
}

Value cosh(Builder& b, Value x) {
  const auto [plus, minus, sinh, cosh_tail] = parts_of(b, x, limits_of(x));
  const Value half = plus.hi + (b.fma(minus.hi, sinh, plus.hi * cosh_tail) + plus.lo);
  return half + half;
}

}  // namespace kiln::codegen
