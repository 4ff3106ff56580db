// What each file of this folder adds to kiln._core.
#pragma once

#include "python/bindings/errors.h"
#include "tracer/function_record.h"

namespace kiln::python {

void bind_errors(py::module_&);
void bind_dtypes(py::module_&);
void bind_operators(py::module_&);
void bind_tensor_type(py::module_&);
void bind_numpy(py::module_&);
void bind_dlpack(py::module_&);
void bind_autograd(py::module_&);
void bind_random(py::module_&);
void bind_config(py::module_&);
void bind_jit(py::module_&);
void bind_auto(py::module_&);
void bind_export(py::module_&);
void bind_simplify(py::module_&);
void bind_transform(py::module_&);

bool is_operator(PyObject*);  // a kn.add, kn.sum ...

py::dict records_of(const tracer::FunctionRecord&);  // what explain() tells, as plain data

}  // namespace kiln::python
