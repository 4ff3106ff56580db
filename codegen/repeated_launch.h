// launch() of one kernel again and again on one thread, with other pointers and scalars. Work that is small is run with nothing around it.
#pragma once

#include "codegen/compiler.h"

namespace kiln::codegen {

class RepeatedLaunch {
 public:
  RepeatedLaunch(CompiledKernel&, const Args&);  // its extents and strides stay where they are
  ~RepeatedLaunch();
  RepeatedLaunch(const RepeatedLaunch&) = delete;
  void run();  // with `args`; MXCSR has to be as abi.h wants it; throws as launch()
  Args args;

 private:
  CompiledKernel& kernel_;
  int64_t blocks_ = 0;  // 0: launch() runs it
  std::array<uint64_t, kBackendNames.size()> launches_{};
};

}  // namespace kiln::codegen
