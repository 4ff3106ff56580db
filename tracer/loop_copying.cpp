// A loop that carries a few bytes. All memory stays where it is, so that programs are bound once; an iteration ends with copies. Or they are bound
// twice, so that what one iteration makes is where the next one, bound the other way, reads: then nothing is copied.
#include <algorithm>
#include <cstring>
#include <map>

#include "tracer/loop_run.h"
#include "tracer/repeated_program.h"

namespace kiln::tracer {
namespace {

using Step = LoopProgram::Step;
using Register = LoopProgram::Register;

constexpr int64_t kMostCopied = 16 << 10;  // bytes, within the first cache: more is quicker moved
constexpr int64_t kWorthBinding = 512;     // bytes: copying more takes longer, over some iterations, than to bind once more

struct Memory {
  std::byte* data = nullptr;
  int64_t bytes = 0;
  bool changes = false;  // from iteration to iteration
};
struct Copy {
  std::byte *to, *from;
  int64_t bytes;
  bool operator==(const Copy&) const = default;
};
struct Back {
  std::vector<Copy> kept, copies;                                     // first what is overwritten but wanted is put by
  std::vector<std::pair<Register, LoopProgram::Step::Move>> numbers;  // set after all have been read
  std::vector<LoopNumber> read;
};

class CopyingRun final : public SteppingRun<CopyingRun> {
 public:
  explicit CopyingRun(const LoopProgram& program) : SteppingRun(program), memory_(program.registers) {}

  bool begin(std::span<LoopProgram::Held> held) {
    for (size_t r = 0; r < held.size(); ++r) {
      numbers_[r] = held[r].number;
      if (held[r].storage) memory_[r] = {held[r].storage->raw(), static_cast<int64_t>(held[r].storage->bytes()), false};
    }
    int64_t carried = 0;
    for (const Register r : program_.changing) {
      Memory& m = memory_[r];
      if (m.data == nullptr) continue;
      carried += m.bytes;
      if (carried > kMostCopied) return false;
      std::byte* const home = allocate(m.bytes);
      std::memcpy(home, m.data, static_cast<size_t>(m.bytes));
      m = {home, m.bytes, true};
    }
    for (const LoopProgram::Segment& s : program_.segments)
      if (!bind(s)) return false;
    backs_.resize(program_.steps.size());
    for (size_t n = 0; n < program_.steps.size(); ++n)
      if (program_.steps[n].kind == Step::Kind::back && !prepare(program_.steps[n], backs_[n])) return false;
    if (carried > kWorthBinding) bind_turned();
    return true;
  }

  void give(std::span<LoopProgram::Held> held, LoopProgram::End end) override {
    for (Register r = 0; r < program_.registers; ++r) held[r].number = numbers_[r];
    if (iterations_ > 0)
      for (const Register r : program_.changing)
        if (memory_[r].data != nullptr) held[r].storage = copy_of(memory_[r].data, memory_[r].bytes);
    if (end == LoopProgram::End::left) give_wanted(program_, held, [this](Register r) { return memory_[r].data; });
  }

 private:
  friend class SteppingRun<CopyingRun>;
  struct Bound {
    std::unique_ptr<RepeatedProgram> program;
    std::vector<eager::Scalar> scalars;
    const LoopProgram::Segment* segment;
    std::vector<std::byte*> slots;
  };

  std::byte* allocate(int64_t bytes) {
    owned_.push_back(eager::Storage::allocate(static_cast<size_t>(bytes)));
    return owned_.back()->raw();
  }

  bool bind(const LoopProgram::Segment& s) {
    const auto* repeatable = dynamic_cast<const Repeatable*>(s.program.get());
    bound_.push_back({repeatable ? repeatable->repeated() : nullptr, s.scalars, &s, std::vector<std::byte*>(s.slots, nullptr)});
    if (bound_.back().program == nullptr) return false;
    std::vector<std::byte*>& slots = bound_.back().slots;
    for (const LoopProgram::Binding& b : s.inputs) {
      std::byte* const data = memory_[b.number].data;
      if (slots[b.slot] != nullptr && slots[b.slot] != data) return false;  // once one storage, now two
      slots[b.slot] = data;
    }
    for (const auto& [slot, bytes] : s.made) {
      slots[slot] = allocate(bytes);
      for (const LoopProgram::Binding& b : s.outputs)
        if (b.slot == slot) memory_[b.number] = {slots[slot], bytes, false};
    }
    for (const auto& [view, of] : s.views) memory_[view] = memory_[of];
    bound_.back().program->bind(slots);
    return true;
  }

  // Where every iteration that goes on hands on the same, each its own, and made by itself: programs for every other iteration, with what is handed
  // on and what it replaces in each other's memory.
  void bind_turned() {
    const Back* only = nullptr;
    for (const Back& back : backs_) {
      if (back.copies.empty()) continue;
      if (!back.kept.empty() || (only != nullptr && !std::ranges::equal(only->copies, back.copies))) return;
      only = &back;
    }
    for (size_t n = 0; n < program_.steps.size(); ++n)
      if (program_.steps[n].kind == Step::Kind::back && backs_[n].copies.empty()) return;
    if (only == nullptr) return;
    std::map<std::byte*, std::byte*> turned;
    for (const Copy& c : only->copies) {
      const bool own = std::ranges::any_of(owned_, [&](const auto& o) { return o->raw() == c.from; });
      if (!own || !turned.emplace(c.to, c.from).second || !turned.emplace(c.from, c.to).second) return;
    }
    const auto turn = [&](std::byte*& at) {
      if (const auto to = turned.find(at); to != turned.end()) at = to->second;
    };
    other_memory_ = memory_;
    for (Memory& m : other_memory_) turn(m.data);
    for (const Bound& b : bound_) {
      const auto* repeatable = dynamic_cast<const Repeatable*>(b.segment->program.get());
      Bound& other = other_bound_.emplace_back(repeatable->repeated(), b.scalars, b.segment, b.slots);
      std::ranges::for_each(other.slots, turn);
      other.program->bind(other.slots);
    }
    for (Back& back : backs_) back.copies.clear();
  }

  bool prepare(const Step& s, Back& back) {
    for (size_t n = 0; n < s.moves.size(); ++n) {
      const Register to = program_.changing[n];
      const Step::Move& move = s.moves[n];
      if (move.from == to) continue;
      if (memory_[to].data == nullptr) {
        back.numbers.emplace_back(to, move);
        continue;
      }
      const Memory& from = memory_[*move.from];
      if (from.data == nullptr || from.bytes != memory_[to].bytes) return false;
      std::byte* source = from.data;
      if (from.changes) {
        std::byte* const aside = allocate(from.bytes);
        back.kept.push_back({aside, source, from.bytes});
        source = aside;
      }
      back.copies.push_back({memory_[to].data, source, from.bytes});
    }
    back.read.resize(back.numbers.size());
    return true;
  }

  bool run(size_t n) {
    Bound& b = bound_[n];
    for (const auto& [scalar, number] : b.segment->numbers)
      if (!number_into(b.scalars[scalar], b.segment->scalars[scalar], numbers_[number])) return false;
    b.program->run(b.scalars);
    return true;
  }

  static void copy(const Copy& c) {
    switch (c.bytes) {  // most: numbers
      case 4: std::memcpy(c.to, c.from, 4); break;
      case 8: std::memcpy(c.to, c.from, 8); break;
      case 32: std::memcpy(c.to, c.from, 32); break;
      default: std::memcpy(c.to, c.from, static_cast<size_t>(c.bytes));
    }
  }

  std::byte* data(Register r) const { return memory_[r].data; }

  void go_back(size_t step) {
    Back& back = backs_[step];
    for (size_t n = 0; n < back.numbers.size(); ++n) {
      const Step::Move& m = back.numbers[n].second;
      put(back.read[n], m.from ? numbers_[*m.from] : m.constant);
    }
    for (const Copy& c : back.kept) copy(c);
    for (const Copy& c : back.copies) copy(c);
    for (size_t n = 0; n < back.numbers.size(); ++n) put(numbers_[back.numbers[n].first], back.read[n]);
    if (other_bound_.empty()) return;
    memory_.swap(other_memory_);
    bound_.swap(other_bound_);
  }

  std::vector<Memory> memory_;  // by register: its storage's
  std::vector<eager::Ref<eager::Storage>> owned_;
  std::vector<Bound> bound_;
  std::vector<Memory> other_memory_;  // of the next iteration, where nothing is copied
  std::vector<Bound> other_bound_;
  std::vector<Back> backs_;  // by step
};

}  // namespace

std::unique_ptr<LoopRun> copying_run(const LoopProgram& program, std::span<LoopProgram::Held> held) {
  auto run = std::make_unique<CopyingRun>(program);
  return run->begin(held) ? std::move(run) : nullptr;
}

}  // namespace kiln::tracer
