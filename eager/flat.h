// Flat calls: a body without attributes over numbers and contiguous tensors of one shape. What such a call gives has that shape too, and a
// dtype that one word decides, so that a call seen before needs no inference. Private to this room.
#pragma once

#include "eager/operator.h"

namespace kiln::eager {

struct FlatCall {
  uint64_t key = 0;  // all that decides the result's dtype and the kernel; 0: not a flat call
  const Tensor* first = nullptr;
  explicit operator bool() const { return key != 0; }
  uint64_t hash() const { return key * 0x9e3779b97f4a7c15u; }
};
inline constexpr size_t kFlatOperands = 4;  // no more

FlatCall flat_call(const Operator&, std::span<const Operand>);  // a call without attributes

// Does the key decide the dtype of this operator's result, and nothing but the operands' types whether it throws?
bool can_be_flat(const Operator&);

// The same shape, and the same strides wherever they matter.
bool same_layout(const Tensor& a, const Tensor& b);

// What this thread knows of the result's dtype.
std::optional<DType> flat_dtype(const FlatCall&);
void keep_flat_dtype(const FlatCall&, DType);

}  // namespace kiln::eager
