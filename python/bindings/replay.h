// Replay: a captured function's call done without Python. What a recording (kiln/capture) found out about a function is a tree of
// instructions over registers that hold Python objects: reads of Python's state, each checked against what the recording saw; operator calls;
// and, behind the commit, what the function changes and returns.
//
// A run is a trial until its commit: operators are deferred (tracer/recorder.h), nothing of Python's is changed, and gradients, the
// generator and the tape's mode are put back. So an instruction may fail anywhere before: the run goes on where the instruction says
// (`otherwise`: another recording, which saw something else there), or is taken back, and Python runs from the start.
//
// No instruction before the commit runs Python code: reads are of exact dicts, lists, tuples, cells and of attributes whose class was checked to
// have nothing in between, and what is called is in the recorder's table of callables.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "eager/generator.h"
#include "eager/tape.h"
#include "python/bindings/enum_names.h"
#include "python/bindings/errors.h"
#include "tracer/recorder.h"

namespace kiln::python {

enum class ReplayOp : uint8_t {
  // Checks. The last operand is what is expected, but for arguments and distinct.
  arguments,               // count, names of keywords: how the function was called
  type,                    // x, type: exactly this type
  same,                    // x, y: one object
  distinct,                // x, y: two objects
  value,                   // x, constant: same type, same value, floats by their bits, strings by content, tuples by their items
  length,                  // x, n: of a str, bytes, tuple, list, dict, set or frozenset, or an exact deque
  keys,                    // dict, tuple: these keys in this order
  members,                 // set, tuple: these members, in the order in which the set is iterated over
  no_class_attribute,      // type, name: neither the class nor its bases have it
  own_class_attribute,     // type, name, x: what the class alone has under the name
  no_own_class_attribute,  // type, name
  class_bases,             // type, tuple: its __bases__
  method,                  // x, name, function: a method that no attribute of the instance hides
  no_attribute,            // x, name: neither in the class nor in the instance
  no_own_attribute,        // x, name: not in the instance; its class was checked
  no_item,                 // dict, key
  off_tape,                // x...: an operator on these would not be put on the tape
  leaf,                    // x: a tensor without history, and without hooks on its gradient
  // Reads of Python's state, into `result`; all but `attribute`, with `extra`, are checks against one more operand: it is this object.
  attribute,         // x, name: of the instance; its class was checked
  class_attribute,   // type, name: of the class or its bases, as it is there: a descriptor is not asked
  item,              // tuple, list or deque, index
  dict_item,         // dict, key
  cell,              // cell: what it holds
  code,              // function: its __code__
  defaults,          // function: its __defaults__
  keyword_defaults,  // function: its __kwdefaults__
  closure,           // function: its __closure__
  receiver,          // bound method: __self__
  function,          // bound method: __func__
  // Calls, into `result`.
  call,           // callee, arguments...; `extra`: of the arguments, how many are named by the last operand (0: none, and no such operand)
  binary,         // x, y; `extra`: NB_ADD ...
  compare,        // x, y; `extra`: Py_LT ...
  unary,          // x; `extra`: by the place in replay_unary_names()
  get_item,       // x, key
  set_item,       // x, key, value
  get_attribute,  // x, name
  set_attribute,  // x, name, value: in the instance; of a class, in the class
  make_tuple,     // items...
  make_list,      // items...
  make_dict,      // key, value, ...
  make_slice,     // start, stop, step
  // Loops (replay_loop.h). The last two stand in a loop's body alone.
  loop,   // what changes from iteration to iteration, as it is at first
  back,   // the same, for the next iteration
  leave,  // goes on behind the loop
  // Of the run.
  save_gradients,    // of all tensors in registers, before something changes gradients
  commit,            // from here on nothing fails
  store_cell,        // cell, value
  delete_item,       // x, key
  delete_attribute,  // x, name
  give,              // x: the call's result; runs what is deferred, as at the end of any captured call
  count,
};
inline constexpr size_t kReplayOps = static_cast<size_t>(ReplayOp::count);
inline constexpr auto kReplayOpNames = enumerator_names<ReplayOp, kReplayOps>();
std::vector<std::string> replay_unary_names();  // of a unary instruction's `extra`, by its number: as Python's byte code names it

struct ReplayLoop;  // replay_loop.h

struct ReplayInstruction {
  ReplayOp op;
  uint8_t extra = 0;
  int32_t result = -1;            // a register
  std::vector<int32_t> operands;  // registers; ~i is constant i
  int32_t next = -1;              // the instruction that follows
  int32_t otherwise = -1;         // where to go on when this one fails; -1: the run is taken back
  std::shared_ptr<ReplayLoop> loop;
  PyObject* fixed[3] = {};  // of the first operands, those that are constants; the tree has them
  // Where the instruction last found what it wanted. Classes and dicts of the same versions hold the same, so it is not looked for again.
  mutable struct Seen {
    uint64_t type = 0, dict = 0;
    PyObject* found = nullptr;  // borrowed from the dict
    Py_ssize_t own = 0;         // of an instance that keeps its attributes in itself: n + 1, the n-th; -n - 1, none, with n names
  } seen{};
};

struct FrozenReplay;  // replay_frozen.h

class ReplayTree {
 public:
  ReplayTree() = default;
  ~ReplayTree();
  ReplayTree(const ReplayTree&) = delete;

  int32_t add_constant(PyObject*);  // the operand that stands for it
  // Adds a recording, and gives how many of its first instructions are those of an earlier one, with which it shares them.
  size_t add(const std::vector<ReplayInstruction>&);
  size_t size() const { return instructions_.size(); }
  const ReplayInstruction& at(size_t i) const { return instructions_[i]; }
  bool empty() const { return roots_.empty(); }
  PyObject* constant(int32_t operand) const { return constants_[static_cast<size_t>(~operand)]; }
  size_t constants() const { return constants_.size(); }
  const std::vector<int32_t>& roots() const { return roots_; }
  int32_t registers() const { return registers_; }
  void fix_constants(ReplayInstruction&) const;

  // The last of them are kept; one that fits goes to the front. A tree whose frozen replays go stale faster than they are used gets no more.
  const std::vector<std::shared_ptr<const FrozenReplay>>& frozen() const { return frozen_; }
  bool may_freeze() const { return freezes_left_ > 0; }
  void add_frozen(std::shared_ptr<const FrozenReplay>);
  void use_frozen(size_t i) {
    std::rotate(frozen_.begin(), frozen_.begin() + static_cast<ptrdiff_t>(i), frozen_.begin() + static_cast<ptrdiff_t>(i) + 1);
  }
  void cannot_freeze() { --freezes_left_; }
  void clear();
  int traverse(visitproc, void*) const;

 private:
  std::deque<ReplayInstruction> instructions_;  // a run that waits for a kernel must find its own where they were
  std::vector<int32_t> roots_;                  // recordings that share nothing
  std::deque<PyObject*> constants_;
  int32_t registers_ = 0;
  std::vector<std::shared_ptr<const FrozenReplay>> frozen_;
  int freezes_left_ = 32;
};

// What a call may take back, while its recorder is revocable: operators that were deferred, draws of the generator, the tape's mode. Made before
// the first of them.
class Trial {
 public:
  explicit Trial(tracer::SegmentRecorder& recorder) : recorder_(recorder) {}
  tracer::SegmentRecorder& recorder() const { return recorder_; }
  bool has_drawn() const { return eager::generator_state() != generator_; }
  void take_back() const;

 private:
  tracer::SegmentRecorder& recorder_;
  const eager::GeneratorState generator_ = eager::generator_state();
  const bool grad_enabled_ = eager::grad_enabled();
};

enum class ReplayOutcome { done, refused, failed };  // refused: nothing has happened, run Python; failed: Python's error is set

struct ReplayResult {
  ReplayOutcome outcome;
  PyObject* value = nullptr;        // done: a new reference
  int32_t failed_instruction = -1;  // refused: the last that failed
};
// One call. `scope`: around it, with a recorder on trial; the commit ends it.
ReplayResult replay(ReplayTree&, tracer::FunctionRecord&, PyObject* args, PyObject* kwargs, tracer::SegmentScope& scope);

// Of a function that is being recorded, under this recorder: does `instructions`, reads and checks and then a loop that computes, as far as the
// loop's ways go. `held`: what registers hold, all of which are below `registers`. What the registers that the loop changes hold then; none: nothing
// has been done, or Python's error is set.
std::optional<std::vector<py::object>> skip_iterations(ReplayTree&, std::vector<ReplayInstruction> instructions, int32_t registers,
                                                       const std::map<int32_t, py::object>& held, tracer::SegmentRecorder&);

void plant_replay_fault(int op);               // for tests: checks of this kind pass always; -1: none do
bool is_overlooked(const ReplayInstruction&);  // is it such a check?

}  // namespace kiln::python
