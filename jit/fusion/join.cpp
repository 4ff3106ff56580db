#include "jit/fusion/join.h"

#include <algorithm>
#include <bitset>
#include <optional>
#include <set>

#include "codegen/kernel.h"
#include "jit/fusion/cluster_draft.h"
#include "jit/fusion/order.h"
#include "jit/fusion/place.h"

namespace kiln::jit {
namespace {

using eager::Dims;
using tracer::Graph;
using tracer::Node;
using tracer::NodeIndex;
using tracer::NodeKind;
using tracer::Operand;
using tracer::ValueId;

// Beyond, what is computed once a row, one value in a register, takes longer than a launch for the values of all rows side by side.
constexpr int64_t kFewRows = 4;
// Kernels that read the same are joined if that saves so much of what they move, and while they are bound by memory rather than by operations.
constexpr int64_t kWorthSharing = 8;
constexpr size_t kMostJoinedReaders = 24;
// Longer programs are not looked through for pairs of kernels.
constexpr size_t kMostSteps = 512;

bool is_one(const Dims& shape) { return eager::product(shape) == 1; }
bool is_vector(const Dims& shape) {
  return std::ranges::count_if(shape, [](int64_t n) { return n != 1; }) == 1;
}
int64_t row_of(const Cluster& c) {
  int64_t n = 1;
  for (int d = c.first_reduced; d < c.first_reduced + c.reduced_count; ++d) n *= c.space[d];
  return n;
}
bool reduces_last(const Cluster& c) { return c.first_reduced + c.reduced_count == c.space.size(); }
Dims row_space(const Cluster& c) { return Dims(c.space.begin() + c.first_reduced, c.space.begin() + c.first_reduced + c.reduced_count); }

class Joiner {
  using Steps = std::bitset<kMostSteps>;

 public:
  Joiner(const Graph& g, Partition p, const std::vector<uint32_t>& group) : g_(g), p_(std::move(p)), group_(group) {}

  Partition run() {
    if (std::ranges::count_if(p_.clusters, [&](const Cluster& c) { return may_join(c); }) < 2 || p_.clusters.size() > kMostSteps)
      return std::move(p_);
    for (StepGraph::Step& s : step_graph(g_, p_).steps) after_.push_back(std::move(s.after));
    waits_.assign(after_.size(), Steps());
    for (uint32_t c = 0; c < after_.size(); ++c)
      for (const uint32_t before : after_[c]) waits_[c] |= waits_[before], waits_[c].set(before);
    join_readers();
    join_small();
    return joined_ ? ordered() : std::move(p_);
  }

 private:
  void join_small() {
    std::vector<uint32_t> small;
    for (uint32_t c = 0; c < p_.clusters.size(); ++c)
      if (!p_.clusters[c].nodes.empty() && may_join(p_.clusters[c]) && is_small(p_.clusters[c])) small.push_back(c);
    // What has been joined may take in what neither part could.
    for (bool found = true; found;) {
      found = false;
      for (size_t i = 0; i < small.size(); ++i)
        for (size_t j = i + 1; j < small.size(); ++j) {
          if (!join(small[i], small[j])) continue;
          small.erase(small.begin() + static_cast<std::ptrdiff_t>(j--));
          found = joined_ = true;
        }
    }
  }

  bool may_join(const Cluster& c) const {
    return c.kind == StepKind::kernel && !c.has_affine() && c.layout == tracer::Layout::plain && eager::product(c.space) > 0 &&
           !(c.reduced_count > 0 && row_of(c) == 1) &&
           std::ranges::none_of(c.nodes, [&](NodeIndex i) { return g_.nodes[i].kind == NodeKind::update; });
  }
  static bool is_small(const Cluster& c) { return eager::product(c.space) <= codegen::kChunk; }

  // Kernels one right after the other that read the same: joined they read it once. Nothing lives longer for it.
  void join_readers() {
    const std::vector<bool> stored = stored_values(g_, p_);
    uint32_t before = 0;
    for (uint32_t c = 1; c < p_.clusters.size(); ++c)
      if (!(share_reads(before, c, stored) && join(before, c))) before = c;
      else joined_ = true;
  }

  bool share_reads(uint32_t a, uint32_t b, const std::vector<bool>& stored) const {
    const Cluster &first = p_.clusters[a], &second = p_.clusters[b];
    if (!may_join(first) || !may_join(second) || first.space != second.space || waits_[b].test(a)) return false;
    if (first.nodes.size() + second.nodes.size() > kMostJoinedReaders) return false;
    std::set<ValueId> read_by[2];
    int64_t moved = 0, shared = 0;
    for (const uint32_t c : {a, b}) {
      const Cluster& cluster = p_.clusters[c];
      if (cluster.reduced_count > 0 && eager::splits_reduction(cluster.space, {cluster.first_reduced, cluster.reduced_count, true}))
        return false;
      for (const NodeIndex i : cluster.nodes) {
        const Node& n = g_.nodes[i];
        for (const Operand& o : n.operands)
          if (o.is_value() && p_.cluster_of[g_.values[base_of(g_, o.id)].node] != c) read_by[c == b].insert(base_of(g_, o.id));
        for (ValueId v = n.first_output; v < n.first_output + n.outputs; ++v)
          if (stored[v]) moved += bytes_of(g_.type(v));
      }
      for (const ValueId v : read_by[c == b]) {
        moved += bytes_of(g_.type(v));
        if (c == b && read_by[0].contains(v)) shared += bytes_of(g_.type(v));
      }
    }
    return shared * kWorthSharing >= moved;
  }

  // The iteration that the two would share, if there is one.
  static std::optional<Cluster> iteration(const Cluster& a, const Cluster& b) {
    const auto over = [](const Cluster& c) {
      Cluster both;
      both.space = c.space, both.first_reduced = c.first_reduced, both.reduced_count = c.reduced_count;
      return both;
    };
    if (a.reduced_count == 0 && b.reduced_count > 0) return iteration(b, a);
    if (b.reduced_count > 0) {
      const bool same = a.space == b.space && a.first_reduced == b.first_reduced && a.reduced_count == b.reduced_count;
      if (same && is_vector(row_space(a))) return over(a);
    } else if (a.reduced_count > 0) {
      if (a.space == b.space && is_vector(row_space(a))) return over(a);
      const bool few = !reduces_last(a) || eager::product(a.space) <= kFewRows * row_of(a);
      if (a.space != b.space && few && has_position(a, b.space)) return over(a);
    } else if (a.space == b.space || (is_one(a.space) && is_one(b.space))) {
      return over(a);
    } else if (is_one(a.space) || is_one(b.space)) {
      Cluster both = over(is_one(a.space) ? b : a);
      both.reduced_count = both.space.size();
      if (is_vector(both.space)) return both;
    }
    return std::nullopt;
  }

  bool join(uint32_t a, uint32_t b) {
    Cluster& into = p_.clusters[a];
    Cluster& from = p_.clusters[b];
    if (into.nodes.size() + from.nodes.size() > kMaxNodes) return false;
    if (!group_.empty() && group_[into.nodes[0]] != group_[from.nodes[0]]) return false;
    const std::optional<Cluster> both = iteration(into, from);
    if (!both || waits_by_way_of_others(a, b) || waits_by_way_of_others(b, a)) return false;
    if (!reads_from_registers(into, b, *both) || !reads_from_registers(from, a, *both)) return false;
    into.space = both->space, into.first_reduced = both->first_reduced, into.reduced_count = both->reduced_count;
    into.nodes.insert(into.nodes.end(), from.nodes.begin(), from.nodes.end());
    std::ranges::sort(into.nodes);
    for (const NodeIndex i : from.nodes) p_.cluster_of[i] = a;
    from.nodes.clear();
    for (std::vector<uint32_t>& after : after_) std::ranges::replace(after, b, a);
    after_[a].insert(after_[a].end(), after_[b].begin(), after_[b].end());
    std::erase(after_[a], a);
    waits_[a] |= waits_[b];
    waits_[a].reset(a), waits_[a].reset(b);
    for (Steps& waits : waits_)
      if (waits.test(a) || waits.test(b)) waits |= waits_[a], waits.set(a);
    return true;
  }

  // Would all that this cluster reads of the other be there where it reads it?
  bool reads_from_registers(const Cluster& reader, uint32_t other, const Cluster& both) const {
    for (const NodeIndex i : reader.nodes) {
      const Node& n = g_.nodes[i];
      for (const Operand& o : n.operands) {
        if (!o.is_value()) continue;
        const ValueId base = base_of(g_, o.id);
        if (p_.cluster_of[g_.values[base].node] != other) continue;
        const Dims made = constant_shape(g_.type(base)),
                   wanted = constant_shape(g_.type(n.op->reduction ? n.operands[0].id : n.first_output));
        if (!has_position(both, made) || !has_position(both, wanted) || !reads_in_place(g_, both, i, o.id)) return false;
        // A row's result along the row: another pass, which finds the row only where it is the innermost dimension.
        if (p_.clusters[other].reduced_count > 0 && made != both.space && wanted == both.space && !reduces_last(both)) return false;
      }
    }
    return true;
  }

  bool waits_by_way_of_others(uint32_t c, uint32_t for_) const {
    return waits_[c].test(for_) &&
           std::ranges::any_of(after_[c], [&](uint32_t before) { return before != for_ && waits_[before].test(for_); });
  }

  // As near as possible to the order of calls: a cluster's last node says when the program asked for it.
  Partition ordered() {
    std::vector<uint32_t> order, by_last;
    for (uint32_t c = 0; c < p_.clusters.size(); ++c)
      if (!p_.clusters[c].nodes.empty()) by_last.push_back(c);
    std::ranges::sort(by_last, {}, [&](uint32_t c) { return p_.clusters[c].nodes.back(); });
    std::vector<bool> placed(p_.clusters.size(), false);
    const auto place = [&](auto&& self, uint32_t c) -> void {
      if (placed[c]) return;
      placed[c] = true;
      for (const uint32_t before : after_[c]) self(self, before);
      order.push_back(c);
    };
    for (const uint32_t c : by_last) place(place, c);
    put_in_order(p_, order);
    return std::move(p_);
  }

  const Graph& g_;
  Partition p_;
  const std::vector<uint32_t>& group_;
  std::vector<std::vector<uint32_t>> after_;  // by cluster: those that must run before; also by one that has been joined
  std::vector<Steps> waits_;                  // by cluster: those that must have run, by way of whatever others
  bool joined_ = false;
};

}  // namespace

Partition join_kernels(const Graph& g, Partition p, const std::vector<uint32_t>& group) { return Joiner(g, std::move(p), group).run(); }

}  // namespace kiln::jit
