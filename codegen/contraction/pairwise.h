// The sum of partial results, in an order that depends on their number alone. Private to contraction/.
#pragma once

#include <cstdint>

#include "codegen/thread_pool.h"

namespace kiln::codegen {

// sum[i] = (parts[0][i] + parts[1][i]) + (parts[2][i] + ...): neighbours in pairs, then pairs of those; an odd one moves up as it is.
// `parts` holds `count` arrays of `elements` one after the other, and is overwritten. `sum` may be parts itself.
inline void sum_pairwise(float* parts, int64_t count, int64_t elements, float* sum) {
  constexpr int64_t kGrain = 2048;  // all parts of a piece stay in the first-level cache
  parallel_for(elements, kGrain, [=](int64_t begin, int64_t end) noexcept {
    for (int64_t b = begin; b < end; b += kGrain) {
      const int64_t e = b + kGrain < end ? b + kGrain : end;
      for (int64_t step = 1; step < count; step *= 2)
        for (int64_t i = 0; i + step < count; i += 2 * step) {
          float* const left = parts + i * elements;
          const float* const right = parts + (i + step) * elements;
          for (int64_t x = b; x < e; ++x) left[x] += right[x];
        }
      if (sum != parts)
        for (int64_t x = b; x < e; ++x) sum[x] = parts[x];
    }
  });
}

}  // namespace kiln::codegen
