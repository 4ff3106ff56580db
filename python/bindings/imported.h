// Modules that C++ uses while a program runs.
#pragma once

#include <pybind11/pybind11.h>

namespace kiln::python {

// A module by its name, which has no dots. PyImport_Import, and so pybind11's module_::import, asks the globals of the code that runs for
// __builtins__, which they need not have: a function may have been given globals of its own.
inline pybind11::module_ imported(const char* name) {
  PyObject* module = PyImport_ImportModuleLevel(name, nullptr, nullptr, nullptr, 0);
  if (module == nullptr) throw pybind11::error_already_set();
  return pybind11::reinterpret_steal<pybind11::module_>(module);
}

}  // namespace kiln::python
