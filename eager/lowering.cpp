// The parts of lowering that are not the draft itself: pointwise bodies, steps of reductions, running what was lowered.
#include "eager/lowering.h"

#include <algorithm>
#include <bit>

#include "eager/promotion.h"

namespace kiln::eager {

std::vector<Value> emit_pointwise(const Operator& op, EmitContext& c, const IndexMap& at) {
  const size_t count = c.inputs.size();
  const std::vector<DType> dtypes = operand_dtypes(op, c.inputs);
  std::vector<Value> inputs(count);
  for (size_t i = 0; i < count; ++i) {
    const OperandType& o = c.inputs[i];
    const int operand = static_cast<int>(i);
    // Halves are computed in f32: an operator's body sees no other.
    if (o.kind == OperandType::Kind::scalar) inputs[i] = c.b.cast(c.scalar(operand, real_of(dtypes[i])), compute_dtype(dtypes[i]));
    if (o.kind == OperandType::Kind::tensor)
      inputs[i] =
          c.b.cast(c.b.cast(c.operand(operand, at.broadcast_from(o.type.shape, c.outputs[0].shape)), dtypes[i]), compute_dtype(dtypes[i]));
  }
  BodyContext body{c.b, inputs, c.attrs, c.outputs, [&](int axis) { return c.index(at, axis); }};
  std::vector<Value> results = op.body(body);
  check(results.size() == c.outputs.size(), "a body gives one value for each output");
  for (size_t i = 0; i < results.size(); ++i) results[i] = c.b.cast(results[i], c.outputs[i].dtype);
  return results;
}

GatherMap gather_map(const Operator& op, const Attrs& attrs, const Dims& x, const Dims& indices, const IndexMap& at) {
  GatherMap map;
  map.axis = normalize_axis(static_cast<int>(std::get<int64_t>(attrs[0])), x.size());
  map.indices.iteration = map.x.iteration = at.iteration;
  map.indices.rank = indices.size();
  map.x.rank = x.size();
  const auto take = [&](IndexMap& to, int d, int from) {
    to.base[static_cast<size_t>(d)] = at.base[static_cast<size_t>(from)];
    to.coefficient[static_cast<size_t>(d)] = at.coefficient[static_cast<size_t>(from)];
  };
  const bool rows = op.gather == Gather::rows;
  const int first = rows ? map.axis : 0,
            behind = rows ? indices.size() - 1 : 0;  // of the indices' dimensions; what those behind the axis move by
  for (int d = 0; d < indices.size(); ++d) take(map.indices, d, first + d);
  for (int d = 0; d < x.size(); ++d)
    if (d != map.axis) take(map.x, d, d < map.axis ? d : d + behind);
  return map;
}

std::vector<ReductionShape> reduction_steps(const Dims& shape, const Attr& axes, bool keepdims) {
  std::array<bool, kMaxRank> reduced{};
  if (std::holds_alternative<std::monostate>(axes)) {
    std::fill_n(reduced.begin(), shape.size(), true);
  } else {
    const Dims list = std::holds_alternative<int64_t>(axes) ? Dims{std::get<int64_t>(axes)} : std::get<Dims>(axes);
    for (int64_t axis : list) {
      bool& flag = reduced[static_cast<size_t>(normalize_axis(axis, shape.size()))];
      if (flag) fail(ErrorCode::value, "axis " + std::to_string(axis) + " is named twice in " + to_string(list));
      flag = true;
    }
  }
  std::vector<ReductionShape> steps;
  for (int d = shape.size(); d-- > 0;) {
    if (!reduced[static_cast<size_t>(d)]) continue;
    if (!steps.empty() && steps.back().first == d + 1) {
      --steps.back().first;
      ++steps.back().count;
    } else {
      steps.push_back({d, 1, keepdims});
    }
  }
  return steps;
}

Dims reduced_shape(const Dims& shape, const ReductionShape& step) {
  Dims result;
  for (int d = 0; d < shape.size(); ++d) {
    const bool reduced = d >= step.first && d < step.first + step.count;
    if (!reduced) result.push_back(shape[d]);
    else if (step.keepdims) result.push_back(1);
  }
  return result;
}

namespace {

// A reduction is split where its canonical blocks are too few to keep threads busy, and each has many blocks of elements to combine.
constexpr int64_t kFewBlocks = 64, kManyParts = 4, kMuchWork = 1 << 16;
// Rows are split into no more parts than one expression combines: the parts of a column lie apart, and columns lie together.
constexpr int64_t kMostRowParts = 16;

struct ReductionExtents {
  int64_t outer = 1, reduced = 1, inner = 1;
  bool lanes = false;
  // Elements of a part: a power of two of canonical blocks, so that the tree over a part's blocks is a branch of the tree over all of them.
  int64_t part() const {
    int64_t n = lanes ? codegen::kLaneBlock : codegen::kRowBlock;
    while (!lanes && (reduced + n - 1) / n > kMostRowParts) n *= 2;
    return n;
  }
  int64_t parts() const { return (reduced + part() - 1) / part(); }
  bool split() const {
    const int64_t blocks = outer * ((inner + codegen::kChunk - 1) / codegen::kChunk);
    return blocks < kFewBlocks && parts() >= kManyParts && outer * reduced * inner >= kMuchWork;
  }
};

ReductionExtents extents_of(const Dims& shape, const ReductionShape& step) {
  ReductionExtents e;
  const int end = step.first + step.count;
  e.lanes = end == shape.size();
  for (int d = 0; d < shape.size(); ++d) (d < step.first ? e.outer : d < end ? e.reduced : e.inner) *= shape[d];
  return e;
}

// TREE of kernel.h over values [first, first + count), each made where it is combined.
Value tree(Builder& b, Prim combine, int64_t first, int64_t count, const std::function<Value(int64_t)>& part) {
  if (count == 1) return part(first);
  const auto left = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(count - 1)));
  const Value before = tree(b, combine, first, left, part);
  const Value behind = tree(b, combine, first + left, count - left, part);
  return b.primitive(combine, before.dtype(), {before, behind});
}

}  // namespace

bool splits_reduction(const Dims& shape, const ReductionShape& step) {
  return extents_of(shape, step).split() && shape.size() < kMaxRank;  // the dimension of blocks needs a place
}

std::optional<ReductionDraft> draft_reduction(const ReductionRequest& r, const std::function<Value(KernelDraft&)>& emit,
                                              const std::function<void(KernelDraft&, Value)>& finish) {
  const ReductionExtents extents = extents_of(r.shape, r.step);
  const bool split = splits_reduction(r.shape, r.step);
  ReductionDraft result;

  KernelDraft first(r.shape, r.step.first, r.step.count, split ? extents.part() : 0);
  const Value element = emit(first);
  if (!first.reduced_collapses()) return std::nullopt;
  const Value sum = first.b().reduce(r.combine, element);
  if (!split) {
    finish(first, sum);
    result.kernels.push_back(std::move(first).finish());
    return result;
  }

  // The partials stand where the reduced range was: [outer..., 1..., blocks, inner...].
  Dims partials = r.shape;
  for (int d = r.step.first; d < r.step.first + r.step.count; ++d) partials[d] = 1;
  const int last = r.step.first + r.step.count - 1;
  partials[last] = extents.parts();
  result.partials = {r.dtype, partials};
  const Dims strides = contiguous_strides(partials);
  Dims kept = strides;
  for (int d = r.step.first; d <= last; ++d) kept[d] = 0;
  first.store_blocks(r.partials_number, r.dtype, kept, strides[last], sum);
  result.kernels.push_back(std::move(first).finish());

  if (!extents.lanes) partials[last] = 1;  // all parts at once
  KernelDraft second(partials, r.step.first, extents.lanes ? r.step.count : 0);
  const auto part = [&](int64_t i) { return second.load(r.partials_number, r.dtype, i * strides[last], extents.lanes ? strides : kept); };
  if (extents.lanes) {
    second.as_tree();
    finish(second, second.b().reduce(r.combine, part(0)));
  } else {
    finish(second, tree(second.b(), r.combine, 0, extents.parts(), part));
  }
  result.kernels.push_back(std::move(second).finish());
  return result;
}

void run(codegen::CompiledKernel& compiled, const LoweredKernel& k, std::span<std::byte* const> tensors,
         std::span<const uint64_t> scalars) {
  std::array<void*, 16> few_pointers;
  std::vector<void*> many_pointers;
  void** pointers = few_pointers.data();
  if (k.buffers.size() > few_pointers.size()) {
    many_pointers.resize(k.buffers.size());
    pointers = many_pointers.data();
  }
  for (size_t i = 0; i < k.buffers.size(); ++i) pointers[i] = tensors[static_cast<size_t>(k.buffers[i].tensor)] + k.buffers[i].byte_offset;
  std::array<uint64_t, 16> few_scalars;
  std::vector<uint64_t> many_scalars;
  uint64_t* values = few_scalars.data();
  if (k.scalars.size() > few_scalars.size()) {
    many_scalars.resize(k.scalars.size());
    values = many_scalars.data();
  }
  for (size_t i = 0; i < k.scalars.size(); ++i) values[i] = k.scalar(i, [&](int number) { return scalars[static_cast<size_t>(number)]; });
  codegen::launch(compiled, {.pointers = pointers,
                             .strides = k.strides.data(),
                             .extents = k.extents.data(),
                             .scalars = values,
                             .clip_total = k.clip_total,
                             .scratch = nullptr,
                             .error = nullptr,
                             .self = nullptr});
}

void run(const LoweredKernel& k, std::span<std::byte* const> tensors, std::span<const uint64_t> scalars) {
  run(*codegen::get(k.kernel), k, tensors, scalars);
}

}  // namespace kiln::eager
