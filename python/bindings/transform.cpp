// What transformations of functions (kiln._vmap) start from: the calls that a function makes, noted while it runs without values.
#include <pybind11/stl.h>

#include "eager/backward.h"
#include "python/bindings/arguments.h"
#include "python/bindings/dtype_type.h"
#include "python/bindings/modules.h"
#include "python/bindings/tensor_type.h"
#include "tracer/call_recorder.h"

namespace kiln::python {
namespace {

using eager::Tensor;
using tracer::CallRecorder;

py::object plain(const CallRecorder::Use& use) { return py::make_tuple(use.number, use.on_tape); }

py::object plain(const eager::Scalar& s) {
  if (s.kind == DTypeKind::floating) return py::float_(s.f);
  if (s.kind == DTypeKind::boolean) return py::bool_(s.i != 0);
  return py::int_(s.i);
}

// (operator's name or None, operands, attributes, outputs, destination or None, where): an operand is None, a number, or (value, on tape).
py::tuple plain(const CallRecorder::Noted& c) {
  py::list operands, attrs;
  for (const CallRecorder::UsedOperand& o : c.operands) {
    if (const auto* use = std::get_if<CallRecorder::Use>(&o)) operands.append(plain(*use));
    else if (const auto* number = std::get_if<eager::Scalar>(&o)) operands.append(plain(*number));
    else operands.append(py::none());
  }
  for (const eager::Attr& a : c.attrs) attrs.append(attribute_object(a));
  return py::make_tuple(c.op ? py::object(py::str(std::string(c.op->name))) : py::none(), operands, attrs, c.outputs,
                        c.destination ? plain(*c.destination) : py::none(), c.where);
}

}  // namespace

void bind_transform(py::module_& m) {
  py::class_<CallRecorder>(m, "CallRecorder", "Notes the operator calls of a function; see tracer/call_recorder.h.")
      .def(py::init<>())
      .def("add_input",
           [](CallRecorder& r, const std::vector<int64_t>& shape, const py::object& dtype) {
             return r.add_input({dtype_from_python(dtype.ptr()).value(), eager::Dims(shape.begin(), shape.end())});
           })
      .def("start", &CallRecorder::start)
      .def("stop", &CallRecorder::stop)
      .def_property_readonly("failure", &CallRecorder::failure)
      .def("use", [](CallRecorder& r, const Tensor& t) { return plain(r.use(t)); })
      .def("count", [](const CallRecorder& r) { return r.calls().size(); })
      .def("calls",
           [](const CallRecorder& r) {
             py::list list;
             for (const CallRecorder::Noted& c : r.calls()) list.append(plain(c));
             return list;
           })
      .def("outside", [](const CallRecorder& r) { return r.outside(); });
  m.def("set_transforming", &eager::set_transforming, py::arg("on"),
        "On: backward() into leaves and hooks are errors on this thread. Gives what was set before.");
}

}  // namespace kiln::python
