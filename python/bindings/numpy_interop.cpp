#include "python/bindings/numpy_interop.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include "codegen/cuda/driver.h"
#include "eager/dispatch.h"
#include "eager/operator.h"
#include "eager/tape.h"
#include "python/bindings/conversion.h"
#include "python/bindings/dtype_type.h"
#include "python/bindings/imported.h"
#include "python/bindings/tensor_type.h"

namespace kiln::python {

using eager::Dims;
using eager::Storage;
using eager::Tensor;

namespace {

// The types is_numpy() asks about on every mixed operand; looked up once.
struct NumpyTypes {
  PyTypeObject *array, *scalar, *boolean;
};
const NumpyTypes& numpy_types() {
  static const NumpyTypes types = [] {
    const py::module_ numpy = imported("numpy");
    const auto type = [&](const char* name) { return reinterpret_cast<PyTypeObject*>(py::object(numpy.attr(name)).release().ptr()); };
    return NumpyTypes{type("ndarray"), type("generic"), type("bool_")};
  }();
  return types;
}

class NumpyMemory final : public eager::ForeignMemory {
 public:
  explicit NumpyMemory(py::array array) : array_(array.release().ptr()), owns_(py::reinterpret_borrow<py::array>(array_).owndata()) {}
  ~NumpyMemory() override {
    if (!Py_IsInitialized()) return;  // the interpreter has gone, and the array with it
    const PyGILState_STATE state = PyGILState_Ensure();
    Py_DECREF(array_);
    PyGILState_Release(state);
  }
  // Others see the bytes through the array object itself, or through what owns them in its stead.
  bool visible_outside() const override { return !owns_ || Py_REFCNT(array_) > 1; }

 private:
  PyObject* array_;
  bool owns_;
};

std::optional<DType> dtype_of(const py::dtype& t) {
  if (t.attr("name").cast<std::string>() == "bfloat16") return DType::BF16;
  for (const DTypeInfo& known : kDTypes) {
    const char kind = known.kind == DTypeKind::boolean            ? 'b'
                      : known.kind == DTypeKind::unsigned_integer ? 'u'
                      : is_floating(known.dtype)                  ? 'f'
                      : is_complex(known.dtype)                   ? 'c'
                                                                  : 'i';
    if (t.kind() == kind && t.itemsize() == known.bytes) return known.dtype;
  }
  return std::nullopt;
}

// Why the array's memory cannot be a tensor's; nullptr where it can.
const char* obstacle(const py::array& a) {
  if (!a.dtype().attr("isnative").cast<bool>()) return "its bytes are swapped";
  if (!(a.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_)) return "it is not aligned";
  for (py::ssize_t i = 0; i < a.ndim(); ++i)
    if (a.shape(i) > 1 && a.strides(i) % a.itemsize() != 0) return "its strides are not multiples of its item size";
  return nullptr;
}

// The array as one whose memory can be shared; a copy of it where it must be.
py::array shareable(py::array a, std::optional<bool> copy) {
  const char* why = obstacle(a);
  if (!why) return a;
  if (copy == false) fail(ErrorCode::value, std::string("asarray(copy=False): the array must be copied since ") + why);
  return a.attr("astype")(a.dtype().attr("newbyteorder")("="), py::arg("order") = "C", py::arg("copy") = true).cast<py::array>();
}

Tensor share(const py::array& a, DType dtype) {
  const int64_t item = size_of(dtype);
  Dims shape, strides;
  int64_t lowest = 0, highest = 0;  // byte offsets of the outermost elements
  for (py::ssize_t i = 0; i < a.ndim(); ++i) {
    shape.push_back(a.shape(i));
    strides.push_back(a.shape(i) > 1 ? a.strides(i) / item : 0);
    (a.strides(i) < 0 ? lowest : highest) += a.shape(i) > 1 ? (a.shape(i) - 1) * a.strides(i) : 0;
  }
  if (a.size() == 0) return Tensor::empty(shape, dtype);
  if (a.flags() & py::array::c_style) strides = eager::contiguous_strides(shape);
  auto* first = const_cast<std::byte*>(static_cast<const std::byte*>(a.data()));
  auto storage = Storage::adopt(first + lowest, highest - lowest + item, a.writeable(), std::make_unique<NumpyMemory>(a));
  return Tensor::view(storage, -lowest / item, shape, strides, dtype);
}

// A copy in memory of Kiln's own, which begins at a cache line. NumPy's large arrays begin 16 bytes after one, so that every register read from
// them is read from two lines.
Tensor copied(const py::array& a, DType dtype) {
  Dims shape;
  for (py::ssize_t i = 0; i < a.ndim(); ++i) shape.push_back(a.shape(i));
  const Tensor made = Tensor::empty(shape, dtype);
  imported("numpy").attr("copyto")(to_numpy(made), a);
  return made;
}

Tensor convert(const Tensor& x, std::optional<DType> dtype, std::optional<bool> copy) {
  static const eager::Op astype("astype"), duplicate("copy");
  if (dtype && *dtype != x.dtype()) {
    if (copy == false)
      fail(ErrorCode::value,
           "asarray(copy=False): " + std::string(name_of(x.dtype())) + " must be copied to become " + std::string(name_of(*dtype)));
    return astype(x, *dtype);
  }
  return copy == true ? duplicate(x) : x;
}

}  // namespace

bool is_numpy(PyObject* o) { return PyObject_TypeCheck(o, numpy_types().array) || PyObject_TypeCheck(o, numpy_types().scalar); }
bool is_numpy_bool(PyObject* o) { return Py_TYPE(o) == numpy_types().boolean; }

bool is_array_like(PyObject* o) {
  return is_numpy(o) || PyFloat_Check(o) || PyComplex_Check(o) || PyLong_Check(o) || PyList_Check(o) || PyTuple_Check(o) ||
         PyObject_CheckBuffer(o) || py::hasattr(o, "__array__");
}

Tensor asarray(PyObject* o, std::optional<DType> dtype, std::optional<bool> copy) {
  if (is_tensor(o)) return convert(unwrap(o), dtype, copy);
  if (!is_array_like(o) || PyBytes_Check(o))
    fail(ErrorCode::type, "asarray takes arrays, numbers and (nested) lists of numbers, not " + std::string(Py_TYPE(o)->tp_name));
  const py::module_ numpy = imported("numpy");
  const bool literal = PyFloat_Check(o) || PyComplex_Check(o) || PyLong_Check(o) || PyList_Check(o) ||
                       PyTuple_Check(o);  // no dtype and no memory of its own
  if (literal && copy == false) fail(ErrorCode::value, "asarray(copy=False): numbers and lists have no memory to share");
  py::array array;
  if (literal && dtype == DType::BF16) {
    array = numpy.attr("array")(py::handle(o), py::str("float64")).cast<py::array>();  // rounded once, by Kiln
  } else if (literal && dtype) {
    array = numpy.attr("array")(py::handle(o), numpy_dtype(*dtype)).cast<py::array>();
  } else {
    array = numpy.attr("asarray")(py::handle(o)).cast<py::array>();
    const char kind = array.dtype().kind();
    if (literal && (kind == 'f' || kind == 'c') && !PyObject_TypeCheck(o, numpy_types().scalar)) {
      const DType usual = kind == 'f' ? eager::default_dtype() : complex_of(eager::default_dtype());
      array = array.attr("astype")(numpy_dtype(usual), py::arg("copy") = false).cast<py::array>();
    }
  }
  std::optional<DType> own = dtype_of(array.dtype());
  if (!own && dtype && copy != false && py::str("fiub").attr("__contains__")(std::string(1, array.dtype().kind())).cast<bool>()) {
    array = array.attr("astype")(numpy_dtype(*dtype)).cast<py::array>();  // float16, int16, ...: asked for, so NumPy converts
    own = dtype;
  }
  if (!own)
    fail(ErrorCode::type, "asarray: Kiln has no dtype " + py::str(array.dtype()).cast<std::string>() + "; it has " + supported_dtypes() +
                              ". Convert first, for example with a.astype('float32')");
  const bool converts = dtype && *dtype != *own;  // which makes a copy
  if (copy == true && !literal && !converts) return copied(array, *own);
  return convert(share(shareable(std::move(array), converts || literal ? std::nullopt : copy), *own), dtype,
                 copy == true ? std::nullopt : copy);
}

py::capsule export_base(const Tensor& t) {
  auto* held = new eager::Ref<Storage>(&t.storage());
  begin_export(**held);
  return py::capsule(held, [](void* p) {
    auto* held = static_cast<eager::Ref<Storage>*>(p);
    (*held)->remove_export();
    delete held;
  });
}

py::object to_numpy(const Tensor& t) {
  if (t.requires_grad())
    fail(ErrorCode::runtime,
         "a tensor that requires grad cannot become a NumPy array, which would lose the gradient: use x.detach().numpy()");
  std::byte* data = read(t, eager::FlushReason::numpy);
  std::vector<py::ssize_t> shape(t.shape().begin(), t.shape().end()), strides;
  for (int64_t s : t.strides()) strides.push_back(s * size_of(t.dtype()));
  py::array array(py::dtype::from_args(numpy_dtype(t.dtype())), shape, strides, data, export_base(t));
  if (!t.storage().writable()) array.attr("setflags")(py::arg("write") = false);
  return py::object(array);
}

// Any device but the CPU: "cuda" and "cuda:0" with what is missing here.
[[noreturn]] static void refuse_device(const py::object& device) {
  const auto shown = py::repr(device).cast<std::string>();
  if (py::isinstance<py::str>(device) && device.cast<std::string>().starts_with("cuda"))
    codegen::cuda::refuse_device("asarray(device=" + shown + ")");
  fail(ErrorCode::value, "asarray: the only device is 'cpu', not " + shown);
}

void bind_numpy(py::module_& m) {
  m.def(
      "asarray",
      [](py::object object, py::object dtype, py::object device, std::optional<bool> copy) {
        if (!device.is_none() && !device.equal(py::str("cpu"))) refuse_device(device);
        std::optional<DType> wanted;
        if (!dtype.is_none() && !(wanted = dtype_from_python(dtype.ptr())))
          fail(ErrorCode::type, "asarray: dtype must be one of " + supported_dtypes() + ", not " + py::repr(dtype).cast<std::string>());
        return asarray(object.ptr(), wanted, copy);
      },
      py::arg("obj"), py::arg("dtype") = py::none(), py::arg("device") = py::none(), py::arg("copy") = py::none(),
      "A tensor over an array's elements, without a copy where the memory allows it; or from numbers and nested lists.\n\n"
      "copy=True always copies; copy=False raises ValueError where a copy is needed.");
  // What repr shows: a copy, so that nothing is exported.
  m.def("values_for_repr", [](const Tensor& given) -> py::object {
    static const eager::Op astype("astype");
    const eager::NoGrad no_grad;
    const Tensor t = given.dtype() == DType::BF16 ? astype(given, DType::F32) : given;
    std::byte* data = read(t, eager::FlushReason::repr);
    std::vector<py::ssize_t> shape(t.shape().begin(), t.shape().end()), strides;
    for (int64_t s : t.strides()) strides.push_back(s * size_of(t.dtype()));
    return py::array(py::dtype::from_args(numpy_dtype(t.dtype())), shape, strides, data);
  });
}

}  // namespace kiln::python
