// CPython's own header, where it has the running frame: asking for a frame object makes one for each call of a function. It comes first, since
// what it needs of Python.h is there only for CPython's own sources.
#include <patchlevel.h>
#if PY_VERSION_HEX < 0x030e0000
#define Py_BUILD_CORE
#include <Python.h>
#include <internal/pycore_frame.h>
#undef Py_BUILD_CORE
#else
#include <Python.h>
#include <frameobject.h>
#endif

#include "python/bindings/auto.h"
#include "python/bindings/modules.h"
#include "python/bindings/watched.h"

namespace kiln::python {
namespace {

constexpr const char* kSentinel = "kiln.auto";
thread_local bool has_sentinel = false;

// The instruction that calls the operator, by its address. (Code that was freed may lend its address to other code; that is two places for one, and
// costs speed at most.)
uint64_t address() {
#if PY_VERSION_HEX >= 0x030e0000
  PyFrameObject* frame = PyEval_GetFrame();
  if (frame == nullptr) return 0;
  PyCodeObject* code = PyFrame_GetCode(frame);
  const auto place = reinterpret_cast<uintptr_t>(code) + static_cast<uintptr_t>(PyFrame_GetLasti(frame));
  Py_DECREF(code);
  return place;
#elif PY_VERSION_HEX >= 0x030d0000
  const _PyInterpreterFrame* frame = PyThreadState_Get()->current_frame;
  return frame == nullptr ? 0 : reinterpret_cast<uintptr_t>(frame->instr_ptr);
#else
  const _PyInterpreterFrame* frame = PyThreadState_Get()->cframe->current_frame;
  return frame == nullptr ? 0 : reinterpret_cast<uintptr_t>(frame->prev_instr);
#endif
}
uint64_t site() {
  const uint64_t place = address() * 0x9e3779b97f4a7c15;
  return place ^ place >> 29;
}

bool finalizing() {
#if PY_VERSION_HEX >= 0x030d0000
  return Py_IsFinalizing() != 0;
#else
  return _Py_IsFinalizing() != 0;
#endif
}

// A thread's results outlive it. Its dict is dropped while it still holds the GIL, and before others see that it has ended.
void thread_ends(PyObject* capsule) {
  if (PyCapsule_GetPointer(capsule, kSentinel) == &has_sentinel && !finalizing()) tracer::leave_ambient();
}

void leave_sentinel() {
  PyObject* dict = PyThreadState_GetDict();  // borrowed
  if (dict == nullptr) return;
  const auto capsule = py::reinterpret_steal<py::object>(PyCapsule_New(&has_sentinel, kSentinel, thread_ends));
  if (!capsule || PyDict_SetItemString(dict, kSentinel, capsule.ptr()) < 0) throw py::error_already_set();
  has_sentinel = true;
}

}  // namespace

void arrive_in_program() {
  tracer::arrive_ambient(site, watched());
  if (!has_sentinel && tracer::defers_ambient()) leave_sentinel();
}

void bind_auto(py::module_& m) {
  m.def("set_auto", &tracer::set_ambient, "Turns kn.auto() on or off, for the process.");
  m.def("auto_is_on", &tracer::ambient_is_on);
  m.def("auto_records", [] { return records_of(*tracer::ambient_record()); }, "What kn.auto() ran, as plain data.");
}

}  // namespace kiln::python
