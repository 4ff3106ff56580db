// Every fused schedule of a small graph, by brute force: all ways to draw kernels around its operators, all orders of those. Shares the
// legality of one read (fusion/place.h) and the drafting of a kernel with the compiler, and none of its choices.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tracer/graph.h"

namespace kiln::jit::test {

struct FusedSchedules {
  int kernels = 0;         // sets of operators that can run as one kernel
  int64_t partitions = 0;  // of the graph into kernels that can be put in some order
  int64_t least = 0;       // bytes of temporaries live at once in the best order of the best partition
  int64_t worst = 0;       // in the best order of the worst partition
  std::string best;        // the best partition, for messages: nodes by kernel, in order
};

// Graphs of at most 16 nodes that compute (operations; no updates), plain layouts, results that are operations' outputs in new storages.
FusedSchedules fused_schedules(const tracer::Graph&);

}  // namespace kiln::jit::test
