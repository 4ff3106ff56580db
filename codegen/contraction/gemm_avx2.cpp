#include "codegen/contraction/gemm_tile.h"
#include "codegen/contraction/vector_avx2.h"

namespace kiln::codegen {

// 6 x 2 sums, two registers of b and one of a: 15 of 16.
const TileKernel& avx2_tile_kernel() {
  static constexpr TileKernel kernel = tile_kernel<Avx2, 6>();
  return kernel;
}

}  // namespace kiln::codegen
