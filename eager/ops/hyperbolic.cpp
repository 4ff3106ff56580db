// Hyperbolic functions and their inverses; the bodies are codegen/math.h's.
#include "eager/ops/ops.h"

namespace kiln::eager::ops {

const Operator& sinh = define({
    .name = "sinh",
    .doc = "The hyperbolic sine, within 2 ulp. Integers give floats.",
    .parameters = {inexact("x")},
    .body = real_or_complex(codegen::sinh, codegen::of_complex::sinh),
    .gradient = [](GradContext& c) { return Tensors{op::multiply(c.grad(), op::cosh(c.input(0)))}; },
    .saves = {.inputs = 0b1},
    .method = true,
    .samples = unary_samples(),
    .reference = "numpy.sinh(x)",
    .onnx = "Sinh",
});

const Operator& cosh = define({
    .name = "cosh",
    .doc = "The hyperbolic cosine, within 2 ulp. Integers give floats.",
    .parameters = {inexact("x")},
    .body = real_or_complex(codegen::cosh, codegen::of_complex::cosh),
    .gradient = [](GradContext& c) { return Tensors{op::multiply(c.grad(), op::sinh(c.input(0)))}; },
    .saves = {.inputs = 0b1},
    .method = true,
    .samples = unary_samples(),
    .reference = "numpy.cosh(x)",
    .onnx = "Cosh",
});

const Operator& tanh = define({
    .name = "tanh",
    .doc = "The hyperbolic tangent, within 2 ulp. Integers give floats.",
    .parameters = {inexact("x")},
    .body = real_or_complex(codegen::tanh, codegen::of_complex::tanh),
    .gradient = [](GradContext& c) { return Tensors{op::multiply(c.grad(), op::subtract(1, op::square(c.output())))}; },
    .saves = {.outputs = 0b1},
    .method = true,
    .samples = unary_samples(),
    .reference = "numpy.tanh(x)",
    .onnx = "Tanh",
});

const Operator& asinh = define({
    .name = "asinh",
    .doc = "The number whose hyperbolic sine is x, within 2 ulp. Integers give floats.",
    .parameters = {inexact("x")},
    .body = real_or_complex(codegen::asinh, codegen::of_complex::asinh),
    .gradient = [](GradContext& c) { return Tensors{op::multiply(c.grad(), op::rsqrt(op::add(op::square(c.input(0)), 1)))}; },
    .saves = {.inputs = 0b1},
    .aliases = {"arcsinh"},
    .method = true,
    .samples = unary_samples(),
    .reference = "numpy.arcsinh(x)",
    .onnx = "Asinh",
});

const Operator& acosh = define({
    .name = "acosh",
    .doc = "The number from 0 whose hyperbolic cosine is x, within 2 ulp; NaN below 1. Integers give floats.",
    .parameters = {inexact("x")},
    .body = real_or_complex(codegen::acosh, codegen::of_complex::acosh),
    .gradient =
        [](GradContext& c) {
          const Tensor& x = c.input(0);  // (x - 1) (x + 1) is accurate near 1, x^2 - 1 is not
          if (is_complex(x.dtype()))     // and the roots of the factors are on the branch that acosh is on
            return Tensors{op::multiply(c.grad(), op::multiply(op::rsqrt(op::subtract(x, 1)), op::rsqrt(op::add(x, 1))))};
          return Tensors{op::multiply(c.grad(), op::rsqrt(op::multiply(op::subtract(x, 1), op::add(x, 1))))};
        },
    .saves = {.inputs = 0b1},
    .aliases = {"arccosh"},
    .method = true,
    .samples = {specials(), tensors_of({{.shape = {3, 37}, .low = 1.1, .high = 9}}), shapes({{0, 4}})},
    .reference = "numpy.arccosh(x)",
    .onnx = "Acosh",
});

const Operator& atanh = define({
    .name = "atanh",
    .doc = "The number whose hyperbolic tangent is x, within 2 ulp; infinite at 1, NaN beyond. Integers give floats.",
    .parameters = {inexact("x")},
    .body = real_or_complex(codegen::atanh, codegen::of_complex::atanh),
    .gradient = [](GradContext& c) { return Tensors{op::divide(c.grad(), op::subtract(1, op::square(c.input(0))))}; },
    .saves = {.inputs = 0b1},
    .aliases = {"arctanh"},
    .method = true,
    .samples = {specials(), tensors_of({{.shape = {3, 37}, .low = -0.95, .high = 0.95}}), shapes({{0, 4}})},
    .reference = "numpy.arctanh(x)",
    .onnx = "Atanh",
});

}  // namespace kiln::eager::ops
