// CUDA C from a kernel: text that NVRTC compiles as it is (no header is included), and how to launch what comes out.
//
// The kernel function takes one structure by value, `Arguments` in the text and Call::parameters here: pointers, byte strides, extents and
// scalars of codegen/abi.h, so that nothing has to be copied to the device before a launch. Its bits are the interpreter's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/abi.h"
#include "codegen/cuda/forms.h"
#include "codegen/kernel.h"

namespace kiln::codegen::cuda {

struct Options {
  std::string_view name = "kiln_kernel";  // of the function, which has C linkage
  Forms forms = form_of;                  // how primitives are printed; a test plants a fault here
};

// Throws Error{not_implemented} where the arguments exceed what a CUDA kernel can take (a few hundred buffers).
std::string source(const Kernel&, const Options& = {});

// What one launch is given. Everything is a function of the kernel and its arguments, never of the device.
struct Call {
  uint32_t grid = 0;  // blocks, in x; 0: there is nothing to launch
  uint32_t block_x = 1, block_y = 1;
  uint32_t shared_bytes = 0;          // dynamic shared memory, at most 48 KiB
  std::vector<std::byte> parameters;  // the kernel's one parameter
};
// Args as a host back end takes them, pointers to the device's memory in their place; self, scratch and error are not read.
Call call(const Kernel&, const Args&);

}  // namespace kiln::codegen::cuda
