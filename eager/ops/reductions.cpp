// Reductions to sums, products, extremes and truth over any axes, and the statistics made of them.
#include "eager/ops/ops.h"

namespace kiln::eager::ops {
namespace {

std::vector<Parameter> over_axes(Parameter x) { return {std::move(x), axes(), flag("keepdims", false)}; }

std::vector<Sample> reduction_samples(bool of_nothing) {
  const Attr all, no = false, yes = true;
  std::vector<Sample> samples{specials(),
                              shapes({{3, 37}}, {Dims{0}, no}),
                              shapes({{3, 70}}, {Dims{-1}, yes}),
                              shapes({{2, 3, 5}}, {Dims{0, 2}, no}),
                              shapes({{2, 3, 5}}, {all, yes}),
                              shapes({{2, 4500}}, {Dims{1}, no}),
                              shapes({{130, 3}}, {Dims{0}, no}),
                              shapes({{}}, {all, no}),
                              shapes({{4}}, {Dims{}, no}),
                              shapes({{3, 0}}, {Dims{0}, no})};
  if (of_nothing) samples.push_back(shapes({{3, 0}}, {Dims{1}, no}));
  return samples;
}

std::vector<Sample> with_dtype(std::vector<Sample> samples) {
  for (Sample& s : samples)
    if (!s.attrs.empty()) s.attrs.emplace_back(std::monostate());
  samples.push_back(shapes({{3, 5}}, {Dims{1}, false, DType::F64}));
  return samples;
}

// The elements that equal an extreme share its gradient evenly.
Tensors extreme_gradient(GradContext& c) {
  const Tensor& x = c.input(0);
  const Attr& axis = c.arguments.attrs[0];
  const bool keepdims = c.arguments.attr<bool>(1);
  const Tensor hit = op::equal(x, with_axes(c.output(), axis, keepdims, x.rank()));
  const Tensor share = op::divide(with_axes(c.grad(), axis, keepdims, x.rank()), as(op::sum(hit, axis, true), c.grad().dtype()));
  return {op::where(hit, share, 0)};
}

Operator extreme(std::string_view name, std::string_view doc, Prim prim, std::string_view alias, std::string_view onnx,
                 std::string_view reference) {
  return {
      .name = name,
      .doc = doc,
      .parameters = over_axes(ordered("x")),
      .reduction = prim,
      .gradient = extreme_gradient,
      .saves = {.inputs = 0b1, .outputs = 0b1},
      .aliases = {alias},
      .method = true,
      .samples = reduction_samples(false),
      .reference = reference,
      .onnx = onnx,
  };
}

// The product of all but one element, without dividing by a zero: with one zero only its own gradient is left, with two none.
Tensors product_gradient(GradContext& c) {
  const Tensor& x = c.input(0);
  const Attr& axis = c.arguments.attrs[0];
  const Tensor g = with_axes(c.grad(), axis, c.arguments.attr<bool>(1), x.rank());
  const Tensor zero = op::equal(x, 0), zeros = op::sum(zero, axis, true);
  const Tensor others = op::where(zero, 1, x), product = op::prod(others, axis, true);
  const Tensor slope =
      op::where(zero, op::where(op::equal(zeros, 1), product, 0), op::where(op::equal(zeros, 0), op::divide(product, others), 0));
  return {op::multiply(g, slope)};
}

// Pairwise: halves of an axis are multiplied with each other until one element is left.
Tensors complex_product(const Arguments& a) {
  Tensor x = as(a.tensor(0), dtype_attr(a, 2, a.tensor(0).dtype()));
  const Dims axes = axes_of(a.attrs[0], x.rank()), shape = reduced_shape(x.shape(), axes, a.attr<bool>(1));
  for (int64_t given : axes) {
    const int axis = static_cast<int>(given);
    if (x.shape()[axis] == 0) return {op::full(shape, Operand(1), x.dtype())};
    for (int64_t n; (n = x.shape()[axis]) > 1;) {
      const Tensor halves = op::multiply(part_of(x, axis, 0, n / 2), part_of(x, axis, n / 2, n / 2 * 2));
      x = n % 2 == 0 ? halves : op::concat(halves, part_of(x, axis, n - 1, n), int64_t{axis});
    }
  }
  return {x.shape() == shape && !x.same_as(a.tensor(0)) ? x : op::copy(op::reshape(x, shape))};
}

Tensor mean_of(const Tensor& x, const Attr& axis, bool keepdims) {
  const auto n = static_cast<double>(axes_count(x.shape(), axes_of(axis, x.rank())));
  return op::divide(op::sum(x, axis, keepdims), n);
}

// |x|^2, a real number.
Tensor squared_modulus(const Tensor& x) {
  return is_complex(x.dtype()) ? op::add(op::square(op::real(x)), op::square(op::imag(x))) : op::square(x);
}

double degrees_of_freedom(const Tensor& x, const Attr& axis, const Attr& correction) {
  return std::max(0.0, static_cast<double>(axes_count(x.shape(), axes_of(axis, x.rank()))) - number_of(correction));
}

}  // namespace

const Operator& sum = define({
    .name = "sum",
    .doc =
        "The sum over axis (an int, a tuple, or None for all), in a fixed order that depends on the shape alone. Bools and signed integers "
        "sum in int64, unsigned ones in uint64; dtype converts first.",
    .parameters = {any("x"), axes(), flag("keepdims", false), dtype_or_none()},
    .reduction = Prim::add,
    .result = ResultType::accumulated,
    .gradient =
        [](GradContext& c) {
          const TensorType& x = c.input_types[0];
          const Tensor g = with_axes(c.grad(), c.arguments.attrs[0], c.arguments.attr<bool>(1), x.shape.size());
          return Tensors{op::broadcast_to(as(g, x.dtype), x.shape)};
        },
    .method = true,
    .samples = with_dtype(reduction_samples(true)),
    .reference = "numpy.sum(x, axis=axis, keepdims=keepdims, dtype=dtype)",
    .onnx = "ReduceSum",
});

const Operator& prod = define({
    .name = "prod",
    .doc = "The product over axis (an int, a tuple, or None for all), in a fixed order. Bools and signed integers multiply in int64, "
           "unsigned ones "
           "in uint64; dtype converts first.",
    .parameters = {any("x"), axes(), flag("keepdims", false), dtype_or_none()},
    .reduction = Prim::mul,
    .complex = complex_product,
    .result = ResultType::accumulated,
    .gradient = product_gradient,
    .saves = {.inputs = 0b1},
    .method = true,
    .samples = with_dtype(reduction_samples(true)),
    .reference = "numpy.prod(x, axis=axis, keepdims=keepdims, dtype=dtype)",
    .onnx = "ReduceProd",
});

const Operator& max =
    define(extreme("max", "The greatest element over axis; NaN if there is one. Equals share the gradient. Of no elements: a ValueError.",
                   Prim::max, "amax", "ReduceMax", "numpy.max(x, axis=axis, keepdims=keepdims)"));
const Operator& min =
    define(extreme("min", "The least element over axis; NaN if there is one. Equals share the gradient. Of no elements: a ValueError.",
                   Prim::min, "amin", "ReduceMin", "numpy.min(x, axis=axis, keepdims=keepdims)"));

const Operator& all_true = define({
    .name = "all",
    .doc = "Whether every element over axis is true (not zero); True of no elements.",
    .parameters = over_axes(any("x")),
    .reduction = Prim::bit_and,
    .result = ResultType::boolean,
    .method = true,
    .samples = reduction_samples(true),
    .reference = "numpy.all(x, axis=axis, keepdims=keepdims)",
});

const Operator& any_true = define({
    .name = "any",
    .doc = "Whether some element over axis is true (not zero); False of no elements.",
    .parameters = over_axes(any("x")),
    .reduction = Prim::bit_or,
    .result = ResultType::boolean,
    .method = true,
    .samples = reduction_samples(true),
    .reference = "numpy.any(x, axis=axis, keepdims=keepdims)",
});

const Operator& mean = define({
    .name = "mean",
    .doc = "The sum over axis divided by the number of elements; NaN of none. Integers give floats.",
    .parameters = over_axes(inexact("x")),
    .compose = [](const Arguments& a) { return Tensors{mean_of(inexact_tensor(a, 0), a.attrs[0], a.attr<bool>(1))}; },
    .method = true,
    .samples = reduction_samples(true),
    .reference = "numpy.mean(x, axis=axis, keepdims=keepdims)",
    .onnx = "ReduceMean",
});

const Operator& var = define({
    .name = "var",
    .doc = "The mean squared distance from the mean over axis, in two passes, divided by count - correction (0: of a population, 1: of a "
           "sample). Real, of complex numbers too.",
    .parameters = {inexact("x"), axes(), number("correction", int64_t{0}), flag("keepdims", false)},
    .compose =
        [](const Arguments& a) {
          const Tensor x = inexact_tensor(a, 0);
          const Tensor distance = squared_modulus(op::subtract(x, mean_of(x, a.attrs[0], true)));
          return Tensors{op::divide(op::sum(distance, a.attrs[0], a.attr<bool>(2)), degrees_of_freedom(x, a.attrs[0], a.attrs[1]))};
        },
    .gradient =
        [](GradContext& c) {
          const Attr& axis = c.arguments.attrs[0];
          const Tensor x = inexact_tensor(c.arguments, 0);
          const Tensor g = with_axes(c.grad(), axis, c.arguments.attr<bool>(2), x.rank());
          const double scale = 2 / degrees_of_freedom(x, axis, c.arguments.attrs[1]);
          return Tensors{op::multiply(op::multiply(g, scale), op::subtract(x, mean_of(x, axis, true)))};
        },
    .saves = {.inputs = 0b1},
    .holomorphic = false,
    .method = true,
    .samples = {shapes({{3, 37}}, {Dims{1}, int64_t{0}, false}), shapes({{3, 37}}, {Dims{0}, int64_t{1}, true}),
                shapes({{2, 3, 5}}, {Dims{0, 2}, 1.5, false}), shapes({{41}}), shapes({{2, 0}}, {Dims{0}, int64_t{0}, false})},
    .reference = "numpy.var(x, axis=axis, ddof=correction, keepdims=keepdims)",
});

const Operator& standard_deviation = define({
    .name = "std",
    .doc = "The square root of var.",
    .parameters = {inexact("x"), axes(), number("correction", int64_t{0}), flag("keepdims", false)},
    .compose = [](const Arguments& a) { return Tensors{op::sqrt(op::var(a.operands[0], a.attrs[0], a.attrs[1], a.attrs[2]))}; },
    .method = true,
    .samples = {shapes({{3, 37}}, {Dims{1}, int64_t{0}, false}), shapes({{3, 37}}, {Dims{0}, int64_t{1}, true}), shapes({{41}})},
    .reference = "numpy.std(x, axis=axis, ddof=correction, keepdims=keepdims)",
});

}  // namespace kiln::eager::ops
