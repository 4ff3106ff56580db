#include "cpp/handle.h"

namespace kiln::detail {

eager::TensorImpl& Access::impl(const Tensor& handle) {
  if (handle.impl_ == nullptr) fail(ErrorCode::value, "a kiln::Tensor that was made without a value holds no tensor");
  return *handle.impl_;
}

eager::Tensor Access::tensor(const Tensor& handle) { return eager::Tensor(eager::Ref<eager::TensorImpl>(&impl(handle))); }
eager::Tensor Access::tensor_or_none(const Tensor& handle) { return handle.defined() ? tensor(handle) : eager::Tensor(); }

eager::Tensor Access::borrowed(const Tensor& handle) {
  return handle.impl_ ? eager::Tensor(eager::Ref<eager::TensorImpl>::borrowed(handle.impl_)) : eager::Tensor();
}

Tensor Access::handle(eager::Tensor t) {
  Tensor made;
  made.impl_ = std::move(t).detach();
  return made;
}

eager::Scalar scalar(const Number& n) {
  switch (n.kind()) {
    case Number::Kind::boolean: return n.as_integer() != 0;
    case Number::Kind::integer: return n.as_integer();
    case Number::Kind::floating: break;
  }
  return n.as_double();
}

namespace {

eager::Operand number_or_none(const Operand& o) { return o.number() != nullptr ? eager::Operand(scalar(*o.number())) : eager::Operand(); }

}  // namespace

eager::Operand operand(const Operand& o) {
  return o.tensor() != nullptr ? eager::Operand(Access::tensor_or_none(*o.tensor())) : number_or_none(o);
}

eager::Operand borrowed(const Operand& o) { return o.tensor() != nullptr ? Access::borrowed(*o.tensor()) : number_or_none(o); }

eager::Dims dims(const Shape& s) { return {s.begin(), s.end()}; }

Shape shape(const eager::Dims& d) {
  Shape s;
  for (int64_t extent : d) s.push_back(extent);
  return s;
}

}  // namespace kiln::detail
