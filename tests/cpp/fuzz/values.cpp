#include "tests/cpp/fuzz/values.h"

#include <array>
#include <cstring>
#include <limits>

namespace kiln::fuzz {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::array kSpecialReals{-0.0,   0.0,      1.0,  -1.0,   0.5,   -2.5, 3.0,       1e-45,      -4.9e-324, 1.2e-38,
                                   3.4e38, -1.7e308, 88.7, -104.0, 709.8, 1e9,  kInfinity, -kInfinity, kNaN,      2147483648.0};
constexpr std::array<int64_t, 14> kSpecialIntegers{0, 1, -1, 2, 3, 7, 31, 32, 63, 127, 255, 256, 2147483647, -2147483648};

}  // namespace

std::vector<std::byte> random_bytes(Random& random, const eager::Dims& shape, DType dtype, double low, double high) {
  if (is_complex(dtype)) return random_bytes(random, {2 * eager::product(shape)}, real_of(dtype), low, high);
  // How often an element is special; and whether the others are whole numbers.
  const double special = random.chance(0.6) ? 0 : random.chance(0.5) ? 0.1 : 0.6;
  const bool whole = random.chance(0.2);
  const int64_t count = eager::product(shape);
  const auto size = static_cast<size_t>(size_of(dtype));
  std::vector<std::byte> bytes(static_cast<size_t>(count) * size);
  for (int64_t i = 0; i < count; ++i) {
    uint64_t bits;
    if (dtype == DType::Bool) {
      bits = random.bits() & 1;
    } else if (!is_floating(dtype)) {
      const int64_t v = random.chance(special) ? random.one_of(kSpecialIntegers) : random.between(is_unsigned(dtype) ? 0 : -9, 9);
      bits = random.chance(special / 4) ? random.bits() : static_cast<uint64_t>(v);
    } else {
      double v = random.chance(special) ? random.one_of(kSpecialReals) : random.real(low, high);
      if (whole) v = static_cast<double>(static_cast<int64_t>(std::clamp(v, -9.0, 9.0)));
      bits = random.chance(special / 20) ? random.bits() : eager::Scalar(v).bits_as(dtype);  // any NaN, any denormal
    }
    std::memcpy(&bytes[static_cast<size_t>(i) * size], &bits, size);
  }
  return bytes;
}

eager::Scalar random_scalar(Random& random, DTypeKind kind) {
  switch (kind) {
    case DTypeKind::boolean: return eager::Scalar(random.chance(0.5));
    case DTypeKind::floating: return random.chance(0.3) ? eager::Scalar(random.one_of(kSpecialReals)) : eager::Scalar(random.real(-3, 3));
    default: return random.chance(0.3) ? eager::Scalar(random.one_of(kSpecialIntegers)) : eager::Scalar(random.between(-4, 5));
  }
}

}  // namespace kiln::fuzz
