// The tape: what backward gives, when it refuses, and that it frees what it holds.
#include "tests/cpp/eager/tensors.h"

namespace kiln::testing {
namespace {

const Op add{"add"}, multiply{"multiply"}, sum{"sum"}, exp_{"exp"}, slice{"slice"}, astype{"astype"}, reshape{"reshape"},
    broadcast_to{"broadcast_to"}, permute{"permute_dims"};

void in_place(const Op& op, const Tensor& x, const Operand& y) {
  const Operand operands[] = {x, y};
  call_in_place(op.definition(), operands, {}, x);
}

Tensor part(const Tensor& x, int64_t from, int64_t to) { return slice(x, Dims{from}, Dims{to}); }

TEST(Backward, SumsOverWhatWasBroadcastAndCasts) {
  const Tensor x = leaf(counting({2, 3})), row = leaf(counting({3})), one = leaf(counting({1, 1})),
               half = leaf(tensor({3}, {0.5}, DType::F64));
  backward(sum(multiply(add(add(x, row), one), 2.0)), {});
  EXPECT_EQ(gradient(x), Numbers(6, 2));
  EXPECT_EQ(gradient(row), Numbers(3, 4));
  EXPECT_EQ(gradient(one), (Numbers{12}));
  EXPECT_EQ(one.autograd().grad->shape(), (Dims{1, 1}));
  const Tensor f = leaf(counting({3}));
  backward(sum(multiply(f, half)), {});
  EXPECT_EQ(f.autograd().grad->dtype(), DType::F32);
  EXPECT_EQ(half.autograd().grad->dtype(), DType::F64);
}

TEST(Backward, AddsToWhatIsThere) {
  const Tensor x = leaf(counting({2}));
  backward(sum(multiply(x, 3.0)), {});
  const Tensor held = *x.autograd().grad;
  backward(sum(multiply(x, 4.0)), {});
  EXPECT_EQ(gradient(x), (Numbers{7, 7}));
  EXPECT_TRUE(x.autograd().grad->same_as(held));
}

TEST(Backward, NoTwoLeavesShareAGradient) {
  const Tensor a = leaf(counting({2})), b = leaf(counting({2})), seed = tensor({2}, {1});
  backward(add(a, b), seed);
  EXPECT_NE(&a.autograd().grad->storage(), &b.autograd().grad->storage());
  EXPECT_NE(&a.autograd().grad->storage(), &seed.storage());
  EXPECT_NE(&b.autograd().grad->storage(), &seed.storage());
  const Tensor c = leaf(counting({2, 3}));
  backward(sum(c), {});
  EXPECT_TRUE(c.autograd().grad->is_contiguous()) << "a gradient is ordinary memory, not a broadcast view";
}

TEST(Backward, NeedsASeedOfTheRootsShape) {
  const Tensor x = leaf(counting({2}));
  const Tensor y = multiply(x, 2.0);
  expect_error(ErrorCode::runtime, "needs a gradient to start from", [&] { backward(y, {}); });
  expect_error(ErrorCode::value, "(3,) is not the tensor's (2,)", [&] { backward(y, counting({3})); });
  expect_error(ErrorCode::runtime, "does not require grad", [&] { backward(counting({}), {}); });
  EXPECT_EQ(gradient(x), Numbers{});
}

TEST(Backward, FreesWhatWasSavedUnlessAsked) {
  const Tensor x = leaf(counting({2}));
  const Tensor y = sum(multiply(x, x));
  backward(y, {}, true);
  backward(y, {});
  EXPECT_EQ(gradient(x), (Numbers{0, 4}));
  expect_error(ErrorCode::runtime, "retain_graph=True", [&] { backward(y, {}); });
  EXPECT_EQ(gradient(x), (Numbers{0, 4}));
}

TEST(Backward, RefusesWhatWasOverwritten) {
  const Tensor x = leaf(counting({2}));
  const Tensor e = exp_(x);
  const Tensor y = sum(e);
  {
    const NoGrad no_grad;
    in_place(multiply, e, 2.0);
  }
  expect_error(ErrorCode::runtime, "exp needs for its gradient was written in place", [&] { backward(y, {}); });
}

TEST(Backward, NothingIsRecordedWithoutGrad) {
  const Tensor x = leaf(counting({2}));
  const NoGrad no_grad;
  EXPECT_FALSE(multiply(x, 2.0).requires_grad());
  EXPECT_FALSE(part(x, 0, 1).requires_grad());
}

TEST(Backward, LongChainsDoNotNest) {
  const Tensor x = leaf(tensor({1}, {1}));
  {
    Tensor y = x;
    for (int i = 0; i < 100'000; ++i) y = multiply(y, 1.0);
    backward(sum(y), {});
  }
  EXPECT_EQ(gradient(x), (Numbers{1}));
  Tensor dropped = x;  // freed without a backward
  for (int i = 0; i < 100'000; ++i) dropped = exp_(dropped);
}

TEST(Backward, CanBeDifferentiatedItself) {
  const Tensor x = leaf(tensor({1}, {3}));
  const Tensor y = multiply(multiply(x, x), x);
  const Tensor first = gradients(std::span(&y, 1), {}, std::span(&x, 1), true, true)[0];
  EXPECT_EQ(values(first), (Numbers{27}));
  const Tensor second = gradients(std::span(&first, 1), {}, std::span(&x, 1), true, true)[0];
  EXPECT_EQ(values(second), (Numbers{18}));
}

TEST(Gradients, ForInnerTensorsAndOnlyWhatIsAskedFor) {
  const Tensor a = leaf(tensor({1}, {2})), b = leaf(tensor({1}, {5})), c = leaf(tensor({1}, {0}));
  const Tensor inner = multiply(a, b);
  const Tensor y = multiply(inner, inner);
  const Tensor inputs[] = {inner, b, c};
  const Tensors g = gradients(std::span(&y, 1), {}, inputs, false, false);
  EXPECT_EQ(values(g[0]), (Numbers{20}));
  EXPECT_EQ(values(g[1]), (Numbers{40}));
  EXPECT_FALSE(g[2]);
  EXPECT_EQ(gradient(a), Numbers{}) << "gradients() leaves .grad alone";
}

// ---- writes on the tape ---------------------------------------------------------------------------------------------

TEST(Writes, ALeafIsRefused) {
  const Tensor x = leaf(counting({3}));
  expect_error(ErrorCode::runtime, "leaf tensor that requires grad", [&] { in_place(add, x, 1.0); });
  expect_error(ErrorCode::runtime, "leaf tensor that requires grad", [&] { write(part(x, 0, 1), Scalar(1)); });
  EXPECT_EQ(values(x), (Numbers{0, 1, 2}));
  const NoGrad no_grad;
  in_place(add, x, 1.0);
  EXPECT_EQ(values(x), (Numbers{1, 2, 3}));
}

TEST(Writes, InPlaceOperatorsContinueTheHistory) {
  const Tensor x = leaf(counting({3})), w = leaf(tensor({3}, {2, 3, 4}));
  const Tensor y = multiply(x, 1.0);
  in_place(multiply, y, w);  // saves y as it was
  in_place(add, y, 1.0);
  backward(sum(y), {});
  EXPECT_EQ(gradient(x), (Numbers{2, 3, 4}));
  EXPECT_EQ(gradient(w), (Numbers{0, 1, 2}));
}

TEST(Writes, APlainTensorJoinsTheTape) {
  const Tensor w = leaf(tensor({2}, {3, 5})), total = counting({2});
  in_place(add, total, w);
  EXPECT_TRUE(total.requires_grad());
  backward(sum(multiply(total, total)), {});
  EXPECT_EQ(gradient(w), (Numbers{6, 12}));
}

TEST(Writes, OverwritingEndsTheHistory) {
  const Tensor x = leaf(counting({2}));
  const Tensor y = multiply(x, 2.0);
  write(y, Scalar(1));
  EXPECT_FALSE(y.requires_grad());
}

TEST(Writes, ThroughAViewReachTheBase) {
  const Tensor x = leaf(tensor({4}, {1, 2, 3, 4})), v = leaf(tensor({2}, {10, 20}));
  const Tensor y = multiply(x, 1.0);
  write(part(y, 1, 3), v);
  EXPECT_EQ(values(y), (Numbers{1, 10, 20, 4}));
  backward(sum(multiply(y, y)), {});
  EXPECT_EQ(gradient(x), (Numbers{2, 0, 0, 8}));
  EXPECT_EQ(gradient(v), (Numbers{20, 40}));
}

TEST(Writes, InPlaceOnAView) {
  const Tensor x = leaf(tensor({4}, {1, 2, 3, 4}));
  const Tensor y = multiply(x, 1.0);
  const Tensor view = part(y, 0, 2);
  in_place(multiply, view, 10.0);
  EXPECT_EQ(values(y), (Numbers{10, 20, 3, 4}));
  backward(add(sum(y), sum(multiply(view, 2.0))), {});
  EXPECT_EQ(gradient(x), (Numbers{30, 30, 1, 1}));
}

TEST(Writes, AViewSeesWhatItsBaseBecame) {
  const Tensor x = leaf(tensor({2, 2}, {1, 2, 3, 4}));
  const Tensor y = multiply(x, 1.0);
  const Tensor corner = slice(permute(y, Dims{1, 0}), Dims{0, 0}, Dims{1, 2});
  in_place(multiply, y, 5.0);
  EXPECT_EQ(values(corner), (Numbers{5, 15}));
  backward(sum(corner), {});
  EXPECT_EQ(gradient(x), (Numbers{5, 0, 5, 0}));
}

TEST(Writes, IntoZerosOneByOne) {
  const Tensor rows = leaf(counting({3, 2})), out = tensor({3, 2}, {0});
  for (int64_t i = 0; i < 3; ++i) write(part(out, i, i + 1), multiply(part(rows, 2 - i, 3 - i), static_cast<double>(i + 1)));
  EXPECT_EQ(values(out), (Numbers{4, 5, 4, 6, 0, 3}));
  backward(sum(out), {});
  EXPECT_EQ(gradient(rows), (Numbers{3, 3, 2, 2, 1, 1}));
}

TEST(Writes, ABaseThatIsNotContiguousIsRefusedBeforehand) {
  const Tensor x = leaf(counting({2, 2}));
  const Tensor strange = detach(permute(counting({2, 2}), Dims{1, 0}));
  expect_error(ErrorCode::runtime, "work on a copy", [&] { write(part(strange, 0, 1), part(x, 0, 1)); });
  EXPECT_EQ(values(strange), (Numbers{0, 2, 1, 3}));
}

}  // namespace
}  // namespace kiln::testing
