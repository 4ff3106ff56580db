// Runs a kernel on a back end of one's choice over given memory, for tests.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "codegen/backend.h"
#include "codegen/kernel.h"
#include "codegen/kernel_log.h"

namespace kiln::codegen::testing {

struct Array {
  const void* data;              // the element at index 0; written only where the kernel's buffer is
  std::vector<int64_t> strides;  // [rank] bytes
};

struct Space {
  std::vector<int64_t> extents;
  std::vector<uint64_t> scalars = {};
  int64_t clip_total = 0;
};

// All blocks in order, in as many calls as `pieces`; false where the back end does not cover the kernel.
inline bool run_kernel(Backend& backend, const Kernel& kernel, const Space& space, const std::vector<Array>& arrays, int64_t pieces = 1) {
  verify(kernel);
  log_kernel(kernel);
  const auto code = backend.compile(kernel, isa());
  if (!code) return false;
  std::vector<void*> pointers;
  std::vector<int64_t> strides;
  for (const Array& a : arrays) {
    pointers.push_back(const_cast<void*>(a.data));
    strides.insert(strides.end(), a.strides.begin(), a.strides.end());
  }
  const Args args{pointers.data(), strides.data(), space.extents.data(), space.scalars.data(), space.clip_total, nullptr,
                  nullptr,         code->self};
  const int64_t blocks = block_count(kernel, space.extents.data());
  for (int64_t p = 0; p < pieces; ++p)
    if (code->function(&args, blocks * p / pieces, blocks * (p + 1) / pieces) != 0) throw std::runtime_error("a kernel reported an error");
  return true;
}

}  // namespace kiln::codegen::testing
