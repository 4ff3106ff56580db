#include "jit/fusion/order.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "codegen/tunables.h"
#include "jit/fusion/place.h"

namespace kiln::jit {
namespace {

using tracer::Graph;
using tracer::kNoValue;
using tracer::Node;
using tracer::NodeIndex;
using tracer::NodeKind;
using tracer::Operand;
using tracer::ValueId;
using Array = StepGraph::Array;
using Life = StepGraph::Array::Life;

constexpr size_t kMostSteps = 256;  // programs of more steps keep the order of calls
constexpr uint32_t kNone = ~0u;

// Memory while steps run, one after the other, and back again.
class Walk {
 public:
  explicit Walk(const StepGraph& g) : g_(g), readers_(g.arrays.size(), 0), place_(g.arrays.size(), kNone) {
    for (const StepGraph::Step& s : g.steps)
      for (const uint32_t a : s.reads) ++readers_[a];
    for (uint32_t a = 0; a < g.arrays.size() && g.arrays[a].life == Life::lent; ++a) {
      place_[a] = a;
      holds_.push_back(readers_[a] > 0 ? a : kNone);
    }
  }

  int64_t live() const { return live_; }
  const std::vector<uint32_t>& holds() const { return holds_; }  // by lent array: which has its memory

  // Returns the bytes of temporaries that are live while the step runs.
  int64_t take(uint32_t step) {
    const StepGraph::Step& s = g_.steps[step];
    before_.push_back({live_, holds_});
    taken_over_.clear();
    for (const uint32_t a : s.makes) place(s, a);
    const int64_t peak = live_;
    for (const uint32_t a : s.reads)
      if (--readers_[a] == 0 && !is_taken_over(a)) release(a);
    return peak;
  }
  void give_back(uint32_t step) {
    for (const uint32_t a : g_.steps[step].reads) ++readers_[a];
    live_ = before_.back().live;
    holds_ = std::move(before_.back().holds);
    before_.pop_back();
  }

 private:
  // As memory_plan.cpp does: a result where an input ends that is as large; a temporary where one dies that is read just where this one is
  // written, else in the smallest input that has been read, else in the arena.
  void place(const StepGraph::Step& s, uint32_t a) {
    const Array& made = g_.arrays[a];
    place_[a] = kNone;
    if (made.life == Life::read)
      for (const StepGraph::Overwrite& o : s.may_overwrite)
        if (o.made == a && place_[o.read] == kNone && ends_here(o.read)) {
          taken_over_.push_back(o.read);
          return;
        }
    for (uint32_t l = 0; l < holds_.size(); ++l) {
      const int64_t bytes = g_.arrays[l].bytes;
      const bool fits = made.life == Life::result ? bytes == made.bytes : bytes >= made.bytes;
      if (fits && (place_[a] == kNone || bytes < g_.arrays[place_[a]].bytes) && (holds_[l] == kNone || may_overwrite(s, a, holds_[l])))
        place_[a] = l;
    }
    if (place_[a] != kNone) {
      if (holds_[place_[a]] != kNone) taken_over_.push_back(holds_[place_[a]]);
      holds_[place_[a]] = a;
    } else if (made.life != Life::result) {
      live_ += made.bytes;
    }
  }
  bool may_overwrite(const StepGraph::Step& s, uint32_t made, uint32_t old) const {
    return ends_here(old) && std::ranges::find(s.may_overwrite, StepGraph::Overwrite{made, old}) != s.may_overwrite.end();
  }
  bool ends_here(uint32_t a) const {
    return readers_[a] == 1 && (g_.arrays[a].life == Life::read || g_.arrays[a].life == Life::lent) && !is_taken_over(a);
  }
  bool is_taken_over(uint32_t a) const { return std::ranges::find(taken_over_, a) != taken_over_.end(); }

  void release(uint32_t a) {
    if (g_.arrays[a].life != Life::read && g_.arrays[a].life != Life::lent) return;
    if (place_[a] == kNone) live_ -= g_.arrays[a].bytes;
    else holds_[place_[a]] = kNone;
  }

  struct Before {
    int64_t live;
    std::vector<uint32_t> holds;
  };
  const StepGraph& g_;
  std::vector<uint32_t> readers_;     // by array: steps that read it and have not run
  std::vector<uint32_t> place_;       // by array: the lent one in whose memory it is; kNone: in the arena
  std::vector<uint32_t> holds_;       // by lent array
  std::vector<uint32_t> taken_over_;  // in this step
  std::vector<Before> before_;        // by step taken
  int64_t live_ = 0;
};

// Depth first over orders, the step that needs least memory first; a set of steps that was reached with as low a peak is left alone.
class Search {
 public:
  Search(const StepGraph& g, int64_t peak, int64_t floor, int& visits)
      : g_(g), walk_(g), best_(peak), floor_(floor), visits_(visits), waits_(g.steps.size()), followers_(g.steps.size()) {
    for (uint32_t s = 0; s < g.steps.size(); ++s) {
      waits_[s] = static_cast<uint32_t>(g.steps[s].after.size());
      for (const uint32_t a : g.steps[s].after) followers_[a].push_back(s);
    }
    done_.assign((g.steps.size() + 31) / 32, 0);
  }

  std::vector<uint32_t> run() {
    visit(0);
    return found_;
  }

 private:
  void visit(int64_t peak) {
    if (order_.size() == g_.steps.size()) {
      best_ = peak;
      found_ = order_;
      return;
    }
    if (visits_ < 0) return;
    visits_ -= 1 + static_cast<int>(g_.steps.size()) / 32;
    key_ = done_;
    key_.insert(key_.end(), walk_.holds().begin(), walk_.holds().end());
    const auto [known, added] = seen_.try_emplace(key_, peak);
    if (!added) {
      if (known->second <= peak) return;
      known->second = peak;
    }
    struct Choice {
      int64_t grows, peak;
      uint32_t step;
      bool borrows;
    };
    std::vector<Choice> ready;
    for (uint32_t s = 0; s < g_.steps.size(); ++s) {
      if (is_done(s) || waits_[s] != 0) continue;
      const int64_t live = walk_.live(), during = walk_.take(s), grows = walk_.live() - live;
      const bool borrows = std::ranges::any_of(g_.steps[s].makes, [&](uint32_t a) { return std::ranges::count(walk_.holds(), a) > 0; });
      walk_.give_back(s);
      ready.push_back({grows, std::max(peak, during), s, borrows});
    }
    std::ranges::stable_sort(ready, {}, &Choice::grows);
    // A step that only frees memory, within the peak so far, is best done at once.
    if (ready[0].grows <= 0 && ready[0].peak == peak && !ready[0].borrows) ready.resize(1);
    for (const Choice& c : ready) {
      if (c.peak >= best_) continue;
      take(c.step);
      visit(c.peak);
      give_back(c.step);
      if (best_ <= floor_) return;
    }
  }

  bool is_done(uint32_t s) const { return done_[s / 32] >> s % 32 & 1; }
  void take(uint32_t s) {
    walk_.take(s);
    done_[s / 32] |= 1u << s % 32;
    order_.push_back(s);
    for (const uint32_t f : followers_[s]) --waits_[f];
  }
  void give_back(uint32_t s) {
    walk_.give_back(s);
    done_[s / 32] &= ~(1u << s % 32);
    order_.pop_back();
    for (const uint32_t f : followers_[s]) ++waits_[f];
  }

  const StepGraph& g_;
  Walk walk_;
  int64_t best_;
  const int64_t floor_;
  int& visits_;
  std::vector<uint32_t> waits_;                   // by step: steps before it that are not done
  std::vector<std::vector<uint32_t>> followers_;  // by step
  std::vector<uint32_t> done_;                    // bits
  std::vector<uint32_t> key_;
  std::vector<uint32_t> order_, found_;
  std::map<std::vector<uint32_t>, int64_t> seen_;  // by what is done, and what lent memory holds: the least peak so far
};

class StepGraphBuilder {
 public:
  StepGraphBuilder(const Graph& g, const Partition& p)
      : g_(g), p_(p), after_(p.clusters.size()), readers_(g.values.size()), input_of_(g.storages, kNoValue) {
    result_.steps.resize(p.clusters.size());
  }

  StepGraph run() {
    reads();
    overwrites();
    arrays();
    for (uint32_t c = 0; c < p_.clusters.size(); ++c) {
      result_.steps[c].after.assign(after_[c].begin(), after_[c].end());
      may_overwrite(c);
    }
    return std::move(result_);
  }

 private:
  uint32_t cluster_of(ValueId v) const { return p_.cluster_of[g_.values[v].node]; }

  void reads() {
    for (uint32_t c = 0; c < p_.clusters.size(); ++c)
      for (const NodeIndex i : p_.clusters[c].nodes)
        for (const Operand& o : g_.nodes[i].operands)
          if (o.is_value()) {
            const ValueId base = base_of(g_, o.id);
            const uint32_t producer = cluster_of(base);
            if (producer == c) continue;
            readers_[base].insert(c);
            if (producer != kNone) after_[c].insert(producer);
          }
  }

  // What is overwritten is read before, as it is in the order of calls.
  void overwrites() {
    const auto overwrites = [&](ValueId writer, ValueId old) {
      const uint32_t c = cluster_of(writer);
      if (c == kNone) return;
      for (const uint32_t r : readers_[old])
        if (r < c) after_[c].insert(r);
    };
    for (const Node& n : g_.nodes) {
      if (n.kind == NodeKind::input) input_of_[n.storage] = n.first_output;
      if (n.kind == NodeKind::update) overwrites(n.first_output, base_of(g_, n.operands[0].id));
    }
    for (const tracer::Result& r : g_.results)
      if (input_of_[r.storage] != kNoValue) overwrites(base_of(g_, r.value), input_of_[r.storage]);
  }

  void arrays() {
    enum class Where : uint8_t { arena, kept, storage, fresh_storage };
    std::vector<Where> where(g_.values.size(), Where::arena);
    for (const tracer::Result& r : g_.results) {
      const ValueId base = base_of(g_, r.value);
      if (cluster_of(base) == kNone || where[base] == Where::storage || where[base] == Where::fresh_storage) continue;
      if (base != r.value || g_.values[base].layout != tracer::Layout::plain) {
        where[base] = Where::kept;
        continue;
      }
      where[base] = input_of_[r.storage] != kNoValue ? Where::storage : Where::fresh_storage;
      // What an update overwrites is computed where the update's result goes.
      for (ValueId v = base; g_.producer(v).kind == NodeKind::update;) {
        v = g_.producer(v).operands[0].id;
        if (g_.producer(v).kind == NodeKind::view || cluster_of(v) == kNone) break;
        where[v] = Where::storage;
      }
    }
    array_of_.assign(g_.values.size(), kNone);
    const auto add = [&](ValueId v, Life life) {
      array_of_[v] = static_cast<uint32_t>(result_.arrays.size());
      result_.arrays.push_back({bytes_of(g_.type(v)), life});
      if (cluster_of(v) != kNone) result_.steps[cluster_of(v)].makes.push_back(array_of_[v]);
      if (life == Life::result) return;
      for (const uint32_t r : readers_[v]) result_.steps[r].reads.push_back(array_of_[v]);
    };
    for (const uint32_t s : g_.lent) {
      const ValueId v = input_of_[s];
      if (v != kNoValue && std::ranges::none_of(g_.results, [&](const tracer::Result& r) { return base_of(g_, r.value) == v; }))
        add(v, Life::lent);
    }
    for (ValueId v = 0; v < g_.values.size(); ++v) {
      if (cluster_of(v) == kNone) continue;
      if (where[v] == Where::fresh_storage) add(v, Life::result);
      else if (where[v] == Where::kept) add(v, Life::kept);
      else if (where[v] == Where::arena && !readers_[v].empty()) add(v, Life::read);
    }
  }

  // A pointwise kernel reads what it reads plainly, and is as large as its iteration, just where it stores.
  void may_overwrite(uint32_t c) {
    const Cluster& cluster = p_.clusters[c];
    StepGraph::Step& step = result_.steps[c];
    if (step.makes.empty() || cluster.kind != StepKind::kernel || cluster.reduced_count > 0 || cluster.has_affine()) return;
    std::set<ValueId> in_place, otherwise;
    std::vector<std::pair<ValueId, ValueId>> updates;
    for (const NodeIndex i : cluster.nodes) {
      const Node& n = g_.nodes[i];
      for (size_t k = 0; k < n.operands.size(); ++k) {
        if (!n.operands[k].is_value()) continue;
        const ValueId v = n.operands[k].id, base = base_of(g_, v);
        if (array_of_[base] == kNone || cluster_of(base) == c) continue;
        if (n.kind == NodeKind::update && k == 0) {
          updates.emplace_back(n.first_output, base);
          continue;
        }
        const bool here = v == base && n.kind == NodeKind::operation && !(k == 0 && is_gather(g_, n)) &&
                          constant_shape(g_.type(v)) == cluster.space && g_.values[v].layout == cluster.layout;
        (here ? in_place : otherwise).insert(base);
      }
    }
    const auto may = [&](ValueId made, ValueId read) {
      if (array_of_[made] != kNone) step.may_overwrite.push_back({array_of_[made], array_of_[read]});
    };
    for (const auto& [made, base] : updates)
      if (!in_place.contains(base) && !otherwise.contains(base)) may(made, base);
    for (const NodeIndex i : cluster.nodes) {
      const Node& n = g_.nodes[i];
      if (n.kind != NodeKind::operation || is_gather(g_, n)) continue;
      for (ValueId v = n.first_output; v < n.first_output + n.outputs; ++v)
        for (const ValueId read : in_place)
          if (!otherwise.contains(read) && g_.type(read) == g_.type(v)) may(v, read);
    }
  }

  const Graph& g_;
  const Partition& p_;
  std::vector<std::set<uint32_t>> after_;    // by step
  std::vector<std::set<uint32_t>> readers_;  // by array in memory: steps
  std::vector<ValueId> input_of_;            // by storage
  std::vector<uint32_t> array_of_;           // by value
  StepGraph result_;
};

}  // namespace

StepGraph step_graph(const Graph& g, const Partition& p) { return StepGraphBuilder(g, p).run(); }

std::vector<int64_t> live_bytes(const StepGraph& g, const std::vector<uint32_t>& order) {
  Walk walk(g);
  std::vector<int64_t> live;
  for (const uint32_t s : order) live.push_back(walk.take(s));
  return live;
}

int64_t peak_bytes(const StepGraph& g, const std::vector<uint32_t>& order) {
  int64_t peak = 0;
  for (const int64_t live : live_bytes(g, order)) peak = std::max(peak, live);
  return peak;
}

int64_t floor_bytes(const StepGraph& g) {
  int64_t most = 0, lent = 0;
  for (const Array& a : g.arrays)
    if (a.life == Life::lent) lent += a.bytes;
  for (const StepGraph::Step& s : g.steps) {
    int64_t bytes = 0;
    for (const auto& arrays : {s.makes, s.reads})
      for (const uint32_t a : arrays)
        if (g.arrays[a].life == Life::read || g.arrays[a].life == Life::kept) bytes += g.arrays[a].bytes;
    std::set<uint32_t> made;
    for (const StepGraph::Overwrite& o : s.may_overwrite)
      if (g.arrays[o.made].life == Life::read && made.insert(o.made).second) bytes -= g.arrays[o.made].bytes;
    most = std::max(most, bytes);
  }
  return std::max<int64_t>(0, most - lent);
}

std::vector<uint32_t> order_for_memory(const StepGraph& g, int& visits) {
  std::vector<uint32_t> calls(g.steps.size());
  std::iota(calls.begin(), calls.end(), 0u);
  if (g.steps.size() < 3 || g.steps.size() > kMostSteps) return calls;
  const int64_t peak = peak_bytes(g, calls);
  if (peak < codegen::value(codegen::Tunable::cached_bytes)) return calls;
  const int64_t floor = floor_bytes(g);
  if (peak <= floor) return calls;
  std::vector<uint32_t> found = Search(g, peak, floor, visits).run();
  return found.empty() ? calls : found;
}

void put_in_order(Partition& p, const std::vector<uint32_t>& order) {
  std::vector<Cluster> clusters;
  for (uint32_t at = 0; at < order.size(); ++at) {
    clusters.push_back(std::move(p.clusters[order[at]]));
    for (const NodeIndex i : clusters.back().nodes) p.cluster_of[i] = at;
  }
  p.clusters = std::move(clusters);
}

}  // namespace kiln::jit
