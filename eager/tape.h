// Reverse-mode automatic differentiation: one rule per operator, run through dispatch, so gradients are operators like any other
// (and graphs hold them expanded). Gradients accumulate in tape order: deterministic, the same eagerly and compiled.
#pragma once

#include "eager/dispatch.h"

// Views. A view shares its base's storage, so a write through one is a write to all of them. Each view knows its base (TensorImpl::base); a write
// through a view puts an `update` of the base on the tape, and a view whose storage was written since its node was made gets a new one,
// which reads it from the base (history()).
namespace kiln::eager {

// Code of a front end's on the tape: the gradient rule of a node, or a hook. It is called in the middle of a pass (backward.h), in the tape's
// mode of that pass, and may throw.
class HostFunction : public RefCounted {
 public:
  virtual ~HostFunction() = default;
  // A rule: from the gradients of a node's outputs (empty where none came) to those of its inputs (or empty), of the inputs' types. A hook: from one gradient to the one to go on with, of the same type.
  virtual Tensors operator()(std::span<const Tensor> gradients) = 0;
  virtual bool active() const { return true; }                         // false: a hook that was removed
  virtual std::string input_name(size_t) const { return "an input"; }  // of a rule, for errors
};

class GradNode : public RefCounted {
 public:
  const Operator* op = nullptr;
  Attrs attrs;
  std::vector<Operand> operands;   // tensors only where saved; scalars always
  std::vector<uint32_t> versions;  // of operands' storages where saved: a later write makes backward an Error{runtime}
  std::vector<TensorType> input_types, output_types;
  std::vector<Tensor> outputs;  // detached, where saved
  std::vector<uint32_t> output_versions;
  struct Edge {
    Ref<GradNode> node;  // the operand's producer, or null
    int output = 0;
    Tensor leaf;  // the operand itself if it is a leaf that requires grad
  };
  std::vector<Edge> edges;  // per operand
  uint64_t sequence = 0;    // grows along the tape
  bool released = false;    // backward ran without retain_graph, and dropped what was saved
  Ref<HostFunction> rule;   // instead of the operator's
  struct Hook {
    int output;
    Ref<HostFunction> function;
  };
  std::vector<Hook> hooks;  // in the order they were added
  ~GradNode();              // does not recurse, however long the chain
};

bool grad_enabled();  // per thread, on at first
void set_grad_enabled(bool);
class NoGrad {  // scope without tape
 public:
  NoGrad() : before_(grad_enabled()) { set_grad_enabled(false); }
  ~NoGrad() { set_grad_enabled(before_); }

 private:
  bool before_;
};

// Asks for gradients of a floating leaf, or no longer; an operator's result cannot be taken off the tape. Throws Error{runtime}.
void set_requires_grad(const Tensor&, bool wanted);
// Replaces what backward() has accumulated; an empty Tensor takes it away. Throws Error{value} unless it is of the tensor's shape and dtype.
void set_grad(const Tensor&, const Tensor& gradient);

// Where a tensor's gradient goes: its producer, or itself if it is a leaf that requires grad.
GradNode::Edge history(const Tensor&);

// Puts a computed call on the tape if the mode, the operator and its operands ask for it.
void attach(const Operator&, const Arguments&, std::span<Tensor> outputs);

// Puts what a front end computed, off the tape, on the tape: `rule` gives the gradients of `inputs` from those of `outputs`. Gives the outputs
// anew, with that history; where nothing asks for gradients, without.
Tensors attach(Ref<HostFunction> rule, std::span<const Tensor> inputs, std::span<const Tensor> outputs);
// The hook is called with the tensor's whole gradient: of an operator's result before it is passed on, of a leaf before it is accumulated.
// Throws Error{runtime} unless the tensor requires grad.
void add_hook(const Tensor&, Ref<HostFunction>);
bool has_hooks(const Tensor&);  // a leaf's

// The same for a call whose result was written to `destination`, in two parts around the write: before it, what the gradient needs is put
// aside; after it, the destination (or the tensor it is a view of) gets its new history. Both do nothing where there is no tape.
class InPlace {
 public:
  InPlace(const Operator&, const Arguments&, const TensorType& result, const Tensor& destination);
  void written();

 private:
  const Tensor& destination_;
  Ref<GradNode> node_;
  bool changes_history_ = false;
};

// d(root . seed)/d(leaf) into leaf.grad of every leaf that requires grad. `seed` is empty for a scalar root (else Error{runtime}).
void backward(const Tensor& root, const Tensor& seed, bool retain_graph = false, bool create_graph = false);
// The same for chosen tensors, returned instead of accumulated; an empty Tensor where the root does not depend on it.
Tensors gradients(std::span<const Tensor> roots, std::span<const Tensor> seeds, std::span<const Tensor> inputs, bool retain_graph,
                  bool create_graph);

Tensor detach(const Tensor&);  // the same storage, off the tape

}  // namespace kiln::eager
