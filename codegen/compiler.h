// Kernels in use: one CompiledKernel per distinct kernel in the process, running the best code there is.
//
// get() compiles with AsmJit at once (interpreted where AsmJit does not cover the kernel). A kernel that runs hot, or is
// interpreted, is queued for LLVM on one low-priority background thread; its code is swapped in atomically. No call waits, unless a back end is forced.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "codegen/backend.h"

namespace kiln::codegen {

class CompiledKernel : public std::enable_shared_from_this<CompiledKernel> {
 public:
  explicit CompiledKernel(const Kernel&);
  ~CompiledKernel();
  CompiledKernel(const CompiledKernel&) = delete;

  const Kernel kernel;
  const uint64_t hash;
  const int64_t cost;  // operations on one element: what launch() reckons work with
  std::array<std::atomic<uint64_t>, kBackendNames.size()> launches_by_backend{};  // shows which back end ran
  std::array<std::atomic<double>, kBackendNames.size()> compile_microseconds{};
  uint64_t launches() const;

  // The code to run now; valid as long as this kernel, for codes that were swapped out are kept (there are few).
  const Code& code() const { return *code_.load(std::memory_order_acquire); }
  void swap_in(std::shared_ptr<const Code>);

  // Heat: grows with launches until the kernel is queued for LLVM, once.
  std::atomic<bool> queued{true};
  std::atomic<int64_t> heat{0};

 private:
  std::atomic<const Code*> code_{nullptr};
  std::vector<std::shared_ptr<const Code>> codes_;
};

// The back end that runs kernels from now on: nullopt is "auto". Initially from KILN_BACKEND. Contractions are not affected.
// A forced back end compiles synchronously; where it does not cover a kernel the interpreter runs it (launches_by_backend tells).
// Who keeps what get() gave must ask again when the setting changes.
void force_backend(std::optional<BackendKind>);
std::optional<BackendKind> forced_backend();
// What a user names: nullopt for "auto". Throws Error{value} for a name that is none of them.
std::optional<BackendKind> backend_named(std::string_view);

// Forces a back end on this thread alone while it lives (a captured function's own choice); nullopt changes nothing.
class BackendScope {
 public:
  explicit BackendScope(std::optional<BackendKind>);
  ~BackendScope();
  BackendScope(const BackendScope&) = delete;

 private:
  std::optional<BackendKind> before_;
};

// The kernel's one instance under the present back end setting and ISA; verified when it is new. Thread-safe; a hit takes about 0.2 us.
std::shared_ptr<CompiledKernel> get(const Kernel&);

// Runs all blocks on the pool, cut by shape; takes no locks of the front end. Throws Error if a kernel reports one. args.self and
// args.error need not be set. The caller keeps the kernel alive.
void launch(CompiledKernel&, Args args);
// Several launches of one kernel that do not depend on each other, as one: their blocks share the threads.
void launch(CompiledKernel&, std::span<Args>);

void wait_for_compiles();   // until the background queue is empty
void clear_kernel_cache();  // forgets all kernels (those in use stay alive)

struct KernelCounters {
  uint64_t launches[kBackendNames.size()];  // since the process began
  uint64_t compiles[kBackendNames.size()];
  uint64_t kernels;  // distinct kernels alive
};
KernelCounters counters();

}  // namespace kiln::codegen
