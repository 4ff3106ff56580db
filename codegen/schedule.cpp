// When each node of a kernel runs: the passes of kernel.h, worked out once for all back ends.
#include <algorithm>

#include "codegen/error.h"
#include "codegen/kernel.h"

namespace kiln::codegen {
namespace {

constexpr int kMaxPasses = 255;  // Schedule::pass is a byte

// The first pass in which a node's value can be read: a reduction's is there only when its loop is over.
int available(const Kernel& kernel, const Schedule& s, NodeId id) {
  return s.pass[id] + (kernel.nodes[id].kind == NodeKind::reduce ? 1 : 0);
}

void place_nodes(const Kernel& kernel, Schedule& s) {
  const int reduced = kernel.reduced_dim();
  for (size_t id = 0; id < kernel.nodes.size(); ++id) {
    const Node& node = kernel.nodes[id];
    bool varying = false;
    int pass = 0;
    if (reads_memory(node)) varying = kernel.buffers[node.slot].reduced != Stride::zero;
    if (node.kind == NodeKind::index) varying = static_cast<int>(node.slot) == reduced;
    for (NodeId operand : node.operands) {
      if (operand == kNoNode) continue;
      varying = varying || s.varying[operand];
      pass = std::max(pass, available(kernel, s, operand));
    }
    check(pass < kMaxPasses, "a kernel has too many passes");
    s.varying.push_back(varying && node.kind != NodeKind::reduce);
    s.pass.push_back(static_cast<uint8_t>(pass));
  }
  for (const Store& store : kernel.stores) {
    s.store_pass.push_back(static_cast<uint8_t>(available(kernel, s, store.value)));
    s.passes = std::max(s.passes, s.store_pass.back() + 1);
  }
}

// Nodes that some store needs, however far away.
std::vector<bool> live_nodes(const Kernel& kernel) {
  std::vector<bool> live(kernel.nodes.size());
  for (const Store& store : kernel.stores) live[store.value] = true;
  for (size_t id = live.size(); id-- > 0;) {
    if (!live[id]) continue;
    for (NodeId operand : kernel.nodes[id].operands)
      if (operand != kNoNode) live[operand] = true;
  }
  return live;
}

void fill_pass(const Kernel& kernel, const Schedule& s, const std::vector<bool>& live, int p, Schedule::Pass& step) {
  std::vector<bool> needed(kernel.nodes.size());  // in the loop of this pass
  for (uint32_t i = 0; i < kernel.stores.size(); ++i) {
    if (s.store_pass[i] != p) continue;
    const NodeId value = kernel.stores[i].value;
    (kernel.buffers[kernel.stores[i].buffer].reduced != Stride::zero ? step.stores_loop : step.stores_once).push_back(i);
    if (s.varying[value]) needed[value] = true;
  }
  for (NodeId id = 0; id < kernel.nodes.size(); ++id) {
    if (!live[id] || s.varying[id] || s.pass[id] != p) continue;
    const Node& node = kernel.nodes[id];
    if (node.kind != NodeKind::reduce) {
      step.once.push_back(id);
      continue;
    }
    step.reduces.push_back(id);
    if (s.varying[node.operands[0]]) needed[node.operands[0]] = true;
  }
  for (size_t id = needed.size(); id-- > 0;) {
    if (!needed[id]) continue;
    for (NodeId operand : kernel.nodes[id].operands)
      if (operand != kNoNode && s.varying[operand]) needed[operand] = true;
  }
  for (NodeId id = 0; id < needed.size(); ++id)
    if (needed[id]) step.loop.push_back(id);
}

}  // namespace

Schedule schedule(const Kernel& kernel) {
  Schedule s;
  place_nodes(kernel, s);
  const std::vector<bool> live = live_nodes(kernel);
  s.steps.resize(static_cast<size_t>(s.passes));
  for (int p = 0; p < s.passes; ++p) fill_pass(kernel, s, live, p, s.steps[static_cast<size_t>(p)]);
  return s;
}

}  // namespace kiln::codegen
