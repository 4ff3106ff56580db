// What an instance itself holds: in its dict or, until somebody asks for its __dict__, in an array of values whose names its class keeps (CPython
// 3.11 and later). Asking makes a dict of the values, beside which CPython 3.11 and 3.12 read and write the attributes of this instance half as
// fast for as long as it lives: what only looks must not ask.
#pragma once

#include <Python.h>

#include <cstdint>

namespace kiln::python {

// Does this Python lay out values as is assumed here? Found out by find_own_values(), with an instance made for it.
extern bool has_own_values;
void find_own_values();

// The dict of an instance, borrowed; nullptr: it has none, or keeps its attributes in itself so far.
inline PyObject* dict_of(PyObject* instance);
// Where that is found; a word that is not 0 where there is no dict but values. nullptr: the instance has no such place.
inline PyObject** dict_place_of(PyObject* instance);

// The values that an instance keeps in itself, nullptr for each that it has not; nullptr: it keeps none there.
inline PyObject** own_values(PyObject* instance);
// The word that changes when the values become a dict.
inline const uint64_t* own_values_word(PyObject* instance);
// Which of them is under this name, for all instances of a class and for good; -1: none of them has had such an attribute.
Py_ssize_t own_index(PyTypeObject*, PyObject* name);
// How many names the class keeps. They only ever become more.
const Py_ssize_t* own_names(PyTypeObject*);

// What the instance has under a name, borrowed; nullptr without an error: nothing. Slots are not looked at.
PyObject* own_value(PyObject* instance, PyObject* name);

inline bool has_managed_dict(const PyTypeObject* type) { return (type->tp_flags & Py_TPFLAGS_MANAGED_DICT) != 0; }
inline bool may_have_dict(const PyTypeObject* type) { return type->tp_dictoffset != 0 || has_managed_dict(type); }

// MANAGED_DICT_OFFSET in CPython's internal/pycore_object.h, in words.
inline constexpr int kManagedDict = -3;

inline PyObject** dict_place_of(PyObject* instance) {
  return has_managed_dict(Py_TYPE(instance)) ? reinterpret_cast<PyObject**>(instance) + kManagedDict : _PyObject_GetDictPtr(instance);
}

#ifdef Py_GIL_DISABLED
inline PyObject* dict_of(PyObject*) { return nullptr; }
inline PyObject** own_values(PyObject*) { return nullptr; }
inline const uint64_t* own_values_word(PyObject*) { return nullptr; }
#else
inline PyObject* dict_of(PyObject* instance) {
  PyObject** place = dict_place_of(instance);
  PyObject* dict = place == nullptr ? nullptr : *place;
#if PY_VERSION_HEX >= 0x030C0000 && PY_VERSION_HEX < 0x030D0000  // one word for both
  if ((reinterpret_cast<uintptr_t>(dict) & 1) != 0) return nullptr;
#endif
  return dict;
}

inline const uint64_t* own_values_word(PyObject* instance) {
  constexpr int kWord = PY_VERSION_HEX < 0x030C0000 ? -4 : kManagedDict;
  return reinterpret_cast<const uint64_t*>(instance) + kWord;
}

inline PyObject** own_values(PyObject* instance) {
  if (!has_own_values || !has_managed_dict(Py_TYPE(instance))) return nullptr;
  [[maybe_unused]] const uint64_t word = *own_values_word(instance);
#if PY_VERSION_HEX < 0x030C0000    // a pointer to them, beside that to the dict
  return reinterpret_cast<PyObject**>(word);
#elif PY_VERSION_HEX < 0x030D0000  // a pointer to them, less one
  return (word & 1) != 0 ? reinterpret_cast<PyObject**>(word + 1) : nullptr;
#else                              // they stand behind the instance, and after four bytes, of which the last says whether they are in use
  if (word != 0 || (Py_TYPE(instance)->tp_flags & Py_TPFLAGS_INLINE_VALUES) == 0) return nullptr;
  char* behind = reinterpret_cast<char*>(instance) + Py_TYPE(instance)->tp_basicsize;
  return behind[3] != 0 ? reinterpret_cast<PyObject**>(behind) + 1 : nullptr;
#endif
}
#endif

}  // namespace kiln::python
