// Contractions as plain loops: the meaning of every kind for every dtype, the tests' oracle, and what runs for all but f32.
//
// Each element of the result is one sum in a stated order, started from 0, with the bias added last:
//   matmul          over k
//   conv2d          over input channel, kernel row, kernel column
//   conv2d_data     over output channel, kernel row, kernel column
//   conv2d_weights  over image, output row, output column (dbias likewise)
// Floats use one fused multiply-add a term; integers wrap.
#pragma once

#include <span>

#include "codegen/contraction/contraction.h"

namespace kiln::codegen {

// Operands as ContractionPlan::run takes them, all plain. The key is valid (validate()); extents may be zero.
void reference_contraction(const ContractionKey&, std::span<const void* const> inputs, std::span<void* const> outputs);

}  // namespace kiln::codegen
