// Rules keep every bit: x * 1 or a cast to x's own dtype, never x + 0 (which turns -0 into 0).
#include <numeric>

#include "jit/passes/pass.h"

namespace kiln::jit {
namespace {

using tracer::Graph;
using tracer::Node;
using tracer::NodeKind;
using tracer::ValueId;

// Operators that give their first operand unchanged when its type is already the result's. A value has no identity to preserve, so a
// copy of a value is the value. (A copy of a view stays: others may look at it through views of their own.)
bool is_copy(const Node& n) {
  return n.kind == NodeKind::operation &&
         (n.op->name == "copy" || n.op->name == "copy_to" || n.op->name == "astype" || n.op->name == "positive");
}

// The value that node's first output equals, or kNoValue.
ValueId equal_value(const Graph& g, const Node& n) {
  if (is_copy(n) && n.operands[0].is_value() && g.type(n.operands[0].id) == g.type(n.first_output) &&
      g.producer(n.operands[0].id).kind != NodeKind::view && has_canonical_nans(g, n.operands[0].id))
    return n.operands[0].id;
  if (n.kind == NodeKind::view && is_identity(n.window, g.type(n.operands[0].id))) return n.operands[0].id;
  return tracer::kNoValue;
}

}  // namespace

void simplify(Graph& g) {
  std::vector<ValueId> forward(g.values.size());
  std::iota(forward.begin(), forward.end(), 0);
  bool changed = false;
  for (const Node& n : g.nodes) {
    const ValueId same = equal_value(g, n);
    if (same == tracer::kNoValue) continue;
    forward[n.first_output] = same;
    changed = true;
  }
  if (changed) g.rewrite(forward);
}

}  // namespace kiln::jit
