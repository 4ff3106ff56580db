// Exponentials, logarithms and their kin; the bodies are codegen/math.h's.
#include "eager/ops/ops.h"

namespace kiln::eager::ops {
namespace {
constexpr double kLn2 = 0.69314718055994530942, kLn10 = 2.30258509299404568402;
Sample positive() { return tensors_of({{.shape = {3, 37}, .low = 0.05, .high = 9}}); }
}  // namespace

const Operator& exp = define({
    .name = "exp",
    .doc = "e to the power x, elementwise, within 2 ulp. Integers give floats.",
    .parameters = {inexact("x")},
    .body = real_or_complex(codegen::exp, codegen::of_complex::exp),
    .gradient = [](GradContext& c) { return Tensors{op::multiply(c.grad(), c.output())}; },
    .saves = {.outputs = 0b1},
    .method = true,
    .samples = unary_samples(),
    .reference = "numpy.exp(x)",
    .onnx = "Exp",
});

const Operator& exp2 = define({
    .name = "exp2",
    .doc = "2 to the power x, elementwise, within 2 ulp. Integers give floats.",
    .parameters = {floating("x")},
    .body = [](Builder& b, Value x) { return codegen::exp2(b, x); },
    .gradient = [](GradContext& c) { return Tensors{op::multiply(c.grad(), op::multiply(c.output(), kLn2))}; },
    .saves = {.outputs = 0b1},
    .method = true,
    .samples = unary_samples(),
    .reference = "numpy.exp2(x)",
});

const Operator& expm1 = define({
    .name = "expm1",
    .doc = "exp(x) - 1, within 2 ulp, near zero too. Integers give floats.",
    .parameters = {inexact("x")},
    .body = real_or_complex(codegen::expm1, codegen::of_complex::expm1),
    .gradient = [](GradContext& c) { return Tensors{op::multiply(c.grad(), op::add(c.output(), 1))}; },
    .saves = {.outputs = 0b1},
    .method = true,
    .samples = unary_samples(),
    .reference = "numpy.expm1(x)",
});

const Operator& log = define({
    .name = "log",
    .doc = "The natural logarithm, within 2 ulp: -inf at zero, NaN below. Integers give floats.",
    .parameters = {inexact("x")},
    .body = real_or_complex(codegen::log, codegen::of_complex::log),
    .gradient = [](GradContext& c) { return Tensors{op::divide(c.grad(), c.input(0))}; },
    .saves = {.inputs = 0b1},
    .method = true,
    .samples = {specials(), positive(), shapes({{0, 4}})},
    .reference = "numpy.log(x)",
    .onnx = "Log",
});

const Operator& log2 = define({
    .name = "log2",
    .doc = "The logarithm to base 2, within 2 ulp: -inf at zero, NaN below. Integers give floats.",
    .parameters = {inexact("x")},
    .body = real_or_complex(codegen::log2, codegen::of_complex::log2),
    .gradient = [](GradContext& c) { return Tensors{op::divide(c.grad(), op::multiply(c.input(0), kLn2))}; },
    .saves = {.inputs = 0b1},
    .method = true,
    .samples = {specials(), positive(), shapes({{0, 4}})},
    .reference = "numpy.log2(x)",
});

const Operator& log10 = define({
    .name = "log10",
    .doc = "The logarithm to base 10, within 2 ulp: -inf at zero, NaN below. Integers give floats.",
    .parameters = {inexact("x")},
    .body = real_or_complex(codegen::log10, codegen::of_complex::log10),
    .gradient = [](GradContext& c) { return Tensors{op::divide(c.grad(), op::multiply(c.input(0), kLn10))}; },
    .saves = {.inputs = 0b1},
    .method = true,
    .samples = {specials(), positive(), shapes({{0, 4}})},
    .reference = "numpy.log10(x)",
});

const Operator& log1p = define({
    .name = "log1p",
    .doc = "log(1 + x), within 2 ulp, near zero too. Integers give floats.",
    .parameters = {inexact("x")},
    .body = real_or_complex(codegen::log1p, codegen::of_complex::log1p),
    .gradient = [](GradContext& c) { return Tensors{op::divide(c.grad(), op::add(c.input(0), 1))}; },
    .saves = {.inputs = 0b1},
    .method = true,
    .samples = {specials(), positive(), shapes({{0, 4}})},
    .reference = "numpy.log1p(x)",
});

const Operator& logaddexp = define({
    .name = "logaddexp",
    .doc = "log(exp(x1) + exp(x2)) without overflow, within 3 ulp; in float64 within 2 of max(|result|, 1/2).",
    .parameters = {floating("x1"), floating("x2")},
    .body = [](Builder& b, Value x, Value y) { return codegen::logaddexp(b, x, y); },
    .gradient =
        [](GradContext& c) {
          const Tensor x = tensor_of(c.operand(0)), y = tensor_of(c.operand(1));
          return Tensors{op::multiply(c.grad(), op::sigmoid(op::subtract(x, y))), op::multiply(c.grad(), op::sigmoid(op::subtract(y, x)))};
        },
    .saves = {.inputs = 0b11},
    .method = true,
    .samples = binary_samples(),
    .reference = "numpy.logaddexp(x1, x2)",
});

}  // namespace kiln::eager::ops
