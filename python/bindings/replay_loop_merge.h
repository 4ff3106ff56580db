// All ways through a loop's body at once. Operators of all of them run before any check is decided, as one program where data need not be
// looked at in between: kernels compute what a way not taken would have wanted as quickly as they are launched. Values that two ways make
// of the same shape as the condition between them are chosen by a select, and where nothing else differs there is one way left.
//
// Only for small work: what is not wanted costs time. Not where a way would have checked indices, or drawn random numbers.
#pragma once

#include <map>

#include "python/bindings/replay_loop_builder.h"

namespace kiln::python {

class LoopMerge final : public LoopBuilder {
 public:
  LoopMerge(const ReplayLoop&, LoopRegisters&, const FrozenReplay::Settings&);
  // Registers hold anything afterwards, but in `changing` what they held. Null: it cannot be done so, or is not worth it.
  std::shared_ptr<const NativeLoop> run();

 private:
  // What is done from a place on: numbers and looks, and how it ends. A branch goes on with one of two.
  struct Ways {
    std::vector<Step> steps;
    Step last;
    std::unique_ptr<Ways> next, otherwise;
  };

  bool look(int32_t at, Step&) override;
  std::vector<bool> needed_after(int32_t at) const override;
  bool keeps(int32_t) const override { return true; }

  std::unique_ptr<Ways> follow(int32_t at, bool in_branch);
  std::unique_ptr<Ways> branch(const ReplayInstruction&, std::unique_ptr<Ways>, bool in_branch);
  bool join(Ways&, const Step& check, Ways& next, Ways& otherwise);
  std::optional<Step::Move> select(const eager::Tensor& condition, bool wanted, const Step::Move&, const Step::Move&);
  bool same(const Step::Move&, const Step::Move&) const;
  bool takes_late(const ReplayInstruction&) const;
  void stage(Step, int32_t at);
  void need(const Ways&, std::vector<bool>& needed) const;
  void drop_unused(Ways&, const std::vector<bool>& used);
  void add_finals();
  int32_t lay_out(Ways&);  // where it begins among the program's steps
  bool is_early(const tracer::LoopProgram::Value& v) const { return !v.number || !late_[*v.number]; }

  std::vector<Step> stages_;             // done in each iteration, before anything is decided
  std::vector<bool> been_;               // by instruction
  std::vector<bool> late_;               // by register: a number that follows from data
  std::map<uint32_t, uint32_t> looks_;   // truths, and of which tensors' registers
  std::vector<Step> numbers_;            // all of them
  std::map<uint32_t, int32_t> told_by_;  // numbers, and which instruction makes each
  const Ways* whole_ = nullptr;
  bool branches_ = false;
};

}  // namespace kiln::python
