// What holds for the whole process. The KILN_* variables of the Python package apply here as well.
#pragma once

#include <kiln/dtype.h>

#include <string_view>

namespace kiln {

std::string_view version();  // "0.1.0"

int num_threads();            // that run kernels, the caller included
void set_num_threads(int n);  // at least 1, else Error{value}; results never depend on it

DType default_dtype();          // of floating results that no tensor decides: float32 at first
void set_default_dtype(DType);  // a floating one, else Error{type}

void wait_for_compiles();  // until the background compiler is idle

}  // namespace kiln
