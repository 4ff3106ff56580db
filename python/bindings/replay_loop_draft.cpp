// What an iteration comes to, found out by running it: operators are deferred as ever, and where a value is looked at, the program that runs
// then is kept, with the registers whose storages it takes and makes.
#include <algorithm>

#include "python/bindings/modules.h"
#include "python/bindings/replay_loop.h"

namespace kiln::python {

using eager::Tensor;
using tracer::LoopNumber;
using tracer::LoopProgram;
using tracer::NumberOp;

namespace {

// By the numbers of the number protocol (Include/opcode.h), of Py_LT ... (Include/object.h), and of kiln/capture's UNARY.
std::optional<NumberOp> binary_op(uint8_t extra) {
  constexpr uint8_t kInPlace = 13;
  switch (extra % kInPlace) {
    case 0: return NumberOp::add;
    case 2: return NumberOp::floor_divide;
    case 5: return NumberOp::multiply;
    case 6: return NumberOp::remainder;
    case 10: return NumberOp::subtract;
    case 11: return NumberOp::divide;
    default: return std::nullopt;
  }
}
NumberOp compare_op(uint8_t extra) {
  constexpr NumberOp ops[] = {NumberOp::less,      NumberOp::less_equal, NumberOp::equal,
                              NumberOp::not_equal, NumberOp::greater,    NumberOp::greater_equal};
  return ops[extra];
}
std::optional<NumberOp> unary_op(uint8_t extra) {
  constexpr std::optional<NumberOp> ops[] = {NumberOp::positive, NumberOp::negative, NumberOp::logical_not, std::nullopt, NumberOp::truth};
  return ops[extra];
}
constexpr uint8_t kTruth = 4;

// Operators of a tensor and a number that hand the number on as it is, whatever it is.
bool takes_number(const ReplayInstruction& i, DType dtype) {
  if (dtype != DType::F32 && dtype != DType::F64 && dtype != DType::I64) return false;
  if (i.op == ReplayOp::compare) return true;
  const auto op = i.extra < 13 ? binary_op(i.extra) : std::nullopt;
  return op == NumberOp::add || op == NumberOp::subtract || op == NumberOp::multiply || (op == NumberOp::divide && is_floating(dtype));
}

bool same_number(const eager::Scalar& s, const LoopNumber& n) {
  if (n.kind == LoopNumber::Kind::floating) return s.kind == DTypeKind::floating && LoopNumber::floating(s.f).same_as(n);
  return n.kind == LoopNumber::Kind::integer && s.kind == DTypeKind::signed_integer && s.i == n.i;
}

}  // namespace

LoopDraft::LoopDraft(const ReplayLoop& loop, const NativeLoop* known, LoopRegisters& registers, const FrozenReplay::Settings& settings)
    : loop_(loop), registers_(registers), native_(std::make_shared<NativeLoop>()) {
  if (known != nullptr) {
    *native_ = *known;
  } else {
    auto entries = NativeLoop::entries_of(loop, registers);
    if (!entries) {
      refuse();
      return;
    }
    native_->settings = settings;
    native_->entries = *std::move(entries);
    LoopProgram& p = native_->program;
    for (const ReplayInstruction& i : loop.body)
      p.steps.emplace_back().kind = i.op == ReplayOp::leave ? Step::Kind::leave : Step::Kind::unknown;
    int32_t last = -1;
    for (const NativeLoop::Entry& e : native_->entries) last = std::max(last, e.number);
    for (const ReplayInstruction& i : loop.body) last = std::max(last, i.result);
    p.registers = static_cast<uint32_t>(last + 1);
    for (const int32_t r : loop.changing) p.changing.push_back(static_cast<uint32_t>(r));
  }
  what_.assign(native_->program.registers, What::none);
  for (const NativeLoop::Entry& e : native_->entries) what_[static_cast<size_t>(e.number)] = e.layout ? What::tensor : What::number;
  for (const ReplayInstruction& i : loop.body)
    if (i.result >= 0) registers.set(i.result, nullptr);
}

std::shared_ptr<const NativeLoop> LoopDraft::run() {
  const eager::GeneratorState generator = eager::generator_state();
  const auto leaves = [&] { return at_ >= 0 && loop_.body[static_cast<size_t>(at_)].op == ReplayOp::leave; };
  while (possible_ && at_ >= 0 && end_ == nullptr && !leaves())
    if (!add(at_)) break;
  if (!possible_ || (end_ == nullptr && !leaves()) || eager::generator_state() != generator) {
    if (eager::generator_state() != generator) refuse();
    eager::set_generator_state(generator);
    end_ = nullptr;
    return nullptr;
  }
  native_->program.shorten();
  return native_;
}

bool LoopDraft::do_it(const ReplayInstruction& i) {
  if (!registers_.step(i)) return false;
  if (i.result >= 0) {
    PyObject* made = registers_.look(i.result);
    if (is_tensor(made) && unwrap(made).requires_grad()) return refuse();
    what_[static_cast<size_t>(i.result)] = is_tensor(made) ? What::tensor : What::fixed;
    made_.push_back(i.result);
  }
  return true;
}

std::optional<LoopProgram::Value> LoopDraft::value(int32_t operand) const {
  const LoopNumber n = as_loop_number(registers_.look(operand));
  if (n.kind == LoopNumber::Kind::none) return std::nullopt;
  if (what(operand) == What::number) return LoopProgram::Value{static_cast<uint32_t>(operand), {}};
  return LoopProgram::Value{std::nullopt, n};
}

bool LoopDraft::add(int32_t at) {
  const ReplayInstruction& i = loop_.body[static_cast<size_t>(at)];
  Step step;
  step.kind = Step::Kind::pass;
  step.next = i.next;
  step.otherwise = i.otherwise;
  at_ = i.next;
  bool numbers = false, tensors = false, parts = false;
  for (const int32_t o : i.operands) {
    numbers |= what(o) == What::number;
    tensors |= what(o) == What::tensor;
    parts |= what(o) == What::parts;
  }
  bool done = false;
  switch (i.op) {
    case ReplayOp::back: done = add_back(i, step, at); break;
    case ReplayOp::same:
    case ReplayOp::value: done = add_check(i, step); break;
    case ReplayOp::off_tape: done = do_it(i); break;  // nothing here is on it
    case ReplayOp::unary:
      if (tensors && i.extra == kTruth) done = add_look(i, step, at, Step::Kind::truth);
      else if (numbers) done = unary_op(i.extra) ? add_number(i, step, *unary_op(i.extra)) : refuse();
      else done = add_operator(i);
      break;
    case ReplayOp::binary:
      if (numbers && !tensors) done = binary_op(i.extra) ? add_number(i, step, *binary_op(i.extra)) : refuse();
      else done = add_operator(i);
      break;
    case ReplayOp::compare: done = numbers && !tensors ? add_number(i, step, compare_op(i.extra)) : add_operator(i); break;
    case ReplayOp::call:
      if (looks_at_value(registers_.look(i.operands[0]))) {
        if (i.operands.size() != 2 || i.extra != 0) return refuse();
        const bool item = registers_.look(i.operands[0]) != reinterpret_cast<PyObject*>(&PyFloat_Type);
        if (tensors && (item || is_floating(unwrap(registers_.look(i.operands[1])).dtype())))
          done = add_look(i, step, at, Step::Kind::item);
        else if (numbers && !item) {
          const auto x = value(i.operands[1]);
          if (!x || !do_it(i)) return refuse();
          step.kind = Step::Kind::number;
          step.op = NumberOp::to_float;
          step.x = *x;
          step.result = static_cast<uint32_t>(i.result);
          what_[static_cast<size_t>(i.result)] = What::number;
          done = true;
        } else return refuse();
        break;
      }
      if (numbers) return refuse();
      done = follows_from_types(registers_.look(i.operands[0])) ? do_it(i) : add_operator(i);
      break;
    case ReplayOp::get_item:
    case ReplayOp::get_attribute:
    case ReplayOp::make_slice:
    case ReplayOp::item:
      if (numbers) return refuse();
      done = add_operator(i);
      break;
    case ReplayOp::make_tuple:
    case ReplayOp::make_list:
      if (numbers || parts) return refuse();
      done = add_operator(i);
      if (done && tensors) what_[static_cast<size_t>(i.result)] = What::parts;
      break;
    default:
      if (i.op >= ReplayOp::call || numbers || tensors || parts) return refuse();
      if (!do_it(i)) return false;
      done = true;
      break;
  }
  if (done && is_new(at)) native_->program.steps[static_cast<size_t>(at)] = step;
  return done;
}

// A check decides the way where it is of a number; what follows from layouts is found once.
bool LoopDraft::add_check(const ReplayInstruction& i, Step& step) {
  if (what(i.operands[1]) != What::fixed || i.operands[1] >= 0) return refuse();
  const bool passes = registers_.step(i);
  if (PyErr_Occurred()) return false;
  at_ = passes ? i.next : i.otherwise;
  switch (what(i.operands[0])) {
    case What::fixed: step.next = at_; return at_ >= 0;
    case What::number: {
      const LoopNumber constant = as_loop_number(registers_.look(i.operands[1]));
      if (constant.kind == LoopNumber::Kind::none) return refuse();
      step.kind = Step::Kind::check;
      step.x = {static_cast<uint32_t>(i.operands[0]), {}};
      step.y = {std::nullopt, constant};
      return at_ >= 0;
    }
    default: return refuse();
  }
}

bool LoopDraft::add_number(const ReplayInstruction& i, Step& step, NumberOp op) {
  const auto x = value(i.operands[0]), y = i.operands.size() > 1 ? value(i.operands[1]) : LoopProgram::Value{};
  if (!x || !y) return refuse();
  if (!do_it(i)) return false;
  if (as_loop_number(registers_.look(i.result)).kind == LoopNumber::Kind::none) return refuse();
  step.kind = Step::Kind::number;
  step.op = op;
  step.x = *x;
  step.y = *y;
  step.result = static_cast<uint32_t>(i.result);
  what_[static_cast<size_t>(i.result)] = What::number;
  return true;
}

// bool(tensor), tensor.item(), float(tensor).
bool LoopDraft::add_look(const ReplayInstruction& i, Step& step, int32_t at, Step::Kind kind) {
  const int32_t looked = i.operands.back();
  const Tensor t = unwrap(registers_.look(looked));
  if (t.numel() != 1 || is_complex(t.dtype())) return refuse();
  used_.push_back(looked);
  if (t.storage().pending_writes()) {
    if (!segment(step, at, [&] { return registers_.step(i); })) return false;
  } else if (!registers_.step(i)) {
    return false;
  }
  if (as_loop_number(registers_.look(i.result)).kind == LoopNumber::Kind::none) return refuse();
  step.kind = kind;
  step.tensor = static_cast<uint32_t>(looked);
  step.dtype = t.dtype();
  step.offset = t.offset();
  step.result = static_cast<uint32_t>(i.result);
  what_[static_cast<size_t>(i.result)] = What::number;
  return true;
}

bool LoopDraft::add_operator(const ReplayInstruction& i) {
  std::optional<int32_t> number;
  for (const int32_t o : i.operands) {
    if (what(o) == What::tensor) used_.push_back(o);
    if (what(o) == What::number) {
      if (number) return refuse();
      number = o;
    }
  }
  if (number) {
    if (i.operands.size() != 2) return refuse();
    PyObject* other = registers_.look(i.operands[0] == *number ? i.operands[1] : i.operands[0]);
    if (!is_tensor(other) || !takes_number(i, unwrap(other).dtype())) return refuse();
    const size_t before = registers_.recorder().scalars();
    if (!do_it(i)) return false;
    if (registers_.recorder().scalars() != before + 1) return refuse();
    scalars_.push_back({static_cast<uint32_t>(before), *number, as_loop_number(registers_.look(*number))});
    return true;
  }
  if (!do_it(i)) return false;
  if (i.result < 0) return true;
  PyObject* made = registers_.look(i.result);
  if (PyTuple_Check(made))
    for (Py_ssize_t n = 0; n < PyTuple_GET_SIZE(made); ++n)
      if (is_tensor(PyTuple_GET_ITEM(made, n))) what_[static_cast<size_t>(i.result)] = What::parts;
  return !PyList_Check(made) || what(i.result) != What::fixed || i.op == ReplayOp::make_list || refuse();
}

bool LoopDraft::add_back(const ReplayInstruction& i, Step& step, int32_t at) {
  for (const int32_t o : i.operands)
    if (o >= 0 && what(o) == What::tensor) used_.push_back(o);
  if (registers_.recorder().pending() > 0 && !segment(step, at, [&] {
        return guarded([&] {
          registers_.recorder().flush(eager::FlushReason::boolean);
          return true;
        });
      }))
    return false;
  step.kind = Step::Kind::back;
  end_ = &i.operands;
  for (size_t n = 0; n < i.operands.size(); ++n) {
    const int32_t o = i.operands[n];
    const NativeLoop::Entry& e = native_->entries[n];
    PyObject* held = registers_.look(o);
    if (e.layout) {
      // Where the layout settles only after the first iterations, the loop is kept with the later one.
      if (o < 0 || !is_tensor(held) || !e.layout->is_of(unwrap(held)) || static_cast<int64_t>(unwrap(held).storage().bytes()) != e.bytes)
        return refuse();
      step.moves.push_back({static_cast<uint32_t>(o), {}});
    } else {
      const auto v = value(o);
      if (!v) return refuse();
      step.moves.push_back({v->number, v->constant});
    }
  }
  return true;
}

// Which registers anything after an instruction asks for, but for what follows the loop.
std::vector<bool> LoopDraft::alive_after(int32_t at) const {
  std::vector<bool> alive(what_.size());
  std::vector<int32_t> waiting;
  std::vector<bool> been(loop_.body.size());
  const auto visit = [&](int32_t n) {
    if (n >= 0 && !been[static_cast<size_t>(n)]) {
      been[static_cast<size_t>(n)] = true;
      waiting.push_back(n);
    }
  };
  visit(loop_.body[static_cast<size_t>(at)].next);
  visit(loop_.body[static_cast<size_t>(at)].otherwise);
  for (const int32_t o : loop_.body[static_cast<size_t>(at)].operands)
    if (o >= 0) alive[static_cast<size_t>(o)] = true;
  while (!waiting.empty()) {
    const ReplayInstruction& i = loop_.body[static_cast<size_t>(waiting.back())];
    waiting.pop_back();
    for (const int32_t o : i.operands)
      if (o >= 0) alive[static_cast<size_t>(o)] = true;
    visit(i.next);
    visit(i.otherwise);
  }
  return alive;
}

bool LoopDraft::segment(Step& step, int32_t at, const std::function<bool()>& flush) {
  const std::vector<bool> alive = alive_after(at);
  for (const int32_t r : made_)
    if (!alive[static_cast<size_t>(r)]) registers_.set(r, nullptr);
  tracer::KeptSegment kept;
  tracer::SegmentRecorder& recorder = registers_.recorder();
  const uint64_t runs = recorder.runs();
  recorder.keep_next(&kept);
  const bool flushed = flush();
  recorder.keep_next(nullptr);
  if (!flushed) return false;
  if (recorder.runs() != runs + 1 || recorder.pending() > 0) return refuse();
  if (is_new(at)) {
    auto made = bind(kept, alive);
    if (!made) return refuse();
    step.segment = static_cast<int32_t>(native_->program.segments.size());
    native_->program.segments.push_back(*std::move(made));
  }
  used_.clear();
  made_.clear();
  scalars_.clear();
  return true;
}

std::optional<LoopProgram::Segment> LoopDraft::bind(const tracer::KeptSegment& kept, const std::vector<bool>& alive) {
  LoopProgram::Segment s;
  s.program = kept.program;
  s.scalars = kept.scalars;
  s.slots = static_cast<uint32_t>(kept.storages.size());
  for (const Taken& t : scalars_) {
    if (t.scalar >= kept.scalars.size() || !same_number(kept.scalars[t.scalar], t.value)) return std::nullopt;
    s.numbers.emplace_back(t.scalar, static_cast<uint32_t>(t.number));
  }
  const auto storage_of = [&](int32_t r) -> const eager::Storage* {
    PyObject* held = registers_.look(r);
    return held != nullptr && is_tensor(held) ? &unwrap(held).storage() : nullptr;
  };
  const auto is_made = [&](int32_t r) { return std::ranges::count(made_, r) > 0; };
  for (uint32_t slot = 0; slot < s.slots; ++slot) {
    const tracer::KeptSegment::Bound& b = kept.storages[slot];
    if (b.leaf) {
      if (b.writes > 0) return std::nullopt;
      const size_t before = s.inputs.size();
      for (const int32_t r : used_)
        if (!is_made(r) && storage_of(r) == b.storage) s.inputs.push_back({static_cast<uint32_t>(r), slot});
      if (s.inputs.size() == before) return std::nullopt;
      // What is made on the storage of another is held by that.
      for (const int32_t r : made_)
        if (alive[static_cast<size_t>(r)] && storage_of(r) == b.storage)
          s.views.emplace_back(static_cast<uint32_t>(r), s.inputs.back().number);
    } else if (b.visible) {
      const size_t before = s.outputs.size();
      for (const int32_t r : made_)
        if (alive[static_cast<size_t>(r)] && storage_of(r) == b.storage) s.outputs.push_back({static_cast<uint32_t>(r), slot});
      if (s.outputs.size() == before) return std::nullopt;
      s.made.emplace_back(slot, b.bytes);
    }
  }
  for (const int32_t r : made_) {
    if (!alive[static_cast<size_t>(r)]) continue;
    if (what(r) == What::parts) return std::nullopt;
    if (what(r) != What::tensor) continue;
    const auto has = [&](const auto& list) {
      return std::ranges::any_of(list, [&](const auto& b) { return b.number == static_cast<uint32_t>(r); });
    };
    if (!has(s.outputs) && std::ranges::none_of(s.views, [&](const auto& v) { return v.first == static_cast<uint32_t>(r); }))
      return std::nullopt;
  }
  return s;
}

}  // namespace kiln::python
