// Handles, tensors from memory, parts of tensors, writing in place.
#include <kiln/tensor.h>

#include <cstring>

#include "cpp/handle.h"
#include "eager/indexing.h"

namespace kiln {

using detail::Access;

namespace {

// Memory that the caller gave, with what keeps it.
class Adopted final : public eager::ForeignMemory {
 public:
  Adopted(bool visible, std::unique_ptr<detail::Keeper> keeper) : visible_(visible), keeper_(std::move(keeper)) {}
  bool visible_outside() const override { return visible_; }

 private:
  const bool visible_;
  const std::unique_ptr<detail::Keeper> keeper_;
};

eager::Dims checked_extents(const Shape& shape) {
  bool some = true;
  int64_t bytes = 8;  // of the widest element
  bool too_many = false;
  for (int64_t extent : shape) {
    if (extent < 0) fail(ErrorCode::value, "a shape has no negative extents, this is " + to_string(shape));
    some = some && extent > 0;
    too_many = __builtin_mul_overflow(bytes, extent, &bytes) || too_many;
  }
  if (some && too_many) fail(ErrorCode::value, "a tensor of shape " + to_string(shape) + " has too many elements");
  return detail::dims(shape);
}

std::vector<eager::Index> indices(std::span<const Index> given) {
  std::vector<eager::Index> list;
  for (const Index& i : given) switch (i.kind) {
      case Index::Kind::integer: list.push_back({.at = i.at}); break;
      case Index::Kind::slice:
        list.push_back({.kind = eager::Index::Kind::slice, .start = i.slice.start, .stop = i.slice.stop, .step = i.slice.step});
        break;
      case Index::Kind::new_axis: list.push_back({.kind = eager::Index::Kind::new_axis}); break;
      case Index::Kind::ellipsis: list.push_back({.kind = eager::Index::Kind::ellipsis}); break;
    }
  return list;
}

void in_place(const char* name, const Tensor& x, const Operand& y) {
  const eager::Operand operands[] = {Access::tensor(x), detail::operand(y)};
  eager::call_in_place(*eager::find_operator(name), operands, {}, operands[0].tensor);
}

}  // namespace

Tensor::Tensor(const Tensor& other) noexcept : impl_(other.impl_) {
  if (impl_ != nullptr) impl_->retain();
}
Tensor::~Tensor() {
  if (impl_ != nullptr && impl_->release()) delete impl_;
}

// ---- from memory ------------------------------------------------------------------------------------------------------

void Tensor::check_count(size_t count, const Shape& shape) {
  checked_extents(shape);
  if (static_cast<size_t>(shape.numel()) != count)
    fail(ErrorCode::value, std::to_string(count) + " values do not make a tensor of shape " + to_string(shape));
}

Tensor Tensor::copied(const void* values, DType dtype, size_t count, const Shape& shape) {
  check_count(count, shape);
  const eager::Tensor made = eager::Tensor::empty(detail::dims(shape), dtype);
  if (count > 0) std::memcpy(made.data(), values, count * size_of(dtype));
  return Access::handle(made);
}

Tensor Tensor::adopted(const void* data, DType dtype, const Shape& shape, bool writable, bool visible,
                       std::unique_ptr<detail::Keeper> keeper) {
  const eager::Dims extents = checked_extents(shape);
  const int64_t count = eager::product(extents);
  if (count == 0) return Access::handle(eager::Tensor::empty(extents, dtype));
  if (data == nullptr) fail(ErrorCode::value, "from_blob: no memory was given for a tensor of shape " + to_string(shape));
  if (reinterpret_cast<uintptr_t>(data) % size_of(dtype) != 0)
    fail(ErrorCode::value, "from_blob: the memory is not aligned for " + std::string(name_of(dtype)));
  auto storage = eager::Storage::adopt(const_cast<void*>(data), count * size_of(dtype), writable,
                                       std::make_unique<Adopted>(visible, std::move(keeper)));
  return Access::handle(eager::Tensor::view(std::move(storage), 0, extents, eager::contiguous_strides(extents), dtype));
}

Tensor asarray(const Operand& value, std::optional<DType> dtype) {
  static const eager::Op full("full"), astype("astype");
  const eager::Operand given = detail::operand(value);
  if (!given.present) fail(ErrorCode::value, "asarray: a kiln::Tensor that was made without a value holds no tensor");
  if (!given.is_tensor()) return Access::handle(full(eager::Dims(), given, dtype ? eager::Attr(*dtype) : eager::Attr()));
  if (!dtype || *dtype == given.tensor.dtype()) return *value.tensor();
  return Access::handle(astype(given.tensor, *dtype));
}

// ---- what is known of a tensor ----------------------------------------------------------------------------------------

Shape Tensor::shape() const { return detail::shape(Access::impl(*this).shape); }
Shape Tensor::strides() const { return detail::shape(Access::impl(*this).strides); }
DType Tensor::dtype() const { return Access::impl(*this).dtype; }
int64_t Tensor::numel() const { return eager::product(Access::impl(*this).shape); }
bool Tensor::is_contiguous() const { return Access::tensor(*this).is_contiguous(); }

int64_t Tensor::size(int64_t axis) const {
  const eager::Dims& shape = Access::impl(*this).shape;
  return shape[eager::normalize_axis(axis, shape.size())];
}

// ---- parts, and writing in place --------------------------------------------------------------------------------------

Tensor Tensor::at(std::span<const Index> given) const { return Access::handle(eager::read_at(Access::tensor(*this), indices(given))); }

void Tensor::assign(const Operand& value) const {
  const eager::Operand source = detail::operand(value);
  if (!source.present) fail(ErrorCode::value, "assign: a kiln::Tensor that was made without a value holds no tensor");
  eager::write(Access::tensor(*this), source);
}

Tensor& Tensor::operator+=(const Operand& y) { return in_place("add", *this, y), *this; }
Tensor& Tensor::operator-=(const Operand& y) { return in_place("subtract", *this, y), *this; }
Tensor& Tensor::operator*=(const Operand& y) { return in_place("multiply", *this, y), *this; }
Tensor& Tensor::operator/=(const Operand& y) { return in_place("divide", *this, y), *this; }

}  // namespace kiln
