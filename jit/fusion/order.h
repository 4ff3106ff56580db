// The order of steps: any order that respects what is read and written gives the same bits, but not the same memory.
#pragma once

#include <cstdint>
#include <vector>

#include "jit/fusion/cluster.h"

namespace kiln::jit {

// What the order of a program's steps is chosen by: who waits for whom, and the memory that each asks for and reads. It says of memory what
// memory_plan.h will do with it.
struct StepGraph {
  struct Array {
    int64_t bytes = 0;
    enum class Life : uint8_t {
      read,    // a temporary, until its last reader has run
      kept,    // a temporary to the end, where it is copied to where it is wanted
      result,  // has memory of its own, or takes over that of an input which is lent and as large
      lent,    // an input that nobody sees afterwards: once it has been read, others may have its memory, one at a time
    } life = Life::read;
    bool operator==(const Array&) const = default;
  };
  struct Overwrite {
    uint32_t made, read;
    bool operator==(const Overwrite&) const = default;
  };
  struct Step {
    std::vector<uint32_t> after;           // steps that must come before, in ascending order
    std::vector<uint32_t> makes, reads;    // arrays
    std::vector<Overwrite> may_overwrite;  // arrays of one size: `made` may lie where `read` does, if no later step reads that
  };
  std::vector<Step> steps;    // in the order of calls, which is one that works
  std::vector<Array> arrays;  // those that are lent come first
};
StepGraph step_graph(const tracer::Graph&, const Partition&);

// Bytes of temporaries that are live at each step of this order; one made or read in a step is live in it.
std::vector<int64_t> live_bytes(const StepGraph&, const std::vector<uint32_t>& order);
int64_t peak_bytes(const StepGraph&, const std::vector<uint32_t>& order);  // the most of them

// No order needs less: what one step makes and reads is live at once, but for what it overwrites and for what may lie in inputs.
int64_t floor_bytes(const StepGraph&);

// The order of calls, unless its peak is too high for the cache (Tunable::cached_bytes) and a search finds one with a lower peak. The search is exhaustive for small programs; `visits` is its
// budget, of which it takes what it uses: about a microsecond each.
std::vector<uint32_t> order_for_memory(const StepGraph&, int& visits);
inline constexpr int kOrderVisits = 2000;

// Puts the clusters into that order.
void put_in_order(Partition&, const std::vector<uint32_t>& order);

}  // namespace kiln::jit
