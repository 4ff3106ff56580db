#include <kiln/autograd.h>

#include "cpp/handle.h"
#include "eager/tape.h"

namespace kiln {

using detail::Access;

GradMode::GradMode(bool enabled) : before_(eager::grad_enabled()) { eager::set_grad_enabled(enabled); }
GradMode::~GradMode() { eager::set_grad_enabled(before_); }
bool is_grad_enabled() { return eager::grad_enabled(); }

// ---- tensors ----------------------------------------------------------------------------------------------------------

bool Tensor::requires_grad() const { return Access::tensor(*this).requires_grad(); }
bool Tensor::is_leaf() const { return Access::tensor(*this).is_leaf(); }

const Tensor& Tensor::requires_grad_(bool on) const {
  eager::set_requires_grad(Access::tensor(*this), on);
  return *this;
}

void Tensor::backward(const Tensor& gradient, bool retain_graph, bool create_graph) const {
  eager::backward(Access::tensor(*this), Access::tensor_or_none(gradient), retain_graph || create_graph, create_graph);
}

Tensor Tensor::grad() const {
  const auto& state = Access::impl(*this).autograd;
  return Access::handle(state && state->grad ? *state->grad : eager::Tensor());
}

void Tensor::set_grad(const Tensor& gradient) const { eager::set_grad(Access::tensor(*this), Access::tensor_or_none(gradient)); }
Tensor Tensor::detach() const { return Access::handle(eager::detach(Access::tensor(*this))); }

// ---- functions --------------------------------------------------------------------------------------------------------

namespace detail {
namespace {
thread_local int depth = 0;  // differentiated functions that are running: an inner one's gradients are differentiated again
}

Differentiation::Differentiation() : again_(depth > 0), before_(eager::grad_enabled()) {
  eager::set_grad_enabled(true);
  ++depth;
}

Differentiation::~Differentiation() { leave(); }

void Differentiation::leave() {
  if (!entered_) return;
  entered_ = false;
  --depth;
  eager::set_grad_enabled(before_);
}

Tensor Differentiation::input(const Tensor& given) {
  static const eager::Op alias("view");
  const eager::Tensor x = Access::tensor(given);
  if (!is_inexact(x.dtype()))
    fail(ErrorCode::type,
         "gradients are with respect to floating and complex tensors, not " + to_string(eager::TensorType{x.dtype(), x.shape()}));
  again_ = again_ || x.requires_grad();
  eager::Tensor own = x.requires_grad() ? alias(x, x.shape()) : eager::detach(x);
  if (!x.requires_grad()) eager::set_requires_grad(own, true);
  return inputs_.emplace_back(Access::handle(own));
}

std::vector<Tensor> Differentiation::input(const std::vector<Tensor>& given) {
  std::vector<Tensor> all;
  for (const Tensor& x : given) all.push_back(input(x));
  return all;
}

std::pair<Tensor, std::vector<Tensor>> Differentiation::gradients(const Tensor& value) {
  leave();
  const eager::Tensor root = Access::tensor(value);
  if (root.numel() != 1 || !is_floating(root.dtype()))
    fail(ErrorCode::type, "a function to differentiate must give one floating number, a tensor of one element, not " +
                              to_string(eager::TensorType{root.dtype(), root.shape()}));
  eager::Tensors inputs;
  for (const Tensor& x : inputs_) inputs.push_back(Access::tensor(x));
  eager::Tensors found(inputs.size());
  if (const eager::Tensor no_seed; root.requires_grad()) found = eager::gradients({&root, 1}, {&no_seed, 1}, inputs, again_, again_);
  static const eager::Op zeros_like("zeros_like");
  std::vector<Tensor> all;
  for (size_t i = 0; i < inputs.size(); ++i) all.push_back(Access::handle(found[i] ? found[i] : zeros_like(inputs[i])));
  return {again_ ? value : value.detach(), std::move(all)};
}

}  // namespace detail
}  // namespace kiln
