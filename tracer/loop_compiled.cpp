#include "tracer/loop_compiled.h"

#include <algorithm>
#include <cstring>

#include "codegen/allocator.h"
#include "codegen/few.h"

namespace kiln::tracer {

using codegen::KernelLoop;
using Kind = LoopNumber::Kind;
using Step = LoopProgram::Step;
using Register = LoopProgram::Register;

namespace {

constexpr uint32_t kNowhere = Repeatable::kNowhere;
constexpr int64_t kMostBytes = 64 << 10;  // of memory that a run has for itself: it stays in the nearer caches
constexpr int64_t kAlignment = 64;

bool is_read(DType t) { return t == DType::Bool || t == DType::I32 || t == DType::I64 || t == DType::F32 || t == DType::F64; }

Kind kind_of(DType t) { return t == DType::Bool ? Kind::boolean : is_floating(t) ? Kind::floating : Kind::integer; }

std::optional<KernelLoop::Step::Kind> step_kind(NumberOp op) {
  using enum KernelLoop::Step::Kind;
  switch (op) {
    case NumberOp::add: return add;
    case NumberOp::subtract: return subtract;
    case NumberOp::multiply: return multiply;
    case NumberOp::less: return less;
    case NumberOp::less_equal: return less_equal;
    case NumberOp::equal: return equal;
    case NumberOp::not_equal: return not_equal;
    case NumberOp::greater: return greater;
    case NumberOp::greater_equal: return greater_equal;
    default: return std::nullopt;
  }
}

}  // namespace

class LoopCompiler {
 public:
  LoopCompiler(const LoopProgram& program, std::span<const LoopProgram::Held> held) : program_(program), held_(held) {}

  std::shared_ptr<const CompiledLoop> run() {
    if (program_.segments.size() != 1) return nullptr;
    const auto* repeatable = dynamic_cast<const Repeatable*>(program_.segments[0].program.get());
    if (repeatable == nullptr || !place() || !find_kinds() || !takes_numbers() || !lead(0, true)) return nullptr;
    out_->words_ = words_;
    out_->code_ = repeatable->looped(slots_, std::move(steps_), program_.segments[0].scalars, program_.segments[0].numbers);
    return out_->code_ ? out_ : nullptr;
  }

 private:
  // -- Places

  uint32_t add_home(Register r, int64_t bytes, bool carried) {
    out_->homes_.push_back({out_->places_, r, bytes, out_->bytes_, carried});
    out_->bytes_ += (bytes + kAlignment - 1) & -kAlignment;
    return out_->places_++;
  }

  bool place() {
    const LoopProgram::Segment& s = program_.segments[0];
    out_->place_of_.assign(program_.registers, kNowhere);
    slots_.assign(s.slots, kNowhere);
    for (const Register r : program_.changing)
      if (held_[r].storage) out_->place_of_[r] = add_home(r, static_cast<int64_t>(held_[r].storage->bytes()), true);
    for (const LoopProgram::Binding& b : s.inputs) {
      const uint32_t at = outside(b.number);
      if (slots_[b.slot] != kNowhere && slots_[b.slot] != at) return false;  // registers shared a storage: here each has its own
      slots_[b.slot] = at;
    }
    for (const auto& [slot, bytes] : s.made) {
      slots_[slot] = add_home(0, bytes, false);
      for (const LoopProgram::Binding& b : s.outputs)
        if (b.slot == slot) out_->place_of_[b.number] = slots_[slot];
    }
    for (const auto& [view, of] : s.views) out_->place_of_[view] = out_->place_of_[of];
    return out_->bytes_ <= kMostBytes;
  }

  // Of what there is before the loop, or was made since.
  uint32_t outside(Register r) {
    uint32_t& at = out_->place_of_[r];
    if (at == kNowhere && held_[r].storage) {
      at = out_->places_++;
      out_->outside_.push_back({at, r});
    }
    return at;
  }

  const CompiledLoop::Home* home(uint32_t place) const {
    const auto at = std::ranges::find(out_->homes_, place, &CompiledLoop::Home::place);
    return at == out_->homes_.end() ? nullptr : &*at;
  }

  // -- Numbers

  // A register's number is of one kind wherever it is asked for.
  bool set_kind(Register r, Kind kind) {
    Kind& known = out_->kinds_[r];
    if (known == Kind::none) known = kind;
    return known == kind && kind != Kind::none;
  }
  Kind kind(const LoopProgram::Value& v) const { return v.number ? out_->kinds_[*v.number] : v.constant.kind; }

  bool find_kinds() {
    out_->kinds_.assign(program_.registers, Kind::none);
    words_ = program_.registers;
    for (Register r = 0; r < held_.size(); ++r) {
      if (held_[r].number.kind == Kind::none) continue;
      out_->kinds_[r] = held_[r].number.kind;
      out_->given_.push_back(r);
    }
    for (const Step& s : program_.steps) {  // a number is made before it is asked for
      switch (s.kind) {
        case Step::Kind::truth:
          if (s.dtype != DType::Bool || !set_kind(s.result, Kind::boolean)) return false;
          break;
        case Step::Kind::item:
          if (!is_read(s.dtype) || !set_kind(s.result, kind_of(s.dtype))) return false;
          break;
        case Step::Kind::number: {
          const auto op = step_kind(s.op);
          if (!op || !set_kind(s.result, *op >= KernelLoop::Step::Kind::less ? Kind::boolean : kind(s.x))) return false;
          break;
        }
        case Step::Kind::bounds: return false;
        default: break;
      }
    }
    return true;
  }

  // Are the numbers that the program takes there before an iteration begins, and of the kinds that it was compiled for?
  bool takes_numbers() const {
    const LoopProgram::Segment& s = program_.segments[0];
    return std::ranges::all_of(s.numbers, [&](const auto& taken) {
      const Kind kind = held_[taken.second].number.kind,
                 wanted = s.scalars[taken.first].kind == DTypeKind::floating ? Kind::floating : Kind::integer;
      return kind == wanted;
    });
  }

  KernelLoop::Value value(const LoopProgram::Value& v) const { return {v.number, v.constant.i}; }

  // -- Steps

  // The code of a step and of all that follow it; before the program runs there are numbers alone, which it does not ask for.
  bool lead(int32_t at, bool before) {
    while (true) {
      if (at < 0) return add_end(-1);
      const Step& s = program_.steps[static_cast<size_t>(at)];
      if (s.segment >= 0) {
        if (!before) return false;
        before = false;
      }
      switch (s.kind) {
        case Step::Kind::unknown:
        case Step::Kind::leave: return !before && add_end(at);
        case Step::Kind::back: return !before && add_back(at);
        case Step::Kind::bounds: return false;
        case Step::Kind::pass: break;
        case Step::Kind::check:
          if (before) return false;
          if (kind(s.x) == s.y.constant.kind) return s.x.number && add_check(at);
          at = s.otherwise;
          continue;
        case Step::Kind::number:
          if (!add_number(at)) return false;
          break;
        case Step::Kind::range:
          if (before || kind(s.x) != Kind::integer) return false;
          add_range(at);
          break;
        case Step::Kind::truth:
        case Step::Kind::item:
          if (before || outside(s.tensor) == kNowhere) return false;
          add_look(at);
          break;
      }
      at = s.next;
    }
  }

  KernelLoop::Step& add(int32_t at) {
    out_->origins_.push_back(at);
    KernelLoop::Step& step = steps_.emplace_back();
    step.next = static_cast<int32_t>(steps_.size());
    return step;
  }

  bool add_end(int32_t at) {
    add(at).kind = KernelLoop::Step::Kind::end;
    return true;
  }

  bool add_check(int32_t at) {
    const Step& s = program_.steps[static_cast<size_t>(at)];
    KernelLoop::Step& step = add(at);
    step.kind = KernelLoop::Step::Kind::check;
    step.x = value(s.x);
    step.y = value(s.y);
    const size_t check = steps_.size() - 1;
    if (!lead(s.next, false)) return false;
    steps_[check].otherwise = static_cast<int32_t>(steps_.size());
    return lead(s.otherwise, false);
  }

  bool add_number(int32_t at) {
    const Step& s = program_.steps[static_cast<size_t>(at)];
    const Kind operands = kind(s.x);
    if (operands != kind(s.y) || (operands != Kind::integer && operands != Kind::floating)) return false;
    KernelLoop::Step& step = add(at);
    step.kind = *step_kind(s.op);
    step.result = s.result;
    step.dtype = operands == Kind::integer ? DType::I64 : DType::F64;
    step.x = value(s.x);
    step.y = value(s.y);
    return true;
  }

  void add_range(int32_t at) {
    const Step& s = program_.steps[static_cast<size_t>(at)];
    KernelLoop::Step& step = add(at);
    step.kind = KernelLoop::Step::Kind::range;
    step.x = value(s.x);
    step.first = s.first;
    step.last = s.last;
  }

  void add_look(int32_t at) {
    const Step& s = program_.steps[static_cast<size_t>(at)];
    KernelLoop::Step& step = add(at);
    step.kind = s.kind == Step::Kind::item ? KernelLoop::Step::Kind::item : KernelLoop::Step::Kind::truth;
    step.result = s.result;
    step.place = out_->place_of_[s.tensor];
    step.offset = s.offset * size_of(s.dtype);
    step.dtype = s.dtype;
  }

  bool add_back(int32_t at) {
    const Step& s = program_.steps[static_cast<size_t>(at)];
    KernelLoop::Step& step = add(at);
    step.kind = KernelLoop::Step::Kind::back;
    std::vector<std::pair<uint32_t, KernelLoop::Value>> numbers;
    for (size_t n = 0; n < s.moves.size(); ++n) {
      const Register to = program_.changing[n];
      const Step::Move& m = s.moves[n];
      if (m.from == to) continue;
      if (out_->place_of_[to] != kNowhere) {
        const CompiledLoop::Home *target = home(out_->place_of_[to]), *source = home(out_->place_of_[*m.from]);
        if (source == nullptr || source->bytes != target->bytes) return false;
        step.places.emplace_back(target->place, source->place);
        continue;
      }
      if ((m.from ? out_->kinds_[*m.from] : m.constant.kind) != out_->kinds_[to]) return false;
      numbers.emplace_back(to, KernelLoop::Value{m.from, m.constant.i});
    }
    step.numbers = one_after_the_other(std::move(numbers));
    return close(step.places);
  }

  // Numbers that one of the moves has overwritten when another asks for them are put by first.
  std::vector<std::pair<uint32_t, KernelLoop::Value>> one_after_the_other(std::vector<std::pair<uint32_t, KernelLoop::Value>> moves) {
    std::vector<std::pair<uint32_t, KernelLoop::Value>> put_by;
    for (size_t n = 1; n < moves.size(); ++n) {
      KernelLoop::Value& from = moves[n].second;
      if (!from.number) continue;
      const auto overwrites = [&](const auto& earlier) { return earlier.first == *from.number; };
      if (std::none_of(moves.begin(), moves.begin() + static_cast<std::ptrdiff_t>(n), overwrites)) continue;
      put_by.emplace_back(words_, from);
      from.number = words_++;
    }
    put_by.insert(put_by.end(), moves.begin(), moves.end());
    return put_by;
  }

  // Places that have been handed on get the memory of those that are gone. False: one is handed on twice.
  static bool close(std::vector<std::pair<uint32_t, uint32_t>>& moves) {
    const auto to = [&](uint32_t p) { return std::ranges::find(moves, p, &std::pair<uint32_t, uint32_t>::first); };
    const auto from = [&](uint32_t p) { return std::ranges::find(moves, p, &std::pair<uint32_t, uint32_t>::second); };
    const size_t given = moves.size();
    for (size_t n = 0; n < given; ++n)
      if (from(moves[n].second) != moves.begin() + static_cast<std::ptrdiff_t>(n)) return false;
    for (size_t n = 0; n < given; ++n) {
      const uint32_t handed_on = moves[n].second;
      if (to(handed_on) != moves.end()) continue;
      uint32_t gone = moves[n].first;
      for (auto next = from(gone); next != moves.end(); next = from(gone)) gone = next->first;
      moves.emplace_back(handed_on, gone);
    }
    return true;
  }

  const LoopProgram& program_;
  const std::span<const LoopProgram::Held> held_;
  const std::shared_ptr<CompiledLoop> out_ = std::make_shared<CompiledLoop>();
  std::vector<uint32_t> slots_;  // of the program: places
  std::vector<KernelLoop::Step> steps_;
  uint32_t words_ = 0;
};

std::shared_ptr<const CompiledLoop> CompiledLoop::make(const LoopProgram& program, std::span<const LoopProgram::Held> held) {
  return LoopCompiler(program, held).run();
}

class CompiledRun final : public LoopRun {
 public:
  CompiledRun(const CompiledLoop& loop, const LoopProgram& program)
      : loop_(loop), program_(program), places_(loop.places_), numbers_(loop.words_), pointers_(loop.code_->buffers()) {}
  ~CompiledRun() override {
    if (memory_ != nullptr) codegen::deallocate(memory_, static_cast<size_t>(loop_.bytes_));
  }

  bool begin(std::span<const LoopProgram::Held> held) {
    std::fill(numbers_.begin(), numbers_.end(), 0);
    for (const Register r : loop_.given_) {
      if (held[r].number.kind != loop_.kinds_[r]) return false;
      numbers_[r] = held[r].number.i;
    }
    for (const CompiledLoop::Outside& o : loop_.outside_) {
      if (!held[o.number].storage) return false;
      places_[o.place] = held[o.number].storage->raw();
    }
    if (loop_.bytes_ > 0) memory_ = static_cast<std::byte*>(codegen::allocate(static_cast<size_t>(loop_.bytes_)));
    for (const CompiledLoop::Home& h : loop_.homes_) {
      places_[h.place] = memory_ + h.offset;
      if (!h.carried) continue;
      if (!held[h.number].storage || static_cast<int64_t>(held[h.number].storage->bytes()) != h.bytes) return false;
      std::memcpy(places_[h.place], held[h.number].storage->raw(), static_cast<size_t>(h.bytes));
    }
    args_.places = places_.data();
    args_.numbers = numbers_.data();
    loop_.code_->begin(args_, pointers_);
    return true;
  }

  std::optional<LoopProgram::End> some_iterations() override {
    constexpr int64_t kIterations = 256;
    args_.left = kIterations;
    loop_.code_->go_on(args_);
    iterations_ += kIterations - args_.left;
    const int32_t at = loop_.origins_[static_cast<size_t>(args_.ended)];
    if (at < 0) return LoopProgram::End::unknown;
    switch (program_.steps[static_cast<size_t>(at)].kind) {
      case Step::Kind::back: return std::nullopt;
      case Step::Kind::leave: return LoopProgram::End::left;
      case Step::Kind::number: return LoopProgram::End::out_of_range;
      case Step::Kind::range: return LoopProgram::End::declined;
      default: return LoopProgram::End::unknown;
    }
  }

  void give(std::span<LoopProgram::Held> held, LoopProgram::End end) override {
    for (Register r = 0; r < program_.registers; ++r)
      if (loop_.kinds_[r] != Kind::none) held[r].number = number(r);
    for (const CompiledLoop::Home& h : loop_.homes_)
      if (h.carried && iterations_ > 0) held[h.number].storage = copy_of(places_[h.place], h.bytes);
    if (end == LoopProgram::End::left) give_wanted(program_, held, [this](Register r) { return places_[loop_.place_of_[r]]; });
  }

 private:
  LoopNumber number(Register r) {
    LoopNumber n;
    n.kind = loop_.kinds_[r];
    n.i = numbers_[r];
    return n;
  }

  const CompiledLoop& loop_;
  const LoopProgram& program_;
  std::byte* memory_ = nullptr;
  Few<std::byte*, 24> places_;
  Few<int64_t, 64> numbers_;
  Few<void*, 24> pointers_;
  codegen::KernelLoopArgs args_{};
};

std::unique_ptr<LoopRun> compiled_run(const CompiledLoop& loop, const LoopProgram& program, std::span<LoopProgram::Held> held) {
  auto run = std::make_unique<CompiledRun>(loop, program);
  return run->begin(held) ? std::move(run) : nullptr;
}

}  // namespace kiln::tracer
