// Blocks of kDepth along k: B's part is packed into panels of the kernel's width, then each strip of rows of A runs over all
// panels. A is read where it lies if its rows are contiguous, else packed strip by strip.
#include "codegen/contraction/gemm.h"

#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "codegen/backend.h"
#include "codegen/contraction/transpose.h"

namespace kiln::codegen {
namespace {

constexpr int64_t kDepth = 256;
static_assert(kDepth * kGemmColumns * sizeof(float) == kGemmScratch);

// B's columns in panels of `width`, each [depth][width], one after the other; zeros beyond the last column.
void pack_panels(Matrix b, int64_t depth, int64_t columns, int width, float* panels) {
  const int64_t whole = columns / width * width;
  if (b.column_stride == 1) {
    for (int64_t p = 0; p < depth; ++p)  // outermost, so that B's rows are read in order
      for (int64_t j = 0; j < whole; j += width)
        for (int i = 0; i < width; i += 8) _mm256_storeu_ps(panels + j * depth + p * width + i, _mm256_loadu_ps(b.at(p, j + i)));
  } else {
    for (int64_t j = 0; j < whole; j += 8) {
      float* const panel = panels + j / width * width * depth + j % width;
      int64_t p = 0;
      for (; p + 8 <= depth; p += 8) transpose8(b.at(p, j), b.column_stride, panel + p * width, width);
      for (; p < depth; ++p)
        for (int i = 0; i < 8; ++i) panel[p * width + i] = *b.at(p, j + i);
    }
  }
  if (whole == columns) return;
  float* const panel = panels + whole * depth;
  for (int64_t p = 0; p < depth; ++p)
    for (int i = 0; i < width; ++i) panel[p * width + i] = whole + i < columns ? *b.at(p, whole + i) : 0.0f;
}

// Rows of A, stored by columns, as [depth][rows].
void pack_strip(Matrix a, int64_t depth, int64_t rows, float* strip) {
  if (rows == 8) {  // a whole strip under AVX-512
    for (int64_t q = 0; q < depth; ++q) _mm256_storeu_ps(strip + q * 8, _mm256_loadu_ps(a.at(0, q)));
    return;
  }
  for (int64_t q = 0; q < depth; ++q)
    for (int64_t r = 0; r < rows; ++r) strip[q * rows + r] = *a.at(r, q);
}

// A tile at C's right edge: computed whole beside it.
void edge_tile(TileKernel::Function run, int64_t rows, int64_t columns, int width, int64_t k, Matrix a, const float* b, float* c,
               int64_t c_row_stride, bool continues) {
  alignas(64) float whole[TileKernel::kMostRows * TileKernel::kMostColumns] = {};
  const size_t bytes = columns * sizeof(float);
  if (continues)
    for (int64_t r = 0; r < rows; ++r) std::memcpy(whole + r * width, c + r * c_row_stride, bytes);
  run(k, a.data, a.row_stride, a.column_stride, b, whole, width, continues);
  for (int64_t r = 0; r < rows; ++r) std::memcpy(c + r * c_row_stride, whole + r * width, bytes);
}

}  // namespace

void gemm(int64_t m, int64_t n, int64_t k, Matrix a, Matrix b, float* c, int64_t c_row_stride, float* scratch) {
  static const TileKernel& kernel = isa() == Isa::avx512 ? avx512_tile_kernel() : avx2_tile_kernel();
  const int width = kernel.columns;
  alignas(64) float strip[TileKernel::kMostRows * kDepth];

  for (int64_t p = 0; p < k; p += kDepth) {
    const int64_t depth = std::min(kDepth, k - p);
    pack_panels({b.at(p, 0), b.row_stride, b.column_stride}, depth, n, width, scratch);
    for (int64_t i = 0; i < m; i += kernel.rows) {
      const int64_t rows = std::min<int64_t>(kernel.rows, m - i);
      const TileKernel::Function run = kernel.by_rows[rows - 1];
      Matrix part{a.at(i, p), a.row_stride, a.column_stride};
      if (part.column_stride != 1) {
        pack_strip(part, depth, rows, strip);
        part = {strip, 1, rows};
      }
      for (int64_t j = 0; j < n; j += width) {
        const float* const panel = scratch + j * depth;
        float* const tile = c + i * c_row_stride + j;
        if (n - j >= width) run(depth, part.data, part.row_stride, part.column_stride, panel, tile, c_row_stride, p > 0);
        else edge_tile(run, rows, n - j, width, depth, part, panel, tile, c_row_stride, p > 0);
      }
    }
  }
}

}  // namespace kiln::codegen
