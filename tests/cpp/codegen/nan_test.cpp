#include "codegen/nan.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "codegen/math.h"
#include "tests/cpp/codegen/run_kernel.h"

namespace kiln::codegen {
namespace {

using Limits = std::numeric_limits<float>;

struct Expression {
  Kernel kernel;
  Builder b{kernel};
  Value x = b.load(b.add_buffer({.dtype = DType::F32}));
  bool never(Value v) const { return never_nan(kernel)[v.id()]; }
};

TEST(NeverNan, KnowsWhatBoundsAndScalesDo) {
  Expression e;
  Builder& b = e.b;
  const Value bounded = b.select(b.lt(e.x, 2), e.x, 2), passed_on = b.select(b.gt(e.x, 2), 2, e.x);
  EXPECT_TRUE(e.never(bounded));
  EXPECT_FALSE(e.never(passed_on)) << "a NaN is not above 2";
  EXPECT_FALSE(e.never(b.select(b.ne(e.x, 2), e.x, 2))) << "a NaN differs from everything";
  EXPECT_FALSE(e.never(e.x));
  EXPECT_TRUE(e.never(b.fma(bounded, 3, 1)));
  EXPECT_TRUE(e.never(b.abs(-(bounded + 1) * 2)));
  EXPECT_FALSE(e.never(bounded * 0)) << "0 times infinity";
  EXPECT_FALSE(e.never(bounded - bounded)) << "infinity less infinity";
  EXPECT_FALSE(e.never(bounded * bounded));
  EXPECT_FALSE(e.never(b.sqrt(bounded)));
  EXPECT_TRUE(e.never(b.cast(b.index(0), DType::F32)));
  EXPECT_FALSE(e.never(b.bitcast(b.cast(b.index(0), DType::I32), DType::F32)));
}

TEST(NeverNan, TanhBitcastsNoNaN) {
  Expression e;
  e.b.store(e.b.add_buffer({.dtype = DType::F32}), tanh(e.b, e.x));
  const std::vector<bool> never = never_nan(e.kernel);
  int seen = 0;
  for (const Node& n : e.kernel.nodes)
    if (n.kind == NodeKind::primitive && n.prim == Prim::bitcast && n.dtype == DType::I32) {
      EXPECT_TRUE(never[n.operands[0]]);
      ++seen;
    }
  EXPECT_EQ(seen, 1);
}

// Whatever is claimed of random expressions holds on values that make NaNs.
TEST(NeverNan, HoldsOnRandomExpressions) {
  const float inf = Limits::infinity(), nan = Limits::quiet_NaN();
  const std::vector<float> special{nan, inf, -inf, 0.f, -0.f, 1.f, -1.f, Limits::max(), -Limits::max(), Limits::denorm_min(), 2.5f};
  std::vector<float> xs, ys;
  for (float x : special)
    for (float y : special) xs.push_back(x), ys.push_back(y);
  const auto n = static_cast<int64_t>(xs.size());
  std::mt19937 rng(1);
  int claims = 0;
  for (int round = 0; round < 100; ++round) {
    Expression e;
    Builder& b = e.b;
    std::vector<Value> values{e.x, b.load(b.add_buffer({.dtype = DType::F32}))};
    const auto any = [&] { return values[rng() % values.size()]; };
    const auto constant = [&] {
      return b.constant(DType::F32, std::array{0.0, -2.0, 0x1p100, std::numeric_limits<double>::infinity()}[rng() % 4]);
    };
    for (int i = 0; i < 20; ++i) {
      const Value v = any(), w = rng() % 2 ? any() : constant();
      switch (rng() % 9) {
        case 0: values.push_back(v + w); break;
        case 1: values.push_back(v - w); break;
        case 2: values.push_back(v * w); break;
        case 3: values.push_back(b.minimum(v, w)); break;
        case 4: values.push_back(b.fma(v, w, rng() % 2 ? any() : constant())); break;
        case 5: values.push_back(b.select(b.lt(v, w), v, w)); break;
        case 6: values.push_back(b.select(b.ge(w, v), w, constant())); break;
        case 7: values.push_back(b.abs(v)); break;
        case 8: values.push_back(b.cast(b.cast(v, DType::F64), DType::F32)); break;
      }
    }
    const std::vector<bool> never = never_nan(e.kernel);
    std::vector<std::vector<uint8_t>> is_nan(values.size(), std::vector<uint8_t>(xs.size(), 2));
    std::vector<testing::Array> arrays{{xs.data(), {4}}, {ys.data(), {4}}};
    for (size_t i = 0; i < values.size(); ++i) {
      b.store(b.add_buffer({.dtype = DType::Bool}), b.ne(values[i], values[i]));
      arrays.push_back({is_nan[i].data(), {1}});
    }
    ASSERT_TRUE(testing::run_kernel(interpreter_backend(), e.kernel, {{n}}, arrays));
    for (size_t i = 0; i < values.size(); ++i) {
      if (!never[values[i].id()]) continue;
      ++claims;
      for (size_t j = 0; j < xs.size(); ++j) ASSERT_EQ(is_nan[i][j], 0) << xs[j] << ", " << ys[j] << "\n" << print(e.kernel);
    }
  }
  EXPECT_GT(claims, 100);
}

}  // namespace
}  // namespace kiln::codegen
