// Memory that machine code runs in. Mapped twice where the system allows it, once to write and once to execute, so that no page is ever
// both; freed code's space is used again.
//
// Memory that is mapped twice is shared with a forked child. So at a fork what has been handed out is retired: it stays as it is for both
// processes, for good, and each goes on with memory of its own.
#pragma once

#include <asmjit/core.h>

#include <cstddef>

namespace kiln::codegen::x64 {

struct CodeBlock {
  void* code = nullptr;
  size_t bytes = 0;
  const asmjit::JitRuntime* owner = nullptr;
};

CodeBlock place_code(asmjit::CodeHolder&);  // links, copies. Throws Error{memory}
void release_code(const CodeBlock&) noexcept;

}  // namespace kiln::codegen::x64
