// Lowers a kernel's nodes where the loops ask for them, each once within the scope in which its value stays the same.
#pragma once

#include <span>

#include "codegen/asmjit/recycled.h"
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

  Level level(NodeId id) const { return nodes_[id].level; }
  Alike alike(NodeId id) const { return nodes_[id].differs ? Alike::none : nodes_[id].spread ? Alike::all : Alike::first; }
  std::span<const NodeId, 3> operands(NodeId id) const { return nodes_[id].operands; }  // that value() asks for; kNoNode: fewer
  void forget(Level);                                                 // from here on, nodes of this level and deeper are computed anew
  void at(int offset, VReg tail) { offset_ = offset, tail_ = tail; }  // which elements of the step; lanes that exist (kNoReg: all)

  const Lanes& value(NodeId);         // lowers what is missing into the open section
  void hoist(Level);                  // all that the stores need of this level (call or row), as far as deeper nodes read it
  void define(NodeId, const Lanes&);  // a reduction's result
  void store(const Store&);

 private:
  // What lower() makes of a node: itself of its operands, or something of fewer that stands for more than one node.
  enum class Fusion : uint8_t { none, same, lesser, greater, scale, compare };
  struct State {
    Level level = Level::call;
    bool differs = false;  // from one lane of a step to the next
    bool spread = false;   // somebody looks at other lanes than the first
    bool narrow = false;   // computed in one lane, and spread afterwards if it has to be
    bool live = false;     // some store needs it
    bool hoisted = false;  // a deeper node reads it
    uint8_t need = 0;      // registers that computing it in a step takes, shared values aside (Sethi and Ullman 1970)
    Fusion fusion = Fusion::none;
    Comparison comparison;                             // of Fusion::compare
    NodeId operands[3] = {kNoNode, kNoNode, kNoNode};  // after fusion; of compare: what is compared, and the condition under which
    Lanes value;
    uint32_t stamp = 0;  // the scope in which value was computed
  };

  void place(const Node&, State&) const;
  void fuse(NodeId, State&) const;
  bool fuse_comparison(NodeId compared, NodeId under, State&) const;
  void measure(State&) const;
  void find_hoisted();
  bool stores_first_lane(const Store&) const;
  bool is_narrow(NodeId) const;
  Lanes lower(NodeId);
  Lanes read(const Node&);
  bool known(const State& s) const { return s.stamp == scope_[static_cast<size_t>(s.level)]; }

  const Kernel& kernel_;
  Vectors& vectors_;
  Recycled<State> nodes_;
  const std::vector<bool> never_nan_;
  Recycled<NodeId> pending_, hoisted_;  // value()'s stack; in falling order
  uint32_t scope_[3] = {1, 2, 3};
  uint32_t scopes_ = 3;
  int offset_ = 0;
  VReg tail_ = kNoReg;
};

}  // namespace kiln::codegen::x64
