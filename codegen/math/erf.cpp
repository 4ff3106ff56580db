// erf(x): x + x P(x^2) up to 1, then 1 - exp(-x^2) Q(t) with t = (x - 5/2) / (x + 5/2). P and Q interpolate erf(x)/x - 1 and
// erfc(x) exp(x^2) at Chebyshev points, computed to 40 digits. Measured error: 0.98 ulp over every third f32; f64 stays below 2 ulp in its test.
// erfc(z) for z >= 1/2 is exp(-z^2) times a polynomial in t = (z - a) / (z + a), for f64 divided by z + 0.564 so that the polynomial is nearly
// constant; z^2 in two parts, for exp is steep. gelu is x / 2 times erfc(-x / sqrt 2). Coefficients of erfc: fit.py.
// Special values as in C99 Annex F.9.5.1.
#include <array>
#include <limits>

#include "codegen/math/doubles.h"
#include "codegen/math/exponential.h"

namespace kiln::codegen {
namespace {

using math::Double2, math::polynomial;

constexpr double kInf = std::numeric_limits<double>::infinity();

struct Coefficients {
  double beyond;  // from here on the result rounds to 1
  std::span<const double> near, far;
};

constexpr double kNear32[] = {0x1.06eba82022eadp-3, -0x1.81274665754c3p-2,  0x1.ce2f08fec14fdp-4,  -0x1.b829c897922e5p-6,
                              0x1.562a60ddba6e6p-8, -0x1.bccf664d7f763p-11, 0x1.d887505de3ba6p-14, -0x1.445f47d33d87bp-17};
constexpr double kFar32[] = {0x1.afbb3f4431215p-3, -0x1.7ca88d8f0c54ep-2, 0x1.01c114fec1c90p-2,  -0x1.0011aa0a3f3d4p-3,
                             0x1.4712c82d5608dp-5, -0x1.0449bb83b4108p-8, -0x1.5d9819e97e3f8p-9, 0x1.4d5068b5d4543p-11};
constexpr double kNear64[] = {0x1.06eba8214db69p-3,  -0x1.812746b0379e7p-2,  0x1.ce2f21a042bdep-4,  -0x1.b82ce312889bap-6,
                              0x1.565bcd0e6502dp-8,  -0x1.c02db3feeb579p-11, 0x1.f9a326c233146p-14, -0x1.f4d2561aeafd4p-17,
                              0x1.b9e6509b9867dp-20, -0x1.5f6d925a0bc7ap-23, 0x1.fc4356498c2d9p-27, -0x1.4e607b41a6416p-30,
                              0x1.7f072188e194dp-34, -0x1.29b9f1b3df556p-38};
constexpr double kFar64[] = {0x1.afbb3f3b7343bp-3,  -0x1.7ca88dec217a7p-2,  0x1.01c11a735cd9bp-2,   -0x1.0011543716bf5p-3,
                             0x1.470ba1f67df6bp-5,  -0x1.05bb2fe61ffbcp-8,  -0x1.5a5716cc0a84ap-9,  0x1.cb3b6224d655cp-11,
                             0x1.def2c67e7a541p-13, -0x1.0e46891800d71p-13, -0x1.1ebd6c2acd263p-15, 0x1.3857b73aad27dp-16,
                             0x1.fac26072946c3p-18, -0x1.3697a24d6b62bp-19, -0x1.e2653bc7ba480p-20, 0x1.16766f2184636p-23,
                             0x1.6963acf7d435fp-22};
constexpr Coefficients kErf32{4, kNear32, kFar32}, kErf64{6, kNear64, kFar64};

// erfc(z) e^(z^2) for 1/2 <= z <= 10.5 with an error below 2^-31, and z + kFlat times it for 1/2 <= z <= 27.7 with one below 2^-54.
constexpr double kCentre32 = 2.25, kCentre64 = 3, kFlat = 0x1.20dd750429b6dp-1;
constexpr double kMost32 = 10.5, kMost64 = 27.7;  // of z: smaller results round to zero, also of gelu
constexpr std::array kErfcTail32{0x1.d94446d8079bep-3,  -0x1.97beed212ac5ap-2, 0x1.ff4e7eb7a975fp-3,  -0x1.ae4986847fc7p-4,
                                 0x1.6359c48cf2559p-6,  0x1.bca74a6f50d81p-9,  -0x1.6add160d3b984p-9, -0x1.7c150a3ad72a2p-13,
                                 0x1.8fb0d21513878p-12, 0x1.05498a38033fbp-15, -0x1.bcb01178664cp-15};
constexpr std::array kErfcTail64{0x1.46a72794a9578p-1,  -0x1.6b8688f3cee5bp-4,  -0x1.06aa9723510b8p-7,  0x1.c416e5e8505c1p-5,
                                 -0x1.c2dc2e86ec974p-5, 0x1.0af68ddbdb626p-5,   -0x1.7c7a00568de8ap-7,  0x1.57710eff14fa7p-10,
                                 0x1.db03f39674213p-11, -0x1.95cf8ec1c35b8p-12, -0x1.9694b81f10e5cp-15, 0x1.02e47128494b8p-14,
                                 0x1.076f651babb24p-19, -0x1.4cbdba7fb67bbp-17, -0x1.31b17ea124296p-22, 0x1.ce78af7cbdf5p-20,
                                 0x1.57187bc6fc864p-23, -0x1.51c274684e217p-22, -0x1.019f2e6e5edc7p-24, 0x1.ebe811a7d2065p-25,
                                 0x1.953e2c96c4c2ap-27, -0x1.1c5fe82ff8837p-27};

// factor * erfc(z) for 1/2 <= z, given -z^2 in two doubles; z_lo is what z lacks. All f64; single: for f32's bits, where no low part counts.
Value scaled_erfc(Builder& b, Double2 z, Double2 minus_square, Value factor, bool single) {
  using namespace math;
  auto [k, r] = reduce_by_ln2(b, minus_square.hi, 2 * kF64.bias);
  const double centre = single ? kCentre32 : kCentre64;
  const Value t = (z.hi - centre) / (z.hi + centre);
  if (single) {
    const Value p = b.fma(r * r, exponential_tail(b, r, true), r), v = polynomial(b, t, kErfcTail32) * factor;
    return scaled(b, b.fma(v, p, v), k);
  }
  r = r + minus_square.lo;
  const Value p = b.fma(r * r, exponential_tail(b, r), r);
  // What the polynomial's last step, product and quotient are rounded by, and z_lo, are made good with p.
  const Value slope = polynomial(b, t, std::span(kErfcTail64).subspan(1));
  const Value flat = b.fma(t, slope, kErfcTail64[0]), flat_lo = b.fma(t, slope, kErfcTail64[0] - flat);
  const Value divisor = z.hi + kFlat, divisor_lo = kFlat - (divisor - z.hi) + z.lo;
  const Double2 product = two_product(b, flat, factor);
  const Value v = product.hi / divisor;
  const Value missing = b.fma(-v, divisor_lo, b.fma(-v, divisor, product.hi) + b.fma(flat_lo, factor, product.lo));
  return scaled(b, b.fma(v, p + missing / product.hi, v), k);
}

// x^2 / divisor, negated, in two doubles; divisor is 1 or 2.
Double2 minus_square(Builder& b, Value x, double divisor) {
  const Value hi = x * x;
  return {hi * (-1 / divisor), b.fma(x, x, -hi) * (-1 / divisor)};
}

// erf(x) / x - 1 for |x| <= 1
Value near_zero(Builder& b, Value x, bool single) { return single ? polynomial(b, x * x, kNear32) : polynomial(b, x * x, kNear64); }

}  // namespace

Value erf(Builder& b, Value x) {
  const Coefficients& c = x.dtype() == DType::F32 ? kErf32 : kErf64;
  const Value near = b.fma(x, polynomial(b, x * x, c.near), x);
  const Value size = math::at_most(b, b.abs(x), c.beyond);
  const Value q = polynomial(b, (size - 2.5) / (size + 2.5), c.far);
  const Value far = b.fma(-exp(b, -(size * size)), q, 1.0);
  return b.select(b.lt(b.abs(x), 1.0), near, b.select(b.lt(x, 0.0), -far, far));
}

Value erfc(Builder& b, Value x) {
  const bool single = x.dtype() == DType::F32;
  const Value wide = b.cast(x, DType::F64), size = math::at_most(b, b.abs(wide), single ? kMost32 : kMost64);
  const Value tail = scaled_erfc(b, {size, b.constant(DType::F64, 0)}, minus_square(b, size, 1), b.constant(DType::F64, 1), single);
  const Value near = b.fma(-wide, near_zero(b, wide, single), 1 - wide);
  return b.cast(b.select(b.lt(b.abs(wide), 0.75), near, b.select(b.lt(wide, 0), 2 - tail, tail)), x.dtype());
}

Value gelu(Builder& b, Value x) {
  constexpr double kSqrtHalf = 0x1.6a09e667f3bcdp-1, kSqrtHalfLo = -0x1.bdd3413b26456p-55;
  const bool single = x.dtype() == DType::F32;
  const Value wide = b.cast(x, DType::F64), bounded = math::at_most(b, b.abs(wide), (single ? kMost32 : kMost64) / kSqrtHalf);
  const Value z = bounded * kSqrtHalf, z_lo = b.fma(bounded, kSqrtHalf, -z) + bounded * kSqrtHalfLo;
  const Value tail = scaled_erfc(b, {z, z_lo}, minus_square(b, bounded, 2), bounded * 0.5, single);  // |x| / 2 erfc(|x| / sqrt 2)
  // x / 2 (1 + s + s P) with s = x / sqrt 2, and what s and 1 + s lack.
  const Value s = wide * kSqrtHalf, s_lo = b.fma(wide, kSqrtHalf, -s), half = wide * 0.5;
  const Double2 sum = math::fast_two_sum(b.constant(DType::F64, 1), s);
  const Value bent = half * (sum.hi + b.fma(s, near_zero(b, s, single), s_lo + sum.lo));
  const Value near = b.select(b.lt(b.abs(wide), 0x1p-60), half, bent);  // keeps -0
  return b.cast(b.select(b.lt(b.abs(wide), 0.75), near, b.select(b.lt(wide, 0), -tail, wide - tail)), x.dtype());
}

// x sigmoid(v) with v = 2 sqrt(2 / pi) (x + 0.044715 x^3) in two parts: x / (1 + e^-|v|), and that times e^-|v| for negative x.
Value gelu_tanh(Builder& b, Value x) {
  using namespace math;
  constexpr double kLinear = 0x1.9884533d43651p+0, kLinearLo = -0x1.cbc0d30ebfd15p-54, kCubic = 0x1.2444f2a4d8b4bp-4,
                   kCubicLo = -0x1.6c843a29d1c7p-61;
  const bool single = x.dtype() == DType::F32;
  const Value wide = b.cast(x, DType::F64), size = at_most(b, b.abs(wide), single ? 12 : 24);
  const Value square = size * size;
  Value v, v_lo;
  if (single) {
    v = size * b.fma(square, kCubic, kLinear);
  } else {
    const Double2 cubic = two_product(b, square, b.constant(DType::F64, kCubic)),
                  factor = two_sum(b.constant(DType::F64, kLinear), cubic.hi);
    const Value lower = b.fma(b.fma(size, size, -square), kCubic, b.fma(square, kCubicLo, cubic.lo));
    const Value factor_lo = factor.lo + (lower + kLinearLo);
    v = size * factor.hi;
    v_lo = b.fma(size, factor.hi, -v) + size * factor_lo;
  }
  auto [k, r] = reduce_by_ln2(b, -v, 2 * kF64.bias);
  if (!single) r = r - v_lo;
  const Value p = b.fma(r * r, exponential_tail(b, r, single), r);
  const Double2 power = fast_two_sum(b.constant(DType::F64, 1), p);
  const Value t = scaled(b, power.hi, k), bounded = at_least(b, wide, single ? -12 : -24);
  const Double2 divisor = fast_two_sum(b.constant(DType::F64, 1), t);
  const Value share = bounded / divisor.hi;
  Value above = share, bend = b.fma(share, p, share);
  if (!single) {
    const Value divisor_lo = divisor.lo + scaled(b, power.lo, k);
    const Value missing = b.fma(-share, divisor_lo, b.fma(-share, divisor.hi, bounded)) / divisor.hi;  // of the quotient
    above = b.select(b.bit_and(b.gt(wide, 0x1p-60), b.lt(wide, kInf)), share + missing, share);
    bend = share + b.fma(share, p, b.fma(missing, p, missing));
  }
  return b.cast(b.select(b.lt(wide, -0x1p-60), scaled(b, bend, k), above), x.dtype());  // keeps -0
}

}  // namespace kiln::codegen
