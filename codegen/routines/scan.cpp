#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>
#include <vector>

#include "codegen/interpreter/primitives.h"
#include "codegen/routines/halves.h"
#include "codegen/routines/routines.h"
#include "codegen/thread_pool.h"

namespace kiln::codegen {
namespace {

using interpreter::Apply;

constexpr int64_t kColumns = 1024;           // elements of `inner` that one piece of work goes over: rows of it stay in L1
constexpr int64_t kPieceElements = 1 << 15;  // elements that are worth a task

// One line whose elements lie side by side, with the running value in a register: what Apply does, without a call for each element.
template <class T, class Combine>
void scan_line(const T* x, T* y, int64_t n, int64_t step, Combine combine) {
  T sum = *x;
  *y = sum;
  for (int64_t i = 1; i < n; ++i) {
    x += step;
    y += step;
    *y = sum = combine(sum, *x);
  }
}

template <class T>
bool scan_line_of(Prim combine, const void* x, void* y, int64_t n, int64_t step) {
  using Wide = std::conditional_t<std::is_integral_v<T>, std::make_unsigned<T>, std::type_identity<T>>::type;  // integers wrap
  const auto line = [&](auto f) { scan_line(static_cast<const Wide*>(x), static_cast<Wide*>(y), n, step, f); };
  switch (combine) {
    case Prim::add: return line([](Wide a, Wide b) { return static_cast<Wide>(a + b); }), true;
    case Prim::mul: return line([](Wide a, Wide b) { return static_cast<Wide>(a * b); }), true;
    default: return false;
  }
}

// The dtypes that scans mostly have; false: none of them.
bool scan_line_fast(Prim combine, DType dtype, const void* x, void* y, int64_t n, int64_t step) {
  switch (dtype) {
    case DType::I64: return scan_line_of<int64_t>(combine, x, y, n, step);
    case DType::F32: return scan_line_of<float>(combine, x, y, n, step);
    case DType::F64: return scan_line_of<double>(combine, x, y, n, step);
    default: return false;
  }
}

// Elements [from, from + width) of every row of a block of rows, in order.
struct Walk {
  int64_t first, count, step;  // rows: first, first + step, ...
};

void scan_block(Prim combine, DType dtype, const Walk& rows, int64_t inner, int64_t from, int64_t width, const std::byte* x, std::byte* y) {
  const int64_t size = size_of(dtype);
  const auto at = [&](int64_t k) { return ((rows.first + k * rows.step) * inner + from) * size; };
  if (inner == 1 && scan_line_fast(combine, dtype, x + at(0), y + at(0), rows.count, rows.step)) return;
  const Apply apply = interpreter::apply_of(combine, dtype, dtype);
  std::memcpy(y + at(0), x + at(0), static_cast<size_t>(width * size));
  for (int64_t k = 1; k < rows.count; ++k) apply(y + at(k), y + at(k - 1), x + at(k), nullptr, width);
}

}  // namespace

void scan(Prim combine, DType dtype, const Lines& l, bool reverse, const void* from, void* to) {
  if (is_half(dtype)) {
    const std::vector<float> wide = widened(dtype, from, l.elements());
    std::vector<float> sums(wide.size());
    scan(combine, DType::F32, l, reverse, wide.data(), sums.data());
    return narrow_into(dtype, sums, to);
  }
  const int64_t size = size_of(dtype), blocks = (l.n + kScanBlock - 1) / kScanBlock, chunks = (l.inner + kColumns - 1) / kColumns;
  const auto* x = static_cast<const std::byte*>(from);
  auto* y = static_cast<std::byte*>(to);
  const auto rows_of = [&](int64_t b) {
    const int64_t first = b * kScanBlock, count = std::min(kScanBlock, l.n - first);
    return reverse ? Walk{l.n - 1 - first, count, -1} : Walk{first, count, 1};
  };
  const auto grain = [&](int64_t elements_each) { return std::max<int64_t>(1, kPieceElements / std::max<int64_t>(1, elements_each)); };
  const int64_t plane = l.n * l.inner * size, columns = std::min(kColumns, l.inner);

  parallel_for(l.outer * blocks * chunks, grain(std::min(l.n, kScanBlock) * columns), [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      const int64_t chunk = p % chunks, b = p / chunks % blocks, o = p / chunks / blocks, c = chunk * kColumns;
      scan_block(combine, dtype, rows_of(b), l.inner, c, std::min(kColumns, l.inner - c), x + o * plane, y + o * plane);
    }
  });
  if (blocks > 1) {
    const Apply apply = interpreter::apply_of(combine, dtype, dtype);
    const int64_t row = l.inner * size;
    std::vector<std::byte> carries(static_cast<size_t>(l.outer * blocks * row));  // [outer, blocks, inner]; block 0 has none
    for (int64_t o = 0; o < l.outer; ++o)
      for (int64_t b = 1; b < blocks; ++b) {
        const Walk before = rows_of(b - 1);
        const std::byte* last = y + o * plane + (before.first + (before.count - 1) * before.step) * row;
        std::byte* carry = carries.data() + (o * blocks + b) * row;
        if (b == 1) std::memcpy(carry, last, static_cast<size_t>(row));
        else apply(carry, carry - row, last, nullptr, l.inner);
      }
    parallel_for(l.outer * (blocks - 1), grain(kScanBlock * l.inner), [&](int64_t begin, int64_t end) {
      alignas(16) std::array<std::byte, kColumns * 16> wide;  // the carry as often as one call combines it, where it is short
      for (int64_t p = begin; p < end; ++p) {
        const int64_t o = p / (blocks - 1), b = 1 + p % (blocks - 1);
        const Walk rows = rows_of(b);
        const std::byte* carry = carries.data() + (o * blocks + b) * row;
        const int64_t first = reverse ? rows.first - rows.count + 1 : rows.first, count = rows.count * l.inner;
        const int64_t group = std::max<int64_t>(1, kColumns / l.inner), repeated = group * l.inner;
        if (group > 1) {
          for (int64_t i = 0; i < group; ++i) std::memcpy(wide.data() + i * row, carry, static_cast<size_t>(row));
          carry = wide.data();
        }
        std::byte* at = y + o * plane + first * row;
        for (int64_t i = 0; i < count; i += repeated) apply(at + i * size, carry, at + i * size, nullptr, std::min(repeated, count - i));
      }
    });
  }
  if (is_floating(dtype))
    parallel_for(l.elements(), kPieceElements,
                 [&](int64_t begin, int64_t end) { interpreter::canonicalise(dtype, y + begin * size, end - begin); });
}

void recur(DType dtype, const Lines& l, bool reverse, const void* a_from, const void* b_from, void* to) {
  if (is_half(dtype)) {
    const std::vector<float> wide_a = widened(dtype, a_from, l.elements()), wide_b = widened(dtype, b_from, l.elements());
    std::vector<float> wide(wide_a.size());
    recur(DType::F32, l, reverse, wide_a.data(), wide_b.data(), wide.data());
    return narrow_into(dtype, wide, to);
  }
  const int64_t size = size_of(dtype), chunks = (l.inner + kColumns - 1) / kColumns, plane = l.n * l.inner;
  const auto *a = static_cast<const std::byte*>(a_from), *b = static_cast<const std::byte*>(b_from);
  auto* y = static_cast<std::byte*>(to);
  const Apply multiply = interpreter::apply_of(Prim::mul, dtype, dtype), add = interpreter::apply_of(Prim::add, dtype, dtype);
  parallel_for(l.outer * chunks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      const int64_t c = p % chunks * kColumns, width = std::min(kColumns, l.inner - c);
      int64_t before = -1;
      for (int64_t i = 0; i < l.n; ++i) {
        const int64_t at = (p / chunks * plane + (reverse ? l.n - 1 - i : i) * l.inner + c) * size;
        if (before < 0) {
          std::memcpy(y + at, b + at, static_cast<size_t>(width * size));
        } else {
          multiply(y + at, a + at, y + before, nullptr, width);
          add(y + at, y + at, b + at, nullptr, width);
        }
        before = at;
      }
    }
  });
  interpreter::canonicalise(dtype, y, l.elements());
}

}  // namespace kiln::codegen
