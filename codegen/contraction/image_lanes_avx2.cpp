#include "codegen/contraction/image_lanes_tile.h"
#include "codegen/contraction/vector_avx2.h"

namespace kiln::codegen {

// 6 x 2 sums, two registers of pixels and one weight: 15 of 16; or 4 x 3 gradients, three of pixels and one of dy.
const ImageLaneKernels& avx2_image_lane_kernels() {
  static constexpr ImageLaneKernels kernels = image_lane_kernels<Avx2, 6, 2, 4, 3>();
  return kernels;
}

}  // namespace kiln::codegen
