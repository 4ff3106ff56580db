// backward, grad modes, and gradients of functions, plain and jitted.
#include "expect.h"

namespace kiln::testing {
namespace {

Tensor cubes(const Tensor& x) { return sum(x * x * x); }

TEST(Autograd, Backward) {
  Tensor x{1.0f, 2.0f};
  EXPECT_FALSE(x.requires_grad());
  x.requires_grad_();
  const Tensor y = cubes(x);
  EXPECT_TRUE(y.requires_grad());
  EXPECT_FALSE(y.is_leaf());
  y.backward();
  EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{3, 12}));
  cubes(x).backward();
  EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{6, 24}));
  x.set_grad();
  EXPECT_FALSE(x.grad().defined());
  (x * 2).backward(Tensor{1.0f, 3.0f});
  EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{2, 6}));
  expect_error(ErrorCode::value, "float32(2,), not float32(1,)", [&] { x.set_grad(Tensor{1.0f}); });
  expect_error(ErrorCode::runtime, "", [&] { (x * 2).backward(); });
  expect_error(ErrorCode::runtime, "only floating and complex tensors can require grad, not int32", [] { (Tensor{1}).requires_grad_(); });
  expect_error(ErrorCode::runtime, "", [&] { x += 1; });
  expect_error(ErrorCode::runtime, "no_grad", [&] { x.mutable_data<float>(); });
}

TEST(Autograd, Scopes) {
  Tensor x{1.0f};
  x.requires_grad_();
  {
    const auto scope = no_grad();
    EXPECT_FALSE(is_grad_enabled());
    EXPECT_FALSE((x * 2).requires_grad());
    x += 1;
    const auto inner = enable_grad();
    EXPECT_TRUE((x * 2).requires_grad());
  }
  EXPECT_TRUE(is_grad_enabled());
  EXPECT_FALSE(x.detach().requires_grad());
  EXPECT_EQ(x.item<float>(), 2);
}

TEST(Autograd, OfFunctions) {
  const Tensor x{1.0f, 2.0f};
  const auto [value, slope] = value_and_grad(cubes)(x);
  EXPECT_EQ(value.item<float>(), 9);
  EXPECT_FALSE(value.requires_grad());
  EXPECT_EQ(slope.to_vector<float>(), (std::vector<float>{3, 12}));
  EXPECT_FALSE(x.requires_grad());
  const auto by_second = grad<1>([](double scale, const Tensor& t) { return sum(t * scale); });
  EXPECT_EQ(by_second(3.0, x).to_vector<float>(), (std::vector<float>{3, 3}));
  const auto of_list = grad([](const std::vector<Tensor>& w) { return sum(w[0] * w[1]); });
  const std::vector<Tensor> slopes = of_list(std::vector<Tensor>{x, x * 2, x});
  EXPECT_EQ(slopes[0].to_vector<float>(), (std::vector<float>{2, 4}));
  EXPECT_EQ(slopes[2].to_vector<float>(), (std::vector<float>{0, 0}));
  const auto second = grad([](const Tensor& t) { return sum(grad(cubes)(t)); });
  EXPECT_EQ(second(x).to_vector<float>(), (std::vector<float>{6, 12}));
  expect_error(ErrorCode::type, "one floating number, a tensor of one element, not float32(2,)",
               [&] { grad([](const Tensor& t) { return t * 2; })(x); });
  expect_error(ErrorCode::type, "floating and complex tensors, not int32(2,)", [] { grad(cubes)(Tensor{1, 2}); });
  EXPECT_TRUE(is_grad_enabled());
}

TEST(Autograd, AWholeStepJittedGivesTheBitsOfThePlainOne) {
  const auto step = [](const Tensor& x, const Tensor& y, Tensor& w, Tensor& b) {
    const Tensor loss = mean(square(x * w + b - y));
    loss.backward();
    const auto scope = no_grad();
    for (Tensor* p : {&w, &b}) {
      *p -= 0.1 * p->grad();
      p->set_grad();
    }
    return loss.item<float>();
  };
  manual_seed(0);
  const Tensor x = random_normal({64}), y = 3 * x - 1;
  std::vector<Tensor> weights;
  const auto fast = jit(step);
  for (const bool jitted : {false, true}) {
    Tensor w = zeros(1), b = zeros(1);
    w.requires_grad_();
    b.requires_grad_();
    float loss = 0;
    for (int i = 0; i < 50; ++i) loss = jitted ? fast(x, y, w, b) : step(x, y, w, b);
    EXPECT_LT(loss, 1e-3);
    weights.insert(weights.end(), {w, b});
  }
  EXPECT_TRUE(same_bits(weights[0], weights[2]));
  EXPECT_TRUE(same_bits(weights[1], weights[3]));
}

}  // namespace
}  // namespace kiln::testing
