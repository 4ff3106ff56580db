// From C++ errors to Python exceptions: one table, used by every way into the module.
#pragma once

#include <pybind11/pybind11.h>

#include "codegen/error.h"

namespace kiln::python {

namespace py = pybind11;

PyObject* exception_for(ErrorCode);  // borrowed: the Python type

// Inside a catch block: turns the exception in flight into Python's error indicator.
void set_python_error() noexcept;

// Runs what a slot of the C API does; an exception becomes Python's and the slot's failure value.
template <class F, class R = std::invoke_result_t<F>>
R guarded(F&& f, R failure = R{}) noexcept {
  try {
    return f();
  } catch (...) {
    set_python_error();
    return failure;
  }
}

}  // namespace kiln::python
