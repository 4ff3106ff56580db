#include <algorithm>
#include <cstring>

#include "codegen/error.h"
#include "codegen/interpreter/primitives.h"
#include "codegen/routines/halves.h"
#include "codegen/routines/routines.h"
#include "codegen/thread_pool.h"

namespace kiln::codegen {
namespace {

constexpr int64_t kPieceBytes = 1 << 16;  // worth a task

int64_t in_range(int64_t index, int64_t n) { return std::clamp<int64_t>(index < 0 ? index + n : index, 0, n - 1); }

int64_t grain(int64_t bytes_each) { return std::max<int64_t>(1, kPieceBytes / std::max<int64_t>(1, bytes_each)); }

// Elements are moved as words of their size: calls f with a word of that type.
template <class F>
void with_word(int size, F&& f) {
  struct Sixteen {
    uint64_t low, high;
  };
  switch (size) {
    case 1: return f(uint8_t{});
    case 2: return f(uint16_t{});
    case 4: return f(uint32_t{});
    case 8: return f(uint64_t{});
    case 16: return f(Sixteen{});
    default: fail(ErrorCode::internal, "elements of " + std::to_string(size) + " bytes");
  }
}

// Complex numbers are added part by part: as twice as many real ones.
interpreter::Apply addition(DType given) {
  const DType t = real_of(given);
  return interpreter::apply_of(t == DType::Bool ? Prim::bit_or : Prim::add, t, t);
}

// Halves are summed in f32 and rounded once: calls add(values, y) with both widened, unless there is nothing to widen.
template <class F>
bool added_in_f32(Scatter how, DType dtype, int64_t count, const void* values, const Lines& l, void* y, F&& add) {
  if (how != Scatter::add || !is_half(dtype)) return false;
  const std::vector<float> wide_values = widened(dtype, values, count);
  std::vector<float> sums = widened(dtype, y, l.elements());
  add(wide_values.data(), sums.data());
  narrow_into(dtype, sums, y);
  return true;
}

// Sums are stored with a canonical NaN.
void canonicalise_sums(Scatter how, DType dtype, const Lines& l, void* y) {
  if (how == Scatter::add && is_inexact(dtype)) interpreter::canonicalise(real_of(dtype), y, l.elements() * parts_of(dtype));
}

}  // namespace

void gather_rows(DType dtype, const Lines& l, const void* x, const int64_t* indices, int64_t count, void* y) {
  const int64_t row = l.inner * size_of(dtype);
  if (l.inner == 1) {
    with_word(size_of(dtype), [&]<class Word>(Word) {
      const auto* from = static_cast<const Word*>(x);
      auto* to = static_cast<Word*>(y);
      for (int64_t o = 0; o < l.outer; ++o)
        parallel_for(count, grain(static_cast<int64_t>(sizeof(Word))), [&](int64_t begin, int64_t end) {
          for (int64_t j = begin; j < end; ++j) to[o * count + j] = from[o * l.n + in_range(indices[j], l.n)];
        });
    });
    return;
  }
  const auto* from = static_cast<const std::byte*>(x);
  auto* to = static_cast<std::byte*>(y);
  parallel_for(l.outer * count, grain(row), [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p)
      std::memcpy(to + p * row, from + (p / count * l.n + in_range(indices[p % count], l.n)) * row, static_cast<size_t>(row));
  });
}

void gather_along(DType dtype, const Lines& l, const void* x, const int64_t* indices, int64_t count, void* y) {
  with_word(size_of(dtype), [&]<class Word>(Word) {
    const auto* from = static_cast<const Word*>(x);
    auto* to = static_cast<Word*>(y);
    parallel_for(l.outer * count, grain(l.inner * static_cast<int64_t>(sizeof(Word))), [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        const Word* plane = from + p / count * l.n * l.inner;
        for (int64_t i = 0; i < l.inner; ++i) to[p * l.inner + i] = plane[in_range(indices[p * l.inner + i], l.n) * l.inner + i];
      }
    });
  });
}

// The rows of y are cut into ranges; each range goes through all indices and takes its own, so that an element's writes keep their order.
void scatter_rows(Scatter how, DType dtype, const Lines& l, const int64_t* indices, int64_t count, const void* values, void* y) {
  const auto in_f32 = [&](const float* wide, float* sums) { scatter_rows(how, DType::F32, l, indices, count, wide, sums); };
  if (added_in_f32(how, dtype, l.outer * count * l.inner, values, l, y, in_f32)) return;
  constexpr int64_t kRanges = 8;
  const int64_t row = l.inner * size_of(dtype);
  const int64_t ranges = count * row >= kPieceBytes ? std::min(kRanges, l.n) : 1, height = (l.n + ranges - 1) / ranges;
  const interpreter::Apply add = how == Scatter::add ? addition(dtype) : nullptr;
  const auto* from = static_cast<const std::byte*>(values);
  auto* to = static_cast<std::byte*>(y);
  parallel_for(l.outer * ranges, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      const int64_t o = p / ranges, first = p % ranges * height, last = std::min(first + height, l.n);
      for (int64_t j = 0; j < count; ++j) {
        const int64_t at = in_range(indices[j], l.n);
        if (at < first || at >= last) continue;
        std::byte* target = to + (o * l.n + at) * row;
        const std::byte* value = from + (o * count + j) * row;
        if (add != nullptr) add(target, target, value, nullptr, l.inner * parts_of(dtype));
        else std::memcpy(target, value, static_cast<size_t>(row));
      }
    }
  });
  canonicalise_sums(how, dtype, l, y);
}

void scatter_along(Scatter how, DType dtype, const Lines& l, const int64_t* indices, int64_t count, const void* values, void* y) {
  const auto in_f32 = [&](const float* wide, float* sums) { scatter_along(how, DType::F32, l, indices, count, wide, sums); };
  if (added_in_f32(how, dtype, l.outer * count * l.inner, values, l, y, in_f32)) return;
  constexpr int64_t kColumns = 64;
  const int64_t chunks = (l.inner + kColumns - 1) / kColumns, plane = l.n * l.inner;
  const interpreter::Apply add = how == Scatter::add ? addition(dtype) : nullptr;
  with_word(size_of(dtype), [&]<class Word>(Word) {
    const auto* from = static_cast<const Word*>(values);
    auto* to = static_cast<Word*>(y);
    parallel_for(l.outer * chunks, grain(count * kColumns * static_cast<int64_t>(sizeof(Word))), [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        const int64_t o = p / chunks, c = p % chunks * kColumns, stop = std::min(c + kColumns, l.inner);
        for (int64_t j = 0; j < count; ++j)
          for (int64_t i = c; i < stop; ++i) {
            const int64_t source = (o * count + j) * l.inner + i;
            Word& target = to[o * plane + in_range(indices[source], l.n) * l.inner + i];
            if (add != nullptr) add(&target, &target, &from[source], nullptr, parts_of(dtype));
            else target = from[source];
          }
      }
    });
  });
  canonicalise_sums(how, dtype, l, y);
}

}  // namespace kiln::codegen
