#include "tracer/procedure_recorder.h"

#include <algorithm>

#include "tracer/ambient.h"

namespace kiln::tracer {

using eager::FlushReason;
using eager::Operand;
using eager::Storage;
using eager::Tensor;

namespace {

SymbolicType type_of(const Tensor& t) { return {t.dtype(), std::vector<Dim>(t.shape().begin(), t.shape().end())}; }

// What the user can do instead, by what wanted a value.
std::string remedy(FlushReason reason) {
  switch (reason) {
    case FlushReason::boolean: return "choose with kiln.where, or do it outside the exported function";
    case FlushReason::item:
    case FlushReason::repr:
    case FlushReason::numpy: return "keep it a tensor, or return it and look at it outside the exported function";
    case FlushReason::shape_from_data: return "use an operator whose result's shape follows from its operands' shapes";
    default: return "do it outside the exported function";
  }
}

}  // namespace

ProcedureRecorder::~ProcedureRecorder() {
  if (is_recording()) stop();
}

Tensor ProcedureRecorder::add_input(const eager::TensorType& type) {
  Tensor t = placeholder(type);
  procedure_.leaves.push_back({Leaf::Kind::input, static_cast<uint32_t>(procedure_.inputs.size()), type.dtype, 0, {}, {}});
  procedure_.inputs.push_back({"", type_of(t)});
  add_register(t);
  return t;
}

void ProcedureRecorder::start() {
  leave_ambient();
  if (eager::Recorder* deferring = eager::current_recorder()) deferring->flush(FlushReason::unsupported);
  ValuelessRecorder::start();
}

void ProcedureRecorder::stop() {
  ValuelessRecorder::stop();
  for (const Captured& c : captured_)  // which hold what they held
    if (c.storage->recorder() == this) c.storage->release_claim();
}

Register ProcedureRecorder::add_register(const Tensor& t) {
  const auto number = static_cast<Register>(procedure_.types.size());
  procedure_.types.push_back(type_of(t));
  know(t, number);
  tensors_.insert_or_assign(t.impl(), Seen{t, number});
  return number;
}

// A tensor that was not seen before may be another handle to what one looks at that was (autograd makes such).
Register ProcedureRecorder::register_of(const Tensor& t) {
  if (const auto seen = tensors_.find(t.impl()); seen != tensors_.end()) return seen->second.number;
  if (const auto known = number_of(t)) return *known;
  auto state = states_.find(&t.storage());
  if (state == states_.end()) {
    if (knows(t.storage()))
      refuse("a view of shape " + to_string(t.shape()) + " into a tensor of the exported function was not made by an operator" + in_line() +
             "; make it with slices, reshape or permute_dims inside the function");
    check(t.storage().raw() != nullptr || t.storage().bytes() == 0, "a recorded call reads a tensor that no recorded call made");
    state = states_.emplace(&t.storage(), static_cast<uint32_t>(captured_.size())).first;
    captured_.push_back({eager::Ref<Storage>(&t.storage()), t.dtype(), t});
  }
  const Register number = add_register(t);
  late_leaves_.push_back({number, {Leaf::Kind::state, state->second, t.dtype(), t.offset(), t.shape(), t.strides()}});
  return number;
}

bool ProcedureRecorder::record(const eager::Operator& op, const eager::Arguments&, std::span<const eager::TensorType> types,
                               Tensor* outputs) {
  if (op.shape_from_data) flush(FlushReason::shape_from_data);
  for (size_t i = 0; i < types.size(); ++i) outputs[i] = placeholder(types[i]);
  return true;
}

bool ProcedureRecorder::record_write(const Tensor& destination, const Operand&) {
  Storage& s = destination.storage();
  if (s.recorder() == this) return true;  // made by a call of this recording, perhaps inside of one that is written down as a whole
  register_of(destination);               // what was there before is state, also if nothing reads it
  claim(s);
  return true;
}

void ProcedureRecorder::flush(FlushReason reason) {
  refuse(at_line() + std::string(eager::describe(reason)) + ", but an exported function runs without values; " + remedy(reason));
}

Call ProcedureRecorder::describe(CallKind kind, const eager::Operator* op, std::span<const Operand> operands, const eager::Attrs& attrs) {
  Call call;
  call.kind = kind;
  call.op = op;
  call.attrs = attrs;
  call.where = line();
  for (const Operand& o : operands) {
    CallOperand made;
    if (o.is_tensor()) {
      made.kind = CallOperand::Kind::tensor;
      made.tensor = register_of(o.tensor);
    } else if (o.is_scalar()) {
      made.kind = CallOperand::Kind::scalar;
      made.scalar = o.scalar;
    }
    call.operands.push_back(made);
  }
  return call;
}

void ProcedureRecorder::called(const eager::Operator& op, std::span<const Operand> operands, const eager::Attrs& attrs,
                               std::span<const Tensor> outputs) {
  Recorded r{describe(CallKind::call, &op, operands, attrs), {}};
  for (const Tensor& t : outputs) r.outputs.push_back(add_register(t));
  calls_.push_back(std::move(r));
}

void ProcedureRecorder::called_in_place(const eager::Operator& op, std::span<const Operand> operands, const eager::Attrs& attrs,
                                        const Tensor& destination) {
  Recorded r{describe(CallKind::in_place, &op, operands, attrs), {}};
  r.call.destination = register_of(destination);
  calls_.push_back(std::move(r));
}

void ProcedureRecorder::wrote(const Tensor& destination, const Operand& source) {
  Recorded r{describe(CallKind::write, nullptr, {&source, 1}, {}), {}};
  r.call.destination = register_of(destination);
  calls_.push_back(std::move(r));
}

// ---- compositions ------------------------------------------------------------------------------------------------------------------

void ProcedureRecorder::begin_composition(const eager::Operator& op, std::span<const Operand> operands, const eager::Attrs& attrs) {
  Recorded whole{describe(CallKind::call, &op, operands, attrs), {}};
  open_compositions_.push_back(compositions_.size());
  compositions_.push_back({calls_.size(), calls_.size(), static_cast<Register>(procedure_.types.size()), 0, std::move(whole)});
}

void ProcedureRecorder::end_composition(std::span<const Tensor> outputs) {
  Composition& c = compositions_[open_compositions_.back()];
  open_compositions_.pop_back();
  for (const Tensor& t : outputs) c.whole.outputs.push_back(register_of(t));
  c.last = calls_.size();
  c.after = static_cast<Register>(procedure_.types.size());
}

void ProcedureRecorder::abandon_composition() { open_compositions_.pop_back(); }  // without a last part it never folds

// Does the whole say all that its parts say? Its outputs are registers that the parts made, one each; nothing else of theirs is looked at
// later; and they write to nothing but their own.
bool ProcedureRecorder::folds(const Composition& c) const {
  if (c.last == c.first) return false;
  const std::vector<Register>& outputs = c.whole.outputs;
  const auto inside = [&](Register r) {
    return r >= c.before && r < c.after &&
           std::none_of(late_leaves_.begin(), late_leaves_.end(), [r](const LateLeaf& l) { return l.provisional == r; });
  };
  const auto hidden = [&](Register r) { return inside(r) && std::find(outputs.begin(), outputs.end(), r) == outputs.end(); };
  const auto looks_at_hidden = [&](const Call& call) {
    if (call.kind != CallKind::call && hidden(call.destination)) return true;
    return std::any_of(call.operands.begin(), call.operands.end(),
                       [&](const CallOperand& o) { return o.kind == CallOperand::Kind::tensor && hidden(o.tensor); });
  };
  for (const Register r : outputs)
    if (!inside(r) || std::count(outputs.begin(), outputs.end(), r) != 1) return false;
  for (size_t i = c.first; i < c.last; ++i)
    if (calls_[i].call.kind != CallKind::call && !inside(calls_[i].call.destination)) return false;
  for (size_t i = c.last; i < calls_.size(); ++i)
    if (looks_at_hidden(calls_[i].call)) return false;
  return std::none_of(results_.begin(), results_.end(), hidden);
}

void ProcedureRecorder::fold_compositions() {
  std::vector<Recorded> calls;
  size_t at = 0;
  const auto keep_until = [&](size_t end) {
    for (; at < end; ++at) calls.push_back(std::move(calls_[at]));
  };
  std::vector<const Composition*> folded;
  for (const Composition& c : compositions_)
    if (folds(c) && (folded.empty() || c.first >= folded.back()->last)) folded.push_back(&c);
  for (const Composition* c : folded) {
    keep_until(c->first);
    calls.push_back(c->whole);
    at = c->last;
  }
  keep_until(calls_.size());
  calls_ = std::move(calls);
}

// Registers get their final numbers: inputs, state, then the outputs of calls in order.
Procedure ProcedureRecorder::take(std::span<const Tensor> results) {
  for (const Tensor& t : results) results_.push_back(register_of(t));
  fold_compositions();
  std::vector<Register> final_number(procedure_.types.size(), 0);
  std::vector<SymbolicType> types;
  const auto number = [&](Register provisional) {
    final_number[provisional] = static_cast<Register>(types.size());
    types.push_back(procedure_.types[provisional]);
  };
  for (Register r = 0; r < procedure_.inputs.size(); ++r) number(r);
  for (const LateLeaf& l : late_leaves_) {
    number(l.provisional);
    procedure_.leaves.push_back(l.leaf);
  }
  for (Recorded& r : calls_) {
    for (CallOperand& o : r.call.operands)
      if (o.kind == CallOperand::Kind::tensor) o.tensor = final_number[o.tensor];
    if (r.call.kind == CallKind::call) r.call.first_output = static_cast<Register>(types.size());
    else r.call.destination = final_number[r.call.destination];
    for (const Register output : r.outputs) number(output);
    procedure_.calls.push_back(std::move(r.call));
  }
  procedure_.types = std::move(types);
  renumber(final_number);
  for (auto& [impl, seen] : tensors_) seen.number = final_number[seen.number];
  return std::move(procedure_);
}

}  // namespace kiln::tracer
