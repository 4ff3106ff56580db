// Pooling over windows of images [N, C, H, W]. Forward is one kernel that loads each window's taps with the window's stride; backward is one
// kernel where windows tile the image, else a sum over taps.
#include "eager/lowering.h"
#include "eager/ops/ops.h"

namespace kiln::eager::ops {
namespace {

struct Pool {
  Pair kernel, stride, padding, dilation;
  int64_t taps() const { return kernel[0] * kernel[1]; }
  int64_t outputs(int axis, int64_t extent) const {
    return (extent + 2 * padding[axis] - dilation[axis] * (kernel[axis] - 1) - 1) / stride[axis] + 1;
  }
  // Windows lie side by side, without gap or overlap.
  bool tiles() const { return stride == kernel && padding == Pair{{0, 0}} && dilation == Pair{{1, 1}}; }
};

Pool checked(const Pool& p) {
  if (p.kernel.least() < 1 || p.stride.least() < 1 || p.dilation.least() < 1)
    fail(ErrorCode::value, "pooling: kernel_size, stride and dilation are at least 1");
  if (p.padding.least() < 0 || 2 * p.padding[0] > p.kernel[0] || 2 * p.padding[1] > p.kernel[1])
    fail(ErrorCode::value, "pooling: padding is between 0 and half the kernel_size, so that every window holds an element");
  return p;
}

// Attributes from `first` on: kernel_size, stride (None: kernel_size), padding and, with it, dilation.
Pool pool_of(const Attrs& attrs, size_t first, bool dilated) {
  Pool p;
  p.kernel = pair_of(attrs[first], "kernel_size");
  p.stride = std::holds_alternative<std::monostate>(attrs[first + 1]) ? p.kernel : pair_of(attrs[first + 1], "stride");
  p.padding = pair_of(attrs[first + 2], "padding");
  p.dilation = dilated ? pair_of(attrs[first + 3], "dilation") : Pair{{1, 1}};
  return checked(p);
}

// Windows side by side.
Pool tiles_of(const Attr& kernel_size) {
  const Pair kernel = pair_of(kernel_size, "kernel_size");
  return checked({.kernel = kernel, .stride = kernel, .padding = {{0, 0}}, .dilation = {{1, 1}}});
}

std::vector<Parameter> with_pool(std::vector<Parameter> parameters, bool dilated) {
  Parameter stride = shape("stride");
  stride.has_default = true;
  stride.default_value = std::monostate();
  parameters.push_back(shape("kernel_size"));
  parameters.push_back(stride);
  parameters.push_back(ints("padding", {0, 0}));
  if (dilated) parameters.push_back(ints("dilation", {1, 1}));
  return parameters;
}

Dims pooled_shape(const Dims& x, const Pool& p) {
  if (x.size() != 4) fail(ErrorCode::value, "pooling: images have the shape [N, C, H, W], not " + to_string(x));
  for (int i = 0; i < 2; ++i)
    if (p.dilation[i] * (p.kernel[i] - 1) + 1 > x[2 + i] + 2 * p.padding[i])
      fail(ErrorCode::value,
           "pooling: windows of " + to_string(Dims{p.kernel[0], p.kernel[1]}) + " are larger than padded images of shape " + to_string(x));
  return {x[0], x[1], p.outputs(0, x[2]), p.outputs(1, x[3])};
}

DType tap_dtype(const Pool& p) { return p.taps() <= 256 ? DType::U8 : DType::I32; }

// ---- forward ------------------------------------------------------------------------------------------------------------

// Where tap (i, j) of the window at (n, c, oh, ow) is, and whether it is inside the image; no mask: it always is.
struct Tap {
  IndexMap at;
  Value inside;
};
Tap tap_at(AffineContext& c, const Pool& p, const Dims& image, const Dims& result, std::array<int64_t, 2> tap) {
  Tap t{IndexMap::identity(4), {}};
  for (int axis = 0; axis < 2; ++axis) {
    const int d = 2 + axis;
    const int64_t base = tap[axis] * p.dilation[axis] - p.padding[axis];
    t.at.base[d] = base;
    t.at.coefficient[d][d] = p.stride[axis];
    const auto position = [&] { return c.index(d) * static_cast<double>(p.stride[axis]) + static_cast<double>(base); };
    const auto require = [&](Value condition) { t.inside = t.inside ? c.b().bit_and(t.inside, condition) : condition; };
    if (base < 0) require(c.b().ge(position(), 0));
    if ((result[d] - 1) * p.stride[axis] + base >= image[d]) require(c.b().lt(position(), static_cast<double>(image[d])));
  }
  return t;
}

// The image's element there, as the result's dtype: integers are pooled as floats. `outside` never wins, so integers need no -inf.
Value load_tap(AffineContext& c, const Tap& tap, double outside) {
  if (!kiln::is_floating(c.inputs()[0].type.dtype)) outside = 0;
  return c.b().cast(tap.inside ? c.load(0, tap.at, tap.inside, outside) : c.load(0, tap.at), compute_dtype(c.outputs()[0].dtype));
}

void max_pool_kernel(AffineContext& c) {
  const Pool p = pool_of(c.attrs(), 0, true);
  Builder& b = c.b();
  const Dims &image = c.inputs()[0].type.shape, &result = c.outputs()[0].shape;
  const DType which = c.outputs()[1].dtype;
  c.iterate(result);
  Value best, winner, seen;  // seen: some tap so far was inside; empty once that is certain
  for (int64_t i = 0; i < p.kernel[0]; ++i)
    for (int64_t j = 0; j < p.kernel[1]; ++j) {
      const Tap tap = tap_at(c, p, image, result, {i, j});
      const Value x = load_tap(c, tap, -kInf);
      const Value number = b.constant(which, static_cast<double>(i * p.kernel[1] + j));
      if (!best) {
        best = x, winner = number, seen = tap.inside;
        continue;
      }
      // The first maximum wins, and the first NaN for good: x is greater or a NaN, and the best so far is none.
      Value better = b.bit_and(b.eq(best, best), b.bit_not(b.le(x, best)));
      if (seen) {
        const Value first = b.bit_not(seen);
        better = b.bit_or(better, tap.inside ? b.bit_and(first, tap.inside) : first);
        seen = tap.inside ? b.bit_or(seen, tap.inside) : Value();
      }
      best = b.select(better, x, best);
      winner = b.select(better, number, winner);
    }
  c.store(0, IndexMap::identity(4), best);
  c.store(1, IndexMap::identity(4), winner);
}

void average_pool_kernel(AffineContext& c) {
  const Pool p = pool_of(c.attrs(), 0, false);
  const Dims &image = c.inputs()[0].type.shape, &result = c.outputs()[0].shape;
  c.iterate(result);
  Value sum;
  for (int64_t i = 0; i < p.kernel[0]; ++i)
    for (int64_t j = 0; j < p.kernel[1]; ++j) {
      const Tap tap = tap_at(c, p, image, result, {i, j});
      const Value x = load_tap(c, tap, 0);
      sum = sum ? sum + x : x;
    }
  c.store(0, IndexMap::identity(4), sum / static_cast<double>(p.taps()));
}

// ---- backward -----------------------------------------------------------------------------------------------------------

// Taps are dimensions of their own. The last one, which is vectorised, is the images' width, whatever the windows'.
void many_taps_kernel(AffineContext& c, const Pair& kernel) {
  Builder& b = c.b();
  const Dims& dy = c.inputs()[0].type.shape;
  enum { kImage, kChannel, kRow, kTapRow, kTapColumn, kColumn, kRank };
  c.iterate({dy[0], dy[1], dy[2], kernel[0], kernel[1], dy[3]});
  IndexMap window{.rank = 4, .iteration = kRank};
  window.coefficient[0][kImage] = window.coefficient[1][kChannel] = window.coefficient[2][kRow] = window.coefficient[3][kColumn] = 1;
  IndexMap element = window;
  element.coefficient[2][kRow] = kernel[0];
  element.coefficient[2][kTapRow] = 1;
  element.coefficient[3][kColumn] = kernel[1];
  element.coefficient[3][kTapColumn] = 1;
  const Value g = b.cast(c.load(0, window), compute_dtype(c.outputs()[0].dtype));
  const Value tap = c.index(kTapRow) * static_cast<double>(kernel[1]) + c.index(kTapColumn);
  c.store(0, element, b.select(b.eq(b.cast(c.load(1, window), DType::I64), tap), g, 0));
}

constexpr int64_t kTapsSideBySide = 16;  // a kernel has a buffer for each

// Each window's gradient at its winning tap, zero at the others: few taps are written side by side, so that a window is read once.
void tiles_kernel(AffineContext& c) {
  const Pair kernel = pair_of(c.attrs()[0], "kernel_size");
  if (kernel[0] * kernel[1] > kTapsSideBySide) return many_taps_kernel(c, kernel);
  Builder& b = c.b();
  c.iterate(c.inputs()[0].type.shape);
  const IndexMap window = IndexMap::identity(4);
  const Value g = b.cast(c.load(0, window), compute_dtype(c.outputs()[0].dtype)), winner = c.load(1, window);
  for (int64_t i = 0; i < kernel[0]; ++i)
    for (int64_t j = 0; j < kernel[1]; ++j) {
      IndexMap element = window;
      for (int axis : {0, 1}) element.coefficient[2 + axis][2 + axis] = kernel[axis];
      element.base[2] = i, element.base[3] = j;
      c.store(0, element, b.select(b.eq(winner, static_cast<double>(i * kernel[1] + j)), g, 0));
    }
}

// The elements that tap (i, j) of each window reads, of an image with its padding: a strided view.
Tensor tap_view(const Tensor& padded, const Pool& p, const Dims& result, int64_t i, int64_t j) {
  const Dims starts{0, 0, i * p.dilation[0], j * p.dilation[1]};
  const Dims stops{result[0], result[1], starts[2] + (result[2] - 1) * p.stride[0] + 1, starts[3] + (result[3] - 1) * p.stride[1] + 1};
  return op::slice(padded, starts, stops, Dims{1, 1, p.stride[0], p.stride[1]});
}

// The sum over taps of term(tap number), each added where its tap lies.
Tensor scatter_taps(const Pool& p, const Dims& image, const Dims& result, DType dtype, const std::function<Tensor(int64_t)>& term) {
  const Tensor padded = op::full(Dims{image[0], image[1], image[2] + 2 * p.padding[0], image[3] + 2 * p.padding[1]}, Operand(0), dtype);
  for (int64_t i = 0; i < p.kernel[0]; ++i)
    for (int64_t j = 0; j < p.kernel[1]; ++j) {
      const Tensor part = tap_view(padded, p, result, i, j);
      const Operand operands[] = {part, term(i * p.kernel[1] + j)};
      call_in_place(op::add.definition(), operands, {}, part);
    }
  if (p.padding == Pair{{0, 0}}) return padded;
  return op::slice(padded, Dims{0, 0, p.padding[0], p.padding[1]},
                   Dims{image[0], image[1], p.padding[0] + image[2], p.padding[1] + image[3]});
}

// Rows and columns beyond the last window are in none.
Tensor beyond_windows(const Tensor& dx, const Dims& image) {
  if (dx.shape() == image) return dx;
  return op::pad(dx, Dims{0, 0, 0, 0}, Dims{0, 0, image[2] - dx.shape()[2], image[3] - dx.shape()[3]});
}

// The image's shape, for operators whose attributes are input_size and the pool's.
Dims image_shape(const Dims& dy, const Attrs& attrs, const Pool& p) {
  const Pair size = pair_of(attrs[0], "input_size");
  if (dy.size() != 4) fail(ErrorCode::value, "pooling: gradients have the shape [N, C, OH, OW], not " + to_string(dy));
  const Dims image{dy[0], dy[1], size[0], size[1]};
  if (pooled_shape(image, p) != dy)
    fail(ErrorCode::value, "pooling: images of shape " + to_string(image) + " do not give an output of shape " + to_string(dy));
  return image;
}

Tensor max_pool_backward(const Arguments& a) {
  const Tensor dy = floating_tensor(a, 0), winner = tensor_of(a.operands[1]);
  const Pool p = pool_of(a.attrs, 1, true);
  const Dims image = image_shape(dy.shape(), a.attrs, p);
  if (winner.shape() != dy.shape()) fail(ErrorCode::value, "max_pool2d_backward: the index's shape is not dy's");
  if (p.tiles()) return beyond_windows(op::max_pool2d_tiles(dy, winner, a.attrs[1]), image);
  return scatter_taps(p, image, dy.shape(), dy.dtype(), [&](int64_t tap) { return op::where(op::equal(winner, tap), dy, 0); });
}

// The winners' elements of g, an image: the adjoint of max_pool_backward.
Tensor gather_winners(const Tensor& g, const Tensor& winner, const Pool& p) {
  const Tensor padded =
      p.padding == Pair{{0, 0}} ? g : op::pad(g, Dims{0, 0, p.padding[0], p.padding[1]}, Dims{0, 0, p.padding[0], p.padding[1]});
  Tensor result;
  for (int64_t i = 0; i < p.kernel[0]; ++i)
    for (int64_t j = 0; j < p.kernel[1]; ++j) {
      const Tensor part = tap_view(padded, p, winner.shape(), i, j);
      result = result ? op::where(op::equal(winner, i * p.kernel[1] + j), part, result) : part;
    }
  return result;
}

Tensor average_pool_backward(const Arguments& a) {
  const Tensor dy = floating_tensor(a, 0);
  const Pool p = pool_of(a.attrs, 1, false);
  const Dims image = image_shape(dy.shape(), a.attrs, p), &s = dy.shape();
  const Tensor share = op::divide(dy, static_cast<double>(p.taps()));
  if (!p.tiles()) return scatter_taps(p, image, s, dy.dtype(), [&](int64_t) { return share; });
  const Tensor repeated = op::broadcast_to(op::expand_dims(share, Dims{3, 5}), Dims{s[0], s[1], s[2], p.kernel[0], s[3], p.kernel[1]});
  return beyond_windows(op::reshape(repeated, Dims{s[0], s[1], s[2] * p.kernel[0], s[3] * p.kernel[1]}), image);
}

Dims image_size(const Dims& shape) { return {shape[2], shape[3]}; }
SampleTensor winners(Dims shape, double below) { return {.shape = std::move(shape), .low = 0, .high = below, .dtype = DType::U8}; }

}  // namespace

const Operator& max_pool2d = define({
    .name = "max_pool2d",
    .doc = "The greatest element of each window of images x [N, C, H, W], and which tap of the window it was (row-major, uint8, or int32 "
           "for windows "
           "of more than 256). The first maximum wins, NaN beats all, padding never wins. stride None: kernel_size.",
    .parameters = with_pool({floating("x")}, true),
    .outputs = 2,
    .affine = max_pool_kernel,
    .type =
        [](const Arguments& a) {
          const Pool p = pool_of(a.attrs, 0, true);
          const Dims shape = pooled_shape(a.tensor(0).shape(), p);
          return std::vector<TensorType>{{floating_of(a.tensor(0).dtype()), shape}, {tap_dtype(p), shape}};
        },
    .gradient =
        [](GradContext& c) {
          const Attrs& a = c.arguments.attrs;
          return Tensors{op::max_pool2d_backward(c.grad(), c.output(1), image_size(c.input_types[0].shape), a[0], a[1], a[2], a[3])};
        },
    .saves = {.outputs = 0b10},
    .samples = {shapes({{2, 3, 6, 8}}, {Dims{2, 2}, std::monostate(), Dims{0, 0}, Dims{1, 1}}),
                shapes({{1, 2, 7, 5}}, {Dims{3, 2}, Dims{2, 1}, Dims{1, 1}, Dims{1, 1}}),
                shapes({{1, 1, 7, 7}}, {Dims{2, 2}, Dims{1, 2}, Dims{0, 0}, Dims{2, 3}}),
                tensors_of(
                    {{.shape = {1, 1, 4, 4}, .values = {kNaN, 1, 2, 2, 0, -0.0, -kInf, kNaN, -kInf, -kInf, -0.0, 0, -kInf, -kInf, 0, 0}}},
                    {Dims{2, 2}, std::monostate(), Dims{1, 1}, Dims{1, 1}}),
                shapes({{0, 2, 4, 4}}, {Dims{2, 2}, std::monostate(), Dims{0, 0}, Dims{1, 1}})},
    .onnx = "MaxPool",
});

const Operator& max_pool2d_backward = define({
    .name = "max_pool2d_backward",
    .doc = "max_pool2d's gradient: images of input_size (H, W) with dy's elements added at the taps that index names.",
    .parameters = with_pool({floating("dy"), unpromoted(integers("index")), shape("input_size")}, true),
    .compose = [](const Arguments& a) { return Tensors{max_pool_backward(a)}; },
    .gradient = [](GradContext& c) { return Tensors{gather_winners(c.grad(), c.input(1), pool_of(c.arguments.attrs, 1, true)), Tensor()}; },
    .saves = {.inputs = 0b10},
    .samples = {tensors_of({{.shape = {2, 3, 3, 4}}, winners({2, 3, 3, 4}, 4)},
                           {Dims{6, 8}, Dims{2, 2}, std::monostate(), Dims{0, 0}, Dims{1, 1}}),
                tensors_of({{.shape = {1, 2, 3, 2}}, winners({1, 2, 3, 2}, 4)},
                           {Dims{7, 5}, Dims{2, 2}, std::monostate(), Dims{0, 0}, Dims{1, 1}}),
                tensors_of({{.shape = {1, 2, 3, 3}}, winners({1, 2, 3, 3}, 9)},
                           {Dims{5, 5}, Dims{3, 3}, Dims{2, 2}, Dims{1, 1}, Dims{1, 1}})},
});

const Operator& max_pool2d_tiles = define({
    .name = "max_pool2d_tiles",
    .doc = "max_pool2d_backward for windows side by side, over the area they cover.",
    .parameters = {floating("dy"), unpromoted(integers("index")), shape("kernel_size")},
    .affine = tiles_kernel,
    .type =
        [](const Arguments& a) {
          const Tensor& dy = a.tensor(0);
          const Pair kernel = tiles_of(a.attrs[0]).kernel;
          const Dims& s = dy.shape();
          if (s.size() != 4 || a.tensor(1).shape() != s)
            fail(ErrorCode::value, "max_pool2d_tiles: dy and index share a shape [N, C, OH, OW]");
          return std::vector<TensorType>{{floating_of(dy.dtype()), {s[0], s[1], s[2] * kernel[0], s[3] * kernel[1]}}};
        },
    .gradient = [](GradContext& c) { return Tensors{gather_winners(c.grad(), c.input(1), tiles_of(c.arguments.attrs[0])), Tensor()}; },
    .saves = {.inputs = 0b10},
    .samples = {tensors_of({{.shape = {2, 3, 3, 4}}, winners({2, 3, 3, 4}, 4)}, {Dims{2, 2}}),
                tensors_of({{.shape = {1, 2, 3, 17}}, winners({1, 2, 3, 17}, 6)}, {Dims{3, 2}}),
                tensors_of({{.shape = {2, 1, 2, 3}}, winners({2, 1, 2, 3}, 20)}, {Dims{5, 4}})},
});

const Operator& avg_pool2d = define({
    .name = "avg_pool2d",
    .doc = "The mean of each window of images x [N, C, H, W], padding counted as zeros. stride None: kernel_size.",
    .parameters = with_pool({floating("x")}, false),
    .affine = average_pool_kernel,
    .type =
        [](const Arguments& a) {
          return std::vector<TensorType>{{floating_of(a.tensor(0).dtype()), pooled_shape(a.tensor(0).shape(), pool_of(a.attrs, 0, false))}};
        },
    .gradient =
        [](GradContext& c) {
          const Attrs& a = c.arguments.attrs;
          return Tensors{op::avg_pool2d_backward(c.grad(), image_size(c.input_types[0].shape), a[0], a[1], a[2])};
        },
    .samples = {shapes({{2, 3, 6, 8}}, {Dims{2, 2}, std::monostate(), Dims{0, 0}}),
                shapes({{1, 2, 7, 5}}, {Dims{3, 2}, Dims{2, 1}, Dims{1, 1}}),
                shapes({{1, 1, 5, 5}}, {Dims{2, 2}, std::monostate(), Dims{0, 0}})},
    .onnx = "AveragePool",
});

const Operator& avg_pool2d_backward = define({
    .name = "avg_pool2d_backward",
    .doc = "avg_pool2d's gradient: each element of dy spread evenly over its window, on images of input_size (H, W).",
    .parameters = with_pool({floating("dy"), shape("input_size")}, false),
    .compose = [](const Arguments& a) { return Tensors{average_pool_backward(a)}; },
    .gradient =
        [](GradContext& c) {
          const Attrs& a = c.arguments.attrs;
          return Tensors{op::avg_pool2d(c.grad(), a[1], a[2], a[3])};
        },
    .samples = {shapes({{2, 3, 3, 4}}, {Dims{7, 8}, Dims{2, 2}, std::monostate(), Dims{0, 0}}),
                shapes({{1, 2, 3, 3}}, {Dims{5, 5}, Dims{3, 3}, Dims{2, 2}, Dims{1, 1}})},
});

}  // namespace kiln::eager::ops
