#include "codegen/asmjit/code_pool.h"

#include <pthread.h>

#include <cstring>
#include <memory>
#include <mutex>

#include "codegen/error.h"
#include "codegen/tunables.h"

namespace kiln::codegen {
namespace x64 {
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
  // perf looks into its map for addresses in memory without a name only, and what is mapped twice has one.
  static const bool dual = text(Tunable::perf) != "map" && can_map_twice();
  return dual;
}

// Private memory is copied by the fork and needs none of this.
void retire() {
  if (runtime != nullptr && dual()) runtime = nullptr;
}

// Registered as the library is loaded, before any lock that is held while code is compiled: those are then taken first at a fork.
const int fork_handlers = pthread_atfork([] { mutex.lock(); }, [] { retire(), mutex.unlock(); }, [] { retire(), mutex.unlock(); });

// Under the lock.
asmjit::JitRuntime& open_runtime() {
  if (runtime == nullptr) {
    asmjit::JitAllocator::CreateParams params;
    if (dual()) params.options = asmjit::JitAllocatorOptions::kUseDualMapping;
    runtime = std::make_unique<asmjit::JitRuntime>(&params).release();
  }
  return *runtime;
}

void require(asmjit::Error error) {
  if (error == asmjit::kErrorOutOfMemory) fail(ErrorCode::memory, "no memory for machine code");
  check(error == asmjit::kErrorOk, asmjit::DebugUtils::errorAsString(error));
}

}  // namespace

CodeBlock place_code(asmjit::CodeHolder& code) {
  const std::scoped_lock lock(mutex);
  CodeBlock block;
  block.owner = &open_runtime();
  require(runtime->add(&block.code, &code));
  block.bytes = code.codeSize();
  return block;
}

}  // namespace x64

CodeBlock place_code(std::span<const std::byte> code) {
  const std::scoped_lock lock(x64::mutex);
  CodeBlock block;
  void* writable = nullptr;
  block.owner = &x64::open_runtime();
  x64::require(x64::runtime->allocator()->alloc(&block.code, &writable, code.size()));
  std::memcpy(writable, code.data(), code.size());
  block.bytes = code.size();
  return block;
}

MachineCode::MachineCode(BackendKind kind, const CodeBlock& block) : block_(block) {
  function = reinterpret_cast<KernelFunction>(block.code);
  backend = kind;
  bytes = block.bytes;
}

void release_code(const CodeBlock& block) noexcept {
  const std::scoped_lock lock(x64::mutex);
  if (x64::runtime == block.owner) x64::runtime->release(block.code);
}

}  // namespace kiln::codegen
