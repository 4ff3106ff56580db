// Kernels by name in debuggers and profilers: gdb (and lldb) through the JIT interface, `perf` through a map or a jitdump (KILN_PERF).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "codegen/backend.h"

namespace kiln::codegen {

// "kiln_mul_add_relu_8c1f0e5d2b3a4967": what it does, then its hash. `what` is made of words, as a program or an operator names itself; where
// it is empty, the primitives do.
std::string name_of(const Kernel&, uint64_t hash, std::string_view what);

// The name of a code, known from here on until this goes. Keeps nothing of the code but its address; code without machine code (the
// interpreter's) has nothing to announce.
class Announcement {
 public:
  Announcement(const Code&, const std::string& name);
  ~Announcement();
  Announcement(Announcement&&) noexcept;

 private:
  struct Entry;
  std::unique_ptr<Entry> entry_;
};

}  // namespace kiln::codegen
