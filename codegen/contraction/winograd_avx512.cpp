#include <immintrin.h>

#include "codegen/contraction/winograd.h"

// Only what follows may use AVX-512: inline functions of the headers above may end up in other files' code.
#pragma GCC target("avx512f")
#include "codegen/contraction/winograd_transforms.h"

namespace kiln::codegen {
namespace {

struct Avx512 {
  using Register = __m512;
  static constexpr int kLanes = 16;
  static Register load(const float* p) { return _mm512_loadu_ps(p); }
  static void store(float* p, Register v) { _mm512_storeu_ps(p, v); }
  static Register constant(float v) { return _mm512_set1_ps(v); }
  static Register add(Register a, Register b) { return _mm512_add_ps(a, b); }
  static Register sub(Register a, Register b) { return _mm512_sub_ps(a, b); }
  static Register mul(Register a, Register b) { return _mm512_mul_ps(a, b); }
  static Register fma(Register a, Register b, Register c) { return _mm512_fmadd_ps(a, b, c); }
};

}  // namespace

const WinogradTransforms& avx512_winograd_transforms() { return Transforms<Avx512>::kTable; }

}  // namespace kiln::codegen
