#include "codegen/repeated_launch.h"

#include "codegen/tunables.h"

namespace kiln::codegen {

RepeatedLaunch::RepeatedLaunch(CompiledKernel& kernel, const Args& a) : args(a), kernel_(kernel) {
  args.error = nullptr;
  const int64_t blocks = block_count(kernel.kernel, args.extents);
  if (blocks == 1 || kernel.work(args.extents) < static_cast<double>(value(Tunable::parallel_work))) blocks_ = blocks;
}

RepeatedLaunch::~RepeatedLaunch() {
  for (size_t b = 0; b < launches_.size(); ++b)
    if (launches_[b] != 0) kernel_.launches_by_backend[b].fetch_add(launches_[b], std::memory_order_relaxed);
}

void RepeatedLaunch::run() {
  if (blocks_ == 0 || kernel_.tier.load(std::memory_order_acquire) != Tier::settled) return launch(kernel_, args);
  const Code& code = kernel_.code();
  args.self = code.self;
  ++launches_[static_cast<size_t>(code.backend)];
  if (code.function(&args, 0, blocks_) != 0) launch(kernel_, args);  // which fails in the same way, and says so
}

}  // namespace kiln::codegen
