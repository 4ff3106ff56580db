// asin, acos, atan and atan2. Coefficients: fit.py. Special values as in C99 Annex F.9.1.
#include <array>
#include <limits>

#include "codegen/math/format.h"

namespace kiln::codegen {
namespace {

using namespace math;

constexpr double kInf = std::numeric_limits<double>::infinity();

// pi and pi / 2 as sums of two numbers of the format.
struct Pi {
  double pi, pi_lo, half, half_lo;
};
constexpr Pi kPi32{0x1.921fb6p+1, -0x1.777a5cp-24, 0x1.921fb6p+0, -0x1.777a5cp-25};
constexpr Pi kPi64{0x1.921fb54442d18p+1, 0x1.1a62633145c07p-53, 0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54};
const Pi& pi(Value x) { return x.dtype() == DType::F32 ? kPi32 : kPi64; }

// (asin(s) / s - 1) / s^2 in s^2 for |s| <= 1/2, with an error below 2^-27 (f32) or 2^-59 (f64) of the arcsine.
constexpr std::array kArcsine32{0x1.5555c8p-3, 0x1.330246p-4, 0x1.747212p-5, 0x1.8caecep-6, 0x1.58f46p-5};
constexpr std::array kArcsine64{0x1.5555555555576p-3, 0x1.333333332e3cdp-4, 0x1.6db6db71f042dp-5, 0x1.f1c71aa268624p-6,
                                0x1.6e8bdd59f3cecp-6, 0x1.1c4a0c33dcb7ep-6, 0x1.ca1cec27f0751p-7, 0x1.759b222ddbf0ep-7,
                                0x1.60c37c53569f8p-7, 0x1.ed16b9d7001d8p-9, 0x1.61736be6b58eap-6, -0x1.54f2adff088c8p-6,
                                0x1.0a5498ba841ap-5};
// (atan(t) / t - 1) / t^2 in t^2 for |t| <= 1, with an error below 2^-28 (f32) or 2^-57 (f64) of the arctangent.
constexpr std::array kArctangent32{-0x1.55553ap-2, 0x1.9991p-3,    -0x1.24177ap-3, 0x1.c0317ep-4,  -0x1.5709bap-4,
                                   0x1.d6de14p-5,  -0x1.f722e6p-6, 0x1.5d871ap-7,  -0x1.c7dc84p-10};
constexpr std::array kArctangent64{-0x1.555555555551dp-2, 0x1.9999999994b2ap-3,  -0x1.249249235b8ddp-3,  0x1.c71c7177f1d86p-4,
                                   -0x1.745d112838a0ep-4, 0x1.3b1360a94707cp-4,  -0x1.110e21d2aa6f8p-4,  0x1.e1b97f3da4f64p-5,
                                   -0x1.ae55096997cb9p-5, 0x1.82bb6365a8f4dp-5,  -0x1.5952abd1e9b9ep-5,  0x1.2b8aa9f506f5cp-5,
                                   -0x1.e7f86ec5a95ebp-6, 0x1.65cb8622058a2p-6,  -0x1.c2ff51fdfd16cp-7,  0x1.d14dfd9d85a16p-8,
                                   -0x1.73a83b984ef2fp-9, 0x1.aac07ebff3d86p-11, -0x1.37417a0ff51ecp-13, 0x1.af3c2a9a965ccp-17};

// asin(s) - s
Value arcsine_tail(Builder& b, Value s, Value z) {
  return s * z * (z.dtype() == DType::F32 ? polynomial(b, z, kArcsine32) : polynomial(b, z, kArcsine64));
}

// atan(t) - t
Value arctangent_tail(Builder& b, Value t) {
  const Value z = t * t;
  return t * z * (z.dtype() == DType::F32 ? polynomial(b, z, kArctangent32) : polynomial(b, z, kArctangent64));
}

// Up to 1/2 by the polynomial, at s = x; beyond by asin x = pi / 2 - 2 asin(s) with s = sqrt((1 - x) / 2). NaN beyond 1, from the root.
struct Halved {
  Value large;  // bool
  Value s, tail;
};
Halved halve(Builder& b, Value x) {
  const Value size = b.abs(x), large = b.gt(size, 0.5), half = b.fma(size, -0.5, 0.5);
  const Value z = b.select(large, half, x * x), s = b.select(large, b.sqrt(half), x);
  return {large, s, arcsine_tail(b, s, z)};
}

}  // namespace

Value asin(Builder& b, Value x) {
  const auto [large, s, tail] = halve(b, x);
  // The subtraction last: a result below 1 would pay for a difference above 1 that was rounded before.
  const Value beyond = pi(x).half - b.fma(s, 2, tail + tail - pi(x).half_lo);
  return b.select(large, b.select(b.lt(x, 0), -beyond, beyond), s + tail);
}

Value acos(Builder& b, Value x) {
  const auto [large, s, tail] = halve(b, x);
  const Value small = pi(x).half - (s + (tail - pi(x).half_lo));
  const Value above = 2 * (s + tail), below = b.fma(s, -2, pi(x).pi) - (tail + tail - pi(x).pi_lo);
  return b.select(large, b.select(b.lt(x, 0), below, above), small);
}

// Beyond 1 by atan x = pi / 2 + atan(-1 / x).
Value atan(Builder& b, Value x) {
  const Value large = b.gt(b.abs(x), 1), negative = b.lt(x, 0);
  const Value t = b.select(large, -1, x) / b.select(large, x, 1);
  const Value tail = arctangent_tail(b, t);
  const Value lo = b.select(negative, b.constant(x.dtype(), -pi(x).half_lo), pi(x).half_lo);
  const Value hi = b.select(negative, b.constant(x.dtype(), -pi(x).half), pi(x).half);
  return b.select(large, hi + (t + (tail + lo)), b.select(b.eq(x, 0), x, t + tail));  // keeps -0
}

// The angle of (|x|, |y|) from that of the smaller over the larger, then into the quadrant.
Value atan2(Builder& b, Value y, Value x) {
  const DType type = x.dtype();
  const Value wide = b.abs(x), high = b.abs(y), steep = b.gt(high, wide), left = is_negative(b, x);
  const Value larger = b.select(steep, high, wide), smaller = b.select(steep, wide, high);
  const Value quotient = smaller / larger;
  const Value both = b.select(b.eq(larger, 0), b.constant(type, 0), b.select(b.eq(smaller, kInf), 1, quotient));
  const Value size = b.select(b.bit_or(b.ne(x, x), b.ne(y, y)), x + y, both);
  const Value turned = b.bit_xor(steep, left), tail = arctangent_tail(b, size);
  const Value t = b.select(turned, -size, size), rest = b.select(turned, -tail, tail);
  const auto choose = [&](double half, double whole) {
    return b.select(steep, b.constant(type, half), b.select(left, b.constant(type, whole), 0));
  };
  const Value angle = choose(pi(x).half, pi(x).pi) + (t + (rest + choose(pi(x).half_lo, pi(x).pi_lo)));
  return b.select(is_negative(b, y), -angle, angle);
}

}  // namespace kiln::codegen
