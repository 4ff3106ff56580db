#include <numeric>

#include "eager/lowering.h"
#include "jit/passes/pass.h"

namespace kiln::jit {
namespace {

using tracer::Dim;
using tracer::Graph;
using tracer::Node;
using tracer::NodeKind;
using tracer::Operand;
using tracer::Type;
using tracer::ValueId;
using tracer::Window;

// The same elements under another shape.
ValueId reshaped(Graph& g, ValueId v, const std::vector<Dim>& shape) {
  if (g.type(v).shape == shape) return v;
  return g.add_view(v, {0, shape, tracer::row_major_strides(shape)});
}

bool row_major(const Window& w) {
  const std::vector<int64_t> plain = tracer::row_major_strides(w.shape);
  for (size_t d = 0; d < w.shape.size(); ++d)
    if (w.shape[d] != Dim(1) && w.strides[d] != plain[d]) return false;
  return true;
}

// Contractions read their operands row-major, whole and in the plan's dtype: anything else is copied first, as eager mode does.
void copy_awkward_operands(Graph& g, size_t node) {
  std::vector<eager::OperandType> types;
  for (const Operand& o : g.nodes[node].operands) types.push_back(operand_type(g, o));
  const DType dtype = g.nodes[node].op->contraction(types, g.nodes[node].attrs).dtype;
  for (size_t i = 0; i < g.nodes[node].operands.size(); ++i) {
    const Operand o = g.nodes[node].operands[i];
    if (!o.is_value()) continue;
    const bool awkward = g.producer(o.id).kind == NodeKind::view && !row_major(g.producer(o.id).window);
    if (!awkward && g.type(o.id).dtype == dtype) continue;
    Node copy;
    copy.op = eager::find_operator("copy_to");
    copy.origin = g.nodes[node].origin;
    const Type type{dtype, g.type(o.id).shape};
    copy.operands = {o};
    copy.attrs = {eager::Attr(type.dtype), eager::Attr(constant_shape(type))};
    g.nodes[node].operands[i] = Operand::value(g.add(std::move(copy), {type}));
  }
}

// Contractions of halves are computed in f32, and their results rounded, as eager mode does.
void round_results(Graph& g, size_t node, std::vector<ValueId>& forward) {
  const Node n = g.nodes[node];
  if (!is_half(g.type(n.first_output).dtype)) return;
  std::vector<Type> wide;
  for (uint32_t k = 0; k < n.outputs; ++k)
    wide.push_back({compute_dtype(g.type(n.first_output + k).dtype), g.type(n.first_output + k).shape});
  const ValueId computed = g.add(Node(n), wide);
  for (uint32_t k = 0; k < n.outputs; ++k) {
    const Type type = g.type(n.first_output + k);
    Node rounding;
    rounding.op = eager::find_operator("copy_to");
    rounding.origin = n.origin;
    rounding.operands = {Operand::value(computed + k)};
    rounding.attrs = {eager::Attr(type.dtype), eager::Attr(constant_shape(type))};
    forward[n.first_output + k] = g.add(std::move(rounding), {type});
  }
}

// A reduction over scattered axes becomes one per adjacent range, last first (the canonical order: eager/lowering.h).
ValueId split_reduction(Graph& g, const Node& n) {
  const bool keepdims = std::get<bool>(n.attrs[1]);
  const auto steps = eager::reduction_steps(constant_shape(g.type(n.operands[0].id)), n.attrs[0], keepdims);
  if (steps.size() <= 1) return n.first_output;
  const Type result = g.type(n.first_output);
  ValueId v = n.operands[0].id;
  for (const eager::ReductionShape& step : steps) {
    Node part;
    part.op = n.op;
    part.origin = n.origin;
    part.operands = {Operand::value(v)};
    part.attrs = n.attrs;
    eager::Dims axes;
    const bool last = &step == &steps.back();
    Type type{last ? result.dtype : compute_dtype(result.dtype), g.type(v).shape};
    for (int a = step.first; a < step.first + step.count; ++a) {
      axes.push_back(a);
      type.shape[static_cast<size_t>(a)] = 1;
    }
    part.attrs[0] = eager::Attr(axes);
    part.attrs[1] = eager::Attr(true);
    v = g.add(std::move(part), {std::move(type)});
  }
  return reshaped(g, v, result.shape);
}

// A view of what split_reduction() only gave another shape is a view of the same elements in memory.
void look_through_shapes(Graph& g) {
  for (Node& n : g.nodes) {
    if (n.kind != NodeKind::view) continue;
    const Node& base = g.producer(n.operands[0].id);
    if (base.kind == NodeKind::view) n.operands[0] = base.operands[0];
  }
}

}  // namespace

void decompose(Graph& g) {
  std::vector<ValueId> forward(g.values.size());
  std::iota(forward.begin(), forward.end(), 0);
  const size_t nodes = g.nodes.size();
  for (size_t i = 0; i < nodes; ++i) {
    if (g.nodes[i].kind != NodeKind::operation) continue;
    if (g.nodes[i].op->contraction) {
      copy_awkward_operands(g, i);
      round_results(g, i, forward);
    }
    if (g.nodes[i].op->reduction) {
      const Node n = g.nodes[i];
      forward[n.first_output] = split_reduction(g, n);
    }
  }
  g.rewrite(forward);
  look_through_shapes(g);
}

}  // namespace kiln::jit
