// Kernels in use: one CompiledKernel per distinct kernel in the process, running the best code there is.
//
// get() compiles with AsmJit at once (interpreted where AsmJit does not cover the kernel). A kernel that runs hot, or is
// interpreted, is queued for LLVM on one low-priority background thread. Then both codes run in turn until it is known which is faster, and that
// one stays. LLVM's code and the verdict are kept on disk (codegen/disk_cache.h), where get() looks first. No call waits, unless a back end is forced.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "codegen/backend.h"
#include "codegen/code_names.h"
#include "codegen/disk_cache.h"

namespace kiln::codegen {

class Trial;

// How far a kernel has come in the choice of its code.
enum class Tier : uint8_t {
  settled,  // it keeps the code it has
  heating,  // launches are counted
  queued,   // waits for LLVM, or is being compiled
  trial,    // launches are timed
};

class CompiledKernel : public std::enable_shared_from_this<CompiledKernel> {
 public:
  explicit CompiledKernel(const Kernel&, std::string_view what = {});
  ~CompiledKernel();
  CompiledKernel(const CompiledKernel&) = delete;

  const Kernel kernel;
  const uint64_t hash;
  const int64_t cost;      // operations on one element
  const std::string name;  // in debuggers and profilers (codegen/code_names.h)

  std::array<std::atomic<uint64_t>, kBackendNames.size()> launches_by_backend{};  // shows which back end ran
  std::array<std::atomic<double>, kBackendNames.size()> compile_microseconds{};
  uint64_t launches() const;
  double work(const int64_t* extents) const {  // operations over such an iteration space
    auto operations = static_cast<double>(cost);
    for (int d = 0; d < kernel.rank; ++d) operations *= static_cast<double>(extents[d]);
    return operations;
  }

  // The code to run now; valid as long as this kernel, for codes that were swapped out are kept (there are two at most).
  const Code& code() const { return *code_.load(std::memory_order_acquire); }
  void swap_in(std::shared_ptr<const Code>);

  // The two tiers (codegen/tier_up.h). Where the back end is forced, a kernel is settled from the start.
  std::atomic<Tier> tier{Tier::settled};
  std::atomic<int64_t> heat{0};                   // launches, large ones more than once: the hottest kernel is compiled first
  std::unique_ptr<Trial> trial;                   // set before `tier` says so, and kept
  std::atomic<bool> from_disk{false};             // what is known of its code was found there
  std::atomic<float> ratio{0};                    // AsmJit's time over LLVM's, as far as it is known
  void keep_beside(std::shared_ptr<const Code>);  // as long as the kernel, without running it
  void run(const Code&);                          // one of those that are kept

  // What runs it and why, in a line: "LLVM's code, 1.31 times as fast as AsmJit's".
  std::string describe_code() const;

 private:
  std::atomic<const Code*> code_{nullptr};
  struct Kept {
    std::shared_ptr<const Code> code;
    Announcement announced;
  };
  std::vector<Kept> codes_;
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
// `what` it does, in words, becomes part of the name of a kernel that is new.
std::shared_ptr<CompiledKernel> get(const Kernel&, std::string_view what = {});

// Runs all blocks on the pool, cut by shape; takes no locks of the front end. Throws Error if a kernel reports one. args.self and
// args.error need not be set. The caller keeps the kernel alive.
void launch(CompiledKernel&, Args args);
// Several launches of one kernel that do not depend on each other, as one: their blocks share the threads.
void launch(CompiledKernel&, std::span<Args>);

void wait_for_compiles();              // until the background queue is empty (what it compiled may still be on trial)
void cancel_compile(CompiledKernel&);  // whoever ran it is gone: if it waits for LLVM, it does so no longer; it may grow hot again
void clear_kernel_cache();             // forgets all kernels (those in use stay alive)

struct KernelCounters {
  uint64_t launches[kBackendNames.size()];  // since the process began
  uint64_t compiles[kBackendNames.size()];
  uint64_t kernels;                     // distinct kernels alive
  uint64_t cancelled;                   // compilations that were not made after all
  uint64_t trials_llvm, trials_asmjit;  // trials that LLVM's code has won, and AsmJit's
  CacheCounters disk;                   // all 0 where there is no disk cache
};
KernelCounters counters();

}  // namespace kiln::codegen
