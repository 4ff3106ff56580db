// Views: other shapes and strides over the same elements, at no cost. A write through a view is seen through all.
#include "eager/ops/ops.h"

namespace kiln::eager::ops {
namespace {

// The strides that read `shape` from elements laid out as `own` with `strides`; nullopt where no strides do.
// Axes of one element have any stride, so runs of the others are matched: each run of old axes must be evenly spaced.
std::optional<Dims> view_strides(const Dims& own, const Dims& strides, const Dims& shape) {
  if (product(own) == 0) return contiguous_strides(shape);
  Dims result = Dims::filled(shape.size(), 1);
  int to = shape.size() - 1;
  for (int from = own.size() - 1; from >= 0;) {
    if (own[from] == 1) {
      --from;
      continue;
    }
    const int64_t inner = strides[from];
    int64_t run = own[from--];
    while (from >= 0 && (own[from] == 1 || strides[from] == inner * run)) run *= own[from--];
    int64_t covered = 1;
    while (to >= 0 && (covered < run || shape[to] == 1)) {
      result[to] = inner * covered;
      covered *= shape[to--];
    }
    if (covered != run) return std::nullopt;
  }
  return result;
}

// -1 stands for what the other extents leave.
Dims resolve_shape(const Dims& own, Dims wanted) {
  const auto mismatch = [&] {
    fail(ErrorCode::value, "cannot reshape a tensor of shape " + to_string(own) + " into shape " + to_string(wanted));
  };
  const int64_t total = product(own);
  int unknown = -1;
  int64_t known = 1;
  for (int i = 0; i < wanted.size(); ++i) {
    if (wanted[i] == -1) {
      if (unknown >= 0) fail(ErrorCode::value, "only one dimension of shape " + to_string(wanted) + " can be -1");
      unknown = i;
    } else {
      if (wanted[i] < 0) mismatch();
      known *= wanted[i];
    }
  }
  if (unknown < 0) {
    if (known != total) mismatch();
    return wanted;
  }
  if (known == 0 || total % known != 0) mismatch();
  wanted[unknown] = total / known;
  return wanted;
}

Tensors reshape_back(GradContext& c) { return {op::reshape(c.grad(), c.input_types[0].shape)}; }

ViewMap view_of(const Tensor& x) { return {x.offset(), x.shape(), x.strides()}; }

Dims permutation(const Attr& attr, int rank) {
  const Dims given = dims_of(attr);
  Dims order;
  for (int64_t a : given) {
    const int axis = normalize_axis(a, rank);
    if (order.contains(axis)) fail(ErrorCode::value, "axis " + std::to_string(axis) + " is given twice in " + to_string(given));
    order.push_back(axis);
  }
  if (order.size() != rank) fail(ErrorCode::value, "axes " + to_string(given) + " do not permute " + std::to_string(rank) + " dimensions");
  return order;
}

// The axis of x that each axis of moveaxis' result is.
Dims moved_axes(const Attr& source, const Attr& destination, int rank) {
  const Dims given = dims_of(source), places = dims_of(destination);
  if (given.size() != places.size())
    fail(ErrorCode::value, "moveaxis: source " + to_string(given) + " and destination " + to_string(places) + " are not equally many axes");
  axes_of(Attr(given), rank), axes_of(Attr(places), rank);  // throw where one is named twice
  Dims order = Dims::filled(rank, -1), taken;
  for (int i = 0; i < given.size(); ++i) {
    taken.push_back(normalize_axis(given[i], rank));
    order[normalize_axis(places[i], rank)] = taken.back();
  }
  for (int64_t axis = 0, at = 0; axis < rank; ++axis) {
    if (taken.contains(axis)) continue;
    while (order[static_cast<int>(at)] >= 0) ++at;
    order[static_cast<int>(at)] = axis;
  }
  return order;
}

ViewMap swapped(const Tensor& x, int a, int b) {
  ViewMap map = view_of(x);
  std::swap(map.shape[a], map.shape[b]);
  std::swap(map.strides[a], map.strides[b]);
  return map;
}

ViewMap transposed(const Tensor& x) {
  if (x.rank() < 2) fail(ErrorCode::value, "a matrix has at least 2 dimensions, this tensor's shape is " + to_string(x.shape()));
  return swapped(x, x.rank() - 2, x.rank() - 1);
}

// Axes of the result at which extents of 1 appear.
Dims inserted_axes(const Attr& attr, int rank) {
  const Dims given = dims_of(attr);
  return axes_of(Attr(given), rank + given.size());
}

ViewMap squeezed(const Tensor& x, const Attr& attr) {
  const bool all = std::holds_alternative<std::monostate>(attr);
  const Dims axes = axes_of(attr, x.rank());
  ViewMap map{.offset = x.offset()};
  for (int i = 0; i < x.rank(); ++i) {
    if (axes.contains(i)) {
      if (x.shape()[i] == 1) continue;
      if (!all)
        fail(ErrorCode::value, "cannot squeeze axis " + std::to_string(i) + " of shape " + to_string(x.shape()) + ": its extent is not 1");
    }
    map.shape.push_back(x.shape()[i]);
    map.strides.push_back(x.strides()[i]);
  }
  return map;
}

ViewMap expanded(const Tensor& x, Dims shape) {
  const int added = shape.size() - x.rank();
  const auto mismatch = [&] { fail(ErrorCode::value, "shape " + to_string(x.shape()) + " does not broadcast to " + to_string(shape)); };
  if (added < 0) mismatch();
  ViewMap map{.offset = x.offset()};
  for (int i = 0; i < shape.size(); ++i) {
    const int64_t own = i < added ? 1 : x.shape()[i - added];
    if (shape[i] == -1 && i >= added) shape[i] = own;
    if (shape[i] < 0 || (own != shape[i] && own != 1)) mismatch();
    map.shape.push_back(shape[i]);
    map.strides.push_back(own == 1 ? 0 : x.strides()[i - added]);
  }
  return map;
}

}  // namespace

const Operator& view = define({
    .name = "view",
    .doc = "x's elements under another shape of the same size (-1: what is left), in the same memory; a ValueError where strides cannot "
           "say that.",
    .parameters = {any("x"), shape("shape")},
    .view =
        [](const Arguments& a) {
          const Tensor& x = a.tensor(0);
          const Dims shape = resolve_shape(x.shape(), a.attr<Dims>(0));
          const std::optional<Dims> strides = view_strides(x.shape(), x.strides(), shape);
          if (!strides)
            fail(ErrorCode::value, "no view of shape " + to_string(shape) + " reads shape " + to_string(x.shape()) + " with strides " +
                                       to_string(x.strides()) + " in order; reshape copies where it must");
          return ViewMap{x.offset(), shape, *strides};
        },
    .gradient = reshape_back,
    .method = true,
    .samples = {shapes({{2, 6}}, {Dims{3, -1}}), shapes({{4}}, {Dims{2, 1, 2}}), shapes({{}}, {Dims{1, 1}}),
                shapes({{0, 3}}, {Dims{3, 0}})},
    .reference = "numpy.reshape(x, shape)",
    .onnx = "Reshape",
});

const Operator& reshape = define({
    .name = "reshape",
    .doc = "x's elements, in row-major order, under another shape of the same size (-1: what is left): a view where strides can say it, "
           "else a copy.",
    .parameters = {any("x"), shape("shape")},
    .compose =
        [](const Arguments& a) {
          const Tensor x = tensor_of(a.operands[0]);
          const Dims shape = resolve_shape(x.shape(), a.attr<Dims>(0));
          return Tensors{op::view(view_strides(x.shape(), x.strides(), shape) ? x : op::copy(x), shape)};
        },
    .method = true,
    .samples = {shapes({{2, 6}}, {Dims{3, -1}}), shapes({{4}}, {Dims{2, 1, 2}}), shapes({{}}, {Dims{1}}), shapes({{0, 3}}, {Dims{3, 0}})},
    .reference = "numpy.reshape(x, shape)",
    .onnx = "Reshape",
});

const Operator& flatten = define({
    .name = "flatten",
    .doc = "The axes from start_dim to end_dim (both included) joined into one: a view where strides can say it, else a copy.",
    .parameters = {any("x"), integer("start_dim", 0), integer("end_dim", -1)},
    .compose =
        [](const Arguments& a) {
          const Tensor x = tensor_of(a.operands[0]);
          if (x.rank() == 0) return Tensors{op::reshape(x, Dims{1})};
          const int first = normalize_axis(a.attr<int64_t>(0), x.rank(), "start_dim"),
                    last = normalize_axis(a.attr<int64_t>(1), x.rank(), "end_dim");
          if (first > last) fail(ErrorCode::value, "start_dim " + std::to_string(first) + " comes after end_dim " + std::to_string(last));
          Dims shape(x.shape().begin(), x.shape().begin() + first);
          shape.push_back(product(Dims(x.shape().begin() + first, x.shape().begin() + last + 1)));
          for (int i = last + 1; i < x.rank(); ++i) shape.push_back(x.shape()[i]);
          return Tensors{op::reshape(x, shape)};
        },
    .method = true,
    .samples = {shapes({{2, 3, 5}}), shapes({{2, 3, 5, 2}}, {int64_t{1}, int64_t{-2}}), shapes({{}}),
                shapes({{2, 0, 3}}, {int64_t{1}, int64_t{-1}})},
    .reference =
        "x.reshape(x.shape[:start_dim % max(x.ndim, 1)] + (-1 if x.size else int(numpy.prod(x.shape[start_dim % max(x.ndim, 1):end_dim % "
        "max(x.ndim, 1) + 1])),) + x.shape[end_dim % max(x.ndim, 1) + 1:])",
});

const Operator& permute_dims = define({
    .name = "permute_dims",
    .doc = "A view of x with its axes in the order given: axis i of the result is axis axes[i] of x.",
    .parameters = {any("x"),
                   [] {
                     Parameter p = shape("axes");
                     p.alias = "dims";
                     return p;
                   }()},
    .view =
        [](const Arguments& a) {
          const Tensor& x = a.tensor(0);
          ViewMap map{.offset = x.offset()};
          for (int64_t axis : permutation(a.attrs[0], x.rank())) {
            map.shape.push_back(x.shape()[static_cast<int>(axis)]);
            map.strides.push_back(x.strides()[static_cast<int>(axis)]);
          }
          return map;
        },
    .gradient =
        [](GradContext& c) {
          const Dims order = permutation(c.arguments.attrs[0], c.input_types[0].shape.size());
          Dims inverse = order;
          for (int i = 0; i < order.size(); ++i) inverse[static_cast<int>(order[i])] = i;
          return Tensors{op::permute_dims(c.grad(), inverse)};
        },
    .aliases = {"permute"},
    .method = true,
    .samples = {shapes({{2, 3, 5}}, {Dims{2, 0, -2}}), shapes({{3, 4}}, {Dims{1, 0}}), shapes({{}}, {Dims{}}),
                shapes({{0, 3}}, {Dims{1, 0}})},
    .reference = "numpy.transpose(x, axes)",
    .onnx = "Transpose",
});

const Operator& matrix_transpose = define({
    .name = "matrix_transpose",
    .doc = "A view of x with its last two axes swapped.",
    .parameters = {any("x")},
    .view = [](const Arguments& a) { return transposed(a.tensor(0)); },
    .gradient = [](GradContext& c) { return Tensors{op::matrix_transpose(c.grad())}; },
    .method = true,
    .samples = {shapes({{3, 5}}), shapes({{2, 3, 5}}), shapes({{0, 3}})},
    .reference = "numpy.swapaxes(x, -1, -2)",
    .onnx = "Transpose",
});

const Operator& swapaxes = define({
    .name = "swapaxes",
    .doc = "A view of x with two axes swapped.",
    .parameters = {any("x"), integer("axis1"), integer("axis2")},
    .view =
        [](const Arguments& a) {
          const Tensor& x = a.tensor(0);
          return swapped(x, normalize_axis(a.attr<int64_t>(0), x.rank(), "axis1"), normalize_axis(a.attr<int64_t>(1), x.rank(), "axis2"));
        },
    .gradient = [](GradContext& c) { return Tensors{op::swapaxes(c.grad(), c.arguments.attrs[0], c.arguments.attrs[1])}; },
    .method = true,
    .samples = {shapes({{2, 3, 5}}, {int64_t{0}, int64_t{-1}}), shapes({{3, 5}}, {int64_t{1}, int64_t{1}})},
    .reference = "numpy.swapaxes(x, axis1, axis2)",
    .onnx = "Transpose",
});

const Operator& moveaxis = define({
    .name = "moveaxis",
    .doc = "A view of x with the axes in source at the places in destination; the others keep their order.",
    .parameters = {any("x"), shape("source"), shape("destination")},
    .view =
        [](const Arguments& a) {
          const Tensor& x = a.tensor(0);
          const Dims order = moved_axes(a.attrs[0], a.attrs[1], x.rank());
          ViewMap map{.offset = x.offset()};
          for (int64_t axis : order) {
            map.shape.push_back(x.shape()[static_cast<int>(axis)]);
            map.strides.push_back(x.strides()[static_cast<int>(axis)]);
          }
          return map;
        },
    .gradient = [](GradContext& c) { return Tensors{op::moveaxis(c.grad(), c.arguments.attrs[1], c.arguments.attrs[0])}; },
    .aliases = {"movedim"},
    .method = true,
    .samples = {shapes({{2, 3, 5}}, {Dims{0}, Dims{-1}}), shapes({{2, 3, 5, 4}}, {Dims{3, 0}, Dims{0, 2}}),
                shapes({{3}}, {Dims{0}, Dims{0}}), shapes({{0, 3}}, {Dims{1}, Dims{0}})},
    .reference = "numpy.moveaxis(x, source, destination)",
    .onnx = "Transpose",
});

const Operator& expand_dims = define({
    .name = "expand_dims",
    .doc = "A view of x with axes of extent 1 inserted; axis (an int or a tuple) counts in the result.",
    .parameters = {any("x"), ints("axis", {0})},
    .view =
        [](const Arguments& a) {
          const Tensor& x = a.tensor(0);
          ViewMap map = view_of(x);
          for (int64_t axis : inserted_axes(a.attrs[0], x.rank())) {
            map.shape.insert(static_cast<int>(axis), 1);
            map.strides.insert(static_cast<int>(axis), 0);
          }
          return map;
        },
    .gradient = [](GradContext& c) { return Tensors{op::squeeze(c.grad(), c.arguments.attrs[0])}; },
    .aliases = {"unsqueeze"},
    .method = true,
    .samples = {shapes({{3, 5}}), shapes({{3, 5}}, {Dims{1}}), shapes({{3, 5}}, {Dims{0, -1}}), shapes({{}}, {Dims{0}}),
                shapes({{0}}, {Dims{1}})},
    .reference = "numpy.expand_dims(x, axis)",
    .onnx = "Unsqueeze",
});

const Operator& squeeze = define({
    .name = "squeeze",
    .doc = "A view of x without axes of extent 1: those in axis (a ValueError if one is longer), or all for None.",
    .parameters = {any("x"), axes()},
    .view = [](const Arguments& a) { return squeezed(a.tensor(0), a.attrs[0]); },
    .gradient = reshape_back,
    .method = true,
    .samples = {shapes({{1, 3, 1}}), shapes({{1, 3, 1}}, {Dims{-1}}), shapes({{1, 1}}, {Dims{0, 1}}), shapes({{1, 0}}, {Dims{0}})},
    .reference = "numpy.squeeze(x, axis)",
    .onnx = "Squeeze",
});

const Operator& broadcast_to = define({
    .name = "broadcast_to",
    .doc = "A view of x repeated along new leading axes and axes of extent 1 (-1 keeps an extent). All repeats are the same memory.",
    .parameters = {any("x"), shape("shape")},
    .view = [](const Arguments& a) { return expanded(a.tensor(0), a.attr<Dims>(0)); },
    .gradient = [](GradContext& c) { return Tensors{c.grad()}; },
    .aliases = {"expand"},
    .method = true,
    .samples = {shapes({{3, 1}}, {Dims{2, 3, 5}}), shapes({{}}, {Dims{4}}), shapes({{1}}, {Dims{0}}), shapes({{3, 5}}, {Dims{3, 5}})},
    .reference = "numpy.broadcast_to(x, shape)",
    .onnx = "Expand",
});

}  // namespace kiln::eager::ops
