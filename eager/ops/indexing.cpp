// Taking, writing and adding elements at integer indices, which are checked: an index out of bounds is an IndexError and changes nothing.
#include "eager/ops/ops.h"

namespace kiln::eager::ops {
namespace {

Parameter indices() { return unpromoted(integers("indices")); }

int axis_of(const Arguments& a) { return normalize_axis(a.attr<int64_t>(0), tensor_of(a.operands[0]).rank()); }

Tensor index_tensor(const Operand& o) {
  const Tensor at = tensor_of(o);
  if (!is_integer(at.dtype())) fail(ErrorCode::type, "indices are integers, not " + std::string(name_of(at.dtype())));
  return at;
}

// For operators over one axis, given as attribute 0.
void check_along_axis(const Arguments& a) {
  const Tensor x = tensor_of(a.operands[0]);
  const int axis = axis_of(a);
  check_indices(index_tensor(a.operands[1]), x.shape()[axis], axis);
}

void check_taken(const Arguments& a) {
  if (!a.attr_is_none(0)) return check_along_axis(a);
  check_indices(index_tensor(a.operands[1]), tensor_of(a.operands[0]).numel(), 0);
}

Tensor wide(const Operand& o) { return as(index_tensor(o), DType::I64); }

// values in x's dtype, which must be able to hold their kind, broadcast to where they go.
Tensor values_for(std::string_view name, const Operand& values, const Tensor& x, const Dims& shape) {
  const Tensor v = tensor_of(values);
  if (kind_of(promote(x.dtype(), kind_of(v.dtype()))) != kind_of(x.dtype()))
    fail(ErrorCode::type, std::string(name) + ": values of dtype " + std::string(name_of(v.dtype())) + " do not fit into " +
                              std::string(name_of(x.dtype())) + "; convert one of them with astype");
  if (!broadcastable_to(v.shape(), shape))
    fail(ErrorCode::value,
         std::string(name) + ": values of shape " + to_string(v.shape()) + " do not broadcast to the positions' shape " + to_string(shape));
  return op::broadcast_to(as(v, x.dtype()), shape);
}

Dims rows_shape(const Tensor& x, int axis, const Tensor& at) {
  Dims shape(x.shape().begin(), x.shape().begin() + axis);
  for (int64_t extent : at.shape()) shape.push_back(extent);
  for (int d = axis + 1; d < x.rank(); ++d) shape.push_back(x.shape()[d]);
  return shape;
}

SampleTensor at(Dims shape, std::vector<double> values) { return {.shape = shape, .values = std::move(values), .dtype = DType::I64}; }

Operator writes_rows(std::string_view name, std::string_view doc, std::string_view how, std::string_view reference) {
  return {
      .name = name,
      .doc = doc,
      .parameters = {unpromoted(any("x")), indices(), unpromoted(any("values")), integer("axis", 0)},
      .compose =
          [name, how](const Arguments& a) {
            const Tensor x = tensor_of(a.operands[0]), at = wide(a.operands[1]);
            const int axis = axis_of(a);
            const Tensor values = values_for(name, a.operands[2], x, rows_shape(x, axis, at));
            return Tensors{op::scatter_rows(x, at, values, int64_t{axis}, std::string(how))};
          },
      .raises_on_data = check_along_axis,
      .method = true,
      .samples = {tensors_of({{.shape = {5, 3}}, at({4}, {0, -1, 2, 1}), {.shape = {4, 3}}}, {int64_t{0}}),
                  tensors_of({{.shape = {2, 5}}, at({3}, {4, 0, -3}), {.shape = {}}}, {int64_t{1}}),
                  tensors_of({{.shape = {300, 40}}, {.shape = {500}, .low = 0, .high = 300, .dtype = DType::I64}, {.shape = {500, 40}}},
                             {int64_t{0}})},
      .reference = reference,
  };
}

// Indices and x brought to one shape in all but the axis, by broadcasting.
struct Along {
  Tensor x, at;
  int axis;
};
Along along_axis(std::string_view name, const Arguments& a, bool broadcast_x) {
  Tensor x = tensor_of(a.operands[0]), at = wide(a.operands[1]);
  const int axis = axis_of(a);
  if (at.rank() != x.rank())
    fail(ErrorCode::value, std::string(name) + ": indices of shape " + to_string(at.shape()) + " have other than the " +
                               std::to_string(x.rank()) + " dimensions of x, whose shape is " + to_string(x.shape()));
  Dims x_shape = x.shape(), at_shape = at.shape();
  for (int d = 0; d < x.rank(); ++d) {
    if (d == axis || x_shape[d] == at_shape[d]) continue;
    if (at_shape[d] == 1) at_shape[d] = x_shape[d];
    else if (broadcast_x && x_shape[d] == 1) x_shape[d] = at_shape[d];
    else
      fail(ErrorCode::value, std::string(name) + ": indices of shape " + to_string(at.shape()) + " do not broadcast against shape " +
                                 to_string(x.shape()) + " outside of axis " + std::to_string(axis));
  }
  if (x_shape != x.shape()) x = op::broadcast_to(x, x_shape);
  if (at_shape != at.shape()) at = op::broadcast_to(at, at_shape);
  return {x, at, axis};
}

Operator writes_along(std::string_view name, std::string_view doc, std::string_view how) {
  return {
      .name = name,
      .doc = doc,
      .parameters = {unpromoted(any("x")), indices(), unpromoted(any("values")), integer("axis", -1)},
      .compose =
          [name, how](const Arguments& a) {
            const Along along = along_axis(name, a, false);
            const Tensor values = values_for(name, a.operands[2], along.x, along.at.shape());
            return Tensors{op::scatter_along(along.x, along.at, values, int64_t{along.axis}, std::string(how))};
          },
      .raises_on_data = check_along_axis,
      .method = true,
      .samples = {tensors_of({{.shape = {5, 2}}, at({3, 2}, {0, -1, 2, 2, 0, 4}), {.shape = {3, 2}}}, {int64_t{0}}),
                  tensors_of({{.shape = {2, 4}}, at({1, 3}, {3, 0, -3}), {.shape = {}}}, {int64_t{1}}),
                  tensors_of({{.shape = {2, 4}}, at({2, 3}, {3, 3, -4, 0, 1, 1}), {.shape = {2, 1}}}, {int64_t{-1}})},
  };
}

}  // namespace

const Operator& take = define({
    .name = "take",
    .doc = "x at integer indices (of any shape; negative ones count from the end) along axis, in whose place the result has the indices' "
           "shape. "
           "axis None: of the flattened tensor. An index out of bounds is an IndexError.",
    .parameters = {any("x"), indices(), axis_or_none()},
    .compose =
        [](const Arguments& a) {
          const Tensor x = tensor_of(a.operands[0]), at = wide(a.operands[1]);
          if (a.attr_is_none(0)) return Tensors{op::gather_rows(op::reshape(x, Dims{-1}), at, 0)};
          return Tensors{op::gather_rows(x, at, int64_t{axis_of(a)})};
        },
    .raises_on_data = check_taken,
    .method = true,
    .samples = {tensors_of({{.shape = {5, 3}}, {.shape = {4}, .values = {0, -1, 2, 2}, .dtype = DType::I64}}, {int64_t{0}}),
                tensors_of({{.shape = {2, 5, 3}}, {.shape = {2, 2}, .values = {4, 0, -5, 1}, .dtype = DType::I32}}, {int64_t{-2}}),
                tensors_of({{.shape = {2, 5}}, {.shape = {3}, .values = {9, 0, 4}, .dtype = DType::U8}}),
                tensors_of({{.shape = {3}}, {.shape = {}, .values = {1}, .dtype = DType::I64}}, {int64_t{0}}),
                tensors_of({{.shape = {3, 0}}, {.shape = {0}, .dtype = DType::I64}}, {int64_t{0}})},
    .reference = "numpy.take(x, indices, axis)",
    .onnx = "Gather",
});

const Operator& take_along_axis = define({
    .name = "take_along_axis",
    .doc = "x at integer indices of its own rank: each position along axis has its own index (torch's gather); the other extents "
           "broadcast. An "
           "index out of bounds is an IndexError.",
    .parameters = {any("x"), indices(), integer("axis", -1)},
    .compose =
        [](const Arguments& a) {
          const Along along = along_axis("take_along_axis", a, true);
          return Tensors{op::gather_along(along.x, along.at, int64_t{along.axis})};
        },
    .raises_on_data = check_along_axis,
    .method = true,
    .samples = {tensors_of({{.shape = {5, 2}}, {.shape = {3, 2}, .values = {0, -1, 2, 2, 0, 4}, .dtype = DType::I64}}, {int64_t{0}}),
                tensors_of({{.shape = {2, 4}}, {.shape = {1, 3}, .values = {3, 3, -4}, .dtype = DType::I32}}),
                tensors_of({{.shape = {1, 4}}, {.shape = {2, 1}, .values = {3, 0}, .dtype = DType::U8}}, {int64_t{1}})},
    .reference = "numpy.take_along_axis(x, indices.astype(numpy.int64), axis)",
    .onnx = "GatherElements",
});

const Operator& index_add = define(
    writes_rows("index_add",
                "x with values added at integer indices along axis: where an index comes more than once, in order. The gradient of take. "
                "An index out of bounds is an IndexError.",
                "add", "(lambda y: (numpy.add.at(y, (slice(None),) * axis + (indices,), values), y)[1])(x.copy())"));
const Operator& index_copy = define(
    writes_rows("index_copy",
                "x with values in place of what take(x, indices, axis) takes: where an index comes more than once, the last one stays. An "
                "index out of bounds is an IndexError.",
                "set", "(lambda y: (y.__setitem__((slice(None),) * axis + (indices,), values), y)[1])(x.copy())"));
const Operator& add_along_axis = define(writes_along(
    "add_along_axis",
    "x with values added where take_along_axis(x, indices, axis) takes (torch's scatter_add): where a position comes more than "
    "once, in order. An index out of bounds is an IndexError.",
    "add"));
const Operator& put_along_axis = define(
    writes_along("put_along_axis",
                 "x with values in place of what take_along_axis(x, indices, axis) takes: where a position comes more than once, the last "
                 "one stays. x itself is left as it is. An index out of bounds is an IndexError.",
                 "set"));

const Operator& bounded_index = define({
    .name = "bounded_index",
    .doc = "Indices into an axis of that extent, counted from the front, int64: negative ones are moved by the extent. One out of bounds "
           "is an "
           "IndexError that names the axis. Indexing with several tensors is made of it.",
    .parameters = {indices(), integer("extent"), integer("axis", 0)},
    .body =
        [](BodyContext& c) {
          const Value at = c.b.cast(c.inputs[0], DType::I64);
          return c.b.select(c.b.lt(at, 0), at + static_cast<double>(std::get<int64_t>(c.attrs[0])), at);
        },
    .result = ResultType::given,
    .type = [](const Arguments& a) { return std::vector<TensorType>{{DType::I64, tensor_of(a.operands[0]).shape()}}; },
    .raises_on_data =
        [](const Arguments& a) { check_indices(tensor_of(a.operands[0]), a.attr<int64_t>(0), static_cast<int>(a.attr<int64_t>(1))); },
    .samples = {tensors_of({{.shape = {4}, .values = {0, -1, 4, -5}, .dtype = DType::I64}}, {int64_t{5}, int64_t{0}}),
                tensors_of({{.shape = {2}, .values = {0, 2}, .dtype = DType::U8}}, {int64_t{3}, int64_t{1}})},
    .reference = "numpy.where(indices < 0, indices + extent, indices).astype(numpy.int64)",
});

const Operator& ravel_multi_index = define({
    .name = "ravel_multi_index",
    .doc = "The positions, int64, in the flattened tensor of a shape of elements whose indices are given: a tensor for each dimension, "
           "broadcast. An index out of bounds is an IndexError.",
    .parameters = {tensors("multi_index"), shape("shape")},
    .compose =
        [](const Arguments& a) {
          const Dims shape = a.attr<Dims>(0);
          if (static_cast<size_t>(shape.size()) != a.operands.size())
            fail(ErrorCode::value, "ravel_multi_index: shape " + to_string(shape) + " wants as many indices as it has dimensions, not " +
                                       std::to_string(a.operands.size()));
          if (shape.empty()) return Tensors{op::full(Dims{}, Operand(0), DType::I64)};
          const Dims strides = contiguous_strides(shape);
          Tensor sum;
          for (int d = 0; d < shape.size(); ++d) {
            const Tensor step = op::multiply(op::bounded_index(index_tensor(a.operands[d]), shape[d], d), strides[d]);
            sum = sum ? op::add(sum, step) : step;
          }
          return Tensors{sum};
        },
    .samples = {tensors_of(
                    {{.shape = {3}, .values = {0, 2, 1}, .dtype = DType::I64}, {.shape = {2, 1}, .values = {3, 0}, .dtype = DType::I32}},
                    {Dims{3, 4}}),
                tensors_of({{.shape = {2}, .values = {4, 0}, .dtype = DType::I64}}, {Dims{5}})},
    .reference = "numpy.ravel_multi_index(tuple(multi_index), shape)",
});

}  // namespace kiln::eager::ops
