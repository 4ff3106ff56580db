// x[...] and x[...] = v with integers, slices (negative steps too), None and Ellipsis: views, made by the view operators so that they are
// recorded and differentiated like everything else.
#include "eager/dispatch.h"
#include "python/bindings/arguments.h"
#include "python/bindings/modules.h"
#include "python/bindings/numpy_interop.h"
#include "python/bindings/tensor_type.h"

namespace kiln::python {

using eager::Dims;
using eager::Tensor;

namespace {

const eager::Op slice("slice"), squeeze("squeeze"), expand_dims("expand_dims");

// An index expression, resolved against a shape: a slice of every dimension, then dimensions dropped (integers), then new ones (None).
struct Resolved {
  Dims start, stop, step;  // per dimension of the tensor; a stop below 0 stands for "before the first" of a negative step
  Dims dropped;
  Dims added;  // positions in the result
  bool slices = false;
};

[[noreturn]] void refuse(PyObject* item) {
  if (PyList_Check(item) || is_numpy(item) || is_tensor(item) || PyBool_Check(item))
    fail(ErrorCode::not_implemented,
         "indexing with arrays, lists and masks is not there yet: use kiln.where to choose by a mask, slices to choose a range");
  fail(ErrorCode::index, std::string("only integers, slices, None and ... are indices, not ") + Py_TYPE(item)->tp_name);
}

bool is_integer_index(PyObject* item) {
  if (PyBool_Check(item)) return false;
  if (is_tensor(item)) return unwrap(item).rank() == 0 && is_integer(unwrap(item).dtype());
  return PyLong_Check(item) || (PyIndex_Check(item) && !(is_numpy(item) && !py::object(py::handle(item).attr("ndim")).equal(py::int_(0))));
}

void take_integer(Resolved& r, PyObject* item, int axis, int64_t extent) {
  const Py_ssize_t given = PyNumber_AsSsize_t(item, PyExc_IndexError);
  if (given == -1 && PyErr_Occurred()) throw py::error_already_set();
  if (given < -extent || given >= extent)
    fail(ErrorCode::index, "index " + std::to_string(given) + " is out of bounds for dimension " + std::to_string(axis) + " of length " +
                               std::to_string(extent));
  const int64_t at = given < 0 ? given + extent : given;
  r.start.push_back(at);
  r.stop.push_back(at + 1);
  r.step.push_back(1);
  r.dropped.push_back(axis);
  r.slices = true;
}

void take_slice(Resolved& r, PyObject* item, int64_t extent) {
  Py_ssize_t start = 0, stop = 0, step = 0;
  if (PySlice_Unpack(item, &start, &stop, &step) < 0) throw py::error_already_set();  // ValueError for a step of 0
  const Py_ssize_t length = PySlice_AdjustIndices(extent, &start, &stop, step);
  r.start.push_back(length == 0 ? 0 : start);
  r.stop.push_back(length == 0 ? 0 : start + length * step);
  r.step.push_back(length == 0 ? 1 : step);
  r.slices = r.slices || length != extent || step != 1;
}

void take_all(Resolved& r, int64_t extent) {
  r.start.push_back(0);
  r.stop.push_back(extent);
  r.step.push_back(1);
}

Resolved resolve(const Tensor& x, PyObject* key) {
  const py::tuple items = PyTuple_Check(key) ? py::reinterpret_borrow<py::tuple>(key) : py::make_tuple(py::handle(key));
  int used = 0, ellipses = 0;
  for (py::handle item : items) {
    if (item.ptr() == Py_Ellipsis) ++ellipses;
    else if (!item.is_none()) ++used;
  }
  if (ellipses > 1) fail(ErrorCode::index, "an index holds at most one ellipsis (...)");
  Resolved r;
  int axis = 0, result_axis = 0;
  const auto take_rest = [&](int until) {
    for (; axis < until; ++axis, ++result_axis) take_all(r, x.shape()[axis]);
  };
  for (py::handle item : items) {
    PyObject* o = item.ptr();
    if (item.is_none()) {
      r.added.push_back(result_axis++);
    } else if (o == Py_Ellipsis) {
      take_rest(axis + x.rank() - used);
    } else if (const bool slices = PySlice_Check(o); slices || is_integer_index(o)) {
      if (used > x.rank())
        fail(ErrorCode::index, "too many indices: " + std::to_string(used) + " for a tensor of shape " + eager::to_string(x.shape()));
      slices ? take_slice(r, o, x.shape()[axis]) : take_integer(r, o, axis, x.shape()[axis]);
      result_axis += slices;
      ++axis;
    } else {
      refuse(o);
    }
  }
  take_rest(x.rank());
  return r;
}

Tensor view_of(const Tensor& x, PyObject* key) {
  const Resolved r = resolve(x, key);
  Tensor y = r.slices ? slice(x, r.start, r.stop, r.step) : x;
  if (!r.dropped.empty()) y = squeeze(y, r.dropped);
  for (int64_t axis : r.added) y = expand_dims(y, axis);
  return y;
}

PyObject* get_item(PyObject* self, PyObject* key) {
  return guarded([&] {
    static const eager::Op alias("view");
    const Tensor& x = unwrap(self);
    Tensor y = view_of(x, key);
    return wrap(y.same_as(x) ? alias(x, x.shape()) : std::move(y));  // x[...] is another tensor
  });
}

int set_item(PyObject* self, PyObject* key, PyObject* value) {
  return guarded(
      [&] {
        if (value == nullptr) fail(ErrorCode::type, "elements of a tensor cannot be deleted");
        eager::Operand source;
        if (!infix_operand(value, source)) {
          if (!is_array_like(value)) fail(ErrorCode::type, std::string("a tensor's elements cannot be set to ") + Py_TYPE(value)->tp_name);
          source = asarray(value);
        }
        const Tensor destination = view_of(unwrap(self), key);
        Unlocked unlocked(destination.numel() >= kElementsWorthUnlocking);
        eager::write(destination, source);
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
