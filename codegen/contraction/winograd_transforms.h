// Winograd's transforms, written once over a vector type. Included by one source file per instruction set, each with its own flags, so
// everything here is local to that file. Each is the one-dimensional transform of columns, then of rows:
//
//   patches    [1  0 -1  0]   filter  [ 1   0   0 ]   results  [1  1  1  0]   gradients  [ 1   0 ]   filter_gradient  [1  1  1  0]
//              [0  1  1  0]           [1/2 1/2 1/2]            [0  1 -1 -1]              [1/2 1/2]                    [0  1 -1  0]
//              [0 -1  1  0]           [1/2-1/2 1/2]                                      [1/2-1/2]                    [0  1  1 -1]
//              [0  1  0 -1]           [ 0   0   1 ]                                      [ 0   1 ]
#pragma once

#include "codegen/contraction/winograd.h"

namespace kiln::codegen {
namespace {

constexpr int kWinogradLanes = 16;

template <class V>
struct Transforms {
  using R = typename V::Register;

  // One-dimensional transforms of x into y.
  static void patch(const R x[4], R y[4]) {
    y[0] = V::sub(x[0], x[2]);
    y[1] = V::add(x[1], x[2]);
    y[2] = V::sub(x[2], x[1]);
    y[3] = V::sub(x[1], x[3]);
  }
  static void gradient(const R x[2], R y[4]) {
    const R half = V::constant(0.5f);
    y[0] = x[0];
    y[1] = V::mul(V::add(x[0], x[1]), half);
    y[2] = V::mul(V::sub(x[0], x[1]), half);
    y[3] = x[1];
  }
  static void result(const R x[4], R y[2]) {
    y[0] = V::add(V::add(x[0], x[1]), x[2]);
    y[1] = V::sub(V::sub(x[1], x[2]), x[3]);
  }
  static void filter(const R x[3], R y[4]) {
    const R half = V::constant(0.5f), ends = V::add(x[0], x[2]);
    y[0] = x[0];
    y[1] = V::mul(V::add(ends, x[1]), half);
    y[2] = V::mul(V::sub(ends, x[1]), half);
    y[3] = x[2];
  }
  static void filter_gradient(const R x[4], R y[3]) {
    const R middle = V::add(x[1], x[2]);
    y[0] = V::add(x[0], middle);
    y[1] = V::sub(x[1], x[2]);
    y[2] = V::sub(middle, x[3]);
  }

  // kIn x kIn elements through `load(i, j)` to kOut x kOut through `store(i, j, value)`.
  template <int kIn, int kOut, class Load, class Store>
  [[gnu::always_inline]] static void both_ways(void (*transform)(const R*, R*), const Load& load, const Store& store) {
    R half[kIn][kOut];
#pragma GCC unroll 4
    for (int j = 0; j < kIn; ++j) {
      R column[kIn];
#pragma GCC unroll 4
      for (int i = 0; i < kIn; ++i) column[i] = load(i, j);
      transform(column, half[j]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < kOut; ++i) {
      R row[kIn], out[kOut];
#pragma GCC unroll 4
      for (int j = 0; j < kIn; ++j) row[j] = half[j][i];
      transform(row, out);
#pragma GCC unroll 4
      for (int j = 0; j < kOut; ++j) store(i, j, out[j]);
    }
  }

  static void patches(const WinogradTransforms::Image& image) {
    for (int lane = 0; lane < kWinogradLanes; lane += V::kLanes) {
      const float* pixels = image.pixels + lane;
      float* out = image.out + lane;
      for (int64_t t = 0; t < image.tiles; ++t, pixels += image.step, out += image.out_step)
        both_ways<4, 4>(
            patch, [&](int i, int j) { return V::load(pixels + i * image.row + j * kWinogradLanes); },
            [&](int i, int j, R v) { V::store(out + (4 * i + j) * image.matrix, v); });
    }
  }

  static void gradients(const WinogradTransforms::Image& image, float* sum) {
    for (int lane = 0; lane < kWinogradLanes; lane += V::kLanes) {
      const float* pixels = image.pixels + lane;
      float* out = image.out + lane;
      R total = sum != nullptr ? V::load(sum + lane) : V::constant(0);
      for (int64_t t = 0; t < image.tiles; ++t, pixels += image.step, out += image.out_step) {
        R g[2][2];
        for (int i = 0; i < 2; ++i)
          for (int j = 0; j < 2; ++j) g[i][j] = V::load(pixels + i * image.row + j * kWinogradLanes);
        total = V::add(total, V::add(V::add(g[0][0], g[0][1]), V::add(g[1][0], g[1][1])));
        both_ways<2, 4>(
            gradient, [&](int i, int j) { return g[i][j]; }, [&](int i, int j, R v) { V::store(out + (4 * i + j) * image.matrix, v); });
      }
      if (sum != nullptr) V::store(sum + lane, total);
    }
  }

  static bool results(const WinogradTransforms::Result& r) {
    R poison = V::constant(0);  // 0 times a value is 0, or NaN where the value is not finite
    for (int lane = 0; lane < kWinogradLanes; lane += V::kLanes) {
      const float* in = r.in + lane;
      float* pixels = r.pixels + lane;
      const R bias = r.bias != nullptr ? V::load(r.bias + lane) : V::constant(0);
      for (int64_t t = 0; t < r.tiles; ++t, in += r.in_step, pixels += r.step)
        both_ways<4, 2>(
            result, [&](int i, int j) { return V::load(in + (4 * i + j) * r.matrix); },
            [&](int i, int j, R v) {
              if (r.bias != nullptr) v = V::add(v, bias);
              poison = V::fma(v, V::constant(0), poison);
              V::store(pixels + i * r.row + j * kWinogradLanes, v);
            });
    }
    float lanes[V::kLanes];
    V::store(lanes, poison);
    bool finite = true;
    for (const float x : lanes) finite &= x == 0;
    return finite;
  }

  static void filters(const float* taps, float* out, int64_t matrix) {
    for (int lane = 0; lane < kWinogradLanes; lane += V::kLanes)
      both_ways<3, 4>(
          filter, [&](int i, int j) { return V::load(taps + (3 * i + j) * kWinogradLanes + lane); },
          [&](int i, int j, R v) { V::store(out + (4 * i + j) * matrix + lane, v); });
  }

  static void filter_gradients(const float* in, int64_t matrix, float* taps) {
    for (int lane = 0; lane < kWinogradLanes; lane += V::kLanes)
      both_ways<4, 3>(
          filter_gradient, [&](int i, int j) { return V::load(in + (4 * i + j) * matrix + lane); },
          [&](int i, int j, R v) { V::store(taps + (3 * i + j) * kWinogradLanes + lane, v); });
  }

  static constexpr WinogradTransforms kTable{patches, gradients, results, filters, filter_gradients};
};

}  // namespace
}  // namespace kiln::codegen
