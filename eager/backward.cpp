// Walking the tape backwards. Nodes run in falling order of sequence, so that a node has all its gradients when its turn comes, and
// gradients meet in one order, whoever asks.
#include "eager/backward.h"

#include <algorithm>
#include <unordered_set>

#include "eager/compute.h"

namespace kiln::eager {
namespace {

thread_local bool transforming = false;

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

// g conj(f') = conj(conj(g) f'): where a rule multiplies by a complex derivative. One that follows from real data alone is real.
bool conjugates_derivative(const GradNode& node) {
  if (!node.op->holomorphic) return false;
  const auto complex = [](const Tensor& t) { return t && is_complex(t.dtype()); };
  return std::any_of(node.operands.begin(), node.operands.end(), [&](const Operand& o) { return complex(o.tensor); }) ||
         std::any_of(node.outputs.begin(), node.outputs.end(), complex);
}

void release(GradNode& node) {
  if (node.op->saves.inputs == 0 && node.op->saves.outputs == 0 && !node.rule) return;
  for (Operand& o : node.operands)
    if (o.is_tensor()) o = Operand();
  node.outputs.assign(node.outputs.size(), Tensor());
  node.rule = {};
  node.released = true;
}

bool fills_its_storage(const Tensor& t) {
  return t.is_contiguous() && t.offset() == 0 && t.storage().bytes() == static_cast<size_t>(t.numel() * size_of(t.dtype()));
}

}  // namespace

void BackwardPass::add_root(const Tensor& root, const Tensor& seed) {
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
    fail(ErrorCode::value, "backward: the gradient's shape " + to_string(seed.shape()) + " is not the tensor's " + to_string(root.shape()));
  } else if (seed.dtype() != root.dtype()) {
    g = {fit(seed, {root.dtype(), root.shape()}), false};
  }
  roots_.push_back({history(root), g});
}

void BackwardPass::add_target(const Tensor& t) { targets_.push_back(history(t)); }

void BackwardPass::start() {
  collect();
  mark();
  note_hooked_leaves();
  verify();
  for (const auto& [edge, g] : roots_) deliver(edge, g);
}

std::optional<BackwardPass::Stop> BackwardPass::next() {
  for (;;) {
    if (phase_ == Phase::leaves) {
      if (auto stop = next_leaf_hook()) return stop;
      if (at_ == states_.size()) return std::nullopt;
      phase_ = Phase::hooks;
      hook_ = 0;
    }
    State& state = states_[at_];
    if (phase_ == Phase::hooks) {
      if (auto stop = next_hook(state)) return stop;
      phase_ = Phase::rule;
      if (auto stop = run_node(state)) return stop;
    }
    if (!retain_) release(*state.node);
    state.gradients.clear();
    ++at_;
    phase_ = Phase::leaves;
    hook_ = 0;
  }
}

void BackwardPass::resume(const Tensors& results) {
  if (stopped_at_) take_hook_result(*std::exchange(stopped_at_, nullptr), results);
  else take_rule_results(states_[at_], results);
  stopped_ = {};
}

void BackwardPass::finish() {
  while (const auto stop = next()) resume((*stop->function)(stop->gradients));
}

Tensor BackwardPass::of_target(size_t i) {
  const GradNode::Edge& t = targets_[i];
  if (t.leaf) return leaf_gradient(t.leaf);
  const auto at = target_gradients_.find({t.node.get(), t.output});
  return at == target_gradients_.end() ? Tensor() : at->second;
}

void BackwardPass::commit() {
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

// All nodes behind the roots, last first.
void BackwardPass::collect() {
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

bool BackwardPass::is_target(const GradNode::Edge& edge) const {
  return std::any_of(targets_.begin(), targets_.end(), [&](const GradNode::Edge& t) {
    return edge.leaf ? t.leaf && t.leaf.same_as(edge.leaf) : t.node == edge.node && t.output == edge.output;
  });
}
bool BackwardPass::wanted(const GradNode::Edge& edge) const {
  if (!edge.node && !edge.leaf) return false;
  if (targets_.empty()) return true;
  return is_target(edge) || (edge.node && states_[index_.at(edge.node.get())].wanted);
}
void BackwardPass::mark() {
  for (size_t i = states_.size(); i-- > 0;) {
    const auto& edges = states_[i].node->edges;
    states_[i].wanted = std::any_of(edges.begin(), edges.end(), [&](const GradNode::Edge& e) { return wanted(e); });
  }
}

// A leaf's gradient is whole when the last node with an edge to it is done.
void BackwardPass::note_hooked_leaves() {
  std::unordered_map<const TensorImpl*, size_t> known;
  const auto note = [&](const GradNode::Edge& edge, size_t done) {
    if (!edge.leaf || !has_hooks(edge.leaf)) return;
    const auto [at, is_new] = known.try_emplace(edge.leaf.impl(), hooked_leaves_.size());
    if (is_new) hooked_leaves_.emplace_back(done, edge.leaf);
    else hooked_leaves_[at->second].first = done;
  };
  for (const auto& [edge, g] : roots_) note(edge, 0);
  for (size_t i = 0; i < states_.size(); ++i)
    if (states_[i].wanted)
      for (const GradNode::Edge& edge : states_[i].node->edges) note(edge, i + 1);
  std::stable_sort(hooked_leaves_.begin(), hooked_leaves_.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
}

// Everything that was saved is there and as it was.
void BackwardPass::verify() const {
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

void BackwardPass::accumulate(Gradient& total, const Gradient& g) { total = total.value ? Gradient{add(total.value, g.value)} : g; }

void BackwardPass::deliver(const GradNode::Edge& edge, const Gradient& g) {
  if (edge.node) return accumulate(states_[index_.at(edge.node.get())].gradients[static_cast<size_t>(edge.output)], g);
  if (!edge.leaf) return;
  const auto [at, is_new] = leaf_index_.try_emplace(edge.leaf.impl(), leaves_.size());
  if (is_new) leaves_.push_back({edge.leaf, {}});
  accumulate(leaves_[at->second].gradient, g);
}

// What was saved, with its history where the gradient itself is to be differentiated.
Tensor BackwardPass::restored(const Tensor& saved, const GradNode::Edge& edge) const {
  if (!saved || !create_) return saved;
  if (edge.leaf) return edge.leaf;
  if (!edge.node) return saved;
  Tensor t = detach(saved);
  t.autograd().node = edge.node;
  t.autograd().output = edge.output;
  return t;
}

std::optional<BackwardPass::Stop> BackwardPass::next_hook(State& state) {
  const std::vector<GradNode::Hook>& hooks = state.node->hooks;
  while (hook_ < hooks.size()) {
    const GradNode::Hook& hook = hooks[hook_++];
    Gradient& g = state.gradients[static_cast<size_t>(hook.output)];
    if (!g.value || !hook.function->active()) continue;
    g.value = fit(g.value, state.node->output_types[static_cast<size_t>(hook.output)]);
    g.borrowed = true;
    stopped_at_ = &g;
    stopped_ = hook.function;
    return Stop{stopped_.get(), {g.value}};
  }
  return std::nullopt;
}

std::optional<BackwardPass::Stop> BackwardPass::next_leaf_hook() {
  for (; leaf_ < hooked_leaves_.size() && hooked_leaves_[leaf_].first == at_; ++leaf_, hook_ = 0) {
    const Tensor& leaf = hooked_leaves_[leaf_].second;
    const auto at = leaf_index_.find(leaf.impl());
    const std::vector<Ref<HostFunction>>& hooks = leaf.autograd().hooks;
    while (at != leaf_index_.end() && hook_ < hooks.size()) {
      const Ref<HostFunction>& hook = hooks[hook_++];
      if (!hook->active()) continue;
      Gradient& g = leaves_[at->second].gradient;
      g.borrowed = true;
      stopped_at_ = &g;
      stopped_ = hook;
      return Stop{stopped_.get(), {g.value}};
    }
  }
  return std::nullopt;
}

void BackwardPass::take_hook_result(Gradient& g, const Tensors& results) {
  check(results.size() == 1 && results[0], "a hook gives one gradient");
  const TensorType had{g.value.dtype(), g.value.shape()}, given{results[0].dtype(), results[0].shape()};
  if (had.dtype != given.dtype || had.shape != given.shape)
    fail(ErrorCode::runtime, "a hook must give a gradient like the one it got, " + to_string(had) + ", not " + to_string(given));
  g.value = results[0];
}

std::optional<BackwardPass::Stop> BackwardPass::run_node(State& state) {
  GradNode& node = *state.node;
  bool any = false;
  for (size_t i = 0; i < state.gradients.size(); ++i) {
    const Tensor& g = state.gradients[i].value;
    if (!g) continue;
    any = true;
    const int output = static_cast<int>(i);
    if (!targets_.empty() && is_target({state.node, output, {}})) target_gradients_.emplace(std::pair(&node, output), g);
  }
  return state.wanted && any ? differentiate(state) : std::nullopt;
}

std::optional<BackwardPass::Stop> BackwardPass::differentiate(State& state) {
  GradNode& node = *state.node;
  if (node.rule) {
    Stop stop{node.rule.get(), {}};
    for (size_t i = 0; i < state.gradients.size(); ++i) {
      const Tensor& g = state.gradients[i].value;
      stop.gradients.push_back(g ? fit(g, node.output_types[i]) : g);
    }
    stopped_ = node.rule;
    return stop;
  }
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
  return std::nullopt;
}

void BackwardPass::take_rule_results(State& state, const Tensors& results) {
  const GradNode& node = *state.node;
  check(results.size() == node.edges.size(), "a rule gives a gradient, or none, for each input");
  for (size_t i = 0; i < results.size(); ++i) {
    if (!results[i] || !is_inexact(node.input_types[i].dtype)) continue;
    const TensorType& wanted_type = node.input_types[i];
    const TensorType given{results[i].dtype(), results[i].shape()};
    if (given.shape != wanted_type.shape || given.dtype != wanted_type.dtype)
      fail(given.shape != wanted_type.shape ? ErrorCode::value : ErrorCode::type,
           "the gradient for " + stopped_->input_name(i) + " must be like it, " + to_string(wanted_type) + ", not " + to_string(given));
    if (wanted(node.edges[i])) deliver(node.edges[i], {results[i], true});
  }
}

Tensor BackwardPass::leaf_gradient(const Tensor& leaf) const {
  const auto at = leaf_index_.find(leaf.impl());
  return at == leaf_index_.end() ? Tensor() : leaves_[at->second].gradient.value;
}

namespace {

class GradMode {
 public:
  explicit GradMode(bool on) : before_(grad_enabled()) { set_grad_enabled(on); }
  ~GradMode() { set_grad_enabled(before_); }

 private:
  bool before_;
};

}  // namespace

bool depends_on_others(std::span<const Tensor> tensors, std::span<const Tensor> inputs) {
  std::vector<Ref<GradNode>> open;
  std::unordered_set<const GradNode*> seen;
  const auto visit = [&](const GradNode::Edge& edge) {
    if (edge.node && seen.insert(edge.node.get()).second) open.push_back(edge.node);
    return edge.leaf && std::none_of(inputs.begin(), inputs.end(), [&](const Tensor& t) { return t.same_as(edge.leaf); });
  };
  for (const Tensor& t : tensors)
    if (visit(history(t))) return true;
  while (!open.empty()) {
    const Ref<GradNode> node = std::move(open.back());
    open.pop_back();
    if (std::any_of(node->edges.begin(), node->edges.end(), visit)) return true;
  }
  return false;
}

bool set_transforming(bool on) { return std::exchange(transforming, on); }
bool is_transforming() { return transforming; }

void backward(const Tensor& root, const Tensor& seed, bool retain_graph, bool create_graph) {
  if (transforming)
    fail(ErrorCode::runtime, "backward() in a function that vmap transforms would change leaves outside of it; use kiln.grad inside");
  BackwardPass pass(retain_graph || create_graph, create_graph);
  const GradMode mode(create_graph);
  pass.add_root(root, seed);
  pass.start();
  pass.finish();
  pass.commit();
}

Tensors gradients(std::span<const Tensor> roots, std::span<const Tensor> seeds, std::span<const Tensor> inputs, bool retain_graph,
                  bool create_graph) {
  BackwardPass pass(retain_graph || create_graph, create_graph);
  const GradMode mode(create_graph);
  for (size_t i = 0; i < roots.size(); ++i) pass.add_root(roots[i], i < seeds.size() ? seeds[i] : Tensor());
  for (const Tensor& input : inputs) {
    if (!input.requires_grad()) fail(ErrorCode::runtime, "gradients: an input does not require grad");
    pass.add_target(input);
  }
  pass.start();
  pass.finish();
  Tensors results;
  for (size_t i = 0; i < inputs.size(); ++i) results.push_back(pass.of_target(i));
  return results;
}

}  // namespace kiln::eager
