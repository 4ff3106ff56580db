// Calls of library routines without what eager mode does around them.
#pragma once

#include <span>

#include "eager/operator.h"

namespace kiln::eager {

// Is the operator a routine, and do these operands lie as it takes them (dense, of the dtypes that it computes in)? Then op.routine() can be called
// on them, and on dense results, over and over.
bool is_ready(const Operator&, const Arguments&, std::span<const TensorType>);

}  // namespace kiln::eager
