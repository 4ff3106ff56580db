// A walk backwards over the tape. Code of a front end's (hooks, gradient rules of its own) is not called by the pass: the pass stops, and whoever
// drives it calls, so that a front end may also drive it step by step.
#pragma once

#include <map>
#include <unordered_map>

#include "eager/tape.h"

namespace kiln::eager {

class BackwardPass {
 public:
  // create_graph: what the pass does is put on the tape itself, where its caller has set the mode to that.
  BackwardPass(bool retain_graph, bool create_graph) : retain_(retain_graph), create_(create_graph) {}

  // A seed is empty for a scalar root. Throws Error{runtime} without one for another, Error{value} for one of another shape.
  void add_root(const Tensor& root, const Tensor& seed);
  // Only gradients that reach these are computed. Without any: all leaves.
  void add_target(const Tensor&);
  // After all roots and targets. Throws Error{runtime} where something that was saved is gone or was written.
  void start();

  // Code of a front end's that is to be called with these gradients. The pass keeps it alive until it is resumed.
  struct Stop {
    HostFunction* function;
    Tensors gradients;
  };
  std::optional<Stop> next();   // goes on to the next stop, or to the end
  void resume(const Tensors&);  // what was given at the stop
  void finish();                // all of it, with the calls

  Tensor of_target(size_t i);
  void commit();  // leaf.grad += what arrived, for all leaves: after everything that can fail

 private:
  // A gradient on its way. Borrowed: someone beside this pass can see its memory (a seed, a tensor that was saved, a front end's).
  struct Gradient {
    Tensor value;
    bool borrowed = false;
  };
  struct State {
    Ref<GradNode> node;
    std::vector<Gradient> gradients;  // per output, as they arrive
    bool wanted = false;              // does a target lie behind it?
  };
  struct Leaf {
    Tensor tensor;
    Gradient gradient;
  };
  // What happens to a node, in this order. A leaf's hooks run after the last node that can add to its gradient.
  enum class Phase : uint8_t { hooks, rule, leaves };

  void collect();
  void mark();
  void note_hooked_leaves();
  void verify() const;
  bool is_target(const GradNode::Edge&) const;
  bool wanted(const GradNode::Edge&) const;
  static void accumulate(Gradient& total, const Gradient&);
  void deliver(const GradNode::Edge&, const Gradient&);
  Tensor restored(const Tensor& saved, const GradNode::Edge&) const;
  std::optional<Stop> next_hook(State&);
  std::optional<Stop> run_node(State&);
  std::optional<Stop> next_leaf_hook();
  std::optional<Stop> differentiate(State&);
  void take_rule_results(State&, const Tensors&);
  void take_hook_result(Gradient&, const Tensors&);
  Tensor leaf_gradient(const Tensor& leaf) const;

  const bool retain_, create_;
  std::vector<std::pair<GradNode::Edge, Gradient>> roots_;
  std::vector<GradNode::Edge> targets_;
  std::vector<State> states_;  // in the order they run
  std::unordered_map<const GradNode*, size_t> index_;
  std::vector<Leaf> leaves_;  // in the order their first gradients came
  std::unordered_map<const TensorImpl*, size_t> leaf_index_;
  std::map<std::pair<const GradNode*, int>, Tensor> target_gradients_;
  std::vector<std::pair<size_t, Tensor>> hooked_leaves_;  // by the number of nodes that are done when their gradients are whole

  size_t at_ = 0;  // the node whose turn it is; its leaves' phase is that of those which are whole with at_ nodes done
  Phase phase_ = Phase::leaves;
  size_t hook_ = 0, leaf_ = 0;      // the next hook of the node or leaf, the next of the hooked leaves
  Gradient* stopped_at_ = nullptr;  // the gradient that a hook was called with; null: a rule was
  Ref<HostFunction> stopped_;
};

// Is there anything on the tape behind these tensors but the leaves among `inputs`?
bool depends_on_others(std::span<const Tensor> tensors, std::span<const Tensor> inputs);

// While a function is transformed, its tensors are not there to stay: what would reach from them into leaves that are (backward(), hooks) is an
// Error{runtime}. Per thread; gives what was set before.
bool set_transforming(bool);
bool is_transforming();

}  // namespace kiln::eager
