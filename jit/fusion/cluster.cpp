#include "jit/fusion/cluster.h"

#include <algorithm>
#include <optional>
#include <span>

#include "jit/fusion/join.h"
#include "jit/fusion/place.h"

namespace kiln::jit {
namespace {

using tracer::Graph;
using tracer::Layout;
using tracer::Node;
using tracer::NodeIndex;
using tracer::NodeKind;
using tracer::Operand;
using tracer::ValueId;

constexpr uint32_t kNone = ~0u;
// A row that later passes read again must still be in L1 or L2 by then.
constexpr int64_t kMaxRowBytes = 64 << 10;

// At each position of the result its element is computed from elements alone. A gather's first operand is not among them: it is in memory.
bool is_pointwise(const Graph& g, const Node& n) { return n.kind == NodeKind::operation && (n.op->body || is_gather(g, n)); }
bool is_reduction(const Node& n) { return n.kind == NodeKind::operation && n.op->reduction; }
bool is_affine(const Node& n) { return n.kind == NodeKind::operation && n.op->affine; }

eager::Dims shape_of(const Graph& g, ValueId v) { return constant_shape(g.type(v)); }

class Fuser {
 public:
  Fuser(const Graph& g, const std::vector<uint32_t>& group) : g_(g), group_(group), uses_(g.use_counts()) {
    partition_.cluster_of.assign(g.nodes.size(), kNone);
  }

  Partition run() {
    for (NodeIndex i = 0; i < g_.nodes.size(); ++i) place(i);
    leave_lone_gathers();
    return ordered();
  }

 private:
  struct Range {
    int first = 0, count = 0;
  };

  // ---- placing one node: its own cluster, then joined to its producers' where that is allowed ----

  void place(NodeIndex i) {
    const Node& n = g_.nodes[i];
    Cluster c;
    c.nodes = {i};
    switch (n.kind) {
      case NodeKind::input:
      case NodeKind::view: return;
      case NodeKind::reorder: c.kind = StepKind::reorder; break;
      case NodeKind::update:
        c.space = eager::Dims();
        for (tracer::Dim d : n.window.shape) c.space.push_back(d.constant());
        break;
      case NodeKind::operation:
        c.layout = g_.values[n.first_output].layout;
        if (n.op->contraction) {
          c.kind = is_empty_contraction(g_, n) ? StepKind::opaque : StepKind::contraction;
        } else if (is_pointwise(g_, n)) {
          c.space = shape_of(g_, n.first_output);
        } else if (is_affine(n)) {
          c.space = shape_of(g_, n.first_output);
          c.affine = i;
        } else if (is_reduction(n) && reduces_something(n)) {
          c.space = shape_of(g_, n.operands[0].id);
          const Range r = range_of(n);
          c.first_reduced = r.first;
          c.reduced_count = r.count;
        } else {
          c.kind = StepKind::opaque;
        }
    }
    const auto id = static_cast<uint32_t>(partition_.clusters.size());
    partition_.cluster_of[i] = id;
    partition_.clusters.push_back(std::move(c));
    position_.push_back(static_cast<uint32_t>(order_.size()));
    order_.push_back(id);
    if (partition_.clusters[id].kind != StepKind::kernel) return;
    for (const Operand& o : n.operands) {
      if (!o.is_value()) continue;
      const ValueId base = base_of(g_, o.id);
      const uint32_t producer = partition_.cluster_of[g_.values[base].node];  // kNone for inputs
      const uint32_t own = partition_.cluster_of[i];
      if (producer == own) continue;
      std::optional<Apart> why;
      if (producer == kNone) why = Apart::view;
      else if (!one_group(i, base)) why = Apart::memory;
      else if (!reads_in_place(g_, joined(own, producer), i, o.id)) why = base == o.id ? Apart::shape : Apart::view;
      else why = apart(i, base, own, producer);
      if (!why && would_cycle(own, producer)) why = Apart::cycle;
      if (why) {
        partition_.borders.push_back({i, o.id, *why});
      } else {
        merge(producer, own);
      }
    }
  }

  bool one_group(NodeIndex i, ValueId v) const { return group_.empty() || group_[i] == group_[g_.values[v].node]; }

  // With nothing to fuse, the routine copies rows as fast as memory is.
  void leave_lone_gathers() {
    for (Cluster& c : partition_.clusters)
      if (c.nodes.size() == 1 && is_gather(g_, g_.nodes[c.nodes[0]])) c.kind = StepKind::opaque;
  }

  bool reduces_something(const Node& n) const {
    const eager::Dims shape = shape_of(g_, n.operands[0].id);
    const Range r = range_of(n);
    if (r.count == 0) return false;
    for (int a = r.first; a < r.first + r.count; ++a)
      if (shape[a] == 0) return false;
    return true;
  }

  Range range_of(const Node& n) const {
    const auto steps = eager::reduction_steps(shape_of(g_, n.operands[0].id), n.attrs[0], std::get<bool>(n.attrs[1]));
    return steps.size() == 1 ? Range{steps[0].first, steps[0].count} : Range{};
  }

  // ---- may node i (of cluster `own`) read value v inside producer's kernel? If not, why? ----

  std::optional<Apart> apart(NodeIndex i, ValueId v, uint32_t own, uint32_t producer) const {
    const Cluster& a = partition_.clusters[own];
    const Cluster& b = partition_.clusters[producer];
    const auto unless = [](bool joins, Apart why) { return joins ? std::nullopt : std::optional(why); };
    if (b.kind != StepKind::kernel || !fuses_values(i)) return Apart::own_step;
    if (a.nodes.size() + b.nodes.size() > kMaxNodes) return Apart::too_large;
    if (a.layout != b.layout) return Apart::layout;
    if (is_update(v)) return Apart::update;
    if (is_gather(g_, g_.nodes[i]) && b.has_affine()) return Apart::window;
    if (is_affine(g_.nodes[i])) return unless(may_absorb(v, b), Apart::window);
    if ((a.has_affine() && (b.has_affine() || b.reduced_count)) || (b.has_affine() && a.reduced_count)) return Apart::window;
    if (a.reduced_count && b.reduced_count && !same_rows(a, b)) return Apart::shape;
    if (a.reduced_count) {
      if (a.space != b.space) return Apart::shape;
      if (const auto why = b.reduced_count ? no_row(a) : std::nullopt) return why;
      return unless(splits_well(a), Apart::split);
    }
    if (b.reduced_count) return apart_from_rows(a, b);
    return unless(a.space == b.space, Apart::shape);
  }

  bool fuses_values(NodeIndex i) const {
    const Node& n = g_.nodes[i];
    return is_pointwise(g_, n) || is_reduction(n) || is_affine(n) || n.kind == NodeKind::update;
  }
  bool is_update(ValueId v) const { return g_.producer(v).kind == NodeKind::update; }

  // Pooling computes its operand where it reads it, once a tap: only for a cheap operator nobody else wants.
  bool may_absorb(ValueId v, const Cluster& producer) const {
    return producer.nodes.size() == 1 && is_pointwise(g_, g_.producer(v)) && !is_gather(g_, g_.producer(v)) && uses_[v] == 1 &&
           !producer.has_affine() && producer.reduced_count == 0;
  }

  static bool same_rows(const Cluster& a, const Cluster& b) {
    return a.space == b.space && a.first_reduced == b.first_reduced && a.reduced_count == b.reduced_count;
  }
  static bool lanes(const Cluster& c) { return c.first_reduced + c.reduced_count == c.space.size(); }
  static int64_t row(const Cluster& c) {
    int64_t n = 1;
    for (int d = c.first_reduced; d < c.first_reduced + c.reduced_count; ++d) n *= c.space[d];
    return n;
  }
  // Why a second pass over the reduced range would not find it in the cache; nullopt: it would.
  static std::optional<Apart> no_row(const Cluster& c) {
    if (!lanes(c)) return Apart::columns;
    return row(c) * 4 <= kMaxRowBytes ? std::nullopt : std::optional(Apart::long_row);
  }

  // A reduction that eager mode cuts over two kernels keeps its producers apart here too, for parallelism.
  bool splits_well(const Cluster& c) const { return !eager::splits_reduction(c.space, {c.first_reduced, c.reduced_count, true}); }

  // Users of a row's results: per row (the reduced shape), or per element of the row (another pass over it).
  std::optional<Apart> apart_from_rows(const Cluster& user, const Cluster& rows) const {
    if (!splits_well(rows)) return Apart::split;
    if (user.space == rows.space) return no_row(rows);
    for (bool keep : {true, false})
      if (user.space == eager::reduced_shape(rows.space, {rows.first_reduced, rows.reduced_count, keep})) return std::nullopt;
    return Apart::shape;
  }

  // ---- merging ----

  // The iteration that the two would share.
  Cluster joined(uint32_t into, uint32_t from) const {
    Cluster c;
    const Cluster &a = partition_.clusters[into], &b = partition_.clusters[from];
    const Cluster& leads = b.has_affine() || (b.reduced_count > 0 && !a.has_affine() && a.reduced_count == 0) ? b : a;
    c.space = leads.space;
    c.affine = leads.affine;
    c.first_reduced = leads.first_reduced;
    c.reduced_count = leads.reduced_count;
    return c;
  }

  // Does one of the two depend on the other by way of a third, or through memory? Leaves in needed_ what must run between them.
  bool would_cycle(uint32_t a, uint32_t b) {
    const Cluster both = joined(a, b);
    const auto [first, last] = std::minmax(a, b, [&](uint32_t x, uint32_t y) { return position_[x] < position_[y]; });
    needed_.assign(partition_.clusters.size(), false);
    std::vector<uint32_t> work{last};
    while (!work.empty()) {
      const uint32_t c = work.back();
      work.pop_back();
      for (NodeIndex i : partition_.clusters[c].nodes)
        for (size_t k = 0; k < g_.nodes[i].operands.size(); ++k) {
          const Operand& o = g_.nodes[i].operands[k];
          if (!o.is_value()) continue;
          const uint32_t p = partition_.cluster_of[g_.values[base_of(g_, o.id)].node];
          if (p == kNone || p == c || position_[p] < position_[first]) continue;
          if (p != first) {
            if (!needed_[p]) work.push_back(p);
            needed_[p] = true;
            continue;
          }
          const bool overwritten = g_.nodes[i].kind == NodeKind::update && k == 0;
          const bool fuses = c == last && !overwritten && reads_in_place(g_, both, i, o.id);  // the edge that fusion removes
          if (!fuses) return true;
        }
    }
    return false;
  }

  // Of the clusters from one to the other in order_, those that the later one needs now come before both, the rest after (would_cycle()
  // has found that none is both).
  void reorder(uint32_t into, uint32_t from) {
    const uint32_t begin = std::min(position_[into], position_[from]), end = std::max(position_[into], position_[from]);
    std::vector<uint32_t> moved{from};  // empty by now
    const auto range = std::span(order_).subspan(begin, end - begin + 1);
    for (const uint32_t c : range)
      if (needed_[c]) moved.push_back(c);
    moved.push_back(into);
    for (const uint32_t c : range)
      if (!needed_[c] && c != from && c != into) moved.push_back(c);
    std::ranges::copy(moved, range.begin());
    for (uint32_t at = begin; at <= end; ++at) position_[order_[at]] = at;
  }

  void merge(uint32_t into, uint32_t from) {
    Cluster& a = partition_.clusters[into];
    Cluster& b = partition_.clusters[from];
    const Cluster iteration = joined(into, from);
    a.space = iteration.space;
    a.affine = iteration.affine;
    a.first_reduced = iteration.first_reduced;
    a.reduced_count = iteration.reduced_count;
    a.nodes.insert(a.nodes.end(), b.nodes.begin(), b.nodes.end());
    std::sort(a.nodes.begin(), a.nodes.end());
    for (NodeIndex i : b.nodes) partition_.cluster_of[i] = into;
    b.nodes.clear();
    reorder(into, from);
  }

  // Clusters in dependency order, as near as possible to the order of calls; empty ones dropped.
  Partition ordered() {
    Partition result;
    result.cluster_of.assign(g_.nodes.size(), kNone);
    result.borders = partition_.borders;
    std::vector<uint8_t> state(partition_.clusters.size(), 0);
    enum : uint8_t { untouched, waiting, placed };
    const auto visit = [&](auto&& self, uint32_t c) -> void {
      check(state[c] != waiting, "kernels that wait for each other");
      if (state[c] == placed) return;
      state[c] = waiting;
      for (NodeIndex i : partition_.clusters[c].nodes)
        for (const Operand& o : g_.nodes[i].operands)
          if (o.is_value()) {
            const uint32_t p = partition_.cluster_of[g_.values[base_of(g_, o.id)].node];
            if (p != kNone && p != c) self(self, p);
          }
      for (NodeIndex i : partition_.clusters[c].nodes) result.cluster_of[i] = static_cast<uint32_t>(result.clusters.size());
      result.clusters.push_back(partition_.clusters[c]);
      state[c] = placed;
    };
    // A cluster's last node says when the program asked for it.
    std::vector<uint32_t> by_last;
    for (uint32_t c = 0; c < partition_.clusters.size(); ++c)
      if (!partition_.clusters[c].nodes.empty()) by_last.push_back(c);
    std::ranges::sort(by_last, {}, [&](uint32_t c) { return partition_.clusters[c].nodes.back(); });
    for (uint32_t c : by_last) visit(visit, c);
    return result;
  }

  const Graph& g_;
  const std::vector<uint32_t>& group_;
  std::vector<uint32_t> uses_;
  Partition partition_;
  std::vector<uint32_t> order_;     // clusters, each after those it reads from; also the empty ones
  std::vector<uint32_t> position_;  // in it, by cluster
  std::vector<bool> needed_;        // would_cycle(), by cluster
};

}  // namespace

ValueId base_of(const Graph& g, ValueId v) {
  while (g.producer(v).kind == NodeKind::view) v = g.producer(v).operands[0].id;
  return v;
}

bool is_empty_contraction(const Graph& g, const Node& n) {
  bool empty = false;
  for (const Operand& o : n.operands) empty |= o.is_value() && eager::product(shape_of(g, o.id)) == 0;
  for (uint32_t k = 0; k < n.outputs; ++k) empty |= eager::product(shape_of(g, n.first_output + k)) == 0;
  return empty;
}

Partition fuse(const Graph& g, const std::vector<uint32_t>& group) { return join_kernels(g, Fuser(g, group).run(), group); }

std::string describe(const Graph& g, const Cluster& c) {
  std::string s;
  for (NodeIndex i : c.nodes) {
    const Node& n = g.nodes[i];
    const std::string name = n.kind == NodeKind::operation ? std::string(n.op->name)
                             : n.kind == NodeKind::reorder ? "reorder to " + std::string(codegen::name_of(g.values[n.first_output].layout))
                                                           : "update";
    s += (s.empty() ? "" : " + ") + name;
  }
  return s;
}

}  // namespace kiln::jit
