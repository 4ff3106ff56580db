// Counts of changes: while a class or a dict has the version it had, it holds what it held. CPython counts those of classes; those of dicts up to
// 3.12 (PEP 509), and from 3.13 on it tells watchers of them, so that they are counted here.
#pragma once

#include <Python.h>

#include <cstddef>
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

// The word that holds a dict's version, as long as the dict lives; nullptr: nothing is known. The word is 0 once nothing
// is known any more.
inline const uint64_t* version_place(PyObject* dict);

// Of all dicts there ever were, no two have one version; a dict that changes gets another. 0: nothing is known.
inline uint64_t version_of_dict(PyObject* dict);

#ifdef Py_GIL_DISABLED
inline constexpr bool kDictsCountChanges = false;
#else
inline constexpr bool kDictsCountChanges = true;
#endif

#if PY_VERSION_HEX < 0x030D0000
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"  // 3.12 keeps it, and 3.13 does not for the dicts of instances
inline const uint64_t* version_place(PyObject* dict) { return &reinterpret_cast<PyDictObject*>(dict)->ma_version_tag; }
#pragma GCC diagnostic pop
inline uint64_t version_of_dict(PyObject* dict) { return *version_place(dict); }
#elif defined(Py_GIL_DISABLED)
inline const uint64_t* version_place(PyObject*) { return nullptr; }
inline uint64_t version_of_dict(PyObject*) { return 0; }
#else
// The changes of one dict that is watched. It is never freed, but may come to count those of another dict, from another version on.
struct DictCount {
  uint64_t version = 0;
  bool asked = false;  // since the last change
  DictCount* next = nullptr;
};

struct CountedDict {
  PyObject* dict;
  DictCount* count;
};
inline constexpr size_t kRecentDicts = 256;
extern CountedDict recent_dicts[kRecentDicts];  // where the dicts that were asked for lately are found without a search
inline CountedDict& recent_place(PyObject* dict) { return recent_dicts[reinterpret_cast<uintptr_t>(dict) / 16 % kRecentDicts]; }
DictCount* watch_dict(PyObject* dict);  // finds or begins the count; nullptr: it cannot be watched

inline DictCount* count_of(PyObject* dict) {
  const CountedDict& recent = recent_place(dict);
  DictCount* count = recent.dict == dict ? recent.count : watch_dict(dict);
  if (count != nullptr) count->asked = true;
  return count;
}
inline const uint64_t* version_place(PyObject* dict) {
  const DictCount* count = count_of(dict);
  return count == nullptr ? nullptr : &count->version;
}
inline uint64_t version_of_dict(PyObject* dict) {
  const DictCount* count = count_of(dict);
  return count == nullptr ? 0 : count->version;
}
#endif

}  // namespace kiln::python
