// Values that are easy to get wrong: signs, zeros, infinities, wrapping, ties, and what errors say.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "codegen/error.h"
#include "tests/cpp/eager/samples.h"

namespace kiln::testing {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity(), kNaN = std::numeric_limits<double>::quiet_NaN();

Tensor vector(std::vector<double> values, DType dtype = DType::F64) { return filled({static_cast<int64_t>(values.size())}, dtype, values); }

// Element by element: the same bits, any NaN as good as another.
void expect_doubles(const Tensor& t, const std::vector<double>& expected) {
  const std::vector<double> got = values_of<double>(t);
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(expected[i])) EXPECT_TRUE(std::isnan(got[i])) << "element " << i << " is " << got[i];
    else
      EXPECT_EQ(std::bit_cast<uint64_t>(got[i]), std::bit_cast<uint64_t>(expected[i]))
          << "element " << i << ": " << got[i] << ", not " << expected[i];
  }
}

template <class T>
void expect_values(const Tensor& t, const std::vector<T>& expected) {
  EXPECT_EQ(values_of<T>(t), expected);
}

template <class F>
void expect_error(ErrorCode code, const std::string& part, F f) {
  try {
    f();
    ADD_FAILURE() << "no error, expected: " << part;
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
  }
}

TEST(Remainder, HasTheDivisorsSign) {
  const Op remainder{"remainder"};
  expect_doubles(remainder(vector({7, -7, 7, -7, 0.0, -0.0, 6, -6}), vector({3, 3, -3, -3, 3, 3, -3, 3})),
                 {1, 2, -2, -1, 0.0, 0.0, -0.0, 0.0});
  expect_doubles(remainder(vector({1, -1, 0.0, kInf, 1, 1, kNaN}), vector({kInf, kInf, -kInf, 2, 0.0, kNaN, 1})),
                 {1, kInf, -0.0, kNaN, kNaN, kNaN, kNaN});
  expect_values<int32_t>(remainder(vector({7, -7, -2147483648.0, 5, 6}, DType::I32), vector({-3, 3, -1, 0, -3}, DType::I32)),
                         {-2, 2, 0, 0, 0});
}

TEST(Remainder, IsExactForLargeQuotients) {
  const Op remainder{"remainder"};
  const Tensor r = remainder(vector({3e38, 1e30, 16777217}, DType::F32), vector({7, 1e-30, 3}, DType::F32));
  const float expected[] = {std::fmod(3e38f, 7.0f), std::fmod(1e30f, 1e-30f), std::fmod(16777217.0f, 3.0f)};
  expect_values<float>(r, {expected[0], expected[1], expected[2]});
  expect_doubles(remainder(vector({1e300, -1e22}), vector({1e230, 3})), {std::fmod(1e300, 1e230), 3 + std::fmod(-1e22, 3.0)});
}

TEST(FloorDivide, RoundsDown) {
  const Op floor_divide{"floor_divide"};
  expect_doubles(floor_divide(vector({7, -7, 1, -1, 1, -1, 0.0, kInf}), vector({2, 2, 0.0, 0.0, kInf, kInf, -3, 1})),
                 {3, -4, kInf, -kInf, 0.0, -1, -0.0, kNaN});
  expect_doubles(floor_divide(vector({1, 0.3}), vector({0.1, 0.1})), {9, 2});  // 0.1 is above a tenth
  expect_values<int32_t>(floor_divide(vector({7, -7, -2147483648.0, 5}, DType::I32), vector({-2, 2, -1, 0}, DType::I32)),
                         {-4, -4, INT32_MIN, 0});
}

TEST(Power, KeepsAnnexF) {
  const Op pow{"float_power"};
  expect_doubles(pow(vector({kNaN, 1, -1, -1, -8, 0.0, -0.0, -0.0, -0.0}), vector({0.0, kNaN, kInf, -kInf, 1.0 / 3, -1, -1, -2, 3})),
                 {1, 1, 1, 1, kNaN, kInf, -kInf, kInf, -0.0});
  expect_doubles(
      pow(vector({0.5, 2, 0.5, 2, -kInf, -kInf, -kInf, kInf, 2, 2}), vector({kInf, kInf, -kInf, -kInf, -3, 3, 0.5, -0.1, 1024, -1075})),
      {0, kInf, kInf, 0, -0.0, -kInf, kInf, 0, kInf, 0});
  expect_doubles(pow(vector({2, 3, 10, -2, 4, 2}), vector({10, 4, 22, 3, 0.5, -1074})), {1024, 81, 1e22, -8, 2, 4.9406564584124654e-324});
}

TEST(Power, IsWithinThreeUlp) {
  const Op pow{"float_power"};
  std::mt19937_64 random(5);
  const Tensor x = drawn({20000}, DType::F64, 1e-3, 40, random), y = drawn({20000}, DType::F64, -80, 80, random);
  const auto xs = values_of<double>(x), ys = values_of<double>(y), got = values_of<double>(pow(x, y));
  for (size_t i = 0; i < got.size(); ++i) {
    const long double exact = std::pow(static_cast<long double>(xs[i]), static_cast<long double>(ys[i]));
    if (!std::isnormal(static_cast<double>(exact))) continue;
    const long double ulp = std::ldexp(1.0L, std::ilogb(static_cast<double>(exact)) - 52);
    ASSERT_LT(std::abs(got[i] - exact) / ulp, 1.5L) << xs[i] << " to the " << ys[i];
  }
}

TEST(Erf, IsWithinTwoUlp) {
  const Op erf{"erf"};
  std::mt19937_64 random(6);
  for (const DType dtype : {DType::F32, DType::F64}) {
    const Tensor x = drawn({20000}, dtype, -6.5, 6.5, random);
    const Op astype{"astype"};
    const auto xs = values_of<double>(astype(x, DType::F64)), got = values_of<double>(astype(erf(x), DType::F64));
    for (size_t i = 0; i < got.size(); ++i) {
      const long double exact = std::erf(static_cast<long double>(xs[i]));
      const long double ulp = std::ldexp(1.0L, std::ilogb(static_cast<double>(exact)) - (dtype == DType::F32 ? 23 : 52));
      ASSERT_LT(std::abs(got[i] - exact) / ulp, 2.0L) << xs[i];
    }
  }
  expect_doubles(erf(vector({-0.0, kInf, -kInf, kNaN, 1e-310})), {-0.0, 1, -1, kNaN, 1e-310 * 1.1283791670955126});
}

TEST(Power, OfIntegersWraps) {
  const Op pow{"pow"};
  const Tensor p = pow(vector({3, 2, 2, -1, 0, -2, 7}, DType::I64), vector({41, 63, 64, 1e9 + 1, 0, 3, 100}, DType::I64));
  uint64_t seven = 1;
  for (int i = 0; i < 100; ++i) seven *= 7;
  uint64_t three = 1;
  for (int i = 0; i < 41; ++i) three *= 3;
  expect_values<int64_t>(p, {static_cast<int64_t>(three), INT64_MIN, 0, -1, 1, -8, static_cast<int64_t>(seven)});
  expect_error(ErrorCode::value, "negative integer powers", [&] { pow(vector({2}, DType::I32), -1); });
  expect_error(ErrorCode::value, "negative integer powers", [&] { pow(vector({2, 2}, DType::I32), vector({1, -1}, DType::I32)); });
}

TEST(MaxPool, FirstMaximumWinsAndNaNBeatsAll) {
  const Op max_pool2d{"max_pool2d"};
  const Tensor x = filled({1, 1, 2, 6}, DType::F64, {1, 5, kNaN, 0, -kInf, -kInf, 5, 2, 1, kNaN, -kInf, -kInf});
  const Tensors y = max_pool2d.all(x, Dims{2, 2});
  expect_doubles(y[0], {5, kNaN, -kInf});
  expect_values<uint8_t>(y[1], {1, 0, 0});
  // A window whose first taps are padding names a tap inside, even where all are -inf.
  const Tensors padded =
      max_pool2d.all(filled({1, 1, 2, 2}, DType::F64, {-kInf, -kInf, -kInf, 3}), Dims{2, 2}, std::monostate(), Dims{1, 1});
  expect_doubles(padded[0], {-kInf, -kInf, -kInf, 3});
  expect_values<uint8_t>(padded[1], {3, 2, 1, 0});
}

TEST(MaxPool, BackwardAgreesBetweenTilesAndTaps) {
  const Op max_pool2d{"max_pool2d"}, backward{"max_pool2d_backward"};
  std::mt19937_64 random(9);
  const Tensor x = drawn({2, 3, 17, 11}, DType::F64, -1, 1, random);
  const auto xs = values_of<double>(x);
  for (const Dims& kernel : {Dims{2, 3}, Dims{4, 4}, Dims{5, 4}}) {  // few taps are stored side by side, many in a loop
    const Tensors y = max_pool2d.all(x, kernel);
    const Tensor g = drawn(y[0].shape(), DType::F64, -1, 1, random);
    const auto dx = values_of<double>(backward(g, y[1], Dims{17, 11}, kernel));
    const auto ys = values_of<double>(y[0]), gs = values_of<double>(g);
    const int64_t rows = 17 / kernel[0], columns = 11 / kernel[1];
    for (int64_t image = 0; image < 6; ++image)
      for (int64_t h = 0; h < 17; ++h)
        for (int64_t w = 0; w < 11; ++w) {
          const int64_t row = h / kernel[0], column = w / kernel[1];
          const auto at = static_cast<size_t>((image * 17 + h) * 11 + w),
                     window = static_cast<size_t>((image * rows + row) * columns + column);
          EXPECT_EQ(dx[at], row < rows && column < columns && xs[at] == ys[window] ? gs[window] : 0.0);
        }
  }
}

TEST(MaxPool, WindowsHoldAnElement) {
  const Tensor x = filled({1, 1, 2, 2}, DType::F64, {1, 2, 3, 4}), winners = vector({0, 0, 0, 0}, DType::U8);
  const Tensor taps = Op{"reshape"}(winners, Dims{1, 1, 2, 2});
  for (const Dims& empty : {Dims{0, 0}, Dims{0, 2}, Dims{2, -1}}) {
    expect_error(ErrorCode::value, "kernel_size", [&] { Op{"max_pool2d"}.all(x, empty); });
    expect_error(ErrorCode::value, "kernel_size", [&] { Op{"max_pool2d_tiles"}(x, taps, empty); });
  }
}

TEST(Reductions, OfNothing) {
  const Tensor none = filled({0, 3}, DType::F64, {});
  expect_doubles(Op{"sum"}(none, Dims{0}), {0, 0, 0});
  expect_doubles(Op{"prod"}(none, Dims{0}), {1, 1, 1});
  expect_doubles(Op{"mean"}(none, Dims{0}), {kNaN, kNaN, kNaN});
  expect_error(ErrorCode::value, "", [&] { Op{"max"}(none, Dims{0}); });
  expect_error(ErrorCode::value, "no elements", [&] { Op{"argmax"}(none, 0); });
}

TEST(Reductions, TakeIntegersTo64Bits) {
  expect_values<uint64_t>(Op{"sum"}(vector({200, 100, 255}, DType::U8)), {555});
  expect_values<int64_t>(Op{"sum"}(vector({-100, -100, 127}, DType::I8)), {-73});
  expect_values<int64_t>(Op{"argmax"}(vector({1, 3, kNaN, kNaN})), {2});
  expect_values<int64_t>(Op{"argmin"}(vector({1, -3, -3, 2}, DType::I32)), {1});
}

TEST(Views, ShareMemory) {
  const Tensor x = vector({0, 1, 2, 3, 4, 5});
  const Tensor odd = Op{"slice"}(x, Dims{5}, Dims{-1}, Dims{-2});
  expect_doubles(odd, {5, 3, 1});
  write(odd, Operand(9));
  expect_doubles(x, {0, 9, 2, 9, 4, 9});
  const Tensor matrix = Op{"reshape"}(x, Dims{2, -1});
  EXPECT_EQ(&matrix.storage(), &x.storage());
  EXPECT_NE(&Op{"reshape"}(Op{"permute_dims"}(matrix, Dims{1, 0}), Dims{6}).storage(), &x.storage());
  expect_error(ErrorCode::value, "(6,)", [&] { Op{"reshape"}(x, Dims{4}); });
  expect_error(ErrorCode::index, "leaves axis 0", [&] { Op{"slice"}(x, Dims{4}, Dims{8}); });
}

TEST(NllLoss, NamesATargetOutOfRange) {
  const Op nll_loss{"nll_loss"};
  std::mt19937_64 random(3);
  const Tensor x = drawn({3, 4}, DType::F32, -1, 0, random);
  expect_error(ErrorCode::index, "target 4 is out of range for 4 classes", [&] { nll_loss(x, vector({0, 4, 1}, DType::I64)); });
  expect_error(ErrorCode::index, "target -1", [&] { nll_loss(x, vector({0, -1, 1}, DType::I32)); });
  expect_error(ErrorCode::value, "(3,)", [&] { nll_loss(x, vector({0, 1}, DType::I64)); });
  expect_error(ErrorCode::value, "'mean'", [&] { nll_loss(x, vector({0, 1, 2}, DType::I64), std::string("average")); });
}

TEST(Matmul, NamesShapesThatDoNotFit) {
  std::mt19937_64 random(3);
  const Tensor a = drawn({2, 3}, DType::F32, -1, 1, random);
  expect_error(ErrorCode::value, "(2, 3) and (2, 3)", [&] { Op{"matmul"}(a, a); });
  EXPECT_EQ(Op{"matmul"}(drawn({0, 3}, DType::F32, -1, 1, random), drawn({3, 2}, DType::F32, -1, 1, random)).shape(), (Dims{0, 2}));
  expect_doubles(Op{"matmul"}(drawn({2, 0}, DType::F64, -1, 1, random), drawn({0, 2}, DType::F64, -1, 1, random)), {0, 0, 0, 0});
}

TEST(Random, DrawsAreDistributedAsTheySay) {
  manual_seed(1);
  for (const DType dtype : {DType::F32, DType::F64}) {
    const auto u = values_of<double>(Op{"astype"}(Op{"random_uniform"}(Dims{100000}, dtype), DType::F64));
    const auto n = values_of<double>(Op{"astype"}(Op{"random_normal"}(Dims{100000}, dtype), DType::F64));
    double mean = 0, square = 0, uniform = 0, beyond = 0;
    for (size_t i = 0; i < n.size(); ++i) {
      ASSERT_TRUE(u[i] >= 0 && u[i] < 1 && std::isfinite(n[i]));
      uniform += u[i] / 1e5, mean += n[i] / 1e5, square += n[i] * n[i] / 1e5, beyond += std::abs(n[i]) > 1.959963984540054 ? 1e-5 : 0;
    }
    EXPECT_NEAR(uniform, 0.5, 0.005);
    EXPECT_NEAR(mean, 0, 0.015);
    EXPECT_NEAR(square, 1, 0.02);
    EXPECT_NEAR(beyond, 0.05, 0.003);
  }
}

TEST(Random, NormalDrawsAreTheQuantilesOfUniformOnes) {
  // The same call index draws the same words, so a normal draw's distribution function is the uniform one, up to its resolution.
  const GeneratorState state{.key = 11, .call = 5};
  set_generator_state(state);
  const auto u = values_of<double>(Op{"random_uniform"}(Dims{5000}, DType::F64));
  set_generator_state(state);
  const auto n = values_of<double>(Op{"random_normal"}(Dims{5000}, DType::F64));
  for (size_t i = 0; i < u.size(); ++i) EXPECT_NEAR(0.5 * std::erfc(-n[i] * std::sqrt(0.5)), u[i], 1e-15 + 4e-16);
}

TEST(Random, DrawsDoNotDependOnTheShapeButOnTheElement) {
  manual_seed(4);
  const auto flat = values_of<float>(Op{"random_uniform"}(Dims{60}, DType::F32));
  manual_seed(4);
  EXPECT_EQ(values_of<float>(Op{"random_uniform"}(Dims{3, 4, 5}, DType::F32)), flat);
  manual_seed(4);
  EXPECT_EQ(values_of<float>(Op{"random_uniform"}(Dims{7}, DType::F32)), std::vector<float>(flat.begin(), flat.begin() + 7));
}

TEST(Random, IntegersStayInRange) {
  manual_seed(2);
  std::array<int, 7> seen{};
  for (int64_t v : values_of<int64_t>(Op{"randint"}(-3, 4, Dims{7000}))) {
    ASSERT_TRUE(v >= -3 && v < 4);
    ++seen[static_cast<size_t>(v + 3)];
  }
  for (int count : seen) EXPECT_NEAR(count, 1000, 150);
  expect_error(ErrorCode::value, "[4, 4)", [] { Op{"randint"}(4, 4, Dims{1}); });
}

}  // namespace
}  // namespace kiln::testing
