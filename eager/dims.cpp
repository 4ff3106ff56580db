#include "eager/dims.h"

namespace kiln::eager {

std::string to_string(const Dims& dims) {
  std::string text = "(";
  for (int i = 0; i < dims.size(); ++i) text += (i ? ", " : "") + std::to_string(dims[i]);
  return text + (dims.size() == 1 ? ",)" : ")");
}

Dims contiguous_strides(const Dims& shape) {
  Dims strides = shape;
  int64_t step = 1;
  for (int d = shape.size(); d-- > 0;) {
    strides[d] = step;
    // Wraps where huge extents stand beside one of 0: of an empty tensor no stride is used.
    (void)__builtin_mul_overflow(step, std::max<int64_t>(shape[d], 1), &step);
  }
  return strides;
}

Dims broadcast(const Dims& a, const Dims& b) {
  const Dims& longer = a.size() >= b.size() ? a : b;
  const Dims& shorter = a.size() >= b.size() ? b : a;
  Dims result = longer;
  const int extra = longer.size() - shorter.size();
  for (int d = 0; d < shorter.size(); ++d) {
    int64_t& extent = result[d + extra];
    if (extent == shorter[d] || shorter[d] == 1) continue;
    if (extent != 1) fail(ErrorCode::value, "shapes " + to_string(a) + " and " + to_string(b) + " do not broadcast");
    extent = shorter[d];
  }
  return result;
}

bool broadcastable_to(const Dims& from, const Dims& to) {
  const int extra = to.size() - from.size();
  if (extra < 0) return false;
  for (int d = 0; d < from.size(); ++d)
    if (from[d] != 1 && from[d] != to[d + extra]) return false;
  return true;
}

void out_of_bounds(int64_t index, int axis, int64_t extent) {
  fail(ErrorCode::index, "index " + std::to_string(index) + " is out of bounds for dimension " + std::to_string(axis) + " of length " +
                             std::to_string(extent));
}

int normalize_axis(int64_t axis, int rank, const char* what) {
  if (axis < -rank || axis >= rank)
    fail(ErrorCode::index, std::string(what) + " " + std::to_string(axis) + " is out of range for a tensor of " + std::to_string(rank) +
                               (rank == 1 ? " dimension" : " dimensions"));
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

}  // namespace kiln::eager
