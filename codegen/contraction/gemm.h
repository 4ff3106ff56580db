// The f32 matrix product's inner loops. Private to contraction/.
//
// Every element of C is one chain of fused multiply-adds over k in ascending order, starting from 0. Neither the instruction set nor
// any blocking changes that order, so AVX2 and AVX-512 give the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kiln::codegen {

// An [rows, columns] matrix of f32 in memory; strides in elements, one of them 1.
struct Matrix {
  const float* data;
  int64_t row_stride, column_stride;
  const float* at(int64_t row, int64_t column) const { return data + row * row_stride + column * column_stride; }
};

// Columns of B that a slice should handle at most, so that its packed part of B stays in the second-level cache.
inline constexpr int64_t kGemmColumns = 256;
inline constexpr size_t kGemmScratch = size_t{256} * kGemmColumns * sizeof(float);

// c[m, n] = a[m, k] b[k, n] for k >= 1 and n <= kGemmColumns, on the calling thread. `scratch` has kGemmScratch bytes.
void gemm(int64_t m, int64_t n, int64_t k, Matrix a, Matrix b, float* c, int64_t c_row_stride, float* scratch);

// A kernel computes a tile of C: rows x columns elements, from a (any strides) and a packed panel of b, [k][columns].
// The chains start from what c holds if `continues`, else from 0.
struct TileKernel {
  static constexpr int kMostRows = 8, kMostColumns = 32;
  using Function = void (*)(int64_t k, const float* a, int64_t a_row_stride, int64_t a_column_stride, const float* b, float* c,
                            int64_t c_row_stride, bool continues);
  int rows, columns;
  Function by_rows[kMostRows];  // [r - 1] for r rows, up to `rows`
};
const TileKernel& avx2_tile_kernel();
const TileKernel& avx512_tile_kernel();

}  // namespace kiln::codegen
