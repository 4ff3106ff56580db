// Special functions of statistics; the bodies are codegen/math.h's.
#include "eager/ops/ops.h"

namespace kiln::eager::ops {
namespace {
constexpr double k2OverSqrtPi = 1.12837916709551257390;
Tensor bell(const Tensor& x) { return op::exp(op::negative(op::square(x))); }

// The derivative of digamma (DLMF 5.15), made of operators and hence differentiable as often as asked: 1 / (x + k)^2 up to k = 7 takes x to
// where the asymptotic series, in Bernoulli numbers, has an error below 1e-14; reflection does what is below 1/2.
Tensor trigamma(const Tensor& x) {
  constexpr double kPi = 3.14159265358979323846;
  constexpr int kSteps = 8;
  constexpr double kBernoulli[] = {7.0 / 6, -691.0 / 2730, 5.0 / 66, -1.0 / 30, 1.0 / 42, -1.0 / 30, 1.0 / 6};  // B14 down to B2
  const Tensor low = op::less(x, 0.5);
  const Tensor y = op::where(low, op::subtract(1, x), x);
  const Tensor inverse = op::divide(1, op::add(y, kSteps)), square = op::square(inverse);
  Tensor sum = op::multiply(square, kBernoulli[0]);
  for (size_t k = 1; k < std::size(kBernoulli); ++k) sum = op::multiply(op::add(sum, kBernoulli[k]), square);
  sum = op::multiply(op::add(op::add(sum, 1), op::multiply(inverse, 0.5)), inverse);
  for (int k = 0; k < kSteps; ++k) sum = op::add(sum, op::square(op::divide(1, op::add(y, k))));
  const Tensor reflected = op::square(op::divide(kPi, op::sin(op::multiply(op::where(low, x, 0.25), kPi))));
  return op::where(low, op::subtract(reflected, sum), sum);
}

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
    .reference = "numpy.where(numpy.isinf(x), numpy.inf, __import__('scipy.special').special.gammaln(x)).astype(x.dtype)",
});

const Operator& digamma = define({
    .name = "digamma",
    .doc = "The derivative of lgamma; infinite at 0 with the other sign, NaN at negative integers; within 2 ulp, in float64 8 of "
           "max(|result|, log(-x), 1). Integers give floats.",
    .parameters = {floating("x")},
    .body = [](Builder& b, Value x) { return codegen::digamma(b, x); },
    .gradient = [](GradContext& c) { return Tensors{op::multiply(c.grad(), trigamma(c.input(0)))}; },
    .saves = {.inputs = 0b1},
    .method = true,
    .samples = between_poles(),
    .reference = "__import__('scipy.special').special.digamma(x)",
});

}  // namespace kiln::eager::ops
