// NVIDIA's run-time compiler, opened at run time: CUDA C to PTX and CUBIN. It needs neither a GPU nor a driver.
#pragma once

#include <string>

namespace kiln::codegen::cuda {

// Where libnvrtc.so is, for a front end that knows; KILN_NVRTC comes first. To be called before the first compilation.
void set_nvrtc_path(const std::string& path);

struct Compiled {
  std::string ptx, cubin;
};
// For one architecture, as 90 for sm_90, under the options that keep IEEE arithmetic: no contraction, denormals kept, division and square
// root rounded correctly. Throws Error{runtime} where the library cannot be opened or refuses the text, with its messages. Thread-safe.
Compiled compile(const std::string& source, int architecture);

}  // namespace kiln::codegen::cuda
