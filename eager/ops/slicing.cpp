// Parts of tensors: slices and flips are views; their gradients put the parts back among zeros.
#include "eager/ops/ops.h"

namespace kiln::eager::ops {
namespace {

// Per axis, as Python's slice.indices() gives them; axes beyond the lists are whole.
struct Range {
  int64_t start, step, count;
};
Range range_of(const Dims& shape, const Attrs& attrs, size_t first_attr, int axis) {
  const Dims starts = dims_of(attrs[first_attr]), stops = dims_of(attrs[first_attr + 1]), steps = dims_of(attrs[first_attr + 2]);
  const int64_t extent = shape[axis];
  if (axis >= starts.size()) return {0, 1, extent};
  const int64_t start = starts[axis], stop = stops[axis], step = axis < steps.size() ? steps[axis] : 1;
  if (step == 0) fail(ErrorCode::value, "slice step cannot be zero");
  const int64_t count = step > 0 ? (stop - start + step - 1) / step : (start - stop - step - 1) / -step;
  if (count <= 0) return {0, 1, 0};
  const int64_t last = start + (count - 1) * step;
  if (start < 0 || start >= extent || last < 0 || last >= extent)
    fail(ErrorCode::index, "slice " + std::to_string(start) + ":" + std::to_string(stop) + ":" + std::to_string(step) + " leaves axis " +
                               std::to_string(axis) + " of shape " + to_string(shape));
  return {start, step, count};
}

std::vector<Range> ranges_of(const Dims& shape, const Attrs& attrs, size_t first_attr) {
  const int given = dims_of(attrs[first_attr]).size();
  if (given != dims_of(attrs[first_attr + 1]).size()) fail(ErrorCode::value, "a slice has as many starts as stops");
  if (given > shape.size())
    fail(ErrorCode::index,
         "too many indices: " + std::to_string(given) + " for a tensor of " + std::to_string(shape.size()) + " dimensions");
  std::vector<Range> ranges;
  for (int i = 0; i < shape.size(); ++i) ranges.push_back(range_of(shape, attrs, first_attr, i));
  return ranges;
}

Dims counts(const std::vector<Range>& ranges) {
  Dims d;
  for (const Range& r : ranges) d.push_back(r.count);
  return d;
}

ViewMap sliced(const Tensor& x, const std::vector<Range>& ranges) {
  ViewMap map{.offset = x.offset(), .shape = counts(ranges)};
  for (int i = 0; i < x.rank(); ++i) {
    map.offset += ranges[i].start * x.strides()[i];
    map.strides.push_back(ranges[i].step * x.strides()[i]);
  }
  return map;
}

ViewMap flipped(const Tensor& x, const Dims& axes) {
  ViewMap map{x.offset(), x.shape(), x.strides()};
  for (int64_t a : axes) {
    const int axis = static_cast<int>(a);
    if (x.shape()[axis] == 0) continue;
    map.offset += (x.shape()[axis] - 1) * x.strides()[axis];
    map.strides[axis] = -x.strides()[axis];
  }
  return map;
}

Tensor put_back(const Tensor& part, const Dims& shape, const Attrs& attrs) {
  const std::vector<Range> ranges = ranges_of(shape, attrs, 1);
  if (part.shape() != counts(ranges))
    fail(ErrorCode::value,
         "unslice: a part of shape " + to_string(part.shape()) + " does not fill a slice of shape " + to_string(counts(ranges)));
  if (std::all_of(ranges.begin(), ranges.end(), [](const Range& r) { return r.step == 1; })) {
    Dims before, after;
    for (int i = 0; i < shape.size(); ++i) {
      before.push_back(ranges[i].start);
      after.push_back(shape[i] - ranges[i].start - ranges[i].count);
    }
    return op::pad(part, before, after);
  }
  const Tensor whole = op::full(shape, Operand(0), part.dtype());
  write(op::slice(whole, attrs[1], attrs[2], attrs[3]), part);
  return whole;
}

}  // namespace

const Operator& slice = define({
    .name = "slice",
    .doc = "A view of x[start:stop:step] along its leading axes, each number as slice.indices() gives it (a stop of -1 with a negative "
           "step means "
           "from the first element); axes beyond the lists are whole. Indexing is made of it. Leaving an axis is an IndexError.",
    .parameters = {any("x"), shape("starts"), shape("stops"), ints("steps", {})},
    .view = [](const Arguments& a) { return sliced(a.tensor(0), ranges_of(a.tensor(0).shape(), a.attrs, 0)); },
    .gradient =
        [](GradContext& c) {
          const Attrs& attrs = c.arguments.attrs;
          return Tensors{op::unslice(c.grad(), c.input_types[0].shape, attrs[0], attrs[1], attrs[2])};
        },
    .samples = {shapes({{5, 6}}, {Dims{1, 0}, Dims{4, 6}, Dims{}}), shapes({{5, 6}}, {Dims{4, 5}, Dims{-1, 0}, Dims{-2, -1}}),
                shapes({{5, 6}}, {Dims{2}, Dims{2}, Dims{}}), shapes({{7}}, {Dims{0}, Dims{7}, Dims{3}}),
                shapes({{0, 3}}, {Dims{0}, Dims{0}, Dims{1}})},
    .reference = "x[tuple(slice(a, None if b < 0 else b, c) for a, b, c in zip(starts, stops, steps or (1,) * len(starts)))]",
    .onnx = "Slice",
});

const Operator& unslice = define({
    .name = "unslice",
    .doc = "Zeros of a shape with x at the positions that slice(..., starts, stops, steps) reads: the gradient of slice.",
    .parameters = {any("x"), shape("shape"), shape("starts"), shape("stops"), ints("steps", {})},
    .compose = [](const Arguments& a) { return Tensors{put_back(tensor_of(a.operands[0]), a.attr<Dims>(0), a.attrs)}; },
    .gradient =
        [](GradContext& c) {
          const Attrs& attrs = c.arguments.attrs;
          return Tensors{op::slice(c.grad(), attrs[1], attrs[2], attrs[3])};
        },
    .samples = {shapes({{3, 6}}, {Dims{5, 6}, Dims{1, 0}, Dims{4, 6}, Dims{}}),
                shapes({{3, 5}}, {Dims{5, 6}, Dims{4, 5}, Dims{-1, 0}, Dims{-2, -1}}),
                shapes({{0, 6}}, {Dims{5, 6}, Dims{2}, Dims{2}, Dims{}})},
});

const Operator& flip = define({
    .name = "flip",
    .doc = "A view of x with its elements in reverse order along axis (an int, a tuple, or None for all).",
    .parameters = {any("x"), axes()},
    .view = [](const Arguments& a) { return flipped(a.tensor(0), axes_of(a.attrs[0], a.tensor(0).rank())); },
    .gradient = [](GradContext& c) { return Tensors{op::flip(c.grad(), c.arguments.attrs[0])}; },
    .method = true,
    .samples = {shapes({{3, 5}}), shapes({{3, 5}}, {Dims{-1}}), shapes({{2, 0}}), shapes({{}})},
    .reference = "numpy.flip(x, axis)",
});

}  // namespace kiln::eager::ops
