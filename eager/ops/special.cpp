// Special functions of statistics; the bodies are codegen/math.h's.
#include "eager/ops/ops.h"

namespace kiln::eager::ops {
namespace {
constexpr double k2OverSqrtPi = 1.12837916709551257390;
Tensor bell(const Tensor& x) { return op::exp(op::negative(op::square(x))); }
std::vector<Sample> between_poles() {
  return {specials(), tensors_of({{.shape = {3, 37}, .low = 0.2, .high = 12}}), tensors_of({{.shape = {3, 7}, .low = -2.8, .high = -2.2}}),
          shapes({{0, 4}})};
}
}  // namespace

const Operator& erf = define({
    .name = "erf",
    .doc = "The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x, within 2 ulp. Integers give floats.",
    .parameters = {floating("x")},
    .body = [](Builder& b, Value x) { return codegen::erf(b, x); },
    .gradient = [](GradContext& c) { return Tensors{op::multiply(c.grad(), op::multiply(bell(c.input(0)), k2OverSqrtPi))}; },
    .saves = {.inputs = 0b1},
    .method = true,
    .samples = unary_samples(),
    .reference = "numpy.vectorize(__import__('math').erf, otypes=[x.dtype])(x)",
    .onnx = "Erf",
});

const Operator& erfc = define({
    .name = "erfc",
    .doc = "1 - erf(x), within 2 ulp also where that is small. Integers give floats.",
    .parameters = {floating("x")},
    .body = [](Builder& b, Value x) { return codegen::erfc(b, x); },
    .gradient = [](GradContext& c) { return Tensors{op::multiply(c.grad(), op::multiply(bell(c.input(0)), -k2OverSqrtPi))}; },
    .saves = {.inputs = 0b1},
    .method = true,
    .samples = unary_samples(),
    .reference = "numpy.vectorize(__import__('math').erfc, otypes=[x.dtype])(x)",
});

const Operator& lgamma = define({
    .name = "lgamma",
    .doc = "The logarithm of |gamma(x)|, infinite at 0 and negative integers; within 2 ulp, in float64 for negative x of "
           "max(|result|, lgamma(-x), 1). Integers give floats.",
    .parameters = {floating("x")},
    .body = [](Builder& b, Value x) { return codegen::lgamma(b, x); },
    .gradient = [](GradContext& c) { return Tensors{op::multiply(c.grad(), op::digamma(c.input(0)))}; },
    .saves = {.inputs = 0b1},
    .aliases = {"gammaln"},
    .method = true,
    .samples = between_poles(),
    .reference = "__import__('scipy.special').special.gammaln(x)",
});

const Operator& digamma = define({
    .name = "digamma",
    .doc = "The derivative of lgamma; infinite at 0 with the other sign, NaN at negative integers; within 2 ulp, in float64 8 of "
           "max(|result|, log(-x), 1). It has no gradient. Integers give floats.",
    .parameters = {floating("x")},
    .body = [](Builder& b, Value x) { return codegen::digamma(b, x); },
    .method = true,
    .samples = between_poles(),
    .reference = "__import__('scipy.special').special.digamma(x)",
});

}  // namespace kiln::eager::ops
