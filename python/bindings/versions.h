// CPython's own counts of changes: while a class or a dict has the version it had, it holds what it held.
#pragma once

#include <Python.h>

#include <cstdint>

namespace kiln::python {

// 0: nothing is known. No two classes have one version, and a class whose bases or attributes change, or those of a base, gets another.
inline uint64_t version_of(const PyTypeObject* type) {
#if PY_VERSION_HEX >= 0x030D0000  // a version that no longer holds is set to 0, and the flag is not used
  return type->tp_version_tag;
#else
  return (type->tp_flags & Py_TPFLAGS_VALID_VERSION_TAG) != 0 ? type->tp_version_tag : 0;
#endif
}

#if PY_VERSION_HEX < 0x030C0000
inline constexpr bool kDictsCountChanges = true;
// Of all dicts, no two have one version; a dict that changes gets another (PEP 509).
inline const uint64_t* version_place(PyObject* dict) { return &reinterpret_cast<PyDictObject*>(dict)->ma_version_tag; }
inline uint64_t version_of_dict(PyObject* dict) { return *version_place(dict); }

// Where an instance has its dict; nullptr: it has none.
inline PyObject** dict_place_of(PyObject* instance) { return _PyObject_GetDictPtr(instance); }
#else
// Later versions of CPython count no changes, and keep attributes elsewhere: everything is looked up.
inline constexpr bool kDictsCountChanges = false;
inline const uint64_t* version_place(PyObject*) { return nullptr; }
inline uint64_t version_of_dict(PyObject*) { return 0; }
inline PyObject** dict_place_of(PyObject*) { return nullptr; }
#endif

// The dict of an instance, borrowed; nullptr: it has none.
inline PyObject* dict_of(PyObject* instance) {
  PyObject** dict = dict_place_of(instance);
  return dict == nullptr ? nullptr : *dict;
}

}  // namespace kiln::python
