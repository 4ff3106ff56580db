#include "python/bindings/replay_loop_merge.h"

#include <algorithm>

#include "eager/dispatch.h"
#include "python/bindings/modules.h"

namespace kiln::python {

using eager::Tensor;
using tracer::LoopNumber;
using tracer::LoopProgram;

namespace {

// In element operations, roughly (ProgramInfo::work): about half a microsecond, what a look at data costs otherwise in launches. And what an
// iteration more than there are may cost.
constexpr double kWorthDoingInVain = 1 << 13;
constexpr double kWorthAnIteration = 1 << 18;

bool same_value(const LoopProgram::Value& x, const LoopProgram::Value& y) {
  return x.number == y.number && (x.number || x.constant.same_as(y.constant));
}

}  // namespace

LoopMerge::LoopMerge(const ReplayLoop& loop, LoopRegisters& registers, const FrozenReplay::Settings& settings)
    : LoopBuilder(loop, registers), been_(loop.body.size()) {
  begin(settings);
  if (possible()) late_.resize(native_->program.registers);
}

std::shared_ptr<const NativeLoop> LoopMerge::run() {
  const eager::GeneratorState generator = eager::generator_state();
  std::unique_ptr<Ways> ways = possible() ? follow(0, false) : nullptr;
  if (ways != nullptr) {
    std::vector<bool> used(native_->program.registers);
    need(*ways, used);
    for (const int32_t r : loop_.wanted) used[static_cast<size_t>(r)] = true;
    drop_unused(*ways, used);
    whole_ = ways.get();
  }
  Step run;
  run.kind = Step::Kind::pass;
  if (ways == nullptr || !flush(0, &run.segment) || eager::generator_state() != generator) {
    registers_.recorder().discard();  // whoever tries another way begins with nothing pending
    eager::set_generator_state(generator);
    PyErr_Clear();
    return nullptr;
  }
  stages_.push_back(run);
  double work = 0;
  for (const LoopProgram::Segment& s : native_->program.segments) work += s.program->info().work;
  if (work > (branches_ ? kWorthDoingInVain : kWorthAnIteration)) return nullptr;

  add_finals();
  stages_.insert(stages_.end(), ways->steps.begin(), ways->steps.end());
  ways->steps = std::move(stages_);
  lay_out(*ways);
  native_->program.shorten();
  native_->whole = true;
  return native_;
}

bool LoopMerge::look(int32_t at, Step& step) {
  const ReplayInstruction& i = instruction(at);
  // What stands for the number while nobody knows it, of its kind.
  LoopNumber kind = is_floating(step.dtype) ? LoopNumber::floating(1) : LoopNumber::integer(1);
  if (step.kind == Step::Kind::truth || step.dtype == DType::Bool) kind = LoopNumber::boolean(true);
  registers_.set(i.result, as_python(kind));
  late_[static_cast<size_t>(i.result)] = true;
  if (step.kind == Step::Kind::truth) looks_[step.result] = step.tensor;
  return true;
}

std::vector<bool> LoopMerge::needed_after(int32_t) const {
  std::vector<bool> needed(native_->program.registers);
  for (auto r = static_cast<size_t>(first_own()); r < needed.size(); ++r) needed[r] = true;
  for (const int32_t r : loop_.wanted) needed[static_cast<size_t>(r)] = true;
  if (whole_ != nullptr) {
    need(*whole_, needed);
    return needed;
  }
  for (size_t n = 0; n < loop_.body.size(); ++n) {
    const ReplayInstruction& i = loop_.body[n];
    const bool looks = i.op == ReplayOp::back || (i.result >= 0 && late_[static_cast<size_t>(i.result)]);
    if (been_[n] && !looks) continue;
    for (const int32_t o : i.operands)
      if (o >= 0) needed[static_cast<size_t>(o)] = true;
  }
  return needed;
}

void LoopMerge::stage(Step step, int32_t at) {
  step.next = -1;
  if (at >= 0 && step.tells()) native_->told[static_cast<size_t>(at)] = true;
  stages_.push_back(std::move(step));
}

std::unique_ptr<LoopMerge::Ways> LoopMerge::follow(int32_t at, bool in_branch) {
  auto ways = std::make_unique<Ways>();
  ways->last.kind = Step::Kind::unknown;
  while (at >= 0) {
    const ReplayInstruction& i = instruction(at);
    Step step;
    step.kind = Step::Kind::pass;
    switch (i.op) {
      case ReplayOp::leave: ways->last.kind = Step::Kind::leave; return ways;
      case ReplayOp::back:
        been_[static_cast<size_t>(at)] = true;
        ways->last.kind = Step::Kind::back;
        for (size_t n = 0; n < i.operands.size(); ++n) {
          if (what(i.operands[n]) == What::tensor && i.operands[n] >= 0) used_.push_back(i.operands[n]);
          const auto moved = move(native_->entries[n], i.operands[n]);
          if (!moved) return nullptr;
          ways->last.moves.push_back(*moved);
        }
        return ways;
      case ReplayOp::same:
      case ReplayOp::value: {
        if (i.operands[1] >= 0) return nullptr;
        been_[static_cast<size_t>(at)] = true;
        if (what(i.operands[0]) == What::number) return branch(i, std::move(ways), in_branch);
        if (what(i.operands[0]) != What::fixed) return nullptr;
        const bool passes = registers_.step(i);
        if (PyErr_Occurred()) return nullptr;
        at = passes ? i.next : i.otherwise;
        continue;
      }
      default: break;
    }
    if (takes_late(i) || !perform(at, step)) return nullptr;
    been_[static_cast<size_t>(at)] = true;
    if (step.segment >= 0) {
      Step run;
      run.kind = Step::Kind::pass;
      run.segment = std::exchange(step.segment, -1);
      stage(run, -1);
    }
    if (step.kind == Step::Kind::bounds) {
      if (in_branch) return nullptr;  // the indices of a way not taken may be anything
      stage(step, at);
    } else if (step.kind == Step::Kind::range) {
      ways->steps.push_back(step);  // where the way is taken: what is gathered in vain is what is nearest
    } else if (step.tells()) {
      told_by_[step.result] = at;
      if (step.kind == Step::Kind::number) {
        if (!is_early(step.x) || !is_early(step.y)) late_[step.result] = true;
        numbers_.push_back(step);
      }
      if (late_[step.result]) ways->steps.push_back(step);
      else stage(step, at);
    }
    at = i.next;
  }
  return ways;
}

// Does an operator take a number that follows from data?
bool LoopMerge::takes_late(const ReplayInstruction& i) const {
  const auto is = [&](What w) { return std::ranges::any_of(i.operands, [&](int32_t o) { return what(o) == w; }); };
  const auto late = [&](int32_t o) { return what(o) == What::number && late_[static_cast<size_t>(o)]; };
  return is(What::tensor) && std::ranges::any_of(i.operands, late);
}

// A check of a number: both ways are gone.
std::unique_ptr<LoopMerge::Ways> LoopMerge::branch(const ReplayInstruction& i, std::unique_ptr<Ways> ways, bool in_branch) {
  const LoopNumber constant = as_loop_number(registers_.look(i.operands[1]));
  if (constant.kind == LoopNumber::Kind::none) return nullptr;
  Step check;
  check.kind = Step::Kind::check;
  check.x = {static_cast<uint32_t>(i.operands[0]), {}};
  check.y = {std::nullopt, constant};
  const auto leaves = [&](int32_t at) {
    while (at >= 0 && instruction(at).op == i.op && instruction(at).operands[0] == i.operands[0]) at = instruction(at).next;
    return at < 0 || instruction(at).op == ReplayOp::leave;
  };
  const bool decides = !leaves(i.next) && !leaves(i.otherwise);
  auto next = follow(i.next, in_branch || decides);
  auto otherwise = next == nullptr ? nullptr : follow(i.otherwise, in_branch || decides);
  if (otherwise == nullptr) return nullptr;
  // A truth is True or False: checked against one after the other, it is the other.
  if (otherwise->steps.empty() && otherwise->last.kind == Step::Kind::check && same_value(otherwise->last.x, check.x) &&
      constant.kind == LoopNumber::Kind::boolean && otherwise->last.y.constant.kind == LoopNumber::Kind::boolean &&
      otherwise->last.y.constant.i != constant.i && looks_.contains(*check.x.number))
    otherwise = std::move(otherwise->next);
  if (join(*ways, check, *next, *otherwise)) return ways;
  branches_ |= decides;
  ways->last = check;
  ways->next = std::move(next);
  ways->otherwise = std::move(otherwise);
  return ways;
}

// One way for two, where they end in the same but for what a select can choose.
bool LoopMerge::join(Ways& ways, const Step& check, Ways& next, Ways& otherwise) {
  if (next.last.kind != Step::Kind::back || otherwise.last.kind != Step::Kind::back) return false;
  const auto looked = looks_.find(*check.x.number);
  if (looked == looks_.end() || check.y.constant.kind != LoopNumber::Kind::boolean) return false;
  const Tensor condition = *tensor(static_cast<int32_t>(looked->second));
  if (condition.dtype() != DType::Bool) return false;
  const auto chooses = [&](const Step::Move& a, const Step::Move& b) {
    return a.from && b.from && what(static_cast<int32_t>(*a.from)) == What::tensor && what(static_cast<int32_t>(*b.from)) == What::tensor &&
           tensor(static_cast<int32_t>(*a.from))->shape() == condition.shape() &&
           tensor(static_cast<int32_t>(*b.from))->shape() == condition.shape();
  };
  const std::vector<Step::Move>&one = next.last.moves, &other = otherwise.last.moves;
  for (size_t n = 0; n < one.size(); ++n)
    if (!same(one[n], other[n]) && !chooses(one[n], other[n])) return false;
  Step back;
  back.kind = Step::Kind::back;
  for (size_t n = 0; n < one.size(); ++n) {
    const auto chosen = same(one[n], other[n]) ? one[n] : select(condition, check.y.constant.i != 0, one[n], other[n]);
    if (!chosen) return false;
    back.moves.push_back(*chosen);
  }
  used_.push_back(static_cast<int32_t>(looked->second));
  for (Ways* way : {&next, &otherwise}) ways.steps.insert(ways.steps.end(), way->steps.begin(), way->steps.end());
  ways.last = std::move(back);
  return true;
}

std::optional<LoopProgram::Step::Move> LoopMerge::select(const Tensor& condition, bool wanted, const Step::Move& next,
                                                         const Step::Move& otherwise) {
  static const eager::Operator& where = *eager::find_operator("where");
  const auto held = [&](const Step::Move& m) { return eager::Operand(*tensor(static_cast<int32_t>(*m.from))); };
  used_.push_back(static_cast<int32_t>(*next.from));
  used_.push_back(static_cast<int32_t>(*otherwise.from));
  const eager::Operand operands[] = {eager::Operand(condition), held(wanted ? next : otherwise), held(wanted ? otherwise : next)};
  Tensor chosen;
  try {
    eager::call(where, operands, {}, &chosen);
  } catch (const Error&) { return std::nullopt; }
  const Tensor& like = *tensor(static_cast<int32_t>(*next.from));
  if (chosen.shape() != like.shape() || chosen.dtype() != like.dtype()) return std::nullopt;
  const int32_t number = add_register(std::move(chosen));
  late_.push_back(false);
  return Step::Move{static_cast<uint32_t>(number), {}};
}

// Are two moves the same, or numbers computed alike?
bool LoopMerge::same(const Step::Move& a, const Step::Move& b) const {
  if (a == b) return true;
  if (!a.from || !b.from) return false;
  const auto made_by = [&](uint32_t r) { return std::ranges::find(numbers_, r, &Step::result); };
  const auto x = made_by(*a.from), y = made_by(*b.from);
  return x != numbers_.end() && y != numbers_.end() && x->op == y->op && same_value(x->x, y->x) && same_value(x->y, y->y);
}

// Registers that looks, checks, moves and numbers ask for.
void LoopMerge::need(const Ways& ways, std::vector<bool>& needed) const {
  const auto ask = [&](const LoopProgram::Value& v) {
    if (v.number) needed[*v.number] = true;
  };
  for (const Step& s : ways.steps) {
    if (s.kind == Step::Kind::number || s.kind == Step::Kind::range) {
      ask(s.x);
      ask(s.y);
    } else {
      needed[s.tensor] = true;
    }
  }
  ask(ways.last.x);
  for (const Step::Move& m : ways.last.moves)
    if (m.from) needed[*m.from] = true;
  if (ways.next) need(*ways.next, needed);
  if (ways.otherwise) need(*ways.otherwise, needed);
}

void LoopMerge::drop_unused(Ways& ways, const std::vector<bool>& used) {
  std::erase_if(ways.steps, [&](const Step& s) { return s.tells() && !used[s.result]; });
  for (const Step& s : ways.steps)
    if (const auto by = told_by_.find(s.result); s.tells() && by != told_by_.end()) native_->told[static_cast<size_t>(by->second)] = true;
  if (ways.next) drop_unused(*ways.next, used);
  if (ways.otherwise) drop_unused(*ways.otherwise, used);
}

// What is asked for behind the loop, where all of it is there: tensors that programs make, numbers, and what follows from layouts.
void LoopMerge::add_finals() {
  std::vector<NativeLoop::Final> finals;
  for (const int32_t r : loop_.wanted) {
    PyObject* const held = registers_.look(r);
    switch (what(r)) {
      case What::none: break;  // on no way that is known
      case What::parts: return;
      case What::number: finals.push_back({r, std::nullopt, {}}); break;
      case What::fixed: finals.push_back({r, std::nullopt, py::reinterpret_borrow<py::object>(held)}); break;
      case What::tensor: {
        const auto makes = [&](const LoopProgram::Segment& s) {
          return std::ranges::any_of(s.outputs, [&](const auto& b) { return b.number == static_cast<uint32_t>(r); });
        };
        if (held == nullptr || std::ranges::none_of(native_->program.segments, makes)) return;
        finals.push_back({r, FrozenLayout(*tensor(r)), {}});
        native_->program.wanted.push_back({static_cast<uint32_t>(r), static_cast<int64_t>(tensor(r)->storage().bytes())});
      }
    }
  }
  native_->finals = std::move(finals);
  native_->wanted = loop_.wanted;
}

int32_t LoopMerge::lay_out(Ways& ways) {
  auto& steps = native_->program.steps;
  const auto first = static_cast<int32_t>(steps.size());
  for (Step& s : ways.steps) {
    s.next = static_cast<int32_t>(steps.size()) + 1;
    steps.push_back(std::move(s));
  }
  const size_t last = steps.size();
  steps.push_back(std::move(ways.last));
  if (ways.next) {
    const int32_t next = lay_out(*ways.next), otherwise = lay_out(*ways.otherwise);
    steps[last].next = next;
    steps[last].otherwise = otherwise;
  }
  return first;
}

}  // namespace kiln::python
