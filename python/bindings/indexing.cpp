// x[...] and x[...] = v with integers, slices, None, Ellipsis, arrays of integers and masks: Python's words for eager/indexing.h.
#include "eager/indexing.h"

#include "python/bindings/arguments.h"
#include "python/bindings/auto.h"
#include "python/bindings/modules.h"
#include "python/bindings/numpy_interop.h"
#include "python/bindings/tensor_type.h"

namespace kiln::python {

using eager::Index;
using eager::Tensor;

namespace {

bool is_numpy_bool(PyObject* item) {
  return py::hasattr(item, "dtype") && !is_tensor(item) && py::str(py::handle(item).attr("dtype").attr("kind")).cast<std::string>() == "b";
}

// An array, a list or a bool as positions or a mask.
Index tensor(PyObject* item) {
  if (!PyList_Check(item) && !is_numpy(item) && !is_tensor(item) && !PyBool_Check(item) && !is_numpy_bool(item))
    fail(ErrorCode::index,
         std::string("only integers, slices, None, ..., arrays of integers and masks are indices, not ") + Py_TYPE(item)->tp_name);
  Tensor at = is_tensor(item) ? unwrap(item) : asarray(item);
  if (PyList_Check(item) && at.numel() == 0) at = Tensor::empty(at.shape(), DType::I64);  // no positions
  if (is_floating(at.dtype()))
    fail(ErrorCode::index, "arrays that are indices hold integers or bools, not " + std::string(name_of(at.dtype())));
  Index index{.kind = Index::Kind::tensor};
  index.tensor = std::move(at);
  return index;
}

bool is_integer_index(PyObject* item) {
  if (PyLong_CheckExact(item)) return true;
  if (PyBool_Check(item) || is_numpy_bool(item)) return false;
  if (is_tensor(item)) return unwrap(item).rank() == 0 && is_integer(unwrap(item).dtype());
  return PyLong_Check(item) || (PyIndex_Check(item) && !(is_numpy(item) && !py::object(py::handle(item).attr("ndim")).equal(py::int_(0))));
}

Index integer(PyObject* item) {
  const Py_ssize_t at = PyNumber_AsSsize_t(item, PyExc_IndexError);
  if (at == -1 && PyErr_Occurred()) throw py::error_already_set();
  return {.at = at};
}

Index slice(PyObject* item) {
  Py_ssize_t start = 0, stop = 0, step = 0;
  if (PySlice_Unpack(item, &start, &stop, &step) < 0) throw py::error_already_set();  // ValueError for a step of 0
  Index index{.kind = Index::Kind::slice, .step = step};
  const auto* given = reinterpret_cast<PySliceObject*>(item);
  if (given->start != Py_None) index.start = start;
  if (given->stop != Py_None) index.stop = stop;
  return index;
}

std::vector<Index> indices(PyObject* key) {
  const py::tuple items = PyTuple_Check(key) ? py::reinterpret_borrow<py::tuple>(key) : py::make_tuple(py::handle(key));
  std::vector<Index> list;
  list.reserve(items.size());
  for (py::handle item : items) {
    PyObject* o = item.ptr();
    if (item.is_none()) list.push_back({.kind = Index::Kind::new_axis});
    else if (o == Py_Ellipsis) list.push_back({.kind = Index::Kind::ellipsis});
    else if (PySlice_Check(o)) list.push_back(slice(o));
    else if (is_integer_index(o)) list.push_back(integer(o));
    else list.push_back(tensor(o));
  }
  return list;
}

PyObject* get_item(PyObject* self, PyObject* key) {
  return guarded([&] {
    arrive();
    return wrap(eager::read_at(unwrap(self), indices(key)));
  });
}

int set_item(PyObject* self, PyObject* key, PyObject* value) {
  return guarded(
      [&] {
        if (value == nullptr) fail(ErrorCode::type, "elements of a tensor cannot be deleted");
        arrive();
        eager::Operand source;
        if (!infix_operand(value, source)) {
          if (!is_array_like(value)) fail(ErrorCode::type, std::string("a tensor's elements cannot be set to ") + Py_TYPE(value)->tp_name);
          source = asarray(value);
        }
        const std::vector<Index> at = indices(key);
        const Tensor destination = unwrap(self);
        Unlocked unlocked(destination.numel() >= kElementsWorthUnlocking);
        eager::write_at(destination, at, source);
        return 0;
      },
      -1);
}

Py_ssize_t length(PyObject* self) {
  return guarded(
      [&]() -> Py_ssize_t {
        if (unwrap(self).rank() == 0) fail(ErrorCode::type, "a tensor of shape () has no len()");
        note_length(unwrap(self).shape()[0]);
        return unwrap(self).shape()[0];
      },
      Py_ssize_t{-1});
}

// Iteration over the first dimension: by the sequence protocol, x[0], x[1], ... until IndexError.
PyObject* sequence_item(PyObject* self, Py_ssize_t i) {
  return guarded([&]() -> PyObject* {
    if (unwrap(self).rank() == 0) fail(ErrorCode::type, "a tensor of shape () cannot be iterated over");
    const py::int_ index(i);
    return get_item(self, index.ptr());
  });
}

}  // namespace

void add_indexing_slots(Slots& slots) {
  slots.push_back({Py_mp_subscript, reinterpret_cast<void*>(get_item)});
  slots.push_back({Py_mp_ass_subscript, reinterpret_cast<void*>(set_item)});
  slots.push_back({Py_mp_length, reinterpret_cast<void*>(length)});
  slots.push_back({Py_sq_length, reinterpret_cast<void*>(length)});
  slots.push_back({Py_sq_item, reinterpret_cast<void*>(sequence_item)});
}

}  // namespace kiln::python
