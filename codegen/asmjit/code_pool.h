// Memory that machine code runs in. Mapped twice where the system allows it, once to write and once to execute, so that no page is ever
// both; freed code's space is used again.
#pragma once

#include <asmjit/core.h>

#include <cstddef>

namespace kiln::codegen::x64 {

class CodePool {
 public:
  struct Block {
    void* code = nullptr;
    size_t bytes = 0;
  };

  static CodePool& instance();
  Block add(asmjit::CodeHolder&);  // links, copies. Throws Error{memory}
  void release(const Block&) noexcept;

 private:
  CodePool();
  asmjit::JitRuntime runtime_;
};

}  // namespace kiln::codegen::x64
