// Code of a front end's on the tape: hooks, gradient rules, and passes that stop at them.
#include "eager/backward.h"
#include "tests/cpp/eager/tensors.h"

namespace kiln::testing {
namespace {

const Op add{"add"}, multiply{"multiply"}, sum{"sum"};

struct Host final : eager::HostFunction {
  using Function = std::function<Tensors(std::span<const Tensor>)>;
  explicit Host(Function f) : function(std::move(f)) {}
  Tensors operator()(std::span<const Tensor> gradients) override { return function(gradients); }
  bool active() const override { return !removed; }
  Function function;
  bool removed = false;
};

Ref<Host> scaling(double factor) {
  return new Host([factor](std::span<const Tensor> g) { return Tensors{multiply(g[0], factor)}; });
}

void hook(const Tensor& t, const Ref<Host>& h) { eager::add_hook(t, Ref<eager::HostFunction>(h.get())); }

TEST(Hooks, SeeTheWholeGradientAndMayChangeIt) {
  const Tensor x = leaf(counting({2}));
  Numbers seen;
  const Ref<Host> look(new Host([&](std::span<const Tensor> g) {
    seen = values(g[0]);
    return Tensors{g[0]};
  }));
  hook(x, look);
  hook(x, scaling(10));
  const Tensor y = multiply(x, 3.0);
  hook(y, scaling(2));
  backward(sum(add(y, x)), {});
  EXPECT_EQ(seen, (Numbers{7, 7}));
  EXPECT_EQ(gradient(x), (Numbers{70, 70}));
}

TEST(Hooks, RemovedOnesAreNotCalled) {
  const Tensor x = leaf(counting({2}));
  const Ref<Host> gone = scaling(10);
  hook(x, gone);
  EXPECT_TRUE(eager::has_hooks(x));
  gone->removed = true;
  EXPECT_FALSE(eager::has_hooks(x));
  backward(sum(multiply(x, 1.0)), {});
  EXPECT_EQ(gradient(x), (Numbers{1, 1}));
}

TEST(Hooks, MustGiveALikeGradient) {
  const Tensor x = leaf(counting({2}));
  hook(x, new Host([](std::span<const Tensor> g) { return Tensors{sum(g[0])}; }));
  expect_error(ErrorCode::runtime, "a gradient like the one it got", [&] { backward(sum(multiply(x, 1.0)), {}); });
  EXPECT_EQ(gradient(x), Numbers{});
  expect_error(ErrorCode::runtime, "requires grad", [&] { hook(counting({2}), scaling(1)); });
}

TEST(Hooks, TheirGradientIsTheirsToKeep) {
  const Tensor x = leaf(counting({2}));
  std::vector<Tensor> kept;
  hook(x, new Host([&](std::span<const Tensor> g) {
         kept.push_back(g[0]);
         return Tensors{g[0]};
       }));
  for (int i = 0; i < 2; ++i) backward(sum(multiply(x, 2.0)), {});
  EXPECT_EQ(values(kept[0]), (Numbers{2, 2}));
  EXPECT_EQ(gradient(x), (Numbers{4, 4}));
}

TEST(Rules, GiveTheGradientsOfTheirInputs) {
  const Tensor x = leaf(counting({2})), y = leaf(counting({2}));
  const Ref<eager::HostFunction> rule(new Host([](std::span<const Tensor> g) { return Tensors{multiply(g[0], 7.0), Tensor()}; }));
  const Tensor inputs[] = {x, y}, outputs[] = {counting({2})};
  const Tensors made = eager::attach(rule, inputs, outputs);
  backward(sum(made[0]), {});
  EXPECT_EQ(gradient(x), (Numbers{7, 7}));
  EXPECT_EQ(gradient(y), Numbers{});
  expect_error(ErrorCode::runtime, "freed by an earlier backward", [&] { backward(sum(made[0]), {}); });
  const eager::NoGrad off;
  EXPECT_FALSE(eager::attach(rule, inputs, outputs)[0].requires_grad());
}

TEST(Rules, MustGiveGradientsLikeTheInputs) {
  const Tensor x = leaf(counting({2}));
  const Tensor inputs[] = {x}, outputs[] = {counting({2})};
  const auto run = [&](Tensor given) {
    backward(sum(eager::attach(new Host([given](std::span<const Tensor>) { return Tensors{given}; }), inputs, outputs)[0]), {});
  };
  expect_error(ErrorCode::value, "must be like it, float32(2,), not float32(3,)", [&] { run(counting({3})); });
  expect_error(ErrorCode::type, "must be like it, float32(2,), not float64(2,)", [&] { run(tensor({2}, {1}, DType::F64)); });
  EXPECT_EQ(gradient(x), Numbers{});
}

TEST(Passes, StopAtAFrontEndsCode) {
  const Tensor x = leaf(counting({2}));
  const Ref<Host> h = scaling(1);
  hook(x, h);
  eager::BackwardPass pass(false, false);
  pass.add_root(sum(multiply(x, 4.0)), {});
  pass.start();
  const auto stop = pass.next();
  ASSERT_TRUE(stop);
  EXPECT_EQ(stop->function, h.get());
  EXPECT_EQ(values(stop->gradients[0]), (Numbers{4, 4}));
  pass.resume({multiply(stop->gradients[0], 2.0)});
  EXPECT_FALSE(pass.next());
  pass.commit();
  EXPECT_EQ(gradient(x), (Numbers{8, 8}));
}

TEST(Passes, SayWhatElseIsBehindATensor) {
  const Tensor x = leaf(counting({2})), y = leaf(counting({2}));
  const Tensor of_x[] = {multiply(x, 2.0)}, of_both[] = {multiply(x, y)}, inputs[] = {x};
  EXPECT_FALSE(eager::depends_on_others(of_x, inputs));
  EXPECT_TRUE(eager::depends_on_others(of_both, inputs));
}

TEST(Passes, DoNotReachLeavesWhileAFunctionIsTransformed) {
  const Tensor x = leaf(counting({2}));
  EXPECT_FALSE(eager::set_transforming(true));
  expect_error(ErrorCode::runtime, "would change leaves outside of it", [&] { backward(sum(x), {}); });
  EXPECT_TRUE(eager::set_transforming(false));
}

}  // namespace
}  // namespace kiln::testing
