#include "tracer/graph.h"

#include <numeric>

namespace kiln::tracer {

ValueId Graph::add(Node node, std::vector<Type> types) {
  node.first_output = static_cast<ValueId>(values.size());
  node.outputs = static_cast<uint32_t>(types.size());
  const auto index = static_cast<NodeIndex>(nodes.size());
  for (uint32_t i = 0; i < types.size(); ++i) values.push_back({std::move(types[i]), index, i, Layout::plain});
  nodes.push_back(std::move(node));
  return nodes.back().first_output;
}

ValueId Graph::add_input(uint32_t storage, Type type) {
  Node n{.kind = NodeKind::input};
  n.storage = storage;
  return add(std::move(n), {std::move(type)});
}

ValueId Graph::add_view(ValueId base, Window window) {
  Node n{.kind = NodeKind::view};
  n.operands = {Operand::value(base)};
  Type type{values[base].type.dtype, window.shape};
  n.window = std::move(window);
  return add(std::move(n), {std::move(type)});
}

ValueId Graph::add_update(ValueId destination, ValueId source, Window window) {
  Node n{.kind = NodeKind::update};
  n.operands = {Operand::value(destination), Operand::value(source)};
  n.window = std::move(window);
  Type type = values[destination].type;
  return add(std::move(n), {std::move(type)});
}

ValueId Graph::add_reorder(ValueId v, Layout layout) {
  Node n{.kind = NodeKind::reorder};
  n.operands = {Operand::value(v)};
  Type type = values[v].type;
  const ValueId id = add(std::move(n), {std::move(type)});
  values[id].layout = layout;
  return id;
}

std::vector<uint32_t> Graph::use_counts() const {
  std::vector<uint32_t> uses(values.size(), 0);
  for (const Node& n : nodes)
    for (const Operand& o : n.operands)
      if (o.is_value()) ++uses[o.id];
  for (const Result& r : results) ++uses[r.value];
  return uses;
}

void Graph::rewrite(const std::vector<ValueId>& forward) {
  const auto final_of = [&](ValueId v) {
    while (v < forward.size() && forward[v] != v) v = forward[v];
    return v;
  };
  for (Node& n : nodes)
    for (Operand& o : n.operands)
      if (o.is_value()) o.id = final_of(o.id);
  for (Result& r : results) r.value = final_of(r.value);

  // A rewrite may have put a producer behind its user (appended nodes), so order by depth-first search from the results.
  std::vector<uint8_t> state(nodes.size(), 0);  // 0 unseen, 1 on the stack, 2 done
  std::vector<NodeIndex> order;
  std::vector<std::pair<NodeIndex, size_t>> stack;
  const auto visit = [&](NodeIndex root) {
    if (state[root]) return;
    stack.push_back({root, 0});
    state[root] = 1;
    while (!stack.empty()) {
      auto& [index, next] = stack.back();
      const Node& n = nodes[index];
      while (next < n.operands.size() && (!n.operands[next].is_value() || state[values[n.operands[next].id].node] == 2)) ++next;
      if (next == n.operands.size()) {
        state[index] = 2;
        order.push_back(index);
        stack.pop_back();
        continue;
      }
      const NodeIndex child = values[n.operands[next].id].node;
      check(state[child] == 0, "a cycle in the graph");
      state[child] = 1;
      stack.push_back({child, 0});
    }
  };
  // Roots in their old order keep the order of nodes close to the order of calls, which is what a reader expects.
  std::vector<bool> live(nodes.size(), false);
  std::vector<NodeIndex> work;
  for (const Result& r : results) work.push_back(values[r.value].node);
  while (!work.empty()) {
    const NodeIndex i = work.back();
    work.pop_back();
    if (live[i]) continue;
    live[i] = true;
    for (const Operand& o : nodes[i].operands)
      if (o.is_value()) work.push_back(values[o.id].node);
  }
  for (NodeIndex i = 0; i < nodes.size(); ++i)
    if (live[i]) visit(i);

  std::vector<ValueId> renamed(values.size(), kNoValue);
  std::vector<Node> kept_nodes;
  std::vector<Value> kept_values;
  kept_nodes.reserve(order.size());
  for (NodeIndex i : order) {
    Node n = std::move(nodes[i]);
    for (Operand& o : n.operands)
      if (o.is_value()) o.id = renamed[o.id];
    const ValueId first = n.first_output;
    n.first_output = static_cast<ValueId>(kept_values.size());
    for (uint32_t k = 0; k < n.outputs; ++k) {
      renamed[first + k] = static_cast<ValueId>(kept_values.size());
      Value v = std::move(values[first + k]);
      v.node = static_cast<NodeIndex>(kept_nodes.size());
      kept_values.push_back(std::move(v));
    }
    kept_nodes.push_back(std::move(n));
  }
  for (Result& r : results) r.value = renamed[r.value];
  nodes = std::move(kept_nodes);
  values = std::move(kept_values);
}

std::vector<int64_t> row_major_strides(const std::vector<Dim>& shape) {
  std::vector<int64_t> strides(shape.size());
  int64_t step = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = step;
    step *= shape[i].constant();
  }
  return strides;
}

bool has_canonical_nans(const Graph& g, ValueId v) {
  const Node& n = g.producer(v);
  return !is_inexact(g.type(v).dtype) || (n.kind == NodeKind::operation && !n.op->contraction && !n.op->routine);
}

bool is_identity(const Window& w, const Type& of) {
  if (w.offset != Dim(0) || w.shape != of.shape) return false;
  int64_t step = 1;
  for (size_t i = w.shape.size(); i-- > 0;) {
    if (w.shape[i] != Dim(1) && w.strides[i] != step) return false;
    step *= w.shape[i].constant();
  }
  return true;
}

eager::Dims constant_shape(const Type& t) {
  eager::Dims d;
  for (Dim x : t.shape) d.push_back(x.constant());
  return d;
}

eager::OperandType operand_type(const Graph& g, const Operand& o) {
  using Kind = eager::OperandType::Kind;
  switch (o.kind) {
    case Operand::Kind::absent: return {};
    case Operand::Kind::scalar: return {Kind::scalar, {}, o.scalar_kind};
    case Operand::Kind::value: return {Kind::tensor, {g.type(o.id).dtype, constant_shape(g.type(o.id))}, {}};
  }
  return {};
}

}  // namespace kiln::tracer
