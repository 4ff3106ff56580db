// What a tensor parameter of an operator takes: a tensor or a number. The types of arguments, never of variables.
#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

namespace kiln {

class Tensor;

namespace detail {
template <class T>
concept Arithmetic = std::is_arithmetic_v<T> && !std::same_as<T, char> && !std::same_as<T, wchar_t> && !std::same_as<T, char8_t> &&
                     !std::same_as<T, char16_t> && !std::same_as<T, char32_t> && sizeof(T) <= 8;
int64_t checked(uint64_t v);  // throws Error{value} beyond int64
}  // namespace detail

// A number: it has a kind but no width, so that, as in Python, 0.5 never makes a float32 tensor a float64 one.
class Number {
 public:
  enum class Kind : uint8_t { boolean, integer, floating };
  template <detail::Arithmetic T>
  Number(T v) {  // NOLINT: implicit by design
    if constexpr (std::floating_point<T>) {
      kind_ = Kind::floating;
      f_ = v;
    } else {
      kind_ = std::same_as<T, bool> ? Kind::boolean : Kind::integer;
      if constexpr (std::unsigned_integral<T> && sizeof(T) == 8) i_ = detail::checked(v);
      else i_ = v;
    }
  }
  Kind kind() const { return kind_; }
  double as_double() const { return kind_ == Kind::floating ? f_ : static_cast<double>(i_); }
  int64_t as_integer() const { return i_; }  // of booleans and integers

 private:
  Kind kind_;
  union {
    double f_;
    int64_t i_;
  };
};

// Refers to the caller's tensor, so it lives no longer than the call. Empty, or of an empty tensor: an optional parameter left out.
class Operand {
 public:
  Operand() : number_(false) {}
  Operand(const Tensor& tensor) : tensor_(&tensor), present_(true), number_(false) {}  // NOLINT: implicit by design
  Operand(Number number) : present_(true), number_(number) {}                          // NOLINT
  template <detail::Arithmetic T>
  Operand(T number) : Operand(Number(number)) {}  // NOLINT
  const Tensor* tensor() const { return tensor_; }
  const Number* number() const { return present_ && !tensor_ ? &number_ : nullptr; }

 private:
  const Tensor* tensor_ = nullptr;
  bool present_ = false;
  Number number_;
};

}  // namespace kiln
