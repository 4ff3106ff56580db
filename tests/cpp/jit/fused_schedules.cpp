#include "tests/cpp/jit/fused_schedules.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <map>
#include <optional>

#include "jit/fusion/cluster_draft.h"
#include "jit/fusion/place.h"

namespace kiln::jit::test {
namespace {

using tracer::Graph;
using tracer::Node;
using tracer::NodeIndex;
using tracer::NodeKind;
using tracer::Operand;
using tracer::ValueId;

using Set = uint32_t;  // of nodes, by number in nodes_

constexpr int64_t kRowBytes = 64 << 10;  // a row that several passes read must stay in the cache, else they are several kernels
constexpr int64_t kStuck = std::numeric_limits<int64_t>::max();

class Schedules {
 public:
  explicit Schedules(const Graph& g) : g_(g) {
    number_.assign(g.nodes.size(), -1);
    for (NodeIndex i = 0; i < g.nodes.size(); ++i)
      if (g.nodes[i].kind == NodeKind::operation) {
        number_[i] = static_cast<int>(nodes_.size());
        nodes_.push_back(i);
      } else {
        check(g.nodes[i].kind == NodeKind::input || g.nodes[i].kind == NodeKind::view, "the search knows inputs, views and operations");
      }
    check(nodes_.size() <= 16, "too large a graph for a search");
    wanted_.assign(g.values.size(), false);
    for (const tracer::Result& r : g.results) wanted_[r.value] = true;
    for (const NodeIndex i : nodes_)
      for (const Operand& o : g.nodes[i].operands)
        if (o.is_value())
          if (const int p = number_[g.values[base_of(g, o.id)].node]; p >= 0) readers_[base_of(g, o.id)] |= Set{1} << number_[i];
  }

  FusedSchedules run() {
    const Set all = (Set{1} << nodes_.size()) - 1;
    for (Set s = 1; s <= all; ++s)
      if (runs_as_one(s)) kernels_.push_back(s);
    result_.kernels = static_cast<int>(kernels_.size());
    result_.least = kStuck;
    cover(all);
    return result_;
  }

 private:
  // ---- which sets of nodes can be one kernel ----

  bool runs_as_one(Set s) const {
    if (std::has_single_bit(s)) return true;
    Cluster c;
    const Node* reduces = nullptr;
    for (size_t k = 0; k < nodes_.size(); ++k) {
      if (!(s >> k & 1)) continue;
      c.nodes.push_back(nodes_[k]);
      const Node& n = g_.nodes[nodes_[k]];
      if (!n.op->body && !n.op->reduction) return false;
      if (!n.op->reduction) continue;
      const eager::Dims space = constant_shape(g_.type(n.operands[0].id));
      const auto steps = eager::reduction_steps(space, n.attrs[0], std::get<bool>(n.attrs[1]));
      if (steps.size() != 1 || eager::splits_reduction(space, steps[0])) return false;
      if (reduces && (c.space != space || c.first_reduced != steps[0].first || c.reduced_count != steps[0].count)) return false;
      reduces = &n;
      c.space = space;
      c.first_reduced = steps[0].first;
      c.reduced_count = steps[0].count;
    }
    if (!reduces) c.space = constant_shape(g_.type(g_.nodes[c.nodes[0]].first_output));
    if (reduces && makes_passes(s, c) && (c.first_reduced + c.reduced_count != c.space.size() || row_bytes(c) > kRowBytes)) return false;
    for (const NodeIndex i : c.nodes) {
      const Node& n = g_.nodes[i];
      if (!n.op->reduction && !has_position(c, constant_shape(g_.type(n.first_output)))) return false;
      for (const Operand& o : n.operands)
        if (o.is_value() && in(s, base_of(g_, o.id)) && !reads_in_place(g_, c, i, o.id)) return false;
    }
    std::vector<bool> stored(g_.values.size(), false);
    for (ValueId v = 0; v < stored.size(); ++v) stored[v] = in(s, v) && is_stored(v, s);
    return draft(g_, c, stored).has_value();
  }

  bool in(Set s, ValueId v) const { return number_[g_.values[v].node] >= 0 && (s >> number_[g_.values[v].node] & 1); }
  Set readers(ValueId v) const {
    const auto at = readers_.find(v);
    return at == readers_.end() ? 0 : at->second;
  }
  bool is_stored(ValueId v, Set kernel) const { return wanted_[v] || (readers(v) & ~kernel); }

  static int64_t row_bytes(const Cluster& c) {
    int64_t n = 4;
    for (int d = c.first_reduced; d < c.first_reduced + c.reduced_count; ++d) n *= c.space[d];
    return n;
  }
  // Does something of the whole space depend on something reduced?
  bool makes_passes(Set s, const Cluster& c) const {
    std::vector<bool> after(g_.values.size(), false);
    for (const NodeIndex i : c.nodes) {
      const Node& n = g_.nodes[i];
      const bool depends = std::ranges::any_of(n.operands, [&](const Operand& o) { return o.is_value() && after[base_of(g_, o.id)]; });
      if (depends && constant_shape(g_.type(n.op->reduction ? n.operands[0].id : n.first_output)) == c.space) return true;
      for (uint32_t k = 0; k < n.outputs; ++k) after[n.first_output + k] = in(s, n.first_output) && (depends || n.op->reduction);
    }
    return false;
  }

  // ---- all partitions ----

  void cover(Set rest) {
    if (rest == 0) return measure();
    const Set first = rest & -rest;
    for (const Set k : kernels_)
      if ((k & first) && (k & ~rest) == 0) {
        chosen_.push_back(k);
        cover(rest & ~k);
        chosen_.pop_back();
      }
  }

  void measure() {
    known_.clear();
    const int64_t least = peak_after(0);
    if (least == kStuck) return;  // two kernels wait for each other
    ++result_.partitions;
    result_.worst = std::max(result_.worst, least);
    if (least >= result_.least) return;
    result_.least = least;
    result_.best.clear();
    for (Set done = 0; done != (Set{1} << nodes_.size()) - 1;) {
      const Set k = known_.at(done).next;
      done |= k;
      result_.best += "[";
      for (size_t n = 0; n < nodes_.size(); ++n)
        if (k >> n & 1) result_.best += " %" + std::to_string(g_.nodes[nodes_[n]].first_output);
      result_.best += " ]";
    }
  }

  // ---- all orders: what is live depends on what is done, not on its order ----

  int64_t peak_after(Set done) {
    if (std::popcount(done) == static_cast<int>(nodes_.size())) return 0;
    if (const auto at = known_.find(done); at != known_.end()) return at->second.peak;
    Best best{kStuck, 0};
    for (const Set k : chosen_) {
      if ((k & done) || !is_ready(k, done)) continue;
      const int64_t later = peak_after(done | k);
      if (later == kStuck) continue;
      const int64_t peak = std::max(later, live_in(k, done));
      if (peak < best.peak) best = {peak, k};
    }
    known_[done] = best;
    return best.peak;
  }

  bool is_ready(Set k, Set done) const {
    return std::ranges::all_of(readers_, [&](const auto& r) { return !(r.second & k) || in(done | k, r.first); });
  }
  bool is_temporary(ValueId v, Set kernel) const { return !wanted_[v] && is_stored(v, kernel); }

  // Bytes of temporaries while k runs.
  int64_t live_in(Set k, Set done) const {
    int64_t bytes = 0;
    std::vector<ValueId> dying, made;
    for (const Set other : chosen_) {
      const bool now = other == k;
      if (!now && (other & ~done)) continue;
      for (size_t n = 0; n < nodes_.size(); ++n) {
        if (!(other >> n & 1)) continue;
        const Node& node = g_.nodes[nodes_[n]];
        for (ValueId v = node.first_output; v < node.first_output + node.outputs; ++v) {
          if (!is_temporary(v, other)) continue;
          if (now) made.push_back(v);
          else if ((readers(v) & ~done & ~other) == 0) continue;  // dead
          else if ((readers(v) & ~done & ~other & ~k) == 0 && is_read_where_written(k, v)) dying.push_back(v);
          bytes += bytes_of(g_.type(v));
        }
      }
    }
    // What is read here for the last time, element for element, gives its place to a result of its type.
    for (const ValueId v : made)
      if (const auto at = std::ranges::find_if(dying, [&](ValueId d) { return g_.type(d) == g_.type(v); }); at != dying.end()) {
        bytes -= bytes_of(g_.type(v));
        dying.erase(at);
      }
    return bytes;
  }

  // Does a pointwise kernel read v only where it writes a value of v's type?
  bool is_read_where_written(Set k, ValueId v) const {
    for (size_t n = 0; n < nodes_.size(); ++n) {
      if (!(k >> n & 1)) continue;
      const Node& node = g_.nodes[nodes_[n]];
      if (!node.op->body) return false;
      for (const Operand& o : node.operands)
        if (o.is_value() && base_of(g_, o.id) == v && (o.id != v || g_.type(v).shape != g_.type(node.first_output).shape)) return false;
    }
    return true;
  }

  struct Best {
    int64_t peak;
    Set next;
  };
  const Graph& g_;
  std::vector<NodeIndex> nodes_;    // that compute
  std::vector<int> number_;         // by node: in nodes_, or -1
  std::vector<bool> wanted_;        // by value: is a result
  std::map<ValueId, Set> readers_;  // of operations' outputs
  std::vector<Set> kernels_, chosen_;
  std::map<Set, Best> known_;  // by what is done: the least peak of the rest
  FusedSchedules result_;
};

}  // namespace

FusedSchedules fused_schedules(const Graph& g) { return Schedules(g).run(); }

}  // namespace kiln::jit::test
