// Ways to run a LoopProgram's iterations (loop_program.cpp chooses one).
#pragma once

#include "tracer/loop_program.h"

namespace kiln::tracer {

class LoopRun {
 public:
  virtual ~LoopRun() = default;
  // A few microseconds' worth. An iteration that ends the loop is not done: nothing of what it began is kept.
  virtual std::optional<LoopProgram::End> some_iterations() = 0;
  virtual void give(std::span<LoopProgram::Held>, LoopProgram::End) = 0;  // what registers hold, as LoopProgram::run() leaves it
  int64_t iterations() const { return iterations_; }

 protected:
  int64_t iterations_ = 0;
};

// Goes through an iteration's steps. What Own does in its own way: data(register), where a tensor's storage is; run(segment), false where it
// cannot be run on what registers hold; go_back(step), the end of an iteration.
template <class Own>
class SteppingRun : public LoopRun {
 public:
  std::optional<LoopProgram::End> some_iterations() final {
    std::optional<LoopProgram::End> end;
    for (int n = 0; n < kIterations && !end; ++n) end = iterate();
    return end;
  }

 protected:
  explicit SteppingRun(const LoopProgram& program) : program_(program), numbers_(program.registers) {}

  std::optional<LoopProgram::End> iterate() {
    using Kind = LoopProgram::Step::Kind;
    Own& own = static_cast<Own&>(*this);
    int32_t at = 0;
    while (at >= 0) {
      const LoopProgram::Step& s = program_.steps[static_cast<size_t>(at)];
      if (s.segment >= 0 && !own.run(static_cast<size_t>(s.segment))) return LoopProgram::End::declined;
      const auto elements = [&] { return own.data(s.tensor) + s.offset * size_of(s.dtype); };
      switch (s.kind) {
        case Kind::unknown: return LoopProgram::End::unknown;
        case Kind::pass: break;
        case Kind::number: {
          const LoopNumber &x = value(s.x), &y = value(s.y);
          constexpr auto kInteger = LoopNumber::Kind::integer;
          if (int64_t sum; s.op == NumberOp::add && x.kind == kInteger && y.kind == kInteger && !__builtin_add_overflow(x.i, y.i, &sum)) {
            put(numbers_[s.result], LoopNumber::integer(sum));  // counters: what most loops do besides
            break;
          }
          const auto made = compute(s.op, x, y);
          if (!made) return LoopProgram::End::out_of_range;
          put(numbers_[s.result], *made);
          break;
        }
        case Kind::truth:
        case Kind::item: {
          if (s.kind == Kind::truth && s.dtype == DType::Bool) {
            put(numbers_[s.result], LoopNumber::boolean(*elements() != std::byte{0}));
            break;
          }
          const auto read = read_number(elements(), s.dtype);
          if (!read) return LoopProgram::End::out_of_range;
          put(numbers_[s.result], s.kind == Kind::item ? *read : LoopNumber::boolean(read->is_true()));
          break;
        }
        case Kind::check:
          if (!value(s.x).same_as(s.y.constant)) {
            at = s.otherwise;
            continue;
          }
          break;
        case Kind::range: {
          const LoopNumber& x = value(s.x);
          if (x.kind != LoopNumber::Kind::integer || x.i < s.first || x.i > s.last) return LoopProgram::End::declined;
          break;
        }
        case Kind::bounds:
          if (!in_bounds(elements(), s.dtype, s.count, s.first, s.last)) return LoopProgram::End::declined;
          break;
        case Kind::back:
          own.go_back(static_cast<size_t>(at));
          ++iterations_;
          return std::nullopt;
        case Kind::leave: return LoopProgram::End::left;
      }
      at = s.next;
    }
    return LoopProgram::End::unknown;
  }

  const LoopNumber& value(const LoopProgram::Value& v) const { return v.number ? numbers_[*v.number] : v.constant; }
  // In two parts, as it was written: a load of both at once would wait until both stores have left the processor's buffer.
  static void put(LoopNumber& to, const LoopNumber& from) {
    to.kind = from.kind;
    asm("" : : : "memory");  // else the compiler makes one of them
    to.i = from.i;
  }

  const LoopProgram& program_;
  std::vector<LoopNumber> numbers_;  // by register

 private:
  static constexpr int kIterations = 32;
};

// Storage with a copy of these bytes.
eager::Ref<eager::Storage> copy_of(const std::byte*, int64_t bytes);
// Where the loop was left: what registers in `wanted` hold, by where each one's storage lies. Tensors in one storage stay so.
void give_wanted(const LoopProgram&, std::span<LoopProgram::Held>, const std::function<const std::byte*(LoopProgram::Register)>& data);

// A number as an operator's scalar. False: it is of another kind than the program was compiled for.
bool number_into(eager::Scalar&, const eager::Scalar& compiled_for, const LoopNumber&);

// Storages change places: what an iteration made is what the next one reads.
std::unique_ptr<LoopRun> moving_run(const LoopProgram&, std::span<LoopProgram::Held>);
// Each register has memory of its own, and what an iteration hands on is copied there: for loops that carry a few bytes. Null: this one does not.
std::unique_ptr<LoopRun> copying_run(const LoopProgram&, std::span<LoopProgram::Held>);

}  // namespace kiln::tracer
