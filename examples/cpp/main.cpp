// Kiln from C++, in three steps: an eager function, the same function jitted, and a small regression whose whole training step is jitted.
#include <kiln/kiln.h>

#include <cstring>
#include <iostream>

namespace {

using kiln::Tensor;

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.data<float>(), b.data<float>(), a.numel() * sizeof(float)) == 0;
}

Tensor gelu(const Tensor& x) { return 0.5 * x * (1 + kiln::tanh(0.7978845608 * (x + 0.044715 * x * x * x))); }

// A line through points: weight and bias, and one step of gradient descent, in place.
struct Line {
  Tensor weight = kiln::zeros({1, 1}), bias = kiln::zeros(1);

  Line() {
    weight.requires_grad_();
    bias.requires_grad_();
  }
  Tensor step(const Tensor& x, const Tensor& y) {
    const Tensor loss = kiln::mse_loss(kiln::matmul(x, weight) + bias, y);
    loss.backward();
    const auto scope = kiln::no_grad();
    for (Tensor* p : {&weight, &bias}) {
      *p -= 0.1 * p->grad();
      p->set_grad();  // none: the next backward() starts anew
    }
    return loss;
  }
};

// The loss after so many steps.
template <class Step>
float train(Step step, const Tensor& x, const Tensor& y) {
  Tensor loss;
  for (int i = 0; i < 200; ++i) loss = step(x, y);
  return loss.item<float>();
}

int run() {
  std::cout << "Kiln " << kiln::version() << '\n';

  // Eager: each operator runs at once.
  const Tensor x = kiln::linspace(-3, 3, 100'000);
  const Tensor plain = gelu(x);
  std::cout << "gelu(x) = " << plain << '\n';

  // Jitted: the same operators, fused into one kernel; the same bits.
  const auto fast_gelu = kiln::jit(gelu, {.name = "gelu"});
  const Tensor fast = fast_gelu(x);
  std::cout << fast_gelu.explain();

  // A training step: forward, backward and update are one program.
  kiln::manual_seed(0);
  const Tensor points = kiln::random_normal({64, 1});
  const Tensor values = 3 * points - 1 + 0.01 * kiln::random_normal({64, 1});
  Line eager, jitted;
  const float loss = train([&](const Tensor& a, const Tensor& b) { return eager.step(a, b); }, points, values);
  train(kiln::jit([&](const Tensor& a, const Tensor& b) { return jitted.step(a, b); }), points, values);
  std::cout << "y = " << eager.weight.item<float>() << " x + " << eager.bias.item<float>() << ", loss " << loss << '\n';

  const bool same = same_bits(plain, fast) && same_bits(eager.weight, jitted.weight) && same_bits(eager.bias, jitted.bias);
  std::cout << "eager and jitted: " << (same ? "identical, bit for bit" : "different") << '\n';
  return same ? 0 : 1;
}

}  // namespace

int main() {
  try {
    return run();
  } catch (const kiln::Error& e) {
    std::cerr << e.what() << '\n';
    return 2;
  }
}
