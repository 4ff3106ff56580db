// f16 and bf16 tensors: operators compute in f32 and round once each, reductions at their end, contractions likewise.
#include <cmath>
#include <cstring>

#include "codegen/half.h"
#include "eager/promotion.h"
#include "tests/cpp/eager/tensors.h"

namespace kiln::testing {
namespace {

const Op add{"add"}, multiply{"multiply"}, sum{"sum"}, matmul{"matmul"}, astype{"astype"}, exp_{"exp"}, max_{"max"}, linear{"linear"},
    conv2d{"conv2d"}, uniform{"random_uniform"}, scan_along{"scan_along"}, recurrence{"linear_recurrence"}, scatter_rows{"scatter_rows"},
    argsort{"argsort"}, unique{"unique_values"}, searchsorted{"searchsorted"}, nextafter_{"nextafter"}, copysign_{"copysign"},
    signbit_{"signbit"}, remainder_{"remainder"}, lgamma_{"lgamma"};

double rounded(DType t, double x) {
  return t == DType::F16 ? double{static_cast<float>(Float16(x))} : double{static_cast<float>(BFloat16(x))};
}

Tensor ramp(const Dims& shape, DType t) {
  std::vector<double> v(static_cast<size_t>(product(shape)));
  for (size_t i = 0; i < v.size(); ++i) v[i] = std::sin(static_cast<double>(i)) * 3;
  return tensor(shape, v, t);
}

// The bits of a dense tensor of halves: NaN equals itself.
std::vector<uint16_t> bits(const Tensor& t) {
  std::vector<uint16_t> all(static_cast<size_t>(t.numel()));
  std::memcpy(all.data(), t.data(), all.size() * sizeof(uint16_t));
  return all;
}

TEST(Halves, EachOperatorRoundsItsResult) {
  for (const DType t : {DType::F16, DType::BF16}) {
    const Tensor x = ramp({301}, t), y = ramp({301}, t), product = multiply(x, y), both = add(product, x);
    EXPECT_EQ(both.dtype(), t);
    const auto a = values(x), b = values(y), p = values(product), s = values(both);
    for (size_t i = 0; i < a.size(); ++i) {
      ASSERT_EQ(p[i], rounded(t, static_cast<float>(a[i]) * static_cast<float>(b[i])));
      ASSERT_EQ(s[i], rounded(t, static_cast<float>(p[i]) + static_cast<float>(a[i])));
    }
    EXPECT_EQ(values(exp_(x)), values(astype(exp_(astype(x, DType::F32)), t)));
  }
}

TEST(Halves, ReductionsAccumulateInF32AndRoundOnce) {
  for (const DType t : {DType::F16, DType::BF16})
    for (const Dims& shape : {Dims{5000}, Dims{3, 70000}, Dims{130, 3}, Dims{4, 5, 6}})
      for (const Attr& axes : {Attr(), Attr(Dims{0}), Attr(Dims{0, -1})}) {
        if (const Dims* list = std::get_if<Dims>(&axes); list != nullptr && list->size() > 1 && shape.size() == 1) continue;
        const Tensor x = ramp(shape, t), wide = astype(x, DType::F32);
        EXPECT_EQ(values(sum(x, axes)), values(astype(sum(wide, axes), t)));
        EXPECT_EQ(values(max_(x, axes)), values(astype(max_(wide, axes), t)));
      }
  // In f16 itself, 2048 + 1 is 2048.
  EXPECT_EQ(values(sum(tensor({4096}, {1}, DType::F16))), std::vector<double>{4096});
}

TEST(Halves, ContractionsAreThoseOfF32Rounded) {
  for (const DType t : {DType::F16, DType::BF16}) {
    const Tensor a = ramp({7, 33}, t), b = ramp({33, 5}, t), w = ramp({4, 33}, t), image = ramp({1, 2, 6, 6}, t),
                 kernel = ramp({3, 2, 3, 3}, t);
    const auto wide = [](const Tensor& x) { return astype(x, DType::F32); };
    EXPECT_EQ(matmul(a, b).dtype(), t);
    EXPECT_EQ(values(matmul(a, b)), values(astype(matmul(wide(a), wide(b)), t)));
    EXPECT_EQ(values(linear(a, w, Operand())), values(astype(linear(wide(a), wide(w), Operand()), t)));
    const Attr one(Dims{1, 1}), none(Dims{0, 0});
    EXPECT_EQ(values(conv2d(image, kernel, Operand(), one, none, one)),
              values(astype(conv2d(wide(image), wide(kernel), Operand(), one, none, one), t)));
  }
}

TEST(Halves, ScansAndScattersAreThoseOfF32Rounded) {
  for (const DType t : {DType::F16, DType::BF16}) {
    const auto wide = [](const Tensor& x) { return astype(x, DType::F32); };
    const Tensor x = ramp({5000}, t), y = ramp({7, 3}, t), a = ramp({7, 3}, t);
    for (const char* combine : {"sum", "prod", "max", "min"})
      for (const bool reverse : {false, true})
        EXPECT_EQ(bits(scan_along(x, int64_t{0}, std::string(combine), reverse)),
                  bits(astype(scan_along(wide(x), int64_t{0}, std::string(combine), reverse), t)));
    EXPECT_EQ(values(recurrence(a, y, int64_t{0}, false)), values(astype(recurrence(wide(a), wide(y), int64_t{0}, false), t)));
    const Tensor at = tensor({4}, {1, 1, 0, 1}, DType::I64), v = ramp({4, 3}, t);
    EXPECT_EQ(values(scatter_rows(y, at, v, int64_t{0}, std::string("add"))),
              values(astype(scatter_rows(wide(y), at, wide(v), int64_t{0}, std::string("add")), t)));
    // 4096 ones, added one by one, are more than f16 or bf16 could count to alone.
    EXPECT_EQ(values(scan_along(tensor({4096}, {1}, t), int64_t{0}, std::string("sum"), false)).back(), 4096);
  }
}

TEST(Halves, AreOrderedByValue) {
  for (const DType t : {DType::F16, DType::BF16}) {
    const Tensor x = tensor({7}, {3, -HUGE_VAL, 0.5, -2, std::nan(""), -0.0, 0.0}, t);
    EXPECT_EQ(values(argsort(x)), (std::vector<double>{1, 3, 5, 6, 2, 0, 4}));
    EXPECT_EQ(values(unique(tensor({5}, {2, -1, 2, 0.5, -1}, t))), (std::vector<double>{-1, 0.5, 2}));
    EXPECT_EQ(values(searchsorted(tensor({3}, {-1, 0.5, 2}, t), tensor({2}, {0.5, 3}, t))), (std::vector<double>{1, 3}));
  }
}

// The bits of every number that is no NaN, in order, are consecutive.
TEST(Halves, NextAfterStepsOneBit) {
  for (const DType t : {DType::F16, DType::BF16}) {
    const int infinity = t == DType::F16 ? Float16::kInfinity : BFloat16::kInfinity;
    const Tensor all = Tensor::empty(Dims{infinity + 1}, t);
    std::vector<uint16_t> bits(static_cast<size_t>(infinity + 1));
    for (int i = 0; i <= infinity; ++i) bits[static_cast<size_t>(i)] = static_cast<uint16_t>(i);
    std::memcpy(all.storage().data_for_write(), bits.data(), bits.size() * 2);
    const std::vector<double> v = values(all), up = values(nextafter_(all, HUGE_VAL)), down = values(nextafter_(all, -HUGE_VAL));
    for (int i = 0; i <= infinity; ++i) {
      const auto at = static_cast<size_t>(i);
      ASSERT_EQ(up[at], v[std::min(at + 1, v.size() - 1)]) << i;
      ASSERT_EQ(down[at], i > 0 ? v[at - 1] : -v[1]) << i;
    }
  }
}

TEST(Halves, SignsAndMathAreThoseOfF32Rounded) {
  for (const DType t : {DType::F16, DType::BF16}) {
    const Tensor x = tensor({4}, {-0.0, 0.0, -2.5, 7}, t), y = tensor({4}, {3, -3, 2, -4}, t);
    const auto wide = [](const Tensor& x) { return astype(x, DType::F32); };
    EXPECT_EQ(values(signbit_(x)), (std::vector<double>{1, 0, 1, 0}));
    EXPECT_EQ(values(copysign_(x, y)), (std::vector<double>{0, 0, 2.5, -7}));
    EXPECT_EQ(values(remainder_(x, y)), (std::vector<double>{0, 0, 1.5, -1}));
    EXPECT_EQ(values(lgamma_(y)), values(astype(lgamma_(wide(y)), t)));
  }
}

TEST(Halves, PromotionMeetsInF32) {
  EXPECT_EQ(promote(DType::F16, DType::BF16), DType::F32);
  EXPECT_EQ(promote(DType::F16, DType::F32), DType::F32);
  EXPECT_EQ(promote(DType::BF16, DType::I64), DType::BF16);
  EXPECT_EQ(promote(DType::F16, DTypeKind::floating), DType::F16);
}

TEST(Halves, UniformDrawsStayBelowOne) {
  for (const DType t : {DType::F16, DType::BF16}) {
    double most = 0;
    for (double x : values(uniform(Dims{20000}, t))) {
      ASSERT_TRUE(x >= 0 && x < 1);
      most = std::max(most, x);
    }
    EXPECT_EQ(most, t == DType::F16 ? 1 - 0x1p-11 : 1 - 0x1p-8);
  }
}

}  // namespace
}  // namespace kiln::testing
