#include "python/bindings/replay_loop.h"

#include <algorithm>

#include "python/bindings/imported.h"
#include "python/bindings/modules.h"

namespace kiln::python {

using eager::Tensor;
using tracer::LoopNumber;
using tracer::LoopProgram;

namespace {

PyObject* same_type = nullptr;  // what bind_loops() made

constexpr uint8_t kFirstInPlace = 13;  // of the number protocol (Include/opcode.h: NB_INPLACE_ADD)

// abs and round do what a method of their operand does; of tensors, an operator.
bool asks_operand(PyObject* callee) {
  static const auto builtin = [](const char* name) { return py::object(imported("builtins").attr(name)).release().ptr(); };
  static PyObject *const abs = builtin("abs"), *const round = builtin("round");
  return callee == abs || callee == round;
}

// Does an instruction change nothing but registers and the generator, which a run puts back?
bool only_computes(const ReplayInstruction& i, const std::function<PyObject*(int32_t)>& constant) {
  switch (i.op) {
    case ReplayOp::call: {
      PyObject* const callee = i.operands[0] < 0 ? constant(i.operands[0]) : Py_None;
      return is_operator(callee) || asks_operand(callee) || looks_at_value(callee) || follows_from_types(callee);
    }
    case ReplayOp::binary: return i.extra < kFirstInPlace;
    case ReplayOp::set_item:
    case ReplayOp::set_attribute:
    case ReplayOp::loop:
    case ReplayOp::save_gradients: return false;
    default: return i.op < ReplayOp::commit;
  }
}

}  // namespace

bool looks_at_value(PyObject* callee) {
  static PyObject* const item = PyObject_GetAttrString(reinterpret_cast<PyObject*>(tensor_type), "item");
  return callee == item || callee == reinterpret_cast<PyObject*>(&PyFloat_Type);
}

bool follows_from_types(PyObject* callee) { return callee == same_type; }

void bind_loops(py::module_& m) {
  m.def(
      "same_type", [](const Tensor& x, const Tensor& y) { return x.dtype() == y.dtype() && x.shape() == y.shape(); },
      "Are two tensors of one dtype and shape?");
  same_type = py::object(m.attr("same_type")).release().ptr();
}

bool ReplayLoop::operator==(const ReplayLoop& other) const {
  return changing == other.changing && std::ranges::equal(body, other.body, [](const ReplayInstruction& a, const ReplayInstruction& b) {
           return a.op == b.op && a.extra == b.extra && a.result == b.result && a.operands == b.operands && a.next == b.next &&
                  a.otherwise == b.otherwise;
         });
}

std::shared_ptr<ReplayLoop> make_loop(std::vector<int32_t> changing, std::vector<ReplayInstruction> body,
                                      const std::function<PyObject*(int32_t)>& constant) {
  auto loop = std::make_shared<ReplayLoop>();
  loop->changing = std::move(changing);
  loop->body = std::move(body);
  loop->computes = std::ranges::all_of(loop->body, [&](const ReplayInstruction& i) { return only_computes(i, constant); });
  std::vector<int32_t> inside = loop->changing;
  for (const ReplayInstruction& i : loop->body)
    if (i.result >= 0) inside.push_back(i.result);
  for (const ReplayInstruction& i : loop->body)
    for (const int32_t o : i.operands)
      if (o >= 0 && std::ranges::count(inside, o) == 0 && std::ranges::count(loop->outside, o) == 0) loop->outside.push_back(o);
  return loop;
}

void ReplayLoop::find_wanted(const ReplayTree& tree, const ReplayInstruction& loop) {
  if (std::exchange(wanted_of, tree.size()) == tree.size()) return;
  std::vector<bool> asked(static_cast<size_t>(tree.registers())), been(tree.size());
  std::vector<int32_t> waiting;
  const auto visit = [&](int32_t at) {
    if (at < 0 || been[static_cast<size_t>(at)]) return;
    been[static_cast<size_t>(at)] = true;
    waiting.push_back(at);
  };
  const auto ask = [&](int32_t operand) {
    if (operand >= 0) asked[static_cast<size_t>(operand)] = true;
  };
  visit(loop.next);
  visit(loop.otherwise);
  while (!waiting.empty()) {
    const ReplayInstruction& i = tree.at(static_cast<size_t>(waiting.back()));
    waiting.pop_back();
    std::ranges::for_each(i.operands, ask);
    if (i.loop != nullptr) std::ranges::for_each(i.loop->outside, ask);
    visit(i.next);
    visit(i.otherwise);
  }
  wanted.clear();
  for (const ReplayInstruction& i : body)
    if (i.result >= 0 && asked[static_cast<size_t>(i.result)]) wanted.push_back(i.result);
  std::ranges::sort(wanted);
  wanted.erase(std::ranges::unique(wanted).begin(), wanted.end());
}

LoopNumber as_loop_number(PyObject* o) {
  if (PyBool_Check(o)) return LoopNumber::boolean(o == Py_True);
  if (PyFloat_CheckExact(o)) return LoopNumber::floating(PyFloat_AS_DOUBLE(o));
  if (!PyLong_CheckExact(o)) return {};
  int overflow = 0;
  const int64_t i = PyLong_AsLongLongAndOverflow(o, &overflow);
  return overflow ? LoopNumber{} : LoopNumber::integer(i);
}

PyObject* as_python(LoopNumber n) {
  switch (n.kind) {
    case LoopNumber::Kind::boolean: return PyBool_FromLong(n.i != 0);
    case LoopNumber::Kind::integer: return PyLong_FromLongLong(n.i);
    case LoopNumber::Kind::floating: return PyFloat_FromDouble(n.f);
    case LoopNumber::Kind::none: break;
  }
  return Py_NewRef(Py_None);
}

std::optional<std::vector<NativeLoop::Entry>> NativeLoop::entries_of(const ReplayLoop& loop, const LoopRegisters& registers) {
  std::vector<Entry> entries;
  for (const auto* numbers : {&loop.changing, &loop.outside})
    for (const int32_t r : *numbers) {
      PyObject* held = registers.look(r);
      if (held == nullptr) return std::nullopt;
      if (Py_IS_TYPE(held, tensor_type)) {
        const Tensor& t = unwrap(held);
        entries.push_back({r, FrozenLayout(t), static_cast<int64_t>(t.storage().bytes())});
      } else if (as_loop_number(held).kind != LoopNumber::Kind::none) {
        entries.push_back({r, std::nullopt, 0});
      } else {
        return std::nullopt;
      }
    }
  return entries;
}

bool NativeLoop::fits(const LoopRegisters& registers, const FrozenReplay::Settings& now) const {
  if (settings != now) return false;
  for (const Entry& e : entries) {
    PyObject* held = registers.look(e.number);
    if (!e.layout) {
      if (as_loop_number(held).kind == LoopNumber::Kind::none) return false;
      continue;
    }
    if (!Py_IS_TYPE(held, tensor_type)) return false;
    const Tensor& t = unwrap(held);
    const eager::Storage& s = t.storage();
    if (!e.layout->is_of(t) || static_cast<int64_t>(s.bytes()) != e.bytes || (settings.grad_enabled && t.requires_grad())) return false;
    if (s.pending_writes() || s.shared() || (s.raw() == nullptr && s.bytes() > 0)) return false;
  }
  return true;
}

LoopProgram::End NativeLoop::run(const ReplayLoop& loop, LoopRegisters& registers, int64_t* iterations) const {
  std::vector<LoopProgram::Held> held(program.registers);
  for (const Entry& e : entries) {
    PyObject* o = registers.look(e.number);
    if (e.layout) held[static_cast<size_t>(e.number)].storage = eager::Ref<eager::Storage>(&unwrap(o).storage());
    else held[static_cast<size_t>(e.number)].number = as_loop_number(o);
  }
  eager::Recorder* recorder = eager::current_recorder();
  eager::set_recorder(nullptr);
  LoopProgram::End end = LoopProgram::End::out_of_range;
  try {
    end = program.run(held, [] { return PyErr_CheckSignals() < 0; }, iterations);
  } catch (const Error&) {  // out of memory: it is found again, in the plain way
    eager::set_recorder(recorder);
    return end;
  }
  eager::set_recorder(recorder);
  for (size_t n = 0; n < loop.changing.size(); ++n) {
    const Entry& e = entries[n];
    const LoopProgram::Held& now = held[static_cast<size_t>(e.number)];
    if (!e.layout) registers.set(e.number, as_python(now.number));
    else if (now.storage.get() != &unwrap(registers.look(e.number)).storage()) registers.set(e.number, wrap(e.layout->view(now.storage)));
  }
  if (end != LoopProgram::End::left) return end;
  if (finals && wanted == loop.wanted) set_finals(registers, held);
  else if (!leave(loop, registers, held)) return LoopProgram::End::out_of_range;
  return end;
}

void NativeLoop::set_finals(LoopRegisters& registers, std::span<const LoopProgram::Held> held) const {
  for (const Final& f : *finals) {
    const LoopProgram::Held& now = held[static_cast<size_t>(f.number)];
    PyObject* made = f.fixed ? Py_NewRef(f.fixed.ptr()) : f.layout ? wrap(f.layout->view(now.storage)) : as_python(now.number);
    registers.set(f.number, made);
  }
}

bool NativeLoop::leave(const ReplayLoop& loop, LoopRegisters& registers, std::span<const LoopProgram::Held> held) const {
  int32_t at = 0;
  while (at >= 0 && loop.body[static_cast<size_t>(at)].op < ReplayOp::back) {
    const ReplayInstruction& i = loop.body[static_cast<size_t>(at)];
    const bool known = told[static_cast<size_t>(at)];
    if (known) registers.set(i.result, as_python(held[static_cast<size_t>(i.result)].number));
    at = known || registers.step(i) ? i.next : i.otherwise;
  }
  PyErr_Clear();
  return at >= 0 && loop.body[static_cast<size_t>(at)].op == ReplayOp::leave;
}

}  // namespace kiln::python
