// A register of f32, as the kernels that are written for any width (gemm_tile.h, image_lanes_tile.h, winograd_transforms.h) want it. Included after what lets the file use
// AVX-512 (gemm_avx512.cpp says how), and nowhere else.
#pragma once

#include <immintrin.h>

namespace kiln::codegen {

struct Avx512 {
  using Register = __m512;
  static constexpr int kLanes = 16;
  static Register zero() { return _mm512_setzero_ps(); }
  static Register load(const float* p) { return _mm512_loadu_ps(p); }
  static void store(float* p, Register v) { _mm512_storeu_ps(p, v); }
  static Register broadcast(const float* p) { return _mm512_set1_ps(*p); }
  static Register constant(float v) { return _mm512_set1_ps(v); }
  static Register add(Register a, Register b) { return _mm512_add_ps(a, b); }
  static Register sub(Register a, Register b) { return _mm512_sub_ps(a, b); }
  static Register mul(Register a, Register b) { return _mm512_mul_ps(a, b); }
  static Register fma(Register a, Register b, Register c) { return _mm512_fmadd_ps(a, b, c); }
};

}  // namespace kiln::codegen
