// What tests may change of pointwise kernels.
#pragma once

#include <atomic>
#include <cstdint>

namespace kiln::codegen::x64 {

// Kernels compiled from now on stream outputs of at least so many bytes. 0, as it is at first: of as many as the last-level cache holds, and
// only where memory is the limit.
extern std::atomic<int64_t> streaming_threshold;

}  // namespace kiln::codegen::x64
