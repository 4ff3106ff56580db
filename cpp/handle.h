// Between the handles of C++ programs (kiln::Tensor) and the tensors of the rooms (eager::Tensor). Private to this room.
#pragma once

#include <kiln/tensor.h>

#include <source_location>

#include "eager/dispatch.h"

namespace kiln::detail {

struct Access {
  // Error{value} for a handle without a tensor.
  static eager::Tensor tensor(const Tensor& handle);
  static eager::TensorImpl& impl(const Tensor& handle);
  static eager::Tensor tensor_or_none(const Tensor& handle);
  // One that does not count as a reference (eager::Ref::borrowed), or none.
  static eager::Tensor borrowed(const Tensor& handle);
  static Tensor handle(eager::Tensor);  // without a tensor for an empty one
};

eager::Scalar scalar(const Number&);
eager::Operand operand(const Operand&);
eager::Operand borrowed(const Operand&);  // see Access::borrowed
eager::Dims dims(const Shape&);
Shape shape(const eager::Dims&);

// While it lives, what this thread runs early is put down to a line of the user's.
class AtLine {
 public:
  explicit AtLine(const std::source_location&);
  ~AtLine();
  AtLine(const AtLine&) = delete;

 private:
  const std::source_location* before_;
};

}  // namespace kiln::detail
