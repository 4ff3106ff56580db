// Random numbers for the graph fuzzer: special values, extremes and ordinary ones.
#pragma once

#include <random>

#include "eager/operator.h"

namespace kiln::fuzz {

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  int64_t between(int64_t least, int64_t most) { return std::uniform_int_distribution<int64_t>(least, most)(engine_); }
  double real(double low, double high) { return std::uniform_real_distribution<double>(low, high)(engine_); }
  bool chance(double p) { return real(0, 1) < p; }
  uint64_t bits() { return engine_(); }
  template <class C>
  decltype(auto) one_of(const C& choices) {
    using Index = std::conditional_t<std::is_same_v<C, eager::Dims>, int, size_t>;
    return choices[static_cast<Index>(between(0, static_cast<int64_t>(std::size(choices)) - 1))];
  }

 private:
  std::mt19937_64 engine_;
};

// Row-major contents of a tensor: between low and high, small whole numbers, special values, or some of each.
std::vector<std::byte> random_bytes(Random&, const eager::Dims& shape, DType, double low, double high);
eager::Scalar random_scalar(Random&, DTypeKind);

}  // namespace kiln::fuzz
