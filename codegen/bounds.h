// Between what a float lies, as far as its expression tells: clamps that never act need no instruction, and an exponent's range is known.
#pragma once

#include "codegen/kernel.h"

namespace kiln::codegen {

struct Bounds {
  double least, most;  // of the value where it is no NaN, which it may be; infinite where nothing is known
};

// Of a node of f32 or f64. Looks a few nodes down.
Bounds bounds(const Kernel&, NodeId);

// The operand that a node always equals, where bounds show it: x of x > c ? c : x for an x that is never above c; else kNoNode.
NodeId always_operand(const Kernel&, NodeId);

// A choice by a comparison, written out: a < b ? a : b and the like.
struct Choice {
  bool lesser = false;  // of the two, else the greater; `second` where either is a NaN or both are zero
  NodeId first = kNoNode, second = kNoNode;
  explicit operator bool() const { return first != kNoNode; }
};
Choice choice(const Kernel&, const Node&);

}  // namespace kiln::codegen
