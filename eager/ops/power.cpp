// Powers. `pow` chooses at the call: squares and integer exponents (of complex numbers too) are products, floats go through exp and log in extra precision.
#include <algorithm>

#include "codegen/scalar_types.h"
#include "eager/dispatch.h"
#include "eager/ops/ops.h"

namespace kiln::eager::ops {
namespace {

// Wraps, as integer arithmetic does. Square-and-multiply over every bit that an exponent can have: odd bases have no shorter period.
Value integer_power_body(Builder& b, Value base, Value exponent) {
  const int bits = 8 * size_of(base.dtype()) - (kiln::is_signed(base.dtype()) ? 1 : 0);
  Value result = b.constant(base.dtype(), 1), square = base, left = exponent;
  for (int i = 0; i < bits; ++i) {
    const Value next = result * square;
    result = b.select(b.ne(b.bit_and(left, 1), 0), next, result);
    left = b.shr(left, 1);
    square = square * square;
  }
  return result;
}

[[noreturn]] void negative_exponent() { fail(ErrorCode::value, "integers to negative integer powers are not allowed"); }

void check_exponents(const Arguments& a) {
  const Operand& exponent = a.operands[1];
  if (exponent.is_scalar()) {
    if (exponent.scalar.i < 0) negative_exponent();
    return;
  }
  if (!kiln::is_signed(exponent.tensor.dtype())) return;
  materialise(exponent.tensor, FlushReason::data_check);
  const Tensor y = exponent.tensor.is_contiguous() ? exponent.tensor : op::copy(exponent.tensor);
  with_type(y.dtype(), [&]<class T>(T) {
    if constexpr (std::is_integral_v<T>) {
      const auto* values = reinterpret_cast<const T*>(y.data());
      if (std::any_of(values, values + y.numel(), [](T value) { return value < T{0}; })) negative_exponent();
    }
  });
  note_checked(exponent.tensor, 0, std::numeric_limits<int64_t>::max());
}

// A number at full precision, not at the default dtype's.
Tensor of_dtype(const Operand& x, DType dtype) { return x.is_tensor() ? as(x.tensor, dtype) : op::full(Dims{}, x, dtype); }

Tensor repeated_product(const Tensor& x, int64_t exponent) {
  Tensor result, square = x;
  for (int64_t left = exponent; left > 0; left >>= 1) {
    if (left & 1) result = result ? op::multiply(result, square) : square;
    if (left > 1) square = op::square(square);
  }
  return result;
}

Tensor power(const Arguments& a) {
  const Operand &x = a.operands[0], &y = a.operands[1];
  if (y.is_scalar() && x.is_tensor() && y.scalar.as_double() == 2 && (is_inexact(x) || !is_inexact(y))) return op::square(x);
  if (!is_complex(x) && (is_inexact(x) || is_inexact(y))) return op::float_power(x, y);
  constexpr int64_t kMostAsProduct = 1024;
  if (y.is_scalar() && !is_inexact(y) && x.is_tensor() && x.tensor.dtype() != DType::Bool && y.scalar.i >= 1 &&
      y.scalar.i <= kMostAsProduct) {
    const Tensor result = repeated_product(x.tensor, y.scalar.i);
    return result.same_as(x.tensor) ? op::copy(result) : result;
  }
  return is_inexact(x) || is_inexact(y) ? op::float_power(x, y) : op::integer_power(x, y);
}

}  // namespace

const Operator& pow = define({
    .name = "pow",
    .doc = "x1 to the power x2, elementwise: x1 * x1 for the number 2, else float_power or integer_power, as the operands promote.",
    .parameters = {numeric("x1"), numeric("x2")},
    .compose = [](const Arguments& a) { return Tensors{power(a)}; },
    .aliases = {"power"},
    .method = true,
    .samples =
        [] {
          std::vector<Sample> samples;
          for (const Scalar exponent : {Scalar(2), Scalar(3), Scalar(0), Scalar(2.0)}) {
            samples.push_back(shapes({{3, 5}}));
            samples.back().operands.emplace_back(exponent);
          }
          samples.push_back(tensors_of({{.shape = {3, 5}, .low = 0.1, .high = 4}, {.shape = {5}, .low = 0, .high = 3}}));
          return samples;
        }(),
    .reference = "numpy.power(x1, x2)",
    .onnx = "Pow",
});

const Operator& float_power = define({
    .name = "float_power",
    .doc =
        "x1 to the power x2 in floating point, within 3 ulp; special values as C99 Annex F gives them (pow(x, 0) = pow(1, y) = 1, NaN of a "
        "negative base to a fraction). Where x1 is 0, x2's gradient is 0; where x2 is 0, x1's is 0.",
    .parameters = {inexact("x1"), inexact("x2")},
    .body = [](Builder& b, Value x, Value y) { return is_complex(x.dtype()) ? codegen::of_complex::pow(b, x, y) : codegen::pow(b, x, y); },
    .gradient =
        [](GradContext& c) {
          const Tensor x = of_dtype(c.operand(0), c.grad().dtype()), y = of_dtype(c.operand(1), c.grad().dtype());
          Tensor dx, dy;
          if (c.needed[0]) {
            const Tensor slope = op::multiply(op::float_power(x, op::subtract(y, 1)), y);
            dx = op::multiply(c.grad(), op::where(op::equal(y, 0), 0, slope));
          }
          if (c.needed[1]) {
            const Tensor zero = op::equal(x, 0);
            dy = op::multiply(c.grad(), op::where(zero, 0, op::multiply(c.output(), op::log(op::where(zero, 1, x)))));
          }
          return Tensors{dx, dy};
        },
    .saves = {.inputs = 0b11, .outputs = 0b1},
    .samples =
        [] {
          std::vector<Sample> samples{special_pairs(),
                                      tensors_of({{.shape = {3, 37}, .low = 0.05, .high = 9}, {.shape = {37}, .low = -3, .high = 3}}),
                                      shapes({{0, 4}, {4}})};
          samples.push_back(shapes({{3, 5}}));
          samples.back().operands.emplace_back(Scalar(3));
          return samples;
        }(),
    .reference = "numpy.float_power(x1, x2)",
    .onnx = "Pow",
});

const Operator& integer_power = define({
    .name = "integer_power",
    .doc = "x1 to the power x2 in integers, wrapping. A negative exponent is a ValueError.",
    .parameters = {integers("x1"), integers("x2")},
    .body = integer_power_body,
    .raises_on_data = check_exponents,
    .samples = {tensors_of(
                    {{.shape = {9, 1}, .values = {-3, -2, -1, 0, 1, 2, 3, 7, 255}}, {.shape = {7}, .values = {0, 1, 2, 3, 31, 63, 200}}}),
                tensors_of({{.shape = {4, 0}}, {.shape = {1, 1}, .values = {3}}})},
    .reference = "numpy.power(x1, x2)",
});

const Operator& hypot = define({
    .name = "hypot",
    .doc = "sqrt(x1^2 + x2^2) without overflow, within 3 ulp; infinite if either is, even beside NaN. Where both are 0, gradients are 0.",
    .parameters = {floating("x1"), floating("x2")},
    .body = [](Builder& b, Value x, Value y) { return codegen::hypot(b, x, y); },
    .gradient =
        [](GradContext& c) {
          const Tensor x = tensor_of(c.operand(0)), y = tensor_of(c.operand(1));
          const Tensor scaled = op::divide(c.grad(), op::where(op::equal(c.output(), 0), 1, c.output()));
          return Tensors{op::multiply(scaled, x), op::multiply(scaled, y)};
        },
    .saves = {.inputs = 0b11, .outputs = 0b1},
    .method = true,
    .samples = binary_samples(),
    .reference = "numpy.hypot(x1, x2)",
});

}  // namespace kiln::eager::ops
