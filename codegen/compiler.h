// Kernels in use: one CompiledKernel per distinct kernel in the process, running the best code there is.
//
// get() compiles with AsmJit at once (interpreted where AsmJit does not cover the kernel). A kernel that runs hot, or is
// interpreted, is queued for LLVM on one low-priority background thread; its code is swapped in atomically. No call waits, unless a back end is forced.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>

#include "codegen/backend.h"

namespace kiln::codegen {

class CompiledKernel {
 public:
  Kernel kernel;
  uint64_t hash = 0;
  std::atomic<uint64_t> launches{0};
  std::array<std::atomic<uint64_t>, kBackendNames.size()> launches_by_backend{};  // shows which back end ran
  double compile_microseconds[kBackendNames.size()] = {};

  // The code to run now; the pointer keeps it alive while it runs.
  std::shared_ptr<const Code> code() const { return std::atomic_load(&code_); }
  void swap_in(std::shared_ptr<const Code> code) { std::atomic_store(&code_, std::move(code)); }

 private:
  std::shared_ptr<const Code> code_;
};

// The back end that runs kernels from now on: nullopt is "auto". Initially from KILN_BACKEND. Contractions are not affected.
// A forced back end compiles synchronously; where it does not cover a kernel the interpreter runs it (launches_by_backend tells).
void force_backend(std::optional<BackendKind>);
std::optional<BackendKind> forced_backend();

// The kernel's one instance under the present back end setting and ISA. Verified first in debug builds. Thread-safe.
std::shared_ptr<CompiledKernel> get(const Kernel&);

struct Launch {
  const Kernel* kernel;
  const Args* args;
  std::shared_ptr<const Code> code;
};

// Runs all blocks on the pool, cut by shape; releases nothing and takes no locks of the front end. Throws Error if a kernel reports one.
void launch(CompiledKernel&, Args args);

void wait_for_compiles();      // until the background queue is empty
void clear_kernel_cache();     // forgets all kernels (running ones stay alive)

struct KernelCounters {
  uint64_t launches[kBackendNames.size()];
  uint64_t compiles[kBackendNames.size()];
  uint64_t kernels;            // distinct kernels alive
};
KernelCounters counters();

}  // namespace kiln::codegen
