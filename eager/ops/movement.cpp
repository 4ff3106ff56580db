// Putting tensors together and around each other: pad, join, concat, stack. Each is one kernel of masked loads.
#include "eager/lowering.h"
#include "eager/ops/ops.h"

namespace kiln::eager::ops {
namespace {

// Operand elements at the iteration's index minus `offset`.
IndexMap shifted(const Dims& offset) {
  IndexMap map = IndexMap::identity(offset.size());
  for (int i = 0; i < offset.size(); ++i) map.base[i] = -offset[i];
  return map;
}

Value within(AffineContext& c, int axis, int64_t begin, int64_t end) {
  return c.b().bit_and(c.b().ge(c.index(axis), static_cast<double>(begin)), c.b().lt(c.index(axis), static_cast<double>(end)));
}

std::vector<TensorType> padded(const Arguments& a) {
  const Tensor& x = a.tensor(0);
  const Dims before = dims_of(a.attrs[0]), after = dims_of(a.attrs[1]);
  if (before.size() != x.rank() || after.size() != x.rank())
    fail(ErrorCode::value,
         "pad: " + to_string(before) + " before and " + to_string(after) + " after do not fit shape " + to_string(x.shape()));
  Dims shape = x.shape();
  for (int i = 0; i < x.rank(); ++i) {
    if (before[i] < 0 || after[i] < 0) fail(ErrorCode::value, "pad: a negative width; slice cuts");
    shape[i] += before[i] + after[i];
  }
  return {{x.dtype(), shape}};
}

void pad_kernel(AffineContext& c) {
  const Dims before = dims_of(c.attrs()[0]), after = dims_of(c.attrs()[1]);
  const Dims& inside = c.inputs()[0].type.shape;
  c.iterate(c.outputs()[0].shape);
  const DType dtype = c.outputs()[0].dtype;
  const Value number = c.b().constant_bits(real_of(dtype), scalar_of(c.attrs()[2]).bits_as(real_of(dtype)));  // as astype converts it
  const Value value = c.b().cast(number, dtype);
  Value mask;
  for (int i = 0; i < inside.size(); ++i) {
    if (before[i] == 0 && after[i] == 0) continue;
    const Value here = within(c, i, before[i], before[i] + inside[i]);
    mask = mask ? c.b().bit_and(mask, here) : here;
  }
  const IndexMap at = shifted(before);
  c.store(0, IndexMap::identity(inside.size()), mask ? c.load(0, at, mask, value) : c.load(0, at));
}

Dims joined_shape(const Arguments& a, int axis) {
  Dims shape = a.tensor(0).shape();
  for (size_t i = 1; i < a.operands.size(); ++i) {
    const Dims& other = a.tensor(static_cast<int>(i)).shape();
    bool fits = other.size() == shape.size();
    for (int d = 0; fits && d < shape.size(); ++d) fits = d == axis || other[d] == shape[d];
    if (!fits)
      fail(ErrorCode::value,
           "shapes " + to_string(a.tensor(0).shape()) + " and " + to_string(other) + " do not join along axis " + std::to_string(axis));
    shape[axis] += other[axis];
  }
  return shape;
}

void join_kernel(AffineContext& c) {
  const Dims& shape = c.outputs()[0].shape;
  const int axis = static_cast<int>(std::get<int64_t>(c.attrs()[0]));
  c.iterate(shape);
  Value element;
  int64_t begin = 0;
  for (int i = 0; i < static_cast<int>(c.inputs().size()); ++i) {
    const int64_t end = begin + c.inputs()[i].type.shape[axis];
    Dims offset = Dims::filled(shape.size(), 0);
    offset[axis] = begin;
    const Value mask = within(c, axis, begin, end);
    element = element ? c.load(i, shifted(offset), mask, element) : c.load(i, shifted(offset), mask, 0);
    begin = end;
  }
  c.store(0, IndexMap::identity(shape.size()), element);
}

Tensor join_all(std::vector<Tensor> parts, int axis) {
  constexpr size_t kMostAtOnce = 8;  // a kernel tests every part for each element
  while (parts.size() > 1) {
    std::vector<Tensor> wider;
    for (size_t i = 0; i < parts.size(); i += kMostAtOnce) {
      const std::vector<Operand> group(parts.begin() + i, parts.begin() + std::min(i + kMostAtOnce, parts.size()));
      Tensor& result = wider.emplace_back(group[0].tensor);
      if (group.size() > 1) call(op::join.definition(), group, {int64_t{axis}}, &result);
    }
    parts = std::move(wider);
  }
  return parts[0];
}

// The operands in one dtype.
std::vector<Tensor> promoted(const Arguments& a) {
  if (a.operands.empty()) fail(ErrorCode::value, "at least one tensor is needed");
  DType common = a.tensor(0).dtype();
  for (const Operand& o : a.operands) common = promote(common, o.tensor.dtype());
  std::vector<Tensor> parts;
  for (const Operand& o : a.operands) parts.push_back(as(o.tensor, common));
  return parts;
}

Tensor concatenated(const Arguments& a) {
  std::vector<Tensor> parts = promoted(a);
  if (a.attr_is_none(0)) {
    for (Tensor& x : parts) x = op::reshape(x, Dims{x.numel()});
    return parts.size() == 1 ? op::copy(parts[0]) : join_all(std::move(parts), 0);
  }
  if (parts[0].rank() == 0) fail(ErrorCode::value, "0-d tensors have no axis to join along; stack gives them one");
  const int axis = normalize_axis(a.attr<int64_t>(0), parts[0].rank());
  joined_shape(a, axis);  // all shapes are checked before anything runs
  return parts.size() == 1 ? op::copy(parts[0]) : join_all(std::move(parts), axis);
}

Tensor stacked(const Arguments& a) {
  std::vector<Tensor> parts = promoted(a);
  for (const Tensor& x : parts)
    if (x.shape() != parts[0].shape())
      fail(ErrorCode::value, "stack: shapes " + to_string(parts[0].shape()) + " and " + to_string(x.shape()) + " differ");
  const int axis = normalize_axis(a.attr<int64_t>(0), parts[0].rank() + 1);
  for (Tensor& x : parts) x = op::expand_dims(x, Dims{axis});
  return parts.size() == 1 ? op::copy(parts[0]) : join_all(std::move(parts), axis);
}

}  // namespace

const Operator& pad = define({
    .name = "pad",
    .doc = "x with before[i] and after[i] elements of `value` around axis i.",
    .parameters = {any("x"), shape("before"), shape("after"), number("value", int64_t{0})},
    .affine = pad_kernel,
    .type = padded,
    .gradient =
        [](GradContext& c) {
          const Dims starts = dims_of(c.arguments.attrs[0]);
          Dims stops = c.input_types[0].shape;
          for (int i = 0; i < stops.size(); ++i) stops[i] += starts[i];
          return Tensors{op::slice(c.grad(), starts, stops)};
        },
    .samples = {shapes({{3, 5}}, {Dims{1, 0}, Dims{2, 3}, 1.5}), shapes({{3}}, {Dims{0}, Dims{0}, int64_t{0}}),
                shapes({{0, 2}}, {Dims{1, 1}, Dims{0, 1}, int64_t{7}}), shapes({{2, 2, 2}}, {Dims{0, 1, 2}, Dims{1, 0, 0}, int64_t{-1}})},
    .reference = "numpy.pad(x, tuple(zip(before, after)), constant_values=value)",
    .onnx = "Pad",
});

const Operator& join = define({
    .name = "join",
    .doc = "Tensors of one dtype end to end along axis, counted from the front: what concat is made of.",
    .parameters = {tensors("arrays"), integer("axis")},
    .affine = join_kernel,
    .type =
        [](const Arguments& a) {
          if (a.operands.empty()) fail(ErrorCode::value, "at least one tensor is needed");
          const int64_t axis = a.attr<int64_t>(0);
          if (axis < 0) fail(ErrorCode::index, "join counts its axis from the front, concat also from the back: " + std::to_string(axis));
          normalize_axis(axis, a.tensor(0).rank());  // throws unless it is one
          for (const Operand& o : a.operands)
            if (o.tensor.dtype() != a.tensor(0).dtype()) fail(ErrorCode::type, "join takes tensors of one dtype; concat converts");
          return std::vector<TensorType>{{a.tensor(0).dtype(), joined_shape(a, static_cast<int>(a.attr<int64_t>(0)))}};
        },
    .gradient =
        [](GradContext& c) {
          const int axis = static_cast<int>(c.arguments.attr<int64_t>(0));
          Tensors parts;
          int64_t begin = 0;
          for (size_t i = 0; i < c.input_types.size(); ++i) {
            Dims starts = Dims::filled(axis + 1, 0);
            Dims stops(c.grad().shape().begin(), c.grad().shape().begin() + axis + 1);
            starts[axis] = begin;
            stops[axis] = begin += c.input_types[i].shape[axis];
            parts.push_back(c.needed[i] ? op::slice(c.grad(), starts, stops) : Tensor());
          }
          return parts;
        },
    .samples = {shapes({{2, 3}, {4, 3}}, {int64_t{0}}), shapes({{2, 3}, {2, 1}, {2, 4}}, {int64_t{1}}),
                shapes({{0, 3}, {2, 3}}, {int64_t{0}})},
    .reference = "numpy.concatenate(arrays, axis)",
    .onnx = "Concat",
});

const Operator& concat = define({
    .name = "concat",
    .doc = "Tensors end to end along axis (None: flattened first), in their common dtype. Their other extents must agree.",
    .parameters = {tensors("arrays"), integer("axis", 0)},
    .compose = [](const Arguments& a) { return Tensors{concatenated(a)}; },
    .aliases = {"cat"},
    .samples = {shapes({{2, 3}, {4, 3}}), shapes({{2, 3}, {2, 1}, {2, 4}}, {int64_t{-1}}), shapes({{0, 3}, {2, 3}}),
                shapes({{1}, {2}, {1}, {3}, {1}, {2}, {1}, {1}, {2}, {1}})},
    .reference = "numpy.concatenate(arrays, axis)",
    .onnx = "Concat",
});

const Operator& stack = define({
    .name = "stack",
    .doc = "Tensors of one shape along a new axis, in their common dtype.",
    .parameters = {tensors("arrays"), integer("axis", 0)},
    .compose = [](const Arguments& a) { return Tensors{stacked(a)}; },
    .samples = {shapes({{2, 3}, {2, 3}}), shapes({{2, 3}, {2, 3}, {2, 3}}, {int64_t{-1}}), shapes({{}, {}}), shapes({{0}, {0}})},
    .reference = "numpy.stack(arrays, axis)",
});

}  // namespace kiln::eager::ops
