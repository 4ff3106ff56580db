// f16 (IEEE 754 binary16) and bf16 (the upper half of binary32) as bits, and their exact conversions.
#pragma once

#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>

namespace kiln {

namespace detail {

// |x| = magnitude * 2^exponent to the nearest number of a format with `mantissa` bits and exponents up to `bias`, half to even; what is too
// large becomes infinite.
constexpr uint16_t nearest_half(bool negative, uint64_t magnitude, int exponent, int mantissa, int bias) {
  const auto sign = static_cast<uint16_t>(negative ? 0x8000 : 0);
  if (magnitude == 0) return sign;
  const int top = 63 - std::countl_zero(magnitude) + exponent;  // of the leading bit
  const int least = 1 - bias - mantissa;                        // of the last bit of a denormal
  const int last = top - mantissa > least ? top - mantissa : least;
  const int dropped = last - exponent;
  uint64_t kept = magnitude;
  if (dropped > 63) {
    kept = 0;  // less than half of the last bit
    if (dropped == 64 && magnitude > uint64_t{1} << 63) kept = 1;
  } else if (dropped > 0) {
    const uint64_t rest = magnitude & ((uint64_t{1} << dropped) - 1), half = uint64_t{1} << (dropped - 1);
    kept = magnitude >> dropped;
    if (rest > half || (rest == half && (kept & 1) != 0)) ++kept;
  } else {
    kept = magnitude << -dropped;  // at most mantissa + 1 bits
  }
  // A mantissa that rounds up to the next power of two carries into the exponent, as does a denormal that becomes normal.
  const int above = last - least;
  const uint64_t bits = above == 0 ? kept : kept + (static_cast<uint64_t>(above) << mantissa);
  const uint64_t infinite = static_cast<uint64_t>(2 * bias + 1) << mantissa;
  return static_cast<uint16_t>(sign | (bits < infinite ? bits : infinite));
}

}  // namespace detail

// A 16-bit float of `Mantissa` bits. Converts to float exactly; from any number rounded once, to nearest even; NaN becomes the canonical one.
template <int Mantissa>
struct Half {
  static constexpr int kMantissa = Mantissa, kBias = (1 << (14 - Mantissa)) - 1;
  static constexpr uint16_t kInfinity = static_cast<uint16_t>((2 * kBias + 1) << Mantissa);
  static constexpr uint16_t kNaN = static_cast<uint16_t>(kInfinity | 1 << (Mantissa - 1));

  uint16_t bits = 0;

  constexpr Half() = default;
  explicit Half(double x) {
    if (x != x) {
      bits = kNaN;
    } else if (std::isinf(x)) {
      bits = static_cast<uint16_t>((x < 0 ? 0x8000 : 0) | kInfinity);
    } else {
      int exponent = 0;
      const double fraction = std::frexp(std::fabs(x), &exponent);
      bits = detail::nearest_half(std::signbit(x), static_cast<uint64_t>(std::ldexp(fraction, 53)), exponent - 53, Mantissa, kBias);
    }
  }
  template <std::integral T>
  explicit Half(T x)
      : bits(detail::nearest_half(x < T{0}, x < T{0} ? uint64_t{0} - static_cast<uint64_t>(x) : static_cast<uint64_t>(x), 0, Mantissa,
                                  kBias)) {}

  bool is_nan() const { return (bits & 0x7fff) > kInfinity; }
  explicit operator float() const {
    const int exponent = (bits & 0x7fff) >> Mantissa, mantissa = bits & ((1 << Mantissa) - 1);
    const float sign = (bits & 0x8000) != 0 ? -1.0f : 1.0f;
    if (exponent == 2 * kBias + 1) return mantissa != 0 ? std::bit_cast<float>(0x7fc00000) : sign * std::bit_cast<float>(0x7f800000);
    if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), 1 - kBias - Mantissa);
    return sign * std::ldexp(static_cast<float>(mantissa | 1 << Mantissa), exponent - kBias - Mantissa);
  }
};

using Float16 = Half<10>;
using BFloat16 = Half<7>;

template <class T>
inline constexpr bool kIsHalf = std::same_as<T, Float16> || std::same_as<T, BFloat16>;

}  // namespace kiln
