#include <immintrin.h>

#include "codegen/contraction/winograd_transforms.h"

namespace kiln::codegen {
namespace {

struct Avx2 {
  using Register = __m256;
  static constexpr int kLanes = 8;
  static Register load(const float* p) { return _mm256_loadu_ps(p); }
  static void store(float* p, Register v) { _mm256_storeu_ps(p, v); }
  static Register constant(float v) { return _mm256_set1_ps(v); }
  static Register add(Register a, Register b) { return _mm256_add_ps(a, b); }
  static Register sub(Register a, Register b) { return _mm256_sub_ps(a, b); }
  static Register mul(Register a, Register b) { return _mm256_mul_ps(a, b); }
  static Register fma(Register a, Register b, Register c) { return _mm256_fmadd_ps(a, b, c); }
};

}  // namespace

const WinogradTransforms& avx2_winograd_transforms() { return Transforms<Avx2>::kTable; }

}  // namespace kiln::codegen
