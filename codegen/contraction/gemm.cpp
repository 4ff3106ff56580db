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

// panel[p][j] = b(p, j) for p < k, j < columns; zero for columns <= j < width.
void pack_panel(Matrix b, int64_t k, int64_t columns, int width, float* panel) {
  if (b.column_stride == 1) {
    for (int64_t p = 0; p < k; ++p) {
      if (columns == width)
        for (int j = 0; j < width; j += 8) _mm256_storeu_ps(panel + p * width + j, _mm256_loadu_ps(b.at(p, j)));
      else
        for (int j = 0; j < width; ++j) panel[p * width + j] = j < columns ? *b.at(p, j) : 0.0f;
    }
    return;
  }
  for (int j = 0; j < width; j += 8) {
    int64_t p = 0;
    if (b.row_stride == 1 && j + 8 <= columns)
      for (; p + 8 <= k; p += 8) transpose8(b.at(p, j), b.column_stride, panel + p * width + j, width);
    for (; p < k; ++p)
      for (int i = j; i < j + 8; ++i) panel[p * width + i] = i < columns ? *b.at(p, i) : 0.0f;
  }
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
    for (int64_t j = 0; j < n; j += width)
      pack_panel({b.at(p, j), b.row_stride, b.column_stride}, depth, std::min<int64_t>(width, n - j), width, scratch + j * depth);

    for (int64_t i = 0; i < m; i += kernel.rows) {
      const int64_t rows = std::min<int64_t>(kernel.rows, m - i);
      const TileKernel::Function run = kernel.by_rows[rows - 1];
      Matrix part{a.at(i, p), a.row_stride, a.column_stride};
      if (part.column_stride != 1) {
        for (int64_t q = 0; q < depth; ++q)
          for (int64_t r = 0; r < rows; ++r) strip[q * rows + r] = *part.at(r, q);
        part = {strip, 1, rows};
      }
      for (int64_t j = 0; j < n; j += width) {
        const float* const panel = scratch + j * depth;
        float* const tile = c + i * c_row_stride + j;
        if (n - j >= width)
          run(depth, part.data, part.row_stride, part.column_stride, panel, tile, c_row_stride, p > 0);
        else
          edge_tile(run, rows, n - j, width, depth, part, panel, tile, c_row_stride, p > 0);
      }
    }
  }
}

}  // namespace kiln::codegen
