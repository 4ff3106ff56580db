// Value numbering: nodes of equal kind, operator, attributes, window and (renamed) operands are one node.
#include <map>
#include <numeric>
#include <tuple>

#include "jit/passes/pass.h"

namespace kiln::jit {
namespace {

using tracer::Graph;
using tracer::Node;
using tracer::NodeKind;
using tracer::Operand;
using tracer::ValueId;

// Everything that tells nodes apart. Attributes are compared apart, through buckets of this key.
using Key = std::vector<int64_t>;

Key key_of(const Graph& g, const Node& n, const std::vector<ValueId>& forward) {
  Key k{static_cast<int64_t>(n.kind), reinterpret_cast<intptr_t>(n.op), static_cast<int64_t>(g.values[n.first_output].layout)};
  for (const Operand& o : n.operands) {
    k.push_back(static_cast<int64_t>(o.kind) << 8 | static_cast<int64_t>(o.scalar_kind));
    k.push_back(o.is_value() ? forward[o.id] : o.id);
  }
  if (n.kind == NodeKind::view || n.kind == NodeKind::update) {
    k.push_back(n.window.offset.constant());
    for (tracer::Dim d : n.window.shape) k.push_back(d.constant());
    for (int64_t s : n.window.strides) k.push_back(s);
  }
  return k;
}

}  // namespace

void cse(Graph& g) {
  std::vector<ValueId> forward(g.values.size());
  std::iota(forward.begin(), forward.end(), 0);
  std::map<Key, std::vector<const Node*>> seen;
  bool changed = false;
  for (const Node& n : g.nodes) {
    if (n.kind == NodeKind::input) continue;
    auto& bucket = seen[key_of(g, n, forward)];
    const auto same_node = std::ranges::find_if(bucket, [&](const Node* other) {
      return other->attrs == n.attrs && other->outputs == n.outputs && g.type(other->first_output) == g.type(n.first_output);
    });
    if (same_node == bucket.end()) {
      bucket.push_back(&n);
      continue;
    }
    for (uint32_t i = 0; i < n.outputs; ++i) forward[n.first_output + i] = (*same_node)->first_output + i;
    changed = true;
  }
  if (changed) g.rewrite(forward);
}

}  // namespace kiln::jit
