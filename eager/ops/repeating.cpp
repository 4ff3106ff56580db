// The same elements moved around or more than once: roll, tile, repeat, differences of neighbours; triangles of matrices.
#include "eager/ops/ops.h"

namespace kiln::eager::ops {
namespace {

Tensor rolled(const Tensor& x, int64_t shift, int axis) {
  const int64_t n = x.shape()[axis];
  if (n == 0) return x;
  const int64_t by = (shift % n + n) % n;
  if (by == 0) return x;
  const Operand parts[] = {part_of(x, axis, n - by, n), part_of(x, axis, 0, n - by)};
  Tensor result;
  call(op::join.definition(), parts, {int64_t{axis}}, &result);
  return result;
}

Tensor roll_all(const Arguments& a) {
  const Tensor x = tensor_of(a.operands[0]);
  const Dims shifts = dims_of(a.attrs[0]);
  Tensor y = x;
  if (a.attr_is_none(1)) {
    if (shifts.size() != 1) fail(ErrorCode::value, "roll: several shifts want as many axes");
    y = op::reshape(rolled(op::reshape(x, Dims{-1}), shifts[0], 0), x.shape());
  } else {
    const Dims axes = dims_of(a.attrs[1]);
    if (shifts.size() != axes.size() && shifts.size() != 1)
      fail(ErrorCode::value, "roll: shifts " + to_string(shifts) + " and axes " + to_string(axes) + " are not equally many");
    for (int i = 0; i < axes.size(); ++i) y = rolled(y, shifts[shifts.size() == 1 ? 0 : i], normalize_axis(axes[i], x.rank()));
  }
  return op::copy(y);
}

// Each slice across the axis n times in a row (spread), or the whole n times end to end.
Tensor multiplied(const Tensor& x, int axis, int64_t n, bool spread) {
  const int at = spread ? axis + 1 : axis;
  Dims wide = x.shape(), result = x.shape();
  wide.insert(at, n);
  result[axis] *= n;
  return op::reshape(op::broadcast_to(op::expand_dims(x, Dims{at}), wide), result);
}

void check_count(const char* name, int64_t n) {
  if (n < 0) fail(ErrorCode::value, std::string(name) + ": counts are not negative, this is " + std::to_string(n));
}

Tensor repeated(const Arguments& a) {
  Tensor x = tensor_of(a.operands[0]);
  if (a.attr_is_none(0)) x = op::reshape(x, Dims{x.numel()});
  const int axis = a.attr_is_none(0) ? 0 : normalize_axis(a.attr<int64_t>(0), x.rank());
  if (a.operands[1].is_scalar()) {
    if (a.operands[1].scalar.kind == DTypeKind::floating) fail(ErrorCode::type, "repeat: repeats is an integer or a tensor of integers");
    check_count("repeat", a.operands[1].scalar.i);
    return multiplied(x, axis, a.operands[1].scalar.i, true);
  }
  const Tensor& repeats = a.tensor(1);
  if (!is_integer(repeats.dtype())) fail(ErrorCode::type, "repeat: repeats is an integer or a tensor of integers");
  if (repeats.rank() > 1 || (repeats.rank() == 1 && repeats.shape()[0] != 1 && repeats.shape()[0] != x.shape()[axis]))
    fail(ErrorCode::value, "repeat: repeats of shape " + to_string(repeats.shape()) + " are not one number, or one for each of the " +
                               std::to_string(x.shape()[axis]) + " elements of axis " + std::to_string(axis));
  const std::vector<int64_t> counts = counts_of(repeats);
  int64_t total = 0;
  for (int64_t n : counts) {
    check_count("repeat", n);
    total += n;
  }
  if (counts.size() == 1) return multiplied(x, axis, counts[0], true);
  const Tensor at = Tensor::empty({total}, DType::I64);
  auto* to = reinterpret_cast<int64_t*>(at.storage().data_for_write());
  for (size_t i = 0; i < counts.size(); ++i) to = std::fill_n(to, counts[i], static_cast<int64_t>(i));
  return op::gather_rows(x, at, int64_t{axis});
}

// x[1:] - x[:-1], of bools x[1:] != x[:-1].
Tensor difference(const Tensor& x, int axis) {
  const int64_t n = x.shape()[axis];
  const Tensor later = part_of(x, axis, std::min<int64_t>(1, n), n), earlier = part_of(x, axis, 0, std::max<int64_t>(0, n - 1));
  return x.dtype() == DType::Bool ? op::not_equal(later, earlier) : op::subtract(later, earlier);
}

Operator triangle_of(std::string_view name, std::string_view doc, bool lower, std::string_view reference) {
  return {
      .name = name,
      .doc = doc,
      .parameters = {any("x"),
                     [] {
                       Parameter p = integer("k", 0);
                       p.alias = "diagonal";
                       return p;
                     }()},
      .body =
          [lower](BodyContext& c) {
            const int rank = c.outputs[0].shape.size();
            const Value past = c.index(rank - 1) - c.index(rank - 2) - static_cast<double>(std::get<int64_t>(c.attrs[0]));
            return c.b.select(lower ? c.b.le(past, 0) : c.b.ge(past, 0), c.inputs[0], 0);
          },
      .result = ResultType::given,
      .type =
          [](const Arguments& a) {
            const Tensor x = tensor_of(a.operands[0]);
            if (x.rank() < 2) fail(ErrorCode::value, "a matrix has at least 2 dimensions, this tensor's shape is " + to_string(x.shape()));
            return std::vector<TensorType>{{x.dtype(), x.shape()}};
          },
      .gradient = [lower](GradContext& c) { return Tensors{(lower ? op::tril : op::triu)(c.grad(), c.arguments.attrs[0])}; },
      .method = true,
      .samples = {shapes({{5, 7}}), shapes({{2, 4, 3}}, {int64_t{-1}}), shapes({{3, 37}}, {int64_t{2}}), shapes({{0, 3}})},
      .reference = reference,
      .onnx = "Trilu",
  };
}

}  // namespace

const Operator& roll = define({
    .name = "roll",
    .doc = "x with its elements moved by shift along axis; those that leave at the end come back in front. Tuples move several axes; axis "
           "None "
           "moves the flattened tensor.",
    .parameters = {any("x"),
                   [] {
                     Parameter p = shape("shift");
                     p.alias = "shifts";
                     return p;
                   }(),
                   axes()},
    .compose = [](const Arguments& a) { return Tensors{roll_all(a)}; },
    .method = true,
    .samples = {shapes({{3, 5}}, {Dims{2}, std::monostate()}), shapes({{3, 5}}, {Dims{-7}, int64_t{1}}),
                shapes({{3, 5}}, {Dims{1, 2}, Dims{0, -1}}), shapes({{0, 3}}, {Dims{1}, int64_t{0}}), shapes({{4}}, {Dims{0}, int64_t{0}})},
    .reference = "numpy.roll(x, shift if axis is None or len(shift) > 1 else shift[0], axis)",
});

const Operator& tile = define({
    .name = "tile",
    .doc = "x repeated as a whole, repetitions[i] times along axis i; the shorter of shape and repetitions is filled up with ones in front "
           "(torch's repeat).",
    .parameters = {any("x"),
                   [] {
                     Parameter p = shape("repetitions");
                     p.alias = "dims";
                     return p;
                   }()},
    .compose =
        [](const Arguments& a) {
          const Tensor given = tensor_of(a.operands[0]);
          Dims counts = dims_of(a.attrs[0]), own = given.shape();
          for (int64_t n : counts) check_count("tile", n);
          while (counts.size() < own.size()) counts.insert(0, 1);
          while (own.size() < counts.size()) own.insert(0, 1);
          Tensor y = op::reshape(given, own);
          for (int axis = 0; axis < counts.size(); ++axis)
            if (counts[axis] != 1) y = multiplied(y, axis, counts[axis], false);
          return Tensors{op::copy(y)};
        },
    .method = true,
    .samples = {shapes({{3, 5}}, {Dims{2, 3}}), shapes({{5}}, {Dims{2, 2}}), shapes({{2, 3}}, {Dims{4}}), shapes({{}}, {Dims{3}}),
                shapes({{3}}, {Dims{0}}), shapes({{2, 3}}, {Dims{}})},
    .reference = "numpy.tile(x, repetitions)",
    .onnx = "Tile",
});

const Operator& repeat = define({
    .name = "repeat",
    .doc = "Each element of x (each slice across axis) repeats times in a row: an integer, or a tensor with a number for each. axis None: "
           "of the "
           "flattened tensor. (What torch calls x.repeat is tile.)",
    .parameters = {any("x"), unpromoted(any("repeats")), axis_or_none()},
    .compose = [](const Arguments& a) { return Tensors{repeated(a)}; },
    .samples =
        [] {
          std::vector<Sample> samples{shapes({{3, 5}}, {int64_t{1}}), shapes({{2, 3}}), shapes({{2, 3}}, {int64_t{-2}}), shapes({{0}})};
          for (Sample& s : samples) s.operands.emplace_back(Scalar(3));
          samples.push_back(tensors_of({{.shape = {3, 2}}, {.shape = {3}, .values = {2, 0, 1}, .dtype = DType::I64}}, {int64_t{0}}));
          samples.push_back(tensors_of({{.shape = {4}}, {.shape = {1}, .values = {2}, .dtype = DType::I32}}));
          return samples;
        }(),
    .reference = "numpy.repeat(x, repeats, axis)",
});

const Operator& diff = define({
    .name = "diff",
    .doc = "The n-th difference of neighbours along axis: x[1:] - x[:-1], n times; of bools, where they differ. prepend and append are put "
           "before "
           "and after x first; along axis they have any extent.",
    .parameters = {any("x"), integer("axis", -1), integer("n", 1), optional(any("prepend")), optional(any("append"))},
    .compose =
        [](const Arguments& a) {
          Tensor x = tensor_of(a.operands[0]);
          const int axis = normalize_axis(a.attr<int64_t>(0), x.rank());
          const int64_t n = a.attr<int64_t>(1);
          check_count("diff", n);
          std::vector<Operand> parts;
          if (a.operands[1].present) parts.emplace_back(tensor_of(a.operands[1]));
          parts.emplace_back(x);
          if (a.operands[2].present) parts.emplace_back(tensor_of(a.operands[2]));
          if (parts.size() > 1) call(op::concat.definition(), parts, {int64_t{axis}}, &x);
          for (int64_t i = 0; i < n; ++i) x = difference(x, axis);
          return Tensors{n == 0 ? op::copy(x) : x};
        },
    .method = true,
    .samples = {shapes({{3, 7}}), shapes({{7, 3}}, {int64_t{0}, int64_t{2}}), shapes({{3, 7}, {3, 1}, {3, 2}}), shapes({{1}}),
                shapes({{0, 2}}), shapes({{3}}, {int64_t{0}, int64_t{0}})},
    .reference = "numpy.diff(x, n, axis, **{k: v for k, v in (('prepend', prepend), ('append', append)) if v is not None})",
});

const Operator& tril = define(triangle_of(
    "tril", "Matrices (the last two axes of x) with zeros above the k-th diagonal (k > 0: above the main one).", true, "numpy.tril(x, k)"));
const Operator& triu =
    define(triangle_of("triu", "Matrices (the last two axes of x) with zeros below the k-th diagonal (k > 0: above the main one).", false,
                       "numpy.triu(x, k)"));

}  // namespace kiln::eager::ops
