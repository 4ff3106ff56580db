// A program of the graph fuzzer: leaves with their bytes, and calls on a pool of tensors. It can be run any number of times, in any mode,
// printed, and cut down.
#pragma once

#include <set>
#include <string>
#include <variant>
#include <vector>

#include "eager/dispatch.h"

namespace kiln::fuzz {

using eager::Attr;
using eager::Attrs;
using eager::Dims;
using eager::Operator;
using eager::Scalar;

using TensorId = int;
using Ref = std::variant<std::monostate, TensorId, Scalar>;  // an operand: absent, a tensor of the pool, a number

struct Leaf {  // a contiguous tensor that is there before the program begins
  TensorId id = 0;
  Dims shape;
  DType dtype = DType::F32;
  std::vector<std::byte> bytes;
  bool requires_grad = false;
  bool redrawable = true;  // may hold any other values of its dtype (a class label may not)
};

struct Step {
  enum class Kind : uint8_t {
    call,      // outputs = op(operands)
    in_place,  // target <- op(operands)
    write,     // target[...] = operands[0]
    drop,      // the pool's handle to target goes
    read,      // target's bytes are looked at: inside a segment, a flush
    backward,  // from target, with operands[0] as the gradient to start from
    gradient,  // outputs[0] = target.grad
  };
  Kind kind = Kind::call;
  const Operator* op = nullptr;
  std::vector<Ref> operands;
  Attrs attrs;
  TensorId target = -1;
  std::vector<TensorId> outputs;
  bool no_grad = false;
};

struct Program {
  uint64_t seed = 0;
  std::vector<Leaf> leaves;
  std::vector<Step> steps;
  TensorId tensors = 0;                                    // ids in use are below
  std::set<std::pair<std::string, std::string>> features;  // what occurs in it, by group: see coverage.h
};

std::string to_string(const Step&);

// The program without this step and all that needs its outputs.
Program without(const Program&, size_t step);
// The program without leaves that no step names.
Program without_unused_leaves(const Program&);
// The same calls with other numbers: scalars and leaves drawn again. A compiled program must serve both.
Program with_other_numbers(const Program&, uint64_t seed);

}  // namespace kiln::fuzz
