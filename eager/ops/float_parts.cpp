// The sign and the neighbours of floats, by their bits.
#include "eager/ops/ops.h"

namespace kiln::eager::ops {
namespace {

// One step along the floats of the result's dtype, whose bits count away from zero on either side of it.
Value next_after(BodyContext& c) {
  Builder& b = c.b;
  const Value x = c.inputs[0], y = c.inputs[1];
  const DType t = c.outputs[0].dtype, integers = bits_of(t);  // x and y are of the dtype that t is computed in, and values of t
  const Value away = b.eq(b.lt(x, y), b.gt(x, 0));            // x < y with x above zero, or x > y with x below it
  const Value step = b.select(away, b.constant(integers, 1), b.constant(integers, -1));
  const Value least = codegen::with_sign_of(b, b.cast(b.bitcast(b.constant(integers, 1), t), x.dtype()), y);
  const Value stepped = b.bitcast(b.bitcast(b.cast(x, t), integers) + step, t);
  const Value next = b.select(b.eq(x, 0), least, b.cast(stepped, x.dtype()));
  const Value ordered = b.bit_and(b.eq(x, x), b.eq(y, y));
  return b.select(ordered, b.select(b.eq(x, y), y, next), x + y);
}

}  // namespace

const Operator& signbit = define({
    .name = "signbit",
    .doc = "Whether the sign bit is set: of negative numbers, of -0.0, of NaN as its bits say.",
    .parameters = {real("x")},
    .body =
        [](Builder& b, Value x) {
          if (kiln::is_floating(x.dtype())) return codegen::is_negative(b, x);
          return kiln::is_signed(x.dtype()) ? b.lt(x, 0) : b.constant(DType::Bool, 0);
        },
    .result = ResultType::boolean,
    .method = true,
    .samples = {floats({-0.0, 0.0, 1, -1, -1e-45, kInf, -kInf}), shapes({{3, 37}}), shapes({{0, 4}}), integer_extremes(DType::I32)},
    .reference = "numpy.signbit(x)",
});

const Operator& copysign = define({
    .name = "copysign",
    .doc = "The magnitude of x1 with the sign of x2, elementwise; -0.0 has a sign. Integers give floats.",
    .parameters = {floating("x1"), floating("x2")},
    .body = codegen::with_sign_of,
    .gradient =
        [](GradContext& c) {
          const Tensor slope = op::where(op::equal(op::signbit(c.operand(0)), op::signbit(c.operand(1))), c.grad(), op::negative(c.grad()));
          return Tensors{op::where(op::equal(c.operand(0), 0), 0, slope), Tensor()};
        },
    .saves = {.inputs = 0b11},
    .method = true,
    .samples = {special_pairs(), shapes({{3, 37}, {3, 37}}), shapes({{4, 1, 5}, {3, 1}}), shapes({{}, {0, 2}})},
    .reference = "numpy.copysign(x1, numpy.where(numpy.isnan(x2), 1, x2))",
});

const Operator& nextafter = define({
    .name = "nextafter",
    .doc = "The float next to x1 on the way to x2, elementwise; x2 where they are equal, NaN where either is. Not differentiable.",
    .parameters = {floating("x1"), floating("x2")},
    .body = next_after,
    .method = true,
    .samples = {special_pairs(), shapes({{3, 37}, {3, 37}}), shapes({{4, 1, 5}, {3, 1}}), shapes({{}, {0, 2}})},
    .reference = "numpy.nextafter(x1, x2)",
});

}  // namespace kiln::eager::ops
