// Random draws. Each element takes words of one Philox block: its position in the tensor gives the block, the call's index and the seed the
// rest, so that eager, compiled and threaded runs draw the same numbers.
#include <cmath>

#include "eager/ops/ops.h"

namespace kiln::eager::ops {
namespace {

// The element's row-major position in the output.
Value position(BodyContext& c) {
  const Dims& shape = c.outputs[0].shape;
  const Dims strides = contiguous_strides(shape);
  Value at = c.b.constant(DType::I64, 0);
  for (int i = 0; i < shape.size(); ++i) at = at + c.index(i) * static_cast<double>(strides[i]);
  return at;
}

// The element's own 32 random bits (four elements a block), as i64 in [0, 2^32).
Value word32(BodyContext& c) {
  Builder& b = c.b;
  const Value at = position(c), block = b.shr(at, 2), lane = b.bit_and(at, 3);
  Value word = codegen::philox(b, block, c.inputs[1], c.inputs[0], 3);
  for (int i = 2; i >= 0; --i) word = b.select(b.eq(lane, i), codegen::philox(b, block, c.inputs[1], c.inputs[0], i), word);
  return word;
}

// The element's own 64 random bits (two elements a block).
Value word64(BodyContext& c) {
  Builder& b = c.b;
  const Value at = position(c), block = b.shr(at, 1), second = b.ne(b.bit_and(at, 1), 0);
  const auto word = [&](int i) { return codegen::philox(b, block, c.inputs[1], c.inputs[0], i); };
  return b.bit_or(b.shl(b.select(second, word(3), word(1)), 32), b.select(second, word(2), word(0)));
}

Value uniform_body(BodyContext& c) {
  Builder& b = c.b;
  const DType t = c.outputs[0].dtype;
  const int bits = t == DType::BF16 ? 8 : t == DType::F16 ? 11 : 24;  // what the dtype holds of a number just below 1
  if (t != DType::F64) return b.cast(b.shr(word32(c), 32 - bits), DType::F32) * std::ldexp(1.0, -bits);
  return b.cast(b.shr_logical(word64(c), 11), DType::F64) * 0x1p-53;
}

Value polynomial(Builder& b, Value x, std::initializer_list<double> coefficients) {  // the highest power first
  Value sum;
  for (double c : coefficients) sum = sum ? b.fma(sum, x, c) : b.constant(DType::F64, c);
  return sum;
}

// The normal distribution's quantile at p in (0, 1), f64: Wichura's PPND16 (Applied Statistics 37, 1988, algorithm AS 241), relative error
// about 1e-16.
Value normal_quantile(Builder& b, Value p) {
  const Value q = p - 0.5;
  const Value central = 0.180625 - q * q;
  const Value near = q *
                     polynomial(b, central,
                                {2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
                                 1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080}) /
                     polynomial(b, central,
                                {5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
                                 5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0});
  const Value r = b.sqrt(-codegen::log(b, b.minimum(p, 1.0 - p)));
  const Value tail = r - 1.6;
  const Value far = polynomial(b, tail,
                               {7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258,
                                3.64784832476320460504, 5.76949722146069140550, 4.63033784615654529590, 1.42343711074968357734}) /
                    polynomial(b, tail,
                               {1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
                                6.89767334985100004550e-1, 1.67638483018380384940, 2.05319162663775882187, 1.0});
  const Value deep_tail = r - 5.0;
  const Value deep =
      polynomial(b, deep_tail,
                 {2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
                  2.96560571828504891230e-1, 1.78482653991729133580, 5.46378491116411436990, 6.65790464350110377720}) /
      polynomial(b, deep_tail,
                 {2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
                  1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0});
  const Value outer = b.select(b.le(r, 5), far, deep);
  return b.select(b.le(b.abs(q), 0.425), near, b.select(b.lt(q, 0), -outer, outer));
}

Value normal_body(BodyContext& c) {
  Builder& b = c.b;
  // The middle of the word's interval: never 0 or 1.
  const Value p = c.outputs[0].dtype != DType::F64 ? (b.cast(word32(c), DType::F64) + 0.5) * 0x1p-32
                                                   : (b.cast(b.shr_logical(word64(c), 12), DType::F64) + 0.5) * 0x1p-52;
  return b.cast(normal_quantile(b, p), c.outputs[0].dtype);
}

std::vector<TensorType> floating_of_shape(const Arguments& a) {
  const DType type = dtype_attr(a, 1, default_dtype());
  if (!kiln::is_floating(type)) fail(ErrorCode::type, "random floats, not " + std::string(name_of(type)) + "; randint draws integers");
  return {{type, a.attr<Dims>(0)}};
}

Tensor random_integers(const Arguments& a) {
  const int64_t low = a.attr<int64_t>(0), high = a.attr<int64_t>(1);
  if (low >= high) fail(ErrorCode::value, "randint: no integer in [" + std::to_string(low) + ", " + std::to_string(high) + ")");
  const auto width = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
  if (width >> 63) fail(ErrorCode::value, "randint: a range of 2^63 or more");
  const DType type = dtype_attr(a, 3, DType::I64);
  if (!is_integer(type)) fail(ErrorCode::type, "randint draws integers, not " + std::string(name_of(type)));
  const Tensor offset = op::remainder(op::random_bits(a.attr<Dims>(2)), static_cast<int64_t>(width));
  return as(op::add(offset, low), type);
}

Tensor kept(const Arguments& a) {
  const Tensor x = floating_tensor(a, 0);
  const double p = number_of(a.attrs[0]);
  if (!(p >= 0 && p <= 1)) fail(ErrorCode::value, "dropout: the probability " + std::to_string(p) + " is not between 0 and 1");
  if (!a.attr<bool>(1) || p == 0) return x;
  const Tensor keep = op::greater_equal(op::random_uniform(x.shape()), p);
  return op::where(keep, op::multiply(x, p < 1 ? 1 / (1 - p) : 0.0), 0);
}

std::vector<Sample> shape_samples() {
  return {{.attrs = {Dims{3, 37}, std::monostate()}},
          {.attrs = {Dims{}, DType::F64}},
          {.attrs = {Dims{0, 2}, DType::F32}},
          {.attrs = {Dims{5}, DType::F64}}};
}

}  // namespace

const Operator& random_uniform = define({
    .name = "random_uniform",
    .doc = "Uniform draws from [0, 1): multiples of 2^-24 in float32, 2^-53 in float64; dtype None: the default floating dtype.",
    .parameters = {shape("shape"), dtype_or_none()},
    .body = uniform_body,
    .result = ResultType::given,
    .type = floating_of_shape,
    .random = true,
    .aliases = {"rand"},
    .samples = shape_samples(),
});

const Operator& random_normal = define({
    .name = "random_normal",
    .doc = "Draws from the standard normal distribution, by its quantile function; dtype None: the default floating dtype.",
    .parameters = {shape("shape"), dtype_or_none()},
    .body = normal_body,
    .result = ResultType::given,
    .type = floating_of_shape,
    .random = true,
    .aliases = {"randn"},
    .samples = shape_samples(),
});

const Operator& random_bits = define({
    .name = "random_bits",
    .doc = "Uniform int64 draws from [0, 2^63).",
    .parameters = {shape("shape")},
    .body = [](BodyContext& c) { return c.b.shr_logical(word64(c), 1); },
    .result = ResultType::given,
    .type = [](const Arguments& a) { return std::vector<TensorType>{{DType::I64, a.attr<Dims>(0)}}; },
    .random = true,
    .samples = {{.attrs = {Dims{3, 37}}}, {.attrs = {Dims{0}}}},
});

const Operator& randint = define({
    .name = "randint",
    .doc = "Uniform integer draws from [low, high), int64 unless dtype says otherwise; the bias is below (high - low) / 2^63.",
    .parameters = {integer("low"), integer("high"), shape("shape"), dtype_or_none()},
    .compose = [](const Arguments& a) { return Tensors{random_integers(a)}; },
    .samples = {{.attrs = {int64_t{-3}, int64_t{4}, Dims{3, 37}, std::monostate()}},
                {.attrs = {int64_t{0}, int64_t{256}, Dims{41}, DType::U8}}},
});

const Operator& bernoulli = define({
    .name = "bernoulli",
    .doc = "True with probability p, a tensor: bool draws of its shape.",
    .parameters = {floating("p")},
    .compose =
        [](const Arguments& a) {
          const Tensor p = floating_tensor(a, 0);
          return Tensors{op::less(op::random_uniform(p.shape(), p.dtype()), p)};
        },
    .samples = {tensors_of({{.shape = {3, 37}, .low = 0, .high = 1}})},
});

const Operator& dropout = define({
    .name = "dropout",
    .doc = "While training, x / (1 - p) with probability 1 - p, else 0; otherwise x itself.",
    .parameters = {floating("x"), number("p", 0.5), flag("training", true)},
    .compose = [](const Arguments& a) { return Tensors{kept(a)}; },
    .samples = {shapes({{3, 37}}), shapes({{3, 37}}, {0.25, false}), shapes({{4}}, {int64_t{1}, true})},
    .onnx = "Dropout",
});

}  // namespace kiln::eager::ops
