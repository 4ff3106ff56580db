// How a kernel's iteration space is spread over threads: what the printed text and its launches must agree on.
//
//   none         a thread takes `vector` neighbouring elements of the last dimension
//   lanes, tree  a TEAM takes one index of the other dimensions: a warp where one `warp_block` covers the reduced dimension, else a block of
//                kTeamWarps warps, of which each takes a warp block in turn
//   rows         a thread takes a column; beyond one block of rows, kRowGroups threads share it, of which each takes a row block in turn
#pragma once

#include <vector>

#include "codegen/kernel.h"

namespace kiln::codegen::cuda {

inline constexpr int kThreads = 256;  // of a block, at most
inline constexpr int kWarp = kLanes;
inline constexpr int kTeamWarps = kThreads / kWarp;
inline constexpr int kRowGroups = 8;
inline constexpr int kVectorBytes = 16;
inline constexpr int64_t kTreeBlock = 1024;  // elements of a `tree` reduction that a warp combines by itself
inline constexpr int kSharedBytes = 48 << 10;
inline constexpr int kPartialBytes = 64;  // lanes, tree: of kTeamWarps results, before the kept rows
inline constexpr int kTreeLevels = 56;    // of the results of at least 64 elements each: more than can be looped over

static_assert(kPartialBytes == kTeamWarps * 8 && kThreads * 8 <= kSharedBytes);

constexpr int64_t warp_block(Reduction r) { return r == Reduction::tree ? kTreeBlock : kLaneBlock; }

// The elements of the last dimension that one thread of a pointwise kernel takes: what fills 16 bytes of the widest contiguous buffer.
int vector_width(const Kernel&, const Schedule&);

// A value that a pass computes and later ones read again, kept in shared memory where a row of it fits (lanes and tree, where the same
// thread comes back to each element, so that nothing has to be synchronised).
struct Kept {
  NodeId node;
  int first, last;  // the pass that computes it, and the last one that reads it
  int offset = 0;   // bytes, times the reduced extent
};
struct Keep {
  std::vector<Kept> values;
  int bytes = 0;  // of one element in all slots
  const Kept* find(NodeId) const;
  // What the loop of a pass evaluates when earlier values are read from where they were kept: in node order, those included.
  std::vector<NodeId> loop(const Kernel&, const Schedule&, int pass) const;
};
Keep values_to_keep(const Kernel&, const Schedule&);

}  // namespace kiln::codegen::cuda
