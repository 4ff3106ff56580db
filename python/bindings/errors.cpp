#include "python/bindings/errors.h"

#include <array>

namespace kiln::python {
namespace {

struct Mapping {
  ErrorCode code;
  PyObject* const* exception;
};
const std::array kExceptions{
    Mapping{ErrorCode::value, &PyExc_ValueError},     Mapping{ErrorCode::type, &PyExc_TypeError},
    Mapping{ErrorCode::index, &PyExc_IndexError},     Mapping{ErrorCode::memory, &PyExc_MemoryError},
    Mapping{ErrorCode::runtime, &PyExc_RuntimeError}, Mapping{ErrorCode::not_implemented, &PyExc_NotImplementedError},
    Mapping{ErrorCode::io, &PyExc_OSError},           Mapping{ErrorCode::internal, &PyExc_RuntimeError},
};

}  // namespace

PyObject* exception_for(ErrorCode code) {
  for (const Mapping& m : kExceptions)
    if (m.code == code) return *m.exception;
  return PyExc_RuntimeError;
}

void set_python_error() noexcept {
  try {
    throw;
  } catch (py::error_already_set& e) { e.restore(); } catch (const Error& e) {
    PyErr_SetString(exception_for(e.code()), e.what());
  } catch (const py::builtin_exception& e) { e.set_error(); } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& e) { PyErr_SetString(PyExc_RuntimeError, e.what()); }
}

void bind_errors(py::module_&) {
  py::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const Error& e) { PyErr_SetString(exception_for(e.code()), e.what()); }
  });
}

}  // namespace kiln::python
