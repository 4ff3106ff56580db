// A loop over compiled programs, run without the front end: what an iteration computes are programs (tracer/program.h) on storages that
// change places; between them numbers are computed and values looked at, which decide the way.
//
// The steps are a tree. A step that nobody has been to yet is unknown; an iteration that comes to one, or that leaves the loop, is not done
// here: run() ends with the state at its beginning, and its caller does it. So only what goes on needs to be known here.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "eager/tensor.h"
#include "tracer/loop_number.h"
#include "tracer/program.h"

namespace kiln::tracer {

class CompiledLoop;

class LoopProgram {
 public:
  using Register = uint32_t;

  struct Value {  // a register's number, or a constant
    std::optional<Register> number;
    LoopNumber constant;
  };
  struct Binding {
    Register number;
    uint32_t slot;  // the program's number of its storage
  };
  // A program, and whose storages it reads and makes.
  struct Segment {
    std::shared_ptr<const Program> program;
    std::vector<eager::Scalar> scalars;
    std::vector<std::pair<uint32_t, Register>> numbers;  // of the scalars, those that are a register's number
    std::vector<Binding> inputs;                         // registers that share a slot must share a storage
    std::vector<std::pair<uint32_t, int64_t>> made;      // slots of storages that somebody sees afterwards, and their bytes
    std::vector<Binding> outputs;
    std::vector<std::pair<Register, Register>> views;  // registers on the storage of another
    uint32_t slots = 0;
  };
  struct Step {
    enum class Kind : uint8_t {
      unknown,
      pass,    // part of a later segment
      number,  // result <- op(x, y)
      truth,   // result <- is the element of `tensor` at `offset` not zero
      item,    // result <- the element as a number
      check,   // is x the constant y? where not, otherwise
      range,   // is x an integer in [first, last]? where not, the iteration is declined
      bounds,  // are the `count` elements of `tensor` from `offset` on in [first, last]? where not, the iteration is declined
      back,    // the next iteration: the loop's registers become `moved`, or the numbers there
      leave,
    } kind = Kind::unknown;
    int32_t next = -1, otherwise = -1;
    int32_t segment = -1;  // to be run before
    NumberOp op = NumberOp::add;
    Register result = 0, tensor = 0;
    Value x, y;
    DType dtype = DType::F32;
    int64_t offset = 0, count = 1;  // elements
    int64_t first = 0, last = 0;
    struct Move {
      std::optional<Register> from;
      LoopNumber constant;
      bool operator==(const Move& o) const { return from == o.from && constant.same_as(o.constant); }
    };
    std::vector<Move> moves;                                                                          // back: by place in `changing`
    bool tells() const { return kind == Kind::number || kind == Kind::truth || kind == Kind::item; }  // does it make a number?
  };
  // What a register holds.
  struct Held {
    eager::Ref<eager::Storage> storage;
    LoopNumber number;
  };
  // A tensor's register that an iteration makes and that is asked for where the loop is left.
  struct Wanted {
    Register number;
    int64_t bytes;
  };
  // Why run() ended. The registers in `changing` hold the state before the iteration that was not done; numbers of others are those that
  // the iteration has come to, and where the loop was left those in `wanted` hold what it made. declined: this one is not for programs, the next ones may be.
  enum class End : uint8_t { left, unknown, declined, out_of_range, interrupted };

  std::vector<Step> steps;  // begins at 0
  std::vector<Segment> segments;
  std::vector<Register> changing;
  std::vector<Wanted> wanted;
  Register registers = 0;

  // `held`: by register, all that is there before. `interrupted` is asked now and then, with the front end's lock. Throws Error{memory}.
  // `iterations`: how many were done.
  End run(std::span<Held> held, const std::function<bool()>& interrupted, int64_t* iterations) const;
  void shorten();                                                 // leads past steps that do nothing of their own
  bool is_compiled() const { return compiled_.loop != nullptr; }  // as a whole
  std::string text(std::string_view what) const;                  // "kernels" or "asm" of all of it; empty where it is not

 private:
  // In one piece of machine code, as far as it goes; made at the first run, under the front end's lock. A copy is there to be changed.
  struct Compiled {
    Compiled() = default;
    Compiled(const Compiled&) {}
    Compiled& operator=(const Compiled&) = delete;
    std::shared_ptr<const CompiledLoop> loop;
    bool tried = false;
  };
  mutable Compiled compiled_;
};

// Are these integers (or bools) all in [first, last]?
bool in_bounds(const std::byte*, DType, int64_t count, int64_t first, int64_t last);

// An element of memory as a number: nothing for a dtype that is no Python number here (complex, uint64 beyond 63 bits).
std::optional<LoopNumber> read_number(const std::byte*, DType);

}  // namespace kiln::tracer
