// Walking the tape backwards. Nodes run in falling order of sequence, so that a node has all its gradients when its turn comes, and
// gradients meet in one order, whoever asks.
#include <algorithm>
#include <unordered_set>

#include "eager/compute.h"
#include "eager/tape.h"

namespace kiln::eager {
namespace {

const Op add{"add"}, sum{"sum"}, reshape{"reshape"}, broadcast_to{"broadcast_to"}, copy_to{"copy_to"}, conj{"conj"}, real{"real"};

// A gradient as one of this type: summed over what was broadcast, broadcast where a rule left it smaller, cast; its real part for a real type.
Tensor fit(Tensor g, const TensorType& type) {
  if (g.shape() != type.shape) {
    const int extra = g.rank() - type.shape.size();
    Dims axes;
    for (int d = 0; d < g.rank(); ++d)
      if (d < extra || (type.shape[d - std::max(extra, 0)] == 1 && g.shape()[d] != 1 && extra >= 0)) axes.push_back(d);
    if (!axes.empty()) g = sum(g, axes, true);
    if (extra > 0) {
      Dims shape(g.shape().begin() + extra, g.shape().end());
      g = reshape(g, shape);
    }
    if (g.shape() != type.shape) g = broadcast_to(g, type.shape);
  }
  if (is_complex(g.dtype()) && !is_complex(type.dtype)) g = real(g);
  return g.dtype() == type.dtype ? g : copy_to(g, type.dtype, type.shape);
}

// A gradient on its way. Borrowed: someone beside this pass can see its memory (a seed, a tensor that was saved).
struct Gradient {
  Tensor value;
  bool borrowed = false;
};

class Pass {
 public:
  Pass(bool retain_graph, bool create_graph) : retain_(retain_graph), create_(create_graph) {}

  void add_root(const Tensor& root, const Tensor& seed) {
    if (!root.requires_grad()) fail(ErrorCode::runtime, "backward: the tensor does not require grad and has no history");
    if (!is_inexact(root.dtype())) fail(ErrorCode::runtime, "backward: only floating and complex tensors have gradients");
    Gradient g{seed, true};
    if (!seed) {
      if (is_complex(root.dtype()))
        fail(ErrorCode::runtime,
             "backward: a complex tensor needs a gradient to start from; only a real scalar starts from 1 (a loss is real: take abs(x) or "
             "real(x))");
      if (root.numel() != 1)
        fail(ErrorCode::runtime,
             "backward: a tensor of shape " + to_string(root.shape()) + " needs a gradient to start from; only a scalar starts from 1");
      g = {copy_to(1, root.dtype(), root.shape()), false};
    } else if (seed.shape() != root.shape()) {
      fail(ErrorCode::value,
           "backward: the gradient's shape " + to_string(seed.shape()) + " is not the tensor's " + to_string(root.shape()));
    } else if (seed.dtype() != root.dtype()) {
      g = {fit(seed, {root.dtype(), root.shape()}), false};
    }
    roots_.push_back({history(root), g});
  }

  // Only gradients that reach these are computed. Without any: all leaves.
  void add_target(const Tensor& t) { targets_.push_back(history(t)); }

  void run() {
    collect();
    mark();
    verify();
    for (const auto& [edge, g] : roots_) deliver(edge, g);
    for (State& state : states_) run_node(state);
  }

  Tensor of_target(size_t i) {
    const GradNode::Edge& t = targets_[i];
    if (t.leaf) return leaf_gradient(t.leaf);
    const auto at = target_gradients_.find({t.node.get(), t.output});
    return at == target_gradients_.end() ? Tensor() : at->second;
  }

  // leaf.grad += what arrived, for all leaves: after everything that can fail.
  void commit() {
    std::unordered_set<const Storage*> taken;  // a rule may hand one tensor to two operands
    for (const Leaf& leaf : leaves_) {
      std::unique_ptr<Tensor>& grad = leaf.tensor.autograd().grad;
      const Tensor& arrived = leaf.gradient.value;
      if (!grad) {
        const bool ours = !leaf.gradient.borrowed && fills_its_storage(arrived) && taken.insert(&arrived.storage()).second;
        grad = std::make_unique<Tensor>(create_ ? arrived : ours ? detach(arrived) : copy_to(arrived, arrived.dtype(), arrived.shape()));
      } else if (create_) {
        *grad = add(*grad, arrived);
      } else {
        const Operand operands[] = {*grad, arrived};
        call_in_place(add.definition(), operands, {}, *grad);
      }
    }
  }

 private:
  struct State {
    Ref<GradNode> node;
    std::vector<Gradient> gradients;  // per output, as they arrive
    bool wanted = false;              // does a target lie behind it?
  };
  struct Leaf {
    Tensor tensor;
    Gradient gradient;
  };

  // All nodes behind the roots, last first.
  void collect() {
    std::vector<Ref<GradNode>> open;
    std::unordered_set<const GradNode*> seen;
    const auto visit = [&](const Ref<GradNode>& node) {
      if (node && seen.insert(node.get()).second) open.push_back(node);
    };
    for (const auto& [edge, g] : roots_) visit(edge.node);
    while (!open.empty()) {
      const Ref<GradNode> node = std::move(open.back());
      open.pop_back();
      for (const GradNode::Edge& e : node->edges) visit(e.node);
      states_.push_back({node, std::vector<Gradient>(node->output_types.size()), false});
    }
    std::sort(states_.begin(), states_.end(), [](const State& a, const State& b) { return a.node->sequence > b.node->sequence; });
    for (size_t i = 0; i < states_.size(); ++i) index_.emplace(states_[i].node.get(), i);
  }

  bool is_target(const GradNode::Edge& edge) const {
    return std::any_of(targets_.begin(), targets_.end(), [&](const GradNode::Edge& t) {
      return edge.leaf ? t.leaf && t.leaf.same_as(edge.leaf) : t.node == edge.node && t.output == edge.output;
    });
  }
  bool wanted(const GradNode::Edge& edge) const {
    if (!edge.node && !edge.leaf) return false;
    if (targets_.empty()) return true;
    return is_target(edge) || (edge.node && states_[index_.at(edge.node.get())].wanted);
  }
  void mark() {
    for (size_t i = states_.size(); i-- > 0;) {
      const auto& edges = states_[i].node->edges;
      states_[i].wanted = std::any_of(edges.begin(), edges.end(), [&](const GradNode::Edge& e) { return wanted(e); });
    }
  }

  // Everything that was saved is there and as it was.
  void verify() const {
    for (const State& state : states_) {
      if (!state.wanted) continue;
      const GradNode& node = *state.node;
      const std::string name(node.op->name);
      if (node.released)
        fail(ErrorCode::runtime, "backward: what " + name + " had saved was freed by an earlier backward; give that one retain_graph=True");
      const auto check_version = [&](const Tensor& saved, uint32_t version) {
        if (saved && saved.storage().version() != version)
          fail(ErrorCode::runtime, "backward: a tensor of shape " + to_string(saved.shape()) + " that " + name +
                                       " needs for its gradient was written in place afterwards; write to a copy instead");
      };
      for (size_t i = 0; i < node.operands.size(); ++i) check_version(node.operands[i].tensor, node.versions[i]);
      for (size_t i = 0; i < node.outputs.size(); ++i) check_version(node.outputs[i], node.output_versions[i]);
    }
  }

  static void accumulate(Gradient& total, const Gradient& g) { total = total.value ? Gradient{add(total.value, g.value)} : g; }

  void deliver(const GradNode::Edge& edge, const Gradient& g) {
    if (edge.node) return accumulate(states_[index_.at(edge.node.get())].gradients[static_cast<size_t>(edge.output)], g);
    if (!edge.leaf) return;
    const auto [at, is_new] = leaf_index_.try_emplace(edge.leaf.impl(), leaves_.size());
    if (is_new) leaves_.push_back({edge.leaf, {}});
    accumulate(leaves_[at->second].gradient, g);
  }

  // What was saved, with its history where the gradient itself is to be differentiated.
  Tensor restored(const Tensor& saved, const GradNode::Edge& edge) const {
    if (!saved || !create_) return saved;
    if (edge.leaf) return edge.leaf;
    if (!edge.node) return saved;
    Tensor t = detach(saved);
    t.autograd().node = edge.node;
    t.autograd().output = edge.output;
    return t;
  }

  void run_node(State& state) {
    GradNode& node = *state.node;
    bool any = false;
    for (size_t i = 0; i < state.gradients.size(); ++i) {
      const Tensor& g = state.gradients[i].value;
      if (!g) continue;
      any = true;
      const int output = static_cast<int>(i);
      if (!targets_.empty() && is_target({state.node, output, {}})) target_gradients_.emplace(std::pair(&node, output), g);
    }
    if (state.wanted && any) differentiate(state);
    if (!retain_) release(node);
    state.gradients.clear();
  }

  void differentiate(State& state) {
    GradNode& node = *state.node;
    const size_t count = node.operands.size();
    std::vector<const Storage*> borrowed;
    std::vector<Operand> operands = node.operands;
    Tensors outputs = node.outputs, arrived;
    const auto needed = std::make_unique<bool[]>(count);
    for (size_t i = 0; i < count; ++i) {
      needed[i] = wanted(node.edges[i]);
      if (!operands[i].is_tensor()) continue;
      borrowed.push_back(&operands[i].tensor.storage());
      operands[i].tensor = restored(operands[i].tensor, node.edges[i]);
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (outputs[i]) borrowed.push_back(&outputs[i].storage());
      outputs[i] = restored(outputs[i], {state.node, static_cast<int>(i), {}});
      // A write in place may have broadcast or cast the result: its gradient has the destination's type.
      const auto& [g, is_borrowed] = state.gradients[i];
      arrived.push_back(g ? fit(g, node.output_types[i]) : g);
      if (g && is_borrowed) borrowed.push_back(&g.storage());
    }
    const bool conjugates = conjugates_derivative(node);
    if (conjugates)
      for (Tensor& g : arrived)
        if (g && is_complex(g.dtype())) g = conj(g);
    const Arguments arguments{operands, node.attrs};
    GradContext context{arguments, arrived, outputs, node.input_types, {needed.get(), count}};
    const Tensors results = node.op->gradient(context);
    check(results.size() <= count, "a gradient rule gives at most one tensor for each operand");
    for (size_t i = 0; i < results.size(); ++i) {
      if (!results[i] || !needed[i]) continue;
      const Tensor g = fit(conjugates && is_complex(results[i].dtype()) ? conj(results[i]) : results[i], node.input_types[i]);
      deliver(node.edges[i], {g, std::find(borrowed.begin(), borrowed.end(), &g.storage()) != borrowed.end()});
    }
  }

  // g conj(f') = conj(conj(g) f'): where a rule multiplies by a complex derivative. One that follows from real data alone is real.
  static bool conjugates_derivative(const GradNode& node) {
    if (!node.op->holomorphic) return false;
    const auto complex = [](const Tensor& t) { return t && is_complex(t.dtype()); };
    return std::any_of(node.operands.begin(), node.operands.end(), [&](const Operand& o) { return complex(o.tensor); }) ||
           std::any_of(node.outputs.begin(), node.outputs.end(), complex);
  }

  static void release(GradNode& node) {
    if (node.op->saves.inputs == 0 && node.op->saves.outputs == 0) return;
    for (Operand& o : node.operands)
      if (o.is_tensor()) o = Operand();
    node.outputs.assign(node.outputs.size(), Tensor());
    node.released = true;
  }

  Tensor leaf_gradient(const Tensor& leaf) const {
    const auto at = leaf_index_.find(leaf.impl());
    return at == leaf_index_.end() ? Tensor() : leaves_[at->second].gradient.value;
  }

  static bool fills_its_storage(const Tensor& t) {
    return t.is_contiguous() && t.offset() == 0 && t.storage().bytes() == static_cast<size_t>(t.numel() * size_of(t.dtype()));
  }

  const bool retain_, create_;
  std::vector<std::pair<GradNode::Edge, Gradient>> roots_;
  std::vector<GradNode::Edge> targets_;
  std::vector<State> states_;  // in the order they run
  std::unordered_map<const GradNode*, size_t> index_;
  std::vector<Leaf> leaves_;  // in the order their first gradients came
  std::unordered_map<const TensorImpl*, size_t> leaf_index_;
  std::map<std::pair<const GradNode*, int>, Tensor> target_gradients_;
};

class GradMode {
 public:
  explicit GradMode(bool on) : before_(grad_enabled()) { set_grad_enabled(on); }
  ~GradMode() { set_grad_enabled(before_); }

 private:
  bool before_;
};

}  // namespace

void backward(const Tensor& root, const Tensor& seed, bool retain_graph, bool create_graph) {
  Pass pass(retain_graph || create_graph, create_graph);
  const GradMode mode(create_graph);
  pass.add_root(root, seed);
  pass.run();
  pass.commit();
}

Tensors gradients(std::span<const Tensor> roots, std::span<const Tensor> seeds, std::span<const Tensor> inputs, bool retain_graph,
                  bool create_graph) {
  Pass pass(retain_graph || create_graph, create_graph);
  const GradMode mode(create_graph);
  for (size_t i = 0; i < roots.size(); ++i) pass.add_root(roots[i], i < seeds.size() ? seeds[i] : Tensor());
  for (const Tensor& input : inputs) {
    if (!input.requires_grad()) fail(ErrorCode::runtime, "gradients: an input does not require grad");
    pass.add_target(input);
  }
  pass.run();
  Tensors results;
  for (size_t i = 0; i < inputs.size(); ++i) results.push_back(pass.of_target(i));
  return results;
}

}  // namespace kiln::eager
