#include "eager/indexing.h"

#include <algorithm>
#include <limits>

namespace kiln::eager {
namespace {

const Op slice("slice"), squeeze("squeeze"), expand_dims("expand_dims"), alias("view"), add("add"), astype("astype"),
    bounded_index("bounded_index"), broadcast_to("broadcast_to"), flatnonzero("flatnonzero"), full("full"), gather_rows("gather_rows"),
    index_copy("index_copy"), multiply("multiply"), permute_dims("permute_dims"), reshape("reshape"), take("take"), where("where");

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
  if (given < -extent || given >= extent) out_of_bounds(given, axis, extent);
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

// How many of x's dimensions an index is for.
int dimensions_of(const Index& i) {
  switch (i.kind) {
    case Index::Kind::integer:
    case Index::Kind::slice: return 1;
    case Index::Kind::new_axis:
    case Index::Kind::ellipsis: return 0;
    case Index::Kind::tensor: return i.tensor.dtype() == DType::Bool ? i.tensor.rank() : 1;
  }
  return 0;
}

Resolved resolve(const Tensor& x, std::span<const Index> indices) {
  int used = 0, ellipses = 0;
  for (const Index& i : indices) {
    ellipses += i.kind == Index::Kind::ellipsis;
    used += dimensions_of(i);
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
      case Index::Kind::tensor: take_whole(axis + dimensions_of(i)); break;  // taken later
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

// ---- positions that are data ----------------------------------------------------------------------------------------

bool has_tensors(std::span<const Index> indices) {
  return std::ranges::any_of(indices, [](const Index& i) { return i.kind == Index::Kind::tensor; });
}

// One tensor among the indices (or an integer beside one, which counts as one), over adjacent dimensions of what slices leave.
struct Positions {
  int first, count;   // dimensions of the view
  int axis;           // the first of them in x
  std::ptrdiff_t at;  // which of the indices
  const Index* index;
};

// x[...] with tensors: slices are taken as a view; the dimensions that tensors are for become one, `at`, along which rows are taken.
class Gathered {
 public:
  Gathered(const Tensor& x, std::span<const Index> indices) {
    std::vector<Index> basic;
    std::vector<Positions> positions;
    int axis = 0, place = 0, used = 0;
    for (const Index& i : indices) used += dimensions_of(i);
    for (const Index& i : indices) {
      const int count = dimensions_of(i);
      switch (i.kind) {
        case Index::Kind::ellipsis: {
          const int whole = std::max(0, x.rank() - used);
          axis += whole;
          place += whole;
          basic.push_back(i);
        } break;
        case Index::Kind::integer:
        case Index::Kind::tensor:
          check_mask(x, i, axis);
          positions.push_back({place, count, axis, &i - indices.data(), &i});
          for (int d = 0; d < count; ++d) basic.push_back({.kind = Index::Kind::slice});
          if (count == 0) {  // x[True]: a dimension of its own
            basic.push_back({.kind = Index::Kind::new_axis});
            positions.back().count = 1;
          }
          axis += count;
          place += positions.back().count;
          break;
        default:
          axis += count;
          ++place;
          basic.push_back(i);
      }
    }
    view_ = view_of(x, basic);
    mask_only_ = positions.size() == 1 && is_mask(*positions[0].index);
    bring_together(positions);
    if (mask_only_) mask_ = positions[0].index->tensor;
    positions_ = std::move(positions);
  }

  Tensor read() const {
    const Tensor rows = merged();
    if (positions_.size() > 1 || mask_only_) return gather_rows(rows, positions(), at_);
    return take(rows, positions_[0].index->tensor, at_);
  }

  void write(const Operand& given) const {
    const Operand source = in_own_dtype(given);
    // One value for all that a mask takes: chosen element by element, which asks for no data and fuses.
    const int behind = view_.rank() - at_ - count_;
    if (mask_only_ && at_ == 0 && source.tensor.rank() <= behind && fits_behind(source.tensor)) {
      Tensor mask = mask_.rank() == 0 ? reshape(mask_, Dims{1}) : mask_;
      for (int d = 0; d < behind; ++d) mask = expand_dims(mask, int64_t{mask.rank()});
      return eager::write(view_, where(mask, source, view_));
    }
    const Tensor rows = merged();
    const bool plain = positions_.size() == 1 && !mask_only_;
    const Tensor written = index_copy(rows, plain ? positions_[0].index->tensor : positions(), source, at_);
    const Tensor apart = reshape(written, turned_.shape());
    eager::write(view_, order_.empty() ? apart : permute_dims(apart, inverse()));
  }

 private:
  static bool is_mask(const Index& i) { return i.kind == Index::Kind::tensor && i.tensor.dtype() == DType::Bool; }

  static void check_mask(const Tensor& x, const Index& i, int axis) {
    if (!is_mask(i)) return;
    for (int d = 0; d < i.tensor.rank() && axis + d < x.rank(); ++d)
      if (i.tensor.shape()[d] != x.shape()[axis + d])
        fail(ErrorCode::index, "a mask of shape " + to_string(i.tensor.shape()) + " does not fit dimension " + std::to_string(axis + d) +
                                   " of a tensor of shape " + to_string(x.shape()));
  }

  // Dimensions with positions that are apart from each other come first; what stands between them may be an ellipsis for no dimension.
  void bring_together(std::vector<Positions>& positions) {
    at_ = positions[0].first;
    bool adjacent = true;
    for (size_t k = 0; k < positions.size(); ++k) {
      adjacent = adjacent && positions[k].first == at_ + count_ && positions[k].at == positions[0].at + static_cast<std::ptrdiff_t>(k);
      count_ += positions[k].count;
    }
    turned_ = view_;
    if (adjacent) return;
    for (const Positions& p : positions)
      for (int d = 0; d < p.count; ++d) order_.push_back(p.first + d);
    for (int d = 0; d < view_.rank(); ++d)
      if (!order_.contains(d)) order_.push_back(d);
    turned_ = permute_dims(view_, order_);
    at_ = 0;
  }

  Dims inverse() const {
    Dims places = order_;
    for (int i = 0; i < order_.size(); ++i) places[static_cast<int>(order_[i])] = i;
    return places;
  }

  Tensor merged() const {
    Dims shape(turned_.shape().begin(), turned_.shape().begin() + at_);
    int64_t rows = 1;
    for (int d = at_; d < at_ + count_; ++d) rows *= turned_.shape()[d];
    shape.push_back(rows);
    for (int d = at_ + count_; d < turned_.rank(); ++d) shape.push_back(turned_.shape()[d]);
    return reshape(turned_, shape);
  }

  // The row of each element of the result: what each index gives, in row-major order of the dimensions they are for.
  Tensor positions() const {
    Tensor sum;
    int64_t stride = 1;
    for (size_t k = positions_.size(); k-- > 0;) {
      const Positions& p = positions_[k];
      int64_t extent = 1;
      for (int d = p.first; d < p.first + p.count; ++d) extent *= view_.shape()[d];
      const Tensor own = is_mask(*p.index)                       ? flatnonzero(p.index->tensor)
                         : p.index->kind == Index::Kind::integer ? bounded_index(whole_number(p.index->at), extent, int64_t{p.axis})
                                                                 : bounded_index(p.index->tensor, extent, int64_t{p.axis});
      const Tensor steps = stride == 1 ? own : multiply(own, stride);
      sum = sum ? add(sum, steps) : steps;
      stride *= extent;
    }
    return sum;
  }

  // As writes to slices convert: to whatever dtype is written to.
  Tensor in_own_dtype(const Operand& source) const {
    if (!source.is_tensor()) return full(Dims{}, source, view_.dtype());
    return source.tensor.dtype() == view_.dtype() ? source.tensor : astype(source.tensor, view_.dtype());
  }

  static Tensor whole_number(int64_t at) { return full(Dims{}, at, DType::I64); }

  bool fits_behind(const Tensor& source) const {
    return broadcastable_to(source.shape(), Dims(view_.shape().end() - (view_.rank() - at_ - count_), view_.shape().end()));
  }

  Tensor view_, turned_;  // what slices leave; with the dimensions that tensors are for side by side
  Dims order_;            // the axes of view_ in turned_, if they moved
  int at_ = 0, count_ = 0;
  bool mask_only_ = false;
  Tensor mask_;
  std::vector<Positions> positions_;
};

}  // namespace

Tensor read_at(const Tensor& x, std::span<const Index> indices) {
  if (has_tensors(indices)) return Gathered(x, indices).read();
  Tensor y = view_of(x, indices);
  return y.same_as(x) ? alias(x, x.shape()) : y;
}

void write_at(const Tensor& x, std::span<const Index> indices, const Operand& source) {
  if (has_tensors(indices)) return Gathered(x, indices).write(source);
  write(view_of(x, indices), source);
}

}  // namespace kiln::eager
