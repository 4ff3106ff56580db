// What `perf` is told of kernels, where KILN_PERF asks for it. Callers see to it that one thread at a time is in here.
#pragma once

#include <string>

#include "codegen/backend.h"

namespace kiln::codegen::perf {

void tell(const Code&, const std::string& name);
void start_again();  // in a forked child: it has files of its own, which tell of its own code

}  // namespace kiln::codegen::perf
