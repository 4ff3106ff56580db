// Which nodes run as one kernel. A cluster is a set of nodes that share an iteration space:
//   pointwise operators of one shape and layout, with any number of outputs;
//   a reduction range over that shape: reductions over it, what feeds them, and what uses their results, in passes over the row
//   (or a row alone, without reductions: a vector and single values beside it);
//   one affine operator (pooling), whose operands' pointwise producers are computed where it reads and whose pointwise users are
//   computed where it writes.
// Contractions, reorders and updates are steps of their own (an update takes in what computes its source).
#pragma once

#include <string>
#include <vector>

#include "tracer/graph.h"

namespace kiln::jit {

enum class StepKind : uint8_t { kernel, contraction, reorder, update, opaque };

struct Cluster {
  StepKind kind = StepKind::kernel;
  std::vector<tracer::NodeIndex> nodes;  // in topological order
  eager::Dims space;                     // logical iteration shape (kernel, update)
  tracer::Layout layout = tracer::Layout::plain;
  int first_reduced = 0, reduced_count = 0;
  tracer::NodeIndex affine = ~0u;  // the affine operator, if any
  bool has_affine() const { return affine != ~0u; }
};

// Why a value is read from memory instead of being computed in its reader's kernel; fusion/reason.cpp has the words.
enum class Apart : uint8_t { own_step, view, too_large, layout, update, window, shape, columns, long_row, split, cycle, memory };

struct Border {
  tracer::NodeIndex reader;
  tracer::ValueId value;
  Apart why;
};

// Clusters in an order in which they can run. `cluster_of[node]`; inputs and views belong to none (~0u).
struct Partition {
  std::vector<Cluster> clusters;
  std::vector<uint32_t> cluster_of;
  std::vector<Border> borders;  // some may have gone since, where both sides joined by another way
};
// Is there nothing to multiply? Then there is no plan, and the node runs as eager mode runs it.
bool is_empty_contraction(const tracer::Graph&, const tracer::Node&);

// Kernels of more operators spill more than fusing saves.
inline constexpr size_t kMaxNodes = 96;

// As few kernels as can be; nodes of different groups are in different ones (`group[node]`; of one group all without).
Partition fuse(const tracer::Graph&, const std::vector<uint32_t>& group = {});

// The value in whose memory v lives: v itself, or what a chain of views looks at.
tracer::ValueId base_of(const tracer::Graph&, tracer::ValueId);

std::string describe(const tracer::Graph&, const Cluster&);  // "relu + max_pool2d"
// Why a cluster is one step, and why what it reads is not computed in it. `stored[v]`: is value v in memory.
std::string reason(const tracer::Graph&, const Partition&, const std::vector<bool>& stored, uint32_t cluster);

}  // namespace kiln::jit
