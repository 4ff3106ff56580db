// Notes a function's operator calls while it runs on tensors that have types but no values: what a transformation of the function (vmap)
// makes other calls of. Where a ProcedureRecorder writes down a program that can leave the process, these notes hold on to tensors, and tell
// which of their uses were on the tape. Compositions are noted by their parts, so that a transformation meets fewer operators. Nests: inside
// of another recording that follows types only, its placeholders are tensors like any other.
#pragma once

#include <unordered_map>

#include "eager/dispatch.h"

namespace kiln::tracer {

class CallRecorder final : public eager::Recorder, public eager::CallObserver {
 public:
  CallRecorder() = default;
  ~CallRecorder() override;

  using Number = uint32_t;  // of a value: a tensor as the function sees it, whatever handle it is seen through
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
  void start();
  void stop();
  const std::string& failure() const { return failure_; }  // the first thing that could not be noted

  Use use(const eager::Tensor&);  // also of results; a tensor not seen before comes from outside
  const std::vector<Noted>& calls() const { return calls_; }
  // Tensors from outside, by number; on the tape where any use of theirs was.
  const std::vector<std::pair<Number, eager::Tensor>>& outside() const { return outside_; }

  bool record(const eager::Operator&, const eager::Arguments&, std::span<const eager::TensorType>, eager::Tensor* outputs) override;
  bool record_write(const eager::Tensor& destination, const eager::Operand& source) override;
  void flush(eager::FlushReason) override;
  bool types_only() const override { return true; }
  void called(const eager::Operator&, std::span<const eager::Operand>, const eager::Attrs&,
              std::span<const eager::Tensor> outputs) override;
  void called_in_place(const eager::Operator&, std::span<const eager::Operand>, const eager::Attrs&, const eager::Tensor&) override;
  void wrote(const eager::Tensor& destination, const eager::Operand& source) override;
  void begin_composition(const eager::Operator&, std::span<const eager::Operand>, const eager::Attrs&) override {}
  void end_composition(std::span<const eager::Tensor>) override {}
  void abandon_composition() override {}

 private:
  struct Window {
    int64_t offset;
    eager::Dims shape, strides;
    DType dtype;
    Number number;
  };
  struct Known {
    eager::Ref<eager::Storage> storage;  // kept, so that no other takes its address
    std::vector<Window> windows;
  };
  eager::Tensor placeholder(const eager::TensorType&);
  Number add(const eager::Tensor&);
  Noted note(const eager::Operator*, std::span<const eager::Operand>, const eager::Attrs&);
  [[noreturn]] void refuse(std::string why);

  std::unordered_map<eager::Storage*, Known> storages_;
  std::vector<eager::Ref<eager::Storage>> claimed_;
  std::vector<std::pair<Number, eager::Tensor>> outside_;
  std::vector<Noted> calls_;
  Number next_ = 0;
  std::string failure_;
  bool recording_ = false;
  eager::Recorder* recorder_before_ = nullptr;
  eager::CallObserver* observer_before_ = nullptr;
};

}  // namespace kiln::tracer
