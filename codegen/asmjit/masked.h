// A step's code again, for the elements that are left: the same instructions, whose loads and stores go under a mask.
//
// Lowering the nodes anew and allocating registers anew would give as good code, at twice the time: where there is one step and its tail, they
// are most of a kernel.
#pragma once

#include "codegen/asmjit/machine.h"

namespace kiln::codegen::x64 {

// Can masked_copy() do it? AVX-512 only, and only for memory that a masked instruction takes as it is: contiguous elements of up to 4 bytes.
bool masks_as_it_is(const Program&, int section);

// Fills section `to`, which holds one instruction, the one that makes `mask`, with a copy of `from`, which defines no global.
void masked_copy(Program&, int from, int to, VReg mask);

}  // namespace kiln::codegen::x64
