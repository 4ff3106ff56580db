// Winograd's minimal filtering for 3 x 3 kernels: tiles of the image are transformed, multiplied in the transformed domain, and transformed
// back. F(2x2, 3x3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015) takes 16 multiplications for 4 outputs
// where the definition takes 36; the weights' gradient, F(3x3, 2x2), takes 16 for 9 outputs of 4 terms each. Private to contraction/.
//
// The points are 0, 1, -1 and infinity, so that transforms of images and results are additions only, and an output of F(2x2, 3x3) depends on
// no element that the definition does not give it: a huge, infinite or NaN pixel spoils its own outputs alone.
#pragma once

#include <cstdint>

namespace kiln::codegen {

inline constexpr int kWinogradMatrices = 16;  // 4 x 4 places of a transformed tile, a matrix each

// Transforms of 16 channels of several tiles. Strides count floats. A transformed tile's place (i, j) is in matrix 4 i + j.
struct WinogradTransforms {
  // Rows of pixels, each of 16 channels, to transformed tiles.
  struct Image {
    const float* pixels;  // the first tile's first pixel
    int64_t row;          // from a pixel to the one below
    int64_t step;         // from a tile to the next
    int64_t tiles;
    float* out;
    int64_t out_step, matrix;  // from a tile to the next, from a matrix to the next
  };
  void (*patches)(const Image&);                // 4 x 4 pixels a tile
  void (*gradients)(const Image&, float* sum);  // 2 x 2 pixels a tile, as filters over patches; adds them up into sum[16] if given
  // Transformed results to 2 x 2 pixels a tile, plus bias[16] if given. Returns whether they are all finite.
  struct Result {
    const float* in;
    int64_t in_step, matrix;
    const float* bias;
    float* pixels;
    int64_t row, step, tiles;
  };
  bool (*results)(const Result&);
  // One filter for each of 16 lanes, taps[9][16], to its 16 places.
  void (*filter)(const float* taps, float* out, int64_t matrix);
  // 16 lanes of a transformed weights' gradient to taps[9][16].
  void (*filter_gradient)(const float* in, int64_t matrix, float* taps);
};
const WinogradTransforms& avx2_winograd_transforms();
const WinogradTransforms& avx512_winograd_transforms();

}  // namespace kiln::codegen
