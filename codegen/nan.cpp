#include "codegen/nan.h"

#include <bit>
#include <cmath>

namespace kiln::codegen {
namespace {

class Analysis {
 public:
  explicit Analysis(const Kernel& kernel) : kernel_(kernel), never_(kernel.nodes.size()) {}

  std::vector<bool> run() {
    for (size_t id = 0; id < never_.size(); ++id) {
      const Node& n = kernel_.nodes[id];
      if ((n.dtype == DType::F32 || n.dtype == DType::F64) && never(n)) never_[id] = true;
    }
    return std::move(never_);
  }

 private:
  bool never(const Node& n) const {
    if (n.kind == NodeKind::constant) return !std::isnan(value(n));
    if (n.kind != NodeKind::primitive) return false;
    const auto operand = [&](int k) { return bool{never_[n.operands[k]]}; };
    switch (n.prim) {
      case Prim::neg:
      case Prim::abs:
      case Prim::floor:
      case Prim::ceil:
      case Prim::trunc:
      case Prim::round: return operand(0);
      case Prim::min:
      case Prim::max: return operand(0) && operand(1);
      case Prim::add:  // infinities that cancel need two
      case Prim::sub: return operand(0) && operand(1) && (finite(n.operands[0]) || finite(n.operands[1]));
      case Prim::mul:  // zero times infinity needs one that may be zero and one that may be infinite
        return (scales(n.operands[0]) && operand(1)) || (scales(n.operands[1]) && operand(0));
      case Prim::fma: return finite(n.operands[2]) && ((scales(n.operands[0]) && operand(1)) || (scales(n.operands[1]) && operand(0)));
      case Prim::select: return (operand(1) || is_unequal_to_nan(n)) && operand(2);
      case Prim::cast: return !is_floating(kernel_.nodes[n.operands[0]].dtype) || operand(0);
      default: return false;
    }
  }

  // x < c ? x : c and the like: an ordered comparison of a NaN is false, so the first is none where it is chosen.
  bool is_unequal_to_nan(const Node& select) const {
    const Node& condition = kernel_.nodes[select.operands[0]];
    if (condition.kind != NodeKind::primitive) return false;
    const Prim p = condition.prim;
    const bool ordered = p == Prim::lt || p == Prim::le || p == Prim::gt || p == Prim::ge || p == Prim::eq;
    return ordered && (condition.operands[0] == select.operands[1] || condition.operands[1] == select.operands[1]);
  }

  bool finite(NodeId id) const { return kernel_.nodes[id].kind == NodeKind::constant && std::isfinite(value(kernel_.nodes[id])); }
  bool scales(NodeId id) const { return finite(id) && value(kernel_.nodes[id]) != 0; }

  static double value(const Node& n) {
    return n.dtype == DType::F32 ? std::bit_cast<float>(static_cast<uint32_t>(n.bits)) : std::bit_cast<double>(n.bits);
  }

  const Kernel& kernel_;
  std::vector<bool> never_;
};

}  // namespace

std::vector<bool> never_nan(const Kernel& kernel) { return Analysis(kernel).run(); }

}  // namespace kiln::codegen
