// asinh, acosh, atanh and logaddexp: log(1 + u) of a u in two parts, so that what u is rounded by does not count. f32 is computed in f64.
#include <cmath>
#include <limits>

#include "codegen/math/doubles.h"
#include "codegen/math/logarithm.h"

namespace kiln::codegen {
namespace {

using namespace math;

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// log(1 + hi + lo), but log(2 x) where x is so large that the 1 does not show. f64.
Value log_of_sum_or_twice(Builder& b, const Double2& u, Value x, bool single) {
  constexpr int kRescale = 512;
  const Value large = b.gt(x, 0x1p28);
  const Value one = b.select(large, b.constant(DType::F64, 0), 1), shift = b.select(large, b.constant(DType::F64, kRescale + 1), 0);
  return log_of_sum(b, b.select(large, x * std::ldexp(1, -kRescale), u.hi), one, b.select(large, 0, u.lo), shift, single);
}

// What a / c lacks, rounded to quotient; a and c lack a_lo and c_lo.
Value missing_of_quotient(Builder& b, Value quotient, Value a, Value a_lo, Value c, Value c_lo) {
  return (b.fma(-quotient, c_lo, a_lo) + b.fma(-quotient, c, a)) / c;
}

}  // namespace

// log(x + sqrt(x^2 + 1)) = log(1 + x + x^2 / (1 + sqrt(x^2 + 1)))
Value asinh(Builder& b, Value x) {
  const bool single = x.dtype() == DType::F32;
  const Value wide = b.cast(x, DType::F64), size = b.abs(wide), square = size * size;
  const Value v = square / (1 + b.sqrt(square + 1));
  const Value result = log_of_sum_or_twice(b, fast_two_sum(size, v), size, single);
  const Value plain = b.bit_and(b.gt(size, 0), b.lt(size, kInf));
  return b.cast(b.select(plain, b.select(b.lt(wide, 0), -result, result), wide), x.dtype());
}

// log(x + sqrt(x^2 - 1)) = log(1 + t + sqrt(t^2 + 2 t)) with t = x - 1
Value acosh(Builder& b, Value x) {
  const bool single = x.dtype() == DType::F32;
  const Value wide = b.cast(x, DType::F64), t = wide - 1, square = b.fma(t, t, t + t), root = b.sqrt(square);
  Double2 u = fast_two_sum(root, t);  // root > t
  if (!single) u.lo = u.lo + b.select(b.gt(root, 0), b.fma(-root, root, square) * 0.5 / root, 0);
  const Value result = log_of_sum_or_twice(b, u, wide, single);
  return b.cast(b.select(b.ge(wide, 1), b.select(b.lt(wide, kInf), result, wide), kNaN), x.dtype());
}

// log((1 + x) / (1 - x)) / 2 = log(1 + 2 x + 2 x^2 / (1 - x)) / 2
Value atanh(Builder& b, Value x) {
  const bool single = x.dtype() == DType::F32;
  const Value wide = b.cast(x, DType::F64), size = b.abs(wide), twice = size + size, rest = 1 - size;
  const Double2 product = two_product(b, twice, size);
  const Value v = product.hi / rest;
  Double2 u = two_sum(twice, v);
  if (!single) u.lo = u.lo + missing_of_quotient(b, v, product.hi, product.lo, rest, (1 - rest) - size);
  const Value result = log_of_sum(b, u.hi, b.constant(DType::F64, 1), u.lo, b.constant(DType::F64, 0), single) * 0.5;
  const Value at_one = b.select(b.eq(size, 1), b.constant(DType::F64, kInf), kNaN);
  const Value positive = b.select(b.lt(size, 1), result, at_one);
  return b.cast(b.select(b.eq(wide, 0), wide, b.select(b.lt(wide, 0), -positive, positive)), x.dtype());
}

// f32 in f64: where the result is near zero, its terms cancel.
Value logaddexp(Builder& b, Value x, Value y) {
  if (x.dtype() == DType::F32) return b.cast(logaddexp(b, b.cast(x, DType::F64), b.cast(y, DType::F64)), DType::F32);
  const Value distance = b.select(b.eq(x, y), 0, b.abs(x - y));  // of equal infinities too
  return b.maximum(x, y) + log1p(b, exp(b, -distance));
}

}  // namespace kiln::codegen
