// Running the independent pieces of one contraction. Private to contraction/.
#pragma once

#include <exception>
#include <mutex>

#include "codegen/allocator.h"
#include "codegen/thread_pool.h"

namespace kiln::codegen {

// Memory for as long as a piece runs. Comes warm from the allocator's cache when a thread runs one piece after the other.
class Scratch {
 public:
  explicit Scratch(size_t bytes) : data_(bytes > 0 ? allocate(bytes) : nullptr), bytes_(bytes) {}
  ~Scratch() { deallocate(data_, bytes_); }
  Scratch(const Scratch&) = delete;
  void* data() const { return data_; }
  float* floats() const { return static_cast<float*>(data_); }

 private:
  void* data_;
  size_t bytes_;
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
