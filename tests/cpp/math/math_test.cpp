// Accuracy and special values of the math functions: every boundary case, a thousandth of the f32 inputs, samples of f64. All inputs:
// script/math-check.
#include <algorithm>
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
