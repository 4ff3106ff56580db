// Random programs of the AsmJit tier's machine operations, and two ways to run them symbolically: as written, and as allocated. Values are
// hashes of what they were computed from, so that equal traces mean that every instruction read what it should have.
#pragma once

#include <vector>

#include "codegen/asmjit/registers.h"

namespace kiln::codegen::testing {

// Sections in nested loops, more values alive than there are registers, accumulators over loops, literals; operations of every form that the
// allocator tells apart; sections of several copies, and others that run them again.
x64::Program random_program(uint64_t seed, Isa);

// What instructions without a result (stores) read, in order, each loop run twice; with so many copies of each section.
std::vector<uint64_t> trace(const x64::Program&, const std::vector<int>& copies);
std::vector<uint64_t> trace(const x64::Program&, const x64::Allocation&);

}  // namespace kiln::codegen::testing
