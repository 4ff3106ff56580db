// What Python's objects hold, found without running any code of the program's: no descriptor, no __getattr__, no __eq__ is asked.
//
// Where `seen` is given, what was found is found again without looking as long as CPython's counts of changes (versions.h) say that the class
// or dict is as it was. What changes without them, as the order of an OrderedDict or a slot of an instance, must not be looked for so.
#pragma once

#include <Python.h>

#include <cstring>

#include "python/bindings/own_attributes.h"
#include "python/bindings/replay.h"
#include "python/bindings/versions.h"

#if PY_VERSION_HEX >= 0x030D0000
extern "C" PyAPI_FUNC(int)
    _PyObject_GetMethod(PyObject* instance, PyObject* name, PyObject** method);  // exported still, but no longer declared
#endif

namespace kiln::python {

// Are two immutable values one to any program that does not ask for identity? `expected` is a number, string, None, or a tuple of such.
inline bool same_value(PyObject* x, PyObject* expected) {
  if (x == expected) return true;
  if (Py_TYPE(x) != Py_TYPE(expected)) return false;
  if (PyFloat_CheckExact(x)) {
    const double a = PyFloat_AS_DOUBLE(x), b = PyFloat_AS_DOUBLE(expected);
    return std::memcmp(&a, &b, sizeof a) == 0;
  }
  if (PyComplex_CheckExact(x)) {
    const Py_complex a = PyComplex_AsCComplex(x), b = PyComplex_AsCComplex(expected);
    return std::memcmp(&a, &b, sizeof a) == 0;
  }
  if (PyTuple_CheckExact(x)) {
    if (PyTuple_GET_SIZE(x) != PyTuple_GET_SIZE(expected)) return false;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(x); ++i)
      if (!same_value(PyTuple_GET_ITEM(x, i), PyTuple_GET_ITEM(expected, i))) return false;
    return true;
  }
  if (PyLong_CheckExact(x) || PyUnicode_CheckExact(x) || PyBytes_CheckExact(x)) return PyObject_RichCompareBool(x, expected, Py_EQ) == 1;
  return false;
}

inline Py_ssize_t length_of(PyObject* x) {
  if (PyTuple_Check(x)) return PyTuple_GET_SIZE(x);
  if (PyList_Check(x)) return PyList_GET_SIZE(x);
  if (PyDict_Check(x)) return PyDict_GET_SIZE(x);
  if (PyUnicode_Check(x)) return PyUnicode_GET_LENGTH(x);
  if (PyBytes_Check(x)) return PyBytes_GET_SIZE(x);
  if (PyAnySet_Check(x)) return PySet_GET_SIZE(x);
  return PySequence_Size(x);  // of a deque
}

// Does iterating over a container of C give these, in this order?
inline bool iterates_over(PyObject* container, PyObject* expected) {
  PyObject* iterator = PyObject_GetIter(container);
  if (iterator == nullptr) return false;
  bool same = true;
  for (Py_ssize_t i = 0; same && i < PyTuple_GET_SIZE(expected); ++i) {
    PyObject* found = PyIter_Next(iterator);
    same = found != nullptr && same_value(found, PyTuple_GET_ITEM(expected, i));
    Py_XDECREF(found);
  }
  Py_DECREF(iterator);
  return same;
}

inline bool has_keys(PyObject* dict, PyObject* keys) {
  if (PyDict_GET_SIZE(dict) != PyTuple_GET_SIZE(keys)) return false;
  if (PyODict_Check(dict)) return iterates_over(dict, keys);  // whose order is not the one that it is stored in
  Py_ssize_t position = 0, i = 0;
  PyObject *key, *value;
  while (PyDict_Next(dict, &position, &key, &value))
    if (!same_value(key, PyTuple_GET_ITEM(keys, i++))) return false;
  return true;
}

// Checks of what follows from a class, from a dict, or from an instance's class and its dict alone.
inline bool in_class(ReplayInstruction::Seen& seen, PyObject* type, const auto& holds) {
  auto* const t = reinterpret_cast<PyTypeObject*>(type);
  if (const uint64_t version = version_of(t); version != 0 && version == seen.type) return true;
  if (!holds(t)) return false;
  seen.type = version_of(t);
  return true;
}

inline bool in_dict(ReplayInstruction::Seen& seen, PyObject* dict, const auto& holds) {
  const uint64_t version = version_of_dict(dict);
  if (version != 0 && version == seen.dict) return true;
  if (!holds()) return false;
  seen.dict = version;
  return true;
}

// Of an instance that itself has nothing under the name.
inline bool in_instance(ReplayInstruction::Seen& seen, PyObject* instance, PyObject* name, const auto& holds) {
  const uint64_t type = version_of(Py_TYPE(instance));
  if (PyObject** values = own_values(instance)) {
    const bool known = type != 0 && type == seen.type;
    if (known && seen.own > 0 && values[seen.own - 1] == nullptr) return true;
    if (known && seen.own < 0 && *own_names(Py_TYPE(instance)) == -seen.own - 1) return true;
    if (!holds()) return false;
    const Py_ssize_t n = own_index(Py_TYPE(instance), name);
    seen = {version_of(Py_TYPE(instance)), 0, nullptr, n >= 0 ? n + 1 : -*own_names(Py_TYPE(instance)) - 1};
    return true;
  }
  PyObject* dict = dict_of(instance);
  const uint64_t version = dict == nullptr ? 0 : version_of_dict(dict);
  if (version != 0 && type != 0 && version == seen.dict && type == seen.type) return true;
  if (!holds()) return false;
  seen = {version_of(Py_TYPE(instance)), version, nullptr, 0};
  return true;
}

// Of the class or its bases, borrowed.
inline PyObject* class_attribute(ReplayInstruction::Seen& seen, PyTypeObject* type, PyObject* name) {
  if (const uint64_t version = version_of(type); version != 0 && version == seen.type) return seen.found;
  PyObject* found = _PyType_Lookup(type, name);
  if (found != nullptr) seen = {version_of(type), 0, found, 0};
  return found;
}

// Borrowed.
inline PyObject* dict_item(ReplayInstruction::Seen& seen, PyObject* dict, PyObject* key) {
  const uint64_t version = version_of_dict(dict);
  if (version != 0 && version == seen.dict) return seen.found;
  PyObject* found = PyDict_GetItemWithError(dict, key);
  if (found != nullptr) seen = {0, version, found, 0};
  return found;
}

// What an instance holds itself, in a slot or its dict, as a new reference; nullptr without an error if it does not. A descriptor of its class's that is written
// in Python is not asked.
inline PyObject* own_attribute(ReplayInstruction::Seen& seen, PyObject* instance, PyObject* name) {
  const uint64_t type = version_of(Py_TYPE(instance));
  PyObject** values = own_values(instance);
  PyObject* dict = values != nullptr ? nullptr : dict_of(instance);
  if (type != 0 && type == seen.type) {
    if (values != nullptr && seen.own > 0) return Py_XNewRef(values[seen.own - 1]);
    if (dict != nullptr && seen.found != nullptr && version_of_dict(dict) == seen.dict) return Py_NewRef(seen.found);
  }
  PyObject* of_class = _PyType_Lookup(Py_TYPE(instance), name);
  if (of_class != nullptr && Py_TYPE(of_class) == &PyMemberDescr_Type) return _PyObject_GenericGetAttrWithDict(instance, name, nullptr, 1);
  PyObject* found = Py_XNewRef(own_value(instance, name));
  if (found == nullptr || PyErr_Occurred() != nullptr) return nullptr;
  if (values != nullptr) seen = {version_of(Py_TYPE(instance)), 0, nullptr, own_index(Py_TYPE(instance), name) + 1};
  else if (dict != nullptr && version_of_dict(dict) != 0) seen = {version_of(Py_TYPE(instance)), version_of_dict(dict), found, 0};
  return found;
}

inline bool has_no_attribute(PyObject* instance, PyObject* name) {
  PyObject* found = _PyObject_GenericGetAttrWithDict(instance, name, nullptr, 1);
  Py_XDECREF(found);
  return found == nullptr && PyErr_Occurred() == nullptr;
}

// Does the instance give this function of its class's under the name? A class with a __getattr__ must not be asked in the quick way, which
// might call it.
inline bool has_method(PyObject* instance, PyObject* name, PyObject* function) {
  if (_PyType_Lookup(Py_TYPE(instance), name) != function) return false;
  PyObject* found = nullptr;
  if (Py_TYPE(instance)->tp_getattro == PyObject_GenericGetAttr) {
    const bool right = _PyObject_GetMethod(instance, name, &found) == 1 && found == function;
    Py_XDECREF(found);
    return right;
  }
  found = _PyObject_GenericGetAttrWithDict(instance, name, nullptr, 1);
  const bool right = found != nullptr && PyMethod_Check(found) && PyMethod_GET_FUNCTION(found) == function;
  Py_XDECREF(found);
  return right;
}

// What the class alone has, borrowed.
inline PyObject* own_class_attribute(PyObject* type, PyObject* name) {
  return PyDict_GetItemWithError(reinterpret_cast<PyTypeObject*>(type)->tp_dict, name);
}

}  // namespace kiln::python
