// What python/kiln/export is made of: recording a function's calls, unifying recordings, and programs as plain data.
#include <pybind11/stl.h>

#include "jit/program.h"
#include "python/bindings/arguments.h"
#include "python/bindings/dtype_type.h"
#include "python/bindings/modules.h"
#include "python/bindings/tensor_type.h"
#include "tracer/procedure_recorder.h"
#include "tracer/procedure_unify.h"

namespace kiln::python {
namespace {

thread_local PyObject* extent_type = nullptr;  // owned; null: extents are ints

}  // namespace

PyObject* extent_object(int64_t value) {
  return extent_type ? PyObject_CallFunction(extent_type, "L", static_cast<long long>(value)) : PyLong_FromLongLong(value);
}

void note_length(int64_t value) {
  if (extent_type == nullptr) return;
  PyObject* noted = PyObject_CallMethod(extent_type, "note_length", "L", static_cast<long long>(value));
  if (noted == nullptr) throw py::error_already_set();
  Py_DECREF(noted);
}

namespace {

using eager::Tensor;
using tracer::Call;
using tracer::CallOperand;
using tracer::Constraint;
using tracer::Dim;
using tracer::DimTable;
using tracer::Procedure;
using tracer::Recording;
using tracer::ShapeEvent;
using tracer::Tree;

DType dtype_of(const py::object& o) {
  const auto dtype = dtype_from_python(o.ptr());
  if (!dtype) fail(ErrorCode::type, "not a dtype: " + py::str(o).cast<std::string>() + "; there are " + supported_dtypes());
  return *dtype;
}

// ---- trees: ("tensor", n), ("value", None | bool | int | float | str), ("tuple" | "list", [...]), ("dict", {...}) ----------------------------

Tree tree_from(const py::tuple& t) {
  Tree tree;
  const auto kind = t[0].cast<std::string>();
  const py::object content = t[1];
  if (kind == "tensor") {
    tree.kind = Tree::Kind::tensor;
    tree.integer = content.cast<int64_t>();
  } else if (kind == "value") {
    if (py::isinstance<py::bool_>(content)) {
      tree.kind = Tree::Kind::boolean;
      tree.integer = content.cast<bool>();
    } else if (py::isinstance<py::int_>(content)) {
      tree.kind = Tree::Kind::integer;
      tree.integer = content.cast<int64_t>();
    } else if (py::isinstance<py::float_>(content)) {
      tree.kind = Tree::Kind::floating;
      tree.floating = content.cast<double>();
    } else if (py::isinstance<py::str>(content)) {
      tree.kind = Tree::Kind::text;
      tree.text = content.cast<std::string>();
    }
  } else if (kind == "dict") {
    tree.kind = Tree::Kind::dict;
    for (const auto& [key, value] : content.cast<py::dict>()) {
      tree.keys.push_back(key.cast<std::string>());
      tree.children.push_back(tree_from(py::reinterpret_borrow<py::tuple>(value)));
    }
  } else {
    tree.kind = kind == "tuple" ? Tree::Kind::tuple : Tree::Kind::list;
    for (const py::handle child : content) tree.children.push_back(tree_from(py::reinterpret_borrow<py::tuple>(child)));
  }
  return tree;
}

py::tuple plain(const Tree& tree) {
  switch (tree.kind) {
    case Tree::Kind::none: return py::make_tuple("value", py::none());
    case Tree::Kind::boolean: return py::make_tuple("value", tree.integer != 0);
    case Tree::Kind::integer: return py::make_tuple("value", tree.integer);
    case Tree::Kind::floating: return py::make_tuple("value", tree.floating);
    case Tree::Kind::text: return py::make_tuple("value", tree.text);
    case Tree::Kind::tensor: return py::make_tuple("tensor", tree.integer);
    case Tree::Kind::dict: {
      py::dict d;
      for (size_t i = 0; i < tree.children.size(); ++i) d[py::str(tree.keys[i])] = plain(tree.children[i]);
      return py::make_tuple("dict", d);
    }
    case Tree::Kind::tuple:
    case Tree::Kind::list: break;
  }
  py::list children;
  for (const Tree& child : tree.children) children.append(plain(child));
  return py::make_tuple(tree.kind == Tree::Kind::tuple ? "tuple" : "list", children);
}

// ---- procedures as plain data --------------------------------------------------------------------------------------------------------

py::object plain(const DimTable& dims, Dim d) { return d.is_constant() ? py::object(py::int_(d.constant())) : py::str(dims.text(d)); }

py::tuple plain(const DimTable& dims, const std::vector<Dim>& shape) {
  py::list list;
  for (Dim d : shape) list.append(plain(dims, d));
  return py::tuple(list);
}

py::object plain(const CallOperand& o) {
  switch (o.kind) {
    case CallOperand::Kind::absent: return py::none();
    case CallOperand::Kind::tensor: return py::make_tuple("tensor", o.tensor);
    case CallOperand::Kind::scalar: break;
  }
  if (o.scalar.kind == DTypeKind::boolean) return py::make_tuple("scalar", o.scalar.i != 0);
  if (o.scalar.kind == DTypeKind::floating) return py::make_tuple("scalar", o.scalar.f);
  return py::make_tuple("scalar", o.scalar.i);
}

py::dict plain(const DimTable& dims, const Call& c) {
  constexpr std::array<const char*, 3> kKinds{"call", "in_place", "write"};
  constexpr std::array<const char*, 3> kForms{"product", "quotient", "ratio"};
  py::dict d, attrs;
  py::list operands, numbers;
  for (const CallOperand& o : c.operands) operands.append(plain(o));
  if (c.op) {
    size_t at = 0;
    for (const eager::Parameter& p : c.op->parameters)
      if (!p.is_operand() && at < c.attrs.size()) attrs[py::str(std::string(p.name))] = attribute_object(c.attrs[at++]);
  }
  for (const tracer::SymbolicNumber& n : c.numbers) {
    py::dict number;
    number["place"] = n.place == tracer::SymbolicNumber::Place::operand ? "operand" : "attribute";
    number["index"] = n.index;
    number["element"] = n.element;
    number["dim"] = dims.text(n.dim);
    number["form"] = n.floating ? py::object(py::str(kForms[static_cast<size_t>(n.form)])) : py::none();
    number["factor"] = n.factor;
    numbers.append(number);
  }
  d["kind"] = kKinds[static_cast<size_t>(c.kind)];
  d["op"] = c.op ? py::object(py::str(std::string(c.op->name))) : py::none();
  d["version"] = c.op ? c.op->version : 0;
  d["operands"] = operands;
  d["attrs"] = attrs;
  d["numbers"] = numbers;
  d["destination"] = c.destination;
  d["first_output"] = c.first_output;
  d["outputs"] = c.op && c.kind == tracer::CallKind::call ? c.op->outputs : 0;
  d["where"] = c.where;
  return d;
}

py::tuple tuple_of(const eager::Dims& dims) {
  py::list list;
  for (int64_t v : dims) list.append(v);
  return py::tuple(list);
}

py::dict plain(const Procedure& p) {
  py::list inputs, leaves, calls, types, constraints;
  for (const tracer::InputSpec& i : p.inputs)
    inputs.append(py::make_tuple(i.name, dtype_object(i.type.dtype), plain(p.dims, i.type.shape)));
  for (const tracer::Leaf& l : p.leaves) {
    py::dict d;
    d["kind"] = l.kind == tracer::Leaf::Kind::input ? "input" : "state";
    d["index"] = l.index;
    if (l.kind == tracer::Leaf::Kind::state) {
      d["dtype"] = dtype_object(l.dtype);
      d["offset"] = l.offset;
      d["shape"] = tuple_of(l.shape);
      d["strides"] = tuple_of(l.strides);
    }
    leaves.append(d);
  }
  for (const Call& c : p.calls) calls.append(plain(p.dims, c));
  for (const tracer::SymbolicType& t : p.types) types.append(py::make_tuple(dtype_object(t.dtype), plain(p.dims, t.shape)));
  for (const Constraint& c : p.constraints) constraints.append(py::make_tuple(tracer::text(p.dims, c), c.where));
  py::dict d;
  d["symbols"] = p.dims.symbols();
  d["inputs"] = inputs;
  d["leaves"] = leaves;
  d["calls"] = calls;
  d["types"] = types;
  d["constraints"] = constraints;
  d["arguments"] = plain(p.arguments);
  d["results"] = plain(p.results);
  return d;
}

// ---- recording -----------------------------------------------------------------------------------------------------------------------

ShapeEvent comparison(const std::string& op, int64_t left, int64_t right) {
  ShapeEvent e;
  for (int i = 0; i < 6; ++i)
    if (tracer::symbol_of(static_cast<Constraint::Op>(i)) == op) e.op = static_cast<Constraint::Op>(i);
  e.left = left;
  e.right = right;
  return e;
}

ShapeEvent event_from(const py::tuple& t) {  // (operator or "", left, right, what, where)
  const auto op = t[0].cast<std::string>();
  ShapeEvent e = comparison(op, t[1].cast<int64_t>(), t[2].cast<int64_t>());
  if (op.empty()) e.kind = ShapeEvent::Kind::escape;
  e.what = t[3].cast<std::string>();
  e.where = t[4].cast<std::string>();
  return e;
}

uintptr_t storage_id(const Tensor& t) { return reinterpret_cast<uintptr_t>(&t.storage()); }

void bind_recorder(py::module_& m) {
  using tracer::ProcedureRecorder;
  py::class_<Recording, std::shared_ptr<Recording>>(m, "Recording")
      .def("add_constraint",
           [](Recording& r, const std::string& op, int64_t left, int64_t right) { r.events.push_back(comparison(op, left, right)); })
      .def("set_trees", [](Recording& r, const py::tuple& arguments, const py::tuple& results) {
        r.procedure.arguments = tree_from(arguments);
        r.procedure.results = tree_from(results);
      });
  py::class_<ProcedureRecorder>(m, "ProcedureRecorder", "Writes down the operator calls of a function; see tracer/procedure_recorder.h.")
      .def(py::init<>())
      .def("add_input", [](ProcedureRecorder& r, const std::vector<int64_t>& shape,
                           const py::object& dtype) { return r.add_input({dtype_of(dtype), eager::Dims(shape.begin(), shape.end())}); })
      .def("start", &ProcedureRecorder::start)
      .def("stop", &ProcedureRecorder::stop)
      .def_property_readonly("failure", &ProcedureRecorder::failure)
      .def("register_of", &ProcedureRecorder::register_of)
      .def("captured",
           [](const ProcedureRecorder& r) {  // (storage, a tensor on it)
             py::list list;
             for (const auto& c : r.captured()) list.append(py::make_tuple(storage_id(c.first), c.first));
             return list;
           })
      .def(
          "take",
          [](ProcedureRecorder& r, std::vector<int64_t> symbol_values, const py::list& events, const std::vector<Tensor>& results) {
            auto recording = std::make_shared<Recording>();
            recording->symbol_values = std::move(symbol_values);
            recording->procedure = r.take(results);
            for (const py::handle e : events) recording->events.push_back(event_from(py::reinterpret_borrow<py::tuple>(e)));
            return recording;
          },
          "What was recorded, once; register_of() gives final numbers from here on.");
  m.def("storage_id", &storage_id, "Names the memory that a tensor and its views share.");
}

Procedure unified(const std::vector<std::shared_ptr<Recording>>& recordings, const std::vector<std::string>& symbols,
                  const py::list& inputs) {
  std::vector<Recording> list;
  for (const auto& r : recordings) list.push_back(*r);
  DimTable dims;
  for (const std::string& s : symbols) dims.symbol(s);
  std::vector<tracer::InputSpec> specs;
  for (const py::handle h : inputs) {
    const auto t = py::reinterpret_borrow<py::tuple>(h);
    tracer::InputSpec spec{t[0].cast<std::string>(), {dtype_of(t[1]), {}}};
    for (const py::handle extent : t[2].cast<py::tuple>())
      spec.type.shape.push_back(py::isinstance<py::str>(extent) ? dims.symbol(extent.cast<std::string>()) : Dim(extent.cast<int64_t>()));
    specs.push_back(std::move(spec));
  }
  return tracer::unify(std::move(list), std::move(dims), std::move(specs));
}

// ---- programs ------------------------------------------------------------------------------------------------------------------------

// The whole of a tensor's storage as a state entry's value: in the tensor's shape where that is all of it in order, else flat.
Tensor whole(const Tensor& t) {
  static const eager::Op copy("copy");
  const auto elements = static_cast<int64_t>(t.storage().bytes()) / size_of(t.dtype());
  const eager::NoGrad no_grad;
  if (t.offset() == 0 && t.is_contiguous() && t.numel() == elements) return copy(eager::detach(t));
  return copy(Tensor::view(eager::Ref<eager::Storage>(&t.storage()), 0, {elements}, {1}, t.dtype()));
}

void bind_programs(py::module_& m) {
  py::class_<Procedure>(m, "Procedure")
      .def(
          "renumber_state",
          [](Procedure& p, const std::vector<uint32_t>& numbers) {
            for (tracer::Leaf& l : p.leaves)
              if (l.kind == tracer::Leaf::Kind::state) l.index = numbers.at(l.index);
          },
          "State entry i of this procedure becomes entry numbers[i] of the program.");
  py::class_<jit::Program, std::shared_ptr<jit::Program>>(m, "Program")
      .def_static("load", &jit::Program::load, py::call_guard<py::gil_scoped_release>())
      .def("save", &jit::Program::save, py::call_guard<py::gil_scoped_release>())
      .def(py::init(
          [](const std::vector<std::pair<std::string, Procedure>>& entries, const std::vector<std::pair<std::string, Tensor>>& state) {
            jit::package::Package package;
            for (const auto& [name, procedure] : entries) package.entries.push_back({name, procedure});
            for (const auto& [name, value] : state) package.state.push_back({name, value});
            return std::make_shared<jit::Program>(std::move(package));
          }))
      .def("entries",
           [](const jit::Program& p) {
             std::vector<std::string> names;
             for (const auto& e : p.entries()) names.push_back(e.name);
             return names;
           })
      .def("plain", [](const jit::Program& p, const std::string& entry) { return plain(p.entry(entry).procedure); })
      .def("text", [](const jit::Program& p, const std::string& entry) { return tracer::print(p.entry(entry).procedure, p.state()); })
      .def("writes",
           [](const jit::Program& p, const std::string& entry) {
             std::vector<std::string> names;
             for (uint32_t i = 0; i < p.state().size(); ++i)
               if (p.entry(entry).procedure.writes_state(i)) names.push_back(p.state()[i].name);
             return names;
           })
      .def("state",
           [](const jit::Program& p) {
             py::dict d;
             for (const auto& s : p.state()) d[py::str(s.name)] = s.value;
             return d;
           })
      .def("records", [](const jit::Program& p, const std::string& entry) { return records_of(*p.entry(entry).record); })
      .def("run", [](const jit::Program& p, const std::string& entry, const std::vector<Tensor>& inputs) {
        return p.run(p.entry(entry), inputs);
      });
  m.def(
      "set_whole_storage",
      [](const Tensor& destination, const Tensor& source) {
        if (destination.storage().bytes() != source.storage().bytes())
          fail(ErrorCode::value, "set_whole_storage: the two are not of one size");
        const std::byte* from = source.storage().data();
        std::memcpy(destination.storage().data_for_write(), from, source.storage().bytes());
      },
      "Puts back what whole_storage() copied.");
  m.def("whole_storage", &whole, "A copy of all the memory that a tensor is a view of.");
}

}  // namespace

void bind_export(py::module_& m) {
  m.def(
      "set_extent_type", [](const py::object& type) { Py_XSETREF(extent_type, type.is_none() ? nullptr : type.inc_ref().ptr()); },
      "What x.shape holds on this thread: objects type(value), or ints for None.");
  bind_recorder(m);
  m.def("unify", &unified);
  bind_programs(m);
}

}  // namespace kiln::python
