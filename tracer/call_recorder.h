// Notes a function's operator calls while it runs on tensors that have types but no values: what a transformation of the function (vmap)
// makes other calls of. Where a ProcedureRecorder writes down a program that can leave the process, these notes hold on to tensors, and tell
// which of their uses were on the tape. Compositions are noted by their parts, so that a transformation meets fewer operators. Nests: inside
// of another recording that follows types only, its placeholders are tensors like any other.
#pragma once

#include "tracer/valueless_recorder.h"

namespace kiln::tracer {

class CallRecorder final : public ValuelessRecorder {
 public:
  using ValuelessRecorder::Number;
  struct Use {
    Number number;
    bool on_tape;  // does a gradient flow back from here?
  };
  using UsedOperand = std::variant<std::monostate, eager::Scalar, Use>;
  struct Noted {
    const eager::Operator* op = nullptr;  // null: a plain write
    std::vector<UsedOperand> operands;
    eager::Attrs attrs;
    std::vector<Number> outputs;
    std::optional<Use> destination;  // of a call or write in place
    std::string where;               // "train.py:12", or empty
  };

  eager::Tensor add_input(const eager::TensorType&);  // a placeholder, before start()

  Use use(const eager::Tensor&);  // also of results; a tensor not seen before comes from outside
  const std::vector<Noted>& calls() const { return calls_; }
  // Tensors from outside, by number; on the tape where any use of theirs was.
  const std::vector<std::pair<Number, eager::Tensor>>& outside() const { return outside_; }

  bool record(const eager::Operator&, const eager::Arguments&, std::span<const eager::TensorType>, eager::Tensor* outputs) override;
  bool record_write(const eager::Tensor& destination, const eager::Operand& source) override;
  void flush(eager::FlushReason) override;
  void called(const eager::Operator&, std::span<const eager::Operand>, const eager::Attrs&,
              std::span<const eager::Tensor> outputs) override;
  void called_in_place(const eager::Operator&, std::span<const eager::Operand>, const eager::Attrs&, const eager::Tensor&) override;
  void wrote(const eager::Tensor& destination, const eager::Operand& source) override;
  void begin_composition(const eager::Operator&, std::span<const eager::Operand>, const eager::Attrs&) override {}
  void end_composition(std::span<const eager::Tensor>) override {}
  void abandon_composition() override {}

 private:
  Number add(const eager::Tensor&);
  Noted note(const eager::Operator*, std::span<const eager::Operand>, const eager::Attrs&);

  std::vector<std::pair<Number, eager::Tensor>> outside_;
  std::vector<Noted> calls_;
  Number next_ = 0;
};

}  // namespace kiln::tracer
