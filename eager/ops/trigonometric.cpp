// Trigonometric functions and their inverses; the bodies are codegen/math.h's. Angles are in radians.
#include "eager/ops/ops.h"

namespace kiln::eager::ops {
namespace {
// Inside (-1, 1), where slopes are moderate.
std::vector<Sample> sine_samples() { return {specials(), tensors_of({{.shape = {3, 37}, .low = -0.95, .high = 0.95}}), shapes({{0, 4}})}; }
Tensor one_minus_square(const Tensor& x) { return op::subtract(1, op::square(x)); }
}  // namespace

const Operator& sin = define({
    .name = "sin",
    .doc = "The sine, within 2 ulp for every x. Integers give floats.",
    .parameters = {inexact("x")},
    .body = real_or_complex(codegen::sin, codegen::of_complex::sin),
    .gradient = [](GradContext& c) { return Tensors{op::multiply(c.grad(), op::cos(c.input(0)))}; },
    .saves = {.inputs = 0b1},
    .method = true,
    .samples = unary_samples(),
    .reference = "numpy.sin(x)",
    .onnx = "Sin",
});

const Operator& cos = define({
    .name = "cos",
    .doc = "The cosine, within 2 ulp for every x. Integers give floats.",
    .parameters = {inexact("x")},
    .body = real_or_complex(codegen::cos, codegen::of_complex::cos),
    .gradient = [](GradContext& c) { return Tensors{op::multiply(c.grad(), op::negative(op::sin(c.input(0))))}; },
    .saves = {.inputs = 0b1},
    .method = true,
    .samples = unary_samples(),
    .reference = "numpy.cos(x)",
    .onnx = "Cos",
});

const Operator& tan = define({
    .name = "tan",
    .doc = "The tangent, within 2 ulp for every x. Integers give floats.",
    .parameters = {inexact("x")},
    .body = real_or_complex(codegen::tan, codegen::of_complex::tan),
    .gradient = [](GradContext& c) { return Tensors{op::multiply(c.grad(), op::add(op::square(c.output()), 1))}; },
    .saves = {.outputs = 0b1},
    .method = true,
    .samples = {specials(), tensors_of({{.shape = {3, 37}, .low = -1.3, .high = 1.3}}), shapes({{0, 4}})},
    .reference = "numpy.tan(x)",
    .onnx = "Tan",
});

const Operator& asin = define({
    .name = "asin",
    .doc = "The angle in [-pi/2, pi/2] whose sine is x, within 2 ulp; NaN beyond 1. Integers give floats.",
    .parameters = {inexact("x")},
    .body = real_or_complex(codegen::asin, codegen::of_complex::asin),
    .gradient = [](GradContext& c) { return Tensors{op::multiply(c.grad(), op::rsqrt(one_minus_square(c.input(0))))}; },
    .saves = {.inputs = 0b1},
    .aliases = {"arcsin"},
    .method = true,
    .samples = sine_samples(),
    .reference = "numpy.arcsin(x)",
    .onnx = "Asin",
});

const Operator& acos = define({
    .name = "acos",
    .doc = "The angle in [0, pi] whose cosine is x, within 2 ulp; NaN beyond 1. Integers give floats.",
    .parameters = {inexact("x")},
    .body = real_or_complex(codegen::acos, codegen::of_complex::acos),
    .gradient = [](GradContext& c) { return Tensors{op::negative(op::multiply(c.grad(), op::rsqrt(one_minus_square(c.input(0)))))}; },
    .saves = {.inputs = 0b1},
    .aliases = {"arccos"},
    .method = true,
    .samples = sine_samples(),
    .reference = "numpy.arccos(x)",
    .onnx = "Acos",
});

const Operator& atan = define({
    .name = "atan",
    .doc = "The angle in [-pi/2, pi/2] whose tangent is x, within 2 ulp. Integers give floats.",
    .parameters = {inexact("x")},
    .body = real_or_complex(codegen::atan, codegen::of_complex::atan),
    .gradient = [](GradContext& c) { return Tensors{op::divide(c.grad(), op::add(op::square(c.input(0)), 1))}; },
    .saves = {.inputs = 0b1},
    .aliases = {"arctan"},
    .method = true,
    .samples = unary_samples(),
    .reference = "numpy.arctan(x)",
    .onnx = "Atan",
});

const Operator& atan2 = define({
    .name = "atan2",
    .doc =
        "The angle in [-pi, pi] of the point (x2, x1), that is of x1 / x2 in its quadrant, within 3 ulp; signed zeros and infinities as in "
        "C99 Annex F.",
    .parameters = {floating("x1"), floating("x2")},
    .body = [](Builder& b, Value y, Value x) { return codegen::atan2(b, y, x); },
    .gradient =
        [](GradContext& c) {
          const Tensor y = tensor_of(c.operand(0)), x = tensor_of(c.operand(1));
          const Tensor scaled = op::divide(c.grad(), op::add(op::square(x), op::square(y)));
          return Tensors{op::multiply(scaled, x), op::multiply(scaled, op::negative(y))};
        },
    .saves = {.inputs = 0b11},
    .aliases = {"arctan2"},
    .method = true,
    .samples = binary_samples(),
    .reference = "numpy.arctan2(x1, x2)",
});

}  // namespace kiln::eager::ops
