// The order of steps: any order that respects what is read and written gives the same bits, but not the same memory.
#pragma once

#include <cstdint>
#include <vector>

#include "jit/fusion/cluster.h"

namespace kiln::jit {

// What the order of a program's steps is chosen by: who waits for whom, and the temporaries that each makes and reads.
struct StepGraph {
  struct Step {
    std::vector<uint32_t> after;         // steps that must come before, in ascending order
    std::vector<uint32_t> makes, reads;  // temporaries
  };
  std::vector<Step> steps;     // in the order of calls, which is one that works
  std::vector<int64_t> bytes;  // by temporary
};
StepGraph step_graph(const tracer::Graph&, const Partition&);

// The most bytes of temporaries that are live at one step of this order; one made or read in a step is live in it.
int64_t peak_bytes(const StepGraph&, const std::vector<uint32_t>& order);

// The order of calls, unless a search finds one that needs less memory at its peak. The search is exhaustive for small programs, and has a
// budget in all.
std::vector<uint32_t> order_for_memory(const StepGraph&);

// Puts the clusters into that order.
void order_for_memory(const tracer::Graph&, Partition&);

}  // namespace kiln::jit
