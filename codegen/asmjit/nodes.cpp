#include "codegen/asmjit/nodes.h"

#include <algorithm>
#include <array>
#include <utility>

#include "codegen/error.h"
#include "codegen/nan.h"

namespace kiln::codegen::x64 {

Nodes::Nodes(const Kernel& kernel, Vectors& vectors)
    : kernel_(kernel), vectors_(vectors), never_nan_(never_nan(kernel)), value_(kernel.nodes.size()), stamp_(kernel.nodes.size()) {
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
  std::array<int, 3> operands{};
  for (size_t k = 0; k < 3; ++k)
    if (n.operands[k] != kNoNode) operands[k] = need_[n.operands[k]];
  if (operands[0] < operands[1]) std::swap(operands[0], operands[1]);
  if (operands[1] < operands[2]) std::swap(operands[1], operands[2]);
  if (operands[0] < operands[1]) std::swap(operands[0], operands[1]);
  int need = level_.back() == Level::step ? 1 : 0;
  for (int k = 0; k < 3; ++k)
    if (operands[static_cast<size_t>(k)] > 0) need = std::max(need, operands[static_cast<size_t>(k)] + k);
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
    for (size_t k = 3; k-- > (picks_lesser_or_greater(n) ? 1u : 0u);)
      if (n.operands[k] != kNoNode && !known(n.operands[k])) pending_.push_back(n.operands[k]);
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
      Lanes operand[3];
      for (int k = 0; k < 3; ++k)
        if (n.operands[k] != kNoNode) operand[k] = value_[n.operands[k]];
      if (picks_lesser_or_greater(n)) {
        const Node& condition = kernel_.nodes[n.operands[0]];
        const bool lesser = (condition.prim == Prim::lt) == (condition.operands[0] == n.operands[1]);
        return vectors_.pick(lesser, n.dtype, operand[1], operand[2]);
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

// a < b ? a : b and its like on floats: the hardware's minimum and maximum are exactly that, second operand for NaNs and zeros included.
bool Nodes::picks_lesser_or_greater(const Node& n) const {
  if (n.kind != NodeKind::primitive || n.prim != Prim::select || !is_floating(n.dtype)) return false;
  const Node& condition = kernel_.nodes[n.operands[0]];
  if (condition.kind != NodeKind::primitive || (condition.prim != Prim::lt && condition.prim != Prim::gt)) return false;
  return (condition.operands[0] == n.operands[1] && condition.operands[1] == n.operands[2]) ||
         (condition.operands[0] == n.operands[2] && condition.operands[1] == n.operands[1]);
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
