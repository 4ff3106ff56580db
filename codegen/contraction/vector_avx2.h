// A register of f32, as the kernels that are written for any width (gemm_tile.h, image_lanes_tile.h, winograd_transforms.h) want it.
#pragma once

#include <immintrin.h>

namespace kiln::codegen {

struct Avx2 {
  using Register = __m256;
  static constexpr int kLanes = 8;
  static Register zero() { return _mm256_setzero_ps(); }
  static Register load(const float* p) { return _mm256_loadu_ps(p); }
  static void store(float* p, Register v) { _mm256_storeu_ps(p, v); }
  static Register broadcast(const float* p) { return _mm256_broadcast_ss(p); }
  static Register constant(float v) { return _mm256_set1_ps(v); }
  static Register add(Register a, Register b) { return _mm256_add_ps(a, b); }
  static Register sub(Register a, Register b) { return _mm256_sub_ps(a, b); }
  static Register mul(Register a, Register b) { return _mm256_mul_ps(a, b); }
  static Register fma(Register a, Register b, Register c) { return _mm256_fmadd_ps(a, b, c); }
};

}  // namespace kiln::codegen
