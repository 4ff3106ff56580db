// Ways to run a LoopProgram's iterations (loop_program.cpp chooses one).
#pragma once

#include "tracer/loop_program.h"

namespace kiln::tracer {

class LoopRun {
 public:
  virtual ~LoopRun() = default;
  // One iteration, or none: nothing of what it began is kept then.
  virtual std::optional<LoopProgram::End> iterate() = 0;
  virtual void give(std::span<LoopProgram::Held>) = 0;  // what registers hold, as LoopProgram::run() leaves it
  int64_t iterations() const { return iterations_; }

 protected:
  int64_t iterations_ = 0;
};

// A number as an operator's scalar. False: it is of another kind than the program was compiled for.
bool number_into(eager::Scalar&, const eager::Scalar& compiled_for, const LoopNumber&);

// Storages change places: what an iteration made is what the next one reads.
std::unique_ptr<LoopRun> moving_run(const LoopProgram&, std::span<LoopProgram::Held>);
// Each register has memory of its own, and what an iteration hands on is copied there: for loops that carry a few bytes. Null: this one does not.
std::unique_ptr<LoopRun> copying_run(const LoopProgram&, std::span<LoopProgram::Held>);

}  // namespace kiln::tracer
