// KILN_KERNEL_LOG: a folder in which each distinct kernel of this process is left as text, to be checked later (script/cuda-check).
#pragma once

#include "codegen/kernel.h"

namespace kiln::codegen {

// Writes <folder>/<hash>.kernel where the variable names a folder and the file is not there yet. Processes may share the folder.
void log_kernel(const Kernel&);

}  // namespace kiln::codegen
