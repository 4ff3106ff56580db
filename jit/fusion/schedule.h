// The kernels of a program and their order: as few as can be, save where a kernel that does less, or at another time, lowers the peak of memory.
#pragma once

#include "jit/fusion/cluster.h"

namespace kiln::jit {

Partition schedule(const tracer::Graph&);

}  // namespace kiln::jit
