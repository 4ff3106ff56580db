// Running the independent pieces of one contraction. Private to contraction/.
#pragma once

#include <exception>
#include <mutex>
#include <utility>

#include "codegen/allocator.h"
#include "codegen/thread_pool.h"

namespace kiln::codegen {

// Memory for as long as a piece runs. The calling thread keeps its last block for the next piece, so that the lines stay in its core's caches:
// taken in turns, two threads' blocks would move between them.
class Scratch {
 public:
  explicit Scratch(size_t bytes) {
    if (bytes == 0) return;
    if (Block& kept = kept_block(); kept.bytes >= bytes) block_ = std::exchange(kept, {});
    else block_ = {allocate(bytes), bytes};
  }
  ~Scratch() {
    if (Block& kept = kept_block(); block_.bytes <= kMostKept && block_.bytes > kept.bytes) std::swap(block_, kept);
    deallocate(block_.data, block_.bytes);
  }
  Scratch(const Scratch&) = delete;
  void* data() const { return block_.data; }
  float* floats() const { return static_cast<float*>(block_.data); }

 private:
  static constexpr size_t kMostKept = 1 << 20;
  struct Block {
    void* data = nullptr;
    size_t bytes = 0;
  };
  struct Kept : Block {
    ~Kept() { deallocate(data, bytes); }
  };
  static Block& kept_block() {
    static thread_local Kept kept;
    return kept;
  }

  Block block_;
};

// Calls task(0) .. task(count - 1) on the pool. Tasks may throw: the first error is thrown here once all have ended.
template <class Task>
void run_tasks(int64_t count, const Task& task) {
  std::mutex mutex;
  std::exception_ptr error;
  parallel_for(count, 1, [&](int64_t begin, int64_t end) noexcept {
    try {
      for (int64_t i = begin; i < end; ++i) task(i);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
    }
  });
  if (error) std::rethrow_exception(error);
}

inline size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace kiln::codegen
