// What the complex functions share. Private to codegen/math.
#pragma once

#include <limits>

#include "codegen/complex.h"
#include "codegen/complex_math.h"
#include "codegen/math.h"

namespace kiln::codegen::math {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
inline constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();

inline Value is_nan(Builder& b, Value x) { return b.ne(x, x); }
inline Value is_finite(Builder& b, Value x) { return b.lt(b.abs(x), kInfinity); }
inline Value is_infinite(Builder& b, Value x) { return b.eq(b.abs(x), kInfinity); }
inline Value some_part_infinite(Builder& b, const Complex& z) { return b.bit_or(is_infinite(b, z.re), is_infinite(b, z.im)); }
inline Value number(Builder& b, double x) { return b.constant(DType::F64, x); }

// f(z) computed in f64 and rounded to z's dtype.
template <class F>
Value in_f64(Builder& b, Value z, F f) {
  const Complex result = f(parts(b.cast(z, DType::C128)));
  return b.cast(joined(result), z.dtype());
}

Complex sqrt(Builder&, const Complex&);

// e^x in three factors, for e^x cos(y), e^x sin(y) and their kin, which may be finite where e^x is not.
struct Grown {
  Value first, second, third;
  Value operator()(Value x) const { return first * x * second * third; }
};
Grown exp_of(Builder&, Value x);

}  // namespace kiln::codegen::math
