// Where a value lies in memory, and where along a cluster's iteration it is computed: what decides whether one operator may read another's
// result inside one kernel.
#pragma once

#include "eager/lowering.h"
#include "jit/fusion/cluster.h"

namespace kiln::jit {

// Elements of the memory of `tensor` (a value that is materialised), in row-major or blocked order.
struct Location {
  tracer::ValueId tensor;
  int64_t offset = 0;   // elements
  eager::Dims strides;  // per axis; meaningless when blocked
  codegen::Layout layout = codegen::Layout::plain;
  eager::Dims shape;
};
Location locate(const tracer::Graph&, tracer::ValueId);

// The dimensions of the memory of an array of these extents, row-major: for [N, C, H, W] as blocked16, [N, C/16, H, W, 16]. Also the loops over it,
// where an operator's own (which may be more than four) begin with N and C.
eager::Dims blocked_extents(const eager::Dims& extents, codegen::Layout);

// The index of a value of this shape at a cluster's logical position: the whole space's, or a row's result (the reduced axes are 1, or gone). A
// single value of whatever rank has one where there is a single row, or a single position.
bool has_position(const Cluster&, const eager::Dims& shape);
eager::IndexMap position(const Cluster&, const eager::Dims& shape);

int64_t bytes_of(const tracer::Type&);
// Of a node's operand, all of it, but of what a gather takes from no more than it takes.
int64_t bytes_read(const tracer::Graph&, const tracer::Node&, size_t operand);

// A gather that kernels load. Of complex numbers it is a routine, which moves both parts at once.
bool is_gather(const tracer::Graph&, const tracer::Node&);

// Does node i, were it in the cluster together with what computes v (or what v is a view of), read at each position the element that is computed
// at that position? Then it takes it from a register. Broadcasting a row's sum over the row does so, written as a view or not; x + sum(x, axis=1)
// of a square x does not: it lays the sums along the rows. Nor does a gather of what it takes elements from, nor anything of what has been
// written in place, which lies elsewhere than where the kernel is (x[::-1] = ...).
bool reads_in_place(const tracer::Graph&, const Cluster&, tracer::NodeIndex i, tracer::ValueId v);

}  // namespace kiln::jit
