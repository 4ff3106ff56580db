#include "eager/collapse.h"

namespace kiln::eager {
namespace {

void move_dimension(Dims& extents, std::span<Dims> strides, int from, int to) {
  extents[to] = extents[from];
  for (Dims& s : strides) s[to] = s[from];
}

bool crossed_evenly(std::span<const Dims> strides, int outer, int inner, int64_t inner_extent) {
  for (const Dims& s : strides)
    if (s[outer] != s[inner] * inner_extent) return false;
  return true;
}

// Where all dimensions of the range have one element: one that varies for the accesses that vary along any of them.
void keep_one(Dims& extents, std::span<Dims> strides, int begin, int end) {
  extents[begin] = 1;
  for (Dims& s : strides)
    for (int d = begin + 1; d < end && s[begin] == 0; ++d) s[begin] = s[d];
}

}  // namespace

int collapse(Dims& extents, std::span<Dims> strides, int begin, int end, uint32_t pinned, int* origin) {
  int kept = begin;
  bool last_is_pinned = false;
  for (int d = begin; d < end; ++d) {
    const bool is_pinned = pinned >> d & 1;
    if (extents[d] == 1 && !is_pinned) continue;
    if (kept > begin && !is_pinned && !last_is_pinned && crossed_evenly(strides, kept - 1, d, extents[d])) {
      const int64_t merged = extents[kept - 1] * extents[d];
      move_dimension(extents, strides, d, kept - 1);
      extents[kept - 1] = merged;
      continue;
    }
    move_dimension(extents, strides, d, kept);
    if (origin) origin[kept - begin] = d;
    last_is_pinned = is_pinned;
    ++kept;
  }
  if (kept == begin && begin < end) {
    keep_one(extents, strides, begin, end);
    if (origin) origin[0] = begin;
    ++kept;
  }
  for (int d = end; d-- > kept;) {
    extents.erase(d);
    for (Dims& s : strides) s.erase(d);
  }
  return kept - begin;
}

}  // namespace kiln::eager
