// Logic on truth values (anything is true but zero), on bits, and `where`.
#include "eager/ops/ops.h"

namespace kiln::eager::ops {
namespace {

Operator logical(std::string_view name, std::string_view doc, Prim prim, std::string_view onnx, std::string_view reference) {
  return {
      .name = name,
      .doc = doc,
      .parameters = {any("x1"), any("x2")},
      .body = [prim](Builder& b, Value x,
                     Value y) { return b.primitive(prim, DType::Bool, {b.cast(x, DType::Bool), b.cast(y, DType::Bool)}); },
      .result = ResultType::boolean,
      .method = true,
      .samples = binary_samples(),
      .reference = reference,
      .onnx = onnx,
  };
}

std::vector<Sample> bit_samples() {
  return {integer_extreme_pairs(DType::I32), integer_extreme_pairs(DType::I64), integer_extreme_pairs(DType::U8), shapes({{3, 37}, {37}}),
          shapes({{0, 2}, {2}})};
}

Operator bitwise(std::string_view name, std::string_view doc, Prim prim, Parameter x1, Parameter x2, std::string_view onnx,
                 std::string_view reference) {
  return {
      .name = name,
      .doc = doc,
      .parameters = {std::move(x1), std::move(x2)},
      .body = [prim](Builder& b, Value x, Value y) { return b.primitive(prim, x.dtype(), {x, y}); },
      .method = true,
      .samples = bit_samples(),
      .reference = reference,
      .onnx = onnx,
  };
}

}  // namespace

const Operator& logical_and =
    define(logical("logical_and", "Where both x1 and x2 are true; NaN counts as true.", Prim::bit_and, "And", "numpy.logical_and(x1, x2)"));
const Operator& logical_or =
    define(logical("logical_or", "Where x1 or x2 is true; NaN counts as true.", Prim::bit_or, "Or", "numpy.logical_or(x1, x2)"));
const Operator& logical_xor = define(logical("logical_xor", "Where exactly one of x1 and x2 is true; NaN counts as true.", Prim::bit_xor,
                                             "Xor", "numpy.logical_xor(x1, x2)"));

const Operator& logical_not = define({
    .name = "logical_not",
    .doc = "Where x is zero or False.",
    .parameters = {any("x")},
    .body = [](Builder& b, Value x) { return b.bit_not(b.cast(x, DType::Bool)); },
    .result = ResultType::boolean,
    .method = true,
    .samples = unary_samples(),
    .reference = "numpy.logical_not(x)",
    .onnx = "Not",
});

const Operator& bitwise_and = define(bitwise("bitwise_and", "The bits set in both x1 and x2: integers or bools.", Prim::bit_and,
                                             integral("x1"), integral("x2"), "BitwiseAnd", "numpy.bitwise_and(x1, x2)"));
const Operator& bitwise_or = define(bitwise("bitwise_or", "The bits set in x1 or x2: integers or bools.", Prim::bit_or, integral("x1"),
                                            integral("x2"), "BitwiseOr", "numpy.bitwise_or(x1, x2)"));
const Operator& bitwise_xor = define(bitwise("bitwise_xor", "The bits set in one of x1 and x2: integers or bools.", Prim::bit_xor,
                                             integral("x1"), integral("x2"), "BitwiseXor", "numpy.bitwise_xor(x1, x2)"));

const Operator& bitwise_left_shift = define(
    bitwise("bitwise_left_shift", "x1 << x2. A count that is negative or at least the width gives 0.", Prim::shl, integers("x1"),
            integers("x2"), "", "numpy.where((x2 >= 0) & (x2 < 8 * x1.itemsize), numpy.left_shift(x1, x2 & (8 * x1.itemsize - 1)), 0)"));
const Operator& bitwise_right_shift = define(bitwise(
    "bitwise_right_shift", "x1 >> x2, copying the sign. A count that is negative or at least the width gives 0 or -1, the sign.", Prim::shr,
    integers("x1"), integers("x2"), "",
    "numpy.right_shift(x1, numpy.where((x2 >= 0) & (x2 < 8 * x1.itemsize), x2, 8 * x1.itemsize - 1)) * ((x1 < 0) | (x2 >= 0) & (x2 < 8 * "
    "x1.itemsize))"));

const Operator& bitwise_invert = define({
    .name = "bitwise_invert",
    .doc = "~x: every bit of an integer inverted; of a bool, its negation.",
    .parameters = {integral("x")},
    .body = [](Builder& b, Value x) { return b.bit_not(x); },
    .aliases = {"bitwise_not", "invert"},
    .method = true,
    .samples = {integer_extremes(DType::I32), integer_extremes(DType::I64), integer_extremes(DType::U8), shapes({{2, 33}}), shapes({{0}})},
    .reference = "numpy.invert(x)",
    .onnx = "BitwiseNot",
});

const Operator& where = define({
    .name = "where",
    .doc = "x1 where the condition is true, else x2; all three broadcast. A NaN or infinity on the side not taken leaves no trace.",
    .parameters = {unpromoted(any("condition")), any("x1"), any("x2")},
    .body = [](Builder& b, Value condition, Value x, Value y) { return b.select(b.cast(condition, DType::Bool), x, y); },
    .gradient =
        [](GradContext& c) {
          return Tensors{Tensor(), c.needed[1] ? op::where(c.operand(0), c.grad(), 0) : Tensor(),
                         c.needed[2] ? op::where(c.operand(0), 0, c.grad()) : Tensor()};
        },
    .saves = {.inputs = 0b1},
    .samples = {tensors_of({{.shape = {2, 1}, .values = {0, 1}, .dtype = DType::Bool},
                            {.shape = {17}, .values = special_values()},
                            {.shape = {1, 17}}}),
                tensors_of({{.shape = {3, 37}, .low = 0, .high = 2, .dtype = DType::Bool}, {.shape = {37}}, {.shape = {3, 1}}}),
                tensors_of({{.shape = {0, 2}, .low = 0, .high = 2, .dtype = DType::Bool}, {.shape = {2}}, {.shape = {}}})},
    .reference = "numpy.where(condition, x1, x2)",
    .onnx = "Where",
});

}  // namespace kiln::eager::ops
