#include "codegen/cuda/shape.h"

#include <algorithm>

namespace kiln::codegen::cuda {

int vector_width(const Kernel& kernel, const Schedule& schedule) {
  int widest = 0;
  const auto see = [&](uint32_t buffer) {
    if (kernel.buffers[buffer].inner == Stride::contiguous) widest = std::max(widest, size_of(kernel.buffers[buffer].dtype));
  };
  for (NodeId id : schedule.steps[0].once)
    if (kernel.nodes[id].kind == NodeKind::load && kernel.nodes[id].operands[0] == kNoNode) see(kernel.nodes[id].slot);
  for (const Store& s : kernel.stores) see(s.buffer);
  return widest == 0 ? 1 : kVectorBytes / widest;
}

namespace {

// A value made of indices and what does not vary: as quickly computed as read.
std::vector<bool> cheap_nodes(const Kernel& kernel, const Schedule& schedule) {
  std::vector<bool> cheap(kernel.nodes.size());
  for (NodeId id = 0; id < cheap.size(); ++id) {
    const Node& n = kernel.nodes[id];
    cheap[id] = !schedule.varying[id] || n.kind == NodeKind::index;
    if (cheap[id] || n.kind != NodeKind::primitive) continue;
    cheap[id] = std::all_of(std::begin(n.operands), std::end(n.operands), [&](NodeId o) { return o == kNoNode || cheap[o]; });
  }
  return cheap;
}

// The first pass whose loop evaluates each varying node; none is -1.
std::vector<int> first_passes(const Kernel& kernel, const Schedule& schedule) {
  std::vector<int> first(kernel.nodes.size(), -1);
  for (int p = schedule.passes - 1; p >= 0; --p)
    for (NodeId id : schedule.steps[static_cast<size_t>(p)].loop) first[id] = p;
  return first;
}

// Slots of one size are taken over by a value that is first computed when another is last read: a thread reads before it writes.
void place(const Kernel& kernel, Keep& keep) {
  std::vector<Kept*> order;
  for (Kept& k : keep.values) order.push_back(&k);
  const auto size = [&](const Kept* k) { return size_of(kernel.nodes[k->node].dtype); };
  std::stable_sort(order.begin(), order.end(),
                   [&](const Kept* a, const Kept* b) { return size(a) != size(b) ? size(a) > size(b) : a->first < b->first; });
  struct Slot {
    int size, offset, free_from;
  };
  std::vector<Slot> slots;
  for (Kept* k : order) {
    auto at = std::find_if(slots.begin(), slots.end(), [&](const Slot& s) { return s.size == size(k) && s.free_from <= k->first; });
    if (at == slots.end()) {
      at = slots.insert(at, {size(k), keep.bytes, 0});
      keep.bytes += size(k);
    }
    k->offset = at->offset;
    at->free_from = k->last;
  }
}

}  // namespace

const Kept* Keep::find(NodeId id) const {
  const auto at = std::find_if(values.begin(), values.end(), [&](const Kept& k) { return k.node == id; });
  return at == values.end() ? nullptr : &*at;
}

std::vector<NodeId> Keep::loop(const Kernel& kernel, const Schedule& schedule, int pass) const {
  const Schedule::Pass& step = schedule.steps[static_cast<size_t>(pass)];
  std::vector<bool> needed(kernel.nodes.size());
  for (uint32_t s : step.stores_loop) needed[kernel.stores[s].value] = true;
  for (NodeId id : step.reduces) needed[kernel.nodes[id].operands[0]] = true;
  std::vector<NodeId> out;
  for (size_t i = step.loop.size(); i-- > 0;) {
    const NodeId id = step.loop[i];
    if (!needed[id]) continue;
    out.push_back(id);
    const Kept* kept = find(id);
    if (kept != nullptr && kept->first < pass) continue;
    for (NodeId operand : kernel.nodes[id].operands)
      if (operand != kNoNode) needed[operand] = true;
  }
  std::reverse(out.begin(), out.end());
  return out;
}

Keep values_to_keep(const Kernel& kernel, const Schedule& schedule) {
  Keep keep;
  if (kernel.reduced_dim() != kernel.rank - 1) return keep;
  const std::vector<bool> cheap = cheap_nodes(kernel, schedule);
  const std::vector<int> first = first_passes(kernel, schedule);
  for (int p = 1; p < schedule.passes; ++p)
    for (NodeId id : schedule.steps[static_cast<size_t>(p)].loop) {
      if (first[id] < p) continue;
      for (NodeId operand : kernel.nodes[id].operands) {
        if (operand == kNoNode || cheap[operand] || first[operand] >= p) continue;
        const auto known = std::find_if(keep.values.begin(), keep.values.end(), [&](const Kept& k) { return k.node == operand; });
        if (known != keep.values.end()) known->last = p;
        else keep.values.push_back({operand, first[operand], p});
      }
    }
  place(kernel, keep);
  return keep;
}

}  // namespace kiln::codegen::cuda
