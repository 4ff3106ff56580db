// x[...]: integers, slices (negative steps too), new axes and the ellipsis give a view; tensors of integers and masks give the elements at
// positions that are data. Both are made of operators, so that indexing is recorded and differentiated like everything else. What goes where is
// NumPy's rule. Front ends turn what their users write into a list of Index.
#pragma once

#include <optional>
#include <span>

#include "eager/dispatch.h"

namespace kiln::eager {

struct Index {
  enum class Kind : uint8_t { integer, slice, new_axis, ellipsis, tensor } kind = Kind::integer;
  int64_t at = 0;                      // integer: negative counts from the end
  std::optional<int64_t> start, stop;  // slice: as Python's, clipped to the extent; nothing: from or to the very end
  int64_t step = 1;
  Tensor tensor;  // of integers: positions along one dimension; of bools: a mask over as many dimensions as it has
};

// Both throw Error{index} for an integer out of bounds, too many indices or a mask that does not fit, Error{value} for a step of 0.
Tensor read_at(const Tensor& x, std::span<const Index>);  // a view unless there are tensors among the indices; always a tensor of its own
void write_at(const Tensor& x, std::span<const Index>, const Operand& source);

}  // namespace kiln::eager
