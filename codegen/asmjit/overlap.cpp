#include "codegen/asmjit/overlap.h"

#include <algorithm>

#include "codegen/asmjit/registers.h"

namespace kiln::codegen::x64 {
namespace {

// Operations on an element from which on a loop takes longer than memory does. A loop that waits for memory would gain where rows are in the
// caches (an RMS norm a sixth), and lose where they are not, for reading a row and then writing one is faster than both at once (an eighth).
constexpr int kBusy = 16;

bool contains(const auto& list, auto value) { return std::ranges::find(list, value) != list.end(); }

int cost(const Kernel& kernel, const Schedule& schedule, const std::vector<Kept>& kept, size_t pass) {
  std::vector<NodeId> values, there;
  for (NodeId id : schedule.steps[pass].reduces) values.push_back(kernel.nodes[id].operands[0]);
  for (uint32_t s : schedule.steps[pass].stores_loop) values.push_back(kernel.stores[s].value);
  for (const Kept& k : kept)
    if (contains(k.read, pass)) there.push_back(k.node);
  return operations(kernel, schedule, values, there);
}

// A call's first row has none before it: the last pass then runs on whatever is there, and what it stores nobody reads. So no value may say
// where to load from, or whether there is anything to load.
bool may_run_in_vain(const Kernel& kernel, const Schedule& schedule, size_t last) {
  const auto depends = [&](NodeId id) {
    const Node& n = kernel.nodes[id];
    return n.kind == NodeKind::gather || (n.kind == NodeKind::load && is_masked(n));
  };
  const auto scattered = [&](uint32_t s) { return kernel.buffers[kernel.stores[s].buffer].inner != Stride::contiguous; };
  if (std::ranges::any_of(schedule.steps[last].loop, depends) || std::ranges::any_of(schedule.steps[last].stores_loop, scattered))
    return false;
  for (size_t p = last + 1; p < schedule.steps.size(); ++p)
    if (std::ranges::any_of(schedule.steps[p].once, depends)) return false;
  return true;
}

std::vector<NodeId> carried(const Kernel& kernel, const Schedule& schedule, const std::vector<Kept>& kept, size_t last,
                            const Nodes& nodes) {
  std::vector<NodeId> found, open;
  std::vector<bool> seen(kernel.nodes.size());
  for (const Kept& k : kept)
    if (contains(k.read, last)) seen[k.node] = true;
  const auto visit = [&](NodeId id) {
    if (id != kNoNode && !seen[id] && nodes.level(id) != Level::call) seen[id] = true, open.push_back(id);
  };
  for (size_t p = last; p < schedule.steps.size(); ++p) {
    const Schedule::Pass& step = schedule.steps[p];
    for (NodeId id : step.reduces) visit(kernel.nodes[id].operands[0]);
    for (uint32_t s : step.stores_loop) visit(kernel.stores[s].value);
    if (p == last) continue;
    for (NodeId id : step.once) visit(id);
    for (uint32_t s : step.stores_once) visit(kernel.stores[s].value);
  }
  while (!open.empty()) {
    const NodeId id = open.back();
    open.pop_back();
    const bool reduces = kernel.nodes[id].kind == NodeKind::reduce;
    if (nodes.level(id) == Level::row && schedule.pass[id] + (reduces ? 1u : 0u) <= last) {
      found.push_back(id);
    } else if (!reduces) {
      for (NodeId operand : nodes.operands(id)) visit(operand);
    }
  }
  return found;
}

}  // namespace

std::atomic<bool> overlap_always{false};

std::optional<Overlap> overlap(const Kernel& kernel, const Schedule& schedule, const std::vector<Kept>& kept, Isa isa, const Nodes& nodes) {
  // Rows are of one length, and there are registers for two loops' constants.
  if (kernel.reduction != Reduction::lanes || kernel.rank == 1 || kernel.clip >= 0) return std::nullopt;
  if (vector_registers(isa) < 32 && !overlap_always) return std::nullopt;
  Overlap o;
  for (size_t p = 1; p < schedule.steps.size(); ++p)
    if (schedule.steps[p].loops()) o.last = p;
  if (o.last == 0 || !may_run_in_vain(kernel, schedule, o.last)) return std::nullopt;
  if (cost(kernel, schedule, kept, o.last - 1) < kBusy && !overlap_always) return std::nullopt;
  // What the last but one loop keeps is read just before it is overwritten, what earlier ones keep would be overwritten by then.
  for (const Kept& k : kept)
    if (contains(k.read, o.last) && k.made + 1 != o.last) return std::nullopt;
  for (uint32_t s : schedule.steps[o.last].stores_loop) o.stored.push_back(kernel.stores[s].buffer);
  for (size_t p = o.last + 1; p < schedule.steps.size(); ++p)
    for (uint32_t s : schedule.steps[p].stores_once) o.stored.push_back(kernel.stores[s].buffer);
  o.carried = carried(kernel, schedule, kept, o.last, nodes);
  return o;
}

}  // namespace kiln::codegen::x64
