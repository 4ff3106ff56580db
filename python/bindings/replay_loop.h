// Loops of a replay: any number of iterations of one body.
//
// The body is a tree of instructions, as recordings of a function are one: its checks decide which way an iteration takes, and a way ends
// where the next iteration begins or where the loop is left (kiln/capture/folding.py makes it of the iterations that a recording saw).
//
// An iteration can be run instruction by instruction, as everything else is. Where it only computes, what it comes to is kept as programs
// on storages (tracer/loop_program.h), way by way, and later iterations run without Python's objects. The one that leaves is done by
// instructions again: what follows may ask for anything that it has made.
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

  // Of layouts of what it begins with; the last of them are kept.
  std::vector<std::shared_ptr<const NativeLoop>> natives;
  int drafts_left = 24;

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
  std::vector<Entry> entries;
  tracer::LoopProgram program;

  static std::optional<std::vector<Entry>> entries_of(const ReplayLoop&, const LoopRegisters&);  // none: it holds something else
  bool fits(const LoopRegisters&, const FrozenReplay::Settings&) const;
  // Iterations as far as they are known; registers hold then what they held before the first that was not done. The one that leaves is done,
  // but its operators are only deferred: all that it looked at is known.
  tracer::LoopProgram::End run(const ReplayLoop&, LoopRegisters&) const;

 private:
  bool leave(const ReplayLoop&, LoopRegisters&, std::span<const tracer::LoopProgram::Held>) const;
};

// One iteration by instructions, kept as what it comes to.
class LoopDraft {
 public:
  LoopDraft(const ReplayLoop&, const NativeLoop* known, LoopRegisters&, const FrozenReplay::Settings&);
  // Runs it. Null: registers may hold anything but in `changing`, which are as before, and the iteration has to be run in the plain way.
  std::shared_ptr<const NativeLoop> run();
  bool possible() const { return possible_; }  // false: this loop cannot be kept
  // What the registers in `changing` become; null: it leaves the loop, and they are as before.
  const std::vector<int32_t>* ended() const { return end_; }

 private:
  enum class What : uint8_t { none, tensor, number, fixed, parts };  // fixed: it follows from layouts; parts: a list or tuple with tensors
  using Step = tracer::LoopProgram::Step;

  bool refuse() { return possible_ = false; }
  bool add(int32_t at);  // false: the iteration ends here
  bool add_check(const ReplayInstruction&, Step&);
  bool add_number(const ReplayInstruction&, Step&, tracer::NumberOp);
  bool add_look(const ReplayInstruction&, Step&, int32_t at, Step::Kind);
  bool add_operator(const ReplayInstruction&);
  bool add_back(const ReplayInstruction&, Step&, int32_t at);
  bool do_it(const ReplayInstruction&);
  bool segment(Step&, int32_t at, const std::function<bool()>& flush);
  std::optional<tracer::LoopProgram::Segment> bind(const tracer::KeptSegment&, const std::vector<bool>& alive);
  std::vector<bool> alive_after(int32_t at) const;
  What what(int32_t operand) const { return operand < 0 ? What::fixed : what_[static_cast<size_t>(operand)]; }
  std::optional<tracer::LoopProgram::Value> value(int32_t operand) const;
  bool is_new(int32_t at) const { return native_->program.steps[static_cast<size_t>(at)].kind == Step::Kind::unknown; }

  const ReplayLoop& loop_;
  LoopRegisters& registers_;
  std::shared_ptr<NativeLoop> native_;
  std::vector<What> what_;
  // Since the last program ran.
  std::vector<int32_t> used_, made_;  // registers with tensors that operators read; registers
  struct Taken {                      // by an operator: a register's number
    uint32_t scalar;
    int32_t number;
    tracer::LoopNumber value;
  };
  std::vector<Taken> scalars_;
  int32_t at_ = 0;
  bool possible_ = true;
  const std::vector<int32_t>* end_ = nullptr;
};

bool looks_at_value(PyObject* callee);      // Tensor.item, float
bool follows_from_types(PyObject* callee);  // kiln._core.same_type: what it gives, tensors' shapes and dtypes decide
void bind_loops(py::module_&);
tracer::LoopNumber as_loop_number(PyObject*);  // none where it is no bool, int of 64 bits or float
PyObject* as_python(tracer::LoopNumber);

}  // namespace kiln::python
