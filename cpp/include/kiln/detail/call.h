// How <kiln/operators.h> calls the library: arguments in the order of the operator's parameters, tagged with what they are. Not for users.
#pragma once

#include <kiln/tensor.h>

#include <array>
#include <optional>
#include <string_view>
#include <vector>

namespace kiln::detail {

// An operator by name; what the library knows of it is found at its first call.
struct OperatorName {
  const char* name;
  const void* found = nullptr;
};

// One argument. Refers to the caller's value.
class Argument {
 public:
  enum class Kind : uint8_t { none, operand, tensors, boolean, number, dtype, integers, text };
  Argument(std::nullopt_t) {}                                                                    // NOLINT: implicit by design
  Argument(const Operand& v) : kind(Kind::operand), operand(&v) {}                               // NOLINT
  Argument(const std::vector<Tensor>& v) : kind(Kind::tensors), tensors(&v) {}                   // NOLINT
  Argument(bool v) : kind(Kind::boolean), boolean(v) {}                                          // NOLINT
  Argument(int64_t v) : kind(Kind::number), number(v) {}                                         // NOLINT
  Argument(Number v) : kind(Kind::number), number(v) {}                                          // NOLINT
  Argument(DType v) : kind(Kind::dtype), dtype(v) {}                                             // NOLINT
  Argument(const Shape& v) : kind(Kind::integers), integers(&v) {}                               // NOLINT
  Argument(const Axes& v) : kind(v.list() ? Kind::integers : Kind::none), integers(v.list()) {}  // NOLINT
  Argument(std::string_view v) : kind(Kind::text), text(v) {}                                    // NOLINT
  template <class T>
  Argument(const std::optional<T>& v) : Argument(v ? Argument(*v) : Argument(std::nullopt)) {}  // NOLINT

  Kind kind = Kind::none;
  union {
    const Operand* operand = nullptr;
    const std::vector<Tensor>* tensors;
    const Shape* integers;
    bool boolean;
    Number number;
    DType dtype;
    std::string_view text;
  };
};

// Fills results, one for each output of the operator. Throws what the operator throws, and Error{type} where this header and the library do
// not mean the same operator.
void run(OperatorName&, std::span<const Argument>, std::span<Tensor> results);

template <class... A>
Tensor call(OperatorName& op, const A&... arguments) {
  const Argument list[] = {Argument(arguments)...};
  Tensor result;
  run(op, list, {&result, 1});
  return result;
}

template <size_t outputs, class... A>
std::array<Tensor, outputs> call_all(OperatorName& op, const A&... arguments) {
  const Argument list[] = {Argument(arguments)...};
  std::array<Tensor, outputs> results;
  run(op, list, results);
  return results;
}

}  // namespace kiln::detail
