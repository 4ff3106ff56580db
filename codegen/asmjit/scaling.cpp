#include "codegen/asmjit/scaling.h"

#include <bit>
#include <cmath>

#include "codegen/bounds.h"

namespace kiln::codegen::x64 {
namespace {

struct Format {
  int mantissa, bias;
};

class Reader {
 public:
  Reader(const Kernel& kernel, DType t)
      : kernel_(kernel), dtype_(t), format_(t == DType::F32 ? Format{23, 127} : Format{52, 1023}), offset_(2 * format_.bias) {}

  // first * second = (e * 2^(h - bias)) * 2^(rest - bias), h = b >> 1 and rest = b - h for the b whose low bits are k + 2 bias.
  Scaling read(NodeId first, NodeId second) const {
    const Node* const product = primitive(first, Prim::mul);
    if (product == nullptr) return {};
    const NodeId rest_bits = exponent_bits(second);
    const Node* const rest = primitive(rest_bits, Prim::sub);
    if (rest == nullptr) return {};
    const NodeId biased = rest->operands[0], half = rest->operands[1];
    const Node* const shift = primitive(half, Prim::shr);
    if (shift == nullptr || shift->operands[0] != biased || !is_integer_constant(shift->operands[1], 1)) return {};
    for (int k = 0; k < 2; ++k) {
      if (exponent_bits(product->operands[1 - k]) != half) continue;
      const NodeId e = product->operands[k], exponent = whole_exponent(biased);
      if (exponent != kNoNode && one_plus_product(e) && nan_of(e, exponent, kDeep)) return {e, exponent};
    }
    return {};
  }

 private:
  static constexpr int kDeep = 4;

  const Node* primitive(NodeId id, Prim prim) const {
    if (id == kNoNode) return nullptr;
    const Node& n = kernel_.nodes[id];
    return n.kind == NodeKind::primitive && n.prim == prim ? &n : nullptr;
  }
  const double* constant(NodeId id, double& v) const {
    const Node& n = kernel_.nodes[id];
    if (n.kind != NodeKind::constant || n.dtype != dtype_) return nullptr;
    v = dtype_ == DType::F32 ? std::bit_cast<float>(static_cast<uint32_t>(n.bits)) : std::bit_cast<double>(n.bits);
    return &v;
  }
  bool is_constant(NodeId id, double wanted) const {
    double v;
    return constant(id, v) != nullptr && v == wanted;
  }
  bool is_integer_constant(NodeId id, uint64_t wanted) const {
    const Node& n = kernel_.nodes[id];
    const uint64_t mask = size_of(n.dtype) == 4 ? 0xffffffff : ~uint64_t{0};
    return n.kind == NodeKind::constant && !is_floating(n.dtype) && (n.bits & mask) == wanted;
  }

  // i of bitcast(i << mantissa), a float with the exponent i; else kNoNode.
  NodeId exponent_bits(NodeId id) const {
    const Node* const cast = primitive(id, Prim::bitcast);
    if (cast == nullptr) return kNoNode;
    const Node* const shift = primitive(cast->operands[0], Prim::shl);
    if (shift == nullptr || !is_integer_constant(shift->operands[1], static_cast<uint64_t>(format_.mantissa))) return kNoNode;
    return shift->operands[0];
  }

  // k of biased = bitcast(y c + magic) or bitcast(y + magic), which puts round(y c) + 2 bias into the low bits: the node that takes magic away.
  NodeId whole_exponent(NodeId biased) const {
    const Node* const cast = primitive(biased, Prim::bitcast);
    if (cast == nullptr || kernel_.nodes[cast->operands[0]].dtype != dtype_) return kNoNode;
    const NodeId shifted = cast->operands[0];
    const double magic = std::ldexp(1.5, format_.mantissa) + offset_;
    double scale = 1;
    NodeId y = kNoNode;
    if (const Node* n = primitive(shifted, Prim::fma)) {
      if (!is_constant(n->operands[2], magic) || constant(n->operands[1], scale) == nullptr || !std::isfinite(scale)) return kNoNode;
      y = n->operands[0];
    } else if (const Node* sum = primitive(shifted, Prim::add)) {
      if (!is_constant(sum->operands[1], magic)) return kNoNode;
      y = sum->operands[0];
    } else {
      return kNoNode;
    }
    const Bounds range = bounds(kernel_, y);
    const double one_end = range.least * scale, other_end = range.most * scale;
    // Both halves of k + 2 bias are exponents of normal numbers then, and y c + magic keeps its last bit.
    const double least = std::min(one_end, other_end) - 1, most = std::max(one_end, other_end) + 1;
    if (!(least >= 2 - offset_ && most <= offset_)) return kNoNode;
    for (NodeId id = shifted + 1; id < kernel_.nodes.size() && id <= shifted + kNear; ++id)
      if (const Node* n = primitive(id, Prim::sub))
        if (n->operands[0] == shifted && is_constant(n->operands[1], magic)) return id;
    return kNoNode;
  }

  bool one_plus_product(NodeId id) const {
    const Node* const n = primitive(id, Prim::fma);
    return n != nullptr && is_constant(n->operands[2], 1);
  }

  // Is `id` a NaN wherever `cause` is one?
  bool nan_of(NodeId id, NodeId cause, int deep) const {
    if (id == cause) return true;
    const Node& n = kernel_.nodes[id];
    if (deep == 0 || id < cause || n.kind != NodeKind::primitive) return false;
    switch (n.prim) {
      case Prim::add:
      case Prim::sub:
      case Prim::mul:
      case Prim::fma:
        for (NodeId operand : n.operands)
          if (operand != kNoNode && nan_of(operand, cause, deep - 1)) return true;
        return false;
      default: return false;
    }
  }

  static constexpr NodeId kNear = 8;
  const Kernel& kernel_;
  const DType dtype_;
  const Format format_;
  const int offset_;
};

}  // namespace

Scaling scaling(const Kernel& kernel, const Node& n) {
  if (n.kind != NodeKind::primitive || n.prim != Prim::mul || (n.dtype != DType::F32 && n.dtype != DType::F64)) return {};
  const Reader reader(kernel, n.dtype);
  if (const Scaling found = reader.read(n.operands[0], n.operands[1])) return found;
  return reader.read(n.operands[1], n.operands[0]);
}

}  // namespace kiln::codegen::x64
