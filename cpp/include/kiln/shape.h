// Short lists of integers as operators take them: shapes, axes, strides.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <optional>
#include <string>
#include <type_traits>

namespace kiln {

namespace detail {
template <class T>
concept Integer = std::integral<T> && !std::same_as<T, bool> && !std::same_as<T, char>;

struct Extent {  // any integer type: an initializer list of mixed ones would be a narrowing error
  int64_t value;
  template <Integer T>
  Extent(T v) : value(static_cast<int64_t>(v)) {}  // NOLINT: implicit by design
};

// Anything that holds its 64-bit integers in a row: std::vector, std::span, std::array.
template <class C>
concept IntegerList = requires(const C& list) {
  { list.data() } -> std::convertible_to<const int64_t*>;
  { list.size() } -> std::convertible_to<size_t>;
};
}  // namespace detail

// Up to 8 integers, kept in place: {2, 3}, {}, or one integer alone. More are Error{value}.
class Shape {
 public:
  static constexpr int kMaxRank = 8;

  Shape() = default;
  Shape(std::initializer_list<detail::Extent> extents) {
    for (const detail::Extent& e : extents) push_back(e.value);
  }
  template <detail::Integer T>
  Shape(T extent) : Shape({detail::Extent(extent)}) {}  // NOLINT: implicit by design
  template <detail::IntegerList C>
  Shape(const C& list) {  // NOLINT
    for (size_t i = 0; i < list.size(); ++i) push_back(list.data()[i]);
  }

  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  int64_t operator[](int i) const { return values_[i]; }
  int64_t& operator[](int i) { return values_[i]; }
  const int64_t* data() const { return values_; }
  const int64_t* begin() const { return values_; }
  const int64_t* end() const { return values_ + size_; }
  void push_back(int64_t extent);
  int64_t numel() const;  // the product
  bool operator==(const Shape& other) const;

 private:
  int64_t values_[kMaxRank];
  uint8_t size_ = 0;
};
std::string to_string(const Shape&);  // "(2, 3)", "(4,)", "()"
std::ostream& operator<<(std::ostream&, const Shape&);

// The axes an operator works on: one, several, or (std::nullopt, {}, or left out) all of them. No axis at all is Axes(Shape()).
class Axes {
 public:
  Axes() = default;
  Axes(std::nullopt_t) {}  // NOLINT: implicit by design
  Axes(std::initializer_list<detail::Extent> axes) : list_(axes) {}
  Axes(const Shape& axes) : list_(axes) {}  // NOLINT
  template <detail::Integer T>
  Axes(T axis) : list_(Shape(axis)) {}                             // NOLINT
  const Shape* list() const { return list_ ? &*list_ : nullptr; }  // null: all

 private:
  std::optional<Shape> list_;
};

}  // namespace kiln
