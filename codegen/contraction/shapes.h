// Shapes of contractions: validation, derived extents, text. Private to contraction/.
#pragma once

#include <string>

#include "codegen/contraction/contraction.h"

namespace kiln::codegen {

void validate(const ContractionKey&);                          // throws Error{value} or Error{type}, naming the shapes
std::array<int64_t, 2> output_extents(const ContractionKey&);  // height and width of y; the key is valid or being validated
bool is_convolution(ContractionKind);
bool is_empty(const ContractionKey&);  // some extent is 0, so that sums have no terms or there is nothing to compute
double flops(const ContractionKey&);
std::string print(const ContractionKey&);  // "conv2d float32 x[64, 32, 26, 26] w[64, 32, 3, 3]"

}  // namespace kiln::codegen
