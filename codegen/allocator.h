// Memory for tensors and arenas: 64-byte aligned, cached by size class so that pages stay warm, counted.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kiln::codegen {

inline constexpr size_t kAlignment = 64;

void* allocate(size_t bytes);                     // never null; 0 bytes gives a valid, unique-enough pointer. Throws Error{memory}
void deallocate(void* p, size_t bytes) noexcept;  // the same byte count as allocated
void release_cached() noexcept;  // gives cached blocks back to the system, but for other threads' small ones (under 1 MiB each)

struct MemoryStats {
  int64_t in_use;  // bytes handed out now
  int64_t peak;    // highest in_use since reset_peak()
  int64_t cached;  // bytes kept for reuse, but for other threads' small blocks
};
MemoryStats memory_stats();
void reset_peak();

}  // namespace kiln::codegen
