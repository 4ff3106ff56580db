#include "python/bindings/arguments.h"

#include "python/bindings/dtype_type.h"
#include "python/bindings/numpy_interop.h"
#include "python/bindings/tensor_type.h"

namespace kiln::python {

using eager::Attr;
using eager::Dims;
using eager::Operand;
using eager::Operator;
using eager::Parameter;
using eager::Scalar;
using Kind = Parameter::Kind;

namespace {

constexpr size_t kMaxParameters = 16;

const char* expectation(Kind kind) {
  switch (kind) {
    case Kind::tensor: return "a tensor, an array or a number";
    case Kind::optional_tensor: return "a tensor, an array, a number or None";
    case Kind::tensors: return "a list or tuple of tensors";
    case Kind::boolean: return "a bool";
    case Kind::integer: return "an int";
    case Kind::number: return "a number";
    case Kind::dtype: return "one of Kiln's dtypes";
    case Kind::axes: return "an int, a tuple of ints or None";
    case Kind::shape: return "an int or a tuple of ints";
    case Kind::string: return "a string";
  }
  return "";
}

std::string type_name(PyObject* o) { return o == Py_None ? "None" : Py_TYPE(o)->tp_name; }
std::string prefix(const Operator& op) { return std::string("kiln.").append(op.name); }

[[noreturn]] void reject(const Operator& op, const Parameter& p, PyObject* given) {
  fail(ErrorCode::type,
       prefix(op) + ": argument '" + std::string(p.name) + "' must be " + expectation(p.kind) + ", not " + type_name(given));
}

bool is_int(PyObject* o) { return PyIndex_Check(o) && !PyBool_Check(o); }  // Python's and NumPy's integers

int64_t to_int64(PyObject* o) {
  py::object index = py::reinterpret_steal<py::object>(PyNumber_Index(o));
  if (!index) throw py::error_already_set();
  const int64_t value = PyLong_AsLongLong(index.ptr());
  if (value == -1 && PyErr_Occurred()) throw py::error_already_set();
  return value;
}

bool to_dims(PyObject* o, Dims& dims) {
  if (!PyTuple_Check(o) && !PyList_Check(o)) return false;
  py::object items = py::reinterpret_steal<py::object>(PySequence_Fast(o, ""));
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(items.ptr());
  for (Py_ssize_t i = 0; i < n; ++i) {
    PyObject* item = PySequence_Fast_GET_ITEM(items.ptr(), i);
    if (!is_int(item)) return false;
    dims.push_back(to_int64(item));
  }
  return true;
}

Operand tensor_operand(const Operator& op, const Parameter& p, PyObject* o) {
  if (is_tensor(o)) return unwrap(o);
  Scalar number;
  if (number_from_python(o, number)) return number;
  if (o == Py_None && p.kind == Kind::optional_tensor) return {};
  if (!is_array_like(o)) reject(op, p, o);
  return asarray(o);
}

Attr attribute(const Operator& op, const Parameter& p, PyObject* o) {
  if (o == Py_None && (p.kind == Kind::axes || (p.has_default && std::holds_alternative<std::monostate>(p.default_value)))) return {};
  switch (p.kind) {
    case Kind::boolean:
      if (PyBool_Check(o)) return o == Py_True;
      if (is_numpy_bool(o)) return PyObject_IsTrue(o) == 1;
      break;
    case Kind::integer:
      if (is_int(o)) return to_int64(o);
      break;
    case Kind::number:
      if (is_int(o)) return to_int64(o);
      if (PyFloat_Check(o)) return PyFloat_AS_DOUBLE(o);
      if (is_numpy(o)) return py::float_(py::reinterpret_borrow<py::object>(o)).cast<double>();
      break;
    case Kind::dtype:
      if (const auto t = dtype_from_python(o)) return *t;
      fail(ErrorCode::type, prefix(op) + ": argument '" + std::string(p.name) + "' must be a dtype (" + supported_dtypes() + "), not " +
                                py::repr(o).cast<std::string>());
    case Kind::axes:
      if (is_int(o)) return Dims{to_int64(o)};
      if (Dims dims; to_dims(o, dims)) return dims;
      break;
    case Kind::shape: {
      if (is_int(o)) {  // one number for every entry of the default: stride=2 is stride=(2, 2)
        const Dims* usual = std::get_if<Dims>(&p.default_value);
        return Dims::filled(usual && usual->size() > 0 ? usual->size() : 1, to_int64(o));
      }
      if (Dims dims; to_dims(o, dims)) return dims;
      break;
    }
    case Kind::string:
      if (PyUnicode_Check(o)) return py::cast<std::string>(o);
      break;
    case Kind::tensor:
    case Kind::optional_tensor:
    case Kind::tensors: break;
  }
  reject(op, p, o);
}

// May the positional integers from parameter `at` on be one shape? Only if nothing after it could mean an integer.
bool gathers_integers(const std::vector<Parameter>& parameters, size_t at) {
  if (parameters[at].kind != Kind::shape && parameters[at].kind != Kind::axes) return false;
  if (at + 1 == parameters.size()) return true;
  const Kind next = parameters[at + 1].kind;
  return parameters[at].kind == Kind::shape && (next == Kind::dtype || next == Kind::boolean || next == Kind::string);
}

}  // namespace

bool number_from_python(PyObject* o, Scalar& number) {
  if (PyFloat_Check(o)) {
    number = Scalar(PyFloat_AS_DOUBLE(o));
  } else if (PyComplex_Check(o)) {
    number = Scalar(std::complex<double>(PyComplex_RealAsDouble(o), PyComplex_ImagAsDouble(o)));
  } else if (PyBool_Check(o)) {
    number = Scalar(o == Py_True);
  } else if (PyLong_Check(o)) {
    int overflow = 0;
    const int64_t value = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (overflow != 0) {
      PyErr_SetString(PyExc_OverflowError, "a Python int outside the range of int64 cannot be an operand; use a float");
      throw py::error_already_set();
    }
    number = Scalar(value);
  } else {
    return false;
  }
  return true;
}

bool infix_operand(PyObject* o, Operand& operand) {
  if (is_tensor(o)) {
    operand.tensor = unwrap(o);
  } else if (!number_from_python(o, operand.scalar)) {
    if (!is_numpy(o)) return false;
    operand.tensor = asarray(o);
  }
  operand.present = true;
  return true;
}

py::object attribute_object(const Attr& attr) {
  struct Convert {
    py::object operator()(std::monostate) const { return py::none(); }
    py::object operator()(bool v) const { return py::bool_(v); }
    py::object operator()(int64_t v) const { return py::int_(v); }
    py::object operator()(double v) const { return py::float_(v); }
    py::object operator()(DType v) const { return dtype_object(v); }
    py::object operator()(const Dims& v) const {
      py::tuple t(v.size());
      for (int i = 0; i < v.size(); ++i) t[i] = v[i];
      return py::object(t);
    }
    py::object operator()(const std::string& v) const { return py::str(v); }
  };
  return std::visit(Convert{}, attr);
}

Signature::Signature(const Operator& op) : op_(op) {
  check(op.parameters.size() <= kMaxParameters, "an operator has too many parameters");
  for (size_t i = 0; i < op.parameters.size(); ++i)
    for (std::string_view name : {op.parameters[i].name, op.parameters[i].alias})
      if (!name.empty()) keywords_.push_back({PyUnicode_InternFromString(std::string(name).c_str()), static_cast<int>(i)});
}

int Signature::parameter_named(PyObject* keyword) const {
  for (const Keyword& k : keywords_)  // keywords in source code are interned: the first loop nearly always finds them
    if (k.name == keyword) return k.parameter;
  for (const Keyword& k : keywords_)
    if (PyUnicode_Compare(k.name, keyword) == 0) return k.parameter;
  fail(ErrorCode::type, prefix(op_) + " has no parameter '" + py::cast<std::string>(keyword) + "'; it takes " + text());
}

BoundArguments Signature::bind(PyObject* const* arguments, size_t positional, PyObject* keywords) const {
  const std::vector<Parameter>& parameters = op_.parameters;
  std::array<PyObject*, kMaxParameters> given{};
  py::object gathered;
  for (size_t i = 0; i < positional; ++i) {
    if (i < parameters.size() && i + 1 < positional && gathers_integers(parameters, i) &&
        std::all_of(arguments + i, arguments + positional, is_int)) {
      gathered = py::reinterpret_steal<py::object>(PyTuple_New(positional - i));
      for (size_t k = i; k < positional; ++k) PyTuple_SET_ITEM(gathered.ptr(), k - i, Py_NewRef(arguments[k]));
      given[i] = gathered.ptr();
      break;
    }
    if (i >= parameters.size())
      fail(ErrorCode::type, prefix(op_) + " takes " + std::to_string(parameters.size()) + " argument" +
                                (parameters.size() == 1 ? "" : "s") + ", " + text() + ", but " + std::to_string(positional) +
                                " were given");
    given[i] = arguments[i];
  }
  const Py_ssize_t named = keywords ? PyTuple_GET_SIZE(keywords) : 0;
  for (Py_ssize_t i = 0; i < named; ++i) {
    PyObject*& slot = given[parameter_named(PyTuple_GET_ITEM(keywords, i))];
    if (slot != nullptr)
      fail(ErrorCode::type, prefix(op_) + " got two values for the argument that '" + py::cast<std::string>(PyTuple_GET_ITEM(keywords, i)) +
                                "' names; it takes " + text());
    slot = arguments[positional + i];
  }

  BoundArguments bound;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Parameter& p = parameters[i];
    PyObject* o = given[i];
    if (o == nullptr && !p.has_default && p.kind != Kind::optional_tensor)
      fail(ErrorCode::type, prefix(op_) + " needs the argument '" + std::string(p.name) + "'; it takes " + text());
    if (p.kind == Kind::tensors) {
      if (!PyTuple_Check(o) && !PyList_Check(o)) reject(op_, p, o);
      for (py::handle item : py::reinterpret_borrow<py::object>(o)) bound.operands.push_back(tensor_operand(op_, p, item.ptr()));
    } else if (p.is_operand()) {
      bound.operands.push_back(o ? tensor_operand(op_, p, o) : Operand());
    } else {
      bound.attrs.push_back(o ? attribute(op_, p, o) : p.default_value);
    }
  }
  return bound;
}

std::string Signature::text() const {
  std::string line = "(";
  for (const Parameter& p : op_.parameters) {
    if (line.size() > 1) line += ", ";
    line += p.name;
    if (p.kind == Kind::optional_tensor || p.has_default) line += "=" + py::repr(attribute_object(p.default_value)).cast<std::string>();
  }
  return line + ")";
}

}  // namespace kiln::python
