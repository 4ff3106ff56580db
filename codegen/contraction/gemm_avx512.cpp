#include <immintrin.h>

#include <array>
#include <utility>

#include "codegen/contraction/gemm.h"

// Only what follows may use AVX-512: inline functions of the headers above may end up in other files' code.
#pragma GCC target("avx512f")
#include "codegen/contraction/gemm_tile.h"
#include "codegen/contraction/vector_avx512.h"

namespace kiln::codegen {

// 8 x 2 sums hide the latency of two multiply-adds a cycle, and 8 divides the usual batch sizes.
const TileKernel& avx512_tile_kernel() {
  static constexpr TileKernel kernel = tile_kernel<Avx512, 8>();
  return kernel;
}

}  // namespace kiln::codegen
