// A loop whose storages change places: any sizes, any programs.
#include <deque>

#include "tracer/front_end.h"
#include "tracer/loop_run.h"
#include "tracer/repeated_program.h"

namespace kiln::tracer {
namespace {

using eager::Ref;
using eager::Storage;

// A storage that registers share. Those that the loop made are used again.
struct Cell {
  Ref<Storage> storage;
  std::byte* data = nullptr;
  int holders = 0;
  bool own = false;
};

class Memory {
 public:
  Memory(std::span<LoopProgram::Held> held, size_t registers) : cells_(registers, nullptr) {
    for (size_t r = 0; r < held.size(); ++r) {
      if (!held[r].storage) continue;
      all_.push_back({held[r].storage, held[r].storage->raw(), 1, false});
      cells_[r] = &all_.back();
    }
  }
  Cell* cell(LoopProgram::Register r) const { return cells_[r]; }

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
};

class MovingRun final : public SteppingRun<MovingRun> {
 public:
  MovingRun(const LoopProgram& program, std::span<LoopProgram::Held> held)
      : SteppingRun(program), memory_(held, program.registers), unseen_(new Storage(0)) {
    for (size_t r = 0; r < held.size(); ++r) numbers_[r] = held[r].number;
    for (const LoopProgram::Segment& s : program.segments) {
      const auto* repeatable = dynamic_cast<const Repeatable*>(s.program.get());
      repeated_.push_back(repeatable ? repeatable->repeated() : nullptr);
      bound_.emplace_back(s.slots, unseen_.get());
      memory_of_.emplace_back(s.slots, nullptr);
      made_.emplace_back(s.made.size(), nullptr);
      scalars_.push_back(s.scalars);
    }
  }

  void give(std::span<LoopProgram::Held> held, LoopProgram::End end) override {
    for (LoopProgram::Register r = 0; r < program_.registers; ++r) held[r].number = numbers_[r];
    for (const LoopProgram::Register r : program_.changing) {
      held[r].storage = memory_.cell(r) ? memory_.cell(r)->storage : Ref<Storage>();
    }
    if (end != LoopProgram::End::left) return;
    for (const LoopProgram::Wanted& w : program_.wanted) held[w.number].storage = memory_.cell(w.number)->storage;
  }

 private:
  friend class SteppingRun<MovingRun>;

  std::byte* data(LoopProgram::Register r) const { return memory_.cell(r)->data; }

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
    for (const auto& [scalar, number] : s.numbers)
      if (!number_into(scalars_[n][scalar], s.scalars[scalar], numbers_[number])) return false;
    for (const LoopProgram::Binding& b : s.outputs) memory_.hold(b.number, nullptr);
    for (size_t m = 0; m < s.made.size(); ++m) {
      made_[n][m] = memory_.make(s.made[m].second);
      bound[s.made[m].first] = made_[n][m]->storage.get();
      memory[s.made[m].first] = made_[n][m]->data;
    }
    if (repeated_[n] != nullptr) {
      repeated_[n]->bind(memory);
      repeated_[n]->run(scalars_[n]);
    } else {
      s.program->run({bound, scalars_[n]});
    }
    for (const LoopProgram::Binding& b : s.outputs)
      for (size_t m = 0; m < s.made.size(); ++m)
        if (s.made[m].first == b.slot) memory_.hold(b.number, made_[n][m]);
    for (const auto& [view, of] : s.views) memory_.hold(view, memory_.cell(of));
    return true;
  }

  void go_back(size_t step) {
    const LoopProgram::Step& s = program_.steps[step];
    moved_.clear();
    for (const LoopProgram::Step::Move& m : s.moves)
      moved_.emplace_back(m.from ? memory_.cell(*m.from) : nullptr, m.from ? numbers_[*m.from] : m.constant);
    for (const auto& [cell, number] : moved_)
      if (cell != nullptr) ++cell->holders;
    for (size_t n = 0; n < moved_.size(); ++n) {
      const LoopProgram::Register r = program_.changing[n];
      memory_.hold(r, moved_[n].first);
      numbers_[r] = moved_[n].second;
      if (moved_[n].first != nullptr) --moved_[n].first->holders;
    }
  }

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

std::unique_ptr<LoopRun> moving_run(const LoopProgram& program, std::span<LoopProgram::Held> held) {
  return std::make_unique<MovingRun>(program, held);
}

}  // namespace kiln::tracer
