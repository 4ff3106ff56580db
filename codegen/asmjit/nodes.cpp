#include "codegen/asmjit/nodes.h"

#include <algorithm>
#include <utility>

#include "codegen/asmjit/scaling.h"
#include "codegen/bounds.h"
#include "codegen/error.h"
#include "codegen/nan.h"

namespace kiln::codegen::x64 {

Nodes::Nodes(const Kernel& kernel, Vectors& vectors)
    : kernel_(kernel),
      vectors_(vectors),
      never_nan_(never_nan(kernel)),
      fused_(kernel.nodes.size()),
      value_(kernel.nodes.size()),
      stamp_(kernel.nodes.size()) {
  const int last = kernel.rank - 1;
  const int moving = kernel.reduction == Reduction::none ? last : kernel.reduced_dim();
  for (const Node& n : kernel.nodes) {
    Level level = Level::call;
    if (n.kind == NodeKind::index) level = static_cast<int>(n.slot) == moving ? Level::step : Level::row;
    bool differs = n.kind == NodeKind::index && static_cast<int>(n.slot) == last;
    if (reads_memory(n)) {
      const Buffer& b = kernel.buffers[n.slot];
      level = (kernel.reduction == Reduction::none ? b.inner : b.reduced) == Stride::zero ? Level::row : Level::step;
      differs = b.inner != Stride::zero;
    }
    for (NodeId operand : n.operands) {
      if (operand == kNoNode) continue;
      level = std::max(level, level_[operand]);
      differs = differs || differs_[operand];
    }
    differs_.push_back(differs && !(n.kind == NodeKind::reduce && moving == last));
    level_.push_back(n.kind == NodeKind::reduce ? Level::row : level);
    measure(n);
  }
}

// Operands that need more registers come first; each that is ready holds one while the next is computed.
void Nodes::measure(const Node& n) {
  const auto need_of = [&](int k) { return n.operands[k] != kNoNode ? need_[n.operands[k]] : uint8_t{0}; };
  int first = need_of(0), second = need_of(1), third = need_of(2);
  if (first < second) std::swap(first, second);
  if (second < third) std::swap(second, third);
  if (first < second) std::swap(first, second);
  int need = std::max(level_.back() == Level::step ? 1 : 0, first);
  if (second > 0) need = std::max(need, second + 1);
  if (third > 0) need = std::max(need, third + 2);
  need_.push_back(static_cast<uint8_t>(std::min(need, 255)));
}

void Nodes::forget(Level from) {
  for (auto l = static_cast<size_t>(from); l < 3; ++l) scope_[l] = ++scopes_;
}

const Lanes& Nodes::value(NodeId id) {
  // Depth first, with a stack of its own: kernels may be long chains.
  pending_.push_back(id);
  while (!pending_.empty()) {
    const NodeId next = pending_.back();
    if (known(next)) {
      pending_.pop_back();
      continue;
    }
    const size_t before = pending_.size();
    const Node& n = kernel_.nodes[next];
    check(n.kind != NodeKind::reduce, "a reduction is read before its loop");
    const Fused& f = fused(next);
    for (size_t k = 3; k-- > 0;)
      if (f.operands[k] != kNoNode && !known(f.operands[k])) pending_.push_back(f.operands[k]);
    if (pending_.size() > before) {  // the last is computed first
      for (size_t i = before + 1; i < pending_.size(); ++i)
        for (size_t k = i; k > before && need_[pending_[k]] < need_[pending_[k - 1]]; --k) std::swap(pending_[k], pending_[k - 1]);
      continue;
    }
    pending_.pop_back();
    vectors_.at_node(next);
    define(next, lower(next));
  }
  return value_[id];
}

void Nodes::define(NodeId id, const Lanes& lanes) {
  value_[id] = lanes;
  stamp_[id] = scope_[static_cast<size_t>(level_[id])];
}

void Nodes::hoist(NodeId root, Level level) {
  ++hoists_;
  hoisted_.resize(kernel_.nodes.size());
  open_.assign(1, root);
  while (!open_.empty()) {
    const NodeId id = open_.back();
    open_.pop_back();
    if (hoisted_[id] == hoists_ || known(id)) continue;
    hoisted_[id] = hoists_;
    if (level_[id] <= level && kernel_.nodes[id].kind != NodeKind::reduce) {
      value(id);
      continue;
    }
    for (NodeId operand : kernel_.nodes[id].operands)
      if (operand != kNoNode) open_.push_back(operand);
  }
}

Lanes Nodes::lower(NodeId id) {
  const Node& n = kernel_.nodes[id];
  switch (n.kind) {
    case NodeKind::constant: return vectors_.constant(n.dtype, n.bits);
    case NodeKind::scalar: return vectors_.scalar(n.dtype, n.slot);
    case NodeKind::index:
      return vectors_.index(static_cast<int>(n.slot) == kernel_.rank - 1 ? Place::inner : Place::outer, n.slot, offset_);
    case NodeKind::load:
    case NodeKind::gather: return read(n);
    case NodeKind::primitive: {
      const Fused& f = fused(id);
      Lanes operand[3];
      for (int k = 0; k < 3; ++k)
        if (f.operands[k] != kNoNode) operand[k] = value_[f.operands[k]];
      switch (f.kind) {
        case Fused::Kind::same: return operand[0];
        case Fused::Kind::pick: return vectors_.pick(f.lesser, n.dtype, operand[0], operand[1]);
        case Fused::Kind::scale: return vectors_.scale(n.dtype, operand[0], operand[1]);
        case Fused::Kind::compare:
          return vectors_.compare_under(f.comparison, kernel_.nodes[f.operands[0]].dtype, operand[0], operand[1], operand[2]);
        case Fused::Kind::none:
        case Fused::Kind::unknown: break;
      }
      if (n.prim == Prim::bitcast && never_nan_[n.operands[0]]) return operand[0];  // nothing to make canonical
      if (n.prim == Prim::pack_f16) return {vectors_.pack_f16(operand[0].r[0], !never_nan_[n.operands[0]]), kNoReg};
      // The last operand's dtype stands for all: select's first is bool.
      const DType t = kernel_.nodes[n.operands[info(n.prim).operands - 1]].dtype;
      return vectors_.primitive(n.prim, n.dtype, t, operand[0], operand[1], operand[2]);
    }
    case NodeKind::reduce: break;
  }
  fail(ErrorCode::internal, "a reduction is not lowered like other nodes");
}

Nodes::Fused Nodes::fuse(NodeId id) const {
  const Node& n = kernel_.nodes[id];
  const Fused plain{Fused::Kind::none, {n.operands[0], n.operands[1], n.operands[2]}};
  if (n.kind != NodeKind::primitive) return plain;
  if (n.prim == Prim::select) {
    // a < b ? a : b and its like on floats: the hardware's minimum and maximum are exactly that, second operand for NaNs and zeros included.
    if (const Choice c = choice(kernel_, n)) {
      if (const NodeId same = always_operand(kernel_, id); same != kNoNode) return {Fused::Kind::same, {same, kNoNode, kNoNode}};
      return {Fused::Kind::pick, {c.first, c.second, kNoNode}, c.lesser};
    }
  } else if (n.prim == Prim::mul && vectors_.masks()) {
    if (const Scaling s = scaling(kernel_, n)) return {Fused::Kind::scale, {s.value, s.exponent, kNoNode}};
  } else if (n.prim == Prim::bit_not && n.dtype == DType::Bool) {
    if (const Fused f = fuse_comparison(id, kNoNode); f.kind == Fused::Kind::compare) return f;
  } else if (n.prim == Prim::bit_and && n.dtype == DType::Bool && vectors_.masks()) {
    // A comparison under a mask gives false elsewhere.
    for (int k : {1, 0}) {
      const NodeId compared = n.operands[k];
      if (level_[compared] != level_[id]) continue;  // it may be there already
      if (const Fused f = fuse_comparison(compared, n.operands[1 - k]); f.kind == Fused::Kind::compare) return f;
    }
  }
  return plain;
}

// A comparison, or the opposite of one, which for floats is a predicate of its own: true of NaN.
Nodes::Fused Nodes::fuse_comparison(NodeId compared, NodeId under) const {
  const Node* n = &kernel_.nodes[compared];
  const bool opposite = n->kind == NodeKind::primitive && n->prim == Prim::bit_not;
  if (opposite) n = &kernel_.nodes[n->operands[0]];
  if (n->kind != NodeKind::primitive || !info(n->prim).gives_bool) return {};
  const DType t = kernel_.nodes[n->operands[0]].dtype;
  if (t == DType::Bool || registers_of(t) > 1 || (opposite && !is_floating(t))) return {};
  return {Fused::Kind::compare, {n->operands[0], n->operands[1], under}, false, {n->prim, opposite}};
}

Lanes Nodes::read(const Node& n) {
  const Stride stride = kernel_.buffers[n.slot].inner;
  const bool gathers = n.kind == NodeKind::gather, each_its_own = gathers && differs_[n.operands[0]];
  const auto under = [&](VReg mask) {
    if (each_its_own) return vectors_.gather(n.dtype, stride, n.slot, offset_, mask, value_[n.operands[0]]);
    return vectors_.load(n.dtype, stride, n.slot, offset_, mask, gathers ? value_[n.operands[0]].r[0] : kNoReg);
  };
  // A single element is there for every lane. In reductions of the last dimension row values have no lanes beyond the first.
  if (!is_masked(n)) return under(stride == Stride::zero && !each_its_own ? kNoReg : tail_);
  const VReg wanted = value_[n.operands[mask_operand(n)]].r[0];
  const Lanes loaded = under(tail_ == kNoReg ? wanted : vectors_.bool_and(wanted, tail_));
  return vectors_.select(n.dtype, wanted, loaded, value_[n.operands[mask_operand(n) + 1]]);
}

void Nodes::store(const Store& s) {
  const Lanes lanes = value(s.value);
  vectors_.at_node(s.value);
  const Buffer& b = kernel_.buffers[s.buffer];
  const bool single = kernel_.reduction != Reduction::none && kernel_.reduced_dim() == kernel_.rank - 1 && b.reduced == Stride::zero;
  if (single) vectors_.store_first(b.dtype, s.buffer, lanes);
  else vectors_.store(b.dtype, b.inner, s.buffer, offset_, tail_, lanes, !never_nan_[s.value]);
}

}  // namespace kiln::codegen::x64
