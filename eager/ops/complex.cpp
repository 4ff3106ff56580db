// Complex numbers: made of their parts, taken apart, conjugated. Operators that take real and complex numbers alike are with their kin.
#include "eager/ops/ops.h"

namespace kiln::eager::ops {

const Operator& complex = define({
    .name = "complex",
    .doc = "The complex numbers whose parts are re and im, elementwise with broadcasting: complex64, of float64 complex128.",
    .parameters = {floating("re"), floating("im")},
    .body =
        [](BodyContext& c) {
          const DType part = real_of(c.outputs[0].dtype);
          return c.b.complex(c.b.cast(c.inputs[0], part), c.b.cast(c.inputs[1], part));
        },
    .result = ResultType::complex,
    .gradient = [](GradContext& c) { return Tensors{op::real(c.grad()), op::imag(c.grad())}; },
    .samples = {shapes({{3, 37}, {3, 37}}), shapes({{4, 1, 5}, {3, 1}}), shapes({{}, {0, 2}})},
    .reference = "re + 1j * im",
});

const Operator& conj = define({
    .name = "conj",
    .doc = "x with its imaginary part negated; real numbers as they are.",
    .parameters = {numeric("x")},
    .body = [](Builder& b, Value x) { return is_complex(x.dtype()) ? b.complex(b.real(x), -b.imag(x)) : x; },
    .gradient = [](GradContext& c) { return Tensors{op::conj(c.grad())}; },
    .holomorphic = false,
    .aliases = {"conjugate"},
    .method = true,
    .samples = unary_samples(),
    .reference = "numpy.conj(x)",
});

const Operator& real = define({
    .name = "real",
    .doc = "The real part of x, a copy; real numbers as they are.",
    .parameters = {numeric("x")},
    .body = [](Builder& b, Value x) { return b.real(x); },
    .result = ResultType::real,
    .gradient = [](GradContext& c) { return Tensors{c.grad()}; },
    .holomorphic = false,
    .samples = unary_samples(),
    .reference = "numpy.real(x)",
});

const Operator& imag = define({
    .name = "imag",
    .doc = "The imaginary part of x, a copy; 0 of real numbers.",
    .parameters = {numeric("x")},
    .body = [](Builder& b, Value x) { return b.imag(x); },
    .result = ResultType::real,
    .gradient =
        [](GradContext& c) { return Tensors{is_complex(c.input_types[0].dtype) ? op::complex(0, c.grad()) : op::multiply(c.grad(), 0)}; },
    .holomorphic = false,
    .samples = unary_samples(),
    .reference = "numpy.imag(x)",
});

const Operator& angle = define({
    .name = "angle",
    .doc = "The argument of x in [-pi, pi]; 0 or pi of real numbers. The gradient at 0 is 0.",
    .parameters = {inexact("x")},
    .body = real_or_complex([](Builder& b, Value x) { return codegen::atan2(b, b.constant(x.dtype(), 0), x); }, codegen::of_complex::angle),
    .result = ResultType::real,
    .gradient =
        [](GradContext& c) {
          const Tensor& x = c.input(0);
          if (!is_complex(x.dtype())) return Tensors{op::multiply(c.grad(), 0)};
          const Tensor size = op::abs(x), zero = op::equal(size, 0);
          const Tensor turned = op::complex(op::negative(op::imag(x)), op::real(x));  // i x
          return Tensors{op::multiply(op::where(zero, 0, op::divide(c.grad(), op::where(zero, 1, op::square(size)))), turned)};
        },
    .saves = {.inputs = 0b1},
    .holomorphic = false,
    .samples = unary_samples(),
    .reference = "numpy.angle(x)",
});

}  // namespace kiln::eager::ops
