// Several steps of a loop side by side, instruction by instruction.
//
// Steps are independent, and a processor that executes out of order overlaps them by itself, but only as far as its schedulers reach: they fill
// up with instructions that wait for the one before them. A body that is one long chain (a polynomial, a division) then leaves the units idle.
// With the chains of several steps interleaved, neighbouring instructions are independent (a GELU on Zen 4: 0.86 of the time, and 0.75 with
// AVX2).
#pragma once

#include "codegen/asmjit/machine.h"

namespace kiln::codegen::x64 {

// How many copies of so many instructions are worth encoding, 1 at least.
int most_copies(size_t instructions);

// How many copies of a section's code go side by side without spilling, 1 at least.
int copies_that_fit(const Program&, int section);

// From instruction `from` on the section is that many copies of one step, one after the other; afterwards they are side by side. Code that is
// not made of equal copies stays as it is.
void interleave(Section&, int copies, size_t from = 0);

// The code from instruction `from` to `middle` and that from there on, neither of which needs anything of the other, are mixed so that both
// advance evenly.
void riffle(Section&, size_t from, size_t middle);

}  // namespace kiln::codegen::x64
