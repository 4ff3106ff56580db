#include "python/bindings/tensor_type.h"

#include <structmember.h>

#include <new>

#include "python/bindings/dtype_type.h"

namespace kiln::python {

using eager::Tensor;

PyTypeObject* tensor_type = nullptr;

namespace {

TensorObject* object(PyObject* o) { return reinterpret_cast<TensorObject*>(o); }

PyObject* make(PyTypeObject* type, Tensor tensor) {
  PyObject* made = type->tp_alloc(type, 0);
  if (made == nullptr) return nullptr;
  new (&object(made)->tensor) Tensor(std::move(tensor));
  object(made)->tensor.impl()->front_end = made;
  return made;
}

// Tensor(x), mostly for subclasses such as Parameter: another tensor over x's storage, off the tape.
PyObject* make_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    if (PyTuple_GET_SIZE(args) < 1 || !is_tensor(PyTuple_GET_ITEM(args, 0)) || (kwargs && type == tensor_type)) {
      PyErr_Format(PyExc_TypeError, "%s takes a tensor; kiln.asarray makes one from arrays, lists and numbers", type->tp_name);
      return nullptr;
    }
    const Tensor& x = unwrap(PyTuple_GET_ITEM(args, 0));
    return make(type, Tensor::view(eager::Ref<eager::Storage>(&x.storage()), x.offset(), x.shape(), x.strides(), x.dtype()));
  });
}

void deallocate(PyObject* self) {
  if (object(self)->weak_references) PyObject_ClearWeakRefs(self);
  if (Tensor& tensor = object(self)->tensor) {
    if (tensor.impl()->front_end == self) tensor.impl()->front_end = nullptr;
    tensor.~Tensor();
  }
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* tuple(const eager::Dims& dims, int64_t factor = 1) {
  PyObject* made = PyTuple_New(dims.size());
  for (int i = 0; made && i < dims.size(); ++i) {
    PyObject* item = extent_object(dims[i] * factor);
    if (item == nullptr) Py_CLEAR(made);
    else PyTuple_SET_ITEM(made, i, item);
  }
  return made;
}

PyObject* get_shape(PyObject* self, void*) { return tuple(unwrap(self).shape()); }
PyObject* get_strides(PyObject* self, void*) { return tuple(unwrap(self).strides(), size_of(unwrap(self).dtype())); }
PyObject* get_dtype(PyObject* self, void*) { return dtype_object(unwrap(self).dtype()).release().ptr(); }
PyObject* get_ndim(PyObject* self, void*) { return PyLong_FromLong(unwrap(self).rank()); }
PyObject* get_itemsize(PyObject* self, void*) { return PyLong_FromLong(size_of(unwrap(self).dtype())); }
PyObject* get_nbytes(PyObject* self, void*) { return PyLong_FromLongLong(unwrap(self).numel() * size_of(unwrap(self).dtype())); }
PyObject* get_device(PyObject*, void*) { return PyUnicode_InternFromString("cpu"); }
PyObject* get_version(PyObject* self, void*) { return PyLong_FromUnsignedLong(unwrap(self).storage().version()); }

const Getters kGetters{
    {"shape", get_shape, nullptr, "Lengths of the dimensions, a tuple.", nullptr},
    {"strides", get_strides, nullptr, "Bytes from one element to the next along each dimension, as NumPy counts them.", nullptr},
    {"dtype", get_dtype, nullptr, "Type of the elements.", nullptr},
    {"ndim", get_ndim, nullptr, "Number of dimensions.", nullptr},
    {"itemsize", get_itemsize, nullptr, "Bytes of one element.", nullptr},
    {"nbytes", get_nbytes, nullptr, "Bytes of all elements.", nullptr},
    {"device", get_device, nullptr, "Where the elements are.", nullptr},
    {"_version", get_version, nullptr, "Counts the writes to the storage.", nullptr}};

PyMemberDef members[] = {{"__weaklistoffset__", T_PYSSIZET, offsetof(TensorObject, weak_references), READONLY, nullptr}, {}};

}  // namespace

PyObject* wrap(Tensor tensor) {
  if (!tensor) Py_RETURN_NONE;
  if (void* known = tensor.impl()->front_end) return Py_NewRef(static_cast<PyObject*>(known));
  return make(tensor_type, std::move(tensor));
}

void bind_tensor_type(py::module_& m) {
  static Methods methods;  // the type keeps a pointer to it
  add_conversion_methods(methods);
  add_dlpack_methods(methods);
  add_autograd_methods(methods);
  methods.push_back({});
  static Getters getters = kGetters;
  add_autograd_getters(getters);
  getters.push_back({});

  Slots slots{{Py_tp_new, reinterpret_cast<void*>(make_new)},
              {Py_tp_dealloc, reinterpret_cast<void*>(deallocate)},
              {Py_tp_hash, reinterpret_cast<void*>(PyBaseObject_Type.tp_hash)},
              {Py_tp_doc, const_cast<char*>("An n-dimensional array of one dtype; kiln.asarray and the creation functions make them.")},
              {Py_tp_getset, getters.data()},
              {Py_tp_members, members},
              {Py_tp_methods, methods.data()}};
  add_number_slots(slots);
  add_indexing_slots(slots);
  add_conversion_slots(slots);
  slots.push_back({0, nullptr});
  PyType_Spec spec{"kiln.Tensor", sizeof(TensorObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots.data()};
  py::object type = py::reinterpret_steal<py::object>(PyType_FromSpec(&spec));
  if (!type) throw py::error_already_set();
  tensor_type = reinterpret_cast<PyTypeObject*>(type.ptr());
  add_operator_methods(tensor_type);
  m.attr("Tensor") = type;
  type.release();  // lives as long as the process: `tensor_type` is used without asking
}

}  // namespace kiln::python
