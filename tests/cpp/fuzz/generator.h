// Random programs of all operators that are registered.
//
// What may be called is learnt from the definitions alone (eager::all_operators()): parameters say which tensors and attributes a call takes,
// samples give calls that work, whose extents are then replaced by others. A call that raises is mostly given up; some are kept, since
// errors must agree too.
#pragma once

#include "tests/cpp/fuzz/program.h"

namespace kiln::fuzz {

Program random_program(uint64_t seed);

}  // namespace kiln::fuzz
