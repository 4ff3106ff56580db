// item, tolist, bool, int, float, index, len and the buffer protocol: where a tensor's values become Python's.
#include "python/bindings/conversion.h"

#include <cstring>

#include "codegen/scalar_types.h"
#include "python/bindings/imported.h"
#include "python/bindings/numpy_interop.h"
#include "python/bindings/tensor_type.h"

namespace kiln::python {

using eager::FlushReason;
using eager::Tensor;

std::byte* read(const Tensor& t, FlushReason reason) {
  {
    const Unlocked unlocked(t.storage().pending_writes());
    eager::materialise(t, reason);
  }
  return t.data();
}

void begin_export(eager::Storage& s) {
  if (auto* own = eager::current_recorder()) own->flush(FlushReason::numpy);  // it may read s without having claimed it
  if (s.recorder() != nullptr) {
    Unlocked unlocked(true);
    s.run_pending(FlushReason::numpy);
  }
  s.add_export();
}

namespace {

PyObject* element(const std::byte* p, DType dtype) {
  if (is_complex(dtype)) {
    const auto part = [&](int i) {
      return with_type(real_of(dtype), [&]<class T>(T value) -> double {
        std::memcpy(&value, p + i * size_of(real_of(dtype)), sizeof value);
        if constexpr (std::is_floating_point_v<T>) return value;
        else return 0;
      });
    };
    return PyComplex_FromDoubles(part(0), part(1));
  }
  return with_type(dtype, [p]<class T>(T value) -> PyObject* {
    std::memcpy(&value, p, sizeof value);
    if constexpr (std::is_same_v<T, bool>) return PyBool_FromLong(value);
    else if constexpr (kIsHalf<T>) return PyFloat_FromDouble(static_cast<float>(value));
    else if constexpr (std::is_floating_point_v<T>) return PyFloat_FromDouble(value);
    else if constexpr (std::is_signed_v<T>) return PyLong_FromLongLong(value);
    else return PyLong_FromUnsignedLongLong(value);
  });
}

PyObject* only_element(PyObject* self, FlushReason reason, const char* what) {
  const Tensor& t = unwrap(self);
  if (t.numel() != 1)
    fail(ErrorCode::value, std::string(what) + " needs a tensor of one element, not one of shape " + eager::to_string(t.shape()));
  return element(read(t, reason), t.dtype());
}

PyObject* item(PyObject* self, PyObject*) {
  return guarded([&] { return only_element(self, FlushReason::item, "item()"); });
}

PyObject* nested_list(const Tensor& t, const std::byte* p, int axis) {
  if (axis == t.rank()) return element(p, t.dtype());
  py::object list = py::reinterpret_steal<py::object>(PyList_New(t.shape()[axis]));
  if (!list) throw py::error_already_set();
  for (int64_t i = 0; i < t.shape()[axis]; ++i)
    PyList_SET_ITEM(list.ptr(), i, nested_list(t, p + i * t.strides()[axis] * size_of(t.dtype()), axis + 1));
  return list.release().ptr();
}

PyObject* tolist(PyObject* self, PyObject*) {
  return guarded([&] { return nested_list(unwrap(self), read(unwrap(self), FlushReason::item), 0); });
}

PyObject* is_contiguous(PyObject* self, PyObject*) { return PyBool_FromLong(unwrap(self).is_contiguous()); }

PyObject* numpy(PyObject* self, PyObject*) {
  return guarded([&] { return to_numpy(unwrap(self)).release().ptr(); });
}

// __array__(dtype=None, copy=None), NumPy's protocol.
PyObject* array(PyObject* self, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    static const char* names[] = {"dtype", "copy", nullptr};
    PyObject *dtype = Py_None, *copy = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO", const_cast<char**>(names), &dtype, &copy)) return nullptr;
    const py::object values = to_numpy(unwrap(self));
    if (dtype == Py_None && copy != Py_True) return py::object(values).release().ptr();
    const py::object type = dtype == Py_None ? values.attr("dtype") : imported("numpy").attr("dtype")(py::handle(dtype));
    if (copy == Py_False && !type.equal(values.attr("dtype"))) fail(ErrorCode::value, "__array__(copy=False): another dtype needs a copy");
    return values.attr("astype")(type, py::arg("copy") = copy == Py_True).release().ptr();
  });
}

// ---- slots ------------------------------------------------------------------------------------------------------------

int truth(PyObject* self) {
  return guarded(
      [&] {
        if (unwrap(self).numel() != 1)
          fail(ErrorCode::value,
               "the truth value of a tensor of shape " + eager::to_string(unwrap(self).shape()) + " is ambiguous: use x.any() or x.all()");
        const py::object value = py::reinterpret_steal<py::object>(only_element(self, FlushReason::boolean, "bool()"));
        return PyObject_IsTrue(value.ptr());
      },
      -1);
}

PyObject* to_float(PyObject* self) {
  return guarded([&] { return PyNumber_Float(py::reinterpret_steal<py::object>(only_element(self, FlushReason::item, "float()")).ptr()); });
}

PyObject* to_int(PyObject* self) {
  return guarded([&] { return PyNumber_Long(py::reinterpret_steal<py::object>(only_element(self, FlushReason::item, "int()")).ptr()); });
}

PyObject* to_complex(PyObject* self, PyObject*) {
  return guarded([&] {
    const py::object value = py::reinterpret_steal<py::object>(only_element(self, FlushReason::item, "complex()"));
    const Py_complex c = PyComplex_AsCComplex(value.ptr());
    if (PyErr_Occurred()) throw py::error_already_set();
    return PyComplex_FromCComplex(c);
  });
}

PyObject* to_index(PyObject* self) {
  return guarded([&] {
    const Tensor& t = unwrap(self);
    if (t.rank() != 0 || !is_integer(t.dtype()))
      fail(ErrorCode::type,
           "only an integer tensor of shape () can be an index, not " + std::string(name_of(t.dtype())) + eager::to_string(t.shape()));
    return only_element(self, FlushReason::item, "index()");
  });
}

const char* format(DType t) {  // of the struct module
  switch (t) {
    case DType::Bool: return "?";
    case DType::U8: return "B";
    case DType::U16: return "H";
    case DType::U32: return "I";
    case DType::U64: return "L";
    case DType::I8: return "b";
    case DType::I16: return "h";
    case DType::I32: return "i";
    case DType::I64: return "l";
    case DType::F16: return "e";
    case DType::BF16: break;
    case DType::F32: return "f";
    case DType::F64: return "d";
    case DType::C64: return "Zf";  // as NumPy spells it
    case DType::C128: return "Zd";
  }
  return nullptr;
}

struct BufferExport {
  eager::Ref<eager::Storage> storage;
  std::array<Py_ssize_t, eager::kMaxRank> shape, strides;
};

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  const Tensor& t = unwrap(self);
  const auto refuse = [&](const char* why) {
    view->obj = nullptr;
    PyErr_SetString(PyExc_BufferError, why);
    return -1;
  };
  if (t.dtype() == DType::BF16) return refuse("the buffer protocol has no bfloat16: use x.astype(kiln.float32), or DLPack");
  if (t.requires_grad()) return refuse("a tensor that requires grad has no buffer: use x.detach()");
  if ((flags & PyBUF_WRITABLE) == PyBUF_WRITABLE && !t.storage().writable()) return refuse("the tensor's memory is read-only");
  const bool wants_strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES;
  const bool wants_order = (flags & (PyBUF_C_CONTIGUOUS | PyBUF_F_CONTIGUOUS | PyBUF_ANY_CONTIGUOUS) & ~PyBUF_STRIDES) != 0;
  if (!t.is_contiguous() && (!wants_strides || wants_order)) return refuse("the tensor is not contiguous");
  if ((flags & PyBUF_F_CONTIGUOUS) == PyBUF_F_CONTIGUOUS && t.rank() > 1) return refuse("the tensor is row-major");
  return guarded(
      [&] {
        view->buf = read(t, FlushReason::numpy);
        auto held = std::make_unique<BufferExport>();
        held->storage = eager::Ref<eager::Storage>(&t.storage());
        for (int i = 0; i < t.rank(); ++i) {
          held->shape[i] = t.shape()[i];
          held->strides[i] = t.strides()[i] * size_of(t.dtype());
        }
        begin_export(*held->storage);
        view->obj = Py_NewRef(self);
        view->itemsize = size_of(t.dtype());
        view->len = t.numel() * view->itemsize;
        view->readonly = !t.storage().writable();
        view->ndim = t.rank();
        view->format = (flags & PyBUF_FORMAT) ? const_cast<char*>(format(t.dtype())) : nullptr;
        view->shape = (flags & PyBUF_ND) ? held->shape.data() : nullptr;
        view->strides = wants_strides ? held->strides.data() : nullptr;
        view->suboffsets = nullptr;
        view->internal = held.release();
        return 0;
      },
      -1);
}

void release_buffer(PyObject*, Py_buffer* view) {
  const std::unique_ptr<BufferExport> held(static_cast<BufferExport*>(view->internal));
  held->storage->remove_export();
}

}  // namespace

void add_conversion_methods(Methods& methods) {
  methods.push_back({"item", item, METH_NOARGS, "The value of a one-element tensor, as Python's bool, int, float or complex."});
  methods.push_back({"__complex__", to_complex, METH_NOARGS, "The value of a one-element tensor, as Python's complex."});
  methods.push_back({"tolist", tolist, METH_NOARGS, "The values, as nested lists."});
  methods.push_back({"numpy", numpy, METH_NOARGS, "A NumPy array over the same memory."});
  methods.push_back({"is_contiguous", is_contiguous, METH_NOARGS, "Are the elements one block in row-major order?"});
  methods.push_back({"__array__", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(array)), METH_VARARGS | METH_KEYWORDS,
                     "NumPy's conversion protocol."});
}

void add_conversion_slots(Slots& slots) {
  slots.push_back({Py_nb_bool, reinterpret_cast<void*>(truth)});
  slots.push_back({Py_nb_float, reinterpret_cast<void*>(to_float)});
  slots.push_back({Py_nb_int, reinterpret_cast<void*>(to_int)});
  slots.push_back({Py_nb_index, reinterpret_cast<void*>(to_index)});
  slots.push_back({Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)});
  slots.push_back({Py_bf_releasebuffer, reinterpret_cast<void*>(release_buffer)});
}

}  // namespace kiln::python
