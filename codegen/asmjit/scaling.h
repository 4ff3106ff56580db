// e 2^k as math::scaled() writes it, two products by powers of two that are put together from bits: one instruction of AVX-512.
#pragma once

#include "codegen/kernel.h"

namespace kiln::codegen::x64 {

struct Scaling {
  NodeId value = kNoNode, exponent = kNoNode;  // e, and k as a float that is a whole number
  explicit operator bool() const { return value != kNoNode; }
};

// What a node is, if VSCALEFPS (or PD) of the two gives its bits for every input.
//
// The instruction rounds e 2^k once (Intel SDM, VSCALEFPS). The two products round once, too, unless the first one is denormal and the
// second does not scale it down to nothing; and their factors are powers of two only for k in range. So e must be some f = fma(a, b, 1), which is
// zero or, as a b is a multiple of its last bit, at least 2^-2m for m bits of mantissa; k must come from a clamped number; and e must be a
// NaN where k is.
Scaling scaling(const Kernel&, const Node&);

}  // namespace kiln::codegen::x64
