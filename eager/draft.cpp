// KernelDraft: from accesses over logical dimensions to a kernel over few.
#include <algorithm>

#include "eager/collapse.h"
#include "eager/lowering.h"

namespace kiln::eager {
namespace {

using codegen::Reduction;
using codegen::Stride;

// The number by which nodes call the dimension of blocks until finish() has placed it.
constexpr int kBlockDimension = kMaxRank;

Stride classify(int64_t stride, DType dtype) {
  return stride == 0 ? Stride::zero : stride == size_of(dtype) ? Stride::contiguous : Stride::any;
}

}  // namespace

KernelDraft::KernelDraft(const Dims& extents, int first_reduced, int reduced_count, int64_t block)
    : extents_(extents), first_reduced_(first_reduced), reduced_count_(reduced_count), block_(block), builder_(kernel_) {
  if (reduced_count > 0) kernel_.reduction = first_reduced + reduced_count == extents.size() ? Reduction::lanes : Reduction::rows;
}

uint32_t KernelDraft::buffer(const Access& access) {
  const auto at = std::find(accesses_.begin(), accesses_.end(), access);
  if (at != accesses_.end()) return static_cast<uint32_t>(at - accesses_.begin());
  accesses_.push_back(access);
  return builder_.add_buffer({.dtype = access.dtype});  // its stride classes come with finish()
}

Value KernelDraft::load(int tensor, DType dtype, int64_t offset, const Dims& strides) {
  const auto part = [&](int i) { return builder_.load(buffer(part_of({tensor, dtype, offset, strides}, i))); };
  const Value first = part(0);  // buffers are numbered in this order
  return is_complex(dtype) ? builder_.complex(first, part(1)) : first;
}

Value KernelDraft::load(int tensor, DType dtype, int64_t offset, const Dims& strides, Value mask, Value otherwise) {
  const auto part = [&](int i, Value other) { return builder_.load(buffer(part_of({tensor, dtype, offset, strides}, i)), mask, other); };
  const Value first = part(0, builder_.real(otherwise));
  return is_complex(dtype) ? builder_.complex(first, part(1, builder_.imag(otherwise))) : first;
}

Value KernelDraft::number(int64_t n) {
  const auto at = std::find(numbers_.begin(), numbers_.end(), n);
  const int i = static_cast<int>(at - numbers_.begin());
  if (at == numbers_.end()) numbers_.push_back(n);
  return scalar(~i, DType::I64);
}

Value KernelDraft::gather(int tensor, DType dtype, int64_t offset, const Dims& strides, Value position, int64_t extent, int64_t stride) {
  Builder& b = builder_;
  const Value from_start = b.select(b.lt(position, 0), b.add(position, number(extent)), position);
  const Value inside = b.maximum(b.minimum(from_start, number(extent - 1)), 0);
  const Access access{.tensor = tensor, .dtype = dtype, .offset = offset, .strides = strides, .gathered = true};
  return b.gather(buffer(access), stride == 1 ? inside : b.mul(inside, number(stride)));
}

void KernelDraft::as_row_of_one() {
  check(product(extents_) == 1 && reduced_count_ == 0 && accesses_.empty(), "a row of one value");
  kernel_.reduction = Reduction::lanes;
  row_of_one_ = true;
}

Value KernelDraft::index(int dimension) {
  if (row_of_one_) return builder_.constant_bits(DType::I64, 0);
  indexed_ |= 1u << dimension;
  const Value here = builder_.index(dimension);
  if (block_ == 0 || !is_reduced(dimension)) return here;
  return builder_.index(kBlockDimension) * builder_.constant(DType::I64, static_cast<double>(block_)) + here;
}

Value KernelDraft::scalar(int number, DType dtype) {
  const auto at = std::find(scalars_.begin(), scalars_.end(), number);
  const auto slot = static_cast<uint32_t>(at - scalars_.begin());
  if (at == scalars_.end()) scalars_.push_back(number);
  return builder_.scalar(slot, dtype);
}

void KernelDraft::store(int tensor, DType dtype, int64_t offset, const Dims& strides, Value value) {
  store({tensor, dtype, offset, strides}, value);
}

void KernelDraft::store_blocks(int tensor, DType dtype, const Dims& strides, int64_t block_stride, Value value) {
  store({tensor, dtype, 0, strides, block_stride}, value);
}

void KernelDraft::store(const Access& access, Value value) {
  builder_.store(buffer(part_of(access, 0)), builder_.real(value));
  if (is_complex(access.dtype)) builder_.store(buffer(part_of(access, 1)), builder_.imag(value));
}

KernelDraft::Access KernelDraft::part_of(Access access, int part) {
  if (!is_complex(access.dtype)) return access;
  access.dtype = real_of(access.dtype);
  access.offset = 2 * access.offset + part;
  for (int64_t& s : access.strides) s *= 2;
  access.block_stride *= 2;
  access.parts = 2;
  return access;
}

std::vector<Dims> KernelDraft::byte_strides() const {
  std::vector<Dims> strides;
  for (const Access& access : accesses_) {
    strides.push_back(access.strides);
    for (int64_t& s : strides.back()) s *= size_of(access.dtype);
  }
  return strides;
}

bool KernelDraft::reduced_collapses() const {
  if (reduced_count_ == 0) return true;
  Dims extents = extents_;
  std::vector<Dims> strides = byte_strides();
  return collapse(extents, strides, first_reduced_, first_reduced_ + reduced_count_, indexed_) == 1;
}

namespace {

// The iteration space after collapsing, its dimensions still in logical order: outer ones, the reduced one, inner ones.
struct Space {
  Dims extents;
  std::vector<Dims> strides;  // per access, bytes
  int outer = 0, reduced = 0, inner = 0;
  std::array<int, kMaxRank> origin{};  // the logical dimension that each one was

  void collapse_range(int begin, int end, uint32_t pinned, int& count) {
    std::array<int, kMaxRank> origins{};
    const int removed_after = extents.size() - end;
    count = collapse(extents, strides, begin, end, pinned, origins.data());
    std::array<int, kMaxRank> moved = origin;  // what stands behind the range moves up with it
    for (int d = 0; d < removed_after; ++d) moved[static_cast<size_t>(begin + count + d)] = origin[static_cast<size_t>(end + d)];
    for (int d = 0; d < count; ++d) moved[static_cast<size_t>(begin + d)] = origins[static_cast<size_t>(d)];
    origin = moved;
  }
};

}  // namespace

LoweredKernel KernelDraft::finish() && {
  Space space{.extents = extents_, .strides = byte_strides()};
  if (extents_.empty()) {
    space.extents.push_back(1);
    for (Dims& s : space.strides) s.push_back(0);
  }
  if (row_of_one_) {
    space.extents = {1};
    space.strides.assign(accesses_.size(), {0});
    space.reduced = 1;
  }
  // Each group of dimensions collapses by itself, the last first, so that positions before it hold.
  const int rank = space.extents.size();
  const int reduced_end = first_reduced_ + reduced_count_;
  if (row_of_one_) {
    space.origin[0] = 0;
  } else if (reduced_count_ == 0) {
    space.collapse_range(0, rank, indexed_, space.inner);
  } else {
    if (reduced_end < rank) space.collapse_range(reduced_end, rank, indexed_, space.inner);
    space.collapse_range(first_reduced_, reduced_end, indexed_, space.reduced);
    check(space.reduced == 1, "a reduced range that does not become one dimension");
    if (first_reduced_ > 0) space.collapse_range(0, first_reduced_, indexed_, space.outer);
  }

  // Their order in the kernel: outer ones, blocks, inner ones, the reduced one; of `rows`, the last inner one comes last.
  constexpr int kBlocks = -1;
  const bool rows = kernel_.reduction == Reduction::rows;
  std::vector<int> order;
  for (int d = 0; d < space.outer; ++d) order.push_back(d);
  if (block_) order.push_back(kBlocks);
  for (int d = 0; d < space.inner - (rows ? 1 : 0); ++d) order.push_back(space.outer + space.reduced + d);
  if (space.reduced) order.push_back(space.outer);
  if (rows) order.push_back(space.extents.size() - 1);

  LoweredKernel lowered;
  kernel_.rank = static_cast<uint8_t>(order.size());
  kernel_.clip = static_cast<int8_t>(block_ ? space.outer : -1);
  const int64_t reduced_extent = space.reduced ? space.extents[space.outer] : 0;
  lowered.clip_total = block_ ? reduced_extent : 0;
  std::array<uint32_t, kMaxRank + 1> slot_of{};
  for (size_t k = 0; k < order.size(); ++k) {
    const int d = order[k];
    slot_of[static_cast<size_t>(d == kBlocks ? kBlockDimension : space.origin[static_cast<size_t>(d)])] = static_cast<uint32_t>(k);
    if (d == kBlocks) lowered.extents.push_back((reduced_extent + block_ - 1) / block_);
    else lowered.extents.push_back(block_ && d == space.outer ? block_ : space.extents[d]);
  }
  const bool last_is_reduced = space.reduced && !rows;
  for (size_t a = 0; a < accesses_.size(); ++a) {
    const Access& access = accesses_[a];
    const int64_t size = size_of(access.dtype);
    const Dims& strides = space.strides[a];
    lowered.buffers.push_back({access.tensor, access.offset * size});
    for (int d : order) {
      if (d != kBlocks) lowered.strides.push_back(strides[d]);
      else lowered.strides.push_back(access.block_stride ? access.block_stride * size : strides[space.outer] * block_);
    }
    if (!last_is_reduced && lowered.extents.back() == 1)
      lowered.strides.back() = size * access.parts;  // one element may as well be contiguous
    codegen::Buffer& buffer = kernel_.buffers[a];
    buffer.inner = classify(lowered.strides.back(), access.dtype);
    buffer.reduced = space.reduced ? classify(last_is_reduced ? lowered.strides.back() : strides[space.outer], access.dtype) : Stride::zero;
  }
  for (codegen::Node& node : kernel_.nodes)
    if (node.kind == codegen::NodeKind::index) node.slot = slot_of[node.slot];
  lowered.scalars = std::move(scalars_);
  lowered.numbers = std::move(numbers_);
  lowered.kernel = std::move(kernel_);
  return lowered;
}

}  // namespace kiln::eager
