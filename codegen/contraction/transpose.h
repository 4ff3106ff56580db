// Transposing 8 x 8 floats in registers. Private to contraction/.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace kiln::codegen {

// to[p][i] = from[i][p]. kStream stores past the caches; `to` and its stride must then be aligned to 32 bytes.
template <bool kStream = false>
inline void transpose8(const float* from, int64_t from_stride, float* to, int64_t to_stride) {
  __m256 row[8], pair[8], quad[8];
  for (int i = 0; i < 8; ++i) row[i] = _mm256_loadu_ps(from + i * from_stride);
  for (int i = 0; i < 8; i += 2) {
    pair[i] = _mm256_unpacklo_ps(row[i], row[i + 1]);
    pair[i + 1] = _mm256_unpackhi_ps(row[i], row[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    quad[i] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0x44);
    quad[i + 1] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0xee);
    quad[i + 2] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0x44);
    quad[i + 3] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0xee);
  }
  const auto store = [](float* p, __m256 v) { kStream ? _mm256_stream_ps(p, v) : _mm256_storeu_ps(p, v); };
  for (int i = 0; i < 4; ++i) {
    store(to + i * to_stride, _mm256_permute2f128_ps(quad[i], quad[i + 4], 0x20));
    store(to + (i + 4) * to_stride, _mm256_permute2f128_ps(quad[i], quad[i + 4], 0x31));
  }
}

}  // namespace kiln::codegen
