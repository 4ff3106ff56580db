// A procedure: a function as the operator calls that a run of it made, so that it can run again without its source.
//
// Straight-line calls over registers, each a tensor. They are the calls the user's code made, before dispatch took them apart: compositions
// and views are whole, a gradient is the calls its rules made. Running a procedure makes the same calls through dispatch, so types, shapes,
// promotion, aliasing, writes and random draws follow from the operators' own rules, for whatever extents arrive; and a run is one
// captured call (tracer/recorder.h), fused and compiled like any other. That is why its bits are those of the source.
//
// Numbers that follow from the inputs' shapes (x.shape[0], the divisor of a mean) are expressions over the symbols of the input
// specifications. Comparisons of such numbers that the source made are kept as constraints, and checked before a run.
//
// Registers are assigned once, in order: first the leaves (inputs and windows of the state), then the outputs of calls.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eager/dispatch.h"
#include "tracer/dim.h"

namespace kiln::tracer {

using Register = uint32_t;

// A floating number that follows from a shape; `factor` op `dim`, in double arithmetic.
enum class ScalarForm : uint8_t { product, quotient, ratio };  // factor * dim, factor / dim, dim / factor

// Where a call holds a number that is an expression: it overrides the constant that stands there.
struct SymbolicNumber {
  enum class Place : uint8_t { operand, attribute } place = Place::attribute;
  uint32_t index = 0;   // of the operand or attribute
  int32_t element = 0;  // of an attribute that is a list
  Dim dim;
  bool floating = false;  // operands and floating attributes: the number is `form` of factor and dim; else it is dim
  ScalarForm form = ScalarForm::product;
  double factor = 1;
  bool operator==(const SymbolicNumber&) const = default;
};

struct CallOperand {
  enum class Kind : uint8_t { absent, tensor, scalar } kind = Kind::absent;
  Register tensor = 0;
  eager::Scalar scalar;
};

enum class CallKind : uint8_t {
  call,      // outputs <- op(operands, attrs)
  in_place,  // destination <- op(operands, attrs), as x += y
  write,     // destination <- operands[0], broadcast and cast, as x[...] = y
};

struct Call {
  CallKind kind = CallKind::call;
  const eager::Operator* op = nullptr;  // null for writes
  std::vector<CallOperand> operands;    // without what dispatch adds to a random operator's
  eager::Attrs attrs;
  std::vector<SymbolicNumber> numbers;
  Register destination = 0;   // in_place, write
  Register first_output = 0;  // call: op->outputs registers from here
  std::string where;          // "train.py:12", or empty
};

struct SymbolicType {
  DType dtype = DType::F32;
  std::vector<Dim> shape;
  bool operator==(const SymbolicType&) const = default;
};

// What the caller brings. An extent is a constant or a symbol; a symbol that stands twice is one number.
struct InputSpec {
  std::string name;  // as the caller knows it: "x", "batch.images", "layers.0"
  SymbolicType type;
};

// A tensor that is there when the procedure starts. Registers 0.. are these.
struct Leaf {
  enum class Kind : uint8_t { input, state } kind = Kind::input;
  uint32_t index = 0;  // the input's, or the state entry's
  // state: a window of the entry's storage, in elements of `dtype`.
  DType dtype = DType::F32;
  int64_t offset = 0;
  eager::Dims shape, strides;
};

// A comparison that the source made between numbers that follow from shapes, and how it came out.
struct Constraint {
  enum class Op : uint8_t { equal, not_equal, less, less_equal, greater, greater_equal } op = Op::equal;
  Dim left, right;
  std::string where;
  bool operator==(const Constraint&) const = default;
};

// Nested tuples, lists and dicts, as arguments come and results go. Leaves are numbers of tensors (inputs; registers) or constants.
struct Tree {
  enum class Kind : uint8_t { none, boolean, integer, floating, text, tensor, tuple, list, dict } kind = Kind::none;
  int64_t integer = 0;  // boolean, integer; tensor: which
  double floating = 0;
  std::string text;
  std::vector<std::string> keys;  // dict, in order
  std::vector<Tree> children;     // tuple, list, dict
};

struct Procedure {
  DimTable dims;                  // symbols of the inputs' extents, in order of first appearance
  std::vector<InputSpec> inputs;  // in the order the tree of arguments names them
  std::vector<Leaf> leaves;
  std::vector<Call> calls;
  std::vector<Constraint> constraints;
  std::vector<SymbolicType> types;  // per register; an extent that no expression was found for is the symbol "_"
  // How the front end's arguments become inputs and results are put together: a dict of arguments by name; leaves are input numbers, registers.
  Tree arguments, results;

  size_t registers() const { return types.size(); }
  bool writes_state(uint32_t entry) const;  // does any call write a register that aliases it?
};

// The state that the procedures of one program share: parameters, buffers, optimiser state, captured constants.
struct StateEntry {
  std::string name;     // unique: "weight", "0.bias", "momentum.3"
  eager::Tensor value;  // contiguous, offset 0, all of its storage
};

std::string_view symbol_of(Constraint::Op);              // "<="
std::string text(const DimTable&, const Constraint&);    // "batch <= 64"
std::string text(const DimTable&, const SymbolicType&);  // "float32(batch, 28)"

void verify(const Procedure&,
            std::span<const StateEntry>);  // throws Error{value} naming the call; needs nothing of the procedure to be right
std::string print(const Procedure&, std::span<const StateEntry>);

// What a run on these inputs makes of the symbols; throws Error{type, value} naming the input, the dtype, rank or extent expected and
// given, or the constraint that is broken and where the source made it.
std::vector<int64_t> bind_inputs(const Procedure&, std::span<const eager::Tensor> inputs);

// Makes the calls, as one captured call of `record`, off the tape. Returns the registers that the results name, in order of appearance.
// Inputs and state that the source wrote are written. Error{runtime} for an input that requires grad while gradients are on: there would be
// none, silently.
class FunctionRecord;
std::vector<eager::Tensor> run(const Procedure&, std::span<const StateEntry>, std::span<const eager::Tensor> inputs,
                               const std::shared_ptr<FunctionRecord>& record);

}  // namespace kiln::tracer
