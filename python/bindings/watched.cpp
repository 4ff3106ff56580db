#include "python/bindings/watched.h"

#include <Python.h>

#include <array>

namespace kiln::python {
namespace {

PyObject* of_sys(const char* name) { return PyObject_GetAttrString(PyImport_AddModule("sys"), name); }

// Does the function of sys give something for these arguments?
bool gives(PyObject* function, PyObject* const* arguments, size_t count) {
  PyObject* given = PyObject_Vectorcall(function, arguments, count, nullptr);
  if (given == nullptr) PyErr_Clear();
  const bool something = given != nullptr && given != Py_None;
  Py_XDECREF(given);
  return something;
}

#if PY_VERSION_HEX >= 0x030C0000
// All places for tools but the profilers', number 2. That a place is taken is all that is asked: what a tool looks at it may say later, and
// of one code object alone.
bool monitored() {
  static PyObject* const get_tool = PyObject_GetAttrString(of_sys("monitoring"), "get_tool");
  static const std::array<PyObject*, 5> places = {PyLong_FromLong(0), PyLong_FromLong(1), PyLong_FromLong(3), PyLong_FromLong(4),
                                                  PyLong_FromLong(5)};
  for (PyObject* const& place : places)
    if (gives(get_tool, &place, 1)) return true;
  return false;
}
#else
bool monitored() { return false; }
#endif

}  // namespace

bool watched() {
  static PyObject* const gettrace = of_sys("gettrace");
  return gives(gettrace, nullptr, 0) || monitored();
}

}  // namespace kiln::python
