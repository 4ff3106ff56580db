#include <immintrin.h>

#include <utility>

#include "codegen/contraction/image_lanes.h"

// Only what follows may use AVX-512: inline functions of the headers above may end up in other files' code.
#pragma GCC target("avx512f")
#include "codegen/contraction/image_lanes_tile.h"
#include "codegen/contraction/vector_avx512.h"

namespace kiln::codegen {

// 6 x 4 sums, four registers of pixels and one weight: 29 of 32; or 5 x 5 gradients, five of pixels and one of dy.
const ImageLaneKernels& avx512_image_lane_kernels() {
  static constexpr ImageLaneKernels kernels = image_lane_kernels<Avx512, 6, 4, 5, 5>();
  return kernels;
}

}  // namespace kiln::codegen
