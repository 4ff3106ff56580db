#include "python/bindings/watched.h"

#include <Python.h>

#include <array>

namespace kiln::python {
namespace {

#if PY_VERSION_HEX >= 0x030C0000
PyObject* of_sys(const char* name) { return PyObject_GetAttrString(PyImport_AddModule("sys"), name); }

// Did a function of sys.monitoring give something? Takes the reference.
bool something(PyObject* given) {
  const bool is = given != nullptr && given != Py_None;
  Py_XDECREF(given);
  PyErr_Clear();
  return is;
}

// All six places for tools but the profilers', number 2. That a place is taken is all that is asked: what a tool looks at it may say later,
// and of one code object alone.
bool monitored() {
  static PyObject* const monitoring = of_sys("monitoring");
  static PyObject* const get_tool = monitoring == nullptr ? nullptr : PyObject_GetAttrString(monitoring, "get_tool");
  static const std::array<PyObject*, 5> places = {PyLong_FromLong(0), PyLong_FromLong(1), PyLong_FromLong(3), PyLong_FromLong(4),
                                                  PyLong_FromLong(5)};
  for (PyObject* place : places)
    if (something(PyObject_CallOneArg(get_tool, place))) return true;
  return false;
}
#else
bool monitored() { return false; }
#endif

}  // namespace

bool watched() { return PyThreadState_Get()->c_tracefunc != nullptr || monitored(); }

}  // namespace kiln::python
