// <kiln/operators.h>: typed parameters and their defaults, symbols, errors, random draws.
#include "expect.h"

namespace kiln::testing {
namespace {

TEST(Operators, HaveTheirDefaultsAndTakeThemByPosition) {
  const Tensor m({1.0f, 2.0f, 3.0f, 4.0f}, {2, 2});
  EXPECT_EQ(sum(m).item<float>(), 10);
  EXPECT_EQ(sum(m, 0).to_vector<float>(), (std::vector<float>{4, 6}));
  EXPECT_EQ(sum(m, {0, 1}, true).shape(), (Shape{1, 1}));
  EXPECT_EQ(sum(m, Axes(Shape())).shape(), (Shape{2, 2}));
  EXPECT_EQ(sum(m, std::nullopt, false, DType::F64).dtype(), DType::F64);
  EXPECT_EQ(argmax(m).item<int64_t>(), 3);
  EXPECT_EQ(argmax(m, 1).shape(), (Shape{2}));
  EXPECT_EQ(zeros(3).shape(), (Shape{3}));
  EXPECT_EQ(full({2}, 1).dtype(), DType::I64);
  EXPECT_EQ(arange(1, 2, 0.25).numel(), 4);
  EXPECT_EQ(eye(2, 3, 1).shape(), (Shape{2, 3}));
  EXPECT_EQ(clip(m, 2).to_vector<float>(), (std::vector<float>{2, 2, 3, 4}));
  EXPECT_EQ(clip(m, {}, 3).to_vector<float>(), (std::vector<float>{1, 2, 3, 3}));
  const std::vector<int64_t> shape{4, 1};
  EXPECT_EQ(reshape(m, shape).shape(), Shape(shape));
}

TEST(Operators, TakeListsOfTensors) {
  const Tensor a = ones({2, 3}), b = zeros({1, 3});
  EXPECT_EQ(concat({a, b}).shape(), (Shape{3, 3}));
  EXPECT_EQ(stack(std::vector<Tensor>(7, a), 1).shape(), (Shape{2, 7, 3}));
  expect_error(ErrorCode::value, "at least one tensor", [] { return concat({}); });
}

TEST(Operators, HaveSymbols) {
  const Tensor x{-2, 3};
  EXPECT_EQ((1 - x).to_vector<int>(), (std::vector<int>{3, -2}));
  EXPECT_EQ((x * x + 1).to_vector<int>(), (std::vector<int>{5, 10}));
  EXPECT_EQ((x % 2).to_vector<int>(), (std::vector<int>{0, 1}));
  EXPECT_EQ((-x / 2).to_vector<float>(), (std::vector<float>{1, -1.5}));
  EXPECT_EQ((2 < x).to_vector<bool>(), (std::vector<bool>{false, true}));
  EXPECT_EQ((x == -2).to_vector<bool>(), (std::vector<bool>{true, false}));
  EXPECT_EQ((-2 != x).to_vector<bool>(), (std::vector<bool>{false, true}));
  EXPECT_EQ(((x > 0) | (x < 0)).to_vector<bool>(), (std::vector<bool>{true, true}));
  EXPECT_EQ((~x).to_vector<int>(), (std::vector<int>{1, -4}));
  EXPECT_EQ((!(x > 0)).to_vector<bool>(), (std::vector<bool>{true, false}));
  EXPECT_EQ((Tensor{0.5f} + 1).dtype(), DType::F32);
  EXPECT_EQ((x + 0.5).dtype(), DType::F32);
}

TEST(Operators, SayWhatIsWrong) {
  expect_error(ErrorCode::value, "shapes (2, 3) and (2,) do not broadcast", [] { return ones({2, 3}) + ones(2); });
  expect_error(ErrorCode::index, "axis 2", [] { return sum(ones({2, 3}), 2); });
  expect_error(ErrorCode::type, "bitwise_and", [] { return ones(2) & ones(2); });
  expect_error(ErrorCode::value, "outside the range of int64", [] { return ones(2) + UINT64_MAX; });
}

TEST(Random, DrawsFollowTheSeed) {
  manual_seed(7);
  const Tensor a = random_normal({5}), b = random_normal({5});
  manual_seed(7);
  EXPECT_TRUE(same_bits(random_normal({5}), a));
  EXPECT_TRUE(same_bits(rand({2, 2}), rand({2, 2})) == false);
  EXPECT_FALSE(same_bits(a, b));
}

TEST(Settings, AreSeen) {
  EXPECT_FALSE(version().empty());
  const int before = num_threads();
  set_num_threads(1);
  EXPECT_EQ(num_threads(), 1);
  set_num_threads(before);
  expect_error(ErrorCode::value, "", [] { set_num_threads(0); });
  set_default_dtype(DType::F64);
  EXPECT_EQ(zeros(1).dtype(), DType::F64);
  set_default_dtype(DType::F32);
  expect_error(ErrorCode::type, "", [] { set_default_dtype(DType::I32); });
}

}  // namespace
}  // namespace kiln::testing
