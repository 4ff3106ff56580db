// Fusion's decisions in words, for reports.
#include <algorithm>

#include "jit/fusion/cluster.h"

namespace kiln::jit {
namespace {

using tracer::Graph;
using tracer::NodeIndex;
using tracer::NodeKind;
using tracer::ValueId;

const char* text(Apart why) {
  switch (why) {
    case Apart::own_step: return "it is a step of its own";
    case Apart::view: return "it is read through a view, which looks at memory";
    case Apart::too_large: return "one kernel of both would be too large for the registers";
    case Apart::layout: return "its layout is another one";
    case Apart::update: return "it was written in place";
    case Apart::window: return "windows overlap, so it would be computed more than once";
    case Apart::shape: return "its iteration space is another one";
    case Apart::columns: return "it reduces an axis that is not the last, so there is no row to keep in the cache";
    case Apart::long_row: return "its rows are too long to stay in the cache";
    case Apart::split: return "the reduction is cut over threads, into two kernels";
    case Apart::cycle: return "something between the two needs one and is needed by the other";
    case Apart::memory: return "apart, the program needs less memory at its peak";
  }
  return "";
}

// Does the cluster go over its space again, with what it has reduced?
bool makes_two_passes(const Graph& g, const Cluster& c) {
  std::vector<bool> after(g.values.size(), false);  // values that depend on something reduced here
  for (NodeIndex i : c.nodes) {
    const tracer::Node& n = g.nodes[i];
    const bool reduces = n.kind == NodeKind::operation && n.op->reduction.has_value();
    const bool depends = std::ranges::any_of(n.operands, [&](const tracer::Operand& o) { return o.is_value() && after[o.id]; });
    if (depends && tracer::constant_shape(g.type(reduces ? n.operands[0].id : n.first_output)) == c.space) return true;
    for (uint32_t k = 0; k < n.outputs; ++k) after[n.first_output + k] = reduces || depends;
  }
  return false;
}

bool reduces(const Graph& g, const Cluster& c) {
  return std::ranges::any_of(c.nodes,
                             [&](NodeIndex i) { return g.nodes[i].kind == tracer::NodeKind::operation && g.nodes[i].op->reduction; });
}

std::string together(const Graph& g, const Cluster& c, const std::vector<bool>& stored) {
  const std::string over = " over " + eager::to_string(c.space);
  if (c.nodes.size() == 1) return "one operator" + over;
  size_t kept = 0;
  for (NodeIndex i : c.nodes)
    for (uint32_t k = 0; k < g.nodes[i].outputs; ++k) kept += !stored[g.nodes[i].first_output + k];
  std::string s = std::to_string(c.nodes.size()) + " operators in one kernel" + over;
  if (c.has_affine()) s += ", computed where a window reads or writes them";
  if (c.reduced_count > 0 && !reduces(g, c)) {
    s += ", its single values once, before the loop";
  } else if (c.reduced_count > 0 && makes_two_passes(g, c)) {
    s += ", a row at a time, which stays in the cache from one pass to the next";
  } else if (c.reduced_count > 0) {
    s += ", reduced as it is computed";
  }
  if (kept > 0) s += "; " + std::to_string(kept) + (kept == 1 ? " value is" : " values are") + " never in memory";
  return s;
}

}  // namespace

std::string reason(const Graph& g, const Partition& p, const std::vector<bool>& stored, uint32_t cluster) {
  std::string s;
  switch (p.clusters[cluster].kind) {
    case StepKind::contraction: return "a contraction: runs by its plan, as in eager mode";
    case StepKind::reorder: return "a library call wants this layout";
    case StepKind::update: return "a write in place";
    case StepKind::opaque:
      if (const tracer::Node& n = g.nodes[p.clusters[cluster].nodes[0]]; n.op->routine) return "a library routine: runs as in eager mode";
      return "no kernel can be drawn over it: runs as in eager mode";
    case StepKind::kernel: s = together(g, p.clusters[cluster], stored);
  }
  std::vector<ValueId> told;
  for (const Border& b : p.borders) {
    const tracer::Node& producer = g.producer(base_of(g, b.value));
    if (p.cluster_of[b.reader] != cluster || producer.kind == NodeKind::input || std::ranges::find(told, b.value) != told.end()) continue;
    if (p.cluster_of[g.values[base_of(g, b.value)].node] == cluster) continue;  // joined by another way
    told.push_back(b.value);
    s += "; reads %" + std::to_string(b.value) + " from memory: " + text(b.why);
  }
  return s;
}

}  // namespace kiln::jit
