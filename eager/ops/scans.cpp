// Running sums, products and extremes along an axis, and what they are made of.
#include "eager/ops/ops.h"

namespace kiln::eager::ops {
namespace {

Prim combine_of(const Attr& attr) {
  const std::string& word = std::get<std::string>(attr);
  if (word == "sum") return Prim::add;
  if (word == "prod") return Prim::mul;
  if (word == "max") return Prim::max;
  if (word == "min") return Prim::min;
  fail(ErrorCode::value, "combine is 'sum', 'prod', 'max' or 'min', not '" + word + "'");
}

// Where a running extreme stands: the first position of what it is by then.
Tensor extreme_positions(const Tensor& x, const Tensor& y, int axis, bool reverse) {
  const Tensor here = positions_along(x.shape(), axis);
  const int64_t first = reverse ? x.shape()[axis] - 1 : 0;
  const Tensor changed = op::logical_or(op::not_equal(y, shifted(y, axis, reverse ? -1 : 1, 0)), op::equal(here, first));
  return op::scan_along(op::where(changed, here, first), int64_t{axis}, std::string(reverse ? "min" : "max"), reverse);
}

Tensors scan_gradient(GradContext& c) {
  const Prim combine = combine_of(c.arguments.attrs[1]);
  const bool reverse = c.arguments.attr<bool>(2);
  const Dims& shape = c.input_types[0].shape;
  const int axis = normalize_axis(c.arguments.attr<int64_t>(0), shape.size());
  const Tensor& g = c.grad();
  if (combine == Prim::add) return {op::scan_along(g, int64_t{axis}, std::string("sum"), !reverse)};
  const Tensor &x = c.input(0), &y = c.output();
  const int64_t on = reverse ? -1 : 1;  // one further along the scan
  if (combine == Prim::mul) {           // the chain rule backwards along the products: right also where elements are zero
    const Tensor slopes = op::linear_recurrence(shifted(x, axis, -on, 0), g, int64_t{axis}, !reverse);
    return {op::multiply(slopes, shifted(y, axis, on, 1))};
  }
  return {op::scatter_along(op::full(shape, Operand(0), g.dtype()), extreme_positions(x, y, axis, reverse), g, int64_t{axis},
                            std::string("add"))};
}

// y[i] = a[i] y[i - 1] + b[i] of complex numbers by doubling: (a, b) at i becomes what takes y[i - 2^k] to y[i].
Tensor complex_recurrence(Tensor a, Tensor b, int axis, bool reverse) {
  const int64_t n = a.shape()[axis];
  for (int64_t by = 1; by < n; by *= 2) {
    const int64_t step = reverse ? -by : by;
    b = op::add(op::multiply(a, shifted(b, axis, step, 0)), b);
    a = op::multiply(a, shifted(a, axis, step, 0));
  }
  return b;
}

// Sums go part by part, in the order of real ones; products by doubling.
Tensors complex_scan(const Arguments& args) {
  const Tensor& x = args.tensor(0);
  const int axis = axis_of(args);
  const bool reverse = args.attr<bool>(2);
  if (combine_of(args.attrs[1]) == Prim::add) {
    const auto part = [&](const Tensor& t) { return op::scan_along(t, int64_t{axis}, std::string("sum"), reverse); };
    return {op::complex(part(op::real(x)), part(op::imag(x)))};
  }
  Tensor y = x;
  for (int64_t by = 1; by < x.shape()[axis]; by *= 2) y = op::multiply(y, shifted(y, axis, reverse ? -by : by, 1));
  return {y.same_as(x) ? op::copy(x) : y};
}

// x in the dtype that `sum` would sum it in, and its one axis.
struct Accumulated {
  Tensor x;
  int axis;
};
Accumulated accumulated(std::string_view name, const Arguments& a) {
  const Tensor x = tensor_of(a.operands[0]);
  if (a.attr_is_none(0) && x.rank() != 1)
    fail(ErrorCode::value,
         std::string(name) + ": axis must be given for a tensor of shape " + to_string(x.shape()) + ", which has other than one dimension");
  const int axis = a.attr_is_none(0) ? 0 : normalize_axis(a.attr<int64_t>(0), x.rank());
  const Operand operands[] = {x};
  const Attrs attrs{std::monostate(), false, a.attrs[1]};
  return {as(x, infer(op::sum.definition(), {operands, attrs})[0].dtype), axis};
}

// Numbers of which thousands have a product.
std::vector<double> about_one(int n) {
  std::vector<double> values;
  for (int i = 0; i < n; ++i) values.push_back(1 + (i * 7 % 16 - 8) / 1024.0);  // with exact sums in float32
  return values;
}

Operator cumulative(std::string_view name, std::string_view doc, const char* combine, int64_t initial, std::string_view alias,
                    std::string_view onnx, std::string_view reference) {
  std::vector<Sample> samples = {shapes({{37}}),
                                 shapes({{3, 37}}, {int64_t{1}, std::monostate(), false}),
                                 shapes({{5, 3, 2}}, {int64_t{0}, std::monostate(), true}),
                                 shapes({{2, 3}}, {int64_t{-2}, DType::F64, false}),
                                 shapes({{0}}, {int64_t{0}, std::monostate(), true}),
                                 shapes({{3, 0}}, {int64_t{0}, std::monostate(), false}),
                                 tensors_of({{.shape = {4500, 2}, .values = about_one(9000)}}, {int64_t{0}, std::monostate(), false}),
                                 tensors_of({{.shape = {9000}, .values = about_one(9000)}}, {int64_t{0}, std::monostate(), false})};
  return {
      .name = name,
      .doc = doc,
      .parameters = {any("x"), axis_or_none(), dtype_or_none(), flag("include_initial", false)},
      .compose =
          [=](const Arguments& a) {
            const auto [x, axis] = accumulated(name, a);
            const Tensor y = op::scan_along(x, int64_t{axis}, std::string(combine), false);
            if (!a.attr<bool>(2)) return Tensors{y};
            Dims before = Dims::filled(x.rank(), 0), after = before;
            before[axis] = 1;
            return Tensors{op::pad(y, before, after, Attr(initial))};
          },
      .aliases = {alias},
      .method = true,
      .samples = std::move(samples),
      .reference = reference,
      .onnx = onnx,
  };
}

Operator running_extreme(std::string_view name, std::string_view doc, const char* combine, std::string_view reference) {
  return {
      .name = name,
      .doc = doc,
      .parameters = {ordered("x"), integer("axis", -1)},
      .compose =
          [=](const Arguments& a) { return Tensors{op::scan_along(tensor_of(a.operands[0]), a.attrs[0], std::string(combine), false)}; },
      .method = true,
      .samples = {specials(), shapes({{3, 37}}), shapes({{5, 3, 2}}, {int64_t{0}}), shapes({{3, 0}}, {int64_t{0}}),
                  tensors_of({{.shape = {7}, .values = {1, 3, 3, 2, 5, 5, -1}, .dtype = DType::I64}}, {int64_t{0}})},
      .reference = reference,
  };
}

}  // namespace

const Operator& scan_along = define({
    .name = "scan_along",
    .doc =
        "Along axis, each element combined with all before it (after it if reverse): combine is 'sum', 'prod', 'max' or 'min', in x's own "
        "dtype, in a fixed order that depends on the axis' extent alone. Cumulative operators are made of it.",
    .parameters = {any("x"), integer("axis", -1), text("combine", "sum"), flag("reverse", false)},
    .complex = complex_scan,
    .routine =
        [](const Arguments& a, std::span<const Tensor> y) {
          const Tensor& x = a.tensor(0);
          codegen::scan(combine_of(a.attrs[1]), x.dtype(), lines_of(x.shape(), axis_of(a)), a.attr<bool>(2), x.data(), y[0].data());
        },
    .type =
        [](const Arguments& a) {
          axis_of(a);  // throws unless it is one
          const Prim combine = combine_of(a.attrs[1]);
          const DType dtype = a.tensor(0).dtype();
          if (!codegen::accepts(codegen::info(combine).accepts, combine == Prim::add || combine == Prim::mul ? real_of(dtype) : dtype))
            fail(ErrorCode::type, "scan_along: " + std::string(name_of(dtype)) +
                                      (is_complex(dtype) ? " has no order" : " is not added or multiplied; convert to integers first"));
          return std::vector<TensorType>{{dtype, a.tensor(0).shape()}};
        },
    .gradient = scan_gradient,
    .saves = {.inputs = 0b1, .outputs = 0b1},
    .samples =
        [] {
          std::vector<Sample> samples;
          for (const char* combine : {"sum", "prod", "max", "min"})
            for (const bool reverse : {false, true}) {
              samples.push_back(tensors_of({{.shape = {3, 17}, .low = 0.25, .high = 1.5}}, {int64_t{1}, std::string(combine), reverse}));
              samples.push_back(shapes({{7, 2, 3}}, {int64_t{0}, std::string(combine), reverse}));
            }
          samples.push_back(shapes({{0, 3}}, {int64_t{0}, std::string("max"), false}));
          for (Sample& s : samples)
            if (std::get<std::string>(s.attrs[1]) == "sum" || std::get<std::string>(s.attrs[1]) == "prod")
              std::get<SampleTensor>(s.operands[0]).dtype = DType::F64;
          return samples;
        }(),
    .reference = "(lambda f, x: numpy.flip(f.accumulate(numpy.flip(x, axis), axis), axis) if reverse else f.accumulate(x, axis))"
                 "({'sum': numpy.add, 'prod': numpy.multiply, 'max': numpy.maximum, 'min': numpy.minimum}[combine], x)",
});

const Operator& linear_recurrence = define({
    .name = "linear_recurrence",
    .doc = "Along axis, y[i] = a[i] * y[i - 1] + b[i] with y before the first 0 (from the end backwards if reverse), each step rounded "
           "twice. a "
           "and b have one shape.",
    .parameters = {inexact("a"), inexact("b"), integer("axis", -1), flag("reverse", false)},
    .complex =
        [](const Arguments& a) {
          const DType common = promote(a.tensor(0).dtype(), a.tensor(1).dtype());
          return Tensors{complex_recurrence(as(a.tensor(0), common), as(a.tensor(1), common), axis_of(a), a.attr<bool>(1))};
        },
    .routine =
        [](const Arguments& a, std::span<const Tensor> y) {
          codegen::recur(y[0].dtype(), lines_of(y[0].shape(), axis_of(a)), a.attr<bool>(1), a.tensor(0).data(), a.tensor(1).data(),
                         y[0].data());
        },
    .type =
        [](const Arguments& a) {
          axis_of(a);
          if (a.tensor(0).shape() != a.tensor(1).shape())
            fail(ErrorCode::value, "linear_recurrence: a of shape " + to_string(a.tensor(0).shape()) + " and b of shape " +
                                       to_string(a.tensor(1).shape()) + " are not of one shape");
          return std::vector<TensorType>{{inexact_of(promote(a.tensor(0).dtype(), a.tensor(1).dtype())), a.tensor(0).shape()}};
        },
    .gradient =
        [](GradContext& c) {
          const bool reverse = c.arguments.attr<bool>(1);
          const int axis = normalize_axis(c.arguments.attr<int64_t>(0), c.input_types[0].shape.size());
          const int64_t on = reverse ? -1 : 1;
          const Tensor slopes = op::linear_recurrence(shifted(c.input(0), axis, -on, 0), c.grad(), int64_t{axis}, !reverse);
          return Tensors{c.needed[0] ? op::multiply(slopes, shifted(c.output(), axis, on, 0)) : Tensor(), slopes};
        },
    .saves = {.inputs = 0b1, .outputs = 0b1},
    .samples = {shapes({{3, 7}, {3, 7}}), shapes({{5, 2, 3}, {5, 2, 3}}, {int64_t{0}, true}), shapes({{4}, {4}}, {int64_t{0}, false}),
                shapes({{0, 2}, {0, 2}}, {int64_t{0}, false})},
});

const Operator& cumulative_sum = define(cumulative(
    "cumulative_sum",
    "The sum of each element and all before it along axis (which a tensor of one dimension need not name), in a fixed order. Bools and "
    "integers up to 32 bits sum in int64; dtype converts first; include_initial puts the sum of nothing, 0, in front.",
    "sum", 0, "cumsum", "CumSum", "numpy.cumulative_sum(x, axis=axis, dtype=dtype, include_initial=include_initial)"));
const Operator& cumulative_prod = define(cumulative(
    "cumulative_prod",
    "The product of each element and all before it along axis (which a tensor of one dimension need not name), in a fixed order. Bools and "
    "integers up to 32 bits multiply in int64; dtype converts first; include_initial puts the product of nothing, 1, in front.",
    "prod", 1, "cumprod", "", "numpy.cumulative_prod(x, axis=axis, dtype=dtype, include_initial=include_initial)"));
const Operator& cumulative_max =
    define(running_extreme("cumulative_max",
                           "The greatest of each element and all before it along axis; NaN from the first NaN on. The gradient goes to the "
                           "first position of the greatest.",
                           "max", "numpy.maximum.accumulate(x, axis)"));
const Operator& cumulative_min = define(
    running_extreme("cumulative_min",
                    "The least of each element and all before it along axis; NaN from the first NaN on. The gradient goes to the first "
                    "position of the least.",
                    "min", "numpy.minimum.accumulate(x, axis)"));

}  // namespace kiln::eager::ops
