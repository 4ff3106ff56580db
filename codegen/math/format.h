// What the math functions need to know of a floating format, and the steps they share. Private to codegen/math.
#pragma once

#include <span>
#include <vector>

#include "codegen/math.h"

namespace kiln::codegen::math {

struct Format {
  DType integer;  // of the same size
  int mantissa;   // bits
  int bias;       // of the exponent
  double smallest_normal;
  double round_magic;  // 1.5 * 2^mantissa: x + round_magic has round(x) in its low bits
};
inline constexpr Format kF32{DType::I32, 23, 127, 0x1p-126, 0x1.8p23};
inline constexpr Format kF64{DType::I64, 52, 1023, 0x1p-1022, 0x1.8p52};

inline const Format& format_of(Value x) { return x.dtype() == DType::F32 ? kF32 : kF64; }

// c[0] + c[1] x + c[2] x^2 + ... by Horner's rule.
inline Value polynomial(Builder& b, Value x, std::span<const double> c) {
  Value sum = b.constant(x.dtype(), c.back());
  for (size_t i = c.size() - 1; i-- > 0;) sum = b.fma(sum, x, c[i]);
  return sum;
}

// The same by Estrin's scheme: halves side by side, so that one operation waits for another log2(count) times, not count times, for as many
// squares more.
inline Value polynomial_in_halves(Builder& b, Value x, std::span<const double> c) {
  std::vector<Value> terms;
  for (size_t i = 0; i < c.size(); i += 2)
    terms.push_back(i + 1 == c.size() ? b.constant(x.dtype(), c[i]) : b.fma(x, c[i + 1], b.constant(x.dtype(), c[i])));
  while (terms.size() > 1) {
    x = x * x;
    for (size_t i = 0; 2 * i < terms.size(); ++i)
      terms[i] = 2 * i + 1 == terms.size() ? terms[2 * i] : b.fma(x, terms[2 * i + 1], terms[2 * i]);
    terms.resize((terms.size() + 1) / 2);
  }
  return terms[0];
}

// One compare and one blend each; NaN stays NaN (and so do Builder::minimum and maximum, at a higher price).
inline Value at_least(Builder& b, Value x, double least) { return b.select(b.lt(x, least), least, x); }
inline Value at_most(Builder& b, Value x, double most) { return b.select(b.gt(x, most), most, x); }

}  // namespace kiln::codegen::math
