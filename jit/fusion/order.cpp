#include "jit/fusion/order.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "jit/memory_plan.h"

namespace kiln::jit {
namespace {

using tracer::Graph;
using tracer::kNoValue;
using tracer::Node;
using tracer::NodeIndex;
using tracer::NodeKind;
using tracer::Operand;
using tracer::ValueId;

constexpr int kMostVisits = 4000;           // of the search: about a millisecond
constexpr size_t kMostSteps = 256;          // programs of more steps keep the order of calls
constexpr int64_t kWorthwhile = 256 << 10;  // bytes of temporaries; fewer stay in the cache in any order

// Depth first over orders, the step that needs least memory first; a set of steps that was reached with as low a peak is left alone.
class Search {
 public:
  Search(const StepGraph& g, int64_t peak, int64_t floor)
      : g_(g), best_(peak), floor_(floor), waits_(g.steps.size()), followers_(g.steps.size()), readers_(g.bytes.size(), 0) {
    for (uint32_t s = 0; s < g.steps.size(); ++s) {
      waits_[s] = static_cast<uint32_t>(g.steps[s].after.size());
      for (const uint32_t a : g.steps[s].after) followers_[a].push_back(s);
      for (const uint32_t t : g.steps[s].reads) ++readers_[t];
    }
    done_.assign(g.steps.size(), false);
  }

  std::vector<uint32_t> run() {
    visit(0, 0);
    return found_;
  }

 private:
  int64_t made(uint32_t s) const {
    int64_t bytes = 0;
    for (const uint32_t t : g_.steps[s].makes) bytes += g_.bytes[t];
    return bytes;
  }
  // What dies with step s: what it is the last to read, and what it makes for nobody.
  int64_t freed(uint32_t s) const {
    int64_t bytes = 0;
    for (const uint32_t t : g_.steps[s].reads)
      if (readers_[t] == 1) bytes += g_.bytes[t];
    for (const uint32_t t : g_.steps[s].makes)
      if (readers_[t] == 0) bytes += g_.bytes[t];
    return bytes;
  }

  void visit(int64_t live, int64_t peak) {
    if (order_.size() == g_.steps.size()) {
      best_ = peak;
      found_ = order_;
      return;
    }
    if (++visits_ > kMostVisits) return;
    const auto [known, added] = seen_.try_emplace(done_, peak);
    if (!added) {
      if (known->second <= peak) return;
      known->second = peak;
    }
    struct Choice {
      int64_t grows;
      uint32_t step;
    };
    std::vector<Choice> ready;
    for (uint32_t s = 0; s < g_.steps.size(); ++s)
      if (!done_[s] && waits_[s] == 0) ready.push_back({made(s) - freed(s), s});
    std::ranges::stable_sort(ready, {}, &Choice::grows);
    // A step that only frees memory, within the peak so far, is best done at once.
    if (ready[0].grows <= 0 && std::max(peak, live + made(ready[0].step)) == peak) ready.resize(1);
    for (const auto& [grows, s] : ready) {
      const int64_t higher = std::max(peak, live + made(s));
      if (higher >= best_) continue;
      take(s);
      visit(live + grows, higher);
      give_back(s);
      if (best_ <= floor_) return;
    }
  }

  void take(uint32_t s) {
    done_[s] = true;
    order_.push_back(s);
    for (const uint32_t f : followers_[s]) --waits_[f];
    for (const uint32_t t : g_.steps[s].reads) --readers_[t];
  }
  void give_back(uint32_t s) {
    done_[s] = false;
    order_.pop_back();
    for (const uint32_t f : followers_[s]) ++waits_[f];
    for (const uint32_t t : g_.steps[s].reads) ++readers_[t];
  }

  const StepGraph& g_;
  int64_t best_;
  const int64_t floor_;
  int visits_ = 0;
  std::vector<uint32_t> waits_;                   // by step: steps before it that are not done
  std::vector<std::vector<uint32_t>> followers_;  // by step
  std::vector<uint32_t> readers_;                 // by temporary: readers that are not done
  std::vector<bool> done_;
  std::vector<uint32_t> order_, found_;
  std::map<std::vector<bool>, int64_t> seen_;
};

}  // namespace

StepGraph step_graph(const Graph& g, const Partition& p) {
  StepGraph result;
  result.steps.resize(p.clusters.size());
  std::vector<std::set<uint32_t>> after(p.clusters.size());
  std::vector<std::set<uint32_t>> readers(g.values.size());  // by array in memory
  for (uint32_t c = 0; c < p.clusters.size(); ++c)
    for (const NodeIndex i : p.clusters[c].nodes)
      for (const Operand& o : g.nodes[i].operands)
        if (o.is_value()) {
          const ValueId base = base_of(g, o.id);
          const uint32_t producer = p.cluster_of[g.values[base].node];
          if (producer == c) continue;
          readers[base].insert(c);
          if (producer != ~0u) after[c].insert(producer);
        }

  // What is overwritten is read before, as it is in the order of calls.
  const auto overwrites = [&](ValueId writer, ValueId old) {
    const uint32_t c = p.cluster_of[g.values[writer].node];
    if (c == ~0u) return;
    for (const uint32_t r : readers[old])
      if (r < c) after[c].insert(r);
  };
  std::vector<ValueId> input_of(g.storages, kNoValue);
  for (const Node& n : g.nodes) {
    if (n.kind == NodeKind::input) input_of[n.storage] = n.first_output;
    if (n.kind == NodeKind::update) overwrites(n.first_output, base_of(g, n.operands[0].id));
  }
  std::vector<bool> in_storage(g.values.size(), false);
  for (const tracer::Result& r : g.results) {
    const ValueId base = base_of(g, r.value);
    in_storage[base] = base == r.value;
    if (input_of[r.storage] != kNoValue) overwrites(base, input_of[r.storage]);
  }
  for (ValueId v = 0; v < g.values.size(); ++v) {
    const uint32_t producer = p.cluster_of[g.values[v].node];
    if (producer == ~0u || in_storage[v] || readers[v].empty()) continue;
    const auto temporary = static_cast<uint32_t>(result.bytes.size());
    result.bytes.push_back(bytes_of(g.type(v)));
    result.steps[producer].makes.push_back(temporary);
    for (const uint32_t r : readers[v]) result.steps[r].reads.push_back(temporary);
  }
  for (uint32_t c = 0; c < after.size(); ++c) result.steps[c].after.assign(after[c].begin(), after[c].end());
  return result;
}

int64_t peak_bytes(const StepGraph& g, const std::vector<uint32_t>& order) {
  std::vector<size_t> last(g.bytes.size(), 0);
  for (size_t k = 0; k < order.size(); ++k) {
    for (const uint32_t t : g.steps[order[k]].makes) last[t] = k;
    for (const uint32_t t : g.steps[order[k]].reads) last[t] = k;
  }
  int64_t live = 0, peak = 0;
  std::vector<int64_t> dies(order.size(), 0);
  for (size_t k = 0; k < order.size(); ++k) {
    for (const uint32_t t : g.steps[order[k]].makes) {
      live += g.bytes[t];
      dies[last[t]] += g.bytes[t];
    }
    peak = std::max(peak, live);
    live -= dies[k];
  }
  return peak;
}

std::vector<uint32_t> order_for_memory(const StepGraph& g) {
  std::vector<uint32_t> calls(g.steps.size());
  std::iota(calls.begin(), calls.end(), 0u);
  if (g.steps.size() < 3 || g.steps.size() > kMostSteps || std::accumulate(g.bytes.begin(), g.bytes.end(), int64_t{0}) < kWorthwhile)
    return calls;
  int64_t floor = 0;  // what one step makes and reads is live at once, in any order
  for (const StepGraph::Step& s : g.steps) {
    int64_t bytes = 0;
    for (const uint32_t t : s.makes) bytes += g.bytes[t];
    for (const uint32_t t : s.reads) bytes += g.bytes[t];
    floor = std::max(floor, bytes);
  }
  const int64_t peak = peak_bytes(g, calls);
  if (peak <= floor) return calls;
  std::vector<uint32_t> found = Search(g, peak, floor).run();
  return found.empty() ? calls : found;
}

void order_for_memory(const Graph& g, Partition& p) {
  const std::vector<uint32_t> order = order_for_memory(step_graph(g, p));
  std::vector<Cluster> clusters;
  for (uint32_t at = 0; at < order.size(); ++at) {
    clusters.push_back(std::move(p.clusters[order[at]]));
    for (const NodeIndex i : clusters.back().nodes) p.cluster_of[i] = at;
  }
  p.clusters = std::move(clusters);
}

}  // namespace kiln::jit
