// What is true, and where: results whose shapes follow from data.
#include "eager/ops/ops.h"

namespace kiln::eager::ops {
namespace {

// A bool tensor's elements in row-major order, there to be read.
Tensor dense_mask(const Tensor& x) {
  const Tensor truth = as(x, DType::Bool), mask = truth.is_contiguous() ? truth : op::copy(truth);
  materialise(mask, FlushReason::shape_from_data);
  return mask;
}

Tensor true_positions(const Tensor& x) {
  const Tensor mask = dense_mask(x);
  const auto* truth = reinterpret_cast<const uint8_t*>(mask.data());
  int64_t count = 0;
  for (int64_t i = 0; i < mask.numel(); ++i) count += truth[i];
  const Tensor result = Tensor::empty({count}, DType::I64);
  auto* to = reinterpret_cast<int64_t*>(result.storage().data_for_write());
  for (int64_t i = 0; i < mask.numel(); ++i)
    if (truth[i]) *to++ = i;
  return result;
}

}  // namespace

const Operator& flatnonzero = define({
    .name = "flatnonzero",
    .doc = "The positions, int64, of the elements of x that are not zero, in row-major order of the flattened tensor.",
    .parameters = {any("x")},
    .compose = [](const Arguments& a) { return Tensors{true_positions(tensor_of(a.operands[0]))}; },
    .shape_from_data = true,
    .method = true,
    .samples = {specials(), shapes({{3, 37}}), floats({0, 1, 0, 0, 2}), shapes({{}}), shapes({{0, 4}})},
    .reference = "numpy.flatnonzero(x)",
});

const Operator& argwhere = define({
    .name = "argwhere",
    .doc = "The indices of the elements of x that are not zero, int64: a row for each element, in row-major order, a column for each "
           "dimension.",
    .parameters = {any("x")},
    .compose =
        [](const Arguments& a) {
          const Tensor x = tensor_of(a.operands[0]), flat = op::flatnonzero(x);
          if (x.rank() == 0) return Tensors{op::full(Dims{flat.numel(), 0}, Operand(0), DType::I64)};
          const Dims strides = contiguous_strides(x.shape());
          std::vector<Operand> columns;
          for (int d = 0; d < x.rank(); ++d)
            columns.emplace_back(op::remainder(op::floor_divide(flat, strides[d]), std::max<int64_t>(1, x.shape()[d])));
          Tensor rows;
          call(op::stack.definition(), columns, {int64_t{1}}, &rows);
          return Tensors{rows};
        },
    .shape_from_data = true,
    .method = true,
    .samples = {specials(), shapes({{3, 7}}), tensors_of({{.shape = {2, 2, 2}, .values = {0, 1, 0, 0, 2, 3, 0, 4}}}), shapes({{}}),
                shapes({{0, 4}})},
    .reference = "numpy.argwhere(x)",
});

const Operator& masked_select = define({
    .name = "masked_select",
    .doc = "x where the mask is true: x[mask]. The mask has the shape of x, or of its leading dimensions; in their place the result has "
           "one, as "
           "long as there are true elements.",
    .parameters = {any("x"), unpromoted(boolean_tensor("mask"))},
    .compose =
        [](const Arguments& a) {
          const Tensor x = tensor_of(a.operands[0]), mask = tensor_of(a.operands[1]);
          if (mask.rank() > x.rank() || !std::equal(mask.shape().begin(), mask.shape().end(), x.shape().begin()))
            fail(ErrorCode::index, "a mask of shape " + to_string(mask.shape()) + " does not fit a tensor of shape " +
                                       to_string(x.shape()) + ": its extents must be those of the leading dimensions");
          Dims rows{mask.numel()};
          for (int d = mask.rank(); d < x.rank(); ++d) rows.push_back(x.shape()[d]);
          return Tensors{op::gather_rows(op::reshape(x, rows), op::flatnonzero(mask), 0)};
        },
    .shape_from_data = true,
    .method = true,
    .samples = {tensors_of({{.shape = {3, 4}}, {.shape = {3}, .values = {1, 0, 1}, .dtype = DType::Bool}}),
                tensors_of({{.shape = {2, 3}}, {.shape = {2, 3}, .values = {1, 0, 1, 0, 0, 1}, .dtype = DType::Bool}}),
                tensors_of({{.shape = {3}}, {.shape = {3}, .values = {0, 0, 0}, .dtype = DType::Bool}}),
                tensors_of({{.shape = {}}, {.shape = {}, .values = {1}, .dtype = DType::Bool}})},
    .reference = "x[mask]",
});

const Operator& count_nonzero = define({
    .name = "count_nonzero",
    .doc = "How many elements over axis are not zero, int64.",
    .parameters = {any("x"), axes(), flag("keepdims", false)},
    .compose = [](const Arguments& a) { return Tensors{op::sum(as(tensor_of(a.operands[0]), DType::Bool), a.attrs[0], a.attrs[1])}; },
    .method = true,
    .samples = {specials(), shapes({{3, 37}}, {Dims{1}, false}), shapes({{2, 3, 5}}, {Dims{0, 2}, true}), floats({0, 1, 0, -0.0, 2}),
                shapes({{3, 0}})},
    .reference = "numpy.count_nonzero(x, axis=axis, keepdims=keepdims)",
});

}  // namespace kiln::eager::ops
