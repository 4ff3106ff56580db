// Lowers a kernel's nodes where the loops ask for them, each once within the scope in which its value stays the same.
#pragma once

#include <vector>

#include "codegen/asmjit/vectors.h"
#include "codegen/kernel.h"

namespace kiln::codegen::x64 {

// How often a node's value changes.
enum class Level : uint8_t {
  call,  // never: constants, run-time scalars and what is made of them
  row,   // with the outer dimensions; in a reduction, whatever does not vary along the reduced dimension
  step,  // from step to step of the innermost loop
};

class Nodes {
 public:
  Nodes(const Kernel&, Vectors&);

  Level level(NodeId id) const { return level_[id]; }
  void forget(Level);                                                 // from here on, nodes of this level and deeper are computed anew
  void at(int offset, VReg tail) { offset_ = offset, tail_ = tail; }  // which elements of the step; lanes that exist (kNoReg: all)

  const Lanes& value(NodeId);         // lowers what is missing into the open section
  void hoist(NodeId, Level);          // the parts of a node up to a level
  void define(NodeId, const Lanes&);  // a reduction's result
  void store(const Store&);

 private:
  Lanes lower(NodeId);
  Lanes read(const Node&);
  void measure(const Node&);
  // What lower() takes for a primitive: its operands, or fewer that stand for more than one node.
  struct Fused {
    enum class Kind : uint8_t { unknown, none, same, pick, scale, compare } kind = Kind::unknown;
    NodeId operands[3] = {kNoNode, kNoNode, kNoNode};  // of compare: what is compared, and the condition under which
    bool lesser = false;
    Comparison comparison = {};
  };
  Fused fuse(NodeId) const;
  Fused fuse_comparison(NodeId compared, NodeId under) const;
  const Fused& fused(NodeId id) {
    if (fused_[id].kind == Fused::Kind::unknown) fused_[id] = fuse(id);
    return fused_[id];
  }
  bool known(NodeId id) const { return stamp_[id] == scope_[static_cast<size_t>(level_[id])]; }

  const Kernel& kernel_;
  Vectors& vectors_;
  std::vector<Level> level_;
  std::vector<bool> differs_;  // by node: from one lane of a step to the next
  std::vector<uint8_t> need_;  // registers that computing the node in a step takes, shared values aside (Sethi and Ullman 1970)
  const std::vector<bool> never_nan_;
  std::vector<Fused> fused_;
  std::vector<Lanes> value_;
  std::vector<uint32_t> stamp_;  // the scope in which value_ was computed
  uint32_t scope_[3] = {1, 2, 3};
  uint32_t scopes_ = 3;
  int offset_ = 0;
  VReg tail_ = kNoReg;
  std::vector<NodeId> pending_, open_;  // stacks of value() and hoist()
  std::vector<uint32_t> hoisted_;       // by node, the last hoist() that came by
  uint32_t hoists_ = 0;
};

}  // namespace kiln::codegen::x64
