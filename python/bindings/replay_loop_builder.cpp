// What the drafts of a loop have in common: instructions become steps, and what dispatch makes of operators segments.
#include "python/bindings/replay_loop_builder.h"

#include <algorithm>

#include "eager/dispatch.h"
#include "python/bindings/modules.h"

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

bool same_place(const Tensor& x, const Tensor& y) { return &x.storage() == &y.storage() && FrozenLayout(x).is_of(y); }

}  // namespace

LoopBuilder::LoopBuilder(const ReplayLoop& loop, LoopRegisters& registers) : loop_(loop), registers_(registers) {}

void LoopBuilder::begin(const FrozenReplay::Settings& settings) {
  native_ = std::make_shared<NativeLoop>();
  auto entries = NativeLoop::entries_of(loop_, registers_);
  if (!entries) {
    refuse();
    return;
  }
  native_->settings = settings;
  native_->entries = *std::move(entries);
  native_->told.resize(loop_.body.size());
  int32_t last = -1;
  for (const NativeLoop::Entry& e : native_->entries) last = std::max(last, e.number);
  for (const ReplayInstruction& i : loop_.body) last = std::max(last, i.result);
  native_->program.registers = static_cast<uint32_t>(last + 1);
  for (const int32_t r : loop_.changing) native_->program.changing.push_back(static_cast<uint32_t>(r));
  forget_results();
}

void LoopBuilder::resume(const std::shared_ptr<NativeLoop>& native) {
  native_ = native;
  forget_results();
}

void LoopBuilder::forget_results() {
  first_own_ = native_->program.registers;
  what_.assign(native_->program.registers, What::none);
  for (const NativeLoop::Entry& e : native_->entries) what_[static_cast<size_t>(e.number)] = e.layout ? What::tensor : What::number;
  for (const ReplayInstruction& i : loop_.body)
    if (i.result >= 0) registers_.set(i.result, nullptr);
}

const Tensor* LoopBuilder::tensor(int32_t number) const {
  if (static_cast<size_t>(number) >= first_own_) return &own_[static_cast<size_t>(number) - first_own_];
  PyObject* held = registers_.look(number);
  return held != nullptr && is_tensor(held) ? &unwrap(held) : nullptr;
}

int32_t LoopBuilder::add_register(Tensor t) {
  const auto number = static_cast<int32_t>(native_->program.registers++);
  own_.push_back(std::move(t));
  what_.push_back(What::tensor);
  made_.push_back(number);
  return number;
}

bool LoopBuilder::do_it(const ReplayInstruction& i) { return registers_.step(i) && note_result(i); }

bool LoopBuilder::note_result(const ReplayInstruction& i) {
  if (i.result < 0) return true;
  PyObject* made = registers_.look(i.result);
  if (is_tensor(made) && unwrap(made).requires_grad()) return refuse();
  what_[static_cast<size_t>(i.result)] = is_tensor(made) ? What::tensor : What::fixed;
  made_.push_back(i.result);
  return true;
}

std::optional<LoopProgram::Value> LoopBuilder::value(int32_t operand) const {
  const LoopNumber n = as_loop_number(registers_.look(operand));
  if (n.kind == LoopNumber::Kind::none) return std::nullopt;
  if (what(operand) == What::number) return LoopProgram::Value{static_cast<uint32_t>(operand), {}};
  return LoopProgram::Value{std::nullopt, n};
}

bool LoopBuilder::perform(int32_t at, Step& step) {
  const ReplayInstruction& i = instruction(at);
  bool numbers = false, tensors = false, parts = false;
  for (const int32_t o : i.operands) {
    numbers |= what(o) == What::number;
    tensors |= what(o) == What::tensor;
    parts |= what(o) == What::parts;
  }
  switch (i.op) {
    case ReplayOp::off_tape: return do_it(i);  // nothing here is on it
    case ReplayOp::unary:
      if (tensors && i.extra == kTruth) return add_look(at, step, Step::Kind::truth);
      if (numbers) return unary_op(i.extra) ? add_number(i, step, *unary_op(i.extra)) : refuse();
      return add_operator(at, step);
    case ReplayOp::binary:
      if (numbers && !tensors) return binary_op(i.extra) ? add_number(i, step, *binary_op(i.extra)) : refuse();
      return add_operator(at, step);
    case ReplayOp::compare: return numbers && !tensors ? add_number(i, step, compare_op(i.extra)) : add_operator(at, step);
    case ReplayOp::call: return add_call(at, step, tensors, numbers);
    case ReplayOp::get_item:
      if (numbers && what(i.operands[0]) == What::tensor && what(i.operands[1]) == What::number) return add_row(i, step);
      return numbers ? refuse() : add_operator(at, step);
    case ReplayOp::get_attribute:
    case ReplayOp::make_slice:
    case ReplayOp::item: return numbers ? refuse() : add_operator(at, step);
    case ReplayOp::make_tuple:
    case ReplayOp::make_list:
      if (numbers || parts) return refuse();
      if (!add_operator(at, step)) return false;
      if (tensors) what_[static_cast<size_t>(i.result)] = What::parts;
      return true;
    default:
      if (i.op >= ReplayOp::call || numbers || tensors || parts) return refuse();
      return do_it(i);
  }
}

bool LoopBuilder::add_call(int32_t at, Step& step, bool tensors, bool numbers) {
  const ReplayInstruction& i = instruction(at);
  PyObject* const callee = registers_.look(i.operands[0]);
  if (!looks_at_value(callee)) {
    if (numbers) return refuse();
    return follows_from_types(callee) ? do_it(i) : add_operator(at, step);
  }
  if (i.operands.size() != 2 || i.extra != 0) return refuse();
  const bool item = callee != reinterpret_cast<PyObject*>(&PyFloat_Type);
  if (tensors && (item || is_floating(unwrap(registers_.look(i.operands[1])).dtype()))) return add_look(at, step, Step::Kind::item);
  return numbers && !item ? add_number(i, step, NumberOp::to_float) : refuse();
}

// x[n] with a number that changes: a view lies elsewhere in each iteration, so the row is gathered. n is checked first.
bool LoopBuilder::add_row(const ReplayInstruction& i, Step& step) {
  const Tensor& x = unwrap(registers_.look(i.operands[0]));
  const LoopNumber n = as_loop_number(registers_.look(i.operands[1]));
  if (n.kind != LoopNumber::Kind::integer || x.rank() == 0 || (eager::grad_enabled() && x.requires_grad())) return refuse();
  const int64_t rows = x.shape()[0];
  if (n.i < -rows || n.i >= rows) return refuse();
  used_.push_back(i.operands[0]);
  const size_t before = registers_.recorder().scalars();
  Tensor row;
  const bool done = guarded([&] {
    static const eager::Op full{"full"}, gather_rows{"gather_rows"}, reshape{"reshape"};
    eager::Dims shape = x.shape();
    shape.erase(0);
    row = reshape(gather_rows(x, full(eager::Dims{1}, n.i, DType::I64), eager::Attr(int64_t{0})), shape);
    return true;
  });
  if (!done || registers_.recorder().scalars() != before + 1) return refuse();
  scalars_.push_back({static_cast<uint32_t>(before), i.operands[1], eager::Scalar(n.i)});
  registers_.set(i.result, wrap(std::move(row)));
  step.kind = Step::Kind::range;
  step.x = {static_cast<uint32_t>(i.operands[1]), {}};
  step.first = -rows;
  step.last = rows - 1;
  return note_result(i);
}

bool LoopBuilder::add_number(const ReplayInstruction& i, Step& step, NumberOp op) {
  const size_t first = op == NumberOp::to_float ? 1 : 0;  // behind the callee
  const auto x = value(i.operands[first]), y = i.operands.size() > 1 ? value(i.operands[1]) : LoopProgram::Value{};
  if (!x || !y || !do_it(i)) return refuse();
  if (as_loop_number(registers_.look(i.result)).kind == LoopNumber::Kind::none) return refuse();
  step.kind = Step::Kind::number;
  step.op = op;
  step.x = *x;
  step.y = *y;
  step.result = static_cast<uint32_t>(i.result);
  what_[static_cast<size_t>(i.result)] = What::number;
  return true;
}

bool LoopBuilder::add_look(int32_t at, Step& step, Step::Kind kind) {
  const ReplayInstruction& i = instruction(at);
  const int32_t looked = i.operands.back();
  const Tensor t = unwrap(registers_.look(looked));
  if (t.numel() != 1 || is_complex(t.dtype())) return refuse();
  used_.push_back(looked);
  step.kind = kind;
  step.tensor = static_cast<uint32_t>(looked);
  step.dtype = t.dtype();
  step.offset = t.offset();
  step.result = static_cast<uint32_t>(i.result);
  if (!look(at, step)) return false;
  if (as_loop_number(registers_.look(i.result)).kind == LoopNumber::Kind::none) return refuse();
  what_[static_cast<size_t>(i.result)] = What::number;
  return true;
}

bool LoopBuilder::add_operator(int32_t at, Step& step) {
  const ReplayInstruction& i = instruction(at);
  std::optional<int32_t> number;
  const auto note_used = [&] {
    for (const int32_t o : i.operands)
      if (what(o) == What::tensor) used_.push_back(o);
  };
  note_used();
  for (const int32_t o : i.operands) {
    if (what(o) != What::number) continue;
    if (number) return refuse();
    number = o;
  }
  const eager::WatchedReads watched;
  const auto looked = [&] { return watched.reads.others > 0 || !watched.reads.checked.empty(); };
  if (number) {
    if (i.operands.size() != 2) return refuse();
    PyObject* other = registers_.look(i.operands[0] == *number ? i.operands[1] : i.operands[0]);
    const std::optional<eager::Scalar> given = scalar_of(registers_.look(*number));
    if (!given || !is_tensor(other) || !hands_number_on(i, unwrap(other).dtype())) return refuse();
    const size_t before = registers_.recorder().scalars();
    if (!do_it(i)) return false;
    if (registers_.recorder().scalars() != before + 1 || looked()) return refuse();
    scalars_.push_back({static_cast<uint32_t>(before), *number, *given});
    return true;
  }
  if (may_check(i)) {
    const uint64_t runs = registers_.recorder().runs();
    if (!segment(at, false, [&] { return registers_.step(i); }, &step.segment)) return false;
    if (registers_.recorder().runs() != runs) note_used();
    if (!note_result(i)) return false;
  } else if (!do_it(i)) {
    return false;
  }
  if (looked() && !check_data(watched.reads, i, step)) return refuse();
  if (i.result < 0) return true;
  PyObject* made = registers_.look(i.result);
  if (PyTuple_Check(made))
    for (Py_ssize_t n = 0; n < PyTuple_GET_SIZE(made); ++n)
      if (is_tensor(PyTuple_GET_ITEM(made, n))) what_[static_cast<size_t>(i.result)] = What::parts;
  return !PyList_Check(made) || what(i.result) != What::fixed || i.op == ReplayOp::make_list || refuse();
}

// May the instruction run what is pending, to see whether indices are in bounds?
bool LoopBuilder::may_check(const ReplayInstruction& i) const {
  return std::ranges::any_of(i.operands, [&](int32_t o) {
    if (what(o) != What::tensor) return false;
    const Tensor& t = *tensor(o);
    return !is_floating(t.dtype()) && !is_complex(t.dtype()) && t.storage().pending_writes();
  });
}

// What the operator has looked at has to be looked at in each iteration.
bool LoopBuilder::check_data(const eager::DataReads& reads, const ReplayInstruction& i, Step& step) {
  if (reads.others > 0 || reads.checked.size() != 1) return false;
  const eager::DataReads::Checked& checked = reads.checked[0];
  if (!checked.of.is_contiguous()) return false;
  const auto found =
      std::ranges::find_if(i.operands, [&](int32_t o) { return what(o) == What::tensor && same_place(*tensor(o), checked.of); });
  if (found == i.operands.end()) return false;
  step.kind = Step::Kind::bounds;
  step.tensor = static_cast<uint32_t>(*found);
  step.dtype = checked.of.dtype();
  step.offset = checked.of.offset();
  step.count = checked.of.numel();
  step.first = checked.first;
  step.last = checked.last;
  return true;
}

std::optional<LoopProgram::Step::Move> LoopBuilder::move(const NativeLoop::Entry& e, int32_t from) {
  if (e.layout) {
    // Where the layout settles only after the first iterations, the loop is kept with the later one.
    const Tensor* t = from >= 0 ? tensor(from) : nullptr;
    if (t != nullptr && e.layout->is_of(*t) && static_cast<int64_t>(t->storage().bytes()) == e.bytes)
      return Step::Move{static_cast<uint32_t>(from), {}};
  } else if (const auto v = value(from)) {
    return Step::Move{v->number, v->constant};
  }
  refuse();
  return std::nullopt;
}

bool LoopBuilder::flush(int32_t at, int32_t* number) {
  if (registers_.recorder().pending() == 0) return true;
  return segment(
      at, true,
      [&] {
        return guarded([&] {
          registers_.recorder().flush(eager::FlushReason::boolean);
          return true;
        });
      },
      number);
}

bool LoopBuilder::segment(int32_t at, bool whole, const std::function<bool()>& act, int32_t* number) {
  std::vector<bool> alive = needed_after(at);
  alive.resize(what_.size());
  for (const int32_t r : made_) {
    if (alive[static_cast<size_t>(r)]) continue;
    if (static_cast<size_t>(r) < first_own_) registers_.set(r, nullptr);
    else own_[static_cast<size_t>(r) - first_own_] = Tensor();
  }
  tracer::KeptSegment kept;
  tracer::SegmentRecorder& recorder = registers_.recorder();
  const uint64_t runs = recorder.runs();
  recorder.keep_next(&kept);
  const bool acted = act();
  recorder.keep_next(nullptr);
  if (!acted) return false;
  if (!whole && recorder.runs() == runs) return true;
  if (recorder.runs() != runs + 1 || (whole && recorder.pending() > 0)) return refuse();
  if (keeps(at)) {
    auto made = bind(kept, alive);
    if (!made) return refuse();
    *number = static_cast<int32_t>(native_->program.segments.size());
    native_->program.segments.push_back(*std::move(made));
  }
  used_.clear();
  made_.clear();
  scalars_.clear();
  return true;
}

std::optional<LoopProgram::Segment> LoopBuilder::bind(const tracer::KeptSegment& kept, const std::vector<bool>& alive) {
  LoopProgram::Segment s;
  s.program = kept.program;
  s.scalars = kept.scalars;
  s.slots = static_cast<uint32_t>(kept.storages.size());
  for (const Taken& t : scalars_) {
    if (t.scalar >= kept.scalars.size() || !same_scalar(kept.scalars[t.scalar], t.value)) return std::nullopt;
    s.numbers.emplace_back(t.scalar, static_cast<uint32_t>(t.number));
  }
  const auto storage_of = [&](int32_t r) -> const eager::Storage* {
    const Tensor* held = tensor(r);
    return held != nullptr ? &held->storage() : nullptr;
  };
  const auto is_made = [&](int32_t r) { return std::ranges::count(made_, r) > 0; };
  const auto is_seen = [&](int32_t r) { return alive[static_cast<size_t>(r)]; };
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
        if (is_seen(r) && storage_of(r) == b.storage) s.views.emplace_back(static_cast<uint32_t>(r), s.inputs.back().number);
    } else if (b.visible) {
      const size_t before = s.outputs.size();
      for (const int32_t r : made_)
        if (is_seen(r) && storage_of(r) == b.storage) s.outputs.push_back({static_cast<uint32_t>(r), slot});
      if (s.outputs.size() == before) return std::nullopt;
      s.made.emplace_back(slot, b.bytes);
    }
  }
  for (const int32_t r : made_) {
    if (!is_seen(r)) continue;
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
