#include <immintrin.h>

#include <array>
#include <utility>

#include "codegen/contraction/gemm.h"

// Only what follows may use AVX-512: inline functions of the headers above may end up in other files' code.
#pragma GCC target("avx512f")
#include "codegen/contraction/gemm_tile.h"

namespace kiln::codegen {
namespace {

struct Avx512 {
  using Register = __m512;
  static constexpr int kLanes = 16;
  static Register zero() { return _mm512_setzero_ps(); }
  static Register load(const float* p) { return _mm512_loadu_ps(p); }
  static Register broadcast(const float* p) { return _mm512_set1_ps(*p); }
  static Register fma(Register a, Register b, Register c) { return _mm512_fmadd_ps(a, b, c); }
  static void store(float* p, Register v) { _mm512_storeu_ps(p, v); }
};

}  // namespace

// 8 x 2 sums hide the latency of two multiply-adds a cycle, and 8 divides the usual batch sizes.
const TileKernel& avx512_tile_kernel() {
  static constexpr TileKernel kernel = tile_kernel<Avx512, 8>();
  return kernel;
}

}  // namespace kiln::codegen
