// Frozen replays. Where all operators of a replay came to one program, and nothing but the layout of the tensors that they read decides which,
// the program can be run at once: no operator is called. What a frozen replay depends on is compared at each run; the checks of Python's
// state are the recording's own instructions.
//
// A number that an operator takes as it is, off the tape, is one of the program's scalars: it is read anew at each run.
//
// Backward passes are operators too, and freeze with the others where all that they leave is gradients: no result is on the tape, and all tensors
// that were there before are leaves. A pass then follows from which tensors ask for gradients, and which have one already.
#pragma once

#include <optional>

#include "codegen/backend_setting.h"
#include "eager/dispatch.h"
#include "python/bindings/replay.h"
#include "python/bindings/replay_witness.h"
#include "python/bindings/tensor_type.h"

namespace kiln::python {

// A tensor's place in memory, all that a program depends on of it.
struct FrozenLayout {
  explicit FrozenLayout(const eager::Tensor&);
  bool is_of(const eager::Tensor& t) const {
    return t.dtype() == dtype && t.offset() == offset && t.shape() == shape && t.strides() == strides;
  }
  eager::Tensor view(eager::Ref<eager::Storage> storage) const {
    return eager::Tensor::view(std::move(storage), offset, shape, strides, dtype);
  }
  DType dtype;
  eager::Dims shape, strides;
  int64_t offset;
};

struct FrozenReplay {
  // The settings that dispatch looks at.
  struct Settings {
    static Settings now();
    bool operator==(const Settings&) const = default;
    bool grad_enabled;
    DType default_dtype;
    uint32_t backend;
    uint64_t clearings;  // of the cache of programs
  };
  struct Input {
    int32_t number;  // the register
    bool gradient;   // not the tensor there, but its gradient
    FrozenLayout layout;
    size_t bytes;
    bool owned;  // its memory is its storage's own, which the program may take over
    bool requires_grad;
    uint32_t slot;  // the program's number of its storage; kUnused: no operator reads it
    uint32_t writes;
  };
  struct Value {
    int32_t number;
    py::object value;  // a number or string that operators take
  };
  struct Number {  // that one operator takes, whatever it is
    int32_t number;
    size_t scalar;  // of the program's
    bool floating;  // a float; else an int of 64 bits
  };
  struct Output {
    int32_t number;                  // a register, or -1
    std::optional<int32_t> leaf;     // a register, whose tensor gets it for a gradient
    std::optional<int32_t> same_as;  // a register: an input that is handed on
    uint32_t slot;
    FrozenLayout layout;
    std::optional<FrozenLayout> base;  // of a view
  };
  struct Leaf {
    int32_t number;
    bool had;    // a gradient when the call began
    bool loses;  // it, and gets no other
  };
  struct Check {  // an operator's, of an input's values (eager::DataReads)
    size_t input;
    int64_t first, last;
  };
  static constexpr uint32_t kUnused = ~0U;

  std::vector<const ReplayInstruction*> steps;  // before the commit, those that are still run: reads, checks, arithmetic on numbers
  int32_t after = -1;                           // the first behind the commit
  Settings settings;
  std::vector<Value> known;  // by the settings: whether operators are put on the tape
  std::vector<Input> inputs;
  std::vector<Value> values;
  std::vector<Check> checks;
  std::vector<Number> numbers;
  std::vector<Output> outputs;
  std::vector<Leaf> leaves;  // whose gradients the run might have changed
  std::shared_ptr<const tracer::Program> program;
  std::vector<eager::Scalar> scalars;
  std::vector<int64_t> made;  // by slot: bytes of a storage to be made, or -1
  mutable Witnesses witnesses;
  mutable uint64_t hits = 0;
};

std::optional<eager::Scalar> scalar_of(PyObject* number);      // of an exact int of 64 bits or an exact float
bool same_scalar(const eager::Scalar&, const eager::Scalar&);  // floats by their bits

// A register with a number of Python's that an operator on a tensor takes for one of the pending calls' scalars.
struct TakenNumber {
  const ReplayInstruction* by;
  int32_t number;
  size_t scalar;
  py::object value;
};
// Does an operator of a tensor of this dtype and a number hand the number on as it is, whatever it is? They are added, subtracted, multiplied or
// compared, or divided in floating point: computed in the tensor's dtype, or in a floating one that follows from the number's type.
bool hands_number_on(const ReplayInstruction&, DType);
// Which operand of an instruction might be one: a register's number, or -1. (On the tape the backward pass would take it too.)
int32_t number_handed_on(const ReplayInstruction&, const std::function<PyObject*(int32_t)>& look);

// What became of a tensor's gradient in a run.
struct GradientChange {
  GradientChange(const eager::Tensor& leaf, const eager::Tensor& before);  // as it is now; `before` may be empty
  const eager::TensorImpl* leaf;
  bool had, has, same;
  std::optional<eager::Tensor> kept;  // where it is the same tensor as before
};

// Collects what a run comes to, in two parts: before the flush, while registers hold their objects, and after it.
class FrozenDraft {
 public:
  // `path`: the instructions run before the commit; `reads`: the values that they looked at; `look`: what a register holds, asked here alone.
  FrozenDraft(const ReplayTree&, const std::vector<int32_t>& path, int32_t after, const FrozenReplay::Settings&,
              std::span<const GradientChange>, std::span<const TakenNumber>, const eager::DataReads& reads,
              const std::function<PyObject*(int32_t)>& look);
  bool possible() const { return frozen_ != nullptr; }
  tracer::KeptSegment kept;
  std::shared_ptr<const FrozenReplay> finish();  // null: what ran does not follow from the inputs alone

 private:
  enum class Origin : uint8_t { none, read, number, derived };
  bool sort(const ReplayInstruction&);
  bool sort_mode(const ReplayInstruction&);
  bool sort_gradient(const ReplayInstruction&);
  void go_on(const ReplayInstruction&, Origin);
  bool add_inputs(const ReplayInstruction&);
  void add_input(int32_t number, bool gradient, const eager::Tensor&);
  bool add_gradient(const GradientChange&);
  bool add_check(const eager::DataReads::Checked&);
  bool add_output(int32_t number);
  bool add_output(const eager::Tensor&, int32_t number, std::optional<int32_t> leaf);

  const ReplayTree& tree_;
  const std::function<PyObject*(int32_t)>& look_;
  const std::span<const TakenNumber> numbers_;
  std::vector<Origin> origins_;
  std::vector<bool> known_;  // registers that are among inputs, values or outputs
  std::vector<bool> gradient_changed_;
  bool passed_backward_ = false;
  std::optional<bool> grad_mode_;  // as the instructions so far leave it; none: it has to be set and asked for as they say
  std::vector<const eager::Storage*> input_storages_, output_storages_;
  std::vector<const eager::TensorImpl*> outputs_;
  std::shared_ptr<FrozenReplay> frozen_;
};

}  // namespace kiln::python
