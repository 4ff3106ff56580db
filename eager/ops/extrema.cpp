// Elementwise minimum, maximum and clip.
#include "eager/ops/ops.h"

namespace kiln::eager::ops {
namespace {

// The winner takes the gradient; equals share it evenly, as in PyTorch.
GradientRule extremum_gradient(const Op& wins) {
  return [&wins](GradContext& c) {
    const auto share = [&](const Operand& mine, const Operand& other) {
      const Tensor half = op::multiply(c.grad(), 0.5);
      return op::where(op::equal(mine, other), half, op::where(wins(mine, other), c.grad(), 0));
    };
    return Tensors{c.needed[0] ? share(c.operand(0), c.operand(1)) : Tensor(), c.needed[1] ? share(c.operand(1), c.operand(0)) : Tensor()};
  };
}

}  // namespace

const Operator& maximum = define({
    .name = "maximum",
    .doc = "The greater of x1 and x2, elementwise: IEEE 754-2019 maximum (NaN if either is NaN, -0.0 < +0.0). Equals share the gradient.",
    .parameters = {ordered("x1"), ordered("x2")},
    .body = [](Builder& b, Value x, Value y) { return b.maximum(x, y); },
    .gradient = extremum_gradient(op::greater),
    .saves = {.inputs = 0b11},
    .method = true,
    .samples = binary_samples(),
    .reference = "numpy.maximum(x1, x2)",
    .onnx = "Max",
});

const Operator& minimum = define({
    .name = "minimum",
    .doc = "The lesser of x1 and x2, elementwise: IEEE 754-2019 minimum (NaN if either is NaN, -0.0 < +0.0). Equals share the gradient.",
    .parameters = {ordered("x1"), ordered("x2")},
    .body = [](Builder& b, Value x, Value y) { return b.minimum(x, y); },
    .gradient = extremum_gradient(op::less),
    .saves = {.inputs = 0b11},
    .method = true,
    .samples = binary_samples(),
    .reference = "numpy.minimum(x1, x2)",
    .onnx = "Min",
});

const Operator& clip = define({
    .name = "clip",
    .doc = "x held between min and max (either may be None, both broadcast): minimum(maximum(x, min), max), so max wins where min > max. "
           "x takes the gradient from bound to bound, both included; beyond one, that bound takes it.",
    .parameters = {real("x"), optional(real("min")), optional(real("max"))},
    .body =
        [](BodyContext& c) {
          Value y = c.inputs[0];
          if (c.inputs[1]) y = c.b.maximum(y, c.inputs[1]);
          if (c.inputs[2]) y = c.b.minimum(y, c.inputs[2]);
          return y;
        },
    .gradient =
        [](GradContext& c) {
          const Operand &x = c.operand(0), &low = c.operand(1), &high = c.operand(2);
          Tensor dx = c.grad(), dlow, dhigh;
          if (high.present) {
            const Tensor beyond = low.present ? op::greater(op::maximum(x, low), high) : op::greater(x, high);
            if (c.needed[2]) dhigh = op::where(beyond, dx, 0);
            dx = op::where(beyond, 0, dx);
          }
          if (low.present) {
            const Tensor beyond = op::less(x, low);
            if (c.needed[1]) dlow = op::where(beyond, dx, 0);
            dx = op::where(beyond, 0, dx);
          }
          return Tensors{dx, dlow, dhigh};
        },
    .saves = {.inputs = 0b111},
    .aliases = {"clamp"},
    .method = true,
    .samples =
        [] {
          std::vector<Sample> samples{specials(), shapes({{3, 37}, {37}, {3, 1}}), shapes({{0, 4}, {4}, {}})};
          samples[0].operands.insert(samples[0].operands.end(), {Scalar(-1), Scalar(2)});
          return samples;
        }(),
    .reference = "numpy.minimum(numpy.maximum(x, min), max)",
    .onnx = "Clip",
});

}  // namespace kiln::eager::ops
