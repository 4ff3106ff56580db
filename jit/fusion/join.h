// Kernels that are better run as one although neither reads what the other computes.
#pragma once

#include "jit/fusion/cluster.h"

namespace kiln::jit {

// After fusion, so that what reads what another kernel computes is fused as it would be without:
//   kernels one right after the other that read the same array, of whatever size, read it once;
//   a launch takes as long as moving a kilobyte or two, so kernels over few elements (one canonical block: they run on one thread in any case) are
//   joined over one iteration space, or where one is a row's of the other. A single value beside a vector is a row's: it is computed
//   once, before or after the loop over the vector's elements.
// `group`: as of fuse().
Partition join_kernels(const tracer::Graph&, Partition, const std::vector<uint32_t>& group);

}  // namespace kiln::jit
