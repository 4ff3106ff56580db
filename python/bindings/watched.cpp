#include "python/bindings/watched.h"

#include <Python.h>

#include <array>

namespace kiln::python {
namespace {

#if PY_VERSION_HEX >= 0x030C0000
// All places for tools but the profilers', number 2. That a place is taken is all that is asked: what a tool looks at it may say later, and
// of one code object alone. Every captured call asks, so CPython's function for it is called as C.
bool monitored() {
  static PyObject* const monitoring = PyObject_GetAttrString(PyImport_AddModule("sys"), "monitoring");
  static PyObject* const get_tool = PyObject_GetAttrString(monitoring, "get_tool");
  static const PyCFunction as_c =
      PyCFunction_CheckExact(get_tool) && PyCFunction_GET_FLAGS(get_tool) == METH_O ? PyCFunction_GET_FUNCTION(get_tool) : nullptr;
  static const std::array<PyObject*, 5> places = {PyLong_FromLong(0), PyLong_FromLong(1), PyLong_FromLong(3), PyLong_FromLong(4),
                                                  PyLong_FromLong(5)};
  for (PyObject* const place : places) {
    PyObject* tool = as_c != nullptr ? as_c(PyCFunction_GET_SELF(get_tool), place) : PyObject_CallOneArg(get_tool, place);
    if (tool == nullptr) PyErr_Clear();
    Py_XDECREF(tool);
    if (tool != nullptr && tool != Py_None) return true;
  }
  return false;
}
#else
bool monitored() { return false; }
#endif

}  // namespace

bool watched() { return PyThreadState_Get()->c_tracefunc != nullptr || monitored(); }

}  // namespace kiln::python
