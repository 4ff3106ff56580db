// What a captured function did, as text for people: f.explain() of every front end.
#pragma once

#include <string>

#include "tracer/function_record.h"

namespace kiln::tracer {

// Calls, then each trace with its kernels and early ends, then what ran eagerly; lines without one at the end.
std::string explain(const FunctionRecord&);

}  // namespace kiln::tracer
