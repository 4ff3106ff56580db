#include "python/bindings/dtype_type.h"

#include "eager/operator.h"
#include "python/bindings/imported.h"

namespace kiln::python {
namespace {

struct DTypeObject {
  DType dtype;
};

std::array<PyObject*, kDTypeCount> objects{};  // immortal: made once, when the module is

std::optional<DType> dtype_by_name(std::string_view name) {
  for (const DTypeInfo& t : kDTypes)
    if (t.name == name) return t.dtype;
  return std::nullopt;
}

// The characters by which NumPy's array interface tells kinds apart.
constexpr char kind_character(DTypeKind kind) {
  switch (kind) {
    case DTypeKind::boolean: return 'b';
    case DTypeKind::unsigned_integer: return 'u';
    case DTypeKind::signed_integer: return 'i';
    case DTypeKind::floating: return 'f';
    case DTypeKind::complex_floating: return 'c';
  }
  return '?';
}

}  // namespace

py::object numpy_dtype(DType t) {
  if (t != DType::BF16) return imported("numpy").attr("dtype")(name_of(t));
  try {  // where this package is, NumPy has the dtype too
    return imported("numpy").attr("dtype")(imported("ml_dtypes").attr("bfloat16"));
  } catch (const py::error_already_set& error) {
    if (!error.matches(PyExc_ImportError)) throw;
  }
  fail(ErrorCode::type, "NumPy has no bfloat16: convert first, with x.astype(kiln.float32), or install ml_dtypes, which adds it");
}

py::object dtype_object(DType t) { return py::reinterpret_borrow<py::object>(objects[static_cast<size_t>(t)]); }

std::optional<DType> dtype_from_python(PyObject* object) {
  for (int i = 0; i < kDTypeCount; ++i)
    if (objects[i] == object) return static_cast<DType>(i);
  if (object == reinterpret_cast<PyObject*>(&PyBool_Type)) return DType::Bool;
  if (object == reinterpret_cast<PyObject*>(&PyLong_Type)) return DType::I64;
  if (object == reinterpret_cast<PyObject*>(&PyFloat_Type)) return eager::default_dtype();
  if (object == reinterpret_cast<PyObject*>(&PyComplex_Type)) return complex_of(eager::default_dtype());
  if (PyUnicode_Check(object)) {
    Py_ssize_t size = 0;
    const char* text = PyUnicode_AsUTF8AndSize(object, &size);
    if (text == nullptr) throw py::error_already_set();
    return dtype_by_name({text, static_cast<size_t>(size)});
  }
  // NumPy's dtypes have the names of ours and its scalar types the names of its dtypes (but bool's).
  for (const char* attribute : {"name", "__name__"}) {
    py::object name = py::reinterpret_steal<py::object>(PyObject_GetAttrString(object, attribute));
    if (!name) {
      PyErr_Clear();
      continue;
    }
    if (!py::isinstance<py::str>(name)) continue;
    const std::string text = name.cast<std::string>();
    if (!py::hasattr(object, "itemsize")) return std::nullopt;  // neither a NumPy dtype nor a scalar type
    return dtype_by_name(text == "bool_" ? "bool" : text);
  }
  return std::nullopt;
}

std::string supported_dtypes() {
  std::string names;
  for (const DTypeInfo& t : kDTypes) (names += names.empty() ? "" : ", ") += t.name;
  return names;
}

void bind_dtypes(py::module_& m) {
  py::class_<DTypeObject>(m, "dtype", "The type of a tensor's elements: kiln.float32 and so on.")
      .def_property_readonly("name", [](const DTypeObject& t) { return std::string(name_of(t.dtype)); })
      .def_property_readonly("itemsize", [](const DTypeObject& t) { return size_of(t.dtype); })
      .def_property_readonly("kind", [](const DTypeObject& t) { return std::string(1, kind_character(info(t.dtype).kind)); })
      .def_property_readonly("is_floating_point", [](const DTypeObject& t) { return is_floating(t.dtype); })
      .def_property_readonly("is_complex", [](const DTypeObject& t) { return is_complex(t.dtype); })
      // By this attribute NumPy takes ours wherever it takes a dtype.
      .def_property_readonly("dtype", [](const DTypeObject& t) { return numpy_dtype(t.dtype); })
      .def("__repr__", [](const DTypeObject& t) { return "kiln." + std::string(name_of(t.dtype)); })
      .def("__reduce__", [](const DTypeObject& t) { return std::string(name_of(t.dtype)); });
  for (const DTypeInfo& t : kDTypes) {
    py::object object = py::cast(DTypeObject{t.dtype});
    m.attr(std::string(t.name).c_str()) = object;
    objects[static_cast<size_t>(t.dtype)] = object.release().ptr();
  }
}

}  // namespace kiln::python
