// Square roots, hyperbolic and trigonometric functions of complex values and their inverses. The inverse sine and cosine follow W. Kahan,
// "Branch cuts for complex elementary functions" (1987): through sqrt(1 - z) and sqrt(1 + z), products of whose parts never cancel.
#include "codegen/math/complex_parts.h"

namespace kiln::codegen {
namespace math {

// |z|'s mean with |Re z| is a sum of positive terms; the other part follows by dividing, without cancelling either.
Complex sqrt(Builder& b, const Complex& z) {
  const Value x = b.abs(z.re), y = b.abs(z.im), size = b.maximum(x, y);
  const Value large = b.gt(size, 0x1p500), small = b.lt(size, 0x1p-450), one = number(b, 1);
  const Value scale = b.select(large, 0x1p-600, b.select(small, 0x1p600, one));
  const Value back = b.select(large, 0x1p300, b.select(small, 0x1p-300, one));
  const Value p = x * scale, q = y * scale;
  const Value root = b.sqrt((p + b.sqrt(b.fma(p, p, q * q))) * 0.5);
  const Value longer = b.select(is_infinite(b, z.re), kInfinity, root * back);
  const Value shorter = b.select(b.eq(size, 0), 0, q / (root * 2) * back);
  const Value of_infinite = b.select(b.eq(x, kInfinity), b.select(is_nan(b, y), kNoNumber, number(b, 0)), shorter);
  const Value right = b.bit_not(b.lt(z.re, 0));
  const Complex result{b.select(right, longer, of_infinite), with_sign_of(b, b.select(right, of_infinite, longer), z.im)};
  return select(b, b.eq(y, kInfinity), {number(b, kInfinity), z.im}, result);
}

namespace {

constexpr double kHalfPi = 0x1.921fb54442d18p+0, kLn2 = 0x1.62e42fefa39efp-1;

// Beyond, sinh and cosh are e^|x| / 2 in every digit.
constexpr double kOneSided = 40;

Complex hyperbolic_sine(Builder& b, const Complex& z) {
  const Value size = b.abs(z.re), far = b.gt(size, kOneSided), sine = sin(b, z.im), cosine = cos(b, z.im);
  const Grown e = exp_of(b, size);
  const Value special = b.bit_and(b.bit_not(is_finite(b, z.im)), b.bit_or(b.eq(size, 0), b.eq(size, kInfinity)));
  const Value re = b.select(far, with_sign_of(b, number(b, 1), z.re) * e(cosine * 0.5), sinh(b, z.re) * cosine);
  const Value im = b.select(far, e(sine * 0.5), cosh(b, z.re) * sine);
  const Value real = b.eq(z.im, 0);
  return {b.select(special, z.re, b.select(real, sinh(b, z.re), re)), b.select(real, z.im, im)};
}

Complex hyperbolic_cosine(Builder& b, const Complex& z) {
  const Value size = b.abs(z.re), far = b.gt(size, kOneSided), sine = sin(b, z.im), cosine = cos(b, z.im);
  const Grown e = exp_of(b, size);
  const Value wild = b.bit_not(is_finite(b, z.im)), sign = with_sign_of(b, number(b, 1), z.re), real = b.eq(z.im, 0);
  const Value re = b.select(far, e(cosine * 0.5), cosh(b, z.re) * cosine);
  const Value im = b.select(far, sign * e(sine * 0.5), sinh(b, z.re) * sine);
  const Value imaginary = b.bit_and(b.eq(size, 0), wild);  // the sign of its zero is not specified
  return {b.select(b.bit_and(wild, b.eq(size, kInfinity)), kInfinity, b.select(real, cosh(b, z.re), re)),
          b.select(real, sign * z.im, b.select(imaginary, z.re, im))};
}

// sinh cosh / (sinh^2 + cos^2) and sin cos / (sinh^2 + cos^2): the same denominator, a sum of squares; where the sine is small it is
// 1 + sinh^2 - sin^2, which has fewer of their errors.
Complex hyperbolic_tangent(Builder& b, const Complex& z) {
  constexpr double kFar = 22;
  const Value size = b.abs(z.re), far = b.gt(size, kFar), sine = sin(b, z.im), cosine = cos(b, z.im), real = b.eq(z.im, 0);
  const Value s = sinh(b, z.re), c = b.sqrt(b.fma(s, s, 1));
  const Value d = b.select(b.lt(b.abs(sine), 0.5), b.fma(s - sine, s + sine, 1), b.fma(s, s, cosine * cosine));
  const Value product = sine * cosine;
  const Value beyond = 4 * product * exp(b, size * -2.0);
  const Value beyond_all =
      b.select(b.bit_and(b.eq(size, kInfinity), b.bit_not(is_finite(b, z.im))), with_sign_of(b, number(b, 0), z.im), beyond);
  const Value re = b.select(real, tanh(b, z.re), s * c / d), im = product / d;
  return {b.select(far, with_sign_of(b, number(b, 1), z.re), b.select(b.eq(size, 0), z.re, re)),
          b.select(real, z.im, b.select(far, beyond_all, im))};
}

struct Roots {
  Complex minus, plus;  // sqrt(1 - z), sqrt(1 + z)
};
Roots roots_beside_one(Builder& b, const Complex& z) { return {sqrt(b, {1 - z.re, -z.im}), sqrt(b, {z.re + 1, z.im})}; }

Complex arcsine(Builder& b, const Complex& z) {
  const auto [minus, plus] = roots_beside_one(b, z);
  const Complex plain{atan2(b, z.re, minus.re * plus.re - minus.im * plus.im), asinh(b, minus.re * plus.im - minus.im * plus.re)};
  const Complex infinite{atan2(b, z.re, b.abs(z.im)), with_sign_of(b, number(b, kInfinity), z.im)};
  const Complex result = select(b, some_part_infinite(b, z), infinite, plain);
  return {b.select(b.eq(z.re, 0), z.re, result.re), b.select(b.bit_and(b.eq(z.im, 0), b.le(b.abs(z.re), 1)), z.im, result.im)};
}

Complex arccosine(Builder& b, const Complex& z) {
  const auto [minus, plus] = roots_beside_one(b, z);
  const Complex plain{2 * atan2(b, minus.re, plus.re), asinh(b, plus.re * minus.im - plus.im * minus.re)};
  const Complex infinite{atan2(b, b.abs(z.im), z.re), -with_sign_of(b, number(b, kInfinity), z.im)};
  const Complex result = select(b, some_part_infinite(b, z), infinite, plain);
  return {b.select(b.bit_and(b.eq(z.re, 0), is_nan(b, z.im)), kHalfPi, result.re), result.im};
}

// Re: log1p(4 x / ((1 - x)^2 + y^2)) / 4, odd in x. Far out it is x / |z|^2; beside the poles the squares are lost.
Complex inverse_tangent(Builder& b, const Complex& z) {
  const Value x = b.abs(z.re), y = b.abs(z.im), rest = 1 - x, modulus = hypot(b, x, y);
  const Value far = b.gt(modulus, 0x1p54), at_pole = b.bit_and(b.eq(rest, 0), b.lt(y, 0x1p-500));
  const Value re_near = log1p(b, 4 * x / b.fma(rest, rest, y * y)) * 0.25;
  const Value re_pole = (kLn2 - log(b, y)) * 0.5;
  const Value re = b.select(far, x / modulus / modulus, b.select(at_pole, re_pole, re_near));
  const Value im = b.select(far, kHalfPi, atan2(b, y * 2, b.fma(rest, x + 1, -(y * y))) * 0.5);
  const Value infinite = some_part_infinite(b, z);
  const Complex plain{with_sign_of(b, re, z.re), with_sign_of(b, im, z.im)};
  const Value at_infinity = b.select(is_nan(b, z.im), kNoNumber, number(b, kHalfPi));
  const Complex result = select(b, infinite, {with_sign_of(b, number(b, 0), z.re), with_sign_of(b, at_infinity, z.im)}, plain);
  return {b.select(b.eq(z.re, 0), z.re, result.re), result.im};
}

}  // namespace
}  // namespace math

namespace of_complex {

using namespace math;

Value sqrt(Builder& b, Value z) {
  return in_f64(b, z, [&](const Complex& w) { return math::sqrt(b, w); });
}

Value sinh(Builder& b, Value z) {
  return in_f64(b, z, [&](const Complex& w) { return hyperbolic_sine(b, w); });
}
Value cosh(Builder& b, Value z) {
  return in_f64(b, z, [&](const Complex& w) { return hyperbolic_cosine(b, w); });
}
Value tanh(Builder& b, Value z) {
  return in_f64(b, z, [&](const Complex& w) { return hyperbolic_tangent(b, w); });
}

// sin z = -i sinh(i z), and so on.
Value sin(Builder& b, Value z) {
  return in_f64(b, z, [&](const Complex& w) { return times_minus_i(hyperbolic_sine(b, times_i(w))); });
}
Value cos(Builder& b, Value z) {
  return in_f64(b, z, [&](const Complex& w) { return hyperbolic_cosine(b, times_i(w)); });
}
Value tan(Builder& b, Value z) {
  return in_f64(b, z, [&](const Complex& w) { return times_minus_i(hyperbolic_tangent(b, times_i(w))); });
}

Value asin(Builder& b, Value z) {
  return in_f64(b, z, [&](const Complex& w) { return arcsine(b, w); });
}
Value asinh(Builder& b, Value z) {
  return in_f64(b, z, [&](const Complex& w) { return times_i(arcsine(b, times_minus_i(w))); });
}
Value acos(Builder& b, Value z) {
  return in_f64(b, z, [&](const Complex& w) { return arccosine(b, w); });
}
// i acos(z) or -i acos(z), whichever has a real part that is not negative.
Value acosh(Builder& b, Value z) {
  return in_f64(b, z, [&](const Complex& w) {
    const Complex c = arccosine(b, w);
    return Complex{b.abs(c.im), with_sign_of(b, c.re, w.im)};
  });
}
Value atanh(Builder& b, Value z) {
  return in_f64(b, z, [&](const Complex& w) { return inverse_tangent(b, w); });
}
Value atan(Builder& b, Value z) {
  return in_f64(b, z, [&](const Complex& w) { return times_minus_i(inverse_tangent(b, times_i(w))); });
}

Value sign(Builder& b, Value z) {
  return in_f64(b, z, [&](const Complex& w) {
    const Value size = b.maximum(b.abs(w.re), b.abs(w.im));
    const Value scale = b.select(b.gt(size, 0x1p500), 0x1p-600, b.select(b.lt(size, 0x1p-450), 0x1p600, number(b, 1)));
    const Complex scaled = w * scale;
    const Value modulus = hypot(b, scaled.re, scaled.im);
    return select(b, b.eq(size, 0), {number(b, 0), number(b, 0)}, {scaled.re / modulus, scaled.im / modulus});
  });
}
Value angle(Builder& b, Value z) { return atan2(b, b.imag(z), b.real(z)); }

}  // namespace of_complex
}  // namespace kiln::codegen
