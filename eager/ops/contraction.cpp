// Matrix products and convolutions: each is a plan of codegen/contraction, named by types alone.
#include "eager/ops/ops.h"

namespace kiln::eager::ops {
namespace {

using codegen::ContractionKey;
using codegen::ContractionKind;

// ---- matrices -----------------------------------------------------------------------------------------------------------

// [..., rows, columns] of an operand as the product sees it.
struct Matrices {
  Dims batch;
  int64_t rows, columns;
};
Matrices matrices(const Dims& shape, bool transposed) {
  if (shape.size() < 2) fail(ErrorCode::value, "a matrix has at least 2 dimensions, this shape is " + to_string(shape));
  const int64_t a = shape[shape.size() - 2], b = shape.back();
  return {Dims(shape.begin(), shape.end() - 2), transposed ? b : a, transposed ? a : b};
}

[[noreturn]] void do_not_multiply(const Dims& a, const Dims& b) {
  fail(ErrorCode::value,
       "matmul: shapes " + to_string(a) + " and " + to_string(b) + " do not fit: the inner extents, or the batch, differ");
}

std::vector<TensorType> product_type(const Arguments& a) {
  const Tensor &x = a.tensor(0), &y = a.tensor(1);
  const Matrices l = matrices(x.shape(), a.attr<bool>(0)), r = matrices(y.shape(), a.attr<bool>(1));
  if (l.columns != r.rows || l.batch != r.batch) do_not_multiply(x.shape(), y.shape());
  Dims shape = l.batch;
  shape.push_back(l.rows);
  shape.push_back(r.columns);
  return {{promote(x.dtype(), y.dtype()), shape}};
}

ContractionKey product_key(std::span<const OperandType> inputs, const Attrs& attrs) {
  const bool transpose_a = std::get<bool>(attrs[0]), transpose_b = std::get<bool>(attrs[1]);
  const Matrices l = matrices(inputs[0].type.shape, transpose_a), r = matrices(inputs[1].type.shape, transpose_b);
  return {.kind = ContractionKind::matmul,
          .dtype = compute_dtype(promote(inputs[0].type.dtype, inputs[1].type.dtype)),
          .transpose_a = transpose_a,
          .transpose_b = transpose_b,
          .batch = product(l.batch),
          .m = l.rows,
          .n = r.columns,
          .k = l.columns};
}

Tensors product_gradient(GradContext& c) {
  const bool ta = c.arguments.attr<bool>(0), tb = c.arguments.attr<bool>(1);
  const Tensor &g = c.grad(), &a = c.input(0), &b = c.input(1);
  Tensor da, db;
  if (c.needed[0]) da = ta ? op::matmul_batched(b, g, tb, true) : op::matmul_batched(g, b, false, !tb);
  if (c.needed[1]) db = tb ? op::matmul_batched(g, a, true, ta) : op::matmul_batched(a, g, !ta, false);
  return {da, db};
}

// Four real products. Infinite elements recover no infinities, as they do in an elementwise product.
Tensors complex_matrices(const Arguments& args) {
  const DType common = promote(args.tensor(0).dtype(), args.tensor(1).dtype());
  const Tensor a = as(args.tensor(0), common), b = as(args.tensor(1), common);
  const auto product = [&](const Tensor& x, const Tensor& y) { return op::matmul_batched(x, y, args.attrs[0], args.attrs[1]); };
  const Tensor ar = op::real(a), ai = op::imag(a), br = op::real(b), bi = op::imag(b);
  return {op::complex(op::subtract(product(ar, br), product(ai, bi)), op::add(product(ar, bi), product(ai, br)))};
}

// A matrix whose memory is that of its transpose is passed so, which spares a copy.
struct Oriented {
  Tensor tensor;
  bool transposed = false;
};
Oriented oriented(const Tensor& x) {
  if (x.is_contiguous()) return {x};
  const Tensor t = op::matrix_transpose(x);
  return t.is_contiguous() ? Oriented{t, true} : Oriented{x};
}

Tensor with_batch(const Tensor& x, const Dims& batch) {
  Dims shape = batch;
  shape.push_back(x.shape()[x.rank() - 2]);
  shape.push_back(x.shape().back());
  return x.shape() == shape ? x : op::broadcast_to(x, shape);
}

Tensor matrix_product(Tensor x, Tensor y) {
  if (x.rank() == 0 || y.rank() == 0) fail(ErrorCode::value, "matmul: a 0-d operand; multiply scales");
  const Dims given_x = x.shape(), given_y = y.shape();
  const bool row = x.rank() == 1, column = y.rank() == 1;
  if (row) x = op::reshape(x, Dims{1, x.numel()});
  if (column) y = op::reshape(y, Dims{y.numel(), 1});
  Matrices l = matrices(x.shape(), false);
  const Matrices r = matrices(y.shape(), false);
  Dims batch;
  try {
    batch = broadcast(l.batch, r.batch);
  } catch (const Error&) { do_not_multiply(given_x, given_y); }
  if (l.columns != r.rows) do_not_multiply(given_x, given_y);
  Dims result = batch;
  if (!row) result.push_back(l.rows);
  if (!column) result.push_back(r.columns);

  if (r.batch.empty() && !l.batch.empty()) {  // one matrix for all rows of the batch
    x = op::reshape(x, Dims{product(l.batch) * l.rows, l.columns});
  } else if (!batch.empty()) {
    x = with_batch(x, batch);
    y = with_batch(y, batch);
  }
  const Oriented a = oriented(x), b = oriented(y);
  const Tensor c = op::matmul_batched(a.tensor, b.tensor, a.transposed, b.transposed);
  return c.shape() == result ? c : op::reshape(c, result);
}

// ---- linear -------------------------------------------------------------------------------------------------------------

std::vector<TensorType> linear_type(const Arguments& a) {
  const Tensor &x = a.tensor(0), &w = a.tensor(1);
  if (w.rank() != 2) fail(ErrorCode::value, "linear: the weight's shape is [out, in], not " + to_string(w.shape()));
  if (x.rank() == 0 || x.shape().back() != w.shape()[1])
    fail(ErrorCode::value,
         "linear: the last extent of shape " + to_string(x.shape()) + " is not the weight's input, " + std::to_string(w.shape()[1]));
  const Operand& bias = a.operands[2];
  if (bias.present && !(bias.is_tensor() && bias.tensor.shape() == Dims{w.shape()[0]}))
    fail(ErrorCode::value, "linear: the bias's shape is not [out] = " + to_string(Dims{w.shape()[0]}));
  Dims shape = x.shape();
  shape[shape.size() - 1] = w.shape()[0];
  return {{floating_of(promote(promote(x.dtype(), w.dtype()), bias.present ? bias.tensor.dtype() : DType::Bool)), shape}};
}

// What the plan computes in: of halves f32, and the result is rounded.
DType plan_dtype(std::span<const OperandType> inputs) {
  DType common = DType::Bool;
  for (const OperandType& t : inputs)
    if (t.kind == OperandType::Kind::tensor) common = promote(common, t.type.dtype);
  return compute_dtype(floating_of(common));
}

ContractionKey linear_key(std::span<const OperandType> inputs, const Attrs&) {
  const Dims &x = inputs[0].type.shape, &w = inputs[1].type.shape;
  return {.kind = ContractionKind::matmul,
          .dtype = plan_dtype(inputs),
          .bias = inputs[2].kind == OperandType::Kind::tensor,
          .transpose_b = true,
          .m = product(Dims(x.begin(), x.end() - 1)),
          .n = w[0],
          .k = w[1]};
}

Tensors linear_gradient(GradContext& c) {
  const Dims &x = c.input_types[0].shape, &w = c.input_types[1].shape;
  const int64_t rows = product(Dims(x.begin(), x.end() - 1));
  const Tensor g = op::reshape(c.grad(), Dims{rows, w[0]});
  Tensor dx, dw, db;
  if (c.needed[0]) dx = op::reshape(op::matmul_batched(g, c.input(1), false, false), x);
  if (c.needed[1]) dw = op::matmul_batched(g, op::reshape(c.input(0), Dims{rows, w[1]}), true, false);
  if (c.needed[2]) db = op::sum(g, Dims{0});
  return {dx, dw, db};
}

// ---- convolution --------------------------------------------------------------------------------------------------------

std::vector<Parameter> with_window(std::vector<Parameter> parameters) {
  parameters.push_back(ints("stride", {1, 1}));
  parameters.push_back(ints("padding", {0, 0}));
  parameters.push_back(ints("dilation", {1, 1}));
  return parameters;
}

// Stride, padding and dilation, from attributes `first` on.
struct Window {
  Pair stride, padding, dilation;
};
Window window_of(const Attrs& attrs, size_t first) {
  const Window w{pair_of(attrs[first], "stride"), pair_of(attrs[first + 1], "padding"), pair_of(attrs[first + 2], "dilation")};
  if (w.stride.least() < 1 || w.dilation.least() < 1) fail(ErrorCode::value, "stride and dilation are at least 1");
  if (w.padding.least() < 0) fail(ErrorCode::value, "padding is not negative");
  return w;
}

int64_t windows_along(int64_t extent, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation) {
  return (extent + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1;
}

Dims conv2d_shape(const Dims& x, const Dims& w, const Window& window) {
  if (x.size() != 4 || w.size() != 4)
    fail(ErrorCode::value, "conv2d: images [N, C, H, W] and weights [O, C, KH, KW], not " + to_string(x) + " and " + to_string(w));
  if (x[1] != w[1])
    fail(ErrorCode::value, "conv2d: images of shape " + to_string(x) + " have " + std::to_string(x[1]) + " channels, weights of shape " +
                               to_string(w) + " want " + std::to_string(w[1]));
  for (int i = 0; i < 2; ++i)
    if (window.dilation[i] * (w[2 + i] - 1) + 1 > x[2 + i] + 2 * window.padding[i])
      fail(ErrorCode::value, "conv2d: weights of shape " + to_string(w) + " are larger than padded images of shape " + to_string(x));
  return {x[0], w[0], windows_along(x[2], w[2], window.stride[0], window.padding[0], window.dilation[0]),
          windows_along(x[3], w[3], window.stride[1], window.padding[1], window.dilation[1])};
}

ContractionKey conv_key(ContractionKind kind, DType dtype, bool bias, const Dims& x, const Dims& w, const Window& window) {
  return {.kind = kind,
          .dtype = dtype,
          .bias = bias,
          .images = x[0],
          .in_channels = x[1],
          .in_height = x[2],
          .in_width = x[3],
          .out_channels = w[0],
          .kernel_height = w[2],
          .kernel_width = w[3],
          .stride = window.stride.values,
          .padding = window.padding.values,
          .dilation = window.dilation.values};
}

std::vector<TensorType> conv2d_type(const Arguments& a) {
  const Tensor &x = a.tensor(0), &w = a.tensor(1);
  const Operand& bias = a.operands[2];
  const Dims shape = conv2d_shape(x.shape(), w.shape(), window_of(a.attrs, 0));
  if (bias.present && !(bias.is_tensor() && bias.tensor.shape() == Dims{shape[1]}))
    fail(ErrorCode::value, "conv2d: the bias's shape is not [out_channels] = " + to_string(Dims{shape[1]}));
  return {{floating_of(promote(promote(x.dtype(), w.dtype()), bias.present ? bias.tensor.dtype() : DType::Bool)), shape}};
}

Tensors conv2d_gradient(GradContext& c) {
  const Attrs& a = c.arguments.attrs;
  const Dims &x = c.input_types[0].shape, &w = c.input_types[1].shape;
  Tensors d(3);
  if (c.needed[0]) d[0] = op::conv2d_data(c.grad(), c.input(1), Dims{x[2], x[3]}, a[0], a[1], a[2]);
  if (c.needed[1]) {
    const Tensors both = op::conv2d_weights.all(c.input(0), c.grad(), Dims{w[2], w[3]}, a[0], a[1], a[2]);
    d[1] = both[0];
    if (c.needed[2]) d[2] = both[1];
  } else if (c.needed[2]) {
    d[2] = op::sum(c.grad(), Dims{0, 2, 3});
  }
  return d;
}

// dy's shape must be what conv2d gives of x and w.
void check_output_gradient(const char* name, const Dims& dy, const Dims& x, const Dims& w, const Window& window) {
  const Dims y = conv2d_shape(x, w, window);
  if (dy != y)
    fail(ErrorCode::value, std::string(name) + ": the output's gradient has shape " + to_string(dy) + ", the output " + to_string(y));
}

Dims data_shape(const Dims& dy, const Dims& w, const Attrs& attrs) {
  const Pair size = pair_of(attrs[0], "input_size");
  if (dy.size() != 4 || w.size() != 4)
    fail(ErrorCode::value, "conv2d_data: shapes " + to_string(dy) + " and " + to_string(w) + " are not 4-d");
  return {dy[0], w[1], size[0], size[1]};
}

Dims weights_shape(const Dims& x, const Dims& dy, const Attrs& attrs) {
  const Pair size = pair_of(attrs[0], "kernel_size");
  if (x.size() != 4 || dy.size() != 4)
    fail(ErrorCode::value, "conv2d_weights: shapes " + to_string(x) + " and " + to_string(dy) + " are not 4-d");
  return {dy[1], x[1], size[0], size[1]};
}

}  // namespace

const Operator& matmul_batched = define({
    .name = "matmul_batched",
    .doc = "a b for matrices [..., m, k] and [..., k, n] of the same batch, either one given transposed: what matmul is made of.",
    .parameters = {numeric("a"), numeric("b"), flag("transpose_a", false), flag("transpose_b", false)},
    .complex = complex_matrices,
    .contraction = product_key,
    .type = product_type,
    .gradient = product_gradient,
    .saves = {.inputs = 0b11},
    .samples = {shapes({{3, 4}, {4, 5}}), shapes({{4, 3}, {5, 4}}, {true, true}), shapes({{2, 3, 4}, {2, 5, 4}}, {false, true}),
                shapes({{2, 4, 3}, {2, 4, 5}}, {true, false})},
    .reference = "numpy.matmul(numpy.swapaxes(a, -1, -2) if transpose_a else a, numpy.swapaxes(b, -1, -2) if transpose_b else b)",
});

const Operator& matmul = define({
    .name = "matmul",
    .doc = "The matrix product of x1 [..., m, k] and x2 [..., k, n]; leading axes broadcast, a 1-d operand is a row on the left, a column "
           "on the right.",
    .parameters = {numeric("x1"), numeric("x2")},
    .compose =
        [](const Arguments& a) {
          const Tensor x = tensor_of(a.operands[0]), y = tensor_of(a.operands[1]);
          const DType common = promote(x.dtype(), y.dtype());
          if (common == DType::Bool) fail(ErrorCode::type, "matmul multiplies numbers, not bools");
          return Tensors{matrix_product(as(x, common), as(y, common))};
        },
    .method = true,
    .samples = {shapes({{3, 4}, {4, 5}}), shapes({{4}, {4}}), shapes({{4}, {4, 5}}), shapes({{3, 4}, {4}}), shapes({{2, 3, 4}, {4, 5}}),
                shapes({{2, 1, 3, 4}, {3, 4, 5}}), shapes({{2, 3, 4}, {4}})},
    .reference = "numpy.matmul(x1, x2)",
    .onnx = "MatMul",
});

const Operator& linear = define({
    .name = "linear",
    .doc = "x weight^T + bias: x [..., in], weight [out, in], bias [out] or None.",
    .parameters = {floating("x"), floating("weight"), optional(floating("bias"))},
    .contraction = linear_key,
    .type = linear_type,
    .gradient = linear_gradient,
    .saves = {.inputs = 0b011},
    .samples = {shapes({{3, 4}, {5, 4}, {5}}), shapes({{2, 3, 4}, {5, 4}, {5}}), shapes({{4}, {5, 4}, {5}})},
    .reference = "numpy.matmul(x, weight.T) + (0 if bias is None else bias)",
    .onnx = "Gemm",
});

const Operator& conv2d = define({
    .name = "conv2d",
    .doc = "The 2-d cross-correlation of images x [N, C, H, W] with weight [O, C, KH, KW], plus bias [O] or None. stride, padding (of "
           "zeros) and "
           "dilation are one number or one per axis.",
    .parameters = with_window({floating("x"), floating("weight"), optional(floating("bias"))}),
    .contraction =
        [](std::span<const OperandType> inputs, const Attrs& attrs) {
          return conv_key(ContractionKind::conv2d, plan_dtype(inputs), inputs[2].kind == OperandType::Kind::tensor, inputs[0].type.shape,
                          inputs[1].type.shape, window_of(attrs, 0));
        },
    .type = conv2d_type,
    .gradient = conv2d_gradient,
    .saves = {.inputs = 0b011},
    .samples = {shapes({{2, 3, 6, 5}, {4, 3, 3, 3}, {4}}), shapes({{1, 2, 7, 7}, {3, 2, 3, 2}, {3}}, {Dims{2, 1}, Dims{1, 2}, Dims{1, 1}}),
                shapes({{2, 1, 8, 8}, {2, 1, 3, 3}, {2}}, {Dims{1, 1}, Dims{0, 0}, Dims{2, 2}})},
    .onnx = "Conv",
});

const Operator& conv2d_data = define({
    .name = "conv2d_data",
    .doc = "conv2d's gradient for its images: from dy [N, O, OH, OW] and weight, images of input_size (H, W).",
    .parameters = with_window({floating("dy"), floating("weight"), shape("input_size")}),
    .contraction =
        [](std::span<const OperandType> inputs, const Attrs& attrs) {
          const Dims &dy = inputs[0].type.shape, &w = inputs[1].type.shape;
          return conv_key(ContractionKind::conv2d_data, plan_dtype(inputs), false, data_shape(dy, w, attrs), w, window_of(attrs, 1));
        },
    .type =
        [](const Arguments& a) {
          const Tensor &dy = a.tensor(0), &w = a.tensor(1);
          const Dims x = data_shape(dy.shape(), w.shape(), a.attrs);
          check_output_gradient("conv2d_data", dy.shape(), x, w.shape(), window_of(a.attrs, 1));
          return std::vector<TensorType>{{floating_of(promote(dy.dtype(), w.dtype())), x}};
        },
    .gradient =
        [](GradContext& c) {
          const Attrs& a = c.arguments.attrs;
          const Dims& w = c.input_types[1].shape;
          Tensors d(2);
          if (c.needed[0]) d[0] = op::conv2d(c.grad(), c.input(1), Operand(), a[1], a[2], a[3]);
          if (c.needed[1]) d[1] = op::conv2d_weights(c.grad(), c.input(0), Dims{w[2], w[3]}, a[1], a[2], a[3]);
          return d;
        },
    .saves = {.inputs = 0b11},
    .samples = {shapes({{2, 4, 4, 3}, {4, 3, 3, 3}}, {Dims{6, 5}, Dims{1, 1}, Dims{0, 0}, Dims{1, 1}}),
                shapes({{1, 3, 4, 10}, {3, 2, 3, 2}}, {Dims{7, 7}, Dims{2, 1}, Dims{1, 2}, Dims{1, 1}})},
    .onnx = "ConvTranspose",
});

const Operator& conv2d_weights = define({
    .name = "conv2d_weights",
    .doc = "conv2d's gradients for its weight [O, C, *kernel_size] and its bias [O]: from x and dy, both at once.",
    .parameters = with_window({floating("x"), floating("dy"), shape("kernel_size")}),
    .outputs = 2,
    .contraction =
        [](std::span<const OperandType> inputs, const Attrs& attrs) {
          const Dims &x = inputs[0].type.shape, &dy = inputs[1].type.shape;
          return conv_key(ContractionKind::conv2d_weights, plan_dtype(inputs), true, x, weights_shape(x, dy, attrs), window_of(attrs, 1));
        },
    .type =
        [](const Arguments& a) {
          const Tensor &x = a.tensor(0), &dy = a.tensor(1);
          const Dims w = weights_shape(x.shape(), dy.shape(), a.attrs);
          check_output_gradient("conv2d_weights", dy.shape(), x.shape(), w, window_of(a.attrs, 1));
          const DType type = floating_of(promote(x.dtype(), dy.dtype()));
          return std::vector<TensorType>{{type, w}, {type, {w[0]}}};
        },
    .gradient =
        [](GradContext& c) {
          const Attrs& a = c.arguments.attrs;
          const Dims &x = c.input_types[0].shape, &dy = c.input_types[1].shape;
          const Tensor &dw = c.grads[0], &db = c.grads[1];
          Tensors d(2);
          if (dw && c.needed[0]) d[0] = op::conv2d_data(c.input(1), dw, Dims{x[2], x[3]}, a[1], a[2], a[3]);
          if (dw && c.needed[1]) d[1] = op::conv2d(c.input(0), dw, Operand(db), a[1], a[2], a[3]);
          if (!dw && c.needed[1]) d[1] = op::broadcast_to(op::reshape(db, Dims{1, dy[1], 1, 1}), dy);
          return d;
        },
    .saves = {.inputs = 0b11},
    .samples = {shapes({{2, 3, 6, 5}, {2, 4, 4, 3}}, {Dims{3, 3}, Dims{1, 1}, Dims{0, 0}, Dims{1, 1}}),
                shapes({{1, 2, 7, 7}, {1, 3, 4, 10}}, {Dims{3, 2}, Dims{2, 1}, Dims{1, 2}, Dims{1, 1}})},
});

}  // namespace kiln::eager::ops
