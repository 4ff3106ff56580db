// Memory that machine code runs in. Mapped twice where the system allows it, once to write and once to execute, so that no page is ever
// both; freed code's space is used again.
//
// Memory that is mapped twice is shared with a forked child. So at a fork what has been handed out is retired: it stays as it is for both
// processes, for good, and each goes on with memory of its own.
#pragma once

#include <cstddef>
#include <span>

#include "codegen/backend.h"

namespace kiln::codegen {

struct CodeBlock {
  void* code = nullptr;  // 64-byte aligned
  size_t bytes = 0;
  const void* owner = nullptr;
};

CodeBlock place_code(std::span<const std::byte>);  // copies. Throws Error{memory}
void release_code(const CodeBlock&) noexcept;

// A kernel's code in such memory, which it gives back.
class MachineCode final : public Code {
 public:
  MachineCode(BackendKind, const CodeBlock&);
  ~MachineCode() override { release_code(block_); }

 private:
  const CodeBlock block_;
};

}  // namespace kiln::codegen
