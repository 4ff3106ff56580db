// Graph passes: one per file, in one list. Each leaves a graph that verifies, computing the same bits.
#pragma once

#include <span>
#include <string_view>

#include "tracer/graph.h"

namespace kiln::jit {

struct Pass {
  std::string_view name;
  std::string_view doc;
  void (*run)(tracer::Graph&);
};

// In the order they run.
std::span<const Pass> passes();

// Runs them all; KILN_DUMP=passes prints the graph after each ("unchanged" where it is).
void run_passes(tracer::Graph&);

void decompose(tracer::Graph&);  // reductions over scattered axes into adjacent ones; contraction operands made contiguous
void simplify(tracer::Graph&);   // bit-exact identities
void cse(tracer::Graph&);        // equal nodes computed once
void dce(tracer::Graph&);        // nodes no result needs
void layout(tracer::Graph&);     // blocked layouts between contractions

}  // namespace kiln::jit
