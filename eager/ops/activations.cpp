// What neural networks put between their layers: elementwise ones, then those normalised along an axis.
#include <cmath>

#include "eager/ops/ops.h"

namespace kiln::eager::ops {
namespace {

constexpr double kSqrtHalf = 0.70710678118654752440, kSqrt2OverPi = 0.79788456080286535588, kInverseSqrt2Pi = 0.39894228040143267794;
constexpr double kGeluCubic = 0.044715;

bool approximates(const Attrs& attrs) {
  const std::string& word = std::get<std::string>(attrs[0]);
  if (word != "none" && word != "tanh") fail(ErrorCode::value, "gelu: approximate is 'none' or 'tanh', not '" + word + "'");
  return word == "tanh";
}

Value gelu_body(BodyContext& c) { return approximates(c.attrs) ? codegen::gelu_tanh(c.b, c.inputs[0]) : codegen::gelu(c.b, c.inputs[0]); }

// The normal distribution's share below x, plus x times its density.
Tensor gelu_slope(const Tensor& x) {
  const Tensor share = op::multiply(op::add(op::erf(op::multiply(x, kSqrtHalf)), 1), 0.5);
  const Tensor density = op::multiply(op::exp(op::multiply(op::square(x), -0.5)), kInverseSqrt2Pi);
  return op::add(share, op::multiply(x, density));
}

Tensor approximate_gelu_slope(const Tensor& x) {
  const Tensor x2 = op::square(x);
  const Tensor t = op::tanh(op::multiply(op::multiply(x, op::add(op::multiply(x2, kGeluCubic), 1)), kSqrt2OverPi));
  const Tensor inner = op::multiply(op::add(op::multiply(x2, 3 * kGeluCubic), 1), kSqrt2OverPi);
  const Tensor bend = op::multiply(op::multiply(x, op::subtract(1, op::square(t))), inner);
  return op::multiply(op::add(op::add(t, 1), bend), 0.5);
}

// The axes attribute of a one-axis operator, for reductions over it.
Attr single_axis(const Arguments& a, int rank) { return Dims{normalize_axis(a.attr<int64_t>(0), rank)}; }
Attr single_axis(const GradContext& c) { return single_axis(c.arguments, c.input_types[0].shape.size()); }

// x minus its greatest element along the axis, so that exp never overflows.
Tensor shifted(const Tensor& x, const Attr& axis) { return op::subtract(x, op::max(x, axis, true)); }

bool nothing_along(const Tensor& x, const Attr& axis) { return axes_count(x.shape(), axes_of(axis, x.rank())) == 0; }

std::vector<Sample> axis_samples() {
  return {shapes({{3, 37}}), shapes({{3, 5}}, {int64_t{0}}), shapes({{2, 5, 3}}, {int64_t{1}}),
          tensors_of({{.shape = {4, 3}, .values = {kInf, 0, 1, -kInf, -kInf, 2, kNaN, 0, 1, 1000, 1001, -1000}}}), shapes({{0, 4}})};
}

}  // namespace

const Operator& relu = define({
    .name = "relu",
    .doc = "maximum(x, 0), elementwise: +0.0 of -0.0, NaN of NaN. The gradient at 0 is 0.",
    .parameters = {real("x")},
    .body = [](Builder& b, Value x) { return b.maximum(x, 0); },
    // Saves x, not the result: x is what the layer before made anyway, so that a fused relu never has to be stored.
    .gradient = [](GradContext& c) { return Tensors{op::relu_backward(c.input(0), c.grad())}; },
    .saves = {.inputs = 0b1},
    .method = true,
    .samples = unary_samples(),
    .reference = "numpy.maximum(x, 0)",
    .onnx = "Relu",
});

const Operator& relu_backward = define({
    .name = "relu_backward",
    .doc = "relu's gradient: dy where x > 0, elementwise, else 0.",
    .parameters = {floating("x"), floating("dy")},
    .body = [](Builder& b, Value x, Value dy) { return b.select(b.gt(x, 0), dy, 0); },
    .gradient = [](GradContext& c) { return Tensors{Tensor(), op::relu_backward(c.input(0), c.grad())}; },
    .saves = {.inputs = 0b1},
    .samples = binary_samples(),
    .reference = "numpy.where(x > 0, dy, 0.0)",
});

const Operator& leaky_relu = define({
    .name = "leaky_relu",
    .doc = "x where it is positive, else x * negative_slope. The gradient at 0 is negative_slope.",
    .parameters = {floating("x"), number("negative_slope", 0.01)},
    .body = [](BodyContext& c) { return c.b.select(c.b.gt(c.inputs[0], 0), c.inputs[0], c.inputs[0] * number_of(c.attrs[0])); },
    .gradient =
        [](GradContext& c) {
          const double slope = number_of(c.arguments.attrs[0]);
          return Tensors{op::where(op::greater(c.input(0), 0), c.grad(), op::multiply(c.grad(), slope))};
        },
    .saves = {.inputs = 0b1},
    .samples = {specials(), shapes({{3, 37}}, {0.2}), shapes({{0, 4}})},
    .reference = "numpy.where(x > 0, x, x * negative_slope)",
    .onnx = "LeakyRelu",
});

const Operator& sigmoid = define({
    .name = "sigmoid",
    .doc = "1 / (1 + exp(-x)), elementwise, without overflow, within 2 ulp.",
    .parameters = {floating("x")},
    .body = [](Builder& b, Value x) { return codegen::sigmoid(b, x); },
    .gradient =
        [](GradContext& c) {
          const Tensor& y = c.output();
          return Tensors{op::multiply(c.grad(), op::multiply(y, op::subtract(1, y)))};
        },
    .saves = {.outputs = 0b1},
    .method = true,
    .samples = unary_samples(),
    .reference = "1 / (1 + numpy.exp(-x))",
    .onnx = "Sigmoid",
});

const Operator& silu = define({
    .name = "silu",
    .doc = "x * sigmoid(x), elementwise.",
    .parameters = {floating("x")},
    .body = [](Builder& b, Value x) { return x * codegen::sigmoid(b, x); },
    .gradient =
        [](GradContext& c) {
          const Tensor &x = c.input(0), s = op::sigmoid(x);
          return Tensors{op::multiply(c.grad(), op::multiply(s, op::add(op::multiply(x, op::subtract(1, s)), 1)))};
        },
    .saves = {.inputs = 0b1},
    .samples = unary_samples(),
    .reference = "x / (1 + numpy.exp(-x))",
});

const Operator& softplus = define({
    .name = "softplus",
    .doc = "log(1 + exp(x)), elementwise, without overflow, within 2 ulp.",
    .parameters = {floating("x")},
    .body = [](Builder& b, Value x) { return codegen::softplus(b, x); },
    .gradient = [](GradContext& c) { return Tensors{op::multiply(c.grad(), op::sigmoid(c.input(0)))}; },
    .saves = {.inputs = 0b1},
    .samples = unary_samples(),
    .reference = "numpy.logaddexp(0, x)",
    .onnx = "Softplus",
});

const Operator& gelu = define({
    .name = "gelu",
    .doc = "x times the standard normal distribution's share below x: x / 2 * (1 + erf(x / sqrt(2))); with approximate='tanh' "
           "x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))). Within 2 ulp, also where it is near zero.",
    .parameters = {floating("x"), text("approximate", "none")},
    .body = gelu_body,
    .result = ResultType::given,
    .type =
        [](const Arguments& a) {
          approximates(a.attrs);  // a wrong word is an error at the call
          const Operand& x = a.operands[0];
          return std::vector<TensorType>{{floating_of(default_dtype_of(x)), x.is_tensor() ? x.tensor.shape() : Dims()}};
        },
    .gradient =
        [](GradContext& c) {
          const Tensor& x = c.input(0);
          return Tensors{op::multiply(c.grad(), approximates(c.arguments.attrs) ? approximate_gelu_slope(x) : gelu_slope(x))};
        },
    .saves = {.inputs = 0b1},
    .samples = {floats({-0.0, 0.0, 1, -1, 8, -8, 1e-45, kInf, kNaN}), shapes({{3, 37}}), shapes({{3, 37}}, {std::string("tanh")}),
                shapes({{0, 4}})},
    .reference = "x * 0.5 * (1 + (numpy.tanh(numpy.sqrt(2 / numpy.pi) * (x + 0.044715 * x * x * x)) if approximate == 'tanh' else "
                 "numpy.vectorize(__import__('math').erf, otypes=[float])(x / numpy.sqrt(2))))",
    .onnx = "Gelu",
});

const Operator& softmax = define({
    .name = "softmax",
    .doc = "exp(x) divided by its sum along axis, without overflow.",
    .parameters = {floating("x"), integer("axis", -1)},
    .compose =
        [](const Arguments& a) {
          const Tensor x = floating_tensor(a, 0);
          const Attr axis = single_axis(a, x.rank());
          if (nothing_along(x, axis)) return Tensors{op::copy(x)};
          const Tensor e = op::exp(shifted(x, axis));
          return Tensors{op::divide(e, op::sum(e, axis, true))};
        },
    .gradient =
        [](GradContext& c) {
          const Tensor &y = c.output(), gy = op::multiply(c.grad(), y);
          return Tensors{op::subtract(gy, op::multiply(y, op::sum(gy, single_axis(c), true)))};
        },
    .saves = {.outputs = 0b1},
    .method = true,
    .samples = axis_samples(),
    .reference = "numpy.exp(x - x.max(axis, keepdims=True)) / numpy.exp(x - x.max(axis, keepdims=True)).sum(axis, keepdims=True)",
    .onnx = "Softmax",
});

const Operator& log_softmax = define({
    .name = "log_softmax",
    .doc = "The logarithm of softmax along axis, without its rounding: x - max - log(sum(exp(x - max))).",
    .parameters = {floating("x"), integer("axis", -1)},
    .compose =
        [](const Arguments& a) {
          const Tensor x = floating_tensor(a, 0);
          const Attr axis = single_axis(a, x.rank());
          if (nothing_along(x, axis)) return Tensors{op::copy(x)};
          const Tensor s = shifted(x, axis);
          return Tensors{op::subtract(s, op::log(op::sum(op::exp(s), axis, true)))};
        },
    .gradient =
        [](GradContext& c) {
          return Tensors{op::subtract(c.grad(), op::multiply(op::exp(c.output()), op::sum(c.grad(), single_axis(c), true)))};
        },
    .saves = {.outputs = 0b1},
    .method = true,
    .samples = axis_samples(),
    .reference = "x - x.max(axis, keepdims=True) - numpy.log(numpy.exp(x - x.max(axis, keepdims=True)).sum(axis, keepdims=True))",
    .onnx = "LogSoftmax",
});

const Operator& logsumexp = define({
    .name = "logsumexp",
    .doc =
        "log(sum(exp(x))) over axis (an int, a tuple, or None for all), without overflow; -inf of all -inf. Of no elements: a ValueError.",
    .parameters = {floating("x"), axes(), flag("keepdims", false)},
    .compose =
        [](const Arguments& a) {
          const Tensor x = floating_tensor(a, 0);
          const bool keepdims = a.attr<bool>(1);
          const Tensor greatest = op::max(x, a.attrs[0], true);
          const Tensor shift = op::where(op::isfinite(greatest), greatest, 0);
          const Tensor result = op::add(op::log(op::sum(op::exp(op::subtract(x, shift)), a.attrs[0], true)), shift);
          return Tensors{keepdims ? result : op::reshape(result, reduced_shape(x.shape(), axes_of(a.attrs[0], x.rank()), false))};
        },
    .gradient =
        [](GradContext& c) {
          const Tensor x = floating_tensor(c.arguments, 0);
          const Attr& axis = c.arguments.attrs[0];
          const bool keepdims = c.arguments.attr<bool>(1);
          const Tensor y = with_axes(c.output(), axis, keepdims, x.rank()), g = with_axes(c.grad(), axis, keepdims, x.rank());
          return Tensors{op::multiply(g, op::exp(op::subtract(x, y)))};
        },
    .saves = {.inputs = 0b1, .outputs = 0b1},
    .method = true,
    .samples = {shapes({{3, 37}}), shapes({{3, 5}}, {Dims{0}, true}), shapes({{2, 5, 3}}, {Dims{0, 2}, false}),
                tensors_of({{.shape = {3, 2}, .values = {-kInf, -kInf, kInf, 1, 1000, 1000}}}, {Dims{1}, false})},
    .reference = "numpy.logaddexp.reduce(x, axis=axis, keepdims=keepdims) if isinstance(axis, int) else "
                 "numpy.log(numpy.exp(x).sum(axis=axis, keepdims=keepdims))",
    .onnx = "ReduceLogSumExp",
});

}  // namespace kiln::eager::ops
