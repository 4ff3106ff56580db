#include "python/bindings/modules.h"

#include <pybind11/stl.h>
#include <structmember.h>

#include <map>

#include "eager/dispatch.h"
#include "eager/promotion.h"
#include "python/bindings/arguments.h"
#include "python/bindings/auto.h"
#include "python/bindings/dtype_type.h"
#include "python/bindings/imported.h"
#include "python/bindings/tensor_type.h"

namespace kiln::python {

using eager::Operator;
using eager::Parameter;
using eager::Tensor;

namespace {

struct OperatorObject {
  PyObject_HEAD vectorcallfunc vectorcall;
  const Operator* op;
  const Signature* signature;
  PyObject* results;  // the named tuple of an operator whose results have names, else null
};
OperatorObject* object(PyObject* o) { return reinterpret_cast<OperatorObject*>(o); }

PyTypeObject* operator_type = nullptr;

bool heavy(const Operator& op, const BoundArguments& bound) {
  int64_t elements = 0;
  for (const eager::Operand& o : bound.operands)
    if (o.is_tensor()) elements += o.tensor.numel();
  for (const eager::Attr& a : bound.attrs)
    if (const auto* dims = std::get_if<eager::Dims>(&a)) elements += eager::product(*dims);  // what creation functions are to fill
  return elements >= (op.contraction ? kElementsWorthUnlocking / 16 : kElementsWorthUnlocking);
}

PyObject* call(PyObject* self, PyObject* const* arguments, size_t flags, PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    arrive();
    const Operator& op = *object(self)->op;
    const BoundArguments bound = object(self)->signature->bind(arguments, PyVectorcall_NARGS(flags), keywords);
    if (op.outputs == 1) {
      Tensor output;
      {
        Unlocked unlocked(heavy(op, bound));
        eager::call(op, bound.operands, bound.attrs, &output);
      }
      return wrap(std::move(output));
    }
    eager::Tensors outputs(op.outputs);
    {
      Unlocked unlocked(heavy(op, bound));
      eager::call(op, bound.operands, bound.attrs, outputs.data());
    }
    py::tuple results(outputs.size());
    for (size_t i = 0; i < outputs.size(); ++i) results[i] = py::reinterpret_steal<py::object>(wrap(outputs[i]));
    return object(self)->results ? PyObject_CallObject(object(self)->results, results.ptr()) : results.release().ptr();
  });
}

// As a method: bound to the tensor it is looked up on, like a Python function. (LOAD_METHOD skips this: Py_TPFLAGS_METHOD_DESCRIPTOR.)
PyObject* bind_to(PyObject* self, PyObject* instance, PyObject*) {
  return instance == nullptr || instance == Py_None ? Py_NewRef(self) : PyMethod_New(self, instance);
}

PyObject* text(std::string_view s) { return PyUnicode_FromStringAndSize(s.data(), static_cast<Py_ssize_t>(s.size())); }

PyObject* repr(PyObject* self) {
  return guarded([&] { return text("<kiln operator " + std::string(object(self)->op->name) + object(self)->signature->text() + ">"); });
}

PyObject* reduce(PyObject* self, PyObject*) { return text(object(self)->op->name); }  // pickled by name

std::string_view kind_name(Parameter::Kind kind) {
  switch (kind) {
    case Parameter::Kind::tensor: return "tensor";
    case Parameter::Kind::optional_tensor: return "optional_tensor";
    case Parameter::Kind::tensors: return "tensors";
    case Parameter::Kind::boolean: return "boolean";
    case Parameter::Kind::integer: return "integer";
    case Parameter::Kind::number: return "number";
    case Parameter::Kind::dtype: return "dtype";
    case Parameter::Kind::axes: return "axes";
    case Parameter::Kind::shape: return "shape";
    case Parameter::Kind::string: return "string";
  }
  return "";
}

py::object parameter_record(const Parameter& p) {
  py::dict record;
  record["name"] = p.name;
  record["kind"] = kind_name(p.kind);
  record["alias"] = p.alias;
  record["required"] = !p.has_default && p.kind != Parameter::Kind::optional_tensor;
  record["default"] = attribute_object(p.default_value);
  py::list accepted;
  for (const DTypeInfo& t : kDTypes)
    if (codegen::accepts(p.accepts, t.dtype)) accepted.append(t.name);
  record["accepts"] = accepted;
  record["promotes"] = p.promotes;
  return py::object(record);
}

py::object sample_record(const eager::Sample& sample) {
  py::list operands, attrs;
  for (const auto& operand : sample.operands) {
    if (const auto* number = std::get_if<eager::Scalar>(&operand)) {
      if (number->kind == DTypeKind::floating) {
        operands.append(number->f);
      } else if (number->kind == DTypeKind::boolean) {
        operands.append(number->i != 0);
      } else {
        operands.append(number->i);
      }
      continue;
    }
    const auto& tensor = std::get<eager::SampleTensor>(operand);
    py::dict record;
    record["shape"] = attribute_object(tensor.shape);
    record["values"] = tensor.values.empty() ? py::object(py::none()) : py::cast(std::vector<double>(tensor.values));
    record["low"] = tensor.low;
    record["high"] = tensor.high;
    record["dtype"] = tensor.dtype ? attribute_object(*tensor.dtype) : py::none();
    operands.append(record);
  }
  for (const eager::Attr& a : sample.attrs) attrs.append(attribute_object(a));
  return py::make_tuple(operands, attrs);
}

// How the operator is computed: what documentation sorts by.
std::string_view family(const Operator& op) {
  if (op.body) return "pointwise";
  if (op.reduction) return "reduction";
  if (op.affine) return "window";
  if (op.view) return "view";
  if (op.contraction) return "contraction";
  if (op.routine) return "routine";
  return "composition";
}

template <class Items, class Record>
py::object records(const Items& items, Record record) {
  py::list list;
  for (const auto& item : items) list.append(record(item));
  return list;
}

template <class T>
py::object object_of(const T& value) {
  if constexpr (std::is_base_of_v<py::object, T>) return value;
  else return py::cast(value);
}

// A read-only attribute computed from the definition.
template <auto read>
PyObject* attribute(PyObject* self, void*) {
  return guarded([&] { return object_of(read(*object(self)->op)).release().ptr(); });
}
PyObject* documentation(PyObject* self, void*) {
  return guarded([&] {
    return text(std::string(object(self)->op->name) + object(self)->signature->text() + "\n\n" + std::string(object(self)->op->doc));
  });
}

PyGetSetDef getters[] = {
    {"__name__", attribute<[](const Operator& op) { return op.name; }>, nullptr, nullptr, nullptr},
    {"__qualname__", attribute<[](const Operator& op) { return op.name; }>, nullptr, nullptr, nullptr},
    {"__module__", attribute<[](const Operator&) { return std::string_view("kiln"); }>, nullptr, nullptr, nullptr},
    {"__doc__", documentation, nullptr, nullptr, nullptr},
    {"summary", attribute<[](const Operator& op) { return op.doc; }>, nullptr, "What it computes, without the signature.", nullptr},
    {"reference", attribute<[](const Operator& op) { return op.reference; }>, nullptr, "The same in NumPy, over the parameters' names.",
     nullptr},
    {"onnx", attribute<[](const Operator& op) { return op.onnx; }>, nullptr, "ONNX's operator of the same meaning, or empty.", nullptr},
    {"family", attribute<[](const Operator& op) { return family(op); }>, nullptr,
     "How it is computed: pointwise, reduction, window, view, contraction, routine or composition.", nullptr},
    {"is_elementwise", attribute<[](const Operator& op) { return op.body && !op.body.takes_context(); }>, nullptr,
     "Does its body see one element of each operand and nothing else, neither its place nor attributes?", nullptr},
    {"version", attribute<[](const Operator& op) { return op.version; }>, nullptr, "Grows when the meaning changes.", nullptr},
    {"outputs", attribute<[](const Operator& op) { return op.outputs; }>, nullptr, "Number of results.", nullptr},
    {"is_method", attribute<[](const Operator& op) { return op.method; }>, nullptr, "Is it also a method of tensors?", nullptr},
    {"has_gradient", attribute<[](const Operator& op) { return static_cast<bool>(op.gradient); }>, nullptr,
     "Has it a gradient rule of its own? (A composition is differentiated through its parts.)", nullptr},
    {"is_random", attribute<[](const Operator& op) { return op.random; }>, nullptr, "Does it draw from the generator?", nullptr},
    {"aliases", attribute<[](const Operator& op) { return records(op.aliases, [](std::string_view a) { return py::str(a); }); }>, nullptr,
     "Other names for it.", nullptr},
    {"parameters", attribute<[](const Operator& op) { return records(op.parameters, parameter_record); }>, nullptr,
     "Its parameters, as dicts.", nullptr},
    {"samples", attribute<[](const Operator& op) { return records(op.samples, sample_record); }>, nullptr,
     "Calls for tests: (operands, attributes).", nullptr},
    {}};

PyMemberDef members[] = {{"__vectorcalloffset__", T_PYSSIZET, offsetof(OperatorObject, vectorcall), READONLY, nullptr}, {}};

// What an operand is to promotion: a dtype stands for a tensor, a number for its kind, None for nothing.
eager::OperandType stand_in(PyObject* o) {
  using Kind = eager::OperandType::Kind;
  eager::OperandType type;
  eager::Scalar number;
  if (o == Py_None) return type;
  if (number_from_python(o, number)) {
    type.kind = Kind::scalar;
    type.scalar_kind = number.kind;
    return type;
  }
  const std::optional<DType> dtype = dtype_from_python(o);
  if (!dtype) {
    if (PyErr_Occurred() != nullptr) throw py::error_already_set();
    fail(ErrorCode::type, std::string("operand_dtypes: a dtype, a number or None for each operand, not ") + Py_TYPE(o)->tp_name);
  }
  type.kind = Kind::tensor;
  type.type.dtype = *dtype;
  return type;
}

// The dtypes that operands are cast to, by the one rule of promotion: for converters to formats that do not promote.
PyObject* operand_dtypes(PyObject* self, PyObject* operands) {
  return guarded([&]() -> PyObject* {
    const Operator& op = *object(self)->op;
    std::vector<eager::OperandType> types(static_cast<size_t>(eager::hidden_operands(op)), eager::type_of(eager::Operand(0)));
    const size_t hidden = types.size();
    for (py::handle o : py::reinterpret_borrow<py::object>(operands)) types.push_back(stand_in(o.ptr()));
    std::vector<DType> dtypes(types.size());
    eager::promote_operands(op, types, dtypes.data());
    py::list result;
    for (size_t i = hidden; i < dtypes.size(); ++i) result.append(dtype_object(dtypes[i]));
    return result.release().ptr();
  });
}

PyMethodDef methods[] = {{"__reduce__", reduce, METH_NOARGS, nullptr},
                         {"operand_dtypes", operand_dtypes, METH_O,
                          "The dtypes that operands are cast to. Each is given as a dtype, a number (of whose kind it is) or None."},
                         {}};

PyObject* make(const Operator& op) {
  PyObject* made = operator_type->tp_alloc(operator_type, 0);
  if (made == nullptr) throw py::error_already_set();
  object(made)->vectorcall = call;
  object(made)->op = &op;
  object(made)->signature = new Signature(op);  // as lasting as the operator itself
  if (!op.output_names.empty()) {
    py::list fields;
    for (std::string_view field : op.output_names) fields.append(field);
    object(made)->results = imported("collections").attr("namedtuple")(op.name, fields, py::arg("module") = "kiln").release().ptr();
  }
  return made;
}

// Operators are immortal: one object each, kept here.
const std::map<std::string_view, PyObject*>& all_objects() {
  static const auto* objects = [] {
    auto* made = new std::map<std::string_view, PyObject*>;
    for (const Operator* op : eager::all_operators()) {
      PyObject* o = make(*op);
      made->emplace(op->name, o);
      for (std::string_view alias : op->aliases) made->emplace(alias, o);
    }
    return made;
  }();
  return *objects;
}

}  // namespace

void add_operator_methods(PyTypeObject* type) {
  for (const auto& [name, o] : all_objects())
    if (object(o)->op->method) py::setattr(reinterpret_cast<PyObject*>(type), std::string(name).c_str(), o);
}

// The type, and `operators`: a dict from every name and alias to its object.
void bind_operators(py::module_& m) {
  PyType_Slot slots[] = {{Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                         {Py_tp_descr_get, reinterpret_cast<void*>(bind_to)},
                         {Py_tp_repr, reinterpret_cast<void*>(repr)},
                         {Py_tp_getset, getters},
                         {Py_tp_members, members},
                         {Py_tp_methods, methods},
                         {0, nullptr}};
  PyType_Spec spec{"kiln.Operator", sizeof(OperatorObject), 0,
                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                   slots};
  py::object type = py::reinterpret_steal<py::object>(PyType_FromSpec(&spec));
  if (!type) throw py::error_already_set();
  operator_type = reinterpret_cast<PyTypeObject*>(type.ptr());
  m.attr("Operator") = type;
  type.release();
  py::dict by_name;
  for (const auto& [name, o] : all_objects()) by_name[py::str(std::string(name))] = py::handle(o);
  m.attr("operators") = by_name;
}

bool is_operator(PyObject* o) { return Py_IS_TYPE(o, operator_type); }

}  // namespace kiln::python
