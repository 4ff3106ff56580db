#include "codegen/asmjit/nodes.h"

#include <algorithm>
#include <utility>

#include "codegen/asmjit/scaling.h"
#include "codegen/bounds.h"
#include "codegen/error.h"
#include "codegen/nan.h"

namespace kiln::codegen::x64 {

Nodes::Nodes(const Kernel& kernel, Vectors& vectors) : kernel_(kernel), vectors_(vectors), never_nan_(never_nan(kernel)) {
  nodes_.resize(kernel.nodes.size());
  for (NodeId id = 0; id < nodes_.size(); ++id) {
    State& s = nodes_[id];
    place(kernel.nodes[id], s);
    fuse(id, s);
    measure(s);
  }
  find_hoisted();
}

void Nodes::place(const Node& n, State& s) const {
  const int last = kernel_.rank - 1;
  const int moving = kernel_.reduction == Reduction::none ? last : kernel_.reduced_dim();
  if (n.kind == NodeKind::index) {
    s.level = static_cast<int>(n.slot) == moving ? Level::step : Level::row;
    s.differs = static_cast<int>(n.slot) == last;
  } else if (reads_memory(n)) {
    const Buffer& b = kernel_.buffers[n.slot];
    s.level = (kernel_.reduction == Reduction::none ? b.inner : b.reduced) == Stride::zero ? Level::row : Level::step;
    s.differs = b.inner != Stride::zero;
  }
  for (NodeId operand : n.operands) {
    if (operand == kNoNode) continue;
    s.level = std::max(s.level, nodes_[operand].level);
    s.differs = s.differs || nodes_[operand].differs;
  }
  if (n.kind != NodeKind::reduce) return;
  s.level = Level::row;
  if (moving == last) s.differs = false;
}

void Nodes::fuse(NodeId id, State& s) const {
  const Node& n = kernel_.nodes[id];
  const auto becomes = [&](Fusion fusion, NodeId first, NodeId second = kNoNode) {
    s.fusion = fusion;
    s.operands[0] = first, s.operands[1] = second, s.operands[2] = kNoNode;
  };
  std::copy(std::begin(n.operands), std::end(n.operands), s.operands);
  if (n.kind != NodeKind::primitive) return;
  if (n.prim == Prim::select) {
    // a < b ? a : b and its like on floats: the hardware's minimum and maximum are exactly that, second operand for NaNs and zeros included.
    if (const Choice c = choice(kernel_, n)) {
      if (const NodeId same = always_operand(kernel_, id); same != kNoNode) return becomes(Fusion::same, same);
      return becomes(c.lesser ? Fusion::lesser : Fusion::greater, c.first, c.second);
    }
  } else if (n.prim == Prim::mul && vectors_.masks()) {
    if (const Scaling found = scaling(kernel_, n)) return becomes(Fusion::scale, found.value, found.exponent);
  } else if (n.prim == Prim::bit_not && n.dtype == DType::Bool) {
    fuse_comparison(id, kNoNode, s);
  } else if (n.prim == Prim::bit_and && n.dtype == DType::Bool && vectors_.masks()) {
    // A comparison under a mask gives false elsewhere.
    for (int k : {1, 0}) {
      const NodeId compared = n.operands[k];
      if (nodes_[compared].level != s.level) continue;  // it may be there already
      if (fuse_comparison(compared, n.operands[1 - k], s)) return;
    }
  }
}

// A comparison, or the opposite of one, which for floats is a predicate of its own: true of NaN.
bool Nodes::fuse_comparison(NodeId compared, NodeId under, State& s) const {
  const Node* n = &kernel_.nodes[compared];
  const bool opposite = n->kind == NodeKind::primitive && n->prim == Prim::bit_not;
  if (opposite) n = &kernel_.nodes[n->operands[0]];
  if (n->kind != NodeKind::primitive || !info(n->prim).gives_bool) return false;
  const DType t = kernel_.nodes[n->operands[0]].dtype;
  if (t == DType::Bool || registers_of(t) > 1 || (opposite && !is_floating(t))) return false;
  s.fusion = Fusion::compare;
  s.operands[0] = n->operands[0], s.operands[1] = n->operands[1], s.operands[2] = under;
  s.comparison = {n->prim, opposite};
  return true;
}

// Operands that need more registers come first; each that is ready holds one while the next is computed.
void Nodes::measure(State& s) const {
  const auto need_of = [&](int k) { return s.operands[k] != kNoNode ? nodes_[s.operands[k]].need : uint8_t{0}; };
  int first = need_of(0), second = need_of(1), third = need_of(2);
  if (first < second) std::swap(first, second);
  if (second < third) std::swap(second, third);
  if (first < second) std::swap(first, second);
  int need = std::max(s.level == Level::step ? 1 : 0, first);
  if (second > 0) need = std::max(need, second + 1);
  if (third > 0) need = std::max(need, third + 2);
  s.need = static_cast<uint8_t>(std::min(need, 255));
}

void Nodes::find_hoisted() {
  for (const Store& store : kernel_.stores) {
    State& s = nodes_[store.value];
    s.live = s.hoisted = true;
    s.spread = s.spread || !stores_first_lane(store);
  }
  for (NodeId id = static_cast<NodeId>(nodes_.size()); id-- > 0;) {
    State& s = nodes_[id];
    if (!s.live) continue;
    const Node& n = kernel_.nodes[id];
    s.narrow = is_narrow(id);
    if (s.hoisted && s.level != Level::step && n.kind != NodeKind::reduce) hoisted_.push_back(id);
    const bool wide = s.differs || n.kind == NodeKind::reduce || (s.spread && !s.narrow);
    for (int k = 0; k < 3; ++k) {
      if (s.operands[k] == kNoNode) continue;
      State& o = nodes_[s.operands[k]];
      o.live = true;
      o.spread = o.spread || wide || (reads_memory(n) && k == mask_operand(n));
      o.hoisted = o.hoisted || o.level < s.level;
    }
  }
}

// Long registers take twice the time on Zen 4, and conversions more, so that what is the same in all lanes is computed in one. Bringing it to all
// takes an operation, which is worth it for values that took several.
bool Nodes::is_narrow(NodeId id) const {
  const State& s = nodes_[id];
  if (!vectors_.masks() || s.differs || kernel_.nodes[id].kind != NodeKind::primitive) return false;
  if (!s.spread) return true;
  if (s.level == Level::step || kernel_.nodes[id].dtype == DType::Bool) return false;
  return std::ranges::any_of(s.operands, [&](NodeId o) { return o != kNoNode && kernel_.nodes[o].kind == NodeKind::primitive; });
}

void Nodes::forget(Level from) {
  for (auto l = static_cast<size_t>(from); l < 3; ++l) scope_[l] = ++scopes_;
}

const Lanes& Nodes::value(NodeId id) {
  // Depth first, with a stack of its own: kernels may be long chains.
  pending_.push_back(id);
  while (!pending_.empty()) {
    const NodeId next = pending_.back();
    const State& s = nodes_[next];
    if (known(s)) {
      pending_.pop_back();
      continue;
    }
    const size_t before = pending_.size();
    for (size_t k = 3; k-- > 0;) {
      const NodeId operand = s.operands[k];
      if (operand == kNoNode || known(nodes_[operand])) continue;
      pending_.push_back(operand);
      // The last is computed first.
      for (size_t i = pending_.size() - 1; i > before && nodes_[pending_[i]].need < nodes_[pending_[i - 1]].need; --i)
        std::swap(pending_[i], pending_[i - 1]);
    }
    if (pending_.size() > before) continue;
    pending_.pop_back();
    vectors_.at_node(next);
    vectors_.alike(s.narrow ? Alike::first : alike(next), s.narrow);
    const Lanes lanes = lower(next);
    vectors_.alike(Alike::none);
    define(next, s.narrow && s.spread ? vectors_.broadcast_first(kernel_.nodes[next].dtype, lanes) : lanes);
  }
  return nodes_[id].value;
}

void Nodes::define(NodeId id, const Lanes& lanes) {
  State& s = nodes_[id];
  s.value = lanes;
  s.stamp = scope_[static_cast<size_t>(s.level)];
}

void Nodes::hoist(Level level) {
  for (size_t k = hoisted_.size(); k-- > 0;)
    if (nodes_[hoisted_[k]].level == level) value(hoisted_[k]);
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
      const State& s = nodes_[id];
      Lanes operand[3];
      for (int k = 0; k < 3; ++k)
        if (s.operands[k] != kNoNode) operand[k] = nodes_[s.operands[k]].value;
      switch (s.fusion) {
        case Fusion::same: return operand[0];
        case Fusion::lesser:
        case Fusion::greater: return vectors_.pick(s.fusion == Fusion::lesser, n.dtype, operand[0], operand[1]);
        case Fusion::scale: return vectors_.scale(n.dtype, operand[0], operand[1]);
        case Fusion::compare:
          return vectors_.compare_under(s.comparison, kernel_.nodes[s.operands[0]].dtype, operand[0], operand[1], operand[2]);
        case Fusion::none: break;
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

Lanes Nodes::read(const Node& n) {
  const Stride stride = kernel_.buffers[n.slot].inner;
  const bool gathers = n.kind == NodeKind::gather, each_its_own = gathers && nodes_[n.operands[0]].differs;
  const auto under = [&](VReg mask) {
    if (each_its_own) return vectors_.gather(n.dtype, stride, n.slot, offset_, mask, nodes_[n.operands[0]].value);
    return vectors_.load(n.dtype, stride, n.slot, offset_, mask, gathers ? nodes_[n.operands[0]].value.r[0] : kNoReg);
  };
  // A single element is there for every lane. In reductions of the last dimension row values have no lanes beyond the first.
  if (!is_masked(n)) return under(stride == Stride::zero && !each_its_own ? kNoReg : tail_);
  const VReg wanted = nodes_[n.operands[mask_operand(n)]].value.r[0];
  const Lanes loaded = under(tail_ == kNoReg ? wanted : vectors_.bool_and(wanted, tail_));
  return vectors_.select(n.dtype, wanted, loaded, nodes_[n.operands[mask_operand(n) + 1]].value);
}

bool Nodes::stores_first_lane(const Store& s) const {
  return kernel_.reduction != Reduction::none && kernel_.reduced_dim() == kernel_.rank - 1 &&
         kernel_.buffers[s.buffer].reduced == Stride::zero;
}

void Nodes::store(const Store& s) {
  const Lanes lanes = value(s.value);
  vectors_.at_node(s.value);
  const Buffer& b = kernel_.buffers[s.buffer];
  if (stores_first_lane(s)) vectors_.store_first(b.dtype, s.buffer, lanes);
  else vectors_.store(b.dtype, b.inner, s.buffer, offset_, tail_, lanes, !never_nan_[s.value]);
}

}  // namespace kiln::codegen::x64
