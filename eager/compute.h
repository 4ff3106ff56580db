// Running operators now, one way of being computed per file (compute_*.cpp). Private to this room.
#pragma once

#include "eager/dispatch.h"
#include "eager/lowering.h"

namespace kiln::eager {

// Throws Error{type} for missing or surplus operands and attributes, and for numbers where an operator wants tensors.
void check_arguments(const Operator&, const Arguments&);

// Throws Error{type} where an operand is of a dtype that its parameter does not take.
void check_dtypes(const Operator&, const Arguments&);

// Throws what computing a contraction would throw for want of a library: a call that is put off fails where it is made, as eagerly.
void require_library(const Operator&, const Arguments&);

// In all of these an output that is already there (of the stated type, any strides) is written; an empty one is made.
void compute_pointwise(const Operator&, const Arguments&, std::span<const TensorType>, Tensor* outputs);
void compute_reduction(const Operator&, const Arguments&, std::span<const TensorType>, Tensor* outputs);
void compute_affine(const Operator&, const Arguments&, std::span<const TensorType>, Tensor* outputs);
void compute_contraction(const Operator&, const Arguments&, std::span<const TensorType>, Tensor* outputs);
void compute_routine(const Operator&, const Arguments&, std::span<const TensorType>, Tensor* outputs);

// The shortest way: a body over contiguous operands of one shape, and numbers, whose plan this thread has used before. Writes `output`, or
// makes it if it is empty (where it is there it is contiguous and of the result's type, else the answer is false). false: take the long way.
bool compute_flat(const Operator&, std::span<const Operand>, Tensor& output);

Tensor compute_view(const Operator&, const Arguments&);

// destination <- source, broadcast and cast. The bytes must not overlap, save exactly.
void copy_into(const Tensor& destination, const Operand& source);
const Operator& assignment();  // the operator that does it, for the tape: one operand, any result type

// t itself if it is contiguous and of that dtype, else a copy that is.
Tensor dense(const Tensor& t, DType);

inline const Tensor& make_output(Tensor& output, const TensorType& type) {
  if (!output) output = Tensor::empty(type.shape, type.dtype);
  return output;
}

}  // namespace kiln::eager
