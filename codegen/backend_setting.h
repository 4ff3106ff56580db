// What runs kernels on this thread just now, as one number: part of the key of whoever keeps what get() gave.
#pragma once

#include <cstdint>

#include "codegen/backend.h"

namespace kiln::codegen {

// 0: chosen automatically; otherwise the forced back end, or the one that a BackendInstead put in its place. Small, and never reused.
uint32_t backend_setting();

// Forces a back end of the caller's own on this thread while it lives, in place of the built-in one of its kind: the same one for another
// ISA, or one with a fault that a test plants. Kernels compiled by it are kept under its address, so it must live as long as the process.
class BackendInstead {
 public:
  explicit BackendInstead(Backend&);
  ~BackendInstead();
  BackendInstead(const BackendInstead&) = delete;

 private:
  Backend* before_;
};

}  // namespace kiln::codegen
