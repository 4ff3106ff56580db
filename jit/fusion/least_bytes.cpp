#include "jit/fusion/least_bytes.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "jit/memory_plan.h"

namespace kiln::jit {
namespace {

using tracer::Graph;
using tracer::Node;
using tracer::NodeIndex;
using tracer::NodeKind;
using tracer::Operand;
using tracer::ValueId;

class Bound {
 public:
  explicit Bound(const Graph& g) : g_(g), level_(g.nodes.size(), 0), stage_(g.nodes.size()) {}

  // Each node as early as its operands allow, or as late as its readers do: a momentum that is scaled waits for the gradient it is added
  // to, a row's sum does not wait for the product it is subtracted from.
  int64_t run() {
    levels();
    const int64_t early = bytes_of_stages();
    sink();
    return std::min(early, bytes_of_stages());
  }

 private:
  // A node's level is the number of contractions before it, on the way with most of them.
  void levels() {
    for (NodeIndex i = 0; i < g_.nodes.size(); ++i)
      for (const Operand& o : g_.nodes[i].operands)
        if (o.is_value()) {
          const NodeIndex p = g_.values[o.id].node;
          level_[i] = std::max(level_[i], level_[p] + (is_contraction(p) ? 1 : 0));
        }
  }

  // Raises levels to the least of the readers'.
  void sink() {
    constexpr uint32_t kUnread = ~0u;
    std::vector<uint32_t> least(g_.nodes.size(), kUnread);
    for (const tracer::Result& r : g_.results) least[g_.values[r.value].node] = 0;  // stays
    for (auto i = static_cast<NodeIndex>(g_.nodes.size()); i-- > 0;) {
      if (!is_contraction(i) && least[i] != kUnread) level_[i] = std::max(level_[i], least[i]);
      for (const Operand& o : g_.nodes[i].operands)
        if (o.is_value()) {
          uint32_t& l = least[g_.values[o.id].node];
          l = std::min(l, level_[i]);
        }
    }
  }

  int64_t bytes_of_stages() {
    std::iota(stage_.begin(), stage_.end(), 0u);
    for (NodeIndex i = 0; i < g_.nodes.size(); ++i) {
      if (!computes(i)) continue;
      for (const Operand& o : g_.nodes[i].operands)
        if (o.is_value())
          if (const NodeIndex p = g_.values[source(o.id)].node; computes(p) && level_[p] == level_[i]) stage_[root(i)] = root(p);
    }
    std::map<NodeIndex, std::map<ValueId, int64_t>> reads;  // by stage: array, bytes of it
    std::set<ValueId> written;
    const auto read_by = [&](NodeIndex reader, size_t operand) {
      const ValueId v = g_.nodes[reader].operands[operand].id, s = source(v);
      const NodeIndex p = g_.values[s].node;
      const bool stage = computes(reader);
      if (stage && computes(p) && root(p) == root(reader)) return;
      if (computes(p)) written.insert(s);
      if (!stage) return;
      int64_t& most = reads[root(reader)][s];
      most = std::max(most, std::min(bytes_read(g_, g_.nodes[reader], operand), bytes_of(g_.type(s))));
    };
    for (NodeIndex i = 0; i < g_.nodes.size(); ++i)
      if (computes(i) || is_contraction(i))
        for (size_t k = 0; k < g_.nodes[i].operands.size(); ++k)
          if (g_.nodes[i].operands[k].is_value()) read_by(i, k);
    for (const tracer::Result& r : g_.results)
      if (const ValueId s = source(r.value); computes(g_.values[s].node)) written.insert(s);

    int64_t bytes = 0;
    for (const auto& [stage, arrays] : reads)
      for (const auto& [array, part] : arrays) bytes += part;
    for (const ValueId v : written) bytes += bytes_of(g_.type(v));
    return bytes;
  }

  bool is_contraction(NodeIndex i) const { return g_.nodes[i].kind == NodeKind::operation && g_.nodes[i].op->contraction; }
  bool computes(NodeIndex i) const {
    const NodeKind kind = g_.nodes[i].kind;
    return (kind == NodeKind::operation || kind == NodeKind::update) && !is_contraction(i);
  }
  // The array that v shows, maybe in another layout.
  ValueId source(ValueId v) const {
    while (g_.producer(v).kind == NodeKind::view || g_.producer(v).kind == NodeKind::reorder) v = g_.producer(v).operands[0].id;
    return v;
  }
  NodeIndex root(NodeIndex i) {
    while (stage_[i] != i) i = stage_[i] = stage_[stage_[i]];
    return i;
  }

  const Graph& g_;
  std::vector<uint32_t> level_;
  std::vector<NodeIndex> stage_;  // towards the stage's first node
};

}  // namespace

int64_t least_bytes(const Graph& g) { return Bound(g).run(); }

}  // namespace kiln::jit
