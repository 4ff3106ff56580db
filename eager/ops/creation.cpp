// Tensors out of nothing: constants, ranges, the identity matrix.
#include <cmath>

#include "eager/ops/ops.h"

namespace kiln::eager::ops {
namespace {

bool is_integer(const Attr& attr) { return std::holds_alternative<int64_t>(attr); }

Dims checked(const Dims& shape) {
  for (int64_t extent : shape)
    if (extent < 0) fail(ErrorCode::value, "a shape has no negative extents, this is " + to_string(shape));
  return shape;
}

Parameter dtype_required() { return {.name = "dtype", .kind = Parameter::Kind::dtype}; }

Operator constant(std::string_view name, std::string_view doc, int64_t value, std::string_view reference) {
  return {
      .name = name,
      .doc = doc,
      .parameters = {shape("shape"), dtype_or_none()},
      .compose =
          [value](const Arguments& a) {
            return Tensors{op::full(a.attr<Dims>(0), Operand(Scalar(value)), dtype_attr(a, 1, default_dtype()))};
          },
      .samples = {{.attrs = {Dims{3, 37}, std::monostate()}}, {.attrs = {Dims{}, DType::I32}}, {.attrs = {Dims{0, 2}, DType::Bool}}},
      .reference = reference,
  };
}

Operator constant_like(std::string_view name, std::string_view doc, int64_t value, std::string_view reference) {
  return {
      .name = name,
      .doc = doc,
      .parameters = {any("x"), dtype_or_none()},
      .compose =
          [value](const Arguments& a) {
            const Tensor x = tensor_of(a.operands[0]);
            return Tensors{op::full(x.shape(), Operand(Scalar(value)), dtype_attr(a, 0, x.dtype()))};
          },
      .samples = {shapes({{3, 5}}), shapes({{}}, {DType::F64}), shapes({{0, 2}})},
      .reference = reference,
  };
}

// start + i * step, computed in 64 bits.
Value sequence_body(BodyContext& c) {
  const DType type = c.outputs[0].dtype, wide = kiln::is_floating(type) ? DType::F64 : DType::I64;
  const Value i = c.b.cast(c.index(0), wide);
  return c.b.cast(c.b.cast(c.inputs[0], wide) + i * c.b.cast(c.inputs[1], wide), type);
}

Tensor range(const Arguments& a) {
  const Attr zero = int64_t{0};
  const Attr &start = a.attr_is_none(1) ? zero : a.attrs[0], &stop = a.attr_is_none(1) ? a.attrs[0] : a.attrs[1], &step = a.attrs[2];
  if (number_of(step) == 0) fail(ErrorCode::value, "arange: a step of zero never arrives");
  const bool whole = is_integer(start) && is_integer(stop) && is_integer(step);
  int64_t n;
  if (whole) {
    const int64_t by = std::get<int64_t>(step), distance = std::get<int64_t>(stop) - std::get<int64_t>(start);
    n = by > 0 ? (distance + by - 1) / by : (-distance - by - 1) / -by;
  } else {
    const double count = std::ceil((number_of(stop) - number_of(start)) / number_of(step));
    if (!(count < 0x1p62)) fail(ErrorCode::value, "arange: infinitely many elements");
    n = static_cast<int64_t>(count);
  }
  return op::sequence(std::max<int64_t>(n, 0), Operand(scalar_of(start)), Operand(scalar_of(step)),
                      dtype_attr(a, 3, whole ? DType::I64 : default_dtype()));
}

Value linspace_body(BodyContext& c) {
  const DType type = c.outputs[0].dtype;
  const int64_t n = std::get<int64_t>(c.attrs[0]);
  const bool endpoint = std::get<bool>(c.attrs[1]);
  const auto gaps = static_cast<double>(std::max<int64_t>(endpoint ? n - 1 : n, 1));
  const Value start = c.b.cast(c.inputs[0], DType::F64), stop = c.b.cast(c.inputs[1], DType::F64), i = c.index(0);
  Value y = start + c.b.cast(i, DType::F64) * ((stop - start) / gaps);
  if (endpoint && n > 1) y = c.b.select(c.b.eq(i, static_cast<double>(n - 1)), stop, y);  // rounding never misses it
  return c.b.cast(is_inexact(type) ? y : c.b.floor(y), type);
}

int64_t columns_of(const Arguments& a) { return a.attr_is_none(1) ? a.attr<int64_t>(0) : a.attr<int64_t>(1); }

}  // namespace

const Operator& full = define({
    .name = "full",
    .doc = "A tensor of a shape, filled with fill_value, a number or a tensor that broadcasts; dtype None: fill_value's own.",
    .parameters = {shape("shape"), unpromoted(any("fill_value")), dtype_or_none()},
    .body = [](BodyContext& c) { return c.b.cast(c.inputs[0], c.outputs[0].dtype); },
    .result = ResultType::given,
    .type =
        [](const Arguments& a) {
          const Dims shape = checked(a.attr<Dims>(0));
          const Operand& value = a.operands[0];
          if (value.is_tensor() && !broadcastable_to(value.tensor.shape(), shape))
            fail(ErrorCode::value,
                 "full: fill_value of shape " + to_string(value.tensor.shape()) + " does not broadcast to " + to_string(shape));
          const DType own = default_dtype_of(value), dtype = dtype_attr(a, 1, own);
          check_castable("full", own, dtype);
          return std::vector<TensorType>{{dtype, shape}};
        },
    .gradient = [](GradContext& c) { return Tensors{c.grad()}; },  // the tape casts
    .samples = {{.operands = {Scalar(7)}, .attrs = {Dims{3, 37}, std::monostate()}},
                {.operands = {Scalar(-0.0)}, .attrs = {Dims{}, DType::F64}},
                {.operands = {Scalar(kNaN)}, .attrs = {Dims{2}, DType::I32}},
                {.operands = {SampleTensor{.shape = {3, 1}}}, .attrs = {Dims{3, 4}, std::monostate()}},
                {.operands = {Scalar(true)}, .attrs = {Dims{0, 2}, std::monostate()}}},
    .reference = "numpy.full(shape, fill_value, dtype=dtype)",
});

const Operator& zeros =
    define(constant("zeros", "A tensor of zeros; dtype None: the default floating dtype.", 0, "numpy.zeros(shape, dtype=dtype)"));
const Operator& ones =
    define(constant("ones", "A tensor of ones; dtype None: the default floating dtype.", 1, "numpy.ones(shape, dtype=dtype)"));
const Operator& zeros_like =
    define(constant_like("zeros_like", "Zeros of x's shape; dtype None: x's own.", 0, "numpy.zeros_like(x, dtype=dtype)"));
const Operator& ones_like =
    define(constant_like("ones_like", "Ones of x's shape; dtype None: x's own.", 1, "numpy.ones_like(x, dtype=dtype)"));

const Operator& full_like = define({
    .name = "full_like",
    .doc = "A tensor of x's shape filled with a number; dtype None: x's own.",
    .parameters = {any("x"), unpromoted(any("fill_value")), dtype_or_none()},
    .compose =
        [](const Arguments& a) {
          const Tensor x = tensor_of(a.operands[0]);
          return Tensors{op::full(x.shape(), a.operands[1], dtype_attr(a, 0, x.dtype()))};
        },
    .samples = {{.operands = {SampleTensor{.shape = {3, 5}}, Scalar(3)}},
                {.operands = {SampleTensor{.shape = {0}}, Scalar(2.5)}, .attrs = {DType::F64}}},
    .reference = "numpy.full_like(x, fill_value, dtype=dtype)",
});

const Operator& empty = define({
    .name = "empty",
    .doc = "A tensor whose elements are whatever its memory held; dtype None: the default floating dtype.",
    .parameters = {shape("shape"), dtype_or_none()},
    .compose = [](const Arguments& a) { return Tensors{Tensor::empty(checked(a.attr<Dims>(0)), dtype_attr(a, 1, default_dtype()))}; },
});

const Operator& empty_like = define({
    .name = "empty_like",
    .doc = "A tensor of x's shape whose elements are whatever its memory held; dtype None: x's own.",
    .parameters = {any("x"), dtype_or_none()},
    .compose =
        [](const Arguments& a) {
          const Tensor x = tensor_of(a.operands[0]);
          return Tensors{Tensor::empty(x.shape(), dtype_attr(a, 0, x.dtype()))};
        },
});

const Operator& sequence = define({
    .name = "sequence",
    .doc = "n numbers start, start + step, ..., computed in 64 bits, then converted: what arange is made of.",
    .parameters = {integer("n"), unpromoted(ordered("start")), unpromoted(ordered("step")), dtype_required()},
    .body = sequence_body,
    .result = ResultType::given,
    .type =
        [](const Arguments& a) {
          if (is_complex(a.attr<DType>(1)))
            fail(ErrorCode::type, "a range of complex numbers has no end to reach: make a real one, then astype");
          return std::vector<TensorType>{{a.attr<DType>(1), checked({a.attr<int64_t>(0)})}};
        },
    .samples = {{.operands = {Scalar(0), Scalar(1)}, .attrs = {int64_t{41}, DType::I64}},
                {.operands = {Scalar(0.5), Scalar(-0.1)}, .attrs = {int64_t{41}, DType::F32}},
                {.operands = {Scalar(7), Scalar(-2)}, .attrs = {int64_t{5}, DType::I32}},
                {.operands = {Scalar(1), Scalar(1)}, .attrs = {int64_t{0}, DType::F64}}},
    .reference = "(start + numpy.arange(n) * step).astype(dtype)",
});

const Operator& arange = define({
    .name = "arange",
    .doc = "start, start + step, ... up to but without stop; arange(n) counts from 0. dtype None: int64 of integers, else the default "
           "floating dtype.",
    .parameters = {number("start"), number("stop", std::monostate()), number("step", int64_t{1}), dtype_or_none()},
    .compose = [](const Arguments& a) { return Tensors{range(a)}; },
    .samples = {{.attrs = {int64_t{5}, std::monostate(), int64_t{1}, std::monostate()}},
                {.attrs = {int64_t{7}, int64_t{-3}, int64_t{-2}, DType::I32}},
                {.attrs = {0.5, 2.0, 0.25, std::monostate()}},
                {.attrs = {int64_t{3}, int64_t{3}, int64_t{1}, DType::F64}}},
    .reference = "numpy.arange(0 if stop is None else start, start if stop is None else stop, step, dtype=dtype)",
    .onnx = "Range",
});

const Operator& linspace = define({
    .name = "linspace",
    .doc = "num evenly spaced numbers from start to stop, which is the last one if endpoint; dtype None: the default floating dtype.",
    .parameters = {unpromoted(any("start")), unpromoted(any("stop")),
                   [] {
                     Parameter p = integer("num", 50);
                     p.alias = "steps";
                     return p;
                   }(),
                   flag("endpoint", true), dtype_or_none()},
    .body = linspace_body,
    .result = ResultType::given,
    .type =
        [](const Arguments& a) {
          if (a.operands[0].is_tensor() || a.operands[1].is_tensor())
            fail(ErrorCode::type, "linspace: start and stop are numbers, not tensors");
          return std::vector<TensorType>{{dtype_attr(a, 2, default_dtype()), checked({a.attr<int64_t>(0)})}};
        },
    .samples = {{.operands = {Scalar(0), Scalar(1)}, .attrs = {int64_t{11}, true, std::monostate()}},
                {.operands = {Scalar(-2.5), Scalar(3)}, .attrs = {int64_t{7}, false, DType::F64}},
                {.operands = {Scalar(3), Scalar(9)}, .attrs = {int64_t{1}, true, DType::I32}}},
    .reference = "numpy.linspace(start, stop, num, endpoint=endpoint, dtype=dtype)",
});

const Operator& eye = define({
    .name = "eye",
    .doc = "Ones on the k-th diagonal (above the main one for k > 0) of an n_rows x n_cols matrix, zeros elsewhere; n_cols None: square.",
    .parameters = {integer("n_rows"),
                   [] {
                     Parameter p = integer("n_cols");
                     p.has_default = true;
                     p.default_value = std::monostate();
                     return p;
                   }(),
                   integer("k", 0), dtype_or_none()},
    .body =
        [](BodyContext& c) {
          const auto k = static_cast<double>(std::get<int64_t>(c.attrs[2]));
          return c.b.cast(c.b.eq(c.index(0) + k, c.index(1)), c.outputs[0].dtype);
        },
    .result = ResultType::given,
    .type =
        [](const Arguments& a) {
          return std::vector<TensorType>{{dtype_attr(a, 3, default_dtype()), checked({a.attr<int64_t>(0), columns_of(a)})}};
        },
    .samples = {{.attrs = {int64_t{4}, std::monostate(), int64_t{0}, std::monostate()}},
                {.attrs = {int64_t{3}, int64_t{5}, int64_t{1}, DType::I32}},
                {.attrs = {int64_t{3}, int64_t{2}, int64_t{-1}, DType::Bool}},
                {.attrs = {int64_t{0}, std::monostate(), int64_t{0}, DType::F64}}},
    .reference = "numpy.eye(n_rows, n_cols, k, dtype=dtype)",
    .onnx = "EyeLike",
});

}  // namespace kiln::eager::ops
