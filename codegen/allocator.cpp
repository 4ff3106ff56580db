// Three levels:
//   a small stack of free blocks per size class in every thread, for blocks up to kThreadBlock: no lock, about 10 ns;
//   the shared cache under one mutex: a stack per size class, and all blocks in the order they were freed;
//   the system: aligned_alloc below kMapped, mmap above, on huge pages from kHuge on.
// Size classes are an eighth of a power of two apart, so a block is at most 12.5 % larger than asked for, and the rounded tail of a
// mapped block is never touched.
//
// What is kept follows need: in use plus cached stays within a quarter more than was ever in use (plus kSlack), and cached within
// KILN_CACHE_MB. When shapes change, the blocks that were freed first go first.
#include "codegen/allocator.h"

#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>

#include "codegen/error.h"
#include "codegen/tunables.h"

namespace kiln::codegen {
namespace {

constexpr size_t kThreadBlock = 4 << 10;   // largest block a thread keeps for itself
constexpr size_t kThreadBytes = 32 << 10;  // most bytes a thread keeps of one size class
constexpr int kThreadBlocks = 32;          // most blocks a thread keeps of one size class
constexpr size_t kMapped = 128 << 10;      // from here on blocks are mapped, not taken from malloc
constexpr size_t kHugePage = 2 << 20;
constexpr size_t kHuge = 2 * kHugePage;  // from here on blocks ask for huge pages
constexpr int64_t kSlack = 16 << 20;
constexpr size_t kLargest = size_t{1} << 46;

// Class 0..7 are 64, 128 .. 512 bytes; then eight classes to each doubling.
constexpr int kSmallestLog = 9;
struct SizeClass {
  int index;
  size_t bytes;
};
constexpr SizeClass size_class(size_t bytes) {
  if (bytes <= 512) {
    const size_t steps = bytes == 0 ? 1 : (bytes + 63) / 64;
    return {static_cast<int>(steps) - 1, steps * 64};
  }
  const int log = std::bit_width(bytes - 1) - 1;  // 2^log < bytes <= 2^(log+1)
  const size_t step = size_t{1} << (log - 3);
  const size_t steps = (bytes - 1) / step + 1;  // 9..16
  return {(log - kSmallestLog) * 8 + static_cast<int>(steps) - 1, steps * step};
}
constexpr int kClasses = size_class(kLargest).index + 1;
constexpr int kThreadClasses = size_class(kThreadBlock).index + 1;
static_assert(size_class(512).index == 7 && size_class(513).index == 8 && size_class(576).bytes == 576);
static_assert(size_class(1024).index == 15 && size_class(1025).index == 16 && size_class(1025).bytes == 1152);

// A free block holds its own links.
struct Block {
  Block* next;  // in its size class (shared cache and thread stacks)
  Block* previous;
  Block* newer;  // in order of freeing (shared cache)
  Block* older;
  SizeClass size;
};
static_assert(sizeof(Block) <= kAlignment);

void* system_allocate(size_t bytes) noexcept {
  if (bytes < kMapped) return std::aligned_alloc(kAlignment, bytes);
  const size_t extra = bytes >= kHuge ? kHugePage : 0;  // to cut an aligned piece from
  void* mapped = mmap(nullptr, bytes + extra, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  if (extra == 0) return mapped;
  char* const start = static_cast<char*>(mapped);
  const size_t before = -reinterpret_cast<uintptr_t>(start) % kHugePage;
  if (before > 0) munmap(start, before);
  if (before < extra) munmap(start + before + bytes, extra - before);
  madvise(start + before, bytes, MADV_HUGEPAGE);
  return start + before;
}

void system_free(void* p, size_t bytes) noexcept {
  if (bytes < kMapped) std::free(p);
  else munmap(p, bytes);
}

void raise(std::atomic<int64_t>& highest, int64_t value) {
  int64_t seen = highest.load(std::memory_order_relaxed);
  while (value > seen && !highest.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {}
}

// Trivially destructible, so that tensors that die during static destruction still find it.
class SharedCache {
 public:
  Block* take(SizeClass size) {
    const std::lock_guard lock(mutex_);
    Block* const block = stacks_[size.index];
    if (block != nullptr) unlink(block);
    return block;
  }

  void put(void* p, SizeClass size, int64_t in_use, int64_t most) {
    Block* const block = new (p) Block{nullptr, nullptr, nullptr, nullptr, size};
    const std::lock_guard lock(mutex_);
    Block*& top = stacks_[size.index];
    block->next = top;
    if (top != nullptr) top->previous = block;
    top = block;
    block->older = newest_;
    (newest_ != nullptr ? newest_->newer : oldest_) = block;
    newest_ = block;
    cached_.fetch_add(static_cast<int64_t>(size.bytes), std::memory_order_relaxed);
    shrink_locked(most - in_use);
  }

  // Frees the blocks that have waited longest until at most `bytes` are cached.
  void shrink(int64_t bytes) {
    const std::lock_guard lock(mutex_);
    shrink_locked(bytes);
  }

  int64_t cached() const { return cached_.load(std::memory_order_relaxed); }
  std::mutex& mutex() { return mutex_; }

 private:
  void shrink_locked(int64_t bytes) {
    while (oldest_ != nullptr && cached() > bytes) {
      Block* const block = oldest_;
      unlink(block);
      system_free(block, block->size.bytes);
    }
  }

  void unlink(Block* block) {
    (block->previous != nullptr ? block->previous->next : stacks_[block->size.index]) = block->next;
    if (block->next != nullptr) block->next->previous = block->previous;
    (block->newer != nullptr ? block->newer->older : newest_) = block->older;
    (block->older != nullptr ? block->older->newer : oldest_) = block->newer;
    cached_.fetch_sub(static_cast<int64_t>(block->size.bytes), std::memory_order_relaxed);
  }

  std::mutex mutex_;
  Block* stacks_[kClasses] = {};
  Block* newest_ = nullptr;
  Block* oldest_ = nullptr;
  std::atomic<int64_t> cached_{0};
};
static_assert(std::is_trivially_destructible_v<SharedCache>);

constinit SharedCache shared;
constinit std::atomic<int64_t> in_use{0};
constinit std::atomic<int64_t> peak{0};
constinit std::atomic<int64_t> highest{0};  // peak that reset_peak() does not touch

// Fork copies the mutex as it is, so nobody may hold it meanwhile. (The pool registers later, hence runs first: it is idle by now.)
const int fork_handlers = pthread_atfork([] { shared.mutex().lock(); }, [] { shared.mutex().unlock(); }, [] { shared.mutex().unlock(); });

int64_t cache_limit() { return value(Tunable::cache_mb) << 20; }

// Bytes that may be in use and cached together.
int64_t footprint_limit(int64_t used) {
  const int64_t most = highest.load(std::memory_order_relaxed);
  return std::min(most + most / 4 + kSlack, used + cache_limit());
}

void put_shared(void* p, SizeClass size) {
  const int64_t used = in_use.load(std::memory_order_relaxed);
  shared.put(p, size, used, footprint_limit(used));
}

// The blocks a thread keeps. Only its own thread touches it; it goes to the shared cache when the thread ends.
class ThreadCache {
 public:
  ThreadCache() = default;
  ThreadCache(const ThreadCache&) = delete;
  ~ThreadCache() { flush(); }

  void* take(SizeClass size) {
    Stack& stack = stacks_[size.index];
    Block* const block = stack.top;
    if (block == nullptr) return nullptr;
    stack.top = block->next;
    --stack.blocks;
    return block;
  }

  void put(void* p, SizeClass size) {
    Stack& stack = stacks_[size.index];
    if (stack.blocks == std::min<int>(kThreadBlocks, static_cast<int>(kThreadBytes / size.bytes))) drop(stack, stack.blocks / 2);
    stack.top = new (p) Block{stack.top, nullptr, nullptr, nullptr, size};
    ++stack.blocks;
  }

  void flush() {
    for (Stack& stack : stacks_) drop(stack, stack.blocks);
  }

  int64_t bytes() const {
    int64_t total = 0;
    for (int i = 0; i < kThreadClasses; ++i)
      if (stacks_[i].top != nullptr) total += stacks_[i].blocks * static_cast<int64_t>(stacks_[i].top->size.bytes);
    return total;
  }

 private:
  struct Stack {
    Block* top = nullptr;
    int blocks = 0;
  };

  static void drop(Stack& stack, int blocks) {
    for (; blocks > 0; --blocks, --stack.blocks) {
      Block* const block = stack.top;
      stack.top = block->next;
      put_shared(block, block->size);
    }
  }

  Stack stacks_[kThreadClasses];
};

// Set while the thread's cache lives. A tensor that dies after it, in a later destructor of the thread, goes to the shared cache.
[[gnu::tls_model("initial-exec")]] constinit thread_local ThreadCache* own_cache = nullptr;
constinit thread_local bool own_cache_is_gone = false;

ThreadCache* make_thread_cache() {
  if (own_cache_is_gone) return nullptr;
  struct Holder {
    const std::unique_ptr<ThreadCache> cache = std::make_unique<ThreadCache>();
    Holder() { own_cache = cache.get(); }
    ~Holder() {
      own_cache = nullptr;
      own_cache_is_gone = true;
    }
  };
  static thread_local Holder holder;
  return own_cache;
}

ThreadCache* thread_cache() { return own_cache != nullptr ? own_cache : make_thread_cache(); }

std::string readable(int64_t bytes) {
  static constexpr const char* kUnits[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  int unit = 0;
  int64_t whole = bytes;
  for (; whole >= 10'240 && unit < 4; ++unit) whole /= 1024;
  return std::to_string(whole) + " " + kUnits[unit];
}

void* allocate_from_system(size_t bytes, SizeClass size) {
  const int64_t used = in_use.load(std::memory_order_relaxed) + static_cast<int64_t>(size.bytes);
  raise(highest, used);
  shared.shrink(footprint_limit(used) - used);
  void* p = system_allocate(size.bytes);
  if (p == nullptr) {
    release_cached();
    p = system_allocate(size.bytes);
  }
  if (p == nullptr)
    fail(ErrorCode::memory, "out of memory: cannot allocate " + std::to_string(bytes) + " bytes (" + readable(static_cast<int64_t>(bytes)) +
                                ") with " + readable(in_use.load(std::memory_order_relaxed)) + " of tensors in use");
  return p;
}

}  // namespace

void* allocate(size_t bytes) {
  if (bytes > kLargest) fail(ErrorCode::memory, "out of memory: " + std::to_string(bytes) + " bytes are more than a tensor can have");
  const SizeClass size = size_class(bytes);
  void* p = nullptr;
  if (size.index < kThreadClasses)
    if (ThreadCache* const own = thread_cache()) p = own->take(size);
  if (p == nullptr) p = shared.take(size);
  if (p == nullptr) p = allocate_from_system(bytes, size);
  const int64_t used = in_use.fetch_add(static_cast<int64_t>(bytes), std::memory_order_relaxed) + static_cast<int64_t>(bytes);
  if (used > peak.load(std::memory_order_relaxed)) {
    raise(peak, used);
    raise(highest, used);
  }
  return p;
}

void deallocate(void* p, size_t bytes) noexcept {
  if (p == nullptr) return;
  const SizeClass size = size_class(bytes);
  in_use.fetch_sub(static_cast<int64_t>(bytes), std::memory_order_relaxed);
  if (size.index < kThreadClasses)
    if (ThreadCache* const own = thread_cache()) return own->put(p, size);
  put_shared(p, size);
}

void release_cached() noexcept {
  if (own_cache != nullptr) own_cache->flush();
  shared.shrink(0);
}

MemoryStats memory_stats() {
  return {in_use.load(std::memory_order_relaxed), peak.load(std::memory_order_relaxed),
          shared.cached() + (own_cache != nullptr ? own_cache->bytes() : 0)};
}

void reset_peak() { peak.store(in_use.load(std::memory_order_relaxed), std::memory_order_relaxed); }

}  // namespace kiln::codegen
