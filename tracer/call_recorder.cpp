#include "tracer/call_recorder.h"

#include <algorithm>

#include "eager/tape.h"
#include "tracer/front_end.h"
#include "tracer/never_computed.h"

namespace kiln::tracer {

using eager::FlushReason;
using eager::Operand;
using eager::Storage;
using eager::Tensor;

namespace {

std::string line() {
  if (!front_end().source_location) return {};
  std::string where = front_end().source_location();
  return where.substr(where.rfind('/') + 1);
}

}  // namespace

CallRecorder::~CallRecorder() {
  if (recording_) stop();
  for (const auto& storage : claimed_) {
    if (storage->recorder() != this) continue;
    storage->release_claim();
    claim_for_ever(*storage);
  }
}

Tensor CallRecorder::placeholder(const eager::TensorType& type) {
  Tensor t = Tensor::pending(type.shape, type.dtype);
  t.storage().claim_first(this, 0);
  t.storage().set_pending_writes();
  claimed_.emplace_back(&t.storage());
  return t;
}

Tensor CallRecorder::add_input(const eager::TensorType& type) {
  Tensor t = placeholder(type);
  add(t);
  return t;
}

void CallRecorder::start() {
  recorder_before_ = eager::current_recorder();
  if (recorder_before_ && !recorder_before_->types_only()) recorder_before_->flush(FlushReason::unsupported);
  eager::set_recorder(this);
  observer_before_ = eager::set_call_observer(this);
  recording_ = true;
}

void CallRecorder::stop() {
  eager::set_recorder(recorder_before_);
  eager::set_call_observer(observer_before_);
  recording_ = false;
}

void CallRecorder::refuse(std::string why) {
  if (failure_.empty()) failure_ = std::move(why);
  fail(ErrorCode::runtime, failure_);
}

CallRecorder::Number CallRecorder::add(const Tensor& t) {
  Known& known = storages_[&t.storage()];
  known.storage = eager::Ref<Storage>(&t.storage());
  known.windows.push_back({t.offset(), t.shape(), t.strides(), t.dtype(), next_});
  return next_++;
}

CallRecorder::Use CallRecorder::use(const Tensor& t) {
  const bool on_tape = eager::grad_enabled() && t.requires_grad();
  Known& known = storages_[&t.storage()];
  for (const Window& w : known.windows) {
    if (w.offset != t.offset() || w.shape != t.shape() || w.strides != t.strides() || w.dtype != t.dtype()) continue;
    if (on_tape)
      for (auto& [number, tensor] : outside_)
        if (number == w.number && !tensor.requires_grad()) tensor = t;
    return {w.number, on_tape};
  }
  if (t.storage().recorder() == this) refuse("a view of shape " + to_string(t.shape()) + " was not made by an operator (" + line() + ")");
  const Number number = add(t);
  outside_.emplace_back(number, t);
  return {number, on_tape};
}

bool CallRecorder::record(const eager::Operator& op, const eager::Arguments&, std::span<const eager::TensorType> types, Tensor* outputs) {
  if (op.shape_from_data) flush(FlushReason::shape_from_data);
  for (size_t i = 0; i < types.size(); ++i) outputs[i] = placeholder(types[i]);
  return true;
}

bool CallRecorder::record_write(const Tensor& destination, const Operand&) {
  if (destination.storage().recorder() != this)
    refuse((line().empty() ? "" : line() + ": ") + "a tensor of shape " + to_string(destination.shape()) +
           " that was there before is written in place; return what is new instead");
  return true;
}

void CallRecorder::flush(FlushReason reason) {
  const std::string where = line();
  refuse((where.empty() ? "" : where + ": ") + std::string(eager::describe(reason)) +
         ", but the function runs once for all samples, without their values; choose with kiln.where, or do it outside");
}

CallRecorder::Noted CallRecorder::note(const eager::Operator* op, std::span<const Operand> operands, const eager::Attrs& attrs) {
  Noted noted{op, {}, attrs, {}, {}, line()};
  for (const Operand& o : operands) {
    if (o.is_tensor()) noted.operands.emplace_back(use(o.tensor));
    else if (o.is_scalar()) noted.operands.emplace_back(o.scalar);
    else noted.operands.emplace_back();
  }
  return noted;
}

void CallRecorder::called(const eager::Operator& op, std::span<const Operand> operands, const eager::Attrs& attrs,
                          std::span<const Tensor> outputs) {
  Noted noted = note(&op, operands, attrs);
  for (const Tensor& t : outputs) noted.outputs.push_back(add(t));
  calls_.push_back(std::move(noted));
}

void CallRecorder::called_in_place(const eager::Operator& op, std::span<const Operand> operands, const eager::Attrs& attrs,
                                   const Tensor& destination) {
  Noted noted = note(&op, operands, attrs);
  noted.destination = use(destination);
  calls_.push_back(std::move(noted));
}

void CallRecorder::wrote(const Tensor& destination, const Operand& source) {
  Noted noted = note(nullptr, {&source, 1}, {});
  noted.destination = use(destination);
  calls_.push_back(std::move(noted));
}

}  // namespace kiln::tracer
