// How a kernel is launched: the parameter structure that printer.cpp declares, filled in, and the grid.
#include <algorithm>
#include <cstring>

#include "codegen/cuda/shape.h"
#include "codegen/cuda/source.h"
#include "codegen/error.h"
#include "codegen/legalise.h"

namespace kiln::codegen::cuda {
namespace {

constexpr int64_t kMostBlocks = (int64_t{1} << 31) - 1;

int64_t ceil_divide(int64_t a, int64_t b) { return (a + b - 1) / b; }
uint32_t grid(int64_t blocks) { return static_cast<uint32_t>(std::min(blocks, kMostBlocks)); }

struct Team {
  int64_t kept = 0, threads = 1;
};

class Parameters {
 public:
  explicit Parameters(std::vector<std::byte>& bytes) : bytes_(bytes) {}
  template <class T>
  void add(const T* values, size_t n) {
    static_assert(sizeof(T) == 8);
    const auto* from = reinterpret_cast<const std::byte*>(values);
    bytes_.insert(bytes_.end(), from, from + n * sizeof(T));
  }

 private:
  std::vector<std::byte>& bytes_;
};

Team pointwise(const Kernel& kernel, const Args& args, int64_t outer, Call& call) {
  const int64_t vectors = ceil_divide(args.extents[kernel.rank - 1], vector_width(kernel, schedule(kernel)));
  call.block_x = kThreads;
  call.grid = grid(ceil_divide(outer * vectors, kThreads));
  return {};
}

Team lanes(const Kernel& kernel, const Args& args, int64_t outer, Call& call) {
  const int64_t extent = args.extents[kernel.rank - 1];
  const int64_t row = (values_to_keep(kernel, schedule(kernel)).bytes * extent + 15) / 16 * 16;
  const int64_t kept = row <= kSharedBytes - kPartialBytes ? row : 0;
  const bool one_warp = extent <= warp_block(kernel.reduction);
  int64_t teams = one_warp ? kTeamWarps : 1;
  if (kept > 0) teams = std::min(teams, (kSharedBytes - kPartialBytes) / kept);
  const int64_t threads = one_warp ? kWarp : kThreads;
  call.block_x = static_cast<uint32_t>(teams * threads);
  call.grid = grid(ceil_divide(outer, teams));
  call.shared_bytes = static_cast<uint32_t>(kPartialBytes + teams * kept);
  return {kept, threads};
}

Team rows(const Kernel& kernel, const Args& args, int64_t outer, Call& call) {
  const bool one_block = args.extents[kernel.rank - 2] <= kRowBlock;
  call.block_y = one_block ? 1 : kRowGroups;
  call.block_x = kThreads / call.block_y;
  call.grid = grid(outer * ceil_divide(args.extents[kernel.rank - 1], call.block_x));
  call.shared_bytes = one_block ? 0 : kThreads * 8;
  return {0, call.block_y};
}

}  // namespace

Call call(const Kernel& given, const Args& args) {
  const Kernel kernel = legalise_halves(given);  // what source() has printed
  Call call;
  int64_t outer = 1;
  for (int d = 0; d + 1 < kernel.rank; ++d)
    if (d != kernel.reduced_dim()) outer *= args.extents[d];
  Team team;
  switch (kernel.reduction) {
    case Reduction::none: team = pointwise(kernel, args, outer, call); break;
    case Reduction::lanes:
    case Reduction::tree: team = lanes(kernel, args, outer, call); break;
    case Reduction::rows: team = rows(kernel, args, outer, call); break;
  }
  Parameters parameters(call.parameters);
  const size_t buffers = kernel.buffers.size();
  parameters.add(args.pointers, buffers);
  parameters.add(args.strides, buffers * kernel.rank);
  parameters.add(args.extents, kernel.rank);
  parameters.add(args.scalars, kernel.scalars);
  const int64_t rest[] = {args.clip_total, team.kept, team.threads};
  parameters.add(rest, 3);
  return call;
}

}  // namespace kiln::codegen::cuda
