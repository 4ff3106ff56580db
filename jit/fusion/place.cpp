#include "jit/fusion/place.h"

namespace kiln::jit {

using eager::Dims;
using eager::IndexMap;
using tracer::Graph;
using tracer::Layout;
using tracer::Node;
using tracer::NodeIndex;
using tracer::NodeKind;
using tracer::ValueId;

namespace {

bool is_reduced(const Cluster& c, int axis) { return axis >= c.first_reduced && axis < c.first_reduced + c.reduced_count; }

// Along which nothing but a row is left.
bool is_single(const Cluster& c) {
  for (int d = 0; d < c.space.size(); ++d)
    if (!is_reduced(c, d) && c.space[d] != 1) return false;
  return true;
}

}  // namespace

Location locate(const Graph& g, ValueId v) {
  const Node& n = g.producer(v);
  const Dims shape = constant_shape(g.type(v));
  if (n.kind == NodeKind::view) {
    const ValueId base = n.operands[0].id;
    check(g.producer(base).kind != NodeKind::view, "a view of a view");
    return {base, n.window.offset.constant(), Dims(n.window.strides.begin(), n.window.strides.end()), Layout::plain, shape};
  }
  return {v, 0, eager::contiguous_strides(shape), g.values[v].layout, shape};
}

Dims blocked_extents(const Dims& extents, Layout layout) {
  Dims d = extents;
  d[codegen::split_axis(layout)] /= codegen::kLayoutBlock;
  d.push_back(codegen::kLayoutBlock);
  return d;
}

bool has_position(const Cluster& c, const Dims& shape) {
  if (shape == c.space) return true;
  for (bool keep : {true, false})
    if (c.reduced_count > 0 && shape == eager::reduced_shape(c.space, {c.first_reduced, c.reduced_count, keep})) return true;
  return eager::product(shape) == 1 && is_single(c);
}

IndexMap position(const Cluster& c, const Dims& shape) {
  const int rank = c.space.size();
  if (shape == c.space) return IndexMap::identity(rank);
  IndexMap m;
  m.rank = shape.size();
  m.iteration = rank;
  if (eager::product(shape) == 1) return m;
  const bool kept = shape.size() == rank;
  for (int d = 0, at = 0; d < rank; ++d) {
    if (is_reduced(c, d) && !kept) continue;
    if (!is_reduced(c, d)) m.coefficient[at][d] = 1;
    ++at;
  }
  return m;
}

int64_t bytes_of(const tracer::Type& t) {
  int64_t n = size_of(t.dtype);
  for (tracer::Dim d : t.shape) n *= d.constant();
  return n;
}

bool is_gather(const Graph& g, const Node& n) {
  return n.kind == NodeKind::operation && n.op->gather != eager::Gather::none && !is_complex(g.type(n.first_output).dtype);
}

int64_t bytes_read(const Graph& g, const Node& n, size_t operand) {
  const int64_t all = bytes_of(g.type(n.operands[operand].id));
  return operand == 0 && is_gather(g, n) ? std::min(all, bytes_of(g.type(n.first_output))) : all;
}

bool reads_in_place(const Graph& g, const Cluster& c, NodeIndex i, ValueId v) {
  const Node& n = g.nodes[i];
  const ValueId base = base_of(g, v);
  const bool plainly = base == v;  // without a view, what has no position here differs in shape, which is told elsewhere
  if (g.producer(base).kind == NodeKind::update) return false;
  const bool gathers = is_gather(g, n);
  if (gathers && base_of(g, n.operands[0].id) == base) return false;
  const bool reduces = n.kind == NodeKind::operation && n.op->reduction;
  if (c.has_affine() || !(reduces || (n.kind == NodeKind::operation && (n.op->body || gathers)))) return plainly;
  if (!plainly && g.values[base].layout != Layout::plain) return false;
  const Dims at_index = constant_shape(g.type(reduces ? n.operands[0].id : n.first_output));
  const Dims computed = constant_shape(g.type(base));
  if (!has_position(c, at_index) || !has_position(c, computed)) return plainly;

  const Location read = locate(g, v);
  const IndexMap here = position(c, at_index);
  const IndexMap at = gathers ? gather_map(*n.op, n.attrs, constant_shape(g.type(n.operands[0].id)), read.shape, here).indices
                              : here.broadcast_from(read.shape, at_index);
  const Dims reads = at.iteration_strides(read.strides);
  const Dims computes = position(c, computed).iteration_strides(eager::contiguous_strides(computed));
  if (read.offset != 0) return false;
  for (int d = 0; d < c.space.size(); ++d)
    if (c.space[d] != 1 && reads[d] != computes[d]) return false;
  return true;
}

}  // namespace kiln::jit
