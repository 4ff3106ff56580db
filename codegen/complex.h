// Complex values in bodies of operators: a Value of dtype c64 or c128 is a pair of real ones, which Builder keeps beside the kernel. So kernels,
// their back ends and every rule about them know real numbers alone. Builder's operators (+ - * / neg abs eq ne select cast reduce)
// and math.h's functions take such values; this is what they mean.
//   - A real value beside a complex one has become complex, its imaginary part +0, before anything is computed.
//   - mul, div: at most 4 ulp off in modulus, whatever over- or underflows on the way to a quotient; infinities as in C99 Annex G.5.1: a product
//     with an infinite factor is infinite unless the other is zero or NaN, a nonzero number divided by zero is infinite.
//   - abs: hypot of the parts, a real value. eq: both parts are equal; ne: one is not.
//   - cast to bool: one part is not zero. There is no cast to other real dtypes: take real() or imag().
//   - reduce: sums alone, part by part.
#pragma once

#include <initializer_list>

#include "codegen/builder.h"

namespace kiln::codegen {

struct Complex {
  Value re, im;
};

inline Complex parts(Value z) { return {z.builder().real(z), z.builder().imag(z)}; }
inline Value joined(const Complex& z) { return z.re.builder().complex(z.re, z.im); }

inline Complex operator+(const Complex& a, const Complex& b) { return {a.re + b.re, a.im + b.im}; }
inline Complex operator-(const Complex& a, const Complex& b) { return {a.re - b.re, a.im - b.im}; }
inline Complex operator*(const Complex& a, Operand b) { return {a.re * b, a.im * b}; }
inline Complex times_i(const Complex& z) { return {-z.im, z.re}; }
inline Complex times_minus_i(const Complex& z) { return {z.im, -z.re}; }
Complex select(Builder&, Value condition, const Complex& then, const Complex& otherwise);

// What Builder::primitive() does where an operand is complex; throws Error{internal} for primitives that have no complex form.
Value complex_primitive(Builder&, Prim, std::span<const Value> operands);

}  // namespace kiln::codegen
