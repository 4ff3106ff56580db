#include "codegen/bounds.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace kiln::codegen {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kDeep = 6;

double value(const Node& n) {
  return n.dtype == DType::F32 ? std::bit_cast<float>(static_cast<uint32_t>(n.bits)) : std::bit_cast<double>(n.bits);
}

// x - max(x) over the same row: the maximum is a NaN or at least x, and rounding keeps the order.
bool below_own_maximum(const Kernel& kernel, const Node& difference) {
  const Node& most = kernel.nodes[difference.operands[1]];
  return most.kind == NodeKind::reduce && most.prim == Prim::max && most.operands[0] == difference.operands[0];
}

Bounds look(const Kernel& kernel, NodeId id, int deep) {
  const Node& n = kernel.nodes[id];
  constexpr Bounds unknown{-kInfinity, kInfinity};
  if (n.dtype != DType::F32 && n.dtype != DType::F64) return unknown;
  if (n.kind == NodeKind::constant) {
    const double v = value(n);
    return std::isnan(v) ? unknown : Bounds{v, v};
  }
  if (n.kind != NodeKind::primitive || deep == 0) return unknown;
  const auto operand = [&](int k) { return look(kernel, n.operands[k], deep - 1); };
  switch (n.prim) {
    case Prim::neg: {
      const Bounds b = operand(0);
      return {-b.most, -b.least};
    }
    case Prim::abs: return {0, kInfinity};
    case Prim::sub: return below_own_maximum(kernel, n) ? Bounds{-kInfinity, 0} : unknown;
    case Prim::mul: return n.operands[0] == n.operands[1] ? Bounds{0, kInfinity} : unknown;
    case Prim::min: {  // no NaN means that neither operand is one
      const Bounds a = operand(0), b = operand(1);
      return {std::min(a.least, b.least), std::min(a.most, b.most)};
    }
    case Prim::max: {
      const Bounds a = operand(0), b = operand(1);
      return {std::max(a.least, b.least), std::max(a.most, b.most)};
    }
    case Prim::select: {
      const Choice c = choice(kernel, n);
      if (!c) return unknown;
      // Where the first is a NaN, the second stands alone; a NaN that is second is the result.
      const Bounds a = look(kernel, c.first, deep - 1), b = look(kernel, c.second, deep - 1);
      if (kernel.nodes[c.first].kind != NodeKind::constant) return {std::min(a.least, b.least), std::max(a.most, b.most)};
      return c.lesser ? Bounds{std::min(a.least, b.least), std::min(a.most, b.most)}
                      : Bounds{std::max(a.least, b.least), std::max(a.most, b.most)};
    }
    default: return unknown;
  }
}

}  // namespace

Bounds bounds(const Kernel& kernel, NodeId id) { return look(kernel, id, kDeep); }

Choice choice(const Kernel& kernel, const Node& n) {
  if (n.kind != NodeKind::primitive || n.prim != Prim::select || !is_floating(n.dtype)) return {};
  const Node& condition = kernel.nodes[n.operands[0]];
  if (condition.kind != NodeKind::primitive || (condition.prim != Prim::lt && condition.prim != Prim::gt)) return {};
  const bool in_order = condition.operands[0] == n.operands[1] && condition.operands[1] == n.operands[2];
  const bool reversed = condition.operands[0] == n.operands[2] && condition.operands[1] == n.operands[1];
  if (!in_order && !reversed) return {};
  return {(condition.prim == Prim::lt) == (condition.operands[0] == n.operands[1]), n.operands[1], n.operands[2]};
}

NodeId always_operand(const Kernel& kernel, NodeId id) {
  const Choice c = choice(kernel, kernel.nodes[id]);
  if (!c || kernel.nodes[c.first].kind != NodeKind::constant) return kNoNode;
  const double bound = value(kernel.nodes[c.first]);
  if (std::isnan(bound)) return kNoNode;
  const Bounds x = bounds(kernel, c.second);
  return (c.lesser ? x.most <= bound : x.least >= bound) ? c.second : kNoNode;
}

}  // namespace kiln::codegen
