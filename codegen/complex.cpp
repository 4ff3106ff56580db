#include "codegen/complex.h"

#include <limits>

#include "codegen/error.h"
#include "codegen/math.h"

namespace kiln::codegen {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

Value is_nan(Builder& b, Value x) { return b.ne(x, x); }
Value is_infinite(Builder& b, Value x) { return b.eq(b.abs(x), kInf); }
Value is_infinite(Builder& b, const Complex& z) { return b.bit_or(is_infinite(b, z.re), is_infinite(b, z.im)); }
Value is_finite(Builder& b, Value x) { return b.lt(b.abs(x), kInf); }
Value both_nan(Builder& b, const Complex& z) { return b.bit_and(is_nan(b, z.re), is_nan(b, z.im)); }

// Where `infinite`, an infinite part as 1 with its sign, a finite one as 0 with its; NaN as 0 everywhere: the direction of an infinity.
Value direction(Builder& b, Value x, Value infinite) {
  const Value zero = b.constant(x.dtype(), 0);
  const Value boxed = with_sign_of(b, b.select(is_infinite(b, x), 1, zero), x);
  return b.select(infinite, boxed, b.select(is_nan(b, x), zero, x));
}
Complex direction(Builder& b, const Complex& z, Value infinite) { return {direction(b, z.re, infinite), direction(b, z.im, infinite)}; }

// C99 Annex G.5.1's example, without branches.
Complex product(Builder& b, const Complex& x, const Complex& y) {
  const Value ac = x.re * y.re, bd = x.im * y.im, ad = x.re * y.im, bc = x.im * y.re;
  const Complex plain{ac - bd, ad + bc};
  const Value x_infinite = is_infinite(b, x), y_infinite = is_infinite(b, y);
  const Value overflowed = b.bit_or(b.bit_or(is_infinite(b, ac), is_infinite(b, bd)), b.bit_or(is_infinite(b, ad), is_infinite(b, bc)));
  const Value recovers = b.bit_and(both_nan(b, plain), b.bit_or(b.bit_or(x_infinite, y_infinite), overflowed));
  const Complex u = direction(b, x, x_infinite), v = direction(b, y, y_infinite);
  const Complex infinite{kInf * (u.re * v.re - u.im * v.im), kInf * (u.re * v.im + u.im * v.re)};
  return select(b, recovers, infinite, plain);
}

// A power of two that takes numbers far from 1 near enough that products and their sums neither over- nor underflow; in f64.
struct Scale {
  Value forth;
  Value halves_back;  // twice a factor of this undoes it: a whole one may not be a number
};
Scale scale_of(Builder& b, const Complex& z) {
  const Value size = b.maximum(b.abs(z.re), b.abs(z.im)), one = b.constant(DType::F64, 1);
  const Value large = b.gt(size, 0x1p500), small = b.lt(size, 0x1p-450);
  return {b.select(large, 0x1p-600, b.select(small, 0x1p600, one)), b.select(large, 0x1p300, b.select(small, 0x1p-300, one))};
}

// c64 is computed in f64, where no square of its parts is lost.
Complex quotient(Builder& b, const Complex& x, const Complex& y) {
  if (x.re.dtype() == DType::F32) {
    const auto wide = [&](const Complex& z) { return Complex{b.cast(z.re, DType::F64), b.cast(z.im, DType::F64)}; };
    const Complex q = quotient(b, wide(x), wide(y));
    return {b.cast(q.re, DType::F32), b.cast(q.im, DType::F32)};
  }
  const Scale of_x = scale_of(b, x), of_y = scale_of(b, y);
  const Complex p = x * of_x.forth, q = y * of_y.forth;
  const Value square = q.re * q.re + q.im * q.im, back = of_x.halves_back / of_y.halves_back;
  const auto part = [&](Value numerator) { return numerator / square * back * back; };
  const Complex plain{part(p.re * q.re + p.im * q.im), part(p.im * q.re - p.re * q.im)};

  const Value x_infinite = is_infinite(b, x), y_infinite = is_infinite(b, y);
  const Value x_finite = b.bit_and(is_finite(b, x.re), is_finite(b, x.im)), y_finite = b.bit_and(is_finite(b, y.re), is_finite(b, y.im));
  const Value by_zero = b.bit_and(b.eq(square, 0), b.bit_or(b.eq(x.re, x.re), b.eq(x.im, x.im)));
  const Value pole = with_sign_of(b, b.constant(DType::F64, kInf), y.re);
  const Complex u = direction(b, x, x_infinite), v = direction(b, y, y_infinite);
  const Complex turned{u.re * v.re + u.im * v.im, u.im * v.re - u.re * v.im};
  Complex special = select(b, b.bit_and(y_infinite, x_finite), turned * 0.0, plain);
  special = select(b, b.bit_and(x_infinite, y_finite), turned * kInf, special);
  special = select(b, by_zero, {pole * x.re, pole * x.im}, special);
  return select(b, both_nan(b, plain), special, plain);
}

}  // namespace

Complex select(Builder& b, Value condition, const Complex& then, const Complex& otherwise) {
  return {b.select(condition, then.re, otherwise.re), b.select(condition, then.im, otherwise.im)};
}

Value complex_primitive(Builder& b, Prim prim, std::span<const Value> v) {
  if (prim == Prim::select) return joined(select(b, v[0], parts(v[1]), parts(v[2])));
  const Complex x = parts(v[0]);
  switch (prim) {
    case Prim::neg: return joined({-x.re, -x.im});
    case Prim::abs: return hypot(b, x.re, x.im);
    case Prim::add: return joined(x + parts(v[1]));
    case Prim::sub: return joined(x - parts(v[1]));
    case Prim::mul: return joined(product(b, x, parts(v[1])));
    case Prim::div: return joined(quotient(b, x, parts(v[1])));
    case Prim::eq: return b.bit_and(b.eq(x.re, b.real(v[1])), b.eq(x.im, b.imag(v[1])));
    case Prim::ne: return b.bit_or(b.ne(x.re, b.real(v[1])), b.ne(x.im, b.imag(v[1])));
    default: fail(ErrorCode::internal, "there is no complex " + std::string(info(prim).name));
  }
}

}  // namespace kiln::codegen
