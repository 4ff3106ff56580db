// Runs the program of a frozen replay.
#pragma once

#include "python/bindings/replay_frozen.h"
#include "python/bindings/replay_registers.h"

namespace kiln::python {

// Binds the inputs, makes the outputs and runs. False, and nothing has happened: an input lies otherwise than it did, or memory ran out. Whatever the
// run decided by what it read has been checked before. `recorder`: this thread's, which stands aside meanwhile.
bool run_program(const FrozenReplay&, Registers&, tracer::SegmentRecorder& recorder, tracer::FunctionRecord&);

}  // namespace kiln::python
