// The kernel ABI: the same for every back end, tier and ahead-of-time code.
//   uint32_t kernel(const Args*, int64_t begin, int64_t end)
// runs canonical blocks [begin, end), is noexcept and re-entrant, and returns 0 or a non-zero code written to *error as well.
// MXCSR must be the default (all exceptions masked, round to nearest, no flush-to-zero); launch() sees to it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kiln::codegen {

struct Args {
  void* const* pointers;    // [buffer] address of the element at index 0 of every dimension
  const int64_t* strides;   // [buffer][rank] bytes, may be zero or negative
  const int64_t* extents;   // [rank] >= 0
  const uint64_t* scalars;  // [scalars]
  int64_t clip_total;       // see Kernel::clip; 0 when unused
  void* scratch;            // reserved, may be null
  uint32_t* error;          // where a kernel reports a code, may be null
  const void* self;         // the back end's own data for this kernel (the interpreter's program), else null
};
static_assert(sizeof(Args) == 64 && offsetof(Args, clip_total) == 32 && offsetof(Args, self) == 56);

// What a kernel may report.
inline constexpr uint32_t kKernelOutOfMemory = 1;

using KernelFunction = uint32_t (*)(const Args*, int64_t begin, int64_t end);

}  // namespace kiln::codegen
