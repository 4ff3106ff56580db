// Integer tensors whose values must be seen: indices to check, counts that shapes follow from.
#include <cstring>

#include "eager/dispatch.h"
#include "eager/ops/ops.h"

namespace kiln::eager::ops {
namespace {

// Calls f(element) in row-major order, whatever the strides; f says whether to go on.
template <class T, class F>
void walk(const Tensor& t, F&& f) {
  const std::byte* data = t.data();
  const Dims &shape = t.shape(), &strides = t.strides();
  Dims at = Dims::filled(t.rank(), 0);
  for (int64_t left = t.numel(), offset = 0; left > 0; --left) {
    T value;
    std::memcpy(&value, data + offset * static_cast<int64_t>(sizeof(T)), sizeof(T));
    if (!f(static_cast<int64_t>(value))) return;
    for (int d = t.rank(); d-- > 0;) {
      offset += strides[d];
      if (++at[d] < shape[d]) break;
      offset -= shape[d] * strides[d];
      at[d] = 0;
    }
  }
}

template <class F>
void for_each_integer(const Tensor& t, F&& f) {
  const bool is_unsigned = !is_signed(t.dtype());
  switch (size_of(t.dtype())) {
    case 1: return is_unsigned ? walk<uint8_t>(t, f) : walk<int8_t>(t, f);
    case 2: return is_unsigned ? walk<uint16_t>(t, f) : walk<int16_t>(t, f);
    case 4: return is_unsigned ? walk<uint32_t>(t, f) : walk<int32_t>(t, f);
    default: return walk<int64_t>(t, f);  // of 64 unsigned bits those beyond an int64 become negative, and are no index either way
  }
}

}  // namespace

std::vector<int64_t> counts_of(const Tensor& t) {
  if (Recorder* recorder = current_recorder(); recorder != nullptr && recorder->types_only()) recorder->flush(FlushReason::shape_from_data);
  materialise(t, FlushReason::shape_from_data);
  std::vector<int64_t> values;
  values.reserve(static_cast<size_t>(t.numel()));
  for_each_integer(t, [&](int64_t v) {
    values.push_back(v);
    return true;
  });
  return values;
}

void check_indices(const Tensor& indices, int64_t extent, int axis) {
  materialise(indices, FlushReason::data_check);
  for_each_integer(indices, [&](int64_t v) {
    if (v < -extent || v >= extent) out_of_bounds(v, axis, extent);
    return true;
  });
  note_checked(indices, -extent, extent - 1);
}

}  // namespace kiln::eager::ops
