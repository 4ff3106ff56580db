// Where a NaN cannot come up, so that nothing need be done about it: stores and bitcasts make NaNs canonical.
#pragma once

#include <vector>

#include "codegen/kernel.h"

namespace kiln::codegen {

// By node: is its value no NaN, whatever the kernel reads? False where that is not known, and for nodes that are no floats.
std::vector<bool> never_nan(const Kernel&);

}  // namespace kiln::codegen
