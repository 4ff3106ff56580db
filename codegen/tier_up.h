// The background compiler: one low-priority thread that turns hot kernels into LLVM's code. Private to codegen.
#pragma once

#include <memory>
#include <shared_mutex>

#include "codegen/compiler.h"

namespace kiln::codegen {

// Queues a kernel, once; starts the thread if need be. Does nothing where there is no LLVM.
void queue_for_llvm(CompiledKernel&);
void wait_for_queue();

// Is LLVM's code likely to be faster than what the kernel has? Not where a row is gone over several times: AsmJit's code keeps the values
// that a later pass needs again, LLVM's computes them anew (softmax takes 1.5 times as long, layer norm 1.1 times).
bool gains_from_llvm(const CompiledKernel&);

// Compiles with a back end and counts it; nullptr where it does not cover the kernel.
std::shared_ptr<Code> compile_with(Backend&, CompiledKernel&);

// Held shared by whoever runs a back end's compiler, and exclusively by fork(): a child never starts with a compiler's locks taken.
std::shared_mutex& compile_gate();

// The locks of the kernel cache, taken around fork() after the gate. Defined with the cache.
void lock_kernel_cache();
void unlock_kernel_cache();

}  // namespace kiln::codegen
