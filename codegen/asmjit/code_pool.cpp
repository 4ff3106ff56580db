#include "codegen/asmjit/code_pool.h"

#include <memory>

#include "codegen/error.h"

namespace kiln::codegen::x64 {
namespace {

asmjit::JitAllocator::CreateParams params() {
  asmjit::JitAllocator::CreateParams p;
  p.options = asmjit::JitAllocatorOptions::kUseDualMapping;
  p.blockSize = 256 << 10;
  return p;
}

}  // namespace

CodePool::CodePool() : runtime_([] { static const auto p = params(); return &p; }()) {}

CodePool& CodePool::instance() {
  // Lives as long as the process: code may be freed after static objects are gone.
  static CodePool& pool = *std::unique_ptr<CodePool>(new CodePool).release();
  return pool;
}

CodePool::Block CodePool::add(asmjit::CodeHolder& code) {
  Block block;
  const asmjit::Error error = runtime_.add(&block.code, &code);
  if (error == asmjit::kErrorOutOfMemory) fail(ErrorCode::memory, "no memory for machine code");
  check(error == asmjit::kErrorOk, asmjit::DebugUtils::errorAsString(error));
  block.bytes = code.codeSize();
  return block;
}

void CodePool::release(const Block& block) noexcept { runtime_.release(block.code); }

}  // namespace kiln::codegen::x64
