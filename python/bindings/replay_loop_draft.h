// One way through a loop's body, found out by going it.
#pragma once

#include "python/bindings/replay_loop_builder.h"

namespace kiln::python {

class LoopDraft final : public LoopBuilder {
 public:
  LoopDraft(const ReplayLoop&, const NativeLoop* known, LoopRegisters&, const FrozenReplay::Settings&);
  // Runs it. Null: registers may hold anything but in `changing`, which are as before, and the iteration has to be run in the plain way.
  std::shared_ptr<const NativeLoop> run();
  // What the registers in `changing` become; null: it leaves the loop, and they are as before.
  const std::vector<int32_t>* ended() const { return end_; }

 private:
  bool look(int32_t at, Step&) override;
  std::vector<bool> needed_after(int32_t at) const override;
  bool keeps(int32_t at) const override { return native_->program.steps[static_cast<size_t>(at)].kind == Step::Kind::unknown; }
  bool add(int32_t at);  // false: the iteration ends here
  bool add_check(const ReplayInstruction&, Step&);
  bool add_back(int32_t at, Step&);

  int32_t at_ = 0;
  const std::vector<int32_t>* end_ = nullptr;
};

}  // namespace kiln::python
