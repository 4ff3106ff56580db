#include "python/bindings/own_attributes.h"

#include <array>

namespace kiln::python {

bool has_own_values = false;

namespace {

// The keys of a dict: `_dictkeysobject` in CPython's internal/pycore_dict.h, the same from 3.11 to 3.14. Keys that are shared are strings.
struct Keys {
  Py_ssize_t references;
  uint8_t log2_size, log2_index_bytes, kind;
  uint32_t version;
  Py_ssize_t usable, entries;
};
struct KeyEntry {
  PyObject *key, *value;
};

const Keys* keys_of(PyTypeObject* type) { return reinterpret_cast<const Keys*>(reinterpret_cast<PyHeapTypeObject*>(type)->ht_cached_keys); }

const KeyEntry* entries_of(const Keys* keys) {  // behind the indices
  return reinterpret_cast<const KeyEntry*>(reinterpret_cast<const char*>(keys + 1) + (size_t{1} << keys->log2_index_bytes));
}

// A new reference; nullptr: it has none.
PyObject* held_dict(PyObject* instance) {
  if (PyType_Check(instance)) {
#if PY_VERSION_HEX >= 0x030C0000  // where classes of C have it, depends on the interpreter
    return PyType_GetDict(reinterpret_cast<PyTypeObject*>(instance));
#else
    return Py_XNewRef(reinterpret_cast<PyTypeObject*>(instance)->tp_dict);
#endif
  }
  if (PyObject* known = dict_of(instance)) return Py_NewRef(known);
  if (has_own_values || !may_have_dict(Py_TYPE(instance))) return nullptr;
  return PyObject_GenericGetDict(instance, nullptr);  // what this Python keeps, and how, is not known
}

bool finds_values(PyTypeObject* type, PyObject* instance) {
  const std::array<PyObject*, 3> names{PyUnicode_InternFromString("a"), PyUnicode_InternFromString("b"), PyUnicode_InternFromString("c")};
  bool right = true;
  for (size_t n = 0; n < 2; ++n) right = right && PyObject_SetAttr(instance, names[n], names[n]) == 0;
  right = right && has_managed_dict(type) && dict_of(instance) == nullptr && own_values(instance) != nullptr && keys_of(type) != nullptr;
  right =
      right && *own_names(type) == 2 && own_index(type, names[0]) == 0 && own_index(type, names[1]) == 1 && own_index(type, names[2]) == -1;
  right = right && own_values(instance)[0] == names[0] && own_values(instance)[1] == names[1];
  right = right && PyObject_DelAttr(instance, names[0]) == 0 && own_values(instance)[0] == nullptr && own_values(instance)[1] == names[1];
  const uint64_t before = right ? *own_values_word(instance) : 0;
  PyObject* dict = PyObject_GenericGetDict(instance, nullptr);
  right = right && dict != nullptr && own_values(instance) == nullptr && dict_of(instance) == dict && *own_values_word(instance) != before;
  Py_XDECREF(dict);
  for (PyObject* name : names) Py_XDECREF(name);
  return right;
}

}  // namespace

const Py_ssize_t* own_names(PyTypeObject* type) { return &keys_of(type)->entries; }

Py_ssize_t own_index(PyTypeObject* type, PyObject* name) {
  const Keys* keys = keys_of(type);
  const KeyEntry* entries = entries_of(keys);
  for (Py_ssize_t n = 0; n < keys->entries; ++n)
    if (entries[n].key == name || PyUnicode_Compare(entries[n].key, name) == 0) return n;
  return -1;
}

PyObject* own_value(PyObject* instance, PyObject* name) {
  if (PyObject** values = own_values(instance)) {
    const Py_ssize_t n = own_index(Py_TYPE(instance), name);
    return n < 0 ? nullptr : values[n];
  }
  PyObject* dict = held_dict(instance);
  if (dict == nullptr) return nullptr;
  PyObject* found = PyDict_GetItemWithError(dict, name);
  Py_DECREF(dict);
  return found;
}

void find_own_values() {
#ifndef Py_GIL_DISABLED
  PyObject* type = PyObject_CallFunction(reinterpret_cast<PyObject*>(&PyType_Type), "s(){}", "Probe");
  PyObject* instance = type == nullptr ? nullptr : PyObject_CallNoArgs(type);
  has_own_values = true;
  has_own_values = instance != nullptr && finds_values(reinterpret_cast<PyTypeObject*>(type), instance);
  PyErr_Clear();
  Py_XDECREF(instance);
  Py_XDECREF(type);
#endif
}

}  // namespace kiln::python
