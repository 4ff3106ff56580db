// What the drafts of a loop have in common. A draft runs instructions of the loop's body on the run's registers; operators are deferred as
// ever, and what dispatch runs for them is kept as segments of a LoopProgram, with the registers whose storages it takes and makes.
#pragma once

#include "python/bindings/replay_loop.h"

namespace kiln::python {

class LoopBuilder {
 public:
  virtual ~LoopBuilder() = default;
  bool possible() const { return possible_; }  // false: this loop cannot be kept

 protected:
  enum class What : uint8_t { none, tensor, number, fixed, parts };  // fixed: it follows from layouts; parts: a list or tuple with tensors
  using Step = tracer::LoopProgram::Step;

  LoopBuilder(const ReplayLoop&, LoopRegisters&);
  void begin(const FrozenReplay::Settings&);        // a new loop, from what the registers hold
  void resume(const std::shared_ptr<NativeLoop>&);  // one that is known in part
  void forget_results();                            // of iterations before
  const ReplayInstruction& instruction(int32_t at) const { return loop_.body[static_cast<size_t>(at)]; }

  // Runs any instruction but checks and the ends of an iteration; false: the iteration ends here.
  bool perform(int32_t at, Step&);
  // bool(tensor), tensor.item(), float(tensor): `step` has the element's place.
  virtual bool look(int32_t at, Step& step) = 0;
  // What asks for registers after an instruction, its own operands among them, but for what follows the loop.
  virtual std::vector<bool> needed_after(int32_t at) const = 0;
  virtual bool keeps(int32_t at) const = 0;  // is the instruction's segment not kept yet?

  bool refuse() { return possible_ = false; }
  bool do_it(const ReplayInstruction&);
  bool note_result(const ReplayInstruction&);
  // Runs `act`, which runs what is pending, wholly or (where it need not) up to a check of data; that is kept. `number`: of the segment, or -1.
  bool segment(int32_t at, bool whole, const std::function<bool()>& act, int32_t* number);
  bool flush(int32_t at, int32_t* number);                                 // what is pending, if anything is
  std::optional<Step::Move> move(const NativeLoop::Entry&, int32_t from);  // none: the layout has changed; or refused
  const eager::Tensor* tensor(int32_t number) const;                       // null: it holds none
  What what(int32_t operand) const { return operand < 0 ? What::fixed : what_[static_cast<size_t>(operand)]; }
  std::optional<tracer::LoopProgram::Value> value(int32_t operand) const;
  int32_t add_register(eager::Tensor);  // of the draft's own, which are behind the others
  size_t first_own() const { return first_own_; }

  const ReplayLoop& loop_;
  LoopRegisters& registers_;
  std::shared_ptr<NativeLoop> native_;
  // Since the last program ran.
  std::vector<int32_t> used_, made_;  // registers with tensors that operators read; registers

 private:
  bool add_number(const ReplayInstruction&, Step&, tracer::NumberOp);
  bool add_look(int32_t at, Step&, Step::Kind);
  bool add_operator(int32_t at, Step&);
  bool add_call(int32_t at, Step&, bool tensors, bool numbers);
  bool add_row(const ReplayInstruction&, Step&);
  bool may_check(const ReplayInstruction&) const;
  bool check_data(const eager::DataReads&, const ReplayInstruction&, Step&);
  std::optional<tracer::LoopProgram::Segment> bind(const tracer::KeptSegment&, const std::vector<bool>& alive);

  struct Taken {  // by an operator: a register's number
    uint32_t scalar;
    int32_t number;
    eager::Scalar value;
  };
  std::vector<What> what_;
  std::vector<Taken> scalars_;
  std::vector<eager::Tensor> own_;  // in registers behind those of the loop
  size_t first_own_ = 0;
  bool possible_ = true;
};

}  // namespace kiln::python
