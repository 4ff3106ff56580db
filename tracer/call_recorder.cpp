#include "tracer/call_recorder.h"

#include "eager/tape.h"

namespace kiln::tracer {

using eager::FlushReason;
using eager::Operand;
using eager::Tensor;

Tensor CallRecorder::add_input(const eager::TensorType& type) {
  Tensor t = placeholder(type);
  add(t);
  return t;
}

CallRecorder::Number CallRecorder::add(const Tensor& t) {
  know(t, next_);
  return next_++;
}

CallRecorder::Use CallRecorder::use(const Tensor& t) {
  const bool on_tape = eager::grad_enabled() && t.requires_grad();
  if (const auto known = number_of(t)) {
    if (on_tape)
      for (auto& [number, tensor] : outside_)
        if (number == *known && !tensor.requires_grad()) tensor = t;
    return {*known, on_tape};
  }
  if (t.storage().recorder() == this) refuse("a view of shape " + to_string(t.shape()) + " was not made by an operator" + in_line());
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
    refuse(at_line() + "a tensor of shape " + to_string(destination.shape()) +
           " that was there before is written in place; return what is new instead");
  return true;
}

void CallRecorder::flush(FlushReason reason) {
  refuse(at_line() + std::string(eager::describe(reason)) +
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
