#include "jit/fusion/cluster_draft.h"

#include <algorithm>
#include <map>
#include <set>

#include "jit/fusion/place.h"

namespace kiln::jit {
namespace {

using codegen::Layout;
using codegen::Value;
using eager::Dims;
using eager::IndexMap;
using eager::KernelDraft;
using tracer::Graph;
using tracer::Node;
using tracer::NodeIndex;
using tracer::NodeKind;
using tracer::Operand;
using tracer::ValueId;

using codegen::kLayoutBlock;

// The same map over the split iteration: dimension `axis` becomes 16 * (its block) + the last dimension.
IndexMap split(const IndexMap& m, int axis) {
  IndexMap s = m;
  s.iteration = m.iteration + 1;
  for (int d = 0; d < m.rank; ++d) {
    s.coefficient[d][m.iteration] = m.coefficient[d][axis];
    s.coefficient[d][axis] = m.coefficient[d][axis] * kLayoutBlock;
  }
  return s;
}

class Drafter final : public eager::AffineContext {
 public:
  Drafter(const Graph& g, const Cluster& c, const std::vector<bool>& stored) : g_(g), c_(c), stored_(stored) {}

  std::optional<DraftedCluster> run() {
    if (c_.nodes.size() == 1 && c_.reduced_count && eager::splits_reduction(c_.space, step())) return split_reduction();
    if (c_.has_affine()) {
      const Node& n = g_.nodes[c_.affine];
      affine_ = &n;
      for (const Operand& o : n.operands) affine_inputs_.push_back(operand_type(g_, o));
      affine_outputs_ = types_of(n);
      n.op->affine(*this);
    } else {
      draft_.emplace(loops_over(c_.space), c_.first_reduced, c_.reduced_count);
      if (c_.reduced_count == 0 && eager::product(c_.space) == 1) draft_->as_row_of_one();
    }
    do {
      for (NodeIndex i : c_.nodes) store_outputs(g_.nodes[i]);
    } while (next_place());
    if (c_.reduced_count && !draft_->reduced_collapses()) return std::nullopt;
    result_.kernels.push_back(std::move(*draft_).finish());
    if (!stores_have_places(result_.kernels[0].kernel)) return std::nullopt;
    collect();
    return std::move(result_);
  }

  // ---- AffineContext: the affine operator's own view of the draft ----

  codegen::Builder& b() override { return draft_->b(); }
  const eager::Attrs& attrs() const override { return affine_->attrs; }
  std::span<const eager::OperandType> inputs() const override { return affine_inputs_; }
  std::span<const eager::TensorType> outputs() const override { return affine_outputs_; }
  void iterate(const Dims& extents) override { draft_.emplace(loops_over(extents)); }
  Value index(int dimension) override {
    // Pooling rules ask for rows and columns only.
    check(dimension != axis(), "the index along an axis that the layout splits");
    return draft_->index(dimension);
  }
  Value load(int operand, const IndexMap& at) override { return value_of(affine_->operands[static_cast<size_t>(operand)], at); }
  Value load(int operand, const IndexMap& at, Value mask, codegen::Operand otherwise) override {
    mask_ = mask;
    const Value inside = value_of(affine_->operands[static_cast<size_t>(operand)], at);
    mask_ = {};
    return draft_->b().select(mask, inside, otherwise);
  }
  void store(int output, const IndexMap& at, Value v) override {
    const IndexMap m = split_by_layout(at);
    const ValueId id = affine_->first_output + static_cast<uint32_t>(output);
    known_.push_back({id, m, draft_->b().cast(v, g_.type(id).dtype)});
    if (output == 0) places_.push_back(m);
  }

 private:
  int axis() const { return codegen::split_axis(c_.layout); }
  bool blocked() const { return axis() >= 0; }
  Dims loops_over(const Dims& extents) const { return blocked() ? blocked_extents(extents, c_.layout) : extents; }
  IndexMap split_by_layout(const IndexMap& at) const { return blocked() ? split(at, axis()) : at; }
  eager::ReductionShape step() const { return {c_.first_reduced, c_.reduced_count, true}; }

  std::vector<eager::TensorType> types_of(const Node& n) const {
    std::vector<eager::TensorType> types;
    for (uint32_t k = 0; k < n.outputs; ++k) {
      const tracer::Type& t = g_.type(n.first_output + k);
      types.push_back({t.dtype, constant_shape(t)});
    }
    return types;
  }

  Value value_of(const Operand& o, const IndexMap& at) { return eval(o.id, split_by_layout(at)); }

  // ---- where each of the cluster's values is computed ----

  bool next_place() { return ++place_ < places_.size(); }

  // The index of a value of this shape at the kernel's current position.
  IndexMap position(const Dims& shape) const {
    if (c_.has_affine()) return places_[place_];
    return shape == c_.space ? split_by_layout(jit::position(c_, shape)) : jit::position(c_, shape);
  }

  // Two maps to the same element: an axis of one element has but one index, however it is written.
  static bool same_place(const IndexMap& a, const IndexMap& b, const Dims& shape) {
    if (a.rank != b.rank || a.iteration != b.iteration) return false;
    for (int d = 0; d < a.rank; ++d)
      if (shape[d] != 1 && (a.base[d] != b.base[d] || a.coefficient[d] != b.coefficient[d])) return false;
    return true;
  }

  // A value that varies along the row has no place among its results: an axis of one element may be both.
  static bool stores_have_places(const codegen::Kernel& k) {
    if (k.reduction == codegen::Reduction::none) return true;
    const codegen::Schedule s = schedule(k);
    return std::ranges::all_of(
        k.stores, [&](const codegen::Store& st) { return !s.varying[st.value] || k.buffers[st.buffer].reduced != codegen::Stride::zero; });
  }

  bool computes(ValueId v) const {
    const NodeIndex n = g_.values[v].node;
    return g_.nodes[n].kind == NodeKind::operation && std::ranges::binary_search(c_.nodes, n);
  }

  Value eval(ValueId v, const IndexMap& at) {
    for (const Known& k : known_)
      if (k.value == v && !mask_ && same_place(k.at, at, constant_shape(g_.type(v)))) return k.expression;
    if (const ValueId base = base_of(g_, v); base != v && computes(base)) return eval(base, position(constant_shape(g_.type(base))));
    if (!computes(v)) return load_from(v, at);
    const Node& n = g_.producer(v);
    if (n.op->reduction) {
      const Dims shape = constant_shape(g_.type(v));
      check(same_place(at, position(shape), shape), "a row's result is read elsewhere than at its row");
      const DType dtype = g_.type(v).dtype;
      const Value x = draft_->b().cast(eval(n.operands[0].id, IndexMap::identity(c_.space.size())), compute_dtype(dtype));
      const Value r = draft_->b().cast(draft_->b().reduce(*n.op->reduction, x), dtype);
      known_.push_back({v, at, r});
      return r;
    }
    check(!n.op->affine, "an affine operator away from its own index");
    if (is_gather(g_, n)) return draft_->b().bitcast(gather(n, at), g_.type(v).dtype);
    const std::vector<Value> outputs = pointwise(n, at);
    if (!mask_)
      for (uint32_t k = 0; k < n.outputs; ++k) known_.push_back({n.first_output + k, at, outputs[k]});
    return outputs[g_.values[v].output];
  }

  // The bits of a gather's element: a float's NaN is moved as it is, and made the canonical one only where it is computed with.
  Value gather(const Node& n, const IndexMap& at) {
    const ValueId x = n.operands[0].id, indices = n.operands[1].id;
    const Location l = locate(g_, x);
    check(l.layout == Layout::plain, "a gather from a blocked layout");
    const eager::GatherMap map = eager::gather_map(*n.op, n.attrs, l.shape, constant_shape(g_.type(indices)), at);
    const auto [offset, strides] = address(l, map.x);
    reads_.insert(l.tensor);
    gathered_[l.tensor] += bytes_of(g_.type(n.first_output));
    return draft_->gather(static_cast<int>(l.tensor), bits_of(g_.type(x).dtype), offset, strides, eval(indices, map.indices),
                          l.shape[map.axis], l.strides[map.axis]);
  }

  std::vector<Value> pointwise(const Node& n, const IndexMap& at) {
    std::vector<eager::OperandType> inputs;
    for (const Operand& o : n.operands) inputs.push_back(operand_type(g_, o));
    const std::vector<eager::TensorType> outputs = types_of(n);
    eager::EmitContext context{
        draft_->b(),
        inputs,
        n.attrs,
        outputs,
        [&](int i, const IndexMap& where) { return eval(n.operands[static_cast<size_t>(i)].id, where); },
        [&](int i, DType t) { return scalar(n.operands[static_cast<size_t>(i)].id, t); },
        [&](const IndexMap& where, int axis) { return axis_index(where, axis); },
    };
    return emit_pointwise(*n.op, context, at);
  }

  Value axis_index(const IndexMap& at, int axis) {
    codegen::Builder& b = draft_->b();
    Value sum = b.constant_bits(DType::I64, static_cast<uint64_t>(at.base[axis]));
    for (int d = 0; d < at.iteration; ++d)
      if (const int64_t c = at.coefficient[axis][d])
        sum = b.add(sum, b.mul(draft_->index(d), b.constant_bits(DType::I64, static_cast<uint64_t>(c))));
    return sum;
  }

  Value scalar(uint32_t number, DType dtype) {
    auto& slots = result_.scalar_slots;
    auto at = std::ranges::find_if(slots, [&](const auto& s) { return s.number == number && s.dtype == dtype; });
    if (at == slots.end()) at = slots.insert(slots.end(), {number, dtype});
    return draft_->scalar(static_cast<int>(at - slots.begin()), dtype);
  }

  // ---- memory ----

  // Offset and stride per iteration dimension of the value's element at `at`.
  std::pair<int64_t, Dims> address(const Location& l, const IndexMap& at) const {
    if (l.layout == Layout::plain) return {l.offset + at.offset(l.strides), at.iteration_strides(l.strides)};
    // Blocked: index = 16 * block + lane along the split axis, so its row of the map must be exactly that of a split dimension.
    const int split = codegen::split_axis(l.layout);
    const Dims physical = eager::contiguous_strides(blocked_extents(l.shape, l.layout));
    Dims strides(physical.begin(), physical.end() - 1);
    const int64_t block = strides[split];
    strides[split] = 0;
    Dims steps = at.iteration_strides(strides);
    int64_t offset = at.offset(strides);
    for (int d = 0; d < at.iteration; ++d) {
      const int64_t c = at.coefficient[split][d];
      check(c == 0 || c == 1 || c % kLayoutBlock == 0, "an index that a blocked layout cannot follow");
      steps[d] += c == 1 ? 1 : c / kLayoutBlock * block;
    }
    check(at.base[split] % kLayoutBlock == 0, "an offset that a blocked layout cannot follow");
    return {offset + at.base[split] / kLayoutBlock * block, steps};
  }

  Value load_from(ValueId v, const IndexMap& at) {
    const Location l = locate(g_, v);
    const auto [offset, strides] = address(l, at);
    const DType dtype = g_.type(v).dtype;
    reads_.insert(l.tensor);
    loaded_.insert(l.tensor);
    if (mask_) return draft_->load(static_cast<int>(l.tensor), dtype, offset, strides, mask_, draft_->b().constant(dtype, 0));
    return draft_->load(static_cast<int>(l.tensor), dtype, offset, strides);
  }

  void store_outputs(const Node& n) {
    if (n.kind == NodeKind::update) {
      const Dims window = tracer::constant_shape({g_.type(n.first_output).dtype, n.window.shape});
      const Value v = eval(n.operands[1].id, position(window));
      const IndexMap at = position(window);
      Dims strides(n.window.strides.begin(), n.window.strides.end());
      draft_->store(static_cast<int>(n.first_output), g_.type(n.first_output).dtype, n.window.offset.constant() + at.offset(strides),
                    at.iteration_strides(strides), v);
      writes_.insert(n.first_output);
      return;
    }
    for (uint32_t k = 0; k < n.outputs; ++k) {
      const ValueId v = n.first_output + k;
      if (!stored_[v]) continue;
      const IndexMap at = position(constant_shape(g_.type(v)));
      const Location l = locate(g_, v);
      const auto [offset, strides] = address(l, at);
      const DType dtype = g_.type(v).dtype;
      if (is_gather(g_, n)) draft_->store(static_cast<int>(v), bits_of(dtype), offset, strides, gather(n, at));
      else draft_->store(static_cast<int>(v), dtype, offset, strides, eval(v, at));
      writes_.insert(v);
    }
  }

  // A large reduction alone: block results, then their tree.
  std::optional<DraftedCluster> split_reduction() {
    const Node& n = g_.nodes[c_.nodes[0]];
    const ValueId v = n.first_output;
    const DType dtype = g_.type(v).dtype;
    const DType combined = compute_dtype(dtype);
    const eager::ReductionRequest request{c_.space, step(), *n.op->reduction, combined, kPartials};
    const auto emit = [&](KernelDraft& d) {
      const Location l = locate(g_, n.operands[0].id);
      const auto [offset, strides] = address(l, IndexMap::identity(c_.space.size()));
      reads_.insert(l.tensor);
      return d.b().cast(d.load(static_cast<int>(l.tensor), g_.type(n.operands[0].id).dtype, offset, strides), combined);
    };
    const auto finish = [&](KernelDraft& d, Value r) {
      const auto [offset, strides] = address(locate(g_, v), position(constant_shape(g_.type(v))));
      d.store(static_cast<int>(v), dtype, offset, strides, d.b().cast(r, dtype));
      writes_.insert(v);
    };
    auto drafted = eager::draft_reduction(request, emit, finish);
    if (!drafted) return std::nullopt;
    result_.kernels = std::move(drafted->kernels);
    if (result_.kernels.size() > 1) result_.partials = drafted->partials;
    collect();
    return std::move(result_);
  }

  void collect() {
    result_.reads.assign(reads_.begin(), reads_.end());
    result_.writes.assign(writes_.begin(), writes_.end());
    for (const auto& [tensor, bytes] : gathered_)
      if (!loaded_.contains(tensor)) result_.unread += std::max<int64_t>(0, bytes_of(g_.type(tensor)) - bytes);
  }

  struct Known {
    ValueId value;
    IndexMap at;
    Value expression;
  };
  const Graph& g_;
  const Cluster& c_;
  const std::vector<bool>& stored_;
  std::optional<KernelDraft> draft_;
  std::vector<Known> known_;
  Value mask_;  // of the tap being read, in pooling with padding
  const Node* affine_ = nullptr;
  std::vector<eager::OperandType> affine_inputs_;
  std::vector<eager::TensorType> affine_outputs_;
  std::vector<IndexMap> places_;               // where the affine operator stores
  size_t place_ = 0;                           // that of them which its users are computed at
  std::set<ValueId> reads_, writes_, loaded_;  // loaded_: of reads_, those that are not only gathered from
  std::map<ValueId, int64_t> gathered_;        // bytes of elements
  DraftedCluster result_;
};

}  // namespace

std::vector<bool> stored_values(const Graph& g, const Partition& p) {
  std::vector<bool> stored(g.values.size(), false);
  for (NodeIndex i = 0; i < g.nodes.size(); ++i) {
    const Node& n = g.nodes[i];
    if (n.kind == NodeKind::view) continue;  // its readers count
    for (size_t k = 0; k < n.operands.size(); ++k) {
      const Operand& o = n.operands[k];
      if (!o.is_value()) continue;
      const ValueId base = base_of(g, o.id);
      const bool overwritten = n.kind == NodeKind::update && k == 0;
      if (overwritten || p.cluster_of[g.values[base].node] != p.cluster_of[i]) stored[base] = true;
    }
  }
  for (const tracer::Result& r : g.results) stored[base_of(g, r.value)] = true;
  return stored;
}

std::optional<DraftedCluster> draft(const Graph& g, const Cluster& c, const std::vector<bool>& stored) {
  return Drafter(g, c, stored).run();
}

}  // namespace kiln::jit
