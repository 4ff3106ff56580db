// Building the tape: nodes for calls, for writes, and for views whose storage was written.
#include "eager/tape.h"

#include "eager/compute.h"
#include "eager/promotion.h"

namespace kiln::eager {
namespace {

[[gnu::tls_model("initial-exec")]] constinit thread_local bool enabled = true;
std::atomic<uint64_t> next_sequence{1};

const Op copy_to{"copy_to"};

// The same elements under another handle, off the tape. Nodes hold these: the user's own handle may get a later history, and a node that
// held it would hold itself.
Tensor alias(const Tensor& t) { return Tensor::view(Ref<Storage>(&t.storage()), t.offset(), t.shape(), t.strides(), t.dtype()); }

void set_history(const Tensor& t, Ref<GradNode> node, int output) {
  AutogradState& state = t.autograd();
  state.node = std::move(node);
  state.output = output;
  state.version = t.storage().version();
}

// A node for a call whose result is not there yet. Operands that the gradient needs are saved; where `destination` shares their memory they
// are copied, for the call is about to overwrite them.
Ref<GradNode> make_node(const Operator& op, const Arguments& a, const Tensor* destination) {
  Ref<GradNode> node(new GradNode);
  const size_t count = a.operands.size();
  node->op = &op;
  node->attrs = a.attrs;
  node->operands.resize(count);
  node->versions.resize(count);
  node->input_types.resize(count);
  node->edges.resize(count);
  for (size_t i = 0; i < count; ++i) {
    const Operand& o = a.operands[i];
    if (!o.is_tensor()) {
      node->operands[i] = o;
      continue;
    }
    node->input_types[i] = {o.tensor.dtype(), o.tensor.shape()};
    if (is_inexact(o.tensor.dtype())) node->edges[i] = history(o.tensor);
    if (op.saves.inputs >> i & 1) {
      const bool overwritten = destination && &o.tensor.storage() == &destination->storage();
      const NoGrad no_grad;
      node->operands[i] = overwritten ? copy_to(o.tensor, o.tensor.dtype(), o.tensor.shape()) : alias(o.tensor);
      node->versions[i] = node->operands[i].tensor.storage().version();
    }
  }
  node->sequence = next_sequence.fetch_add(1, std::memory_order_relaxed);  // after those that history() may have made
  return node;
}

void add_output(GradNode& node, const TensorType& type, const Tensor& output) {
  const size_t i = node.output_types.size();
  const bool saved = node.op->saves.outputs >> i & 1;
  node.output_types.push_back(type);
  node.outputs.push_back(saved ? alias(output) : Tensor());
  node.output_versions.push_back(output.storage().version());
}

// ---- writes through views ---------------------------------------------------------------------------------------------

// A region of a tensor whose elements stand as a contiguous tensor's do: attributes offset, shape, strides.
Tensor region(const Tensor& base, const Attrs& attrs) {
  Tensor view = Tensor::view(Ref<Storage>(&base.storage()), base.offset() + std::get<int64_t>(attrs[0]), std::get<Dims>(attrs[1]),
                             std::get<Dims>(attrs[2]), base.dtype());
  if (grad_enabled()) view.impl()->base = Ref<TensorImpl>(base.impl());
  return view;
}

Attrs region_of(const Tensor& view, const Tensor& base) {
  if (!base.is_contiguous())
    fail(ErrorCode::runtime, "a write to a tensor that is not contiguous, or to a view of it, cannot be differentiated; work on a copy");
  return {view.offset() - base.offset(), view.shape(), view.strides()};
}

// A view read from its base anew. Gradient: the view's, in its place among zeros.
const Operator& read_region() {
  static const Operator op = [] {
    Operator o;
    o.name = "view";
    o.gradient = [](GradContext& c) {
      const TensorType& base = c.input_types[0];
      const Tensor whole = copy_to(0, base.dtype, base.shape);
      write(region(whole, c.arguments.attrs), c.grad());
      return Tensors{whole};
    };
    return o;
  }();
  return op;
}

// A base after a write to a region of it: operands base, value. Gradient: of the base, zero where it was overwritten; of the value, what stood there.
const Operator& update_region() {
  static const Operator op = [] {
    Operator o;
    o.name = "write to a view";
    o.gradient = [](GradContext& c) {
      const Tensor whole = copy_to(c.grad(), c.grad().dtype(), c.grad().shape());
      const Tensor part = region(whole, c.arguments.attrs);
      const Tensor value = c.needed[1] ? copy_to(part, part.dtype(), part.shape()) : Tensor();
      write(part, Scalar(0));
      return Tensors{whole, value};
    };
    return o;
  }();
  return op;
}

Ref<GradNode> region_node(const Operator& op, Attrs attrs, const TensorType& result, std::initializer_list<TensorType> inputs,
                          std::vector<GradNode::Edge> edges) {
  Ref<GradNode> node(new GradNode);
  node->op = &op;
  node->attrs = std::move(attrs);
  node->sequence = next_sequence.fetch_add(1, std::memory_order_relaxed);
  node->operands.resize(edges.size());
  node->versions.resize(edges.size());
  node->input_types = inputs;
  node->edges = std::move(edges);
  node->output_types = {result};
  node->outputs.resize(1);
  node->output_versions.resize(1);
  return node;
}

TensorType type_of(const Tensor& t) { return {t.dtype(), t.shape()}; }

// A view whose memory was written since its node was made (or which never had one) is read from its base anew.
void renew(const Tensor& view) {
  const Tensor base(view.impl()->base);
  if (!base.requires_grad()) return;
  const AutogradState* state = view.impl()->autograd.get();
  if (state && state->node && state->version == view.storage().version()) return;
  set_history(view, region_node(read_region(), region_of(view, base), type_of(view), {type_of(base)}, {history(base)}), 0);
}

}  // namespace

bool grad_enabled() { return enabled; }
void set_grad_enabled(bool on) { enabled = on; }

void set_requires_grad(const Tensor& t, bool wanted) {
  if (!t.is_leaf() && !wanted)
    fail(ErrorCode::runtime, "requires_grad can only be taken from a leaf, not from an operator's result: use x.detach()");
  if (wanted && !is_inexact(t.dtype()))
    fail(ErrorCode::runtime, "only floating and complex tensors can require grad, not " + std::string(name_of(t.dtype())));
  if (t.is_leaf() && (wanted || t.impl()->autograd)) t.autograd().requires_grad = wanted;
}

void set_grad(const Tensor& t, const Tensor& gradient) {
  if (!gradient) {
    if (t.impl()->autograd) t.autograd().grad.reset();
    return;
  }
  if (gradient.shape() != t.shape() || gradient.dtype() != t.dtype())
    fail(ErrorCode::value, "grad must be like its tensor, " + to_string(TensorType{t.dtype(), t.shape()}) + ", not " +
                               to_string(TensorType{gradient.dtype(), gradient.shape()}));
  t.autograd().grad = std::make_unique<Tensor>(gradient);
}

// Edges and saved tensors own earlier nodes; their destructors would nest as deep as the tape is long. So a node's edges are handed to a list
// that the outermost destructor of the thread works off.
GradNode::~GradNode() {
  thread_local std::vector<Ref<GradNode>>* unravelling = nullptr;
  if (unravelling) {
    for (Edge& e : edges)
      if (e.node) unravelling->push_back(std::move(e.node));
    return;
  }
  std::vector<Ref<GradNode>> list;
  unravelling = &list;
  for (Edge& e : edges)
    if (e.node) list.push_back(std::move(e.node));
  while (!list.empty()) {
    const Ref<GradNode> last = std::move(list.back());
    list.pop_back();
  }
  unravelling = nullptr;
}

GradNode::Edge history(const Tensor& t) {
  if (t.impl()->base) renew(t);
  const AutogradState* state = t.impl()->autograd.get();
  if (!state) return {};
  if (state->node) return {state->node, state->output, {}};
  if (state->requires_grad) return {nullptr, 0, t};
  return {};
}

void attach(const Operator& op, const Arguments& a, std::span<Tensor> outputs) {
  const Ref<GradNode> node = make_node(op, a, nullptr);
  int i = 0;
  for (const Tensor& output : outputs) {
    add_output(*node, type_of(output), output);
    if (is_inexact(output.dtype())) set_history(output, node, i);
    ++i;
  }
}

Tensors attach(Ref<HostFunction> rule, std::span<const Tensor> inputs, std::span<const Tensor> outputs) {
  static const Operator op = [] {
    Operator o;
    o.name = "custom_vjp";
    return o;
  }();
  static const Attrs none;
  Tensors made;
  for (const Tensor& output : outputs) made.push_back(alias(output));
  const std::vector<Operand> operands(inputs.begin(), inputs.end());
  const bool wanted = std::any_of(inputs.begin(), inputs.end(), [](const Tensor& t) { return t.requires_grad(); });
  if (!grad_enabled() || !wanted) return made;
  const Ref<GradNode> node = make_node(op, {operands, none}, nullptr);
  node->rule = std::move(rule);
  int i = 0;
  for (const Tensor& output : made) {
    add_output(*node, type_of(output), output);
    if (is_inexact(output.dtype())) set_history(output, node, i);
    ++i;
  }
  return made;
}

void add_hook(const Tensor& t, Ref<HostFunction> hook) {
  if (!t.requires_grad())
    fail(ErrorCode::runtime, "a hook can only be registered on a tensor that requires grad: this one has no gradient");
  const GradNode::Edge edge = history(t);
  if (edge.node) {
    edge.node->hooks.push_back({edge.output, std::move(hook)});
  } else {
    std::vector<Ref<HostFunction>>& hooks = t.autograd().hooks;
    std::erase_if(hooks, [](const Ref<HostFunction>& h) { return !h->active(); });
    hooks.push_back(std::move(hook));
  }
}

bool has_hooks(const Tensor& t) {
  const AutogradState* state = t.impl()->autograd.get();
  return state && std::any_of(state->hooks.begin(), state->hooks.end(), [](const Ref<HostFunction>& h) { return h->active(); });
}

InPlace::InPlace(const Operator& op, const Arguments& a, const TensorType& result, const Tensor& destination) : destination_(destination) {
  if (!grad_enabled() || !is_inexact(destination.dtype())) return;
  bool differentiates = false;
  for (const Operand& o : a.operands) differentiates |= o.is_tensor() && o.tensor.requires_grad() && is_inexact(o.tensor.dtype());
  changes_history_ = differentiates || destination.requires_grad();
  if (!changes_history_) return;
  if (destination.impl()->base) region_of(destination, Tensor(destination.impl()->base));  // refuses before anything is written
  if (!differentiates || !op.gradient) return;
  node_ = make_node(op, a, &destination);
  node_->output_types = {result};
}

void InPlace::written() {
  if (!changes_history_) return;
  if (node_) {
    const TensorType result = node_->output_types[0];
    node_->output_types.clear();
    add_output(*node_, result, destination_);
  }
  if (!destination_.impl()->base) return set_history(destination_, node_, 0);
  const Tensor base(destination_.impl()->base);
  // The base as it was before the write: its node, if it had one, is still its history.
  GradNode::Edge before;
  if (const AutogradState* state = base.impl()->autograd.get()) before = {state->node, state->output, {}};
  set_history(base,
              region_node(update_region(), region_of(destination_, base), type_of(base), {type_of(base), type_of(destination_)},
                          {std::move(before), {node_, 0, {}}}),
              0);
  renew(destination_);
}

Tensor detach(const Tensor& t) { return alias(t); }

}  // namespace kiln::eager
