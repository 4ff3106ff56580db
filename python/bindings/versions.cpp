#include "python/bindings/versions.h"

#if PY_VERSION_HEX >= 0x030D0000 && !defined(Py_GIL_DISABLED)

#include <unordered_map>
#include <utility>

namespace kiln::python {

CountedDict recent_dicts[kRecentDicts] = {};

namespace {

bool begun = false;
int watcher = -1;  // the number that CPython knows this watcher by
bool sees_instances = false;
uint64_t newest_version = 0;
DictCount* unused_counts = nullptr;

// Never destroyed: dicts die after what is static has been.
std::unordered_map<PyObject*, DictCount*>& counts() {
  static auto* const all = new std::unordered_map<PyObject*, DictCount*>;
  return *all;
}

// A dict that shares its values with an instance, which may be assigned by either.
bool is_shared(PyObject* dict) { return reinterpret_cast<PyDictObject*>(dict)->ma_values != nullptr; }

// Called before a change, by a thread that holds the GIL until it is done. Nothing here runs code of Python's.
int dict_changes(PyDict_WatchEvent event, PyObject* dict, PyObject* /*key*/, PyObject* /*value*/) {
  const auto found = counts().find(dict);
  if (found == counts().end()) return 0;
  DictCount* const count = found->second;
  const bool dies = event == PyDict_EVENT_DEALLOCATED;
  // 3.13 clears a dict that shares its values with an instance one by one, and each that dies may run Python, which sees what is still there.
  // There is no telling when that is over.
  const bool tears = event == PyDict_EVENT_CLEARED && is_shared(dict);
  if (!dies && (count->version == 0 || tears)) {
    count->version = 0;
    return 0;
  }
  count->version = ++newest_version;
  if (count->asked && !dies) {
    count->asked = false;
    return 0;
  }
  // It dies, or changes more often than anybody asks: then changes should cost nothing more.
  CountedDict& recent = recent_place(dict);
  if (recent.dict == dict) recent = {};
  counts().erase(found);
  count->next = unused_counts;
  unused_counts = count;
  return dies ? 0 : PyDict_Unwatch(watcher, dict);
}

DictCount* new_count() {
  if (unused_counts == nullptr) return new DictCount;
  DictCount* const count = unused_counts;
  unused_counts = count->next;
  return count;
}

DictCount* found_or_begun(PyObject* dict) {
  const auto [place, added] = counts().try_emplace(dict);
  if (added) {
    place->second = new_count();
    PyDict_Watch(watcher, dict);  // fails for nothing but a wrong number, or what is no dict
    place->second->version = ++newest_version;
  }
  return place->second;
}

// The first releases of 3.13 do not tell of attributes that are assigned in an instance whose dict shares them.
bool is_told_of_instances() {
  PyObject* type = PyObject_CallFunction(reinterpret_cast<PyObject*>(&PyType_Type), "s(){}", "Probe");
  PyObject* instance = type == nullptr ? nullptr : PyObject_CallNoArgs(type);
  PyObject* dict = instance == nullptr ? nullptr : PyObject_GenericGetDict(instance, nullptr);
  bool told = dict != nullptr && is_shared(dict);
  for (PyObject* value : {Py_None, Py_True, static_cast<PyObject*>(nullptr)}) {
    if (!told) break;
    const uint64_t before = found_or_begun(dict)->version;
    told = PyObject_SetAttrString(instance, "attribute", value) == 0 && found_or_begun(dict)->version != before;
  }
  PyErr_Clear();
  Py_XDECREF(dict);
  Py_XDECREF(instance);
  Py_XDECREF(type);
  return told;
}

void begin_watching() {
  watcher = PyDict_AddWatcher(dict_changes);
  if (watcher < 0) PyErr_Clear();  // others have taken all that there are
  sees_instances = watcher >= 0 && is_told_of_instances();
}

}  // namespace

DictCount* watch_dict(PyObject* dict) {
  if (!std::exchange(begun, true)) begin_watching();
  if (watcher < 0 || !PyDict_Check(dict) || (is_shared(dict) && !sees_instances)) return nullptr;
  DictCount* const count = found_or_begun(dict);
  recent_place(dict) = {dict, count};
  return count;
}

}  // namespace kiln::python

#endif
