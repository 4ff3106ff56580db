// Convolutions of few channels, with sixteen images on the lanes of a vector (Layout::images16): whatever the channels' number, no lane is idle,
// and every kernel size, stride, padding and dilation is the same loop. A library that puts channels on the lanes computes 16 where 6 are
// wanted. Private to contraction/.
//
// Each element of y, and of dx, is one chain of fused multiply-adds in the order that reference.h states, over the terms that exist: bits are
// the definition's on every instruction set, and padding multiplies nothing. Weights' gradients have a chain for each lane.
#pragma once

#include <cstdint>

namespace kiln::codegen {

inline constexpr int64_t kImageLanes = 16;

// Strides count floats.
struct ImageLaneKernels {
  static constexpr int kMostChannels = 6, kMostColumns = 4, kMostTaps = 5;

  // A tile of results, channels x columns: sums over channels, tap rows and tap columns of pixels times weights.
  struct Sums {
    int64_t channels, rows, taps;  // how many are summed
    const float* pixels;           // of the first column's first term
    int64_t channel, row, tap;     // from a term's pixel to that of the next
    int64_t column;                // from a column's pixel to that of the next
    const float* weights;          // [channels of the tile] at each place
    int64_t weight_channel, weight_row, weight_tap;
    const float* bias;  // [channels of the tile], or null
    float* out;
    int64_t out_channel, out_column;
  };
  using SumsFunction = void (*)(const Sums&);

  // A tile of weights' gradients, channels x taps, a chain for each lane: adds products of dy and x over rows and columns.
  struct Gradients {
    int64_t rows, columns;
    const float* x;
    int64_t x_row, x_column, x_tap;
    const float* dy;
    int64_t dy_channel, dy_row;  // columns of dy lie side by side
    float* sums;                 // [channels][taps][16], read and written
    int64_t sums_channel;
  };
  using GradientsFunction = void (*)(const Gradients&);

  int sums_channels, sums_columns;                        // the widest tiles that fit the registers
  int gradient_channels, gradient_taps;                   //
  SumsFunction sums[kMostChannels][kMostColumns];         // [channels - 1][columns - 1]
  GradientsFunction gradients[kMostChannels][kMostTaps];  // [channels - 1][taps - 1]
};
const ImageLaneKernels& avx2_image_lane_kernels();
const ImageLaneKernels& avx512_image_lane_kernels();

}  // namespace kiln::codegen
