// The interpreter against independent statements of the rules: primitives case by case, reductions against their recursive definition.
#include <sys/mman.h>

#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "codegen/builder.h"
#include "codegen/error.h"
#include "codegen/interpreter/primitives.h"
#include "codegen/math.h"
#include "tests/cpp/codegen/run_kernel.h"

namespace kiln::codegen {
namespace {

using testing::Array;
using testing::run_kernel;
using testing::Space;

template <class T>
constexpr DType kDTypeOf = std::is_same_v<T, bool>      ? DType::Bool
                           : std::is_same_v<T, uint8_t> ? DType::U8
                           : std::is_same_v<T, int32_t> ? DType::I32
                           : std::is_same_v<T, int64_t> ? DType::I64
                           : std::is_same_v<T, float>   ? DType::F32
                                                        : DType::F64;
template <class T>
uint64_t bits_of(T v) {
  uint64_t bits = 0;
  std::memcpy(&bits, &v, sizeof v);
  return bits;
}

// -- Primitives -------------------------------------------------------------------------------------------------------------------------

template <class T>
void expect(Prim p, std::initializer_list<T> operands, T wanted) {
  uint64_t bits[3] = {};
  std::transform(operands.begin(), operands.end(), bits, bits_of<T>);
  const uint64_t got =
      interpreter::canonical_bits(kDTypeOf<T>, interpreter::evaluate(p, kDTypeOf<T>, kDTypeOf<T>, bits[0], bits[1], bits[2]));
  EXPECT_EQ(bits_of(wanted), got) << info(p).name << " " << name_of(kDTypeOf<T>) << " of " << +*operands.begin();
}
template <class From, class To>
void expect_cast(From from, To to, Prim p = Prim::cast) {
  EXPECT_EQ(bits_of(to), interpreter::evaluate(p, kDTypeOf<To>, kDTypeOf<From>, bits_of(from)))
      << info(p).name << " " << +from << " from " << name_of(kDTypeOf<From>) << " to " << name_of(kDTypeOf<To>);
}

constexpr float kInf = INFINITY, kNaN = NAN;
constexpr int32_t kMin = INT32_MIN, kMax = INT32_MAX;

TEST(Primitives, IntegersWrapAndDivideTotally) {
  expect<int32_t>(Prim::add, {kMax, 1}, kMin);
  expect<int32_t>(Prim::sub, {kMin, 1}, kMax);
  expect<int32_t>(Prim::mul, {1 << 20, 1 << 20}, 0);
  expect<int64_t>(Prim::mul, {INT64_MIN, -1}, INT64_MIN);
  expect<uint8_t>(Prim::add, {200, 100}, 44);
  expect<uint8_t>(Prim::neg, {1}, 255);
  expect<int32_t>(Prim::div, {7, 0}, 0);
  expect<int32_t>(Prim::div, {kMin, -1}, kMin);
  expect<int64_t>(Prim::div, {INT64_MIN, -1}, INT64_MIN);
  expect<int32_t>(Prim::div, {-7, 2}, -3);
  expect<uint8_t>(Prim::div, {200, 255}, 0);
  expect<int32_t>(Prim::abs, {kMin}, kMin);
  expect<int32_t>(Prim::neg, {kMin}, kMin);
  expect<uint8_t>(Prim::abs, {200}, 200);
}

TEST(Primitives, MinimumAndMaximumAreIeee2019) {
  expect<float>(Prim::min, {0.0f, -0.0f}, -0.0f);
  expect<float>(Prim::min, {-0.0f, 0.0f}, -0.0f);
  expect<float>(Prim::max, {0.0f, -0.0f}, 0.0f);
  expect<float>(Prim::max, {-0.0f, 0.0f}, 0.0f);
  expect<float>(Prim::max, {-0.0f, -0.0f}, -0.0f);
  expect<float>(Prim::min, {kNaN, 1.0f}, kNaN);
  expect<float>(Prim::min, {1.0f, kNaN}, kNaN);
  expect<float>(Prim::max, {-kNaN, kInf}, kNaN);
  expect<double>(Prim::max, {-kInf, 1.0}, 1.0);
  expect<bool>(Prim::min, {true, false}, false);
  expect<bool>(Prim::max, {true, false}, true);
  expect<uint8_t>(Prim::max, {200, 100}, 200);
  expect<int64_t>(Prim::min, {-1, 1}, -1);
}

TEST(Primitives, FloatsRoundAsIeeeSays) {
  expect<float>(Prim::fma, {1 + 0x1p-12f, 1 - 0x1p-12f, -1.0f}, -0x1p-24f);  // a product rounded first would give 0
  expect<float>(Prim::mul, {0x1p-149f, 0.5f}, 0.0f);
  expect<float>(Prim::add, {0x1p-149f, 0x1p-149f}, 0x1p-148f);  // denormals are kept
  expect<float>(Prim::div, {-1.0f, 0.0f}, -kInf);
  expect<float>(Prim::sqrt, {-1.0f}, kNaN);
  expect<float>(Prim::sqrt, {-0.0f}, -0.0f);
  expect<float>(Prim::round, {2.5f}, 2.0f);
  expect<float>(Prim::round, {-0.5f}, -0.0f);
  expect<double>(Prim::round, {3.5}, 4.0);
  expect<float>(Prim::trunc, {-1.75f}, -1.0f);
  expect<float>(Prim::floor, {-0.5f}, -1.0f);
  expect<float>(Prim::ceil, {-0.5f}, -0.0f);
  expect<float>(Prim::neg, {0.0f}, -0.0f);
  expect<float>(Prim::abs, {-0.0f}, 0.0f);
}

TEST(Primitives, ShiftCountsAreUnsigned) {
  expect<int32_t>(Prim::shl, {1, 31}, kMin);
  expect<int32_t>(Prim::shl, {1, 32}, 0);
  expect<int32_t>(Prim::shl, {1, -1}, 0);
  expect<int32_t>(Prim::shr, {-8, 1}, -4);
  expect<int32_t>(Prim::shr, {-8, 32}, -1);
  expect<int32_t>(Prim::shr, {8, -1}, 0);
  expect<int64_t>(Prim::shr, {-8, 64}, -1);
  expect<int32_t>(Prim::shr_logical, {-1, 28}, 15);
  expect<int32_t>(Prim::shr_logical, {-1, 32}, 0);
  expect<uint8_t>(Prim::shr, {0x80, 7}, 1);
  expect<uint8_t>(Prim::shl, {0xff, 4}, 0xf0);
  expect<uint8_t>(Prim::shl, {0xff, 8}, 0);
}

TEST(Primitives, LogicOnBools) {
  for (bool a : {false, true}) {
    expect<bool>(Prim::bit_not, {a}, !a);
    for (bool b : {false, true}) {
      expect<bool>(Prim::bit_and, {a, b}, a && b);
      expect<bool>(Prim::bit_or, {a, b}, a || b);
      expect<bool>(Prim::bit_xor, {a, b}, a != b);
      expect<bool>(Prim::lt, {a, b}, !a && b);
    }
  }
  expect<uint8_t>(Prim::bit_not, {0x0f}, 0xf0);
}

TEST(Primitives, ComparisonsWithNaNAreFalseSaveForNe) {
  const auto compare = [](Prim p, float a, float b) {
    return interpreter::evaluate(p, DType::Bool, DType::F32, bits_of(a), bits_of(b)) == 1;
  };
  for (Prim p : {Prim::eq, Prim::lt, Prim::le, Prim::gt, Prim::ge})
    EXPECT_FALSE(compare(p, kNaN, kNaN) || compare(p, 1, kNaN) || compare(p, kNaN, 1));
  EXPECT_TRUE(compare(Prim::ne, kNaN, kNaN));
  EXPECT_TRUE(compare(Prim::eq, 0.0f, -0.0f));
  EXPECT_TRUE(compare(Prim::le, 1, 1) && compare(Prim::ge, 1, 1) && compare(Prim::gt, 2, 1));
}

TEST(Primitives, CastsTruncateSaturateAndRound) {
  expect_cast(3.99f, 3);
  expect_cast(-3.99, int64_t{-3});
  expect_cast(kNaN, 0);
  expect_cast(kInf, kMax);
  expect_cast(-kInf, kMin);
  expect_cast(2147483648.0f, kMax);
  expect_cast(2147483647.0, kMax);
  expect_cast(-2147483649.0, kMin);
  expect_cast(9.3e18f, INT64_MAX);
  expect_cast(-9.3e18, INT64_MIN);
  expect_cast(255.9f, uint8_t{255});
  expect_cast(256.0f, uint8_t{255});
  expect_cast(-0.9f, uint8_t{0});
  expect_cast(-1.0f, uint8_t{0});
  expect_cast(kNaN, true);
  expect_cast(-0.0f, false);
  expect_cast(0.25, true);
  expect_cast(256, true);
  expect_cast(true, 1.0f);
  expect_cast(true, int64_t{1});
  expect_cast(-1, uint8_t{255});
  expect_cast(int64_t{0x123456789}, 0x23456789);
  expect_cast(-1, int64_t{-1});
  expect_cast(uint8_t{255}, 255);
  expect_cast(16777217, 16777216.0f);                         // to even
  expect_cast(int64_t{0x4000004000000001}, 0x1.000002p+62f);  // rounded once: by way of f64 it would be 2^62
  expect_cast(1 + 0x1p-24 + 0x1p-50, 1 + 0x1p-23f);
  expect_cast(1e300, kInf);
}

TEST(Primitives, BitcastShowsCanonicalNaNs) {
  expect_cast(std::bit_cast<float>(0xffc12345u), 0x7fc00000, Prim::bitcast);
  expect_cast(std::bit_cast<double>(0xfff0000000000001u), int64_t{0x7ff8000000000000}, Prim::bitcast);
  expect_cast(-0.0f, kMin, Prim::bitcast);
  expect_cast(0x3f800000, 1.0f, Prim::bitcast);
}

TEST(Primitives, ArraysAgreeWithSingleElements) {
  // Vectorised loops must not compute other bits than a loop of one: all primitives, all dtypes, arrays of odd length.
  std::mt19937_64 random(7);
  constexpr int64_t kCount = 77;
  const uint64_t corners[] = {0,     1,  0x80000000, 0x7fc00001, 0x7f800000, 0x8000000000000000, 0x7ff0000000000001, 0x7ff0000000000000,
                              ~0ull, 31, 32,         64};
  for (const PrimInfo& p : kPrims)
    for (const DTypeInfo& t : kRealDTypes)
      for (const DTypeInfo& to : kRealDTypes) {
        const bool casts = p.prim == Prim::cast || p.prim == Prim::bitcast;
        const DType result = casts ? to.dtype : result_dtype(p.prim, t.dtype);
        if (result != to.dtype) continue;
        const interpreter::Apply apply = interpreter::apply_of(p.prim, result, t.dtype);
        if (!apply) continue;
        alignas(8) std::byte in[3][kCount * 8] = {}, out[kCount * 8] = {};
        uint64_t bits[3][kCount] = {};
        for (int o = 0; o < p.operands; ++o) {
          const DType type = p.prim == Prim::select && o == 0 ? DType::Bool : t.dtype;
          for (int64_t i = 0; i < kCount; ++i) {
            uint64_t v = random() % 3 ? random() >> (random() % 64) : corners[random() % std::size(corners)];
            v = type == DType::Bool ? v & 1 : size_of(type) == 8 ? v : v & ((uint64_t{1} << (8 * size_of(type))) - 1);
            bits[o][i] = v;
            std::memcpy(in[o] + i * size_of(type), &v, static_cast<size_t>(size_of(type)));
          }
        }
        apply(out, in[0], in[1], in[2], kCount);
        for (int64_t i = 0; i < kCount; ++i) {
          uint64_t got = 0;
          std::memcpy(&got, out + i * size_of(result), static_cast<size_t>(size_of(result)));
          const uint64_t wanted = interpreter::evaluate(p.prim, result, t.dtype, bits[0][i], bits[1][i], bits[2][i]);
          ASSERT_EQ(interpreter::canonical_bits(result, wanted), interpreter::canonical_bits(result, got))
              << p.name << " " << t.name << " to " << to.name;
        }
      }
}

// -- Loads and stores -------------------------------------------------------------------------------------------------------------------

// out = in, through given strides.
template <class T>
std::vector<T> copied(const T* in, std::vector<int64_t> extents, std::vector<int64_t> strides, Stride inner = Stride::any) {
  Kernel kernel;
  kernel.rank = static_cast<uint8_t>(extents.size());
  Builder b(kernel);
  const Value x = b.load(b.add_buffer({kDTypeOf<T>, false, inner}));
  b.store(b.add_buffer({kDTypeOf<T>}), x);
  std::vector<int64_t> dense(extents.size(), sizeof(T));
  for (size_t d = extents.size() - 1; d-- > 0;) dense[d] = dense[d + 1] * extents[d + 1];
  std::vector<T> out(static_cast<size_t>(std::accumulate(extents.begin(), extents.end(), int64_t{1}, std::multiplies<>())));
  EXPECT_TRUE(run_kernel(interpreter_backend(), kernel, {extents}, {{in, strides}, {out.data(), dense}}, 3));
  return out;
}

TEST(Loads, TransposedReversedAndBroadcast) {
  const int32_t x[] = {1, 2, 3, 4, 5, 6};  // 2 x 3
  EXPECT_EQ((std::vector<int32_t>{1, 4, 2, 5, 3, 6}), copied(x, {3, 2}, {4, 12}));
  EXPECT_EQ((std::vector<int32_t>{6, 5, 4, 3, 2, 1}), copied(x + 5, {6}, {-4}));
  EXPECT_EQ((std::vector<int32_t>{1, 1, 1, 2, 2, 2}), copied(x, {2, 3}, {4, 0}, Stride::zero));
  EXPECT_EQ((std::vector<int32_t>{1, 2, 3, 1, 2, 3}), copied(x, {2, 3}, {0, 4}, Stride::contiguous));
}

TEST(Loads, AreAsWideAsTheirExtents) {
  std::vector<int64_t> x(20000);
  std::iota(x.begin(), x.end(), 0);
  EXPECT_EQ(x, copied(x.data(), {2, 10000}, {80000, 8}, Stride::contiguous));
}

TEST(Loads, NeedNoAlignment) {
  alignas(8) char bytes[64] = {};
  const double x[] = {1.5, -2.5};
  std::memcpy(bytes + 3, x, sizeof x);
  EXPECT_EQ((std::vector<double>{1.5, -2.5}), copied(reinterpret_cast<const double*>(bytes + 3), {2}, {8}));
}

TEST(Loads, AnyByteButZeroIsTrue) {
  const uint8_t x[] = {0, 1, 2, 255};
  Kernel kernel;
  Builder b(kernel);
  const Value flag = b.load(b.add_buffer({DType::Bool}));
  b.store(b.add_buffer({DType::Bool}), flag);
  b.store(b.add_buffer({DType::I32}), b.cast(flag, DType::I32));
  uint8_t bytes[4];
  int32_t numbers[4];
  ASSERT_TRUE(run_kernel(interpreter_backend(), kernel, {{4}}, {{x, {1}}, {bytes, {1}}, {numbers, {4}}}));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(i > 0, bytes[i]);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(i > 0, numbers[i]);
}

TEST(Loads, MaskedOffElementsAreNotTouched) {
  // The last readable element stands before a page that is not.
  const int64_t page = 4096;
  auto* memory = static_cast<char*>(mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(MAP_FAILED, memory);
  ASSERT_EQ(0, mprotect(memory + page, page, PROT_NONE));
  auto* x = reinterpret_cast<float*>(memory + page) - 3;
  x[0] = 1, x[1] = 2, x[2] = 3;
  Kernel kernel;
  Builder b(kernel);
  const Value otherwise = b.constant(DType::F32, -1);
  const uint32_t in = b.add_buffer({DType::F32});
  b.store(b.add_buffer({DType::F32}), b.load(in, b.lt(b.index(0), 3), otherwise));
  std::vector<float> out(600);
  ASSERT_TRUE(run_kernel(interpreter_backend(), kernel, {{600}}, {{x, {4}}, {out.data(), {4}}}));
  EXPECT_EQ(3.0f, out[2]);
  for (size_t i = 3; i < out.size(); ++i) ASSERT_EQ(-1.0f, out[i]);
  munmap(memory, 2 * page);
}

TEST(Stores, WriteTheCanonicalNaN) {
  const uint32_t x[] = {0xffc12345, 0x7f800001, 0xff800000, 0x80000000};
  const auto out = copied(reinterpret_cast<const float*>(x), {4}, {4});
  EXPECT_EQ(0x7fc00000u, bits_of(out[0]));
  EXPECT_EQ(0x7fc00000u, bits_of(out[1]));
  EXPECT_EQ(0xff800000u, bits_of(out[2]));
  EXPECT_EQ(0x80000000u, bits_of(out[3]));
}

TEST(Leaves, IndicesAndScalars) {
  Kernel kernel;
  kernel.rank = 2;
  Builder b(kernel);
  const Value i = b.index(0), j = b.index(1);
  b.store(b.add_buffer({DType::I64}), i * 1000 + j);
  b.store(b.add_buffer({DType::F32}), b.cast(j, DType::F32) * b.scalar(0, DType::F32) + b.cast(b.scalar(1, DType::U8), DType::F32));
  std::vector<int64_t> indices(3 * 300);
  std::vector<float> scaled(3 * 300);
  ASSERT_TRUE(run_kernel(interpreter_backend(), kernel, {{3, 300}, {0xdead000000000000u | bits_of(0.5f), 0xffffffffffffff07u}},
                         {{indices.data(), {2400, 8}}, {scaled.data(), {1200, 4}}}));
  EXPECT_EQ(2299, indices[2 * 300 + 299]);
  EXPECT_EQ(299 * 0.5f + 7, scaled[2 * 300 + 299]);
}

// -- Reductions: the canonical order, written as kernel.h states it ----------------------------------------------------------------------

float tree(const std::vector<float>& r, size_t begin, size_t end) {
  if (end - begin == 1) return r[begin];
  size_t p = 1;
  while (2 * p < end - begin) p *= 2;
  return tree(r, begin, begin + p) + tree(r, begin + p, end);
}
float tree(const std::vector<float>& r) { return r.empty() ? -0.0f : tree(r, 0, r.size()); }

float canonical_lanes(const std::vector<float>& x) {
  std::vector<float> blocks;
  for (size_t begin = 0; begin < x.size(); begin += kLaneBlock) {
    std::vector<float> lane(32, -0.0f);
    for (size_t i = begin; i < std::min<size_t>(begin + kLaneBlock, x.size()); ++i) lane[(i - begin) % 32] += x[i];
    for (size_t h = 16; h >= 1; h /= 2)
      for (size_t j = 0; j < h; ++j) lane[j] += lane[j + h];
    blocks.push_back(lane[0]);
  }
  return tree(blocks);
}
float canonical_rows(const std::vector<float>& x) {
  std::vector<float> blocks;
  for (size_t begin = 0; begin < x.size(); begin += kRowBlock) {
    float sum = -0.0f;
    for (size_t i = begin; i < std::min<size_t>(begin + kRowBlock, x.size()); ++i) sum += x[i];
    blocks.push_back(sum);
  }
  return tree(blocks);
}

std::vector<float> random_floats(size_t n, uint64_t seed = 1) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<float> mantissa(-1, 1);
  std::vector<float> x(n);
  for (float& v : x) v = std::ldexp(mantissa(random), static_cast<int>(random() % 24));  // so that every order gives other bits
  return x;
}

Kernel sum_kernel(Reduction reduction, uint8_t rank, Stride in, int8_t clip = -1) {
  Kernel kernel;
  kernel.rank = rank;
  kernel.reduction = reduction;
  kernel.clip = clip;
  const bool rows = reduction == Reduction::rows;
  Builder b(kernel);
  const Value x = b.load(b.add_buffer({DType::F32, false, rows ? Stride::contiguous : in, in}));
  b.store(b.add_buffer({DType::F32, false, rows ? Stride::contiguous : Stride::zero, Stride::zero}), b.reduce(Prim::add, x));
  return kernel;
}

const int64_t kLengths[] = {0, 1, 2, 3, 31, 32, 33, 63, 64, 65, 100, 255, 256, 257, 4095, 4096, 4097, 8193, 12289, 50000};

TEST(Reductions, LanesFollowTheCanonicalOrder) {
  const Kernel kernel = sum_kernel(Reduction::lanes, 2, Stride::contiguous);
  for (int64_t n : kLengths) {
    const std::vector<float> x = random_floats(static_cast<size_t>(2 * n)), second(x.begin() + n, x.end());
    float out[2] = {7, 7};
    ASSERT_TRUE(run_kernel(interpreter_backend(), kernel, {{2, n}}, {{x.data(), {4 * n, 4}}, {out, {4, 0}}}, 2));
    EXPECT_EQ(bits_of(canonical_lanes(second)), bits_of(out[1])) << n;
  }
}

TEST(Reductions, TreesFollowTheCanonicalOrder) {
  const Kernel kernel = sum_kernel(Reduction::tree, 1, Stride::any);
  for (int64_t n : kLengths) {
    const std::vector<float> x = random_floats(static_cast<size_t>(n));
    std::vector<float> spread(static_cast<size_t>(2 * n) + 1);
    for (size_t i = 0; i < x.size(); ++i) spread[2 * i] = x[i];
    float out = 7;
    ASSERT_TRUE(run_kernel(interpreter_backend(), kernel, {{n}}, {{spread.data(), {8}}, {&out, {0}}}));
    EXPECT_EQ(bits_of(tree(x)), bits_of(out)) << n;
  }
}

TEST(Reductions, RowsFollowTheCanonicalOrder) {
  const Kernel kernel = sum_kernel(Reduction::rows, 3, Stride::any);
  for (int64_t n : kLengths) {
    if (n > 5000) continue;
    for (int64_t columns : {1, 5, 300}) {
      if (n * columns > 100'000) continue;
      const std::vector<float> x = random_floats(static_cast<size_t>(2 * n * columns));
      std::vector<float> out(static_cast<size_t>(2 * columns), 7);
      ASSERT_TRUE(run_kernel(interpreter_backend(), kernel, {{2, n, columns}},
                             {{x.data(), {4 * n * columns, 4 * columns, 4}}, {out.data(), {4 * columns, 0, 4}}}));
      std::vector<float> column;
      for (int64_t i = 0; i < n; ++i) column.push_back(x[static_cast<size_t>((n + i) * columns + columns - 1)]);
      EXPECT_EQ(bits_of(canonical_rows(column)), bits_of(out.back())) << n << " x " << columns;
    }
  }
}

TEST(Reductions, RowsSpanChunks) {
  const int64_t columns = kChunk + 700;
  const std::vector<float> x = random_floats(static_cast<size_t>(3 * columns));
  std::vector<float> out(static_cast<size_t>(columns));
  ASSERT_TRUE(run_kernel(interpreter_backend(), sum_kernel(Reduction::rows, 2, Stride::any), {{3, columns}},
                         {{x.data(), {4 * columns, 4}}, {out.data(), {0, 4}}}, 2));
  for (size_t j = 0; j < out.size(); ++j) {
    const size_t n = out.size();
    ASSERT_EQ(bits_of(canonical_rows({x[j], x[n + j], x[2 * n + j]})), bits_of(out[j])) << j;
  }
}

// Two kernels over slices whose length is a power of two of blocks give the bits of one.
TEST(Reductions, ASplitSumEqualsTheWhole) {
  const int64_t slice = 2 * kLaneBlock;
  for (int64_t n : {slice, slice + 1, 5 * slice - 3, 7 * slice}) {
    const std::vector<float> x = random_floats(static_cast<size_t>(n));
    const int64_t slices = (n + slice - 1) / slice;
    std::vector<float> partial(static_cast<size_t>(slices));
    float out;
    ASSERT_TRUE(run_kernel(interpreter_backend(), sum_kernel(Reduction::lanes, 2, Stride::contiguous, 0), {{slices, slice}, {}, n},
                           {{x.data(), {4 * slice, 4}}, {partial.data(), {4, 0}}}));
    ASSERT_TRUE(run_kernel(interpreter_backend(), sum_kernel(Reduction::tree, 1, Stride::contiguous), {{slices}},
                           {{partial.data(), {4}}, {&out, {0}}}));
    EXPECT_EQ(bits_of(canonical_lanes(x)), bits_of(out)) << n;
  }
}

TEST(Reductions, SlicesBeyondTheTotalAreEmpty) {
  const float x[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  float out[4];
  ASSERT_TRUE(run_kernel(interpreter_backend(), sum_kernel(Reduction::lanes, 2, Stride::contiguous, 0), {{4, 2}, {}, 3},
                         {{x, {8, 4}}, {out, {4, 0}}}));
  EXPECT_EQ(3.0f, out[0]);
  EXPECT_EQ(3.0f, out[1]);
  EXPECT_EQ(bits_of(-0.0f), bits_of(out[2]));
  EXPECT_EQ(bits_of(-0.0f), bits_of(out[3]));
}

TEST(Reductions, EmptyOnesGiveTheIdentity) {
  for (const auto& [p, t] : {std::pair{Prim::add, DType::F32},
                             {Prim::add, DType::I64},
                             {Prim::mul, DType::F64},
                             {Prim::mul, DType::U8},
                             {Prim::min, DType::F32},
                             {Prim::min, DType::Bool},
                             {Prim::max, DType::F64},
                             {Prim::max, DType::I32},
                             {Prim::max, DType::Bool},
                             {Prim::min, DType::U8},
                             {Prim::bit_and, DType::I32},
                             {Prim::bit_and, DType::Bool},
                             {Prim::bit_or, DType::I64},
                             {Prim::bit_or, DType::Bool}}) {
    Kernel kernel;
    kernel.reduction = Reduction::lanes;
    Builder b(kernel);
    const Value x = b.load(b.add_buffer({t, false, Stride::contiguous, Stride::contiguous}));
    b.store(b.add_buffer({t, false, Stride::zero, Stride::zero}), b.reduce(p, x));
    uint64_t out = 0;
    ASSERT_TRUE(run_kernel(interpreter_backend(), kernel, {{0}}, {{nullptr, {size_of(t)}}, {&out, {0}}}));
    EXPECT_EQ(identity_bits(p, t), out) << info(p).name << " " << name_of(t);
    // e with combine(e, x) = x
    for (uint64_t v : {0u, 1u}) EXPECT_EQ(v, interpreter::evaluate(p, t, t, identity_bits(p, t), v));
  }
  EXPECT_THROW(identity_bits(Prim::sub, DType::F32), Error);
}

// -- Passes -----------------------------------------------------------------------------------------------------------------------------

TEST(Passes, SoftmaxInPlaceOverRowsAndLanes) {
  for (Reduction reduction : {Reduction::lanes, Reduction::rows}) {
    const int64_t n = 700, columns = reduction == Reduction::rows ? 3 : 1;
    Kernel kernel;
    kernel.rank = 2;
    kernel.reduction = reduction;
    Builder b(kernel);
    const uint32_t buffer =
        b.add_buffer({DType::F32, true, Stride::contiguous, reduction == Reduction::rows ? Stride::any : Stride::contiguous});
    const Value x = b.load(buffer);
    const Value e = exp(b, x - b.reduce(Prim::max, x));
    b.store(buffer, e / b.reduce(Prim::add, e));
    std::vector<float> memory = random_floats(static_cast<size_t>(n * columns));
    const std::vector<float> before = memory;
    const std::vector<int64_t> extents = reduction == Reduction::rows ? std::vector{n, columns} : std::vector{columns, n};
    ASSERT_TRUE(run_kernel(interpreter_backend(), kernel, {extents}, {{memory.data(), {4 * extents[1], 4}}}));
    for (int64_t c = 0; c < columns; ++c) {
      double most = -HUGE_VAL, sum = 0;
      const auto at = [&](int64_t i) { return static_cast<size_t>(i * columns + c); };
      for (int64_t i = 0; i < n; ++i) most = std::max<double>(most, before[at(i)]);
      for (int64_t i = 0; i < n; ++i) sum += std::exp(before[at(i)] - most);
      for (int64_t i = 0; i < n; ++i) ASSERT_NEAR(std::exp(before[at(i)] - most) / sum, memory[at(i)], 1e-6);
    }
  }
}

TEST(Passes, ReduceOfANonVaryingValueCountsElements) {
  Kernel kernel;
  kernel.rank = 2;
  kernel.reduction = Reduction::lanes;
  Builder b(kernel);
  const Value row = b.cast(b.index(0), DType::I32) + 1;
  b.store(b.add_buffer({DType::I32, false, Stride::zero, Stride::zero}), b.reduce(Prim::add, row));
  int32_t out[3];
  ASSERT_TRUE(run_kernel(interpreter_backend(), kernel, {{3, 1000}}, {{out, {4, 0}}}));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(1000 * (i + 1), out[i]);
}

}  // namespace
}  // namespace kiln::codegen
