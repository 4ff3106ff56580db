// The graph's invariants, checked after every pass.
#include "tracer/graph.h"

namespace kiln::tracer {
namespace {

[[noreturn]] void broken(const Graph& g, size_t node, const std::string& what) {
  fail(ErrorCode::internal, "internal error: graph node " + std::to_string(node) + ": " + what + "\n" + print(g));
}

// Every element the window names lies in [0, elements).
bool window_fits(const Window& w, int64_t elements) {
  int64_t low = w.offset.constant(), high = low;
  for (size_t d = 0; d < w.shape.size(); ++d) {
    const int64_t n = w.shape[d].constant();
    if (n == 0) return true;
    (w.strides[d] < 0 ? low : high) += (n - 1) * w.strides[d];
  }
  return low >= 0 && high < elements;
}

int64_t elements(const Type& t) {
  int64_t n = 1;
  for (Dim d : t.shape) n *= d.constant();
  return n;
}

}  // namespace

void verify(const Graph& g) {
  std::vector<bool> defined(g.values.size(), false);
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const Node& n = g.nodes[i];
    for (const Operand& o : n.operands) {
      if (o.is_value() && (o.id >= g.values.size() || !defined[o.id])) broken(g, i, "an operand is used before it is computed");
      if (o.kind == Operand::Kind::scalar && o.id >= g.scalars) broken(g, i, "a scalar that does not exist");
    }
    if (n.first_output + n.outputs > g.values.size()) broken(g, i, "outputs beyond the arena");
    for (uint32_t k = 0; k < n.outputs; ++k) {
      const Value& v = g.values[n.first_output + k];
      if (v.node != i || v.output != k) broken(g, i, "an output that names another producer");
      if (const int axis = codegen::split_axis(v.layout);
          axis >= 0 && (v.type.shape.size() != 4 || v.type.shape[axis].constant() % codegen::kLayoutBlock != 0))
        broken(g, i, "a blocked layout of a shape that has none");
      defined[n.first_output + k] = true;
    }
    const auto operand_is_plain = [&](size_t k) { return g.values[n.operands[k].id].layout == Layout::plain; };
    switch (n.kind) {
      case NodeKind::input:
        if (n.storage >= g.storages) broken(g, i, "a storage that does not exist");
        break;
      case NodeKind::operation:
        if (n.op == nullptr) broken(g, i, "no operator");
        if (n.op->view || n.op->compose) broken(g, i, "views and compositions are resolved at the call");
        break;
      case NodeKind::view:
        if (n.operands.size() != 1 || !n.operands[0].is_value() || !operand_is_plain(0)) broken(g, i, "a view takes one plain value");
        if (n.window.shape.size() != n.window.strides.size()) broken(g, i, "window ranks differ");
        if (!window_fits(n.window, elements(g.type(n.operands[0].id)))) broken(g, i, "a window beyond its value");
        break;
      case NodeKind::update:
        if (n.operands.size() != 2 || !operand_is_plain(0) || !operand_is_plain(1)) broken(g, i, "an update takes two plain values");
        if (g.type(n.operands[1].id) != Type{g.type(n.operands[0].id).dtype, n.window.shape})
          broken(g, i, "an update's source must have its window's type");
        if (!window_fits(n.window, elements(g.type(n.operands[0].id)))) broken(g, i, "a window beyond its value");
        break;
      case NodeKind::reorder:
        if (n.operands.size() != 1 || !n.operands[0].is_value()) broken(g, i, "a reorder takes one value");
        break;
    }
  }
  std::vector<bool> seen(g.storages, false);
  for (const Result& r : g.results) {
    if (r.storage >= g.storages || r.value >= g.values.size() || seen[r.storage])
      fail(ErrorCode::internal, "internal error: a broken result");
    seen[r.storage] = true;
  }
  for (const uint32_t s : g.lent) {
    if (s >= g.storages || seen[s])
      fail(ErrorCode::internal, "internal error: a storage is lent that does not exist, is a result, or is lent already");
    seen[s] = true;
  }
}

}  // namespace kiln::tracer
