// How much memory reading a file may still take: what is made from it is counted before it is made.
#pragma once

#include <cstddef>

#include "codegen/error.h"

namespace kiln::jit::package {

// For all of a file of that size. Less than the promised 4 * size + 1 MiB: allocators round up, and messages are strings too.
inline size_t allowance(size_t file_size) { return 4 * file_size + (size_t{7} << 17); }

class Budget {
 public:
  explicit Budget(size_t bytes) : left_(bytes) {}
  void charge(size_t bytes) {
    if (bytes > left_) fail(ErrorCode::value, "what it describes would take more memory than a file of its size is allowed");
    left_ -= bytes;
  }
  void charge(size_t count, size_t bytes) {
    if (count > left_ / bytes) charge(left_ + 1);
    charge(count * bytes);
  }

 private:
  size_t left_;
};

}  // namespace kiln::jit::package
