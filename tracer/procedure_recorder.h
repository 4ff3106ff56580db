// Writes a procedure down while a function runs on tensors that have types but no values. Nothing is computed and nothing is changed:
// whatever needs a value is an error that names the reason and the user's line.
#pragma once

#include <unordered_map>

#include "tracer/procedure.h"
#include "tracer/valueless_recorder.h"

namespace kiln::tracer {

class ProcedureRecorder final : public ValuelessRecorder {
 public:
  ~ProcedureRecorder() override;

  // A tensor of this type for the function to be called with: register and input number are its place in the order of these calls, all
  // before the function runs.
  eager::Tensor add_input(const eager::TensorType&);

  void start() override;  // ends what this thread had deferred
  void stop() override;

  // Of a result; a tensor not seen before is state. After take(): its final number.
  Register register_of(const eager::Tensor&);
  struct Captured {  // a storage that was there before, by state number
    eager::Ref<eager::Storage> storage;
    DType dtype;  // of the first tensor seen on it
    eager::Tensor first;
  };
  const std::vector<Captured>& captured() const { return captured_; }
  // What was written, with concrete numbers. `results` are what the function returned; inputs have no names, and arguments and the tree of
  // results are empty.
  Procedure take(std::span<const eager::Tensor> results);

  bool record(const eager::Operator&, const eager::Arguments&, std::span<const eager::TensorType>, eager::Tensor* outputs) override;
  bool record_write(const eager::Tensor& destination, const eager::Operand& source) override;
  void flush(eager::FlushReason) override;
  void called(const eager::Operator&, std::span<const eager::Operand>, const eager::Attrs&,
              std::span<const eager::Tensor> outputs) override;
  void called_in_place(const eager::Operator&, std::span<const eager::Operand>, const eager::Attrs&, const eager::Tensor&) override;
  void wrote(const eager::Tensor& destination, const eager::Operand& source) override;
  void begin_composition(const eager::Operator&, std::span<const eager::Operand>, const eager::Attrs&) override;
  void end_composition(std::span<const eager::Tensor> outputs) override;
  void abandon_composition() override;

 private:
  struct LateLeaf {  // state is met along the way, but registers of leaves come first: numbers are settled by take()
    Register provisional;
    Leaf leaf;
  };
  struct Recorded {
    Call call;
    std::vector<Register> outputs;
  };
  // A composition whose parts are calls [first, last) and made registers [before, after). It replaces them where nothing else looks at what
  // they computed on the way.
  struct Composition {
    size_t first = 0, last = 0;
    Register before = 0, after = 0;
    Recorded whole;
  };
  bool folds(const Composition&) const;
  void fold_compositions();
  Register add_register(const eager::Tensor&);
  Call describe(CallKind, const eager::Operator*, std::span<const eager::Operand>, const eager::Attrs&);

  struct Seen {
    eager::Tensor tensor;  // kept, so that no other takes its address
    Register number;
  };
  std::unordered_map<const eager::TensorImpl*, Seen> tensors_;
  std::unordered_map<const eager::Storage*, uint32_t> states_;  // numbers of captured storages
  std::vector<Captured> captured_;
  std::vector<LateLeaf> late_leaves_;
  std::vector<Recorded> calls_;
  std::vector<Composition> compositions_;  // in the order they began: outer ones before what is in them
  std::vector<size_t> open_compositions_;  // indices into compositions_
  std::vector<Register> results_;
  Procedure procedure_;  // inputs, leaves that are inputs, types by provisional number
};

}  // namespace kiln::tracer
