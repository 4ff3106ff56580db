// Losses: how far predictions are from their targets, as a mean, a sum, or one number per example.
#include <limits>

#include "codegen/scalar_types.h"
#include "eager/dispatch.h"
#include "eager/ops/ops.h"

namespace kiln::eager::ops {
namespace {

enum class Reduce : uint8_t { none, sum, mean };
Reduce reduce_of(const Attr& attr) {
  const std::string& word = std::get<std::string>(attr);
  if (word == "none") return Reduce::none;
  if (word == "sum") return Reduce::sum;
  if (word == "mean") return Reduce::mean;
  fail(ErrorCode::value, "reduction is 'mean', 'sum' or 'none', not '" + word + "'");
}

Tensor reduced(const Tensor& each, Reduce reduce) {
  if (reduce == Reduce::none) return each;
  const Tensor total = op::sum(each, std::monostate());
  return reduce == Reduce::sum ? total : op::divide(total, static_cast<double>(each.numel()));
}

// Where classes lie: [classes] alone, else [N, classes, ...].
int class_axis(const Dims& x) { return x.size() == 1 ? 0 : 1; }

void check_targets(const Dims& x, const Dims& target) {
  Dims wanted = x;
  if (!x.empty()) wanted.erase(class_axis(x));
  if (x.empty() || target != wanted)
    fail(ErrorCode::value, "nll_loss: predictions [N, classes, ...] of shape " + to_string(x) + " want targets of shape " +
                               to_string(wanted) + ", not " + to_string(target));
}

// Targets name classes: anything else would silently cost nothing.
void check_classes(const Arguments& a) {
  const Tensor given = tensor_of(a.operands[1]);
  const Dims x = a.operands[0].is_tensor() ? a.tensor(0).shape() : Dims();
  check_targets(x, given.shape());
  const int64_t classes = x[class_axis(x)];
  materialise(given, FlushReason::data_check);
  const Tensor target = given.is_contiguous() ? given : op::copy(given);
  if (!is_integer(target.dtype())) fail(ErrorCode::type, "targets are integers, not " + std::string(name_of(target.dtype())));
  with_type(target.dtype(), [&]<class T>(T) {
    if constexpr (std::is_integral_v<T>) {
      const auto* values = reinterpret_cast<const T*>(target.data());
      for (int64_t i = 0; i < target.numel(); ++i)
        if (const auto value = static_cast<int64_t>(values[i]); value < 0 || value >= classes)
          fail(ErrorCode::index, "target " + std::to_string(value) + " is out of range for " + std::to_string(classes) + " classes");
    }
  });
  note_checked(given, 0, classes - 1);
}

// Which element of each example's predictions is its target's: compared, not gathered, so that it fuses with what is done to it. Targets were
// checked to be classes: where those fit 32 bits, twice as many are compared at once.
Tensor is_target(const Dims& x, const Tensor& given) {
  const int axis = class_axis(x);
  const bool narrow = given.dtype() == DType::I64 && x[axis] <= std::numeric_limits<int32_t>::max();
  const Tensor target = as(given, narrow ? DType::I32 : given.dtype());
  Dims along = Dims::filled(x.size(), 1);
  along[axis] = x[axis];
  return op::equal(op::expand_dims(target, Dims{axis}), op::reshape(op::sequence(x[axis], 0, 1, target.dtype()), along));
}

Tensor negative_log_likelihood(const Arguments& a) {
  const Tensor x = floating_tensor(a, 0);
  const Tensor target = tensor_of(a.operands[1]);
  check_targets(x.shape(), target.shape());
  const Reduce reduce = reduce_of(a.attrs[0]);
  const Tensor picked = op::sum(op::where(is_target(x.shape(), target), x, 0), Dims{class_axis(x.shape())});
  return reduced(op::negative(picked), reduce);
}

Tensors negative_log_likelihood_gradient(GradContext& c) {
  const TensorType& x = c.input_types[0];
  const Tensor& target = c.input(1);
  const Reduce reduce = reduce_of(c.arguments.attrs[0]);
  Tensor slope = op::negative(c.grad());
  if (reduce == Reduce::none) slope = op::expand_dims(slope, Dims{class_axis(x.shape)});
  if (reduce == Reduce::mean) slope = op::divide(slope, static_cast<double>(target.numel()));
  return {op::where(is_target(x.shape, target), slope, 0), Tensor()};
}

std::vector<Sample> class_samples() {
  const SampleTensor six{.shape = {6}, .values = {0, 4, 2, 3, 1, 4}, .dtype = DType::I64};
  SampleTensor narrow = six;
  narrow.dtype = DType::U8;
  return {tensors_of({{.shape = {6, 5}}, six}), tensors_of({{.shape = {6, 5}}, narrow}, {std::string("sum")}),
          tensors_of({{.shape = {2, 5, 3}}, {.shape = {2, 3}, .values = {0, 4, 2, 3, 1, 4}, .dtype = DType::I32}}, {std::string("none")}),
          tensors_of({{.shape = {5}}, {.shape = {}, .values = {3}, .dtype = DType::I64}})};
}

}  // namespace

const Operator& nll_loss = define({
    .name = "nll_loss",
    .doc = "Minus the log-probability of each target class: x [N, classes, ...] or [classes], integer target [N, ...] or []; reduction "
           "'mean', 'sum' or "
           "'none'. A target outside [0, classes) is an IndexError.",
    .parameters = {floating("x"), unpromoted(integers("target")), text("reduction", "mean")},
    .compose = [](const Arguments& a) { return Tensors{negative_log_likelihood(a)}; },
    .gradient = negative_log_likelihood_gradient,
    .saves = {.inputs = 0b10},
    .raises_on_data = check_classes,
    .samples = class_samples(),
    .onnx = "NegativeLogLikelihoodLoss",
});

const Operator& cross_entropy = define({
    .name = "cross_entropy",
    .doc = "nll_loss of the logarithm of softmax over classes: x [N, classes, ...] or [classes] holds logits.",
    .parameters = {floating("x"), unpromoted(integers("target")), text("reduction", "mean")},
    .compose =
        [](const Arguments& a) {
          const Tensor x = floating_tensor(a, 0);
          check_targets(x.shape(), tensor_of(a.operands[1]).shape());
          return Tensors{op::nll_loss(op::log_softmax(x, class_axis(x.shape())), a.operands[1], a.attrs[0])};
        },
    .samples = class_samples(),
    .onnx = "SoftmaxCrossEntropyLoss",
});

const Operator& mse_loss = define({
    .name = "mse_loss",
    .doc = "The squared difference of x and target; reduction 'mean', 'sum' or 'none'.",
    .parameters = {floating("x"), floating("target"), text("reduction", "mean")},
    .compose =
        [](const Arguments& a) {
          const Reduce reduce = reduce_of(a.attrs[0]);
          const auto side = [&](int i) { return a.operands[i].is_tensor() ? Operand(floating_tensor(a, i)) : a.operands[i]; };
          const Tensor distance = op::subtract(side(0), side(1));
          return Tensors{reduced(op::square(as(distance, floating_of(distance.dtype()))), reduce)};
        },
    .samples = {shapes({{3, 5}, {3, 5}}), shapes({{3, 5}, {5}}, {std::string("sum")}), shapes({{3, 5}, {3, 5}}, {std::string("none")})},
    .reference = "{'mean': numpy.mean, 'sum': numpy.sum, 'none': numpy.array}[reduction]((x - target) ** 2)",
});

}  // namespace kiln::eager::ops
