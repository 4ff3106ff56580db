// Accuracy and special values of the math functions: every boundary case, a thousandth of the f32 inputs, samples of f64. All inputs:
// script/math-check.
#include <algorithm>
#include <bit>
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>

#include "tests/cpp/codegen/run_kernel.h"
#include "tests/cpp/math/check.h"

namespace kiln::codegen {

namespace testing {
void PrintTo(const Function& f, std::ostream* os) { *os << f.name; }
}  // namespace testing

namespace {

using testing::Evaluator;
using testing::Function;
using testing::functions;

class Math : public ::testing::TestWithParam<Function> {};
INSTANTIATE_TEST_SUITE_P(Functions, Math, ::testing::ValuesIn(functions().begin(), functions().end()),
                         [](const auto& test) { return std::string(test.param.name); });

std::string at(const testing::Worst& w) {
  std::ostringstream text;
  text.precision(17);
  text << w.ulps << " ulp at " << w.x << ", " << w.y;
  return text.str();
}

TEST_P(Math, F32WithinItsBound) {
  const testing::Sweep sweep = testing::sweep_f32(GetParam(), 1021);
  RecordProperty("worst", at(sweep.worst));
  EXPECT_LE(sweep.worst.ulps, GetParam().most_ulps_f32()) << at(sweep.worst);
  EXPECT_LE(sweep.oracle_ulps, 0x1p-20) << "the oracle is off";
}

TEST_P(Math, F64WithinItsBound) {
  const testing::Sweep sweep = testing::sweep_f64(GetParam(), 4000);
  RecordProperty("worst", at(sweep.worst));
  EXPECT_LE(sweep.worst.ulps, GetParam().most_ulps_f64()) << at(sweep.worst);
}

// Special values as in C99 Annex F: zeros with their signs, infinities, NaN; and every place at which an algorithm changes its way.
TEST_P(Math, BoundaryCases) {
  for (const testing::Wrong& w : testing::check_boundaries(GetParam())) ADD_FAILURE() << name_of(w.dtype) << ": " << at(w.at);
}

Function named(std::string_view name) {
  return *std::find_if(functions().begin(), functions().end(), [&](const Function& f) { return f.name == name; });
}

// A factor of a few ulp, a threshold moved, a lost sign of zero, a lost NaN: each must be found.
TEST(MathCheck, FindsPlantedErrors) {
  const Function good = named("exp");
  const auto planted = [&](Value (*body)(Builder&, Value)) {
    Function f = good;
    f.unary = body;
    return f;
  };
  const Function bent = planted([](Builder& b, Value x) { return exp(b, x) * (x.dtype() == DType::F32 ? 1 + 0x1p-22 : 1 + 0x1p-51); });
  EXPECT_GT(testing::sweep_f32(bent, 65537).worst.ulps, 2);
  EXPECT_GT(testing::sweep_f64(bent, 1000).worst.ulps, 2);
  const Function capped =
      planted([](Builder& b, Value x) { return b.select(b.gt(x, 88.7), std::numeric_limits<double>::infinity(), exp(b, x)); });
  EXPECT_FALSE(testing::check_boundaries(capped).empty());
  Function unsigned_zero = named("tanh");
  unsigned_zero.unary = [](Builder& b, Value x) { return tanh(b, x) + 0; };
  const auto wrong = testing::check_boundaries(unsigned_zero);
  ASSERT_FALSE(wrong.empty());
  EXPECT_EQ(wrong[0].at.x, 0);
  const Function quiet = planted([](Builder& b, Value x) { return b.select(b.eq(x, x), exp(b, x), 1); });  // not NaN of NaN
  EXPECT_FALSE(testing::check_boundaries(quiet).empty());
}

TEST(MathCheck, UlpsAreThoseOfTheExactValue) {
  using testing::ulps;
  constexpr double kInf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(ulps(1 + 0x1p-23, 1, DType::F32), 1);
  EXPECT_EQ(ulps(1 - 0x1p-24, 1, DType::F32), 0.5);
  EXPECT_EQ(ulps(0x1p-149, 0x1p-150, DType::F32), 0.5);
  EXPECT_EQ(ulps(kInf, 0x1p128 - 0x1p104, DType::F32), 1);
  EXPECT_EQ(ulps(kInf, 0x1p200, DType::F32), 0);
  EXPECT_EQ(ulps(1 + 0x1p-52, 1, DType::F64), 1);
  EXPECT_EQ(ulps(-0.0, 0.0, DType::F32), kInf);
  EXPECT_EQ(ulps(NAN, 1, DType::F32), kInf);
  EXPECT_EQ(ulps(1, NAN, DType::F32), kInf);
  EXPECT_EQ(ulps(NAN, NAN, DType::F32), 0);
}

template <class T>
T value_of(Value (*body)(Builder&, Value), T x) {
  const Function f{"", body};
  T y;
  Evaluator(f, sizeof(T) == 4 ? DType::F32 : DType::F64)(&x, nullptr, &y, 1);
  return y;
}

TEST(Math, ExactWhereItMatters) {
  EXPECT_EQ(1.0f, value_of(exp, 0.0f));
  EXPECT_EQ(1.0, value_of(exp, -0.0));
  EXPECT_EQ(0.5f, value_of(sigmoid, 0.0f));
  EXPECT_EQ(1.0f, value_of(tanh, 100.0f));
  EXPECT_EQ(-1.0, value_of<double>(tanh, -INFINITY));
  EXPECT_EQ(std::ldexp(1.0f, -149), value_of(tanh, std::ldexp(1.0f, -149)));
  EXPECT_EQ(-std::ldexp(1.0f, -149), value_of(expm1, -std::ldexp(1.0f, -149)));
  EXPECT_EQ(std::ldexp(1.0f, -149), value_of(log1p, std::ldexp(1.0f, -149)));
}

// As good as rounded once, by the way of f64: a coefficient less, or one digit of a coefficient, would show.
TEST(Math, PowOfF32IsHardlyMoreThanHalfAnUlpOff) {
  const testing::Sweep sweep = testing::sweep_f32(named("pow"), 4093);
  EXPECT_LE(sweep.worst.ulps, 0.502) << at(sweep.worst);
}

// Where the power is a number of the format, it is the result.
TEST(Math, PowIsExactWhereItCanBe) {
  std::vector<float> x, y, wanted;
  const auto expect = [&](double base, double exponent, double power) {
    x.push_back(static_cast<float>(base)), y.push_back(static_cast<float>(exponent)), wanted.push_back(static_cast<float>(power));
  };
  for (int n = -4096; n <= 4096; ++n)
    for (int shift : {-60, -1, 0, 40}) {
      const double base = std::ldexp(n, shift);
      expect(base, 1, base);
      expect(base, 2, base * base);
      expect(base * base, 0.5, std::abs(base));
      if (std::abs(n) < 256) expect(base, 3, base * base * base);
    }
  for (int k = -149; k < 128; ++k)  // denormals, and results that are, and what over- or underflows
    for (int quarters = -1200; quarters <= 1200; ++quarters)
      if (k * quarters % 4 == 0) expect(std::ldexp(1.0, k), quarters / 4.0, std::ldexp(1.0, k * quarters / 4));
  for (uint32_t bits = 1; bits < 0x7f800000; bits += 9973) expect(std::bit_cast<float>(bits), 1, std::bit_cast<float>(bits));
  std::vector<float> result(x.size());
  Evaluator(named("pow"), DType::F32)(x.data(), y.data(), result.data(), static_cast<int64_t>(x.size()));
  for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(wanted[i], result[i]) << x[i] << " ** " << y[i];
}

// The whole bodies are short; a change that makes them longer should be on purpose.
TEST(Math, OperationCounts) {
  const auto operations = [](Value (*body)(Builder&, Value)) {
    Kernel kernel;
    Builder b(kernel);
    body(b, b.load(b.add_buffer({})));
    return std::count_if(kernel.nodes.begin(), kernel.nodes.end(),
                         [](const Node& n) { return n.kind == NodeKind::primitive && n.prim != Prim::bitcast; });
  };
  EXPECT_LE(operations(exp), 22);
  EXPECT_LE(operations(tanh), 32);
  EXPECT_LE(operations(log), 30);
}

// How many operations wait for one another is what a power in a loop takes.
TEST(Math, PowOfF32IsAShortChain) {
  Kernel kernel;
  Builder b(kernel);
  pow(b, b.load(b.add_buffer({})), b.load(b.add_buffer({})));
  std::vector<int> chain;
  for (const Node& n : kernel.nodes) {
    int longest = 0;
    for (NodeId operand : n.operands)
      if (operand != kNoNode) longest = std::max(longest, chain[operand]);
    chain.push_back(longest + (n.kind == NodeKind::primitive && n.prim != Prim::bitcast ? 1 : 0));
  }
  EXPECT_LE(chain.back(), 25);
}

// Known answers of Random123 (kat_vectors, philox4x32-10).
TEST(Philox, KnownAnswers) {
  struct Vector {
    uint32_t counter[4], key[2], words[4];
  };
  const Vector vectors[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  const auto pair = [](const uint32_t* words) { return static_cast<uint64_t>(words[1]) << 32 | words[0]; };
  for (const Vector& v : vectors) {
    Kernel kernel;
    Builder b(kernel);
    const Value counter = b.scalar(0, DType::I64), call = b.scalar(1, DType::I64), key = b.scalar(2, DType::I64);
    int64_t words[4];
    std::vector<testing::Array> arrays;
    for (int lane = 0; lane < 4; ++lane) {
      b.store(b.add_buffer({.dtype = DType::I64}), philox(b, counter, call, key, lane));
      arrays.push_back({&words[lane], {8}});
    }
    ASSERT_TRUE(run_kernel(interpreter_backend(), kernel, {{1}, {pair(v.counter), pair(v.counter + 2), pair(v.key)}}, arrays));
    for (int lane = 0; lane < 4; ++lane) EXPECT_EQ(v.words[lane], words[lane]);
  }
}

}  // namespace
}  // namespace kiln::codegen
