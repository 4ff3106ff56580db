// From AsmJit's code to LLVM's: one low-priority thread that compiles hot kernels, the hottest first. Private to codegen.
//
//   enter_tiers()                         grow_hot()            the thread                launch()
//   disk says who is faster ─> settled
//   else AsmJit's code      ─> heating ──────────────> queued ────────────> trial ──────────────> settled ─> disk
//   disk has LLVM's code too ─────────────────────────────────────────────> trial
//
// cancel_compile() goes back from queued to heating. A kernel that AsmJit does not cover is interpreted meanwhile, and has no trial.
#pragma once

#include <memory>
#include <shared_mutex>

#include "codegen/compiler.h"

namespace kiln::codegen {

void enter_tiers(CompiledKernel&);            // gives a new kernel its first code
void queue_if_hot(CompiledKernel&);           // now that others can find it
void grow_hot(CompiledKernel&, double work);  // a launch, of elements times operations
void settle(CompiledKernel&);                 // its trial is decided
void count_tiers(KernelCounters&);

// Compiles with a back end and counts it; nullptr where it does not cover the kernel.
std::shared_ptr<Code> compile_with(Backend&, CompiledKernel&);
void count_compile(CompiledKernel&, BackendKind, double microseconds);

// Held shared by whoever runs a back end's compiler, and exclusively by fork(): a child never starts with a compiler's locks taken.
std::shared_mutex& compile_gate();

// The locks of the kernel cache, taken around fork() after the gate. Defined with the cache.
void lock_kernel_cache();
void unlock_kernel_cache();

}  // namespace kiln::codegen
