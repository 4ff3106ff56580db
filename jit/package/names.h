// What must hold of a package as a whole, whether it is about to be saved or was just read.
#pragma once

#include "jit/package/package.h"

namespace kiln::jit::package {

void check_names(const Package&);                                         // of entries and state: there, and unique
void verify(const Entry&, const std::vector<tracer::StateEntry>& state);  // tracer::verify, naming the entry

}  // namespace kiln::jit::package
