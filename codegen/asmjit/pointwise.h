// What tests may change of pointwise kernels.
#pragma once

#include <atomic>
#include <cstdint>

namespace kiln::codegen::x64 {

// Kernels compiled from now on stream outputs of at least so many bytes; initially the last-level cache's size.
extern std::atomic<int64_t> streaming_threshold;

}  // namespace kiln::codegen::x64
