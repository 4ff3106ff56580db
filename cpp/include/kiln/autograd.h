// Reverse-mode differentiation: scopes without the tape, and gradients of functions. requires_grad_(), backward() and grad() are in tensor.h.
#pragma once

#include <kiln/tensor.h>

#include <tuple>
#include <utility>

namespace kiln {

// A scope in which operators of this thread are put on the tape, or are not: `const auto scope = kiln::no_grad();`.
class [[nodiscard]] GradMode {
 public:
  explicit GradMode(bool enabled);
  ~GradMode();
  GradMode(const GradMode&) = delete;

 private:
  bool before_;
};
inline GradMode no_grad() { return GradMode(false); }
inline GradMode enable_grad() { return GradMode(true); }
bool is_grad_enabled();

namespace detail {
// One call of a differentiated function.
class Differentiation {
 public:
  Differentiation();
  ~Differentiation();
  Differentiation(const Differentiation&) = delete;
  Tensor input(const Tensor&);  // as one that requires grad and is nobody else's; Error{type} unless it is floating
  std::vector<Tensor> input(const std::vector<Tensor>&);
  // The function's value, and the gradients for all inputs in order: zeros where it does not depend on one. Error{type} unless it is one
  // floating number.
  std::pair<Tensor, std::vector<Tensor>> gradients(const Tensor& value);

 private:
  void leave();
  std::vector<Tensor> inputs_;
  bool entered_ = true;
  bool again_;  // the result is differentiated once more, by a function around this one or by its caller
  bool before_;
};

template <size_t wanted, size_t i, class Given, class Replaced>
decltype(auto) chosen(Given&& given, Replaced& replaced) {
  if constexpr (i == wanted) return std::as_const(replaced);
  else return std::forward<Given>(given);
}
}  // namespace detail

// A function that gives {f(arguments...), its gradient}, with respect to the argument of that number: a Tensor, or a vector of them, whose
// gradient is a vector as well. f gives one floating number, a tensor of one element.
template <size_t argument = 0, class F>
auto value_and_grad(F f) {
  return [f = std::move(f)]<class... A>(A&&... arguments) {
    static_assert(argument < sizeof...(A), "the argument to differentiate for is one that the call has");
    using Input = std::remove_cvref_t<std::tuple_element_t<argument, std::tuple<A...>>>;
    detail::Differentiation differentiation;
    Input input = differentiation.input(std::get<argument>(std::forward_as_tuple(arguments...)));
    const Tensor value = [&]<size_t... i>(std::index_sequence<i...>) {
      return f(detail::chosen<argument, i>(std::forward<A>(arguments), input)...);
    }(std::index_sequence_for<A...>());
    auto [result, gradients] = differentiation.gradients(value);
    if constexpr (std::same_as<Input, Tensor>) return std::pair<Tensor, Tensor>(std::move(result), std::move(gradients[0]));
    else return std::pair<Tensor, std::vector<Tensor>>(std::move(result), std::move(gradients));
  };
}

// The gradient alone.
template <size_t argument = 0, class F>
auto grad(F f) {
  return
      [both = value_and_grad<argument>(std::move(f))]<class... A>(A&&... arguments) { return both(std::forward<A>(arguments)...).second; };
}

}  // namespace kiln
