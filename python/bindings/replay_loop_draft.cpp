#include "python/bindings/replay_loop_draft.h"

namespace kiln::python {

using tracer::LoopNumber;
using tracer::LoopProgram;

LoopDraft::LoopDraft(const ReplayLoop& loop, const NativeLoop* known, LoopRegisters& registers, const FrozenReplay::Settings& settings)
    : LoopBuilder(loop, registers) {
  if (known != nullptr) {
    resume(std::make_shared<NativeLoop>(*known));
    return;
  }
  begin(settings);
  if (possible())
    for (const ReplayInstruction& i : loop.body)
      native_->program.steps.emplace_back().kind = i.op == ReplayOp::leave ? Step::Kind::leave : Step::Kind::unknown;
}

std::shared_ptr<const NativeLoop> LoopDraft::run() {
  const eager::GeneratorState generator = eager::generator_state();
  const auto leaves = [&] { return at_ >= 0 && instruction(at_).op == ReplayOp::leave; };
  while (possible() && at_ >= 0 && end_ == nullptr && !leaves())
    if (!add(at_)) break;
  if (!possible() || (end_ == nullptr && !leaves()) || eager::generator_state() != generator) {
    if (eager::generator_state() != generator) refuse();
    eager::set_generator_state(generator);
    end_ = nullptr;
    return nullptr;
  }
  native_->program.shorten();
  return native_;
}

bool LoopDraft::add(int32_t at) {
  const ReplayInstruction& i = instruction(at);
  Step step;
  step.kind = Step::Kind::pass;
  step.next = i.next;
  step.otherwise = i.otherwise;
  at_ = i.next;
  const bool done = i.op == ReplayOp::back                              ? add_back(at, step)
                    : i.op == ReplayOp::same || i.op == ReplayOp::value ? add_check(i, step)
                                                                        : perform(at, step);
  if (done && keeps(at)) {
    native_->told[static_cast<size_t>(at)] = step.tells();
    native_->program.steps[static_cast<size_t>(at)] = std::move(step);
  }
  return done;
}

// A check decides the way where it is of a number; what follows from layouts is found once.
bool LoopDraft::add_check(const ReplayInstruction& i, Step& step) {
  if (i.operands[1] >= 0) return refuse();
  const bool passes = registers_.step(i);
  if (PyErr_Occurred()) return false;
  at_ = passes ? i.next : i.otherwise;
  switch (what(i.operands[0])) {
    case What::fixed: step.next = at_; return at_ >= 0;
    case What::number: {
      const LoopNumber constant = as_loop_number(registers_.look(i.operands[1]));
      if (constant.kind == LoopNumber::Kind::none) return refuse();
      step.kind = Step::Kind::check;
      step.x = {static_cast<uint32_t>(i.operands[0]), {}};
      step.y = {std::nullopt, constant};
      return at_ >= 0;
    }
    default: return refuse();
  }
}

bool LoopDraft::look(int32_t at, Step& step) {
  const ReplayInstruction& i = instruction(at);
  const auto it = [&] { return registers_.step(i); };
  return tensor(static_cast<int32_t>(step.tensor))->storage().pending_writes() ? segment(at, true, it, &step.segment) : it();
}

bool LoopDraft::add_back(int32_t at, Step& step) {
  const ReplayInstruction& i = instruction(at);
  for (const int32_t o : i.operands)
    if (o >= 0 && what(o) == What::tensor) used_.push_back(o);
  if (!flush(at, &step.segment)) return false;
  step.kind = Step::Kind::back;
  end_ = &i.operands;
  for (size_t n = 0; n < i.operands.size(); ++n) {
    const auto moved = move(native_->entries[n], i.operands[n]);
    if (!moved) return false;
    step.moves.push_back(*moved);
  }
  return true;
}

std::vector<bool> LoopDraft::needed_after(int32_t at) const {
  std::vector<bool> needed(native_->program.registers);
  std::vector<int32_t> waiting;
  std::vector<bool> been(loop_.body.size());
  const auto visit = [&](int32_t n) {
    if (n >= 0 && !been[static_cast<size_t>(n)]) {
      been[static_cast<size_t>(n)] = true;
      waiting.push_back(n);
    }
  };
  visit(at);
  while (!waiting.empty()) {
    const ReplayInstruction& i = instruction(waiting.back());
    waiting.pop_back();
    for (const int32_t o : i.operands)
      if (o >= 0) needed[static_cast<size_t>(o)] = true;
    visit(i.next);
    visit(i.otherwise);
  }
  return needed;
}

}  // namespace kiln::python
