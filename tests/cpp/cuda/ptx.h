// What a kernel's PTX may hold: arithmetic on floats rounds to nearest, keeps denormals and is not contracted.
#pragma once

#include <string>

#include "codegen/kernel.h"

namespace kiln::codegen::cuda::testing {

// Empty, or the first instruction that breaks a rule: one that does not round to nearest, is approximate, flushes denormals, or is an fma in
// a kernel whose IR holds none; or a missing fma.
std::string wrong_arithmetic(const std::string& ptx, const Kernel&);

}  // namespace kiln::codegen::cuda::testing
