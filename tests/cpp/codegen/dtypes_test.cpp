// The dtypes that are computed in others: every primitive on every pair of 8-bit integers, conversions at the edges of every dtype.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "codegen/backend.h"
#include "codegen/builder.h"
#include "codegen/legalise.h"
#include "run_kernel.h"

namespace kiln::codegen {
namespace {

using testing::run_kernel;

std::vector<Backend*> compilers() {
  std::vector<Backend*> all{&asmjit_backend()};
  if (Backend* llvm = llvm_backend()) all.push_back(llvm);
  return all;
}

// Each binary primitive on the same two operands, a buffer each.
struct AllBinary {
  Kernel kernel;
  std::vector<Prim> prims;
};
AllBinary all_binary(DType t) {
  AllBinary all;
  Builder b(all.kernel);
  const Value x = b.load(b.add_buffer({.dtype = t})), y = b.load(b.add_buffer({.dtype = t}));
  for (const PrimInfo& p : kPrims) {
    if (p.operands != 2 || !takes(p.prim, t)) continue;
    const DType result = result_dtype(p.prim, t);
    b.store(b.add_buffer({.dtype = result}), b.primitive(p.prim, result, {x, y}));
    all.prims.push_back(p.prim);
  }
  return all;
}

// The rules of primitive.h in unbounded integers; a result is cut to its dtype by whoever compares.
int64_t expected(Prim p, int64_t x, int64_t y, int64_t x_bits, int64_t y_bits, bool with_sign) {
  switch (p) {
    case Prim::add: return x + y;
    case Prim::sub: return x - y;
    case Prim::mul: return x * y;
    case Prim::div: return y == 0 ? 0 : x / y;
    case Prim::min: return std::min(x, y);
    case Prim::max: return std::max(x, y);
    case Prim::bit_and: return x & y;
    case Prim::bit_or: return x | y;
    case Prim::bit_xor: return x ^ y;
    case Prim::shl: return y_bits >= 8 ? 0 : x << y_bits;
    case Prim::shr: return with_sign ? x >> std::min<int64_t>(y_bits, 7) : y_bits >= 8 ? 0 : x >> y_bits;
    case Prim::shr_logical: return y_bits >= 8 ? 0 : x_bits >> y_bits;
    case Prim::eq: return x == y;
    case Prim::ne: return x != y;
    case Prim::lt: return x < y;
    case Prim::le: return x <= y;
    case Prim::gt: return x > y;
    case Prim::ge: return x >= y;
    default: ADD_FAILURE() << info(p).name; return 0;
  }
}

TEST(Dtypes, EveryPairOf8BitIntegersOnEveryBackEnd) {
  constexpr int64_t kPairs = 1 << 16;
  std::vector<uint8_t> x(kPairs), y(kPairs);
  for (int64_t i = 0; i < kPairs; ++i) x[i] = static_cast<uint8_t>(i >> 8), y[i] = static_cast<uint8_t>(i);
  std::vector<Backend*> all = compilers();
  all.push_back(&interpreter_backend());
  for (const DType t : {DType::I8, DType::U8}) {
    const AllBinary each = all_binary(t);
    for (Backend* backend : all) {
      std::vector<std::vector<uint8_t>> results(each.prims.size(), std::vector<uint8_t>(kPairs));
      std::vector<testing::Array> arrays{{x.data(), {1}}, {y.data(), {1}}};
      for (auto& r : results) arrays.push_back({r.data(), {1}});
      ASSERT_TRUE(run_kernel(*backend, each.kernel, {.extents = {kPairs}}, arrays));
      for (size_t p = 0; p < each.prims.size(); ++p)
        for (int64_t i = 0; i < kPairs; ++i) {
          const auto value = [&](uint8_t bits) { return t == DType::I8 ? int64_t{static_cast<int8_t>(bits)} : int64_t{bits}; };
          const auto want = static_cast<uint8_t>(expected(each.prims[p], value(x[i]), value(y[i]), x[i], y[i], t == DType::I8));
          ASSERT_EQ(results[p][i], want) << name_of(backend->kind()) << ": " << info(each.prims[p]).name << " of " << name_of(t) << " "
                                         << value(x[i]) << ", " << value(y[i]);
        }
    }
  }
}

// Numbers about the bounds of every dtype, as doubles.
std::vector<double> edges() {
  std::vector<double> all{0.0, -0.0, 0.5, -0.5, 0.999, -0.999, 1.5, -1.5, 1e300, -1e300};
  for (double power : {7, 8, 15, 16, 24, 31, 32, 53, 63, 64, 127})
    for (double sign : {1.0, -1.0})
      for (double by : {-1.0, -0.5, 0.0, 0.5, 1.0}) all.push_back(sign * (std::ldexp(1.0, static_cast<int>(power)) + by));
  const double infinity = std::numeric_limits<double>::infinity();
  for (double x : std::vector(all)) all.push_back(std::nextafter(x, infinity)), all.push_back(std::nextafter(x, -infinity));
  for (double x : {infinity, -infinity, std::numeric_limits<double>::quiet_NaN()}) all.push_back(x);
  return all;
}

// Saturating conversion by long double, which holds every bound and every operand.
template <class T>
T saturated(double x) {
  const auto whole = std::trunc(static_cast<long double>(x));
  if (std::isnan(x)) return 0;
  if (whole >= static_cast<long double>(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
  if (whole <= static_cast<long double>(std::numeric_limits<T>::min())) return std::numeric_limits<T>::min();
  return static_cast<T>(whole);
}

template <class T>
void expect_saturation(DType t) {
  const std::vector<double> from = edges();
  std::vector<float> singles;
  for (double x : from) singles.push_back(static_cast<float>(x));
  Kernel k;
  Builder b(k);
  const Value wide = b.load(b.add_buffer({.dtype = DType::F64})), narrow = b.load(b.add_buffer({.dtype = DType::F32}));
  b.store(b.add_buffer({.dtype = t}), b.cast(wide, t));
  b.store(b.add_buffer({.dtype = t}), b.cast(narrow, t));
  std::vector<Backend*> all = compilers();
  all.push_back(&interpreter_backend());
  for (Backend* backend : all) {
    const auto n = static_cast<int64_t>(from.size());
    std::vector<T> of_wide(from.size()), of_narrow(from.size());
    const int64_t size = sizeof(T);
    ASSERT_TRUE(run_kernel(*backend, k, {.extents = {n}},
                           {{from.data(), {8}}, {singles.data(), {4}}, {of_wide.data(), {size}}, {of_narrow.data(), {size}}}));
    for (size_t i = 0; i < from.size(); ++i) {
      EXPECT_EQ(of_wide[i], saturated<T>(from[i])) << name_of(backend->kind()) << ": " << from[i] << " to " << name_of(t);
      EXPECT_EQ(of_narrow[i], saturated<T>(singles[i])) << name_of(backend->kind()) << ": " << singles[i] << "f to " << name_of(t);
    }
  }
}

TEST(Dtypes, FloatsSaturateAtEveryIntegersBounds) {
  expect_saturation<int8_t>(DType::I8);
  expect_saturation<int16_t>(DType::I16);
  expect_saturation<int32_t>(DType::I32);
  expect_saturation<int64_t>(DType::I64);
  expect_saturation<uint8_t>(DType::U8);
  expect_saturation<uint16_t>(DType::U16);
  expect_saturation<uint32_t>(DType::U32);
  expect_saturation<uint64_t>(DType::U64);
}

// 64-bit numbers around which both halves and both roundings matter.
std::vector<uint64_t> words() {
  std::vector<uint64_t> all;
  for (int bit = 0; bit < 64; ++bit)
    for (int low : {-2, -1, 0, 1, 2}) all.push_back((uint64_t{1} << bit) + static_cast<uint64_t>(low));
  for (int bit = 24; bit < 64; ++bit)  // half way between neighbours of f32 and f64, and just off it
    for (uint64_t half : {(uint64_t{3} << bit >> 25) | uint64_t{1} << bit, (uint64_t{1} << bit) | (uint64_t{1} << bit >> 24)})
      for (int low : {-1, 0, 1}) all.push_back(half + static_cast<uint64_t>(low));
  std::mt19937_64 random(1);
  for (int i = 0; i < 500; ++i) all.push_back(random());
  return all;
}

TEST(Dtypes, UnsignedWordsBecomeTheNearestFloats) {
  const std::vector<uint64_t> from = words();
  Kernel k;
  Builder b(k);
  const Value x = b.load(b.add_buffer({.dtype = DType::U64})), low = b.cast(x, DType::U32);
  for (const Value v : {x, low})
    for (const DType t : {DType::F32, DType::F64}) b.store(b.add_buffer({.dtype = t}), b.cast(v, t));
  std::vector<Backend*> all = compilers();
  all.push_back(&interpreter_backend());
  for (Backend* backend : all) {
    const auto n = static_cast<int64_t>(from.size());
    std::vector<float> f32(from.size()), low32(from.size());
    std::vector<double> f64(from.size()), low64(from.size());
    ASSERT_TRUE(run_kernel(*backend, k, {.extents = {n}},
                           {{from.data(), {8}}, {f32.data(), {4}}, {f64.data(), {8}}, {low32.data(), {4}}, {low64.data(), {8}}}));
    for (size_t i = 0; i < from.size(); ++i) {
      const auto word = static_cast<uint32_t>(from[i]);
      EXPECT_EQ(f32[i], static_cast<float>(static_cast<long double>(from[i]))) << name_of(backend->kind()) << " " << from[i];
      EXPECT_EQ(f64[i], static_cast<double>(static_cast<long double>(from[i]))) << name_of(backend->kind()) << " " << from[i];
      EXPECT_EQ(low32[i], static_cast<float>(static_cast<long double>(word))) << name_of(backend->kind()) << " " << word;
      EXPECT_EQ(low64[i], static_cast<double>(word)) << name_of(backend->kind()) << " " << word;
    }
  }
}

template <class T>
void expect_quotients(DType t) {
  std::vector<T> x, y;
  for (uint64_t a : words())
    for (uint64_t b : {uint64_t{0}, uint64_t{1}, uint64_t{2}, uint64_t{3}, uint64_t{10}, a, a - 1, a + 1, a >> 1, ~uint64_t{0}, a >> 31,
                       uint64_t{1} << 63, uint64_t{1} << 31}) {
      x.push_back(static_cast<T>(a));
      y.push_back(static_cast<T>(b));
    }
  Kernel k;
  Builder b(k);
  const Value dividend = b.load(b.add_buffer({.dtype = t})), divisor = b.load(b.add_buffer({.dtype = t}));
  b.store(b.add_buffer({.dtype = t}), b.div(dividend, divisor));
  std::vector<Backend*> all = compilers();
  all.push_back(&interpreter_backend());
  for (Backend* backend : all) {
    std::vector<T> quotients(x.size());
    const int64_t size = sizeof(T);
    ASSERT_TRUE(run_kernel(*backend, k, {.extents = {static_cast<int64_t>(x.size())}},
                           {{x.data(), {size}}, {y.data(), {size}}, {quotients.data(), {size}}}));
    for (size_t i = 0; i < x.size(); ++i)
      ASSERT_EQ(quotients[i], y[i] == 0 ? T{0} : static_cast<T>(x[i] / y[i])) << name_of(backend->kind()) << ": " << x[i] << " / " << y[i];
  }
}

TEST(Dtypes, UnsignedWordsDivide) {
  expect_quotients<uint32_t>(DType::U32);
  expect_quotients<uint64_t>(DType::U64);
}

TEST(Legalise, LeavesMachineDtypesAlone) {
  EXPECT_TRUE(is_legal(all_binary(DType::U8).kernel));
  EXPECT_TRUE(is_legal(all_binary(DType::I64).kernel));
  for (const DTypeInfo& t : kRealDTypes) {
    const Kernel before = all_binary(t.dtype).kernel, after = legalise(before);
    if (is_legal(before)) { EXPECT_EQ(after.nodes, before.nodes) << t.name; }
    for (const Node& n : after.nodes) {
      const bool beside_memory = n.kind == NodeKind::load || (n.kind == NodeKind::primitive && n.prim == Prim::cast);
      EXPECT_FALSE(is_half(n.dtype)) << print(after);
      EXPECT_TRUE(!is_integer(n.dtype) || n.dtype == DType::U8 || n.dtype == DType::I32 || n.dtype == DType::I64 ||
                  (n.dtype == DType::U16 && beside_memory))
          << t.name << "\n"
          << print(after);
    }
  }
}

// Sums and products of narrow integers are cut back where they are stored, not after every operation.
TEST(Legalise, WrapsOnceInAChainOfSums) {
  Kernel k;
  Builder b(k);
  const Value x = b.load(b.add_buffer({.dtype = DType::I8})), y = b.load(b.add_buffer({.dtype = DType::I8}));
  b.store(b.add_buffer({.dtype = DType::I8}), (x + y) * x - y);
  const Kernel legal = legalise(k);
  int shifts = 0;
  for (const Node& n : legal.nodes) shifts += n.kind == NodeKind::primitive && (n.prim == Prim::shr || n.prim == Prim::bit_and);
  EXPECT_EQ(shifts, 0) << print(legal);
}

}  // namespace
}  // namespace kiln::codegen
