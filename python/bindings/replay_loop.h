// Loops of a replay: any number of iterations of one body.
//
// The body is a tree of instructions, as recordings of a function are one: its checks decide which way an iteration takes, and a way ends
// where the next iteration begins or where the loop is left (kiln/capture/folding.py makes it of the iterations that a recording saw).
//
// An iteration can be run instruction by instruction, as everything else is. Where it only computes, what it comes to is kept as programs
// on storages (tracer/loop_program.h), way by way, and later iterations run without Python's objects. What follows the loop may ask for
// what the iteration that leaves has made: where programs make all of it, they give it, else that iteration is done by instructions.
#pragma once

#include <functional>

#include "python/bindings/replay_frozen.h"
#include "tracer/loop_program.h"

namespace kiln::python {

struct NativeLoop;

struct ReplayLoop {
  std::vector<int32_t> changing;        // registers that hold something else in each iteration
  std::vector<ReplayInstruction> body;  // `next` and `otherwise` are numbers in it; it begins at 0
  std::vector<int32_t> outside;         // registers that it reads and never changes
  bool computes = false;                // does it change nothing but registers: may it be begun again, or an iteration be tried?

  // Registers that the body sets and what follows the loop reads; reckoned for a tree of so many instructions.
  std::vector<int32_t> wanted;
  size_t wanted_of = 0;
  void find_wanted(const ReplayTree&, const ReplayInstruction& loop);

  // Of layouts of what it begins with; the last of them are kept.
  std::vector<std::shared_ptr<const NativeLoop>> natives;
  int drafts_left = 24;
  bool merges = true;       // may all its ways be tried at once?
  uint64_t iterations = 0;  // that were run without Python's objects

  bool operator==(const ReplayLoop& other) const;
};

// Of the parts that kiln/capture gives. `constant`: what a constant operand stands for.
std::shared_ptr<ReplayLoop> make_loop(std::vector<int32_t> changing, std::vector<ReplayInstruction> body,
                                      const std::function<PyObject*(int32_t)>& constant);

// A run's registers, for loops.
class LoopRegisters {
 public:
  virtual ~LoopRegisters() = default;
  virtual PyObject* look(int32_t operand) const = 0;
  virtual void set(int32_t number, PyObject* owned) = 0;  // may be nullptr
  virtual bool step(const ReplayInstruction&) = 0;
  virtual tracer::SegmentRecorder& recorder() = 0;
};

// What a loop comes to where its registers hold such tensors and numbers.
struct NativeLoop {
  struct Entry {
    int32_t number;
    std::optional<FrozenLayout> layout;  // none: a number
    int64_t bytes;                       // of the tensor's storage
  };
  FrozenReplay::Settings settings;
  std::vector<Entry> entries;  // of what changes, in the loop's order, and then of what it reads besides
  tracer::LoopProgram program;
  std::vector<bool> told;  // by instruction: is its result a number that the program has come to where it leaves?
  bool whole = false;      // its steps are not, one by one, the body's instructions: it is not to be added to
  // What the loop's `wanted` hold where it is left, so that the last iteration needs no instructions; none: it is left by those.
  struct Final {
    int32_t number;
    std::optional<FrozenLayout> layout;  // a tensor's; none: a number, or
    py::object fixed;                    // what follows from layouts
  };
  std::optional<std::vector<Final>> finals;
  std::vector<int32_t> wanted;  // that `finals` are for

  static std::optional<std::vector<Entry>> entries_of(const ReplayLoop&, const LoopRegisters&);  // none: it holds something else
  bool fits(const LoopRegisters&, const FrozenReplay::Settings&) const;
  // Iterations as far as they are known; registers hold then what they held before the first that was not done. The one that leaves is done,
  // but its operators are only deferred: all that it looked at is known.
  tracer::LoopProgram::End run(const ReplayLoop&, LoopRegisters&, int64_t* iterations) const;

 private:
  bool leave(const ReplayLoop&, LoopRegisters&, std::span<const tracer::LoopProgram::Held>) const;
  void set_finals(LoopRegisters&, std::span<const tracer::LoopProgram::Held>) const;
};

bool looks_at_value(PyObject* callee);      // Tensor.item, float
bool follows_from_types(PyObject* callee);  // kiln._core.same_type: what it gives, tensors' shapes and dtypes decide
void bind_loops(py::module_&);
tracer::LoopNumber as_loop_number(PyObject*);  // none where it is no bool, int of 64 bits or float
PyObject* as_python(tracer::LoopNumber);

}  // namespace kiln::python
