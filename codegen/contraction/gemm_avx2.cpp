#include <immintrin.h>

#include "codegen/contraction/gemm_tile.h"

namespace kiln::codegen {
namespace {

struct Avx2 {
  using Register = __m256;
  static constexpr int kLanes = 8;
  static Register zero() { return _mm256_setzero_ps(); }
  static Register load(const float* p) { return _mm256_loadu_ps(p); }
  static Register broadcast(const float* p) { return _mm256_broadcast_ss(p); }
  static Register fma(Register a, Register b, Register c) { return _mm256_fmadd_ps(a, b, c); }
  static void store(float* p, Register v) { _mm256_storeu_ps(p, v); }
};

}  // namespace

// 6 x 2 sums, two registers of b and one of a: 15 of 16.
const TileKernel& avx2_tile_kernel() {
  static constexpr TileKernel kernel = tile_kernel<Avx2, 6>();
  return kernel;
}

}  // namespace kiln::codegen
