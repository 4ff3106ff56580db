// Complex arithmetic and functions against the C library's in long double: at most 4 ulp off in modulus, special values as in C99 Annex G, the
// same bits from every back end.
#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <random>

#include "codegen/backend.h"
#include "codegen/complex.h"
#include "codegen/complex_math.h"
#include "tests/cpp/codegen/run_kernel.h"

namespace kiln::codegen {
namespace {

using testing::run_kernel;
using Wide = std::complex<long double>;
using Plain = std::complex<double>;

struct Function {
  const char* name;
  Value (*body)(Builder&, Value);
  Wide (*oracle)(Wide);
  Plain (*special)(Plain);  // the C library's own special values
};

#define KILN_FUNCTION(name)                                                                            \
  Function {                                                                                           \
    #name, of_complex::name, [](Wide z) { return std::name(z); }, [](Plain z) { return std::name(z); } \
  }

Wide expm1_oracle(Wide z) {
  const long double half = sinl(z.imag() / 2);
  return {expm1l(z.real()) * cosl(z.imag()) - 2 * half * half, std::exp(z).imag()};
}
Wide log1p_oracle(Wide z) {
  const bool near = std::abs(z.real()) < 0.5L && std::abs(z.imag()) < 0.5L;
  const long double re = log1pl(fmal(z.real(), z.real() + 2, z.imag() * z.imag())) / 2;
  const Wide moved = std::log(Wide(z.real() + 1, z.imag()));
  return {near ? re : moved.real(), moved.imag()};
}

const Function kFunctions[] = {
    KILN_FUNCTION(sqrt),
    KILN_FUNCTION(exp),
    KILN_FUNCTION(log),
    KILN_FUNCTION(sin),
    KILN_FUNCTION(cos),
    KILN_FUNCTION(tan),
    KILN_FUNCTION(asin),
    KILN_FUNCTION(acos),
    KILN_FUNCTION(atan),
    KILN_FUNCTION(sinh),
    KILN_FUNCTION(cosh),
    KILN_FUNCTION(tanh),
    KILN_FUNCTION(asinh),
    KILN_FUNCTION(acosh),
    KILN_FUNCTION(atanh),
    {"log2", of_complex::log2, [](Wide z) { return std::log(z) / std::log(2.0L); }, nullptr},
    {"log10", of_complex::log10, [](Wide z) { return std::log10(z); }, nullptr},
    {"expm1", of_complex::expm1, expm1_oracle, nullptr},
    {"log1p", of_complex::log1p, log1p_oracle, nullptr},
    {"sign", of_complex::sign, [](Wide z) { return z == Wide(0) ? z : z / std::abs(z); }, nullptr},
    {"reciprocal", [](Builder&, Value z) { return 1.0 / z; }, [](Wide z) { return 1.0L / z; }, nullptr},
};

std::vector<Backend*> back_ends() {
  std::vector<Backend*> all{&interpreter_backend(), &asmjit_backend()};
  if (Backend* llvm = llvm_backend()) all.push_back(llvm);
  return all;
}

// body's results on each back end; all must have the same bits.
template <class T>
std::vector<std::complex<T>> computed(const std::function<Value(Builder&, const std::vector<Value>&)>& body,
                                      const std::vector<std::vector<std::complex<T>>>& operands) {
  const DType part = sizeof(T) == 4 ? DType::F32 : DType::F64;
  const auto step = static_cast<int64_t>(sizeof(std::complex<T>));
  const size_t n = operands[0].size();
  Kernel k;
  Builder b(k);
  std::vector<testing::Array> arrays;
  const auto buffer = [&](const std::complex<T>* data, int i) {
    arrays.push_back({reinterpret_cast<const T*>(data) + i, {step}});
    return b.add_buffer({.dtype = part, .inner = Stride::any});
  };
  std::vector<Value> values;
  for (const auto& x : operands) {
    const Value re = b.load(buffer(x.data(), 0)), im = b.load(buffer(x.data(), 1));
    values.push_back(b.complex(re, im));
  }
  const Value y = body(b, values);
  std::vector<std::complex<T>> result(n), first;
  b.store(buffer(result.data(), 0), b.real(y));
  b.store(buffer(result.data(), 1), b.imag(y));
  for (Backend* backend : back_ends()) {
    EXPECT_TRUE(run_kernel(*backend, k, {.extents = {static_cast<int64_t>(n)}}, arrays));
    if (first.empty()) first = result;
    EXPECT_EQ(std::memcmp(first.data(), result.data(), n * sizeof(result[0])), 0) << name_of(backend->kind());
  }
  return first;
}

template <class T>
std::vector<std::complex<T>> computed(const Function& f, const std::vector<std::complex<T>>& x) {
  return computed<T>([&](Builder& b, const std::vector<Value>& v) { return f.body(b, v[0]); }, {x});
}

// Distance in units of the last place of the modulus.
template <class T>
long double ulps(std::complex<T> got, Wide exact) {
  const long double modulus = std::hypot(exact.real(), exact.imag());
  if (modulus > 0.99L * std::numeric_limits<T>::max()) return 0;  // beside the largest number, where parts may overflow
  const Wide difference = Wide(got.real(), got.imag()) - exact;
  const int exponent = std::max(std::numeric_limits<T>::min_exponent, modulus > 0 ? std::ilogb(modulus) + 1 : -20000);
  const long double distance =
      std::hypot(difference.real(), difference.imag()) / std::ldexp(1.0L, exponent - std::numeric_limits<T>::digits);
  return std::isnan(distance) ? HUGE_VALL : distance;
}

// Ordinary numbers, numbers of all magnitudes, axes, and the surroundings of 0, 1, i, -1, -i and of multiples of pi / 2.
template <class T>
std::vector<std::complex<T>> points(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto uniform = [&](double low, double high) { return std::uniform_real_distribution<double>(low, high)(random); };
  const int least = std::numeric_limits<T>::min_exponent - 20, most = std::numeric_limits<T>::max_exponent;
  const auto wide = [&] { return static_cast<T>(std::ldexp(uniform(-1, 1), static_cast<int>(uniform(least, most)))); };
  const auto tiny = [&] { return std::ldexp(uniform(-1, 1), static_cast<int>(uniform(-60, 0))); };
  std::vector<std::complex<T>> x;
  while (x.size() < n) {
    const std::complex<T> centres[] = {{0, 0}, {1, 0}, {0, 1}, {-1, 0}, {0, -1}};
    const auto near = centres[random() % 5];
    const double turns = static_cast<double>(random() % 9) - 4;
    switch (random() % 6) {
      case 0: x.push_back({static_cast<T>(uniform(-4, 4)), static_cast<T>(uniform(-4, 4))}); break;
      case 1: x.push_back({wide(), wide()}); break;
      case 2: x.push_back({static_cast<T>(near.real() + tiny()), static_cast<T>(near.imag() + tiny())}); break;
      case 3: x.push_back({static_cast<T>(turns * M_PI_2 + tiny()), static_cast<T>(tiny())}); break;
      case 4: x.push_back({static_cast<T>(tiny()), static_cast<T>(turns * M_PI_2 + tiny())}); break;
      default: {
        const double angle = uniform(-M_PI, M_PI);  // the unit circle
        x.push_back({static_cast<T>(std::cos(angle)), static_cast<T>(std::sin(angle))});
      }
    }
  }
  return x;
}

template <class T>
void expect_accurate(const Function& f, size_t n) {
  const auto x = points<T>(n, 7);
  const auto y = computed(f, x);
  long double worst = 0;
  size_t at = 0;
  for (size_t i = 0; i < n; ++i) {
    const Wide exact = f.oracle(Wide(x[i].real(), x[i].imag()));
    if (!std::isfinite(exact.real()) || !std::isfinite(exact.imag())) continue;
    if (const long double off = ulps(y[i], exact); off > worst) worst = off, at = i;
  }
  EXPECT_LE(worst, 4) << f.name << (sizeof(T) == 4 ? " complex64" : " complex128") << x[at] << " gives " << y[at] << ", not "
                      << f.oracle(Wide(x[at].real(), x[at].imag()));
  ::testing::Test::RecordProperty(std::string(f.name) + (sizeof(T) == 4 ? "_c64" : "_c128"), std::to_string(static_cast<double>(worst)));
}

TEST(Complex, FunctionsWithinFourUlps) {
  for (const Function& f : kFunctions) {
    expect_accurate<float>(f, 4000);
    expect_accurate<double>(f, 20000);
  }
}

template <class T>
void expect_accurate_arithmetic() {
  const auto x = points<T>(20000, 11), y = points<T>(20000, 12);
  const auto product = computed<T>([](Builder&, const std::vector<Value>& v) { return v[0] * v[1]; }, {x, y});
  const auto quotient = computed<T>([](Builder&, const std::vector<Value>& v) { return v[0] / v[1]; }, {x, y});
  for (size_t i = 0; i < x.size(); ++i) {
    const Wide a(x[i].real(), x[i].imag()), b(y[i].real(), y[i].imag());
    // Products are exact sums of rounded ones where those neither over- nor underflow.
    const long double size = std::abs(a) * std::abs(b);
    if (size < std::numeric_limits<T>::max() / 4 && size > 4 * std::numeric_limits<T>::min())
      ASSERT_LE(ulps(product[i], a * b), 4) << x[i] << " * " << y[i];
    if (b != Wide(0)) ASSERT_LE(ulps(quotient[i], a / b), 4) << x[i] << " / " << y[i] << " gives " << quotient[i];
  }
}

TEST(Complex, ProductsAndQuotientsWithinFourUlps) {
  expect_accurate_arithmetic<float>();
  expect_accurate_arithmetic<double>();
}

TEST(Complex, PowersOfComplex64WithinFourUlps) {
  const auto x = points<float>(8000, 3), y = points<float>(8000, 4);
  const auto p = computed<float>([](Builder& b, const std::vector<Value>& v) { return of_complex::pow(b, v[0], v[1]); }, {x, y});
  for (size_t i = 0; i < x.size(); ++i) {
    const Wide a(x[i].real(), x[i].imag()), e(y[i].real(), y[i].imag()), w = e * std::log(a);
    if (a == Wide(0) || std::abs(w) > 1e6L) continue;  // beyond, float64 does not hold the angle
    const Wide exact = std::exp(w);
    if (std::isfinite(std::abs(exact))) ASSERT_LE(ulps(p[i], exact), 4) << x[i] << " ** " << y[i];
  }
  const std::vector<std::complex<double>> base{{0, 0}, {0, 0}, {0, 0}, {NAN, 2}, {2, 3}}, exponent{{2, 0}, {0, 0}, {-1, 0}, {0, 0}, {0, 0}};
  const auto special =
      computed<double>([](Builder& b, const std::vector<Value>& v) { return of_complex::pow(b, v[0], v[1]); }, {base, exponent});
  EXPECT_EQ(special[0], Plain(0));
  EXPECT_EQ(special[1], Plain(1));
  EXPECT_TRUE(std::isnan(special[2].real()) && std::isnan(special[2].imag()));
  EXPECT_EQ(special[3], Plain(1));
  EXPECT_EQ(special[4], Plain(1));
}

const std::vector<double> kSpecial{0.0, -0.0, 0.5, -0.5, 1, -1, 2.5, -2.5, INFINITY, -INFINITY, NAN};
std::vector<Plain> special_points() {
  std::vector<Plain> x;
  for (double re : kSpecial)
    for (double im : kSpecial) x.push_back({re, im});
  return x;
}
bool has_nan(Plain z) { return std::isnan(z.real()) || std::isnan(z.imag()); }

// Signs that Annex G leaves open are those beside a NaN, and of results at two infinities.
void expect_like(double got, double wanted, bool sign_matters) {
  EXPECT_EQ(std::isnan(got), std::isnan(wanted));
  if (std::isnan(got) || std::isnan(wanted)) return;
  EXPECT_EQ(std::isinf(got), std::isinf(wanted));
  EXPECT_EQ(got == 0, wanted == 0) << got << " " << wanted;
  if (sign_matters) EXPECT_EQ(std::signbit(got), std::signbit(wanted));
  if (std::isfinite(wanted)) EXPECT_NEAR(std::fabs(got), std::fabs(wanted), 1e-14 * std::max(1.0, std::fabs(wanted)));
}

TEST(Complex, SpecialValuesAreThoseOfAnnexG) {
  const std::vector<Plain> x = special_points();
  for (const Function& f : kFunctions) {
    if (f.special == nullptr) continue;
    const auto y = computed(f, x);
    const auto narrow = computed<float>(f, {x.begin(), x.end()});
    for (size_t i = 0; i < x.size(); ++i) {
      SCOPED_TRACE(::testing::Message() << f.name << x[i] << " gives " << y[i]);
      const Plain wanted = f.special(x[i]);
      const bool open = has_nan(x[i]) || has_nan(wanted) || (std::isinf(x[i].real()) && std::isinf(x[i].imag()));
      // C23 made NaN of what C99 left as zero, and the other way round, for tangents on the imaginary axis: 0 + i NaN.
      const bool on_axis = std::string(f.name) == "tanh" ? x[i].real() == 0 : std::string(f.name) == "tan" && x[i].imag() == 0;
      if (on_axis && has_nan(wanted)) continue;
      expect_like(y[i].real(), wanted.real(), !open);
      expect_like(y[i].imag(), wanted.imag(), !open);
      EXPECT_TRUE(std::isnan(narrow[i].real()) == std::isnan(y[i].real()) && std::isinf(narrow[i].imag()) == std::isinf(y[i].imag()));
    }
  }
}

// C99 G.5.1: the operators' infinities, as the compiler's own operators on _Complex double have them.
TEST(Complex, InfinitiesOfProductsAndQuotients) {
  std::vector<Plain> x, y;
  for (Plain a : special_points())
    for (Plain b : special_points()) x.push_back(a), y.push_back(b);
  const auto product = computed<double>([](Builder&, const std::vector<Value>& v) { return v[0] * v[1]; }, {x, y});
  const auto quotient = computed<double>([](Builder&, const std::vector<Value>& v) { return v[0] / v[1]; }, {x, y});
  const auto kind = [](Plain z) { return std::isinf(z.real()) || std::isinf(z.imag()) ? 2 : has_nan(z) ? 1 : 0; };
  for (size_t i = 0; i < x.size(); ++i) {
    _Complex double a, b;
    __real__ a = x[i].real(), __imag__ a = x[i].imag(), __real__ b = y[i].real(), __imag__ b = y[i].imag();
    const _Complex double p = a * b, q = a / b;
    const Plain wanted_p(__real__ p, __imag__ p), wanted_q(__real__ q, __imag__ q);
    ASSERT_EQ(kind(product[i]), kind(wanted_p)) << x[i] << " * " << y[i] << " gives " << product[i] << ", not " << wanted_p;
    ASSERT_EQ(kind(quotient[i]), kind(wanted_q)) << x[i] << " / " << y[i] << " gives " << quotient[i] << ", not " << wanted_q;
    if (kind(wanted_q) == 2) {
      for (const auto& [got, wanted] : {std::pair(quotient[i].real(), wanted_q.real()), {quotient[i].imag(), wanted_q.imag()}})
        if (std::isinf(wanted)) ASSERT_EQ(got, wanted) << x[i] << " / " << y[i];
    }
  }
}

}  // namespace
}  // namespace kiln::codegen
