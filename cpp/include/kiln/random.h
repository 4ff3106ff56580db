// The random generator. A draw depends on the seed and on how many operators drew before, never on threads or on how kernels were fused, so
// that a jitted function draws what the plain one does, and C++ what Python does.
#pragma once

#include <cstdint>

namespace kiln {

void manual_seed(int64_t seed);

}  // namespace kiln
