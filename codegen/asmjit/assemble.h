// The steps from a kernel to encoded instructions, one after the other.
#pragma once

#include <memory>
#include <optional>

#include "codegen/asmjit/shape.h"
#include "codegen/backend.h"

namespace kiln::codegen::x64 {

// What a thread keeps between compilations, so that most of them allocate no memory.
struct Workshop {
  Program program;
  Allocator allocator;
  Allocation allocation;
  asmjit::CodeHolder code;
  asmjit::x86::Assembler assembler;
  std::optional<Vectors> vectors;  // of the program
};

// The kernel as machine operations, in w.program; null where it is not covered. The kernel must outlive the shape.
// `loops`: it is to be run again and again.
std::unique_ptr<Shape> lower(const Kernel&, Isa, Workshop& w, bool loops = false);

// Registers, in w.allocation; checked where check_allocations says so.
void allocate(const Kernel&, Workshop& w);

// Instructions, to `to`, which is attached to a code holder. `loop`: which the kernel is the body of, or null.
void encode(const Kernel&, Shape&, const Workshop& w, asmjit::x86::Emitter& to, const KernelLoop* loop = nullptr);

// All of it, into w.code. False where the kernel is not covered.
bool assemble(const Kernel&, Isa, Workshop& w, asmjit::Logger* logger, const KernelLoop* loop = nullptr);

}  // namespace kiln::codegen::x64
