// What a kernel's PTX may hold: arithmetic on floats rounds to nearest, keeps denormals and is not contracted.
#pragma once

#include <string>
#include <vector>

#include "codegen/cuda/forms.h"
#include "codegen/kernel.h"

namespace kiln::codegen::cuda::testing {

// Empty, or the first instruction that breaks a rule: one that does not round to nearest, is approximate, flushes denormals, or is an fma in
// a kernel whose IR holds none; or a missing fma.
std::string wrong_arithmetic(const std::string& ptx, const Kernel&);

// Compiles the kernels for one architecture, several as one program, since starting NVRTC's costs as much as a kernel: those whose IR holds
// an fma and those whose IR holds none apart, so that the rule for fma stays exact. Empty, or the first kernel that is refused, gives no
// CUBIN or breaks a rule of wrong_arithmetic(), what is wrong, and its source. `forms`: as Options has it. Thread-safe.
std::string wrong_programs(const std::vector<Kernel>&, int architecture, Forms = form_of);

}  // namespace kiln::codegen::cuda::testing
