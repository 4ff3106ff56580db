// Floor division and remainder, with Python's and NumPy's sign rule: the remainder has the divisor's sign.
#include "eager/ops/ops.h"

namespace kiln::eager::ops {
namespace {

// x - y * trunc(x / y) in f64. One step subtracts y times a 53-bit quotient, which is exact, and leaves at most 2^-52 of x: six steps
// reduce any f32 (whose quotients are below 2^277) exactly, and any f64 whose quotient is below 2^300.
Value truncated_remainder(Builder& b, Value x, Value y) {
  constexpr int kSteps = 6;
  Value r = x;
  for (int i = 0; i < kSteps; ++i) r = b.fma(b.neg(b.trunc(r / y)), y, r);
  return r;
}

// In f64, whichever width the operands have.
Value float_remainder(Builder& b, Value x, Value y) {
  Value r = truncated_remainder(b, x, y);
  // Towards the divisor's side of zero; also where the last quotient had rounded up to the next integer.
  r = b.select(b.bit_and(b.ne(r, 0), b.ne(is_negative(b, r), is_negative(b, y))), r + y, r);
  r = b.select(b.eq(r, 0), with_sign_of(b, b.constant(DType::F64, 0), y), r);
  // An infinite divisor leaves x, or is the answer where the signs differ.
  const Value same_side = b.bit_or(b.eq(x, 0), b.eq(is_negative(b, x), is_negative(b, y)));
  const Value whole = b.select(b.eq(x, 0), with_sign_of(b, b.constant(DType::F64, 0), y), b.select(same_side, x, y));
  const Value infinite = b.bit_and(b.eq(b.abs(y), kInf), b.lt(b.abs(x), kInf));
  return b.select(infinite, whole, r);
}

Value integer_remainder(Builder& b, Value x, Value y) {
  const Value r = x - b.div(x, y) * y;
  if (!kiln::is_signed(x.dtype())) return b.select(b.eq(y, 0), 0, r);
  const Value other_side = b.bit_and(b.ne(r, 0), b.lt(b.bit_xor(r, y), 0));
  return b.select(b.eq(y, 0), 0, b.select(other_side, r + y, r));
}

Value remainder_body(Builder& b, Value x, Value y) {
  if (!kiln::is_floating(x.dtype())) return integer_remainder(b, x, y);
  return b.cast(float_remainder(b, b.cast(x, DType::F64), b.cast(y, DType::F64)), x.dtype());
}

Value floor_divide_body(Builder& b, Value x, Value y) {
  if (!kiln::is_floating(x.dtype())) {
    const Value q = b.div(x, y);
    if (!kiln::is_signed(x.dtype())) return q;
    const Value r = x - q * y;
    const Value other_side = b.bit_and(b.ne(r, 0), b.lt(b.bit_xor(r, y), 0));
    return b.select(b.bit_and(b.ne(y, 0), other_side), q - 1, q);
  }
  const Value xd = b.cast(x, DType::F64), yd = b.cast(y, DType::F64), plain = xd / yd;
  // x minus its remainder is a multiple of y up to rounding; round() takes that away.
  Value q = b.round((xd - float_remainder(b, xd, yd)) / yd);
  const Value infinite = b.bit_and(b.eq(b.abs(yd), kInf), b.lt(b.abs(xd), kInf));
  q = b.select(infinite, b.select(b.bit_and(is_negative(b, plain), b.ne(xd, 0)), b.constant(DType::F64, -1), 0), q);
  const Value signed_zero = with_sign_of(b, b.constant(DType::F64, 0), plain);
  return b.cast(b.select(b.eq(yd, 0), plain, b.select(b.eq(q, 0), signed_zero, q)), x.dtype());
}

std::vector<Sample> division_samples() {
  // Divisors away from zero, near which the quotient jumps between any two numbers.
  const SampleTensor divisors{.shape = {3, 1}, .low = 0.5, .high = 3};
  Sample by_number = shapes({{3, 5}});
  by_number.operands.emplace_back(Scalar(3));
  std::vector<Sample> samples{special_pairs(), tensors_of({{.shape = {4, 1, 5}, .low = -9, .high = 9}, divisors}), by_number,
                              shapes({{}, {0, 2}})};
  samples.push_back(integer_extreme_pairs(DType::I32));
  samples.push_back(integer_extreme_pairs(DType::I64));
  samples.push_back(integer_extreme_pairs(DType::U8));
  return samples;
}

}  // namespace

const Operator& floor_divide = define({
    .name = "floor_divide",
    .doc =
        "floor(x1 / x2), elementwise. Integers: x // 0 is 0, the least integer // -1 is itself. Floats: x // 0 is x / 0; exact while the "
        "quotient is below 2^53. Not differentiable.",
    .parameters = {real("x1"), real("x2")},
    .body = floor_divide_body,
    .method = true,
    .samples = division_samples(),
    .reference = "numpy.floor_divide(x1, x2)",
});

const Operator& remainder = define({
    .name = "remainder",
    .doc = "x1 - x2 * floor(x1 / x2), elementwise; it has the sign of x2, as Python's %. Integers: x % 0 is 0. Floats: exact in float32, "
           "and in "
           "float64 while the quotient is below 2^300; x % 0 and inf % x are NaN.",
    .parameters = {real("x1"), real("x2")},
    .body = remainder_body,
    .gradient =
        [](GradContext& c) {
          Tensor dy;
          if (c.needed[1]) dy = op::negative(op::multiply(c.grad(), op::floor_divide(c.operand(0), c.operand(1))));
          return Tensors{c.grad(), dy};
        },
    .saves = {.inputs = 0b11},
    .aliases = {"mod"},
    .method = true,
    .samples = division_samples(),
    .reference = "numpy.remainder(x1, x2)",
});

}  // namespace kiln::eager::ops
