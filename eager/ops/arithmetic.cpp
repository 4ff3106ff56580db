// Sums, products, quotients, roots: elementwise arithmetic.
#include "eager/ops/ops.h"

namespace kiln::eager::ops {

const Operator& add = define({
    .name = "add",
    .doc = "x1 + x2, elementwise with broadcasting. Integers wrap; of two bools it is their logical or.",
    .parameters = {any("x1"), any("x2")},
    .body = [](Builder& b, Value x, Value y) { return x.dtype() == DType::Bool ? b.bit_or(x, y) : b.add(x, y); },
    .gradient = [](GradContext& c) { return Tensors{c.grad(), c.grad()}; },
    .method = true,
    .samples = binary_samples(),
    .reference = "numpy.add(x1, x2)",
    .onnx = "Add",
});

const Operator& subtract = define({
    .name = "subtract",
    .doc = "x1 - x2, elementwise with broadcasting. Integers wrap; of two bools it is a TypeError (logical_xor does that).",
    .parameters = {numeric("x1"), numeric("x2")},
    .body = [](Builder& b, Value x, Value y) { return b.sub(x, y); },
    .gradient = [](GradContext& c) { return Tensors{c.grad(), c.needed[1] ? op::negative(c.grad()) : Tensor()}; },
    .aliases = {"sub"},
    .method = true,
    .samples = binary_samples(),
    .reference = "numpy.subtract(x1, x2)",
    .onnx = "Sub",
});

const Operator& multiply = define({
    .name = "multiply",
    .doc = "x1 * x2, elementwise with broadcasting. Integers wrap; of two bools it is their logical and.",
    .parameters = {any("x1"), any("x2")},
    .body = [](Builder& b, Value x, Value y) { return x.dtype() == DType::Bool ? b.bit_and(x, y) : b.mul(x, y); },
    .gradient =
        [](GradContext& c) {
          return Tensors{c.needed[0] ? op::multiply(c.grad(), c.operand(1)) : Tensor(),
                         c.needed[1] ? op::multiply(c.grad(), c.operand(0)) : Tensor()};
        },
    .saves = {.inputs = 0b11},
    .aliases = {"mul"},
    .method = true,
    .samples = binary_samples(),
    .reference = "numpy.multiply(x1, x2)",
    .onnx = "Mul",
});

const Operator& divide = define({
    .name = "divide",
    .doc = "x1 / x2, elementwise with broadcasting: true division, so integers give floats. x/0 is infinite or NaN as IEEE 754 says.",
    .parameters = {inexact("x1"), inexact("x2")},
    .body = [](Builder& b, Value x, Value y) { return b.div(x, y); },
    .gradient =
        [](GradContext& c) {
          const Tensor dx = op::divide(c.grad(), c.operand(1));
          // d(x/y)/dy = -(x/y)/y
          return Tensors{dx, c.needed[1] ? op::negative(op::multiply(dx, op::divide(c.operand(0), c.operand(1)))) : Tensor()};
        },
    .saves = {.inputs = 0b11},
    .aliases = {"div", "true_divide"},
    .method = true,
    .samples = binary_samples(),
    .reference = "numpy.divide(x1, x2)",
    .onnx = "Div",
});

const Operator& negative = define({
    .name = "negative",
    .doc = "-x, elementwise. Integers wrap: the least integer is its own negative.",
    .parameters = {numeric("x")},
    .body = [](Builder& b, Value x) { return b.neg(x); },
    .gradient = [](GradContext& c) { return Tensors{op::negative(c.grad())}; },
    .aliases = {"neg"},
    .method = true,
    .samples = {specials(), shapes({{2, 33}}), shapes({{0}}), integer_extremes(DType::I32), integer_extremes(DType::I64)},
    .reference = "numpy.negative(x)",
    .onnx = "Neg",
});

const Operator& positive = define({
    .name = "positive",
    .doc = "+x: a copy of x.",
    .parameters = {numeric("x")},
    .body = [](Builder&, Value x) { return x; },
    .gradient = [](GradContext& c) { return Tensors{c.grad()}; },
    .method = true,
    .samples = unary_samples(),
    .reference = "numpy.positive(x)",
    .onnx = "Identity",
});

const Operator& abs = define({
    .name = "abs",
    .doc = "|x|, elementwise; of complex numbers the modulus. abs of the least integer is that integer. The gradient at 0 is 0.",
    .parameters = {numeric("x")},
    .body = [](Builder& b, Value x) { return b.abs(x); },
    .result = ResultType::real,
    .gradient = [](GradContext& c) { return Tensors{op::multiply(c.grad(), op::sign(c.input(0)))}; },
    .saves = {.inputs = 0b1},
    .holomorphic = false,
    .aliases = {"absolute"},
    .method = true,
    .samples = {specials(), shapes({{2, 33}}), shapes({{0}}), integer_extremes(DType::I32), integer_extremes(DType::U8)},
    .reference = "numpy.abs(x)",
    .onnx = "Abs",
});

const Operator& sign = define({
    .name = "sign",
    .doc = "-1, 0 or 1 as x is negative, zero or positive; NaN of NaN. Of complex numbers x / |x|, 0 at 0.",
    .parameters = {numeric("x")},
    .body =
        [](Builder& b, Value x) {
          if (is_complex(x.dtype())) return codegen::of_complex::sign(b, x);
          const Value not_positive = kiln::is_signed(x.dtype()) ? b.select(b.lt(x, 0), -1, b.select(b.eq(x, 0), 0, x)) : x;
          return b.select(b.gt(x, 0), 1, not_positive);
        },
    .gradient =
        [](GradContext& c) {
          if (!is_complex(c.input_types[0].dtype)) return Tensors{op::multiply(c.grad(), 0)};
          // What the modulus takes away is the part along the direction itself; at 0 there is none.
          const Tensor &x = c.input(0), direction = op::sign(x), size = op::abs(x), zero = op::equal(size, 0);
          const Tensor along = op::multiply(direction, op::real(op::multiply(op::conj(direction), c.grad())));
          return Tensors{op::where(zero, 0, op::divide(op::subtract(c.grad(), along), op::where(zero, 1, size)))};
        },
    .saves = {.inputs = 0b1},
    .holomorphic = false,
    .method = true,
    .samples = {specials(), shapes({{2, 33}}), shapes({{0}}), integer_extremes(DType::I32), integer_extremes(DType::U8)},
    .reference = "numpy.sign(x)",
    .onnx = "Sign",
});

const Operator& square = define({
    .name = "square",
    .doc = "x * x, elementwise. Integers wrap.",
    .parameters = {numeric("x")},
    .body = [](Builder& b, Value x) { return b.mul(x, x); },
    .gradient = [](GradContext& c) { return Tensors{op::multiply(c.grad(), op::multiply(c.input(0), 2))}; },
    .saves = {.inputs = 0b1},
    .method = true,
    .samples = unary_samples(),
    .reference = "numpy.square(x)",
});

const Operator& sqrt = define({
    .name = "sqrt",
    .doc = "The square root, correctly rounded; NaN below zero, sqrt(-0.0) = -0.0. Integers give floats. Of complex numbers the root in "
           "the right "
           "half-plane.",
    .parameters = {inexact("x")},
    .body = real_or_complex([](Builder& b, Value x) { return b.sqrt(x); }, codegen::of_complex::sqrt),
    .gradient = [](GradContext& c) { return Tensors{op::divide(c.grad(), op::multiply(c.output(), 2))}; },
    .saves = {.outputs = 0b1},
    .method = true,
    .samples = {specials(), tensors_of({{.shape = {3, 37}, .low = 0.1, .high = 9}}), shapes({{0, 4}})},
    .reference = "numpy.sqrt(x)",
    .onnx = "Sqrt",
});

const Operator& rsqrt = define({
    .name = "rsqrt",
    .doc = "1 / sqrt(x), within 2 ulp. Integers give floats.",
    .parameters = {inexact("x")},
    .body = real_or_complex(codegen::rsqrt, [](Builder& b, Value x) { return 1.0 / codegen::of_complex::sqrt(b, x); }),
    .gradient =
        [](GradContext& c) {
          const Tensor& y = c.output();
          return Tensors{op::multiply(c.grad(), op::multiply(op::multiply(op::square(y), y), -0.5))};
        },
    .saves = {.outputs = 0b1},
    .method = true,
    .samples = {specials(), tensors_of({{.shape = {3, 37}, .low = 0.1, .high = 9}}), shapes({{0, 4}})},
    .reference = "1 / numpy.sqrt(x)",
});

const Operator& cbrt = define({
    .name = "cbrt",
    .doc = "The cube root, within 2 ulp, negative of negative x. Integers give floats.",
    .parameters = {floating("x")},
    .body = [](Builder& b, Value x) { return codegen::cbrt(b, x); },
    .gradient = [](GradContext& c) { return Tensors{op::divide(c.grad(), op::multiply(op::square(c.output()), 3))}; },
    .saves = {.outputs = 0b1},
    .method = true,
    .samples = {specials(), tensors_of({{.shape = {3, 37}, .low = -9, .high = -0.1}}),
                tensors_of({{.shape = {3, 37}, .low = 0.1, .high = 9}}), shapes({{0, 4}})},
    .reference = "numpy.cbrt(x)",
});

const Operator& reciprocal = define({
    .name = "reciprocal",
    .doc = "1 / x, elementwise, as IEEE 754 divides. Integers give floats.",
    .parameters = {inexact("x")},
    .body = [](Builder&, Value x) { return 1.0 / x; },
    .gradient = [](GradContext& c) { return Tensors{op::negative(op::multiply(c.grad(), op::square(c.output())))}; },
    .saves = {.outputs = 0b1},
    .method = true,
    .samples = {specials(), tensors_of({{.shape = {3, 37}, .low = 0.5, .high = 3}}), shapes({{0, 4}})},
    .reference = "1 / x",
    .onnx = "Reciprocal",
});

}  // namespace kiln::eager::ops
