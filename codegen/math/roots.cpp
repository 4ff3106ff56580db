// rsqrt, cbrt and hypot.
#include <array>
#include <cmath>
#include <limits>

#include "codegen/math/format.h"

namespace kiln::codegen {
namespace {

using namespace math;

// The cube root of 1 to 2, with an error below 2^-13 (fit.py).
constexpr std::array kCubeRoot{0x1.1b909ep-1, 0x1.2b7e74p-1, -0x1.4ab3acp-3, 0x1.751444p-6};

}  // namespace

Value rsqrt(Builder& b, Value x) { return 1.0 / b.sqrt(x); }

// |x| = 2^(3q) a with 1 <= a < 8. The first guess comes from a's own exponent and a polynomial in its mantissa. Newton's step doubles the bits,
// which is enough in f32; Halley's before it trebles them. y^3 - a is small, so that the error of y * y hardly shows.
Value cbrt(Builder& b, Value x) {
  const Format& format = format_of(x);
  const DType t = x.dtype();
  const int rescale = t == DType::F32 ? 24 : 54;  // a multiple of 3
  const Value size = b.abs(x), denormal = b.lt(size, format.smallest_normal);
  const Value bits = b.bitcast(b.select(denormal, size * std::ldexp(1, rescale), size), format.integer);
  const Value exponent = b.cast(b.shr(bits, format.mantissa), t) - format.bias;
  const Value third = b.floor(b.fma(exponent, 1.0 / 3, 1.0 / 6)), rest = b.fma(third, -3, exponent);  // 0, 1 or 2
  const Value one = b.bitcast(b.constant(t, 1), format.integer);
  const Value mantissa = b.bitcast(b.bit_or(b.bit_and(bits, static_cast<double>((int64_t{1} << format.mantissa) - 1)), one), t);
  const Value is_one = b.eq(rest, 1), is_two = b.eq(rest, 2);
  const Value a = mantissa * b.select(is_two, b.constant(t, 4), b.select(is_one, b.constant(t, 2), 1));
  Value y = polynomial(b, mantissa, kCubeRoot) *
            b.select(is_two, b.constant(t, 0x1.965fea53d6e3dp+0), b.select(is_one, b.constant(t, 0x1.428a2f98d728bp+0), 1));
  if (t == DType::F64) {
    const Value cube = y * y * y;
    y = b.fma(-y, (cube - a) / b.fma(2, cube, a), y);
  }
  y = b.fma(-y, b.fma(y * y, y, -a) / (3 * a), y);
  const Value shifted = third + b.select(denormal, b.constant(t, -rescale / 3 + format.bias), format.bias);
  const Value root = y * b.bitcast(b.shl(b.cast(shifted, format.integer), format.mantissa), t);
  const Value plain = b.bit_and(b.gt(size, 0), b.lt(size, std::numeric_limits<double>::infinity()));
  return b.select(plain, b.select(b.lt(x, 0), -root, root), x);
}

// Infinite if either is, even beside NaN (C99 Annex F.9.4.3). Squares of f32 are exact in f64; f64 is scaled where squares might be lost.
Value hypot(Builder& b, Value x, Value y) {
  const DType t = x.dtype();
  const Value a = b.abs(x), c = b.abs(y);
  Value result;
  if (t == DType::F32) {
    const Value wide_a = b.cast(a, DType::F64), wide_c = b.cast(c, DType::F64);
    result = b.cast(b.sqrt(b.fma(wide_a, wide_a, wide_c * wide_c)), t);
  } else {
    const Value swap = b.lt(a, c), larger = b.select(swap, c, a), smaller = b.select(swap, a, c);
    const Value large = b.gt(larger, 0x1p500), small = b.lt(larger, 0x1p-450);
    const Value scale = b.select(large, b.constant(t, 0x1p-600), b.select(small, b.constant(t, 0x1p600), 1));
    const Value back = b.select(large, b.constant(t, 0x1p600), b.select(small, b.constant(t, 0x1p-600), 1));
    const Value p = larger * scale, q = smaller * scale;
    result = b.sqrt(b.fma(p, p, q * q)) * back;
  }
  constexpr double kInf = std::numeric_limits<double>::infinity();
  return b.select(b.bit_or(b.eq(a, kInf), b.eq(c, kInf)), kInf, result);
}

}  // namespace kiln::codegen
