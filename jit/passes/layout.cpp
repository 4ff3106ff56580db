// Blocked layouts: contractions name the layouts they run in (codegen/contraction). This pass writes the reorders down as nodes, then
// lets pointwise and pooling operators work on the blocked array, so that the reorder behind one contraction meets the reorder before
// the next and both vanish. Only inverse reorders are cancelled: every contraction sees the very bits it sees eagerly.
#include <algorithm>
#include <map>

#include "jit/fusion/cluster.h"
#include "jit/passes/pass.h"

namespace kiln::jit {
namespace {

using codegen::Layout;
using tracer::Graph;
using tracer::Node;
using tracer::NodeKind;
using tracer::Operand;
using tracer::ValueId;

class LayoutPass {
 public:
  explicit LayoutPass(Graph& g) : g_(g) {}

  void run() {
    const size_t nodes = g_.nodes.size();  // reorders are appended behind them
    for (size_t i = 0; i < nodes; ++i) {
      for (Operand& o : g_.nodes[i].operands)
        if (o.is_value()) o.id = plain(o.id);
      if (g_.nodes[i].kind != NodeKind::operation) continue;
      if (g_.nodes[i].op->contraction) {
        if (!is_empty_contraction(g_, g_.nodes[i])) contraction(i);
      } else if (g_.nodes[i].op->body || g_.nodes[i].op->affine) {
        follow(i);
      }
    }
    for (tracer::Result& r : g_.results) r.value = plain(r.value);
    g_.rewrite({});
  }

 private:
  static bool has_form(const tracer::Type& t, Layout layout) {
    if (t.shape.size() != 4) return false;
    const int64_t extent = t.shape[codegen::split_axis(layout)].constant();
    return extent > 0 && extent % codegen::kLayoutBlock == 0;
  }

  // The id by which users name v's plain form: make_blocked() turns v itself into a blocked array.
  ValueId plain(ValueId v) const {
    const auto moved = plain_of_.find(v);
    return moved == plain_of_.end() ? v : moved->second;
  }
  bool is_known(ValueId v, Layout layout) const { return blocked_of_.contains({v, layout}); }

  // v in a blocked layout: what is known already, else a new reorder.
  ValueId blocked(ValueId v, Layout layout) {
    const auto [at, added] = blocked_of_.try_emplace({v, layout}, tracer::kNoValue);
    if (added) at->second = g_.add_reorder(v, layout);
    return at->second;
  }

  // From here on output k of node i is computed blocked; plain users get a reorder, which dies if there are none.
  void make_blocked(size_t i, uint32_t k, Layout layout) {
    const ValueId v = g_.nodes[i].first_output + k;
    g_.values[v].layout = layout;
    const ValueId reordered = g_.add_reorder(v, Layout::plain);
    plain_of_[v] = reordered;
    blocked_of_[{reordered, layout}] = v;
  }

  void contraction(size_t i) {
    std::vector<eager::OperandType> types;
    for (const Operand& o : g_.nodes[i].operands) types.push_back(operand_type(g_, o));
    const auto plan = codegen::contraction_plan(g_.nodes[i].op->contraction(types, g_.nodes[i].attrs));
    const auto wanted = plan->input_layouts();
    for (size_t k = 0; k < wanted.size() && k < g_.nodes[i].operands.size(); ++k)
      if (wanted[k] != Layout::plain) {
        const ValueId b = blocked(g_.nodes[i].operands[k].id, wanted[k]);  // may move g_.nodes
        g_.nodes[i].operands[k].id = b;
      }
    const auto given = plan->output_layouts();
    for (uint32_t k = 0; k < given.size() && k < g_.nodes[i].outputs; ++k)
      if (given[k] != Layout::plain) make_blocked(i, k, given[k]);
  }

  // A pointwise or pooling operator follows its operands into a blocked layout if one of full rank is there already.
  void follow(size_t i) {
    for (const Operand& o : g_.nodes[i].operands)
      for (const Layout layout : {Layout::blocked16, Layout::images16})
        if (o.is_value() && is_known(o.id, layout) && can_follow(i, layout)) return follow(i, layout);
  }

  bool can_follow(size_t i, Layout layout) const {
    const Node& n = g_.nodes[i];
    for (uint32_t k = 0; k < n.outputs; ++k)
      if (!has_form(g_.type(n.first_output + k), layout)) return false;
    if (!n.op->affine) return true;  // an affine rule that joins or pads channels asks for the channel's index, which blocking splits
    return std::ranges::all_of(n.operands, [&](const Operand& o) {
      return !o.is_value() || g_.type(o.id).shape.size() != 4 || same_split(g_.type(o.id), g_.type(n.first_output), layout);
    });
  }

  void follow(size_t i, Layout layout) {
    const tracer::Type result = g_.type(g_.nodes[i].first_output);
    for (size_t k = 0; k < g_.nodes[i].operands.size(); ++k) {
      const Operand o = g_.nodes[i].operands[k];
      if (!o.is_value() || !has_form(g_.type(o.id), layout) || !same_split(g_.type(o.id), result, layout)) continue;
      if (!is_known(o.id, layout) && is_small(g_.type(o.id), result)) continue;
      const ValueId b = blocked(o.id, layout);
      g_.nodes[i].operands[k].id = b;
    }
    for (uint32_t k = 0; k < g_.nodes[i].outputs; ++k) make_blocked(i, k, layout);
  }

  static bool same_split(const tracer::Type& a, const tracer::Type& b, Layout layout) {
    const int axis = codegen::split_axis(layout);
    return a.shape[axis] == b.shape[axis];
  }

  // Broadcast along images or pixels: reading it plain costs little.
  static bool is_small(const tracer::Type& operand, const tracer::Type& result) {
    const auto elements = [](const tracer::Type& t) {
      int64_t n = 1;
      for (tracer::Dim d : t.shape) n *= d.constant();
      return n;
    };
    return elements(operand) * 16 < elements(result);
  }

  Graph& g_;
  std::map<std::pair<ValueId, Layout>, ValueId> blocked_of_;  // plain value -> its form in a blocked layout
  std::map<ValueId, ValueId> plain_of_;                       // a value computed blocked -> the reorder that gives its plain form
};

}  // namespace

void layout(Graph& g) {
  bool any = false;
  for (const Node& n : g.nodes) any |= n.kind == NodeKind::operation && n.op->contraction;
  if (any) LayoutPass(g).run();
}

}  // namespace kiln::jit
