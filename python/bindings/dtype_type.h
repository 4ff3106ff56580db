// kiln.float32 and its siblings: one Python object per scalar type.
#pragma once

#include <pybind11/pybind11.h>

#include <optional>

#include "codegen/dtype.h"

namespace kiln::python {

namespace py = pybind11;

py::object dtype_object(DType);  // the one object of this dtype
py::object numpy_dtype(DType);   // throws Error{type} where NumPy has none

// Any spelling of a dtype: ours, NumPy's (dtypes and scalar types), a name, or bool, int, float (float: the default dtype).
// nullopt with no Python error set where it is not one of Kiln's.
std::optional<DType> dtype_from_python(PyObject*);

std::string supported_dtypes();  // "bool, uint8, ..."

}  // namespace kiln::python
