// Accuracy and special values of the math functions, on the interpreter. KILN_EXHAUSTIVE=n takes every n-th of the 2^32 f32 inputs (1: all,
// minutes a function) instead of a thousandth.
#include "codegen/math.h"

#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <mutex>
#include <random>

#include "codegen/thread_pool.h"
#include "tests/cpp/codegen/run_kernel.h"

namespace kiln::codegen {
namespace {

using testing::run_kernel;

constexpr double kMostUlps = 2;

struct Function {
  const char* name;
  Value (*body)(Builder&, Value);
  long double (*reference)(long double);  // for f64
  double (*reference_f32)(double);        // for f32: twice the bits are plenty, and quicker
  void PrintTo(std::ostream* os) const { *os << name; }
};
void PrintTo(const Function& f, std::ostream* os) { *os << f.name; }

const Function kFunctions[] = {
    {"exp", exp, std::exp, std::exp},
    {"expm1", expm1, std::expm1, std::expm1},
    {"log", log, std::log, std::log},
    {"log1p", log1p, std::log1p, std::log1p},
    {"tanh", tanh, std::tanh, std::tanh},
    {"erf", erf, std::erf, std::erf},
    // e^x / (1 + e^x) where e^-x would overflow
    {"sigmoid", sigmoid, [](long double x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); },
     [](double x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }},
};

// y[i] = f(x[i]) as a kernel, compiled once.
template <class T>
class Elementwise {
 public:
  explicit Elementwise(Value (*body)(Builder&, Value)) {
    const DType t = sizeof(T) == 4 ? DType::F32 : DType::F64;
    Builder b(kernel_);
    const uint32_t x = b.add_buffer({.dtype = t}), y = b.add_buffer({.dtype = t});
    b.store(y, body(b, b.load(x)));
  }
  void operator()(const std::vector<T>& x, std::vector<T>& y) const {
    y.resize(x.size());
    const int64_t step = sizeof(T);
    ASSERT_TRUE(run_kernel(interpreter_backend(), kernel_, {{static_cast<int64_t>(x.size())}}, {{x.data(), {step}}, {y.data(), {step}}}));
  }
  T operator()(T x) const {
    std::vector<T> y;
    (*this)({x}, y);
    return y[0];
  }

 private:
  Kernel kernel_;
};

// |y - exact| in units of the last place of the exact value; values beyond the largest count as the power of two they would round to.
template <class T, class Exact>
double ulps(T y, Exact exact) {
  using Limits = std::numeric_limits<T>;
  if (std::isnan(exact)) return std::isnan(y) ? 0 : Limits::infinity();
  if (std::isnan(y)) return Limits::infinity();
  const Exact beyond = std::ldexp(Exact{1}, Limits::max_exponent);
  const auto bounded = [&](Exact v) { return v > beyond ? beyond : v < -beyond ? -beyond : v; };
  const Exact value = bounded(static_cast<Exact>(y)), wanted = bounded(exact);
  if (value == wanted) return std::signbit(y) == std::signbit(exact) ? 0 : Limits::infinity();
  const int exponent = std::max(wanted == 0 ? Limits::min_exponent : std::ilogb(wanted) + 1, Limits::min_exponent);
  return static_cast<double>(std::abs(value - wanted) / std::ldexp(Exact{1}, exponent - Limits::digits));
}

struct Worst {
  double ulps = 0, at = 0;
  void take(double u, double x) {
    if (u > ulps) ulps = u, at = x;
  }
};

class Math : public ::testing::TestWithParam<Function> {};
INSTANTIATE_TEST_SUITE_P(Functions, Math, ::testing::ValuesIn(kFunctions), [](const auto& test) { return std::string(test.param.name); });

TEST_P(Math, F32WithinTwoUlps) {
  const Function f = GetParam();
  const Elementwise<float> kernel(f.body);
  const char* exhaustive = std::getenv("KILN_EXHAUSTIVE");
  const uint64_t step = exhaustive && *exhaustive ? std::max(1ull, std::strtoull(exhaustive, nullptr, 10)) : 1021;  // odd
  const int64_t count = static_cast<int64_t>((uint64_t{1} << 32) / step);
  std::mutex mutex;
  Worst worst;
  parallel_for(count, 1 << 16, [&](int64_t begin, int64_t end) {
    std::vector<float> x, y;
    for (int64_t i = begin; i < end; ++i) x.push_back(std::bit_cast<float>(static_cast<uint32_t>(static_cast<uint64_t>(i) * step)));
    kernel(x, y);
    Worst here;
    for (size_t i = 0; i < x.size(); ++i) here.take(ulps(y[i], f.reference_f32(double{x[i]})), x[i]);
    const std::lock_guard lock(mutex);
    worst.take(here.ulps, here.at);
  });
  RecordProperty("worst_ulps", std::to_string(worst.ulps));
  std::printf("[          ] %s f32: at most %.3f ulp, at %.9g (%a)\n", f.name, worst.ulps, worst.at, worst.at);
  EXPECT_LE(worst.ulps, kMostUlps) << f.name << " at " << worst.at;
}

TEST_P(Math, F64WithinTwoUlps) {
  const Function f = GetParam();
  const Elementwise<double> kernel(f.body);
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> logarithm(-1074, 1024), plain(-40, 40), near(-2, 2), wide(-750, 750);
  std::vector<double> x, y;
  for (int i = 0; i < 100'000; ++i) {
    const double sign = random() % 2 ? 1 : -1;
    for (double v :
         {sign * std::exp2(logarithm(random)), plain(random), near(random), wide(random), sign * std::exp2(-logarithm(random) / 20)})
      x.push_back(v);
  }
  kernel(x, y);
  Worst worst;
  for (size_t i = 0; i < x.size(); ++i) worst.take(ulps(y[i], f.reference(static_cast<long double>(x[i]))), x[i]);
  std::printf("[          ] %s f64: at most %.3f ulp, at %.17g\n", f.name, worst.ulps, worst.at);
  EXPECT_LE(worst.ulps, kMostUlps) << f.name << " at " << worst.at;
}

// Boundary cases: powers of two, the ends of ranges, halves of ln 2, each with its neighbours.
TEST_P(Math, BoundaryCases) {
  const Function f = GetParam();
  const Elementwise<float> kernel(f.body);
  std::vector<float> x{0, 1, 88.72284f, 88.72283f, -87.33655f, -103.97208f, -103.97207f, 9.01f, 10, 17.33f, -18, 16777216};
  for (int e = -149; e <= 127; ++e) x.push_back(std::ldexp(1.0f, e));
  for (int k = 1; k < 300; ++k) x.push_back(static_cast<float>(k * 0.34657359027997264));
  for (float v : {2 / 3.f, 4 / 3.f, 1 / 3.f, 1.4142135f, std::numeric_limits<float>::max(), std::numeric_limits<float>::min()})
    x.push_back(v);
  std::vector<float> all, y;
  for (float v : x)
    for (float signed_v : {v, -v})
      for (float toward : {-INFINITY, signed_v, INFINITY}) all.push_back(std::nextafter(signed_v, toward));
  kernel(all, y);
  for (size_t i = 0; i < all.size(); ++i) EXPECT_LE(ulps(y[i], f.reference_f32(double{all[i]})), kMostUlps) << f.name << " at " << all[i];
}

// C99 Annex F, exact results: -0.0 stays -0.0 where f(0) = 0.
TEST_P(Math, SpecialValues) {
  const Function f = GetParam();
  const Elementwise<float> f32(f.body);
  const Elementwise<double> f64(f.body);
  for (double x :
       {0.0, -0.0, 1.0, -1.0, double{INFINITY}, -double{INFINITY}, double{NAN}, -2.0, -double{std::numeric_limits<float>::max()}}) {
    const double wanted = f.reference_f32(x);
    const float narrow = f32(static_cast<float>(x));
    const double y = f64(x);
    if (std::isnan(wanted)) {
      EXPECT_TRUE(std::isnan(narrow) && std::isnan(y)) << f.name << " of " << x;
    } else if (wanted == 0 || std::isinf(wanted)) {
      EXPECT_EQ(wanted, narrow) << f.name << " of " << x;
      EXPECT_EQ(wanted, y) << f.name << " of " << x;
      EXPECT_EQ(std::signbit(wanted), std::signbit(narrow)) << f.name << " of " << x;
      EXPECT_EQ(std::signbit(wanted), std::signbit(y)) << f.name << " of " << x;
    }
  }
}

TEST(Math, ExactWhereItMatters) {
  EXPECT_EQ(1.0f, Elementwise<float>(exp)(0.0f));
  EXPECT_EQ(1.0, Elementwise<double>(exp)(-0.0));
  EXPECT_EQ(0.5f, Elementwise<float>(sigmoid)(0.0f));
  EXPECT_EQ(1.0f, Elementwise<float>(tanh)(100.0f));
  EXPECT_EQ(-1.0, Elementwise<double>(tanh)(-INFINITY));
  EXPECT_EQ(std::ldexp(1.0f, -149), Elementwise<float>(tanh)(std::ldexp(1.0f, -149)));
  EXPECT_EQ(-std::ldexp(1.0f, -149), Elementwise<float>(expm1)(-std::ldexp(1.0f, -149)));
  EXPECT_EQ(std::ldexp(1.0f, -149), Elementwise<float>(log1p)(std::ldexp(1.0f, -149)));
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
