#include "eager/tensor.h"

#include "eager/recycle.h"
#include "eager/tape.h"

namespace kiln::eager {

AutogradState::AutogradState() = default;
AutogradState::~AutogradState() = default;
TensorImpl::TensorImpl() = default;
TensorImpl::~TensorImpl() = default;
void* TensorImpl::operator new(size_t) { return recycled_new<TensorImpl>(); }
void TensorImpl::operator delete(void* p) noexcept { recycle<TensorImpl>(p); }

namespace {

Tensor made(Ref<Storage> storage, const Dims& shape, const Dims& strides, DType dtype) {
  auto impl = Ref<TensorImpl>::alone(new TensorImpl);
  impl->storage = std::move(storage);
  impl->shape = shape;
  impl->strides = strides;
  impl->dtype = dtype;
  return Tensor(std::move(impl));
}

// Bytes of a dense tensor; Error{value} for a negative extent, Error{memory} where the count itself overflows.
size_t bytes_of(const Dims& shape, DType dtype) {
  int64_t bytes = size_of(dtype);
  bool too_large = false, none = false;
  for (int64_t extent : shape) {
    if (extent < 0) fail(ErrorCode::value, "negative dimensions are not allowed: " + to_string(shape));
    none |= extent == 0;
    too_large |= __builtin_mul_overflow(bytes, extent, &bytes);
  }
  if (none) return 0;
  if (too_large) fail(ErrorCode::memory, "a tensor of shape " + to_string(shape) + " is too large");
  return static_cast<size_t>(bytes);
}

}  // namespace

Tensor Tensor::empty(const Dims& shape, DType dtype) {
  return made(Storage::allocate(bytes_of(shape, dtype)), shape, contiguous_strides(shape), dtype);
}

Tensor Tensor::pending(const Dims& shape, DType dtype) { return pending(shape, contiguous_strides(shape), dtype); }
Tensor Tensor::pending(const Dims& shape, const Dims& strides, DType dtype) {
  return made(Ref<Storage>::alone(new Storage(bytes_of(shape, dtype))), shape, strides, dtype);
}

Tensor Tensor::view(Ref<Storage> storage, int64_t offset, const Dims& shape, const Dims& strides, DType dtype) {
  Tensor view = made(std::move(storage), shape, strides, dtype);
  view.impl_->offset = offset;
  return view;
}

bool Tensor::is_contiguous() const {
  int64_t step = 1;
  bool dense = true;
  for (int d = rank(); d-- > 0;) {
    const int64_t extent = shape()[d];
    if (extent == 0) return true;
    if (extent != 1 && strides()[d] != step) dense = false;
    (void)__builtin_mul_overflow(step, extent, &step);  // as contiguous_strides() does
  }
  return dense;
}

std::string to_string(const TensorType& type) { return std::string(name_of(type.dtype)) + to_string(type.shape); }

}  // namespace kiln::eager
