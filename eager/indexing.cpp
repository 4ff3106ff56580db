#include "eager/indexing.h"

#include <limits>

namespace kiln::eager {
namespace {

const Op slice("slice"), squeeze("squeeze"), expand_dims("expand_dims"), alias("view");

// Indices, resolved against a shape: a slice of every dimension, then dimensions dropped (integers), then new ones.
struct Resolved {
  Dims start, stop, step;  // per dimension of the tensor; a stop below 0 stands for "before the first" of a negative step
  Dims dropped;
  Dims added;  // positions in the result
  bool slices = false;

  void take(int64_t from, int64_t to, int64_t by) {
    start.push_back(from);
    stop.push_back(to);
    step.push_back(by);
  }
};

void take_integer(Resolved& r, int64_t given, int axis, int64_t extent) {
  if (given < -extent || given >= extent)
    fail(ErrorCode::index, "index " + std::to_string(given) + " is out of bounds for dimension " + std::to_string(axis) + " of length " +
                               std::to_string(extent));
  const int64_t at = given < 0 ? given + extent : given;
  r.take(at, at + 1, 1);
  r.dropped.push_back(axis);
  r.slices = true;
}

// As Python's slice.indices(): an end beyond the extent is the extent's.
void take_slice(Resolved& r, const Index& index, int64_t extent) {
  if (index.step == 0) fail(ErrorCode::value, "slice step cannot be zero");
  const bool down = index.step < 0;
  const int64_t step = std::max(index.step, -std::numeric_limits<int64_t>::max());
  const int64_t least = down ? -1 : 0, most = down ? extent - 1 : extent;
  const auto clipped = [&](const std::optional<int64_t>& end, int64_t otherwise) {
    return end ? std::clamp(*end < 0 ? *end + extent : *end, least, most) : otherwise;
  };
  const int64_t start = clipped(index.start, down ? most : least), stop = clipped(index.stop, down ? least : most);
  const int64_t distance = down ? start - stop : stop - start, stride = down ? -step : step;
  const int64_t length = distance > 0 ? (distance - 1) / stride + 1 : 0;
  const int64_t by = length > 1 ? step : down ? -1 : 1;  // a step that is never taken may be too large to multiply
  length == 0 ? r.take(0, 0, 1) : r.take(start, start + length * by, by);
  r.slices = r.slices || length != extent || step != 1;
}

Resolved resolve(const Tensor& x, std::span<const Index> indices) {
  int used = 0, ellipses = 0;
  for (const Index& i : indices) {
    ellipses += i.kind == Index::Kind::ellipsis;
    used += i.kind == Index::Kind::integer || i.kind == Index::Kind::slice;
  }
  if (ellipses > 1) fail(ErrorCode::index, "an index holds at most one ellipsis (...)");
  if (used > x.rank())
    fail(ErrorCode::index, "too many indices: " + std::to_string(used) + " for a tensor of shape " + to_string(x.shape()));
  Resolved r;
  int axis = 0, result_axis = 0;
  const auto take_whole = [&](int until) {
    for (; axis < until; ++axis, ++result_axis) r.take(0, x.shape()[axis], 1);
  };
  for (const Index& i : indices) switch (i.kind) {
      case Index::Kind::new_axis: r.added.push_back(result_axis++); break;
      case Index::Kind::ellipsis: take_whole(axis + x.rank() - used); break;
      case Index::Kind::integer:
        take_integer(r, i.at, axis, x.shape()[axis]);
        ++axis;
        break;
      case Index::Kind::slice:
        take_slice(r, i, x.shape()[axis]);
        ++axis;
        ++result_axis;
        break;
    }
  take_whole(x.rank());
  return r;
}

// x itself where the indices take all of it as it is.
Tensor view_of(const Tensor& x, std::span<const Index> indices) {
  const Resolved r = resolve(x, indices);
  Tensor y = r.slices ? slice(x, r.start, r.stop, r.step) : x;
  if (!r.dropped.empty()) y = squeeze(y, r.dropped);
  for (int64_t axis : r.added) y = expand_dims(y, axis);
  return y;
}

}  // namespace

Tensor read_at(const Tensor& x, std::span<const Index> indices) {
  Tensor y = view_of(x, indices);
  return y.same_as(x) ? alias(x, x.shape()) : y;
}

void write_at(const Tensor& x, std::span<const Index> indices, const Operand& source) { write(view_of(x, indices), source); }

}  // namespace kiln::eager
