#include "codegen/asmjit/code_pool.h"

#include <pthread.h>

#include <memory>
#include <mutex>

#include "codegen/error.h"

namespace kiln::codegen::x64 {
namespace {

std::mutex mutex;
// Never destroyed: code may run and be freed after static objects are gone.
constinit asmjit::JitRuntime* runtime = nullptr;

// Some sandboxes forbid what mapping memory twice takes.
bool can_map_twice() {
  using namespace asmjit;
  VirtMem::DualMapping mapping{};
  const size_t page = VirtMem::info().pageSize;
  if (VirtMem::allocDualMapping(&mapping, page, VirtMem::MemoryFlags::kAccessRWX) != kErrorOk) return false;
  VirtMem::releaseDualMapping(&mapping, page);
  return true;
}

bool dual() {
  static const bool dual = can_map_twice();
  return dual;
}

// Private memory is copied by the fork and needs none of this.
void retire() {
  if (runtime != nullptr && dual()) runtime = nullptr;
}

// Registered as the library is loaded, before any lock that is held while code is compiled: those are then taken first at a fork.
const int fork_handlers = pthread_atfork([] { mutex.lock(); }, [] { retire(), mutex.unlock(); }, [] { retire(), mutex.unlock(); });

}  // namespace

CodeBlock place_code(asmjit::CodeHolder& code) {
  const std::scoped_lock lock(mutex);
  if (runtime == nullptr) {
    asmjit::JitAllocator::CreateParams params;
    if (dual()) params.options = asmjit::JitAllocatorOptions::kUseDualMapping;
    runtime = std::make_unique<asmjit::JitRuntime>(&params).release();
  }
  CodeBlock block;
  const asmjit::Error error = runtime->add(&block.code, &code);
  if (error == asmjit::kErrorOutOfMemory) fail(ErrorCode::memory, "no memory for machine code");
  check(error == asmjit::kErrorOk, asmjit::DebugUtils::errorAsString(error));
  block.bytes = code.codeSize();
  block.owner = runtime;
  return block;
}

void release_code(const CodeBlock& block) noexcept {
  const std::scoped_lock lock(mutex);
  if (runtime == block.owner) runtime->release(block.code);
}

}  // namespace kiln::codegen::x64
