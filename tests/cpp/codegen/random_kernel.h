// Random kernels with memory to run them on, reproducible from a seed: what the fuzzer compares back ends with.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "codegen/kernel.h"

namespace kiln::codegen::testing {

struct KernelCase {
  struct Placement {
    uint32_t arena;                // which piece of memory; two buffers that share memory name the same one
    int64_t offset;                // of the element at index 0
    std::vector<int64_t> strides;  // [rank] bytes
  };

  uint64_t seed = 0;
  Kernel kernel;
  std::vector<int64_t> extents;
  std::vector<uint64_t> scalars;
  int64_t clip_total = 0;
  std::vector<Placement> buffers;
  std::vector<std::vector<std::byte>> arenas;  // what memory holds before the kernel runs
  std::vector<int64_t> cuts;                   // [0, ..., block count]: the calls that run the kernel

  std::string describe() const;  // kernel, extents, strides
};

KernelCase random_case(uint64_t seed);

// A given kernel over random extents, strides, memory and scalars, as random_case() chooses them; no two buffers share memory.
KernelCase case_of(const Kernel&, uint64_t seed);

// The same case after the kernel or the extents were changed: memory is laid out again. Throws Error if the kernel is invalid now.
KernelCase rebuilt(const KernelCase&, const Kernel&, const std::vector<int64_t>& extents);

// How often each thing occurred in the cases that were counted, by group and name.
class Coverage {
 public:
  void count(const KernelCase&);
  std::string table() const;
  // Names of the group that fewer than one case in a hundred had.
  std::vector<std::string> rare(const std::string& group) const;

 private:
  int cases_ = 0;
  std::map<std::string, std::map<std::string, int>> counts_;
};

}  // namespace kiln::codegen::testing
