// exp, expm1, the logarithms and powers of complex values.
#include "codegen/math/complex_parts.h"

namespace kiln::codegen {
namespace math {

// e^708 is finite, and x - 708 exact where x is in [708, 1416]; beyond 1416 only sines of denormals keep the product finite.
Grown exp_of(Builder& b, Value x) {
  constexpr double kStep = 708, kExpOfStep = 0x1.586f6bf260cf1p+1021;
  const Value once = b.gt(x, kStep), twice = b.gt(x, 2 * kStep), one = number(b, 1);
  const Value left = b.select(twice, x - 2 * kStep, b.select(once, x - kStep, x));
  const Value step = number(b, kExpOfStep);
  return {exp(b, left), b.select(once, step, one), b.select(twice, step, one)};
}

namespace {

constexpr double kLn2 = 0x1.62e42fefa39efp-1, kPerLn2 = 0x1.71547652b82fep+0, kPerLn10 = 0x1.bcb7b1526e50ep-2;

// log |z| for numbers whose squares may be lost, and near 1, where log of a rounded modulus would have no right digit.
Value log_of_modulus(Builder& b, const Complex& z) {
  constexpr double kFar = 600;
  const Value x = b.abs(z.re), y = b.abs(z.im), swap = b.lt(x, y);
  const Value larger = b.select(swap, y, x), smaller = b.select(swap, x, y);
  const Value large = b.gt(larger, 0x1p500), small = b.lt(larger, 0x1p-450);
  const Value scale = b.select(large, 0x1p-600, b.select(small, 0x1p600, number(b, 1)));
  const Value shift = b.select(large, kFar * kLn2, b.select(small, -kFar * kLn2, number(b, 0)));
  const Value modulus = hypot(b, x * scale, y * scale);
  const Value near_one = log1p(b, b.fma(larger - 1, larger + 1, smaller * smaller)) * 0.5;
  const Value is_near = b.bit_and(b.gt(modulus, 0.6), b.lt(modulus, 1.7));
  return b.select(b.bit_and(is_near, b.eq(scale, 1)), near_one, log(b, modulus) + shift);
}

Complex exponential(Builder& b, const Complex& z) {
  const Grown e = exp_of(b, z.re);
  const Value real = b.eq(z.im, 0), wild = b.bit_and(is_infinite(b, z.re), b.bit_not(is_finite(b, z.im)));
  const Value vanishes = b.lt(z.re, 0);
  Complex result{e(cos(b, z.im)), b.select(real, z.im, e(sin(b, z.im)))};
  result.re = b.select(real, exp(b, z.re), result.re);
  return select(b, wild, {b.select(vanishes, 0, number(b, kInfinity)), b.select(vanishes, 0, number(b, kNoNumber))}, result);
}

Complex logarithm(Builder& b, const Complex& z) { return {log_of_modulus(b, z), atan2(b, z.im, z.re)}; }

}  // namespace
}  // namespace math

namespace of_complex {

using namespace math;

Value exp(Builder& b, Value z) {
  return in_f64(b, z, [&](const Complex& w) { return exponential(b, w); });
}

// expm1(x) cos(y) - 2 sin(y/2)^2, of which neither term loses what the other needs: where they cancel, the imaginary part is larger.
Value expm1(Builder& b, Value z) {
  return in_f64(b, z, [&](const Complex& w) {
    const Complex e = exponential(b, w);
    const Value half = codegen::sin(b, w.im * 0.5), real = b.eq(w.im, 0);
    const Value near = codegen::expm1(b, w.re) * codegen::cos(b, w.im) - 2 * half * half;
    const Value at_zero = b.select(real, codegen::expm1(b, w.re), near);
    return Complex{b.select(b.lt(b.abs(w.re), 40), at_zero, e.re - 1), e.im};
  });
}

Value log(Builder& b, Value z) {
  return in_f64(b, z, [&](const Complex& w) { return logarithm(b, w); });
}
Value log2(Builder& b, Value z) {
  return in_f64(b, z, [&](const Complex& w) { return logarithm(b, w) * kPerLn2; });
}
Value log10(Builder& b, Value z) {
  return in_f64(b, z, [&](const Complex& w) { return logarithm(b, w) * kPerLn10; });
}

// |1 + z|^2 - 1 = x (2 + x) + y^2, whose terms cancel only where the angle is larger than what is left of them.
Value log1p(Builder& b, Value z) {
  return in_f64(b, z, [&](const Complex& w) {
    const Complex moved{w.re + 1, w.im};
    const Value near = b.bit_and(b.lt(b.abs(w.re), 0.5), b.lt(b.abs(w.im), 0.5));
    const Value re = codegen::log1p(b, b.fma(w.re, w.re + 2, w.im * w.im)) * 0.5;
    return Complex{b.select(near, re, log_of_modulus(b, moved)), codegen::atan2(b, w.im, moved.re)};
  });
}

Value pow(Builder& b, Value x, Value y) {
  const Value exponent = b.cast(y, DType::C128);
  return in_f64(b, x, [&](const Complex& w) {
    const Complex l = logarithm(b, w), e = parts(exponent);
    const Complex result = exponential(b, {l.re * e.re - l.im * e.im, l.re * e.im + l.im * e.re});
    const Value base_zero = b.bit_and(b.eq(w.re, 0), b.eq(w.im, 0)), to_zero = b.bit_and(b.eq(e.re, 0), b.eq(e.im, 0));
    const Value of_zero = b.select(b.gt(e.re, 0), 0, number(b, kNoNumber));
    return select(b, to_zero, {number(b, 1), number(b, 0)}, select(b, base_zero, {of_zero, of_zero}, result));
  });
}

}  // namespace of_complex
}  // namespace kiln::codegen
