#include "codegen/asmjit/keep.h"

#include <algorithm>
#include <memory>
#include <new>

namespace kiln::codegen::x64 {
namespace {

constexpr int kWorthKeeping = 6;  // operations; a store and a load in cache cost about two
constexpr int kSlow = 6;          // operations that a division or a square root takes the time of

bool contains(const std::vector<NodeId>& list, NodeId id) { return std::find(list.begin(), list.end(), id) != list.end(); }

struct FreeAligned {
  void operator()(void* p) const { ::operator delete(p, std::align_val_t{64}); }
};

}  // namespace

int operations(const Kernel& kernel, const Schedule& schedule, std::span<const NodeId> values, std::span<const NodeId> there) {
  std::vector<bool> seen(kernel.nodes.size());
  for (NodeId id : there) seen[id] = true;
  std::vector<NodeId> open(values.begin(), values.end());
  int count = 0;
  while (!open.empty()) {
    const NodeId id = open.back();
    open.pop_back();
    if (seen[id] || !schedule.varying[id]) continue;
    seen[id] = true;
    if (const Node& n = kernel.nodes[id]; n.kind == NodeKind::primitive) count += n.prim == Prim::div || n.prim == Prim::sqrt ? kSlow : 1;
    else if (n.kind == NodeKind::gather && schedule.varying[n.operands[0]])  // an element at a time
      count += kSlow;
    for (NodeId operand : kernel.nodes[id].operands)
      if (operand != kNoNode) open.push_back(operand);
  }
  return count;
}

std::vector<Kept> values_to_keep(const Kernel& kernel, const Schedule& schedule) {
  std::vector<Kept> kept;
  for (size_t pass = 1; pass < schedule.steps.size(); ++pass) {
    // Where this pass's own work takes up an earlier pass's value.
    std::vector<NodeId> taken_up;
    const auto take_up = [&](NodeId id) {
      if (id != kNoNode && schedule.varying[id] && schedule.pass[id] < pass && !contains(taken_up, id)) taken_up.push_back(id);
    };
    for (NodeId id : schedule.steps[pass].loop)
      if (schedule.pass[id] == pass)
        for (NodeId operand : kernel.nodes[id].operands) take_up(operand);
    for (uint32_t s : schedule.steps[pass].stores_loop) take_up(kernel.stores[s].value);
    for (NodeId id : schedule.steps[pass].reduces) take_up(kernel.nodes[id].operands[0]);
    for (NodeId id : taken_up) {
      const size_t made = schedule.pass[id];
      if (kernel.nodes[id].dtype == DType::Bool || !contains(schedule.steps[made].loop, id)) continue;
      if (operations(kernel, schedule, {&id, 1}) < kWorthKeeping) continue;
      const auto known = std::find_if(kept.begin(), kept.end(), [&](const Kept& k) { return k.node == id; });
      if (known != kept.end()) known->read.push_back(pass);
      else kept.push_back({id, made, {pass}});
    }
  }
  return kept;
}

void* scratch_memory(size_t bytes) noexcept {
  static thread_local std::unique_ptr<void, FreeAligned> memory;
  static thread_local size_t size = 0;
  if (bytes > size) {
    memory.reset();
    memory.reset(::operator new(bytes, std::align_val_t{64}, std::nothrow));
    size = memory ? bytes : 0;
  }
  return memory.get();
}

}  // namespace kiln::codegen::x64
