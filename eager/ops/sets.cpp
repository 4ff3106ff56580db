// The distinct elements of a tensor, sorted. -0.0 and 0.0 are one; every NaN is one of its own (array API standard, "Set functions").
#include "eager/ops/ops.h"

namespace kiln::eager::ops {
namespace {

// x's elements sorted, and where runs of equal ones begin.
struct Runs {
  Tensor order, begins, starts;  // positions that sort x; bool: does a run begin here; the positions where they do
  Tensor values;
};
Runs runs_of(const Tensor& x) {
  const Tensor flat = op::reshape(x, Dims{-1});
  Runs r;
  r.order = op::argsort(flat, 0);
  const Tensor sorted = op::gather_rows(flat, r.order, 0);
  const int64_t n = flat.numel();
  if (n == 0) {
    r.begins = op::full(Dims{0}, Operand(false), DType::Bool);
  } else {
    const Tensor differs = op::not_equal(part_of(sorted, 0, 1, n), part_of(sorted, 0, 0, n - 1));
    r.begins = op::pad(differs, Dims{1}, Dims{0}, Attr(int64_t{1}));
  }
  r.starts = op::flatnonzero(r.begins);
  r.values = op::gather_rows(sorted, r.starts, 0);
  return r;
}

Tensor inverse_of(const Tensor& x, const Runs& r) {
  const Tensor run = op::subtract(op::scan_along(as(r.begins, DType::I64), 0, std::string("sum"), false), 1);
  return op::reshape(op::scatter_rows(op::full(Dims{x.numel()}, Operand(0), DType::I64), r.order, run, 0, std::string("set")), x.shape());
}

Tensor run_lengths(const Tensor& x, const Runs& r) {
  if (x.numel() == 0) return r.starts;
  return op::subtract(shifted(r.starts, 0, -1, x.numel()), r.starts);  // where the next one begins, or all end
}

std::vector<Sample> set_samples() {
  return {tensors_of({{.shape = {6}, .values = {3, 1, 2, 1, 3, 3}, .dtype = DType::I64}}),
          specials(),
          tensors_of({{.shape = {2, 4}, .values = {1, 0, 1, 5, 5, -2, 0, 1}, .dtype = DType::I32}}),
          shapes({{3, 37}}),
          shapes({{0, 2}}),
          shapes({{}})};
}

// An operator of that name, whose outputs `results` takes from x and its runs.
Operator unique(std::string_view name, std::string_view doc, std::vector<std::string_view> output_names, std::string_view reference,
                Tensors (*results)(const Tensor&, const Runs&)) {
  return {
      .name = name,
      .doc = doc,
      .parameters = {ordered("x")},
      .outputs = static_cast<int>(std::max<size_t>(output_names.size(), 1)),
      .compose =
          [results](const Arguments& a) {
            const Tensor x = tensor_of(a.operands[0]);
            return results(x, runs_of(x));
          },
      .shape_from_data = true,
      .output_names = std::move(output_names),
      .method = true,
      .samples = set_samples(),
      .reference = reference,
  };
}

}  // namespace

const Operator& unique_all = define(
    unique("unique_all",
           "The distinct elements of x, sorted, with the position in flattened x where each comes first, the position among them of each "
           "element of x (in its shape), and how often each comes.",
           {"values", "indices", "inverse_indices", "counts"}, "numpy.unique_all(x)", [](const Tensor& x, const Runs& r) {
             return Tensors{r.values, op::gather_rows(r.order, r.starts, 0), inverse_of(x, r), run_lengths(x, r)};
           }));

const Operator& unique_counts =
    define(unique("unique_counts", "The distinct elements of x, sorted, and how often each comes.", {"values", "counts"},
                  "numpy.unique_counts(x)", [](const Tensor& x, const Runs& r) { return Tensors{r.values, run_lengths(x, r)}; }));

const Operator& unique_inverse =
    define(unique("unique_inverse", "The distinct elements of x, sorted, and the position among them of each element of x (in its shape).",
                  {"values", "inverse_indices"}, "numpy.unique_inverse(x)",
                  [](const Tensor& x, const Runs& r) { return Tensors{r.values, inverse_of(x, r)}; }));

const Operator& unique_values =
    define(unique("unique_values", "The distinct elements of x, sorted.", {}, "numpy.unique(x, equal_nan=False)",
                  [](const Tensor&, const Runs& r) { return Tensors{r.values}; }));

}  // namespace kiln::eager::ops
