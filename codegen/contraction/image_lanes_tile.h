// The tiles of image_lanes.h, written once over a vector type. Included by one source file per instruction set, each with its own flags, so
// everything here is local to that file.
#pragma once

#include <utility>

#include "codegen/contraction/image_lanes.h"

namespace kiln::codegen {
namespace {

template <class V, int kChannels, int kColumns>
void sums_tile(const ImageLaneKernels::Sums& t) {
  for (int64_t lane = 0; lane < kImageLanes; lane += V::kLanes) {
    typename V::Register sum[kChannels][kColumns];
#pragma GCC unroll 8
    for (int o = 0; o < kChannels; ++o)
#pragma GCC unroll 8
      for (int j = 0; j < kColumns; ++j) sum[o][j] = V::zero();
    for (int64_t c = 0; c < t.channels; ++c)
      for (int64_t r = 0; r < t.rows; ++r) {
        const float* pixels = t.pixels + lane + c * t.channel + r * t.row;
        const float* weights = t.weights + c * t.weight_channel + r * t.weight_row;
        for (int64_t s = t.taps; s > 0; --s, pixels += t.tap, weights += t.weight_tap) {
          typename V::Register x[kColumns];
#pragma GCC unroll 8
          for (int j = 0; j < kColumns; ++j) x[j] = V::load(pixels + j * t.column);
#pragma GCC unroll 8
          for (int o = 0; o < kChannels; ++o) {
            const auto w = V::broadcast(weights + o);
#pragma GCC unroll 8
            for (int j = 0; j < kColumns; ++j) sum[o][j] = V::fma(x[j], w, sum[o][j]);
          }
        }
      }
#pragma GCC unroll 8
    for (int o = 0; o < kChannels; ++o)
#pragma GCC unroll 8
      for (int j = 0; j < kColumns; ++j)
        V::store(t.out + lane + o * t.out_channel + j * t.out_column,
                 t.bias != nullptr ? V::add(sum[o][j], V::broadcast(t.bias + o)) : sum[o][j]);
  }
}

template <class V, int kChannels, int kTaps>
void gradients_tile(const ImageLaneKernels::Gradients& t) {
  for (int64_t lane = 0; lane < kImageLanes; lane += V::kLanes) {
    typename V::Register sum[kChannels][kTaps];
#pragma GCC unroll 8
    for (int o = 0; o < kChannels; ++o)
#pragma GCC unroll 8
      for (int s = 0; s < kTaps; ++s) sum[o][s] = V::load(t.sums + lane + o * t.sums_channel + s * kImageLanes);
    for (int64_t h = 0; h < t.rows; ++h) {
      const float* x = t.x + lane + h * t.x_row;
      const float* dy = t.dy + lane + h * t.dy_row;
      for (int64_t v = t.columns; v > 0; --v, x += t.x_column, dy += kImageLanes) {
        typename V::Register pixel[kTaps];
#pragma GCC unroll 8
        for (int s = 0; s < kTaps; ++s) pixel[s] = V::load(x + s * t.x_tap);
#pragma GCC unroll 8
        for (int o = 0; o < kChannels; ++o) {
          const auto g = V::load(dy + o * t.dy_channel);
#pragma GCC unroll 8
          for (int s = 0; s < kTaps; ++s) sum[o][s] = V::fma(pixel[s], g, sum[o][s]);
        }
      }
    }
#pragma GCC unroll 8
    for (int o = 0; o < kChannels; ++o)
#pragma GCC unroll 8
      for (int s = 0; s < kTaps; ++s) V::store(t.sums + lane + o * t.sums_channel + s * kImageLanes, sum[o][s]);
  }
}

// Tiles up to these sizes; `sums` and `gradients` hold null beyond them.
template <class V, int kSumsChannels, int kSumsColumns, int kGradientChannels, int kGradientTaps>
constexpr ImageLaneKernels image_lane_kernels() {
  ImageLaneKernels k{kSumsChannels, kSumsColumns, kGradientChannels, kGradientTaps, {}, {}};
  [&]<int... i>(std::integer_sequence<int, i...>) {
    ((k.sums[i / kSumsColumns][i % kSumsColumns] = &sums_tile<V, i / kSumsColumns + 1, i % kSumsColumns + 1>), ...);
  }(std::make_integer_sequence<int, kSumsChannels * kSumsColumns>{});
  [&]<int... i>(std::integer_sequence<int, i...>) {
    ((k.gradients[i / kGradientTaps][i % kGradientTaps] = &gradients_tile<V, i / kGradientTaps + 1, i % kGradientTaps + 1>), ...);
  }(std::make_integer_sequence<int, kGradientChannels * kGradientTaps>{});
  return k;
}

}  // namespace
}  // namespace kiln::codegen
