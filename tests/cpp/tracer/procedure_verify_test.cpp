// What must hold of a procedure: each thing that can be wrong, one at a time, and how it is said.
#include <gtest/gtest.h>

#include "tests/cpp/package/packages.h"

namespace kiln::testing {
namespace {

using namespace tracer;
using eager::Dims;

using Change = std::function<void(Procedure&)>;

// The message that verify() has for an entry of a valid package with one thing changed.
std::string message(const Package& package, const Change& change, size_t entry = 0) {
  Procedure p = package.entries[entry].procedure;
  verify(p, package.state);
  change(p);
  try {
    verify(p, package.state);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::value);
    return e.what();
  }
  return "nothing";
}

struct Case {
  const char* message;
  Change change;
};

void check_all(const Package& package, std::initializer_list<Case> cases) {
  for (const Case& c : cases) EXPECT_EQ(message(package, c.change), c.message);
}

const Dim kNotThere = Dim::expression(1000);

TEST(ProcedureVerify, Inputs) {
  check_all(model_package(),
            {{"input 0 (''): it has no name", [](Procedure& p) { p.inputs[0].name = ""; }},
             {"two inputs are called 'images'", [](Procedure& p) { p.inputs[1].name = "images"; }},
             {"input 1 ('scale'): a dtype that does not exist", [](Procedure& p) { p.inputs[1].type.dtype = static_cast<DType>(77); }},
             {"input 0 ('images'): 9 dimensions; a tensor has at most 8", [](Procedure& p) { p.inputs[0].type.shape.assign(9, 1); }},
             {"input 0 ('images'): the extent -1 is negative", [](Procedure& p) { p.inputs[0].type.shape[1] = -1; }},
             {"input 0 ('images'): an extent is an expression that is not in the table of dimensions",
              [](Procedure& p) { p.inputs[0].type.shape[0] = kNotThere; }},
             {"input 0 ('images'): the extent '(batch * 4)' is neither a number nor a symbol",
              [](Procedure& p) { p.inputs[0].type.shape[0] = p.dims.mul(p.dims.symbol("batch"), 4); }},
             {"input 0 ('images'): the extent '_' is neither a number nor a symbol",
              [](Procedure& p) { p.inputs[0].type.shape[0] = p.dims.symbol("_"); }}});
}

TEST(ProcedureVerify, Leaves) {
  check_all(
      model_package(),
      {{"leaf 0: input 2 of 2", [](Procedure& p) { p.leaves[0].index = 2; }},
       {"leaf 0: its register has another type than input 1", [](Procedure& p) { p.leaves[0].index = 1; }},
       {"leaf 2: state entry 2 of 2", [](Procedure& p) { p.leaves[2].index = 2; }},
       {"leaf 2: a kind of leaf that does not exist", [](Procedure& p) { p.leaves[2].kind = static_cast<Leaf::Kind>(5); }},
       {"leaf 2: its register has another type than the window", [](Procedure& p) { p.types[2].shape[0] = 2; }},
       {"leaf 2: a window of float64 in 'weight', which is float32", [](Procedure& p) { p.leaves[2].dtype = DType::F64; }},
       {"leaf 2: a window of ? in 'weight', which is float32", [](Procedure& p) { p.leaves[2].dtype = static_cast<DType>(kDTypeCount); }},
       {"leaf 2: its shape and its strides are not equally long", [](Procedure& p) { p.leaves[2].strides.push_back(1); }},
       {"leaf 2: the extent -3 is negative", [](Procedure& p) { p.leaves[2].shape[0] = -3; }},
       {"12 leaves for 11 registers", [](Procedure& p) { p.leaves.resize(12); }}});
  const std::vector<std::pair<Dims, Dims>> outside{
      {{3, 5}, {4, 1}}, {{3, 4}, {4, -1}}, {{INT64_MAX, 4}, {0, 0}}, {{3, 4}, {INT64_MAX, INT64_MAX}}, {{2, 2}, {INT64_MIN, INT64_MIN}}};
  for (const auto& [shape, strides] : outside) {
    const std::string said = message(model_package(), [&](Procedure& p) {
      p.leaves[2].shape = shape, p.leaves[2].strides = strides;
      p.types[2].shape.assign(shape.begin(), shape.end());
    });
    EXPECT_NE(said.find("does not lie within 'weight', 12 elements long"), std::string::npos) << said;
  }
  const auto nothing = [](int64_t offset) {
    return message(model_package(), [&](Procedure& p) {
      p.leaves[2].offset = offset;
      p.leaves[2].shape[1] = 0;
      p.types[2].shape[1] = 0;
    });
  };
  EXPECT_EQ(nothing(12), "nothing");  // an empty window may stand at the end
  EXPECT_NE(nothing(13), "nothing");
  EXPECT_NE(nothing(-1), "nothing");
}

TEST(ProcedureVerify, Calls) {
  check_all(model_package(),
            {{"call 0 (matmul): operand 1: register 5 is used where 5 registers are there",
              [](Procedure& p) { p.calls[0].operands[1].tensor = 5; }},
             {"call 0 (matmul): its results are register 4 on; expected 5", [](Procedure& p) { p.calls[0].first_output = 4; }},
             {"call 0 (matmul): operand 0: a kind of operand that does not exist",
              [](Procedure& p) { p.calls[0].operands[0].kind = static_cast<CallOperand::Kind>(3); }},
             {"call 0 (matmul): the operand 'x1' is missing", [](Procedure& p) { p.calls[0].operands[0] = {}; }},
             {"call 0 (matmul): it takes 2 operands; 1 are given", [](Procedure& p) { p.calls[0].operands.pop_back(); }},
             {"call 0 (matmul): it takes 0 attributes; 1 are given", [](Procedure& p) { p.calls[0].attrs.emplace_back(1.5); }},
             {"call 0: it has no operator", [](Procedure& p) { p.calls[0].op = nullptr; }},
             {"call 0 (matmul): a kind of call that does not exist", [](Procedure& p) { p.calls[0].kind = static_cast<CallKind>(3); }},
             {"call 0 (matmul): a write has no operator", [](Procedure& p) { p.calls[0].kind = CallKind::write; }},
             {"call 4 (divide): operand 1: a kind of number that does not exist",
              [](Procedure& p) { p.calls[4].operands[1].scalar.kind = DTypeKind::unsigned_integer; }},
             {"call 4 (divide): operand 1: a bool that is neither true nor false",
              [](Procedure& p) {
                p.calls[4].operands[1].scalar = eager::Scalar(true);
                p.calls[4].operands[1].scalar.i = 2;
              }},
             {"call 3 (sum): the operand 'x' is a number; expected a tensor", [](Procedure& p) { p.calls[3].operands[0] = num(1.0); }},
             {"call 3 (sum): the attribute 'keepdims' is not of the kind that the operator takes",
              [](Procedure& p) { p.calls[3].attrs[1] = int64_t{1}; }},
             {"call 3 (sum): the attribute 'dtype' is not of the kind that the operator takes",
              [](Procedure& p) { p.calls[3].attrs[2] = static_cast<DType>(kDTypeCount); }},
             {"call 5 (multiply): its results are more than the 10 registers that have types",
              [](Procedure& p) {
                p.types.pop_back();
                p.results = {};
              }},
             {"leaves and calls give 11 registers, types are given for 12", [](Procedure& p) { p.types.emplace_back(); }},
             {"register 11: a dtype that does not exist", [](Procedure& p) { p.types.push_back({static_cast<DType>(100), {}}); }}});
}

TEST(ProcedureVerify, Writes) {
  check_all(
      training_package(),
      {{"call 0 (multiply): destination: register 3 is used where 3 registers are there", [](Procedure& p) { p.calls[0].destination = 3; }},
       {"call 0 (conv2d_weights): an operator with 2 results in place",
        [](Procedure& p) {
          const auto all = eager::all_operators();
          Call& c = p.calls[0];
          c.op = *std::find_if(all.begin(), all.end(), [](const auto* op) { return op->outputs == 2; });
          c.operands.clear();
          c.attrs.clear();
          for (const eager::Parameter& each : c.op->parameters) {
            if (each.is_operand()) c.operands.push_back(reg(1));
            else c.attrs.push_back(each.kind == eager::Parameter::Kind::shape ? eager::Attr(Dims{1, 1}) : each.default_value);
          }
        }},
       {"call 3: a write takes one operand and no attributes", [](Procedure& p) { p.calls[3].operands.push_back(num(1)); }},
       {"call 3: a write takes one operand and no attributes", [](Procedure& p) { p.calls[3].operands[0] = {}; }},
       {"call 3: a write takes one operand and no attributes", [](Procedure& p) { p.calls[3].attrs.emplace_back(true); }},
       {"call 3: destination: register 9 is used where 3 registers are there", [](Procedure& p) { p.calls[3].destination = 9; }}});
  EXPECT_EQ(message(
                training_package(), [](Procedure& p) { p.calls.back().operands[0] = num(1); }, 1),
            "call 2 (stack): 'arrays' takes tensors alone");
}

TEST(ProcedureVerify, SymbolicNumbers) {
  using Place = SymbolicNumber::Place;
  check_all(
      model_package(),
      {{"call 2 (reshape): symbolic number 0: an expression that is not in the table of dimensions",
        [](Procedure& p) { p.calls[2].numbers[0].dim = kNotThere; }},
       {"call 2 (reshape): symbolic number 0: '(batch + _)' does not follow from the inputs' shapes",
        [](Procedure& p) { p.calls[2].numbers[0].dim = p.dims.add(p.dims.symbol("_"), p.dims.symbol("batch")); }},
       {"call 2 (reshape): symbolic number 0: a form that does not exist",
        [](Procedure& p) { p.calls[2].numbers[0].form = static_cast<ScalarForm>(3); }},
       {"call 2 (reshape): symbolic number 0: there is no such attribute", [](Procedure& p) { p.calls[2].numbers[0].index = 1; }},
       {"call 2 (reshape): symbolic number 0: there is no such element of the attribute",
        [](Procedure& p) { p.calls[2].numbers[0].element = -1; }},
       {"call 2 (reshape): symbolic number 0: a floating number in the place of an integer",
        [](Procedure& p) { p.calls[2].numbers[0].floating = true; }},
       {"call 2 (reshape): symbolic number 0: there is no such operand", [](Procedure& p) { p.calls[2].numbers[0] = {Place::operand, 1}; }},
       {"call 2 (reshape): symbolic number 0: it stands for an operand that is not a number",
        [](Procedure& p) { p.calls[2].numbers[0] = {Place::operand, 0}; }},
       {"call 2 (reshape): symbolic number 0: a place that does not exist",
        [](Procedure& p) { p.calls[2].numbers[0].place = static_cast<Place>(2); }},
       {"call 2 (reshape): symbolic number 1: number 0 stands in the same place",
        [](Procedure& p) { p.calls[2].numbers.push_back(p.calls[2].numbers[0]); }},
       {"call 4 (divide): symbolic number 0: an integer in the place of a floating number",
        [](Procedure& p) { p.calls[4].numbers[0].floating = false; }},
       {"call 3 (sum): symbolic number 0: it stands for an attribute that is not a number",
        [](Procedure& p) { p.calls[3].numbers = {{Place::attribute, 1}}; }},
       {"constraint 0: an expression that is not in the table of dimensions", [](Procedure& p) { p.constraints[0].right = kNotThere; }},
       {"constraint 1: '_' does not follow from the inputs' shapes", [](Procedure& p) { p.constraints[1].left = p.dims.symbol("_"); }},
       {"constraint 1: a comparison that does not exist", [](Procedure& p) { p.constraints[1].op = static_cast<Constraint::Op>(6); }}});
}

TEST(ProcedureVerify, Trees) {
  using Kind = Tree::Kind;
  check_all(
      model_package(),
      {{"arguments: expected a dict of arguments by name", [](Procedure& p) { p.arguments = tensor_tree(0); }},
       {"arguments: they name 1 input of 2", [](Procedure& p) { p.arguments = dict_tree({{"x", tensor_tree(0)}}); }},
       {"arguments: input 1 is named before 0", [](Procedure& p) { p.arguments = dict_tree({{"x", tensor_tree(1)}}); }},
       {"arguments: input 2 of 2", [](Procedure& p) { p.arguments = dict_tree({{"x", tensor_tree(2)}}); }},
       {"nothing", [](Procedure& p) { p.arguments = {}; }},
       {"results: register -1 of 11", [](Procedure& p) { p.results = tensor_tree(-1); }},
       {"results: register 11 of 11", [](Procedure& p) { p.results = tensor_tree(11); }},
       {"results: a kind of value that does not exist", [](Procedure& p) { p.results.kind = static_cast<Kind>(9); }},
       {"results: a bool that is neither true nor false", [](Procedure& p) { p.results = {.kind = Kind::boolean, .integer = 2}; }},
       {"results: a value with parts", [](Procedure& p) { p.results.kind = Kind::text; }},
       {"results: keys and values of a dict are not equally many", [](Procedure& p) { p.results.kind = Kind::dict; }},
       {"results: keys and values of a dict are not equally many", [](Procedure& p) { p.results.keys = {"a", "b"}; }},
       {"results: the key 'a' stands twice in a dict", [](Procedure& p) { p.results = dict_tree({{"a", {}}, {"b", {}}, {"a", {}}}); }},
       {"results: nested deeper than 64", [](Procedure& p) {
          for (int i = 0; i < 65; ++i) p.results = {.kind = Kind::list, .children = {p.results}};
        }}});
}

}  // namespace
}  // namespace kiln::testing
