#include "tracer/loop_program.h"

#include <chrono>
#include <cstring>
#include <deque>

#include "codegen/half.h"
#include "codegen/mxcsr.h"
#include "codegen/scalar_types.h"
#include "tracer/front_end.h"
#include "tracer/repeated_program.h"

namespace kiln::tracer {
namespace {

using eager::Ref;
using eager::Storage;
using Clock = std::chrono::steady_clock;

// A loop that has run for so long gives up the front end's lock, and asks so often whether it was interrupted.
constexpr auto kWorthUnlocking = std::chrono::microseconds(50);
constexpr auto kBetweenQuestions = std::chrono::milliseconds(5);
constexpr int kIterationsBetweenLooks = 32;  // at the clock

// A storage that registers share. Those that the loop made are used again.
struct Cell {
  Ref<Storage> storage;
  std::byte* data = nullptr;
  int holders = 0;
  bool own = false;
};

class Memory {
 public:
  Memory(std::span<LoopProgram::Held> held, size_t registers) : cells_(registers, nullptr), numbers_(registers) {
    for (size_t r = 0; r < held.size(); ++r) {
      numbers_[r] = held[r].number;
      if (!held[r].storage) continue;
      all_.push_back({held[r].storage, held[r].storage->raw(), 1, false});
      cells_[r] = &all_.back();
    }
  }
  Cell* cell(LoopProgram::Register r) const { return cells_[r]; }
  LoopNumber& number(LoopProgram::Register r) { return numbers_[r]; }

  void hold(LoopProgram::Register r, Cell* c) {
    if (c != nullptr) ++c->holders;
    Cell* before = std::exchange(cells_[r], c);
    if (before != nullptr && --before->holders == 0 && before->own) free_.push_back(before);
  }
  Cell* make(int64_t bytes) {
    for (size_t n = free_.size(); n-- > 0;) {
      Cell* c = free_[n];
      if (static_cast<int64_t>(c->storage->bytes()) != bytes) continue;
      free_[n] = free_.back();
      free_.pop_back();
      return c;
    }
    Ref<Storage> made = Storage::allocate(static_cast<size_t>(bytes));
    std::byte* const data = made->raw();
    all_.push_back({std::move(made), data, 0, true});
    return &all_.back();
  }

 private:
  std::deque<Cell> all_;
  std::vector<Cell*> cells_, free_;
  std::vector<LoopNumber> numbers_;
};

class Run {
 public:
  Run(const LoopProgram& program, std::span<LoopProgram::Held> held)
      : program_(program), memory_(held, program.registers), unseen_(new Storage(0)) {
    for (const LoopProgram::Segment& s : program.segments) {
      const auto* repeatable = dynamic_cast<const Repeatable*>(s.program.get());
      repeated_.push_back(repeatable ? repeatable->repeated() : nullptr);
      bound_.emplace_back(s.slots, unseen_.get());
      memory_of_.emplace_back(s.slots, nullptr);
      made_.emplace_back(s.made.size(), nullptr);
      scalars_.push_back(s.scalars);
    }
  }

  // One iteration, or none: nothing of what it began is kept then.
  std::optional<LoopProgram::End> iterate() {
    int32_t at = 0;
    while (at >= 0) {
      const LoopProgram::Step& s = program_.steps[static_cast<size_t>(at)];
      if (s.segment >= 0 && !run(static_cast<size_t>(s.segment))) return LoopProgram::End::unknown;
      at = s.next;
      switch (s.kind) {
        case LoopProgram::Step::Kind::unknown: return LoopProgram::End::unknown;
        case LoopProgram::Step::Kind::pass: break;
        case LoopProgram::Step::Kind::number: {
          const auto made = compute(s.op, value(s.x), value(s.y));
          if (!made) return LoopProgram::End::out_of_range;
          memory_.number(s.result) = *made;
          break;
        }
        case LoopProgram::Step::Kind::truth:
        case LoopProgram::Step::Kind::item: {
          const auto read = read_number(memory_.cell(s.tensor)->data + s.offset * size_of(s.dtype), s.dtype);
          if (!read) return LoopProgram::End::out_of_range;
          memory_.number(s.result) = s.kind == LoopProgram::Step::Kind::item ? *read : LoopNumber::boolean(read->is_true());
          break;
        }
        case LoopProgram::Step::Kind::check:
          if (!value(s.x).same_as(s.y.constant)) at = s.otherwise;
          break;
        case LoopProgram::Step::Kind::back: move(s); return std::nullopt;
        case LoopProgram::Step::Kind::leave: return LoopProgram::End::left;
      }
    }
    return LoopProgram::End::unknown;
  }

  void give(std::span<LoopProgram::Held> held) {
    for (LoopProgram::Register r = 0; r < program_.registers; ++r) held[r].number = memory_.number(r);
    for (const LoopProgram::Register r : program_.changing) {
      held[r].storage = memory_.cell(r) ? memory_.cell(r)->storage : Ref<Storage>();
    }
  }

 private:
  LoopNumber value(const LoopProgram::Value& v) { return v.number ? memory_.number(*v.number) : v.constant; }

  // False: what one program had in one storage is in two by now, or a number it was compiled for is of another kind.
  bool run(size_t n) {
    const LoopProgram::Segment& s = program_.segments[n];
    std::vector<Storage*>& bound = bound_[n];
    std::vector<std::byte*>& memory = memory_of_[n];
    for (const LoopProgram::Binding& b : s.inputs) {
      const Cell& c = *memory_.cell(b.number);
      bound[b.slot] = c.storage.get();
      memory[b.slot] = c.data;
    }
    for (const LoopProgram::Binding& b : s.inputs)
      if (bound[b.slot] != memory_.cell(b.number)->storage.get()) return false;
    for (const auto& [scalar, number] : s.numbers) {
      const LoopNumber& x = memory_.number(number);
      const eager::Scalar now = x.kind == LoopNumber::Kind::floating ? eager::Scalar(x.f) : eager::Scalar(x.i);
      if (x.kind == LoopNumber::Kind::boolean || now.kind != s.scalars[scalar].kind) return false;
      scalars_[n][scalar] = now;
    }
    for (const LoopProgram::Binding& b : s.outputs) memory_.hold(b.number, nullptr);
    for (size_t m = 0; m < s.made.size(); ++m) {
      made_[n][m] = memory_.make(s.made[m].second);
      bound[s.made[m].first] = made_[n][m]->storage.get();
      memory[s.made[m].first] = made_[n][m]->data;
    }
    if (repeated_[n] != nullptr) repeated_[n]->run(memory, scalars_[n]);
    else s.program->run({bound, scalars_[n]});
    for (const LoopProgram::Binding& b : s.outputs)
      for (size_t m = 0; m < s.made.size(); ++m)
        if (s.made[m].first == b.slot) memory_.hold(b.number, made_[n][m]);
    for (const auto& [view, of] : s.views) memory_.hold(view, memory_.cell(of));
    return true;
  }

  void move(const LoopProgram::Step& s) {
    moved_.clear();
    for (const LoopProgram::Step::Move& m : s.moves)
      moved_.emplace_back(m.from ? memory_.cell(*m.from) : nullptr, m.from ? memory_.number(*m.from) : m.constant);
    for (const auto& [cell, number] : moved_)
      if (cell != nullptr) ++cell->holders;
    for (size_t n = 0; n < moved_.size(); ++n) {
      const LoopProgram::Register r = program_.changing[n];
      memory_.hold(r, moved_[n].first);
      memory_.number(r) = moved_[n].second;
      if (moved_[n].first != nullptr) --moved_[n].first->holders;
    }
  }

  const LoopProgram& program_;
  Memory memory_;
  const Ref<Storage> unseen_;  // for values that are never in memory of their own
  std::vector<std::unique_ptr<RepeatedProgram>> repeated_;
  std::vector<std::vector<Storage*>> bound_;
  std::vector<std::vector<std::byte*>> memory_of_;
  std::vector<std::vector<Cell*>> made_;
  std::vector<std::vector<eager::Scalar>> scalars_;
  std::vector<std::pair<Cell*, LoopNumber>> moved_;
};

}  // namespace

std::optional<LoopNumber> read_number(const std::byte* p, DType dtype) {
  if (is_complex(dtype)) return std::nullopt;
  return with_type(dtype, [p]<class T>(T value) -> std::optional<LoopNumber> {
    std::memcpy(&value, p, sizeof value);
    if constexpr (std::is_same_v<T, bool>) return LoopNumber::boolean(value);
    else if constexpr (std::is_floating_point_v<T>) return LoopNumber::floating(value);
    else if constexpr (kIsHalf<T>) return LoopNumber::floating(static_cast<float>(value));
    else if constexpr (std::is_same_v<T, uint64_t>)
      return value >> 63 ? std::nullopt : std::optional(LoopNumber::integer(static_cast<int64_t>(value)));
    else return LoopNumber::integer(value);
  });
}

void LoopProgram::shorten() {
  const auto past = [&](int32_t at) {
    while (at >= 0 && steps[static_cast<size_t>(at)].kind == Step::Kind::pass && steps[static_cast<size_t>(at)].segment < 0)
      at = steps[static_cast<size_t>(at)].next;
    return at;
  };
  for (Step& s : steps) {
    s.next = past(s.next);
    s.otherwise = past(s.otherwise);
  }
}

LoopProgram::End LoopProgram::run(std::span<Held> held, const std::function<bool()>& interrupted) const {
  const codegen::DefaultMxcsr mxcsr;
  Run run(*this, held);
  std::optional<End> end;
  const auto start = Clock::now();
  while (!end && Clock::now() - start < kWorthUnlocking)
    for (int n = 0; n < kIterationsBetweenLooks && !end; ++n) end = run.iterate();
  while (!end) {
    {
      const Unlocked unlocked;
      const auto since = Clock::now();
      while (!end && Clock::now() - since < kBetweenQuestions)
        for (int n = 0; n < kIterationsBetweenLooks && !end; ++n) end = run.iterate();
    }
    if (!end && interrupted()) end = End::interrupted;
  }
  run.give(held);
  return *end;
}

}  // namespace kiln::tracer
