// Running a kernel's blocks: here when there is little to do, else on the pool.
#include <algorithm>
#include <chrono>

#include "codegen/compiler.h"
#include "codegen/error.h"
#include "codegen/mxcsr.h"
#include "codegen/thread_pool.h"
#include "codegen/tier_up.h"
#include "codegen/trial.h"
#include "codegen/tunables.h"

namespace kiln::codegen {
namespace {

[[noreturn]] void report(uint32_t error) {
  if (error == kKernelOutOfMemory) fail(ErrorCode::memory, "a kernel ran out of memory");
  fail(ErrorCode::internal, "a kernel reported error " + std::to_string(error));
}

}  // namespace

void launch(CompiledKernel& kernel, Args args) { launch(kernel, {&args, 1}); }

namespace {

void run(CompiledKernel& kernel, const Code& code, std::span<Args> launches, int64_t blocks, double work) {
  for (Args& args : launches) {
    args.self = code.self;
    args.error = nullptr;  // ranges on several threads return their codes instead
  }
  kernel.launches_by_backend[static_cast<size_t>(code.backend)].fetch_add(1, std::memory_order_relaxed);
  std::atomic<uint32_t> error{0};
  // Blocks [begin, end) of all launches, counted through.
  auto run = [&](int64_t begin, int64_t end) {
    for (const Args& args : launches) {
      const int64_t own_blocks = launches.size() == 1 ? blocks : block_count(kernel.kernel, args.extents);
      const int64_t first = std::max<int64_t>(begin, 0), last = std::min(end, own_blocks);
      if (first < last)
        if (const uint32_t reported = code.function(&args, first, last)) error = reported;
      begin -= own_blocks;
      end -= own_blocks;
      if (end <= 0) break;
    }
  };
  const auto parallel_work = static_cast<double>(value(Tunable::parallel_work));
  if (blocks == 1 || work < parallel_work) {
    const DefaultMxcsr mxcsr;
    run(0, blocks);
  } else {
    // A range of blocks is about half of what is worth a thread's while, for balance.
    const auto grain = static_cast<int64_t>(parallel_work / 2 * static_cast<double>(blocks) / work);
    parallel_for(blocks, std::max<int64_t>(grain, 1), run);
  }
  if (error != 0) report(error);
}

// Its two codes take turns, and the launch is timed.
void run_on_trial(CompiledKernel& kernel, std::span<Args> launches, int64_t blocks, double work) {
  Trial& trial = *kernel.trial;
  const Code* code = trial.begin(work);
  if (code == nullptr) return run(kernel, kernel.code(), launches, blocks, work);
  const auto start = std::chrono::steady_clock::now();
  try {
    run(kernel, *code, launches, blocks, work);
  } catch (...) {
    trial.drop();
    throw;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  if (trial.end(took.count())) settle(kernel);
}

}  // namespace

void launch(CompiledKernel& kernel, std::span<Args> launches) {
  int64_t blocks = 0;
  double work = 0;
  for (const Args& args : launches) {
    const int64_t own_blocks = block_count(kernel.kernel, args.extents);
    if (own_blocks == 0) continue;
    blocks += own_blocks;
    work += kernel.work(args.extents);
  }
  if (blocks == 0) return;
  switch (kernel.tier.load(std::memory_order_acquire)) {
    case Tier::heating:
    case Tier::queued: grow_hot(kernel, work); break;
    case Tier::trial: return run_on_trial(kernel, launches, blocks, work);
    case Tier::settled: break;
  }
  run(kernel, kernel.code(), launches, blocks, work);
}

}  // namespace kiln::codegen
