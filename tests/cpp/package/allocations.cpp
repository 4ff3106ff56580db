#include "tests/cpp/package/allocations.h"

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<int64_t> live{0}, peak{0}, base{0};

void* counted(void* p) {
  if (p == nullptr) throw std::bad_alloc();
  const int64_t now = live.fetch_add(static_cast<int64_t>(malloc_usable_size(p)), std::memory_order_relaxed);
  int64_t highest = peak.load(std::memory_order_relaxed);
  const int64_t with = now + static_cast<int64_t>(malloc_usable_size(p));
  while (with > highest && !peak.compare_exchange_weak(highest, with, std::memory_order_relaxed)) {}
  return p;
}

void uncounted(void* p) noexcept {
  if (p != nullptr) live.fetch_sub(static_cast<int64_t>(malloc_usable_size(p)), std::memory_order_relaxed);
  std::free(p);
}

}  // namespace

// The standard library's other forms call these.
void* operator new(size_t bytes) { return counted(std::malloc(bytes == 0 ? 1 : bytes)); }
void* operator new(size_t bytes, std::align_val_t alignment) {
  const auto align = static_cast<size_t>(alignment);
  return counted(std::aligned_alloc(align, (bytes + align - 1) / align * align));
}
void operator delete(void* p) noexcept { uncounted(p); }
void operator delete(void* p, size_t) noexcept { uncounted(p); }
void operator delete(void* p, std::align_val_t) noexcept { uncounted(p); }
void operator delete(void* p, size_t, std::align_val_t) noexcept { uncounted(p); }

namespace kiln::testing {

void reset_allocation_peak() {
  base = live.load();
  peak = live.load();
}
int64_t allocation_peak() { return peak - base; }

}  // namespace kiln::testing
