// kiln.Tensor: a plain CPython type whose slots call dispatch directly, since calls of small operators are what eager programs are made of.
// The files of this folder each add the slots and methods of their job (number_protocol, indexing, numpy_interop, ...).
#pragma once

#include <pybind11/pybind11.h>

#include <vector>

#include "eager/tape.h"
#include "python/bindings/errors.h"

namespace kiln::python {

struct TensorObject {
  PyObject_HEAD eager::Tensor tensor;
  PyObject* weak_references;
};

extern PyTypeObject* tensor_type;  // set when the module is made

inline bool is_tensor(PyObject* o) { return Py_TYPE(o) == tensor_type || PyType_IsSubtype(Py_TYPE(o), tensor_type); }
inline const eager::Tensor& unwrap(PyObject* o) { return reinterpret_cast<TensorObject*>(o)->tensor; }  // is_tensor(o)

// The tensor's Python object, a new reference: the same one as long as it lives. None for an empty handle; nullptr with an error set.
PyObject* wrap(eager::Tensor);

// A number that follows from a tensor's shape, as Python gets to see it: an int, or while a function is exported for symbolic shapes an
// object of the class that follows what is done with it.
PyObject* extent_object(int64_t);
void note_length(int64_t);  // len(), which can only be an int

// Gives up the GIL while it lives, if asked to: worth it above some 20 us of work. Not where operators are deferred, which is quick (what
// runs them gives the GIL up itself).
class Unlocked {
 public:
  explicit Unlocked(bool give_up) : state_(give_up && eager::current_recorder() == nullptr ? PyEval_SaveThread() : nullptr) {}
  ~Unlocked() {
    if (state_) PyEval_RestoreThread(state_);
  }
  Unlocked(const Unlocked&) = delete;

 private:
  PyThreadState* state_;
};
inline constexpr int64_t kElementsWorthUnlocking = 1 << 14;

// What the type is put together from.
using Slots = std::vector<PyType_Slot>;
using Methods = std::vector<PyMethodDef>;
using Getters = std::vector<PyGetSetDef>;
void add_number_slots(Slots&);
void add_indexing_slots(Slots&);
void add_conversion_slots(Slots&);
void add_conversion_methods(Methods&);  // item, tolist, numpy, __array__, ...
void add_dlpack_methods(Methods&);
void add_autograd_methods(Methods&);
void add_autograd_getters(Getters&);
void add_operator_methods(PyTypeObject*);

}  // namespace kiln::python

namespace pybind11::detail {

// Lets bindings take and return eager::Tensor; None is the empty handle.
template <>
struct type_caster<kiln::eager::Tensor> {
  PYBIND11_TYPE_CASTER(kiln::eager::Tensor, const_name("kiln.Tensor"));
  bool load(handle source, bool) {
    if (source.is_none()) return true;
    if (!kiln::python::is_tensor(source.ptr())) return false;
    value = kiln::python::unwrap(source.ptr());
    return true;
  }
  static handle cast(const kiln::eager::Tensor& t, return_value_policy, handle) { return kiln::python::wrap(t); }
};

}  // namespace pybind11::detail
