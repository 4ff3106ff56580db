// f16 and bf16: all their values, and all numbers between which their roundings decide, through conversions from and to every dtype.
#include <gtest/gtest.h>
#include <immintrin.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "codegen/backend.h"
#include "codegen/builder.h"
#include "codegen/error.h"
#include "codegen/half.h"
#include "codegen/legalise.h"
#include "run_kernel.h"

namespace kiln::codegen {
namespace {

using testing::run_kernel;

constexpr int64_t kAll = 1 << 16;

std::vector<Backend*> back_ends() {
  std::vector<Backend*> all{&interpreter_backend(), &asmjit_backend()};
  if (Backend* llvm = llvm_backend()) all.push_back(llvm);
  return all;
}

// The bytes that a conversion of n elements gives.
std::vector<std::byte> converted(Backend& backend, DType from, DType to, const void* values, int64_t n) {
  Kernel k;
  Builder b(k);
  const Value x = b.load(b.add_buffer({.dtype = from}));
  b.store(b.add_buffer({.dtype = to}), b.cast(x, to));
  std::vector<std::byte> out(static_cast<size_t>(n * size_of(to)));
  EXPECT_TRUE(run_kernel(backend, k, {.extents = {n}}, {{values, {size_of(from)}}, {out.data(), {size_of(to)}}}));
  return out;
}

std::vector<uint16_t> all_halves() {
  std::vector<uint16_t> all(kAll);
  for (int64_t i = 0; i < kAll; ++i) all[static_cast<size_t>(i)] = static_cast<uint16_t>(i);
  return all;
}

// What the processor, or the definition of the format, says of a half; any NaN is the canonical one.
__attribute__((target("f16c"))) float value_of(DType t, uint16_t bits) {
  const float x = t == DType::F16 ? _cvtsh_ss(bits) : std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
  return x != x ? std::bit_cast<float>(0x7fc00000) : x;
}

TEST(Halves, AConstantOfAnyNanIsStoredAsTheCanonicalOne) {
  for (const DType t : {DType::F16, DType::BF16})
    for (Backend* backend : back_ends()) {
      Kernel k;
      Builder b(k);
      b.store(b.add_buffer({.dtype = t}), b.constant_bits(t, 0xffed));
      uint16_t out = 0;
      ASSERT_TRUE(run_kernel(*backend, k, {.extents = {1}}, {{&out, {2}}}));
      EXPECT_EQ(out, t == DType::F16 ? Float16::kNaN : BFloat16::kNaN) << name_of(t);
    }
}

TEST(Halves, EveryValueIsTheFloatItSays) {
  const std::vector<uint16_t> halves = all_halves();
  for (const DType t : {DType::F16, DType::BF16})
    for (Backend* backend : back_ends()) {
      const auto bytes = converted(*backend, t, DType::F32, halves.data(), kAll);
      for (int64_t i = 0; i < kAll; ++i) {
        uint32_t bits = 0;
        std::memcpy(&bits, bytes.data() + 4 * i, 4);
        ASSERT_EQ(bits, std::bit_cast<uint32_t>(value_of(t, halves[static_cast<size_t>(i)])))
            << name_of(backend->kind()) << ": " << name_of(t) << " " << i;
      }
    }
}

TEST(Halves, EveryValueConvertsToEveryDtypeAlikeOnEveryBackEnd) {
  const std::vector<uint16_t> halves = all_halves();
  for (const DType t : {DType::F16, DType::BF16})
    for (const DTypeInfo& to : kRealDTypes) {
      if (to.dtype == t) continue;
      const auto want = converted(interpreter_backend(), t, to.dtype, halves.data(), kAll);
      for (Backend* backend : back_ends())
        EXPECT_EQ(converted(*backend, t, to.dtype, halves.data(), kAll), want)
            << name_of(backend->kind()) << ": " << name_of(t) << " to " << to.name;
    }
}

// Every value, half way to its neighbour, and just off that: as f64, which holds them all.
std::vector<double> about_every_value(DType t) {
  std::vector<double> all;
  for (int64_t i = 0; i < kAll; ++i) {
    const double x = value_of(t, static_cast<uint16_t>(i)), next = value_of(t, static_cast<uint16_t>(i + 1));
    all.push_back(x);
    if (!std::isfinite(x) || std::signbit(x) != std::signbit(next)) continue;
    // Beyond the greatest number: half way to what would be next.
    const double before = value_of(t, static_cast<uint16_t>(i - 1));
    const double middle = std::isfinite(next) ? x + (next - x) / 2 : x + (x - before) / 2;
    for (double y : {middle, std::nextafter(middle, 0), std::nextafter(middle, middle * 2),
                     static_cast<double>(std::nextafterf(static_cast<float>(middle), 0))})
      all.push_back(y);
  }
  return all;
}

// The half nearest to x: found among x's neighbours by their distance, ties to the even one.
uint16_t nearest(DType t, double x) {
  const uint16_t infinity = t == DType::F16 ? Float16::kInfinity : BFloat16::kInfinity;
  if (std::isnan(x)) return t == DType::F16 ? Float16::kNaN : BFloat16::kNaN;
  const double magnitude = std::fabs(x);
  int low = 0, high = infinity;  // value(low) <= |x| < value(high), infinity taken for the next power of two
  const auto value = [&](int bits) {
    return bits == infinity ? std::ldexp(1.0, t == DType::F16 ? 16 : 128) : double{value_of(t, static_cast<uint16_t>(bits))};
  };
  const auto sign = static_cast<uint16_t>(std::signbit(x) ? 0x8000 : 0);
  if (magnitude >= value(infinity)) return static_cast<uint16_t>(sign | infinity);
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    (value(middle) <= magnitude ? low : high) = middle;
  }
  const double below = magnitude - value(low), above = value(high) - magnitude;
  return static_cast<uint16_t>(sign | (below < above || (below == above && low % 2 == 0) ? low : high));
}

TEST(Halves, FloatsRoundOnceToTheNearest) {
  for (const DType t : {DType::F16, DType::BF16}) {
    const std::vector<double> wide = about_every_value(t);
    const auto n = static_cast<int64_t>(wide.size());
    std::vector<float> narrow;
    for (double x : wide) narrow.push_back(static_cast<float>(x));
    for (Backend* backend : back_ends()) {
      const auto of_wide = converted(*backend, DType::F64, t, wide.data(), n),
                 of_narrow = converted(*backend, DType::F32, t, narrow.data(), n);
      for (int64_t i = 0; i < n; ++i) {
        uint16_t bits[2];
        std::memcpy(&bits[0], of_wide.data() + 2 * i, 2);
        std::memcpy(&bits[1], of_narrow.data() + 2 * i, 2);
        const auto at = static_cast<size_t>(i);
        ASSERT_EQ(bits[0], nearest(t, wide[at])) << name_of(backend->kind()) << ": " << wide[at] << " to " << name_of(t);
        ASSERT_EQ(bits[1], nearest(t, narrow[at])) << name_of(backend->kind()) << ": " << narrow[at] << "f to " << name_of(t);
      }
    }
  }
}

TEST(Halves, IntegersRoundOnceToTheNearest) {
  std::vector<int64_t> from;
  for (int bit = 0; bit < 63; ++bit)
    for (int64_t top = 128; top < 256; top += 7)  // eight leading bits; then exactly half of the last, and just off it
      for (int64_t rest : {int64_t{-1}, int64_t{0}, int64_t{1}}) {
        const int64_t half = bit >= 1 && bit < 55 ? int64_t{1} << (bit - 1) : 0;
        if (bit >= 55) continue;
        from.push_back((top << bit) + half + rest);
        from.push_back(-((top << bit) + half + rest));
      }
  for (int64_t i = -70000; i < 70000; i += 3) from.push_back(i);
  from.insert(from.end(), {INT64_MIN, INT64_MIN + 1, INT64_MAX, INT64_MAX - 1, 65519, 65520, 65521, -65519, -65520});
  const auto n = static_cast<int64_t>(from.size());
  for (const DType t : {DType::F16, DType::BF16})
    for (Backend* backend : back_ends()) {
      const auto of_signed = converted(*backend, DType::I64, t, from.data(), n),
                 of_unsigned = converted(*backend, DType::U64, t, from.data(), n);
      for (int64_t i = 0; i < n; ++i) {
        const int64_t x = from[static_cast<size_t>(i)];
        uint16_t bits[2];
        std::memcpy(&bits[0], of_signed.data() + 2 * i, 2);
        std::memcpy(&bits[1], of_unsigned.data() + 2 * i, 2);
        const auto expected = [&](auto v) { return t == DType::F16 ? Float16(v).bits : BFloat16(v).bits; };
        ASSERT_EQ(bits[0], expected(x)) << name_of(backend->kind()) << ": " << x << " to " << name_of(t);
        ASSERT_EQ(bits[1], expected(static_cast<uint64_t>(x)))
            << name_of(backend->kind()) << ": " << static_cast<uint64_t>(x) << " to " << name_of(t);
        if (std::abs(static_cast<double>(x)) < 0x1p53) { ASSERT_EQ(bits[0], nearest(t, static_cast<double>(x))) << x; }
      }
    }
}

TEST(Halves, AreNotComputedWith) {
  Kernel k;
  Builder b(k);
  const Value x = b.load(b.add_buffer({.dtype = DType::F16}));
  EXPECT_THROW(b.add(x, x), Error);
  EXPECT_THROW(b.lt(x, 0), Error);
  EXPECT_THROW(b.reduce(Prim::add, x), Error);
  EXPECT_EQ(b.cast(b.cast(x, DType::F32), DType::F16).id(), x.id());
  EXPECT_EQ(b.constant(DType::BF16, 1.0).dtype(), DType::BF16);
  EXPECT_EQ(k.nodes[b.constant(DType::F16, 65520).id()].bits, Float16::kInfinity);
}

}  // namespace
}  // namespace kiln::codegen
