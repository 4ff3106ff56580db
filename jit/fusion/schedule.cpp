#include "jit/fusion/schedule.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "codegen/tunables.h"
#include "jit/fusion/cluster_draft.h"
#include "jit/fusion/order.h"
#include "jit/fusion/place.h"

namespace kiln::jit {
namespace {

using tracer::Graph;
using tracer::Node;
using tracer::NodeIndex;
using tracer::NodeKind;
using tracer::Operand;
using tracer::ValueId;

// Longer programs run as fused as can be: a search would take longer than it may, and find cuts that cost reading and writing in every run.
constexpr size_t kMostSteps = 16;
constexpr int kCutVisits = 1000;
constexpr size_t kBeam = 4;      // plans that are cut further
constexpr int kIdle = 2;         // times without a lower peak
constexpr double kAbout = 1.05;  // of the lowest peak: less is not worth what cuts cost

// A kernel of several results has them all in memory at once, also one that is wanted much later, and what it reads must wait for the last of its
// operands. Looks for kernels to cut, one after the other, so that the peak is lower; some cuts lower it together only.
class Scheduler {
 public:
  explicit Scheduler(const Graph& g) : g_(g) {}

  Partition run() {
    Plan whole = plan({});
    if (whole.order.size() > kMostSteps || whole.peak < codegen::value(codegen::Tunable::cached_bytes) || whole.peak <= fixed_bytes(whole))
      return std::move(whole.partition);
    visits_ = kCutVisits;
    const std::vector<Plan> found = search(whole);
    const int64_t lowest = std::ranges::min(found, {}, &Plan::peak).peak;
    if (is_about(whole.peak, lowest)) return std::move(whole.partition);
    const Plan* best = nullptr;
    for (const Plan& p : found)
      if (is_about(p.peak, lowest) && (!best || p.moved < best->moved)) best = &p;
    return joined(*best, lowest).partition;
  }

 private:
  struct Plan {
    std::vector<uint32_t> group;  // by node
    Partition partition;
    StepGraph steps;
    std::vector<uint32_t> order;  // of steps: those of the partition as they are called
    std::vector<int64_t> live;    // bytes, by step in order
    int64_t peak = 0;
    int64_t moved = 0;  // bytes that steps read and write
  };

  static bool is_about(int64_t peak, int64_t lowest) { return static_cast<double>(peak) <= kAbout * static_cast<double>(lowest); }

  Plan plan(std::vector<uint32_t> group) {
    Plan p;
    p.group = std::move(group);
    p.partition = fuse(g_, p.group);
    p.steps = step_graph(g_, p.partition);
    p.order = order_for_memory(p.steps, visits_);
    p.live = live_bytes(p.steps, p.order);
    p.peak = p.live.empty() ? 0 : std::ranges::max(p.live);
    put_in_order(p.partition, p.order);
    return p;
  }
  // Accounts for its work, and for what the plan costs.
  Plan tried(std::vector<uint32_t> group) {
    visits_ -= static_cast<int>(g_.nodes.size());
    Plan p = plan(std::move(group));
    p.moved = moved_bytes(p.partition);
    return p;
  }

  // Plans with more and more cuts, those that lower the peak and some that lead there.
  std::vector<Plan> search(const Plan& whole) {
    std::vector<Plan> found, beam{whole};
    int64_t lowest = whole.peak;
    for (int idle = 0; idle < kIdle && visits_ > 0; ++idle) {
      std::vector<Plan> next;
      for (const Plan& from : beam)
        for (const std::vector<uint32_t>& group : cuts(from)) {
          if (visits_ <= 0) break;
          Plan p = tried(group);
          if (p.peak <= lowest && seen_.insert(p.partition.cluster_of).second) next.push_back(std::move(p));
        }
      if (next.empty()) break;
      std::ranges::stable_sort(next, {}, [](const Plan& p) { return std::tuple(p.peak, std::ranges::count(p.live, p.peak), p.moved); });
      if (next[0].peak < lowest) idle = -1;
      lowest = next[0].peak;
      if (next.size() > kBeam) next.resize(kBeam);
      found.insert(found.end(), next.begin(), next.end());
      beam = std::move(next);
    }
    if (found.empty()) found.push_back(whole);
    return found;
  }

  int64_t moved_bytes(const Partition& p) const {
    int64_t bytes = 0;
    const std::vector<bool> stored = stored_values(g_, p);
    for (uint32_t c = 0; c < p.clusters.size(); ++c) {
      std::set<ValueId> reads;
      for (const NodeIndex i : p.clusters[c].nodes) {
        const Node& n = g_.nodes[i];
        for (const Operand& o : n.operands)
          if (o.is_value() && p.cluster_of[g_.values[base_of(g_, o.id)].node] != c) reads.insert(base_of(g_, o.id));
        for (ValueId v = n.first_output; v < n.first_output + n.outputs; ++v)
          if (stored[v]) bytes += bytes_of(g_.type(v));
      }
      for (const ValueId v : reads) bytes += bytes_of(g_.type(v));
    }
    return bytes;
  }

  // By step in order: does it make or read what is live at the peak?
  static std::vector<bool> concerned(const Plan& p) {
    const auto& steps = p.steps.steps;
    std::vector<size_t> made(p.steps.arrays.size(), 0), read(p.steps.arrays.size(), 0);
    for (size_t k = 0; k < p.order.size(); ++k) {
      for (const uint32_t a : steps[p.order[k]].makes) made[a] = read[a] = k;
      for (const uint32_t a : steps[p.order[k]].reads) read[a] = k;
    }
    const auto is_live = [&](uint32_t a) {
      const bool kept = p.steps.arrays[a].life == StepGraph::Array::Life::kept;
      const size_t end = kept ? p.live.size() : read[a] + 1;
      return std::find(p.live.begin() + made[a], p.live.begin() + end, p.peak) != p.live.begin() + end;
    };
    std::vector<bool> result;
    for (const uint32_t s : p.order)
      result.push_back(std::ranges::any_of(steps[s].makes, is_live) || std::ranges::any_of(steps[s].reads, is_live));
    return result;
  }

  // Of temporaries that are live in any partition: what steps that are no kernels read and make.
  int64_t fixed_bytes(const Plan& p) const {
    StepGraph fixed = p.steps;
    for (size_t k = 0; k < p.order.size(); ++k)
      if (p.partition.clusters[k].kind == StepKind::kernel) fixed.steps[p.order[k]] = {};
    return floor_bytes(fixed);
  }

  // Ways to cut one kernel: what one of its nodes needs apart from the rest, or what needs it, or the node between the two; or all apart.
  std::set<std::vector<uint32_t>> cuts(const Plan& p) const {
    std::set<std::vector<uint32_t>> all;
    std::vector<uint32_t> group = p.group;
    group.resize(g_.nodes.size(), 0);
    const uint32_t next = *std::ranges::max_element(group) + 1;
    const std::vector<bool> concerns = concerned(p);
    for (uint32_t k = 0; k < p.partition.clusters.size(); ++k) {
      const Cluster& c = p.partition.clusters[k];
      if (c.kind != StepKind::kernel || c.nodes.size() < 2 || !concerns[k]) continue;
      std::vector<uint32_t> apart = group;
      for (const NodeIndex n : c.nodes) {
        std::vector<uint32_t> before = group, behind = group, around = group;
        for (const NodeIndex i : related(c, n, true)) before[i] = around[i] = next;
        for (const NodeIndex i : related(c, n, false)) behind[i] = next;
        for (const NodeIndex i : c.nodes)
          if (around[i] != next) around[i] = next + 1;
        around[n] = group[n];
        all.insert({before, behind, around});
        apart[n] = next + n;
      }
      all.insert(std::move(apart));
    }
    return all;
  }

  // Undoes cuts that such a peak does not ask for.
  Plan joined(Plan p, int64_t lowest) {
    const std::set<uint32_t> groups(p.group.begin(), p.group.end());
    for (const uint32_t a : groups)
      for (const uint32_t b : groups) {
        if (a >= b || visits_ <= 0 || std::ranges::find(p.group, b) == p.group.end()) continue;
        std::vector<uint32_t> group = p.group;
        std::ranges::replace(group, b, a);
        Plan fewer = tried(std::move(group));
        if (is_about(fewer.peak, lowest) && fewer.moved < p.moved) p = std::move(fewer);
      }
    return p;
  }

  // Nodes of the cluster that n needs, or that need n; n included.
  std::vector<NodeIndex> related(const Cluster& c, NodeIndex n, bool needs) const {
    std::vector<bool> in(g_.nodes.size(), false);
    in[n] = true;
    const auto visit = [&](NodeIndex i) {
      for (const Operand& o : g_.nodes[i].operands) {
        if (!o.is_value()) continue;
        const NodeIndex p = g_.values[base_of(g_, o.id)].node;
        if (needs && in[i]) in[p] = true;
        if (!needs && in[p]) in[i] = true;
      }
    };
    if (needs) std::ranges::for_each(c.nodes.rbegin(), c.nodes.rend(), visit);
    else std::ranges::for_each(c.nodes, visit);
    std::vector<NodeIndex> part;
    std::ranges::copy_if(c.nodes, std::back_inserter(part), [&](NodeIndex i) { return in[i]; });
    return part;
  }

  const Graph& g_;
  std::set<std::vector<uint32_t>> seen_;  // partitions, by Partition::cluster_of
  int visits_ = kOrderVisits;             // left
};

}  // namespace

Partition schedule(const Graph& g) { return Scheduler(g).run(); }

}  // namespace kiln::jit
