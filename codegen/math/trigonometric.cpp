// sin, cos and tan: the argument in half turns (tan: quarter turns), then an odd polynomial in what is left. f32 is computed in f64, where the
// reduction is cheap and nothing needs care. Coefficients: fit.py.
#include <array>

#include "codegen/math/format.h"
#include "codegen/math/half_turns.h"

namespace kiln::codegen {
namespace {

using namespace math;

constexpr double kPi = 0x1.921fb54442d18p+1, kPiLo = 0x1.1a62633145c07p-53;

// (sin(pi f) / f - pi) / f^2 in f^2 for |f| <= 1/2, with an error below 2^-27 (f32) or 2^-61 of the sine.
constexpr std::array kSine32{-0x1.4abbc4df2688cp2, 0x1.46690e747f383p1, -0x1.3254724065b2fp-1, 0x1.3e19f61df4c8p-4};
constexpr std::array kSine64{-0x1.4abbce625be53p2,   0x1.466bc6775ab13p1,   -0x1.32d2cce62d93bp-1,
                             0x1.50783488ecca3p-4,   -0x1.e30750853b029p-8, 0x1.e8f475d335b2fp-12,
                             -0x1.6fbc9dff59c1bp-16, 0x1.ae98c1e9c61b4p-21, -0x1.e769e8f27326p-26};
// (tan(r) / r - 1) / r^2 in r^2 for |r| <= pi / 4, with an error below 2^-29 (f32) or 2^-56 of the tangent.
constexpr std::array kTangent32{0x1.55556017cd066p-2, 0x1.110da360324ebp-3,  0x1.bad7d40105c25p-5, 0x1.5cda245fa28bbp-6,
                                0x1.6238009c51578p-7, 0x1.ff54ddcf1cf72p-14, 0x1.1dc6d4f67a4ecp-8};
constexpr std::array kTangent64{0x1.55555555554f4p-2,   0x1.1111111117fabp-3,  0x1.ba1ba1b496076p-5,   0x1.664f49a014bb7p-6,
                                0x1.226e1348a7a92p-7,   0x1.d6d9123d515a3p-9,  0x1.7d5cee96a0a23p-10,  0x1.37ed8c3095404p-11,
                                0x1.d30721cc7ffap-13,   0x1.1cf9aa932149ap-13, -0x1.abe2e67012fbfp-16, 0x1.73dbc371afb51p-14,
                                -0x1.74ed3e63c4343p-15, 0x1.5c5d904e1c92cp-16};

// sin(pi f): pi f in two doubles, then what is less. The low part of f counts with the slope, some cosine.
Value sine_of_turns(Builder& b, const Double2& f) {
  const Value z = f.hi * f.hi;
  if (!f.lo) return f.hi * b.fma(z, polynomial(b, z, kSine32), kPi);
  const Value r = f.hi * kPi, r2 = r * r;
  const Value slope = b.fma(r2, b.fma(r2, 0.0370, -0.4967), 1);
  const Value low = b.fma(f.lo * kPi, slope, b.fma(f.hi, kPiLo, b.fma(f.hi, kPi, -r)));
  return r + b.fma(f.hi * z, polynomial(b, z, kSine64), low);
}

Value sine(Builder& b, Value x, double shift) {
  const Turns turns = turns_of(b, x, shift, false);
  const Value s = sine_of_turns(b, turns.fraction);
  return b.cast(b.select(turns.odd, -s, s), x.dtype());
}

// x where it is so small that the result rounds to it; keeps -0, and denormals that turns would lose bits of.
Value unless_tiny(Builder& b, Value x, Value result) {
  return b.select(b.lt(b.abs(x), x.dtype() == DType::F32 ? 0x1p-13 : 0x1p-27), x, result);
}

}  // namespace

Value sin(Builder& b, Value x) { return unless_tiny(b, x, sine(b, x, 0)); }

Value cos(Builder& b, Value x) { return sine(b, x, 0.5); }

Value tan(Builder& b, Value x) {
  const Turns turns = turns_of(b, x, 0, true);
  const Double2& f = turns.fraction;
  const Value r = f.hi * (kPi / 2), z = r * r;
  if (x.dtype() == DType::F32) {
    const Value t = b.fma(r * z, polynomial(b, z, kTangent32), r);
    const Value quotient = b.select(turns.odd, -1.0, t) / b.select(turns.odd, t, 1.0);
    return unless_tiny(b, x, b.cast(quotient, x.dtype()));
  }
  // t = hi + lo, and -1 / t with the rounding of hi and of the quotient made good. The slope of the tangent is about 1 + z (1 + z) here.
  const Value r_lo = b.fma(f.lo, kPi / 2, b.fma(f.hi, kPiLo / 2, b.fma(f.hi, kPi / 2, -r)));
  const Value rest = b.fma(r * z, polynomial(b, z, kTangent64), r_lo * b.fma(z, z + 1, 1));
  const Double2 t = fast_two_sum(r, rest);
  const Value quotient = -1.0 / t.hi;
  const Value exact = b.fma(-quotient, b.fma(-quotient, t.lo, b.fma(-quotient, t.hi, -1)), quotient);
  return unless_tiny(b, x, b.select(turns.odd, exact, t.hi));
}

}  // namespace kiln::codegen
