// f16 and bf16 in routines that compute: the whole array as f32, and back, rounded once.
#pragma once

#include <vector>

#include "codegen/interpreter/primitives.h"

namespace kiln::codegen {

inline std::vector<float> widened(DType half, const void* x, int64_t n) {
  std::vector<float> wide(static_cast<size_t>(n));
  interpreter::apply_of(Prim::cast, DType::F32, half)(wide.data(), x, nullptr, nullptr, n);
  return wide;
}

inline void narrow_into(DType half, const std::vector<float>& wide, void* y) {
  interpreter::apply_of(Prim::cast, half, DType::F32)(y, wide.data(), nullptr, nullptr, static_cast<int64_t>(wide.size()));
}

}  // namespace kiln::codegen
