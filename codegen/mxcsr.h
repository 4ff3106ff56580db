// The floating-point state that kernels need. Other libraries leave flush-to-zero or another rounding mode behind, and threads inherit it.
#pragma once

#include <xmmintrin.h>

namespace kiln::codegen {

// Sets the default (all exceptions masked, round to nearest, denormals kept) for a scope. The sticky exception flags do not matter.
class DefaultMxcsr {
 public:
  DefaultMxcsr() : saved_(_mm_getcsr()) {
    if (foreign()) _mm_setcsr(kDefault);
  }
  ~DefaultMxcsr() {
    if (foreign()) _mm_setcsr(saved_);
  }
  DefaultMxcsr(const DefaultMxcsr&) = delete;

 private:
  static constexpr unsigned kDefault = 0x1f80, kFlags = 0x3f;
  bool foreign() const { return (saved_ & ~kFlags) != kDefault; }
  const unsigned saved_;
};

}  // namespace kiln::codegen
