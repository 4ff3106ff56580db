// Tensors: typed arrays of up to 8 dimensions, with Python's semantics. A Tensor is a handle, one pointer wide: copying it shares the tensor,
// and a const handle may still write elements.
#pragma once

#include <kiln/dtype.h>
#include <kiln/operand.h>
#include <kiln/shape.h>

#include <complex>
#include <concepts>
#include <initializer_list>
#include <iosfwd>
#include <limits>
#include <memory>
#include <optional>
#include <source_location>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace kiln {

namespace eager {
class TensorImpl;
}

// Each of Kiln's dtypes as a type of C++'s.
template <class T>
concept Element = detail::Arithmetic<T> || std::same_as<T, std::complex<float>> || std::same_as<T, std::complex<double>>;
template <Element T>
constexpr DType dtype_of() {
  if constexpr (std::same_as<T, bool>) return DType::Bool;
  else if constexpr (std::same_as<T, float>) return DType::F32;
  else if constexpr (std::same_as<T, double>) return DType::F64;
  else if constexpr (std::same_as<T, std::complex<float>>) return DType::C64;
  else if constexpr (std::same_as<T, std::complex<double>>) return DType::C128;
  else return integer_of(sizeof(T), std::signed_integral<T>);
}

// start:stop:step of Python; an end left out reaches to the very end.
struct Slice {
  std::optional<int64_t> start = std::nullopt, stop = std::nullopt;
  int64_t step = 1;
};
struct NewAxis {};
struct Ellipsis {};
inline constexpr NewAxis newaxis{};
inline constexpr Ellipsis ellipsis{};

// One entry of an index expression: an integer, a Slice, newaxis or ellipsis.
class Index {
 public:
  enum class Kind : uint8_t { integer, slice, new_axis, ellipsis };
  template <detail::Integer T>
  Index(T at) : kind(Kind::integer), at(static_cast<int64_t>(at)) {}  // NOLINT: implicit by design
  Index(const Slice& s) : kind(Kind::slice), slice(s) {}              // NOLINT
  Index(NewAxis) : kind(Kind::new_axis) {}                            // NOLINT
  Index(Ellipsis) : kind(Kind::ellipsis) {}                           // NOLINT
  Kind kind;
  int64_t at = 0;
  Slice slice;
};

namespace detail {
struct Access;  // how the library reaches into a handle

template <class T>
concept Kept = Element<T> && !std::same_as<T, bool>;  // what a std::vector keeps as it is

template <class T>
concept Memory = Element<std::remove_const_t<T>>;

// Memory of the caller's, kept until the last tensor over it is gone.
class Keeper {
 public:
  virtual ~Keeper() = default;
};
}  // namespace detail

class Tensor {
 public:
  Tensor() noexcept = default;  // no tensor: defined() is false
  // Copies of the elements, of their own dtype: Tensor{1.0f, 2.0f}, Tensor({1, 2, 3, 4}, {2, 2}), Tensor(vector, {2, n}).
  // Error{value} where the shape wants another number of them.
  template <Element T>
  Tensor(std::initializer_list<T> values) : Tensor(copied(values.begin(), dtype_of<T>(), values.size(), Shape(values.size()))) {}
  template <Element T>
  Tensor(std::initializer_list<T> values, const Shape& shape) : Tensor(copied(values.begin(), dtype_of<T>(), values.size(), shape)) {}
  template <Element T>
  explicit Tensor(std::span<const T> values) : Tensor(values, Shape(values.size())) {}
  template <Element T>
  Tensor(std::span<const T> values, const Shape& shape) : Tensor(copied(values.data(), dtype_of<T>(), values.size(), shape)) {}
  template <detail::Kept T>
  explicit Tensor(const std::vector<T>& values) : Tensor(std::span<const T>(values)) {}
  template <detail::Kept T>
  Tensor(const std::vector<T>& values, const Shape& shape) : Tensor(std::span<const T>(values), shape) {}
  // Takes the vector's memory, without a copy.
  template <detail::Kept T>
  explicit Tensor(std::vector<T>&& values) : Tensor(std::move(values), Shape(values.size())) {}
  template <detail::Kept T>
  Tensor(std::vector<T>&& values, const Shape& shape);

  Tensor(const Tensor& other) noexcept;
  Tensor(Tensor&& other) noexcept : impl_(other.impl_) { other.impl_ = nullptr; }
  Tensor& operator=(Tensor other) noexcept {
    std::swap(impl_, other.impl_);
    return *this;
  }
  ~Tensor();

  bool defined() const noexcept { return impl_ != nullptr; }
  bool same_as(const Tensor& other) const noexcept { return impl_ == other.impl_; }  // one and the same tensor, not equal elements
  Shape shape() const;
  Shape strides() const;  // in elements; may be zero or negative
  DType dtype() const;
  int ndim() const { return shape().size(); }
  int64_t size(int64_t axis) const;  // the extent of one axis; negative counts from the end
  int64_t numel() const;
  bool is_contiguous() const;  // one block in row-major order?

  // ---- values. Inside a jitted function these run what is pending; explain() names the line. --------------------------------

  // The one element. A floating one needs a floating T, an integer one a T that holds it; else Error{type} or Error{value}.
  template <detail::Arithmetic T>
  T item(std::source_location where = std::source_location::current()) const;
  // All elements in row-major order. T must be the dtype's own: Error{type}.
  template <Element T>
  std::vector<T> to_vector(std::source_location where = std::source_location::current()) const;
  // The first element; the others follow by strides(). Error{type} for another dtype than T's. Valid while a tensor over the memory lives;
  // what operators write later may be pending until data() is asked for again.
  template <Element T>
  const T* data(std::source_location where = std::source_location::current()) const {
    return static_cast<const T*>(bytes(dtype_of<T>(), where));
  }
  // The same, to write; counts as one write in place, which the tape then refuses to differentiate across.
  template <Element T>
  T* mutable_data(std::source_location where = std::source_location::current()) const {
    return static_cast<T*>(bytes_to_write(dtype_of<T>(), where));
  }

  // ---- parts, and writing in place -----------------------------------------------------------------------------------------

  // Views, as Python's: x[0], x[Slice{1, 3}], x[{ellipsis, 0, Slice{.step = -1}}]. Error{index} out of bounds.
  Tensor operator[](const Index& index) const { return at({&index, 1}); }
  Tensor operator[](std::initializer_list<Index> indices) const { return at({indices.begin(), indices.size()}); }
  // Python's x[...] = value: the elements of this tensor, or of what it is a view of, are written; value is broadcast and cast.
  // Error{type} where a cast would leave the dtype's kind, Error{runtime} for a leaf that requires grad outside of no_grad().
  void assign(const Operand& value) const;
  Tensor& operator+=(const Operand& y);
  Tensor& operator-=(const Operand& y);
  Tensor& operator*=(const Operand& y);
  Tensor& operator/=(const Operand& y);

  // ---- differentiation (autograd.h has the rest) ---------------------------------------------------------------------------

  bool requires_grad() const;
  bool is_leaf() const;                                // made by the user rather than by a differentiated operator?
  const Tensor& requires_grad_(bool on = true) const;  // gives the tensor back
  // Adds d(self . gradient)/d(leaf) to the grad of every leaf that requires grad. Without a gradient the tensor must have one element.
  void backward(const Tensor& gradient = {}, bool retain_graph = false, bool create_graph = false) const;
  Tensor grad() const;  // what backward() has accumulated; undefined if nothing
  void set_grad(const Tensor& gradient = {}) const;
  Tensor detach() const;  // the same memory, off the tape

 private:
  friend struct detail::Access;
  template <detail::Memory T>
  friend Tensor from_blob(T*, const Shape&);
  template <detail::Memory T, class Deleter>
  friend Tensor from_blob(T*, const Shape&, Deleter);

  static Tensor copied(const void* values, DType, size_t count, const Shape&);
  // Over memory of the caller's. `visible`: may code outside of Kiln read or write it meanwhile?
  static Tensor adopted(const void* data, DType, const Shape&, bool writable, bool visible, std::unique_ptr<detail::Keeper>);
  static void check_count(size_t count, const Shape&);
  Number element(const std::source_location&) const;
  void copy_to(void* values, DType, const std::source_location&) const;
  const void* bytes(DType, const std::source_location&) const;
  void* bytes_to_write(DType, const std::source_location&) const;
  Tensor at(std::span<const Index>) const;

  eager::TensorImpl* impl_ = nullptr;
};

std::string to_string(const Tensor&);  // "tensor([[1., 2.], [3., 4.]], dtype=float32)"; long ones are shortened
std::ostream& operator<<(std::ostream&, const Tensor&);

// A tensor over the caller's memory, row-major, without a copy. `deleter(data)` is called when the last tensor over it is gone, also where
// from_blob itself throws; without one the memory must outlive them all. A pointer to const gives a read-only tensor. Since the memory may
// be looked at from outside at any time, a jitted function copies what it reads of it: where that matters, give the memory away (a vector
// that is moved) or copy it.
template <detail::Memory T>
Tensor from_blob(T* data, const Shape& shape) {
  return Tensor::adopted(data, dtype_of<std::remove_const_t<T>>(), shape, !std::is_const_v<T>, true, nullptr);
}
template <detail::Memory T, class Deleter>
Tensor from_blob(T* data, const Shape& shape, Deleter deleter);

// A number as a 0-d tensor, or a tensor in another dtype (itself where it has it). dtype nothing: the number's own, as in Python.
Tensor asarray(const Operand& value, std::optional<DType> dtype = std::nullopt);

// ---- templates -----------------------------------------------------------------------------------------------------------

namespace detail {
// Throws Error{type} where the number is of a richer kind than asked for, Error{value} where it is out of range.
int64_t integer_item(const Number&, int64_t least, int64_t most);
bool boolean_item(const Number&);

template <class T>
class KeptVector final : public Keeper {
 public:
  explicit KeptVector(std::vector<T>&& values) : values(std::move(values)) {}
  std::vector<T> values;
};

template <class T, class Deleter>
class KeptBlob final : public Keeper {
 public:
  KeptBlob(T* data, Deleter&& deleter) : data_(data), deleter_(std::move(deleter)) {}
  ~KeptBlob() override { deleter_(data_); }

 private:
  T* data_;
  Deleter deleter_;
};
}  // namespace detail

template <detail::Kept T>
Tensor::Tensor(std::vector<T>&& values, const Shape& shape) {
  check_count(values.size(), shape);
  auto kept = std::make_unique<detail::KeptVector<T>>(std::move(values));
  T* data = kept->values.data();
  *this = adopted(data, dtype_of<T>(), shape, true, false, std::move(kept));
}

template <detail::Memory T, class Deleter>
Tensor from_blob(T* data, const Shape& shape, Deleter deleter) {
  auto kept = std::make_unique<detail::KeptBlob<T, Deleter>>(data, std::move(deleter));
  return Tensor::adopted(data, dtype_of<std::remove_const_t<T>>(), shape, !std::is_const_v<T>, true, std::move(kept));
}

template <detail::Arithmetic T>
T Tensor::item(std::source_location where) const {
  const Number value = element(where);
  if constexpr (std::floating_point<T>) return static_cast<T>(value.as_double());
  else if constexpr (std::same_as<T, bool>) return detail::boolean_item(value);
  else if constexpr (std::unsigned_integral<T> && sizeof(T) == 8) return static_cast<T>(detail::integer_item(value, 0, INT64_MAX));
  else return static_cast<T>(detail::integer_item(value, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
}

template <Element T>
std::vector<T> Tensor::to_vector(std::source_location where) const {
  const auto count = static_cast<size_t>(numel());
  if constexpr (std::same_as<T, bool>) {  // of which a vector has bits
    const auto values = std::make_unique<bool[]>(count);
    copy_to(values.get(), DType::Bool, where);
    return std::vector<bool>(values.get(), values.get() + count);
  } else {
    std::vector<T> values(count);
    copy_to(values.data(), dtype_of<T>(), where);
    return values;
  }
}

}  // namespace kiln
