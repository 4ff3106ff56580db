#include "python/bindings/replay_frozen.h"
#include "python/bindings/imported.h"

#include <algorithm>
#include <bit>

#include "eager/operator.h"
#include "eager/tape.h"
#include "tracer/program_cache.h"

namespace kiln::python {

using eager::Tensor;

namespace {

bool is_named(PyObject* name, const char* expected) { return name != nullptr && PyUnicode_CompareWithASCIIString(name, expected) == 0; }

bool is_id(PyObject* function) {
  static PyObject* const id = py::object(imported("builtins").attr("id")).release().ptr();
  return function == id;
}

PyObject* of_core(const char* name) {
  return PyObject_GetAttrString(imported("kiln").attr("_core").ptr(), name);  // kept
}

bool is_backward(PyObject* function) {
  static PyObject* const backward = PyObject_GetAttrString(of_core("Tensor"), "backward");
  return function == backward;
}

bool asks_mode(PyObject* function) {
  static PyObject* const asks = of_core("is_grad_enabled");
  return function == asks;
}
bool sets_mode(PyObject* function) {
  static PyObject* const sets = of_core("set_grad_enabled");
  return function == sets;
}

// Does the mode that operators run in follow from the one that the call began in? Then nothing has to set it, or ask for it. (What is checked of
// tensors on the tape is checked in the mode that the call began in: it must not be the stricter one.)
bool mode_follows(const ReplayTree& tree, const std::vector<int32_t>& path, const FrozenReplay::Settings& settings,
                  const std::function<PyObject*(int32_t)>& look) {
  std::vector<int32_t> asked;
  for (const int32_t at : path) {
    const ReplayInstruction& i = tree.at(static_cast<size_t>(at));
    if (i.op != ReplayOp::call) continue;
    if (asks_mode(i.fixed[0])) asked.push_back(i.result);
    if (!sets_mode(i.fixed[0])) continue;
    if (i.operands.size() != 2 || i.extra != 0) return false;
    const int32_t to = i.operands[1];
    PyObject* const mode = to < 0 ? tree.constant(to) : look(to);
    if (!PyBool_Check(mode) || (to >= 0 && std::find(asked.begin(), asked.end(), to) == asked.end())) return false;
    if (mode == Py_True && !settings.grad_enabled) return false;
  }
  return true;
}

// Is what a call does to tensors all in the program, and in gradients? Python that stands on the tape (hooks, rules of kiln.custom_vjp) is met
// step by step, and decides as it goes.
bool is_computing(PyObject* function) {
  static PyObject *const tensor = of_core("Tensor"), *const op = of_core("Operator"), *const gradients = of_core("gradients"),
                         *const asarray = of_core("asarray"), *const hook = PyObject_GetAttrString(tensor, "register_hook");
  if (function == nullptr || function == hook) return false;
  if (function == gradients || function == asarray || reinterpret_cast<PyObject*>(Py_TYPE(function)) == op) return true;
  if (Py_TYPE(function) == &PyMethodDescr_Type) return reinterpret_cast<PyObject*>(PyDescr_TYPE(function)) == tensor;
  // abs, round and their like: of builtins, math and operator, but not of the core
  return PyCFunction_Check(function) && PyCFunction_GET_SELF(function) != nullptr && PyModule_Check(PyCFunction_GET_SELF(function));
}

}  // namespace

std::optional<eager::Scalar> scalar_of(PyObject* number) {
  if (PyFloat_CheckExact(number)) return eager::Scalar(PyFloat_AS_DOUBLE(number));
  if (!PyLong_CheckExact(number)) return std::nullopt;
  int overflow = 0;
  const int64_t i = PyLong_AsLongLongAndOverflow(number, &overflow);
  if (overflow != 0) return std::nullopt;
  return eager::Scalar(i);
}

bool same_scalar(const eager::Scalar& x, const eager::Scalar& y) {
  if (x.kind != y.kind) return false;
  return x.kind == DTypeKind::floating ? std::bit_cast<uint64_t>(x.f) == std::bit_cast<uint64_t>(y.f) : x.i == y.i;
}

bool hands_number_on(const ReplayInstruction& i, DType dtype) {
  constexpr uint8_t kAdd = 0, kMultiply = 5, kSubtract = 10, kDivide = 11;  // Include/opcode.h
  if (dtype != DType::F32 && dtype != DType::F64 && dtype != DType::I64) return false;
  if (i.op == ReplayOp::compare) return true;
  return i.op == ReplayOp::binary &&
         (i.extra == kAdd || i.extra == kMultiply || i.extra == kSubtract || (i.extra == kDivide && is_floating(dtype)));
}

int32_t number_handed_on(const ReplayInstruction& i, const std::function<PyObject*(int32_t)>& look) {
  if (i.op != ReplayOp::compare && i.op != ReplayOp::binary) return -1;
  PyObject *x = look(i.operands[0]), *y = look(i.operands[1]);
  if (is_tensor(x) == is_tensor(y)) return -1;
  const int32_t number = is_tensor(x) ? i.operands[1] : i.operands[0];
  const Tensor& t = unwrap(is_tensor(x) ? x : y);
  if (number < 0 || !hands_number_on(i, t.dtype()) || (eager::grad_enabled() && t.requires_grad())) return -1;
  return PyFloat_CheckExact(look(number)) || PyLong_CheckExact(look(number)) ? number : -1;
}

FrozenLayout::FrozenLayout(const Tensor& t) : dtype(t.dtype()), shape(t.shape()), strides(t.strides()), offset(t.offset()) {}

FrozenReplay::Settings FrozenReplay::Settings::now() {
  return {eager::grad_enabled(), eager::default_dtype(), codegen::backend_setting(), tracer::ProgramCache::instance().clearings()};
}

GradientChange::GradientChange(const Tensor& tensor, const Tensor& before) : leaf(tensor.impl()), had(static_cast<bool>(before)) {
  const auto& autograd = tensor.impl()->autograd;
  const Tensor now = autograd && autograd->grad ? *autograd->grad : Tensor();
  has = static_cast<bool>(now);
  same = now.same_as(before);
  if (same && has) kept = now;
}

FrozenDraft::FrozenDraft(const ReplayTree& tree, const std::vector<int32_t>& path, int32_t after, const FrozenReplay::Settings& settings,
                         std::span<const GradientChange> gradients, std::span<const TakenNumber> numbers, const eager::DataReads& reads,
                         const std::function<PyObject*(int32_t)>& look)
    : tree_(tree),
      look_(look),
      numbers_(numbers),
      origins_(static_cast<size_t>(tree.registers())),
      known_(origins_.size()),
      gradient_changed_(origins_.size()) {
  frozen_ = std::make_shared<FrozenReplay>();
  frozen_->settings = settings;
  frozen_->after = after;
  if (mode_follows(tree, path, settings, look)) grad_mode_ = settings.grad_enabled;
  bool possible = reads.others == 0;  // else what was done follows from values: an index, a shape
  for (size_t n = 0; n < path.size() && possible; ++n) possible = sort(tree.at(static_cast<size_t>(path[n])));
  for (const GradientChange& g : gradients) possible = possible && add_gradient(g);
  for (const eager::DataReads::Checked& c : reads.checked) possible = possible && add_check(c);
  for (int32_t at = after; at >= 0 && possible; at = tree.at(static_cast<size_t>(at)).next) {
    for (const int32_t o : tree.at(static_cast<size_t>(at)).operands)
      if (o >= 0 && origins_[static_cast<size_t>(o)] == Origin::derived) possible = possible && add_output(o);
  }
  if (!possible) frozen_ = nullptr;
}

// An instruction that is run by frozen replays too.
void FrozenDraft::go_on(const ReplayInstruction& i, Origin origin) {
  frozen_->steps.push_back(&i);
  if (i.result >= 0) origins_[static_cast<size_t>(i.result)] = origin;
}

// Does an instruction still run, or is it part of what the program does? False: the replay cannot be frozen.
bool FrozenDraft::sort(const ReplayInstruction& i) {
  if (i.op == ReplayOp::loop) return false;
  if (i.op == ReplayOp::save_gradients) return true;  // a frozen run changes none before it has succeeded
  if (i.op == ReplayOp::arguments) {
    std::fill_n(origins_.begin(), PyLong_AsLong(tree_.constant(i.operands[0])) + PyTuple_GET_SIZE(tree_.constant(i.operands[1])),
                Origin::read);
    frozen_->steps.push_back(&i);
    return true;
  }
  if (grad_mode_ && sort_mode(i)) return true;
  if (i.op == ReplayOp::set_attribute || i.op == ReplayOp::get_attribute)
    if (PyObject* held = i.fixed[0] != nullptr ? i.fixed[0] : look_(i.operands[0]); is_tensor(held)) return sort_gradient(i);
  bool derived = false, of_tensors = false;
  for (const int32_t o : i.operands) {
    if (o < 0) continue;
    derived |= origins_[static_cast<size_t>(o)] == Origin::derived;
    of_tensors |= is_tensor(look_(o));
  }
  const bool acts = i.op >= ReplayOp::call;
  const bool gives_tensor = i.result >= 0 && is_tensor(look_(i.result));
  if (derived || (acts && (gives_tensor || i.op == ReplayOp::set_item))) {
    if (i.result >= 0) origins_[static_cast<size_t>(i.result)] = Origin::derived;
    if (i.op == ReplayOp::call && !is_computing(i.fixed[0])) return false;
    if (i.op == ReplayOp::call && is_backward(i.fixed[0])) passed_backward_ = true;
    return !acts || add_inputs(i);
  }
  // Lists and tuples of tensors are looked into by operators only.
  if (of_tensors && (i.op == ReplayOp::make_list || i.op == ReplayOp::make_tuple || i.op == ReplayOp::make_dict)) {
    origins_[static_cast<size_t>(i.result)] = Origin::derived;
    return add_inputs(i);
  }
  if (acts && of_tensors && !is_id(i.fixed[0])) return false;  // looks at values
  go_on(i, acts ? Origin::number : Origin::read);
  return true;
}

// What only sets or asks whether operators are put on the tape, and is known beforehand.
bool FrozenDraft::sort_mode(const ReplayInstruction& i) {
  if (i.op == ReplayOp::off_tape) return !*grad_mode_;
  if (i.op != ReplayOp::call || (!asks_mode(i.fixed[0]) && !sets_mode(i.fixed[0]))) return false;
  if (sets_mode(i.fixed[0])) grad_mode_ = look_(i.operands[1]) == Py_True;
  origins_[static_cast<size_t>(i.result)] = Origin::number;
  frozen_->known.push_back({i.result, py::reinterpret_borrow<py::object>(look_(i.result))});
  return true;
}

// Attributes of tensors, read and written. What a gradient becomes in the run follows from what it was, and from the program.
bool FrozenDraft::sort_gradient(const ReplayInstruction& i) {
  const bool writes = i.op == ReplayOp::set_attribute;
  const int32_t target = i.operands[0];
  const bool derived = target >= 0 && origins_[static_cast<size_t>(target)] == Origin::derived;
  if (!is_named(i.fixed[1], "grad")) {
    if (writes || is_named(i.fixed[1], "_version")) return false;
    if (derived) origins_[static_cast<size_t>(i.result)] = Origin::derived;
    else go_on(i, Origin::number);
    return true;
  }
  if (target < 0) return false;
  if (writes) {
    gradient_changed_[static_cast<size_t>(target)] = true;
    return add_inputs(i);
  }
  if (derived || passed_backward_ || gradient_changed_[static_cast<size_t>(target)])
    origins_[static_cast<size_t>(i.result)] = Origin::derived;
  else go_on(i, Origin::read);
  return true;
}

// What a skipped instruction reads of what is not skipped.
bool FrozenDraft::add_inputs(const ReplayInstruction& i) {
  const auto taken = std::ranges::find(numbers_, &i, &TakenNumber::by);
  for (const int32_t o : i.operands) {
    if (taken != numbers_.end() && taken->number == o) continue;  // finish() has it
    if (o < 0 || origins_[static_cast<size_t>(o)] == Origin::derived || known_[static_cast<size_t>(o)]) continue;
    known_[static_cast<size_t>(o)] = true;
    PyObject* held = look_(o);
    if (is_tensor(held)) {
      add_input(o, false, unwrap(held));
    } else if (held == Py_None || PyLong_CheckExact(held) || PyFloat_CheckExact(held) || PyBool_Check(held) || PyUnicode_CheckExact(held)) {
      frozen_->values.push_back({o, py::reinterpret_borrow<py::object>(held)});
    } else {
      return false;
    }
  }
  return true;
}

void FrozenDraft::add_input(int32_t number, bool gradient, const Tensor& t) {
  frozen_->inputs.push_back(
      {number, gradient, FrozenLayout(t), t.storage().bytes(), t.storage().owns_memory(), t.requires_grad(), FrozenReplay::kUnused, 0});
  input_storages_.push_back(&t.storage());
}

// What the run did to the gradient of a tensor that was there before it. Of those that it made itself nobody hears.
bool FrozenDraft::add_gradient(const GradientChange& g) {
  int32_t number = -1;
  for (size_t n = 0; n < origins_.size() && number < 0; ++n) {
    PyObject* held = look_(static_cast<int32_t>(n));
    if (held == nullptr || !is_tensor(held) || unwrap(held).impl() != g.leaf) continue;
    if (origins_[n] == Origin::derived) return true;
    number = static_cast<int32_t>(n);
  }
  if (number < 0) return false;
  const Tensor& leaf = unwrap(look_(number));
  if (!g.had && !g.has && !leaf.requires_grad()) return true;
  frozen_->leaves.push_back({number, g.had, g.had && !g.has});
  if (g.kept) add_input(number, true, *g.kept);
  return g.same || !g.has || add_output(*leaf.autograd().grad, -1, number);
}

bool FrozenDraft::add_check(const eager::DataReads::Checked& c) {
  for (size_t n = 0; n < frozen_->inputs.size(); ++n) {
    const FrozenReplay::Input& in = frozen_->inputs[n];
    if (in.gradient || input_storages_[n] != &c.of.storage() || !in.layout.is_of(c.of) || !c.of.is_contiguous()) continue;
    frozen_->checks.push_back({n, c.first, c.last});
    return true;
  }
  return false;
}

bool FrozenDraft::add_output(int32_t number) {
  if (known_[static_cast<size_t>(number)]) return true;
  known_[static_cast<size_t>(number)] = true;
  PyObject* held = look_(number);
  return is_tensor(held) && add_output(unwrap(held), number, std::nullopt);
}

bool FrozenDraft::add_output(const Tensor& t, int32_t number, std::optional<int32_t> leaf) {
  if (t.requires_grad()) return false;
  for (size_t n = 0; n < frozen_->outputs.size(); ++n) {
    if (outputs_[n] != t.impl()) continue;
    if (frozen_->outputs[n].number >= 0 || leaf) return false;  // one tensor in two places
    frozen_->outputs[n].number = number;                        // a gradient that is also given
    return true;
  }
  FrozenReplay::Output output{number, leaf, std::nullopt, 0, FrozenLayout(t), std::nullopt};
  if (t.impl()->base) {
    const Tensor base(t.impl()->base);
    if (base.requires_grad() || &base.storage() != &t.storage()) return false;
    output.base.emplace(base);
  }
  for (const FrozenReplay::Input& in : frozen_->inputs)
    if (!in.gradient && unwrap(look_(in.number)).impl() == t.impl()) output.same_as = in.number;
  if (leaf && output.same_as) return false;
  frozen_->outputs.push_back(output);
  outputs_.push_back(t.impl());
  output_storages_.push_back(&t.storage());
  return true;
}

std::shared_ptr<const FrozenReplay> FrozenDraft::finish() {
  if (!frozen_ || !kept.program) return nullptr;
  FrozenReplay& f = *frozen_;
  f.program = kept.program;
  f.scalars = kept.scalars;
  for (const TakenNumber& n : numbers_) {
    if (origins_[static_cast<size_t>(n.number)] == Origin::derived) continue;
    const eager::Scalar& s = f.scalars.at(n.scalar);
    const bool floating = s.kind == DTypeKind::floating;
    const std::optional<eager::Scalar> given = scalar_of(n.value.ptr());
    if (given && same_scalar(*given, s)) f.numbers.push_back({n.number, n.scalar, floating});
    else f.values.push_back({n.number, n.value});
  }
  for (uint32_t slot = 0; slot < kept.storages.size(); ++slot) {
    const tracer::KeptSegment::Bound& bound = kept.storages[slot];
    f.made.push_back(bound.leaf ? -1 : bound.bytes);
    bool found = !bound.leaf, written = false;
    for (size_t n = 0; n < f.inputs.size(); ++n) {
      if (input_storages_[n] != bound.storage || !bound.leaf) continue;
      found = true;
      f.inputs[n].slot = slot;
      f.inputs[n].writes = written ? 0 : bound.writes;  // once a storage, however many inputs lie in it
      written = true;
    }
    if (!found) return nullptr;  // a storage that no input brings: an array's, a constant's
  }
  for (size_t n = 0; n < f.outputs.size(); ++n) {
    if (f.outputs[n].same_as) continue;
    const auto at =
        std::find_if(kept.storages.begin(), kept.storages.end(), [&](const auto& b) { return b.storage == output_storages_[n]; });
    if (at == kept.storages.end() || at->leaf) return nullptr;  // a view of an input
    f.outputs[n].slot = static_cast<uint32_t>(at - kept.storages.begin());
  }
  return frozen_;
}

}  // namespace kiln::python
