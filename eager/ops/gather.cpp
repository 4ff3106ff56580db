// Elements at positions that are data, read and written: what indexing with tensors is made of. Operators that users call check their indices
// (indexing.cpp); these trust them, so that positions which were computed (by argsort, say) are not looked at again.
#include <cstring>

#include "eager/ops/ops.h"

namespace kiln::eager::ops {
namespace {

using codegen::Scatter;

Parameter positions(std::string_view name) { return unpromoted(integers(name)); }

void want_int64(const Tensor& indices) {
  if (indices.dtype() != DType::I64) fail(ErrorCode::type, "indices are int64, not " + std::string(name_of(indices.dtype())));
}

void same_but_for_axis(const char* what, const Dims& x, int axis, const Dims& indices) {
  bool fits = x.size() == indices.size();
  for (int d = 0; fits && d < x.size(); ++d) fits = d == axis || x[d] == indices[d];
  if (!fits)
    fail(ErrorCode::value, std::string(what) + ": indices of shape " + to_string(indices) + " do not agree with shape " + to_string(x) +
                               " in all but axis " + std::to_string(axis));
}

Scatter scatter_of(const Attr& attr) {
  const std::string& word = std::get<std::string>(attr);
  if (word == "set") return Scatter::set;
  if (word == "add") return Scatter::add;
  fail(ErrorCode::value, "how is 'set' or 'add', not '" + word + "'");
}

std::vector<TensorType> scattered_type(const Arguments& a, const Dims& values) {
  want_int64(a.tensor(1));
  if (a.tensor(2).shape() != values)
    fail(ErrorCode::value, "values of shape " + to_string(a.tensor(2).shape()) + " do not fill positions of shape " + to_string(values));
  if (a.tensor(2).dtype() != a.tensor(0).dtype())
    fail(ErrorCode::type,
         "values are " + std::string(name_of(a.tensor(2).dtype())) + ", x is " + std::string(name_of(a.tensor(0).dtype())));
  scatter_of(a.attrs[1]);  // throws unless it is one
  return {{a.tensor(0).dtype(), a.tensor(0).shape()}};
}

void copy_bytes(const Tensor& from, const Tensor& to) {
  std::memcpy(to.data(), from.data(), static_cast<size_t>(from.numel() * size_of(from.dtype())));
}

const int64_t* index_data(const Tensor& indices) { return reinterpret_cast<const int64_t*>(indices.data()); }

// Of values that were set, each with a number of its own (`stamp`): true where no later one overwrote it.
Tensor stays(const Op& scatter, const Op& gather, const Dims& shape, const Tensor& indices, const Tensor& stamp, int64_t axis) {
  const Tensor last = scatter(op::full(shape, Operand(-1), DType::I64), indices, stamp, axis, std::string("set"));
  return op::equal(gather(last, indices, axis), stamp);
}

std::vector<Sample> row_samples() {
  return {tensors_of({{.shape = {5, 3}}, indices_of({4}, {0, -1, 2, 2})}, {int64_t{0}}),
          tensors_of({{.shape = {2, 5, 3}}, indices_of({2, 2}, {4, 0, -5, 1})}, {int64_t{1}}),
          tensors_of({{.shape = {7}}, indices_of({3}, {6, 6, -7})}, {int64_t{-1}}),
          tensors_of({{.shape = {7}}, indices_of({}, {3})}, {int64_t{0}}),
          tensors_of({{.shape = {3, 2}}, indices_of({0}, {})}, {int64_t{0}}),
          tensors_of({{.shape = {3, 0}}, indices_of({2}, {1, 2})}, {int64_t{0}})};
}

std::vector<Sample> along_samples() {
  return {tensors_of({{.shape = {5, 2}}, indices_of({3, 2}, {0, -1, 2, 2, 0, 4})}, {int64_t{0}}),
          tensors_of({{.shape = {2, 4}}, indices_of({2, 3}, {3, 3, -4, 0, 1, 1})}, {int64_t{-1}}),
          tensors_of({{.shape = {2, 3, 2}}, indices_of({2, 1, 2}, {0, 2, -1, 1})}, {int64_t{1}}),
          tensors_of({{.shape = {4}}, indices_of({0}, {})}, {int64_t{0}})};
}

// The same calls with values to write, and how.
std::vector<Sample> with_values(std::vector<Sample> samples, bool along) {
  std::vector<Sample> all;
  for (const char* how : {"set", "add"})
    for (Sample s : samples) {
      const Dims x = std::get<SampleTensor>(s.operands[0]).shape, at = std::get<SampleTensor>(s.operands[1]).shape;
      const int axis = normalize_axis(std::get<int64_t>(s.attrs[0]), x.size());
      s.operands.emplace_back(SampleTensor{.shape = along ? at : rows_shape(x, axis, at)});
      s.attrs.emplace_back(std::string(how));
      all.push_back(std::move(s));
    }
  return all;
}

}  // namespace

const Operator& gather_rows = define({
    .name = "gather_rows",
    .doc = "x at integer indices along axis: the result has the indices' shape in the axis' place. Indices are int64, negative ones count "
           "from the end; they are trusted: one out of range reads the nearest element. take checks them.",
    .parameters = {any("x"), positions("indices"), integer("axis", 0)},
    .routine =
        [](const Arguments& a, std::span<const Tensor> y) {
          const Tensor &x = a.tensor(0), &at = a.tensor(1);
          codegen::gather_rows(x.dtype(), lines_of(x.shape(), axis_of(a)), x.data(), index_data(at), at.numel(), y[0].data());
        },
    .gather = Gather::rows,
    .type =
        [](const Arguments& a) {
          want_int64(a.tensor(1));
          const Tensor& x = a.tensor(0);
          const Dims shape = rows_shape(x.shape(), axis_of(a), a.tensor(1).shape());
          if (x.numel() == 0 && product(shape) > 0)
            fail(ErrorCode::index, "nothing can be taken of axis " + std::to_string(axis_of(a)) + " of shape " + to_string(x.shape()));
          return std::vector<TensorType>{{x.dtype(), shape}};
        },
    .gradient =
        [](GradContext& c) {
          const TensorType& x = c.input_types[0];
          return Tensors{
              op::scatter_rows(op::full(x.shape, Operand(0), x.dtype), c.input(1), c.grad(), c.arguments.attrs[0], std::string("add")),
              Tensor()};
        },
    .saves = {.inputs = 0b10},
    .samples = row_samples(),
    .reference = "numpy.take(x, indices, axis)",
});

const Operator& gather_along = define({
    .name = "gather_along",
    .doc = "x at indices of its own rank: along axis, each position's own index; the other extents agree. Indices are int64, negative ones "
           "count from the end; they are trusted: one out of range reads the nearest element. take_along_axis checks them.",
    .parameters = {any("x"), positions("indices"), integer("axis", -1)},
    .routine =
        [](const Arguments& a, std::span<const Tensor> y) {
          const Tensor &x = a.tensor(0), &at = a.tensor(1);
          const int axis = axis_of(a);
          codegen::gather_along(x.dtype(), lines_of(x.shape(), axis), x.data(), index_data(at), at.shape()[axis], y[0].data());
        },
    .gather = Gather::along,
    .type =
        [](const Arguments& a) {
          want_int64(a.tensor(1));
          const Dims &x = a.tensor(0).shape(), &at = a.tensor(1).shape();
          same_but_for_axis("gather_along", x, axis_of(a), at);
          if (product(x) == 0 && product(at) > 0)
            fail(ErrorCode::index, "nothing can be taken of axis " + std::to_string(axis_of(a)) + " of shape " + to_string(x));
          return std::vector<TensorType>{{a.tensor(0).dtype(), at}};
        },
    .gradient =
        [](GradContext& c) {
          const TensorType& x = c.input_types[0];
          return Tensors{
              op::scatter_along(op::full(x.shape, Operand(0), x.dtype), c.input(1), c.grad(), c.arguments.attrs[0], std::string("add")),
              Tensor()};
        },
    .saves = {.inputs = 0b10},
    .samples = along_samples(),
    .reference = "numpy.take_along_axis(x, indices, axis)",
});

const Operator& scatter_rows = define({
    .name = "scatter_rows",
    .doc =
        "x with values set at, or added to, the positions that gather_rows(x, indices, axis) reads, in order of the indices (how: 'set', "
        "the last one wins, or 'add'). Indices are trusted: one out of range writes the nearest element. index_copy and index_add check.",
    .parameters = {unpromoted(any("x")), positions("indices"), unpromoted(any("values")), integer("axis", 0), text("how", "set")},
    .routine =
        [](const Arguments& a, std::span<const Tensor> y) {
          copy_bytes(a.tensor(0), y[0]);
          if (a.tensor(2).numel() == 0) return;
          codegen::scatter_rows(scatter_of(a.attrs[1]), y[0].dtype(), lines_of(y[0].shape(), axis_of(a)), index_data(a.tensor(1)),
                                a.tensor(1).numel(), a.tensor(2).data(), y[0].data());
        },
    .type = [](const Arguments& a) { return scattered_type(a, rows_shape(a.tensor(0).shape(), axis_of(a), a.tensor(1).shape())); },
    .gradient =
        [](GradContext& c) {
          const Attr& axis = c.arguments.attrs[0];
          const Tensor& at = c.input(1);
          const Dims& x = c.input_types[0].shape;
          Tensor dx = c.grad(), dvalues;
          if (c.needed[2]) dvalues = op::gather_rows(c.grad(), at, axis);
          if (scatter_of(c.arguments.attrs[1]) == Scatter::set) {
            if (c.needed[0])
              dx = op::scatter_rows(dx, at, op::full(c.input_types[2].shape, Operand(0), dx.dtype()), axis, std::string("set"));
            if (c.needed[2]) {
              const int axis_at = normalize_axis(std::get<int64_t>(axis), x.size());
              const Tensor stamp = op::reshape(op::sequence(at.numel(), 0, 1, DType::I64), at.shape());
              Dims mask = at.shape();
              for (int d = axis_at + 1; d < x.size(); ++d) mask.push_back(1);
              dvalues = op::where(op::reshape(stays(op::scatter_rows, op::gather_rows, {x[axis_at]}, at, stamp, 0), mask), dvalues, 0);
            }
          }
          return Tensors{dx, Tensor(), dvalues};
        },
    .saves = {.inputs = 0b10},
    .samples = with_values(row_samples(), false),
});

const Operator& scatter_along = define({
    .name = "scatter_along",
    .doc =
        "x with values set at, or added to, the positions that gather_along(x, indices, axis) reads, in order along the axis (how: 'set', "
        "the last one wins, or 'add'). Indices are trusted: one out of range writes the nearest element. put_along_axis and "
        "add_along_axis check.",
    .parameters = {unpromoted(any("x")), positions("indices"), unpromoted(any("values")), integer("axis", -1), text("how", "set")},
    .routine =
        [](const Arguments& a, std::span<const Tensor> y) {
          copy_bytes(a.tensor(0), y[0]);
          if (a.tensor(2).numel() == 0) return;
          const int axis = axis_of(a);
          codegen::scatter_along(scatter_of(a.attrs[1]), y[0].dtype(), lines_of(y[0].shape(), axis), index_data(a.tensor(1)),
                                 a.tensor(1).shape()[axis], a.tensor(2).data(), y[0].data());
        },
    .type =
        [](const Arguments& a) {
          same_but_for_axis("scatter_along", a.tensor(0).shape(), axis_of(a), a.tensor(1).shape());
          return scattered_type(a, a.tensor(1).shape());
        },
    .gradient =
        [](GradContext& c) {
          const Attr& axis = c.arguments.attrs[0];
          const Tensor& at = c.input(1);
          Tensor dx = c.grad(), dvalues;
          if (c.needed[2]) dvalues = op::gather_along(c.grad(), at, axis);
          if (scatter_of(c.arguments.attrs[1]) == Scatter::set) {
            if (c.needed[0]) dx = op::scatter_along(dx, at, op::full(at.shape(), Operand(0), dx.dtype()), axis, std::string("set"));
            if (c.needed[2]) {
              const Dims& x = c.input_types[0].shape;
              const int axis_at = normalize_axis(std::get<int64_t>(axis), x.size());
              const Tensor stamp = positions_along(at.shape(), axis_at);
              dvalues = op::where(stays(op::scatter_along, op::gather_along, x, at, stamp, axis_at), dvalues, 0);
            }
          }
          return Tensors{dx, Tensor(), dvalues};
        },
    .saves = {.inputs = 0b10},
    .samples = with_values(along_samples(), true),
});

}  // namespace kiln::eager::ops
