// Printed kernels, compiled by the host's compiler against emulation.h and run here.
#pragma once

#include <string>
#include <vector>

#include "codegen/cuda/source.h"

namespace kiln::codegen::cuda::testing {

// Several kernels in one shared library, since starting the compiler costs more than a kernel. Throws std::runtime_error with the
// compiler's messages where it refuses the text.
class Emulated {
 public:
  // Printed under the names name_of(0), name_of(1), ...
  explicit Emulated(const std::vector<std::string>& sources);
  ~Emulated();
  Emulated(const Emulated&) = delete;
  static std::string name_of(size_t i) { return "kernel_" + std::to_string(i); }

  // Empty, or what went wrong: threads that wait forever, shared memory overrun. `order`: which order a block's threads run in.
  std::string run(size_t i, const Call&, unsigned order) const;

 private:
  void* library_ = nullptr;
};

}  // namespace kiln::codegen::cuda::testing
