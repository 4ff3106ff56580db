// Kernels that are not worth a launch of their own run in another's.
#pragma once

#include "jit/fusion/cluster.h"

namespace kiln::jit {

// A launch takes as long as moving a kilobyte or two, so kernels over few elements (one canonical block: they run on one thread in any case) are
// joined even where neither reads what the other computes: over one iteration space, or where one is a row's of the other. A single value beside
// a vector is a row's: it is computed once, before or after the loop over the vector's elements. What is joined has been fused by itself
// before, so that fusion over large arrays is as it would be without. `group`: as of fuse().
Partition join_small(const tracer::Graph&, Partition, const std::vector<uint32_t>& group);

}  // namespace kiln::jit
