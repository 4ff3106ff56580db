// Exchange with other libraries through DLPack: x.__dlpack__() and kiln.from_dlpack(x).
#include "python/bindings/dlpack.h"

#include "python/bindings/conversion.h"
#include "python/bindings/numpy_interop.h"
#include "python/bindings/tensor_type.h"

namespace kiln::python {

using eager::Dims;
using eager::Storage;
using eager::Tensor;

namespace {

// The two generations of capsules differ in name and in what surrounds the array.
template <class M>
constexpr const char* kName = std::is_same_v<M, dlpack::Managed> ? "dltensor" : "dltensor_versioned";
template <class M>
constexpr const char* kUsedName = std::is_same_v<M, dlpack::Managed> ? "used_dltensor" : "used_dltensor_versioned";

dlpack::DataType type_of(DType t) {
  const auto bits = static_cast<uint8_t>(size_of(t) * 8);
  switch (info(t).kind) {
    case DTypeKind::boolean: return {dlpack::kBool, bits, 1};
    case DTypeKind::unsigned_integer: return {dlpack::kUInt, bits, 1};
    case DTypeKind::signed_integer: return {dlpack::kInt, bits, 1};
    case DTypeKind::complex_floating: return {dlpack::kComplex, bits, 1};
    case DTypeKind::floating: return {t == DType::BF16 ? dlpack::kBfloat : dlpack::kFloat, bits, 1};
  }
  return {};
}

DType dtype_of(const dlpack::DataType& given) {
  for (const DTypeInfo& t : kDTypes) {
    const dlpack::DataType own = type_of(t.dtype);
    if (own.code == given.code && own.bits == given.bits && given.lanes == 1) return t.dtype;
  }
  fail(ErrorCode::type, "from_dlpack: Kiln has no dtype of DLPack code " + std::to_string(given.code) + " with " +
                            std::to_string(given.bits) + " bits and " + std::to_string(given.lanes) + " lanes");
}

// What an exported array needs as long as the consumer keeps it.
template <class M>
struct Exported {
  M managed{};
  eager::Ref<Storage> storage;
  Dims shape, strides;
};

template <class M>
PyObject* export_capsule(const Tensor& t, bool copied) {
  auto* e = new Exported<M>{.storage = eager::Ref<Storage>(&t.storage()), .shape = t.shape(), .strides = t.strides()};
  begin_export(*e->storage);
  e->managed.array = {.data = t.storage().data() + t.offset() * size_of(t.dtype()),
                      .device = {dlpack::kCpu, 0},
                      .ndim = t.rank(),
                      .dtype = type_of(t.dtype()),
                      .shape = e->shape.begin(),
                      .strides = e->strides.begin(),
                      .byte_offset = 0};
  e->managed.context = e;
  e->managed.deleter = [](M* m) {
    auto* e = static_cast<Exported<M>*>(m->context);
    e->storage->remove_export();
    delete e;
  };
  if constexpr (std::is_same_v<M, dlpack::ManagedVersioned>) {
    e->managed.version = {dlpack::kMajorVersion, dlpack::kMinorVersion};
    e->managed.flags = (t.storage().writable() ? 0 : dlpack::kReadOnly) | (copied ? dlpack::kIsCopied : 0);
  }
  return PyCapsule_New(&e->managed, kName<M>, [](PyObject* capsule) {
    if (!PyCapsule_IsValid(capsule, kName<M>)) return;  // consumed: the consumer calls the deleter
    auto* m = static_cast<M*>(PyCapsule_GetPointer(capsule, kName<M>));
    m->deleter(m);
  });
}

PyObject* to_dlpack(PyObject* self, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    static const char* names[] = {"stream", "max_version", "dl_device", "copy", nullptr};
    PyObject *stream = Py_None, *max_version = Py_None, *device = Py_None, *copy = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$OOOO", const_cast<char**>(names), &stream, &max_version, &device, &copy))
      return nullptr;
    if (stream != Py_None) fail(ErrorCode::value, "__dlpack__: a tensor on the CPU has no stream");
    if (device != Py_None && !py::handle(device).equal(py::make_tuple(static_cast<int>(dlpack::kCpu), 0)))
      throw py::buffer_error("__dlpack__: the tensor is on the CPU, device (1, 0)");
    Tensor t = unwrap(self);
    if (t.requires_grad()) throw py::buffer_error("__dlpack__: a tensor that requires grad cannot be exported: use x.detach()");
    static const eager::Op duplicate("copy");
    if (copy == Py_True) t = duplicate(t);
    const bool versioned = max_version != Py_None && py::handle(max_version)[py::int_(0)].cast<int>() >= 1;
    if (!versioned && !t.storage().writable()) throw py::buffer_error("__dlpack__: read-only memory needs max_version >= (1, 0)");
    read(t, eager::FlushReason::numpy);
    return versioned ? export_capsule<dlpack::ManagedVersioned>(t, copy == Py_True) : export_capsule<dlpack::Managed>(t, false);
  });
}

PyObject* device(PyObject*, PyObject*) { return Py_BuildValue("(ii)", static_cast<int>(dlpack::kCpu), 0); }

template <class M>
class DlpackMemory final : public eager::ForeignMemory {
 public:
  explicit DlpackMemory(M* managed) : managed_(managed) {}
  ~DlpackMemory() override {
    if (!managed_->deleter || !Py_IsInitialized()) return;
    const PyGILState_STATE state = PyGILState_Ensure();  // the producer may well be written in Python
    managed_->deleter(managed_);
    PyGILState_Release(state);
  }
  bool visible_outside() const override { return true; }

 private:
  M* managed_;
};

template <class M>
Tensor import_capsule(PyObject* capsule) {
  auto* managed = static_cast<M*>(PyCapsule_GetPointer(capsule, kName<M>));
  if (managed == nullptr) throw py::error_already_set();
  bool writable = true;
  if constexpr (std::is_same_v<M, dlpack::ManagedVersioned>) {
    if (managed->version.major > dlpack::kMajorVersion)
      throw py::buffer_error("from_dlpack: the array speaks DLPack " + std::to_string(managed->version.major) + ", Kiln speaks 1");
    writable = !(managed->flags & dlpack::kReadOnly);
  }
  const dlpack::Array& a = managed->array;
  if (a.device.type != dlpack::kCpu) throw py::buffer_error("from_dlpack: the array is not on the CPU");
  const DType dtype = dtype_of(a.dtype);
  const Dims shape(a.shape, a.shape + a.ndim);
  const Dims strides = a.strides ? Dims(a.strides, a.strides + a.ndim) : eager::contiguous_strides(shape);
  auto memory = std::make_unique<DlpackMemory<M>>(managed);
  PyCapsule_SetName(capsule, kUsedName<M>);
  if (eager::product(shape) == 0) return Tensor::empty(shape, dtype);
  int64_t lowest = 0, highest = 0;
  for (int i = 0; i < shape.size(); ++i) (strides[i] < 0 ? lowest : highest) += (shape[i] - 1) * strides[i];
  auto* first = static_cast<std::byte*>(a.data) + a.byte_offset;
  auto storage = Storage::adopt(first + lowest * size_of(dtype), (highest - lowest + 1) * size_of(dtype), writable, std::move(memory));
  return Tensor::view(storage, -lowest, shape, strides, dtype);
}

Tensor from_dlpack(py::object x) {
  if (is_tensor(x.ptr())) return unwrap(x.ptr());
  if (!PyCapsule_CheckExact(x.ptr())) {
    if (!py::hasattr(x, "__dlpack__"))
      fail(ErrorCode::type, "from_dlpack takes an array with a __dlpack__ method, not " + std::string(Py_TYPE(x.ptr())->tp_name));
    const py::object method = x.attr("__dlpack__");
    try {
      x = method(py::arg("max_version") = py::make_tuple(dlpack::kMajorVersion, dlpack::kMinorVersion));
    } catch (py::error_already_set& e) {
      if (!e.matches(PyExc_TypeError)) throw;
      x = method();  // a producer from before DLPack 1.0
    }
  }
  return PyCapsule_IsValid(x.ptr(), kName<dlpack::ManagedVersioned>) ? import_capsule<dlpack::ManagedVersioned>(x.ptr())
                                                                     : import_capsule<dlpack::Managed>(x.ptr());
}

}  // namespace

void add_dlpack_methods(Methods& methods) {
  methods.push_back({"__dlpack__", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(to_dlpack)), METH_VARARGS | METH_KEYWORDS,
                     "A DLPack capsule over the tensor's memory."});
  methods.push_back({"__dlpack_device__", device, METH_NOARGS, "(1, 0): the CPU."});
}

void bind_dlpack(py::module_& m) {
  m.def("from_dlpack", &from_dlpack, py::arg("x"), "A tensor over the memory of any array that speaks DLPack.");
}

}  // namespace kiln::python
