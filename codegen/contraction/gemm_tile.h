// The tile kernel, written once over a vector type. Included by one source file per instruction set, each with its own flags, so
// everything here is local to that file.
#pragma once

#include <array>
#include <utility>

#include "codegen/contraction/gemm.h"

namespace kiln::codegen {
namespace {

template <class Vector, int kRows>
void tile(int64_t k, const float* a, int64_t a_row_stride, int64_t a_column_stride, const float* b, float* c, int64_t c_row_stride,
          bool continues) {
  constexpr int kLanes = Vector::kLanes;
  typename Vector::Register sum[kRows][2];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) sum[r][v] = continues ? Vector::load(c + r * c_row_stride + v * kLanes) : Vector::zero();
  for (; k > 0; --k) {
    const auto b0 = Vector::load(b), b1 = Vector::load(b + kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const auto x = Vector::broadcast(a + r * a_row_stride);
      sum[r][0] = Vector::fma(x, b0, sum[r][0]);
      sum[r][1] = Vector::fma(x, b1, sum[r][1]);
    }
    a += a_column_stride;
    b += 2 * kLanes;
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) Vector::store(c + r * c_row_stride + v * kLanes, sum[r][v]);
}

template <class Vector, int kRows>
constexpr TileKernel tile_kernel() {
  TileKernel kernel{kRows, 2 * Vector::kLanes, {}};
  [&]<size_t... r>(std::index_sequence<r...>) {
    ((kernel.by_rows[r] = &tile<Vector, static_cast<int>(r) + 1>), ...);
  }(std::make_index_sequence<kRows>{});
  return kernel;
}

}  // namespace
}  // namespace kiln::codegen
