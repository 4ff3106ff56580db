// NumPy in and out without copies.
#pragma once

#include <pybind11/pybind11.h>

#include <optional>

#include "eager/tape.h"

namespace kiln::python {

namespace py = pybind11;

bool is_numpy(PyObject*);       // an array or a scalar of NumPy's
bool is_numpy_bool(PyObject*);  // a scalar
bool is_array_like(PyObject*);  // what asarray takes: numbers, (nested) lists and tuples, arrays and whatever offers itself as one

// A tensor over the object's elements. Arrays are shared where NumPy's memory allows it (native byte order, aligned); read-only ones give
// read-only tensors. `copy`: true always copies, false refuses to (ValueError), nullopt copies where it must.
// Python's floats take the default dtype. Errors: TypeError for a dtype that Kiln does not have.
eager::Tensor asarray(PyObject*, std::optional<DType> dtype = std::nullopt, std::optional<bool> copy = std::nullopt);

// An array over the tensor's memory, which counts as shared while the array lives. RuntimeError if the tensor requires grad.
py::object to_numpy(const eager::Tensor&);

// An object that keeps a storage alive and marked as exported while it lives: the base of arrays and capsules over it.
py::capsule export_base(const eager::Tensor&);

}  // namespace kiln::python
