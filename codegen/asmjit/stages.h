// What each step of a compilation costs: for benchmarks/compile_latency.
#pragma once

#include "codegen/backend.h"

namespace kiln::codegen::x64 {

struct StageTimes {  // microseconds, the best of many
  double lower = 0, allocate = 0, encode = 0, place = 0;
  double assembler = 0;  // AsmJit's Assembler alone, given the finished list of the same instructions: no compiler that uses it is faster
  size_t instructions = 0;  // in the code, each loop counted once
};

StageTimes time_stages(const Kernel&, Isa, int repetitions);

}  // namespace kiln::codegen::x64
