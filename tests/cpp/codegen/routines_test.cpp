// Library routines against the plainest way to say the same, for every dtype, on one thread and several.
#include "codegen/routines/routines.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>

#include "codegen/interpreter/primitives.h"
#include "codegen/thread_pool.h"

namespace kiln::codegen {
namespace {

struct Threads {
  explicit Threads(int n) : before(num_threads()) { set_num_threads(n); }
  ~Threads() { set_num_threads(before); }
  int before;
};

// Random elements, few distinct ones among them, as bytes.
std::vector<std::byte> drawn(DType dtype, int64_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  const double special[] = {0.0,
                            -0.0,
                            1,
                            -1,
                            3,
                            -3,
                            1e30,
                            -1e30,
                            std::numeric_limits<double>::quiet_NaN(),
                            std::numeric_limits<double>::infinity(),
                            -std::numeric_limits<double>::infinity()};
  std::vector<std::byte> bytes(static_cast<size_t>(count * size_of(dtype)));
  for (int64_t i = 0; i < count; ++i) {
    const double v = random() % 3 ? static_cast<double>(static_cast<int64_t>(random() % 2000) - 1000) / 8 : special[random() % 11];
    const uint64_t bits = interpreter::evaluate(Prim::cast, dtype, DType::F64, std::bit_cast<uint64_t>(v));
    std::memcpy(&bytes[static_cast<size_t>(i * size_of(dtype))], &bits, static_cast<size_t>(size_of(dtype)));
  }
  return bytes;
}

uint64_t element(DType dtype, const std::vector<std::byte>& bytes, int64_t i) {
  uint64_t bits = 0;
  std::memcpy(&bits, &bytes[static_cast<size_t>(i * size_of(dtype))], static_cast<size_t>(size_of(dtype)));
  return bits;
}

// Elements in another dtype.
std::vector<std::byte> converted(DType to, DType from, const std::vector<std::byte>& x) {
  const auto n = static_cast<int64_t>(x.size()) / size_of(from);
  std::vector<std::byte> y(static_cast<size_t>(n * size_of(to)));
  for (int64_t i = 0; i < n; ++i) {
    const uint64_t bits = to == from ? element(from, x, i) : interpreter::evaluate(Prim::cast, to, from, element(from, x, i));
    std::memcpy(&y[static_cast<size_t>(i * size_of(to))], &bits, static_cast<size_t>(size_of(to)));
  }
  return y;
}

bool less(DType dtype, uint64_t a, uint64_t b) {
  if (is_half(dtype)) {
    const auto wide = [dtype](uint64_t x) { return interpreter::evaluate(Prim::cast, DType::F32, dtype, x); };
    return less(DType::F32, wide(a), wide(b));
  }
  if (is_floating(dtype)) {  // NaN after everything
    const bool a_nan = interpreter::evaluate(Prim::ne, DType::Bool, dtype, a, a),
               b_nan = interpreter::evaluate(Prim::ne, DType::Bool, dtype, b, b);
    if (a_nan || b_nan) return !a_nan && b_nan;
  }
  return interpreter::evaluate(Prim::lt, DType::Bool, dtype, a, b) != 0;
}

TEST(Routines, KeysAreInTheOrderOfElements) {
  for (const DTypeInfo& t : kRealDTypes) {
    const auto x = drawn(t.dtype, 300, 1);
    for (int64_t i = 0; i < 300; ++i)
      for (int64_t j = 0; j < 300; j += 7) {
        const uint64_t a = element(t.dtype, x, i), b = element(t.dtype, x, j);
        EXPECT_EQ(order_key(t.dtype, a) < order_key(t.dtype, b), less(t.dtype, a, b)) << t.name;
      }
  }
}

TEST(Routines, SortingIsStableInEveryDType) {
  for (const DTypeInfo& t : kRealDTypes)
    for (const Lines l : {Lines{3, 5, 2}, Lines{1, 1000, 1}, Lines{2, 300, 3}, Lines{1, 1, 1}, Lines{4, 129, 1}, Lines{1, 1024, 1}})
      for (const bool descending : {false, true}) {
        const auto x = drawn(t.dtype, l.elements(), 2);
        std::vector<int64_t> found(static_cast<size_t>(l.elements()));
        sort_positions(t.dtype, l, descending, x.data(), found.data());
        for (int64_t o = 0; o < l.outer; ++o)
          for (int64_t i = 0; i < l.inner; ++i) {
            const auto at = [&](int64_t k) { return (o * l.n + k) * l.inner + i; };
            std::vector<int64_t> expected(static_cast<size_t>(l.n));
            std::iota(expected.begin(), expected.end(), 0);
            std::ranges::stable_sort(expected, [&](int64_t p, int64_t q) {
              const uint64_t a = element(t.dtype, x, at(p)), b = element(t.dtype, x, at(q));
              return descending ? less(t.dtype, b, a) : less(t.dtype, a, b);
            });
            for (int64_t k = 0; k < l.n; ++k) ASSERT_EQ(found[static_cast<size_t>(at(k))], expected[static_cast<size_t>(k)]) << t.name;
          }
        for (const int64_t k : {int64_t{0}, int64_t{1}, l.n / 64, l.n / 20, l.n / 2, l.n}) {
          std::vector<int64_t> first(static_cast<size_t>(l.outer * k * l.inner) + 1, -1);
          first_positions(t.dtype, l, k, descending, x.data(), first.data());
          for (int64_t o = 0; o < l.outer; ++o)
            for (int64_t n = 0; n < k * l.inner; ++n)
              ASSERT_EQ(first[static_cast<size_t>(o * k * l.inner + n)], found[static_cast<size_t>(o * l.n * l.inner + n)]) << t.name;
          EXPECT_EQ(first.back(), -1);
        }
      }
}

// The order that routines.h states, one element at a time.
std::vector<std::byte> scanned(Prim combine, DType dtype, const Lines& l, bool reverse, const std::vector<std::byte>& x) {
  if (is_half(dtype)) return converted(dtype, DType::F32, scanned(combine, DType::F32, l, reverse, converted(DType::F32, dtype, x)));
  std::vector<std::byte> y(x.size());
  const auto apply = [&](uint64_t a, uint64_t b) { return interpreter::evaluate(combine, dtype, dtype, a, b); };
  for (int64_t o = 0; o < l.outer; ++o)
    for (int64_t i = 0; i < l.inner; ++i) {
      uint64_t carry = 0, local = 0;
      for (int64_t k = 0; k < l.n; ++k) {
        const int64_t at = (o * l.n + (reverse ? l.n - 1 - k : k)) * l.inner + i;
        if (k > 0 && k % kScanBlock == 0) carry = k == kScanBlock ? local : apply(carry, local);
        local = k % kScanBlock == 0 ? element(dtype, x, at) : apply(local, element(dtype, x, at));
        const uint64_t result = interpreter::canonical_bits(dtype, k < kScanBlock ? local : apply(carry, local));
        std::memcpy(&y[static_cast<size_t>(at * size_of(dtype))], &result, static_cast<size_t>(size_of(dtype)));
      }
    }
  return y;
}

TEST(Routines, ScansKeepTheirStatedOrder) {
  for (const DTypeInfo& t : kRealDTypes)
    for (const Prim combine : {Prim::add, Prim::mul, Prim::max, Prim::min}) {
      if (!accepts(info(combine).accepts, t.dtype)) continue;
      for (const Lines l : {Lines{2, 7, 3}, Lines{1, 9000, 1}, Lines{1, 4097, 5}, Lines{2, 3, 1500}, Lines{1, 4096, 1}})
        for (const bool reverse : {false, true}) {
          const auto x = drawn(t.dtype, l.elements(), 3);
          const auto expected = scanned(combine, t.dtype, l, reverse, x);
          for (const int threads : {1, 3}) {
            const Threads limit(threads);
            std::vector<std::byte> y(x.size());
            scan(combine, t.dtype, l, reverse, x.data(), y.data());
            ASSERT_TRUE(y == expected) << t.name << " " << info(combine).name << " " << l.outer << "x" << l.n << "x" << l.inner << " "
                                       << reverse << ", " << threads << " threads";
          }
        }
    }
}

TEST(Routines, ScattersTakeIndicesInOrder) {
  const Lines l{2, 50, 40};
  const int64_t count = 700;
  std::mt19937_64 random(4);
  std::vector<int64_t> rows(count), along(static_cast<size_t>(l.outer * count * l.inner));
  for (int64_t& i : rows) i = static_cast<int64_t>(random() % 100) - 50;
  for (int64_t& i : along) i = static_cast<int64_t>(random() % 100) - 50;
  for (const DTypeInfo& t : kRealDTypes)
    for (const Scatter how : {Scatter::set, Scatter::add}) {
      const auto values = drawn(t.dtype, l.outer * count * l.inner, 5), start = drawn(t.dtype, l.elements(), 6);
      const DType summed = how == Scatter::add ? compute_dtype(t.dtype) : t.dtype;
      const auto terms = converted(summed, t.dtype, values);
      for (const bool by_rows : {true, false}) {
        std::vector<std::byte> expected = converted(summed, t.dtype, start);
        for (int64_t o = 0; o < l.outer; ++o)
          for (int64_t j = 0; j < count; ++j)
            for (int64_t i = 0; i < l.inner; ++i) {
              const int64_t source = (o * count + j) * l.inner + i;
              const int64_t index = by_rows ? rows[static_cast<size_t>(j)] : along[static_cast<size_t>(source)];
              const int64_t target = (o * l.n + (index + l.n) % l.n) * l.inner + i;
              uint64_t bits = element(summed, terms, source);
              if (how == Scatter::add)
                bits = interpreter::evaluate(t.dtype == DType::Bool ? Prim::bit_or : Prim::add, summed, summed,
                                             element(summed, expected, target), bits);
              std::memcpy(&expected[static_cast<size_t>(target * size_of(summed))], &bits, static_cast<size_t>(size_of(summed)));
            }
        expected = converted(t.dtype, summed, expected);
        if (how == Scatter::add && is_floating(t.dtype)) interpreter::canonicalise(t.dtype, expected.data(), l.elements());
        for (const int threads : {1, 3}) {
          const Threads limit(threads);
          std::vector<std::byte> y = start;
          if (by_rows) scatter_rows(how, t.dtype, l, rows.data(), count, values.data(), y.data());
          else scatter_along(how, t.dtype, l, along.data(), count, values.data(), y.data());
          ASSERT_TRUE(y == expected) << t.name << (by_rows ? " rows" : " along") << ", " << threads << " threads";
        }
      }
    }
}

TEST(Routines, IndicesOutOfRangeStayInTheArray) {
  const std::vector<int64_t> x{10, 11, 12}, wild{7, -9, INT64_MAX, INT64_MIN, -1};
  std::vector<int64_t> y(5);
  gather_rows(DType::I64, {1, 3, 1}, x.data(), wild.data(), 5, y.data());
  EXPECT_EQ(y, (std::vector<int64_t>{12, 10, 12, 10, 12}));
  std::vector<int64_t> z{0, 0, 0};
  scatter_rows(Scatter::set, DType::I64, {1, 3, 1}, wild.data(), 3, x.data(), z.data());
  EXPECT_EQ(z, (std::vector<int64_t>{11, 0, 12}));
}

}  // namespace
}  // namespace kiln::codegen
