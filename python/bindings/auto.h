// kn.auto(), where operators are called: tells the tracer the place in the program (tracer/ambient.h).
#pragma once

#include "tracer/ambient.h"

namespace kiln::python {

void arrive_in_program();  // throws what running pending work throws

// First thing in every operator call that comes from Python.
inline void arrive() {
  if (tracer::ambient_is_possible()) [[unlikely]]
    arrive_in_program();
}

}  // namespace kiln::python
