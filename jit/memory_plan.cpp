#include "jit/memory_plan.h"

#include <algorithm>
#include <limits>
#include <map>

#include "codegen/allocator.h"

namespace kiln::jit {
namespace {

using tracer::Graph;
using tracer::kNoValue;
using tracer::Node;
using tracer::NodeIndex;
using tracer::NodeKind;
using tracer::Operand;
using tracer::ValueId;

constexpr int kNever = -1;
constexpr int kMostTries = 32;  // to pack temporaries better

int64_t aligned(int64_t bytes) { return (bytes + codegen::kAlignment - 1) / codegen::kAlignment * codegen::kAlignment; }

class Planner {
 public:
  Planner(const Graph& g, const Partition& p, const std::vector<std::optional<DraftedCluster>>& drafts)
      : g_(g),
        partition_(p),
        drafts_(drafts),
        steps_(static_cast<int>(p.clusters.size())),
        last_read_(g.values.size(), kNever),
        written_at_(g.values.size(), kNever),
        result_of_(g.values.size(), kNone),
        is_result_(g.storages, false),
        lent_(g.storages, false),
        borrower_(g.storages, kNone),
        lender_(g.storages, kNone) {
    plan_.places.resize(g.values.size());
    plan_.before.resize(p.clusters.size());
  }

  MemoryPlan run() {
    lifetimes();
    place_inputs();
    route_results();
    for (int k = 0; k < steps_; ++k) place_step(k);
    final_copies();
    place_temporaries();
    count_lent();
    return std::move(plan_);
  }

 private:
  static constexpr uint32_t kNone = ~0u;

  void lifetimes() {
    for (int k = 0; k < steps_; ++k)
      for (NodeIndex i : partition_.clusters[static_cast<size_t>(k)].nodes) {
        const Node& n = g_.nodes[i];
        for (const Operand& o : n.operands)
          if (o.is_value()) last_read_[base_of(g_, o.id)] = k;
        for (uint32_t j = 0; j < n.outputs; ++j) written_at_[n.first_output + j] = k;
      }
    for (const tracer::Result& r : g_.results) is_result_[r.storage] = true;
    for (const uint32_t s : g_.lent) lent_[s] = true;
  }

  void place_inputs() {
    input_of_.assign(g_.storages, kNoValue);
    for (const Node& n : g_.nodes)
      if (n.kind == NodeKind::input) {
        plan_.places[n.first_output] = Place{true, n.storage, 0, bytes_of(g_.type(n.first_output))};
        input_of_[n.storage] = n.first_output;
      }
  }

  // Which values may be computed straight into the storage that wants them; the rest are copied at the end.
  void route_results() {
    final_.assign(g_.storages, kNoValue);
    for (const tracer::Result& r : g_.results) {
      const ValueId v = r.value;
      const Node& n = g_.producer(v);
      const bool unchanged = n.kind == NodeKind::input && n.storage == r.storage;
      if (unchanged) continue;
      final_[r.storage] = v;
      const bool own_memory = n.kind != NodeKind::view && n.kind != NodeKind::input && g_.values[v].layout == tracer::Layout::plain;
      if (own_memory && result_of_[v] == kNone) {
        result_of_[v] = r.storage;
        follow_updates(v);
      } else {
        copies_.push_back({v, kNoValue, r.storage});
      }
    }
    // A copy at the end whose source is an input that this program overwrites must be taken first.
    for (const PlannedCopy& c : copies_) {
      const Node& n = g_.producer(base_of(g_, c.source));
      if (n.kind == NodeKind::input && is_result_[n.storage] && n.storage != c.to_storage) plan_.first.push_back(c);
    }
  }

  // What an update overwrites is best computed where the update's result goes.
  void follow_updates(ValueId v) {
    while (g_.producer(v).kind == NodeKind::update) {
      const ValueId base = g_.producer(v).operands[0].id;
      const NodeKind kind = g_.producer(base).kind;
      if (kind == NodeKind::input || kind == NodeKind::view || result_of_[base] != kNone || g_.values[base].layout != tracer::Layout::plain)
        return;
      result_of_[base] = result_of_[v];
      v = base;
    }
  }

  // May step k compute v into storage s? Not if something that lives there is read later, or in this step other than at the element
  // stored, or is the storage's final content already.
  // `filled_first`: it is filled before the step's kernel reads anything.
  bool storage_free(uint32_t s, int k, ValueId v, bool filled_first = false) const {
    for (const uint32_t t : {s, borrower_[memory_of(s)]})
      if (t != kNone && final_[t] != kNoValue && final_[t] != v && written_at_[final_[t]] <= k) return false;
    for (const PlannedCopy& c : copies_)
      if (c.to_storage != s && lives_in(base_of(g_, c.source), s) && !is_first(c)) return false;
    for (ValueId x = 0; x < plan_.places.size(); ++x) {
      if (x == v || !lives_in(x, s)) continue;
      if (last_read_[x] > k || (lent_[memory_of(s)] && written_at_[x] == k)) return false;
      if (last_read_[x] == k && filled_first) return false;
      if (last_read_[x] == k && !(is_update_of(v, x) ? !read_otherwise(k, x, v) : reads_in_place(k, x, v))) return false;
    }
    return true;
  }
  bool lives_in(ValueId x, uint32_t s) const {
    return plan_.places[x] && plan_.places[x]->in_storage && memory_of(plan_.places[x]->storage) == memory_of(s);
  }
  // The storage whose memory s has: that of the input which lends it, or its own.
  uint32_t memory_of(uint32_t s) const { return lender_[s] != kNone ? lender_[s] : s; }
  bool is_update_of(ValueId v, ValueId base) const {
    const Node& n = g_.producer(v);
    return n.kind == NodeKind::update && n.operands[0].id == base;
  }
  bool is_first(const PlannedCopy& c) const {
    return std::ranges::any_of(plan_.first, [&](const PlannedCopy& f) { return f.to_storage == c.to_storage; });
  }

  // Does step k's kernel read `old` only at the very elements of v that it stores?
  bool reads_in_place(int k, ValueId old, ValueId v) const {
    const auto& drafted = drafts_[static_cast<size_t>(k)];
    if (!drafted || drafted->kernels.size() != 1) return false;
    const eager::LoweredKernel& kernel = drafted->kernels[0];
    const bool row = kernel.kernel.reduction != codegen::Reduction::none;
    if (row &&
        kernel.extents[static_cast<size_t>(kernel.kernel.reduced_dim())] != eager::product({kernel.extents.begin(), kernel.extents.end()}))
      return false;  // of many rows the order of steps (order.h) does not expect it
    const size_t rank = kernel.kernel.rank;
    const auto address = [&](size_t b) { return std::span(kernel.strides).subspan(b * rank, rank); };
    const auto same = [&](size_t a, size_t b) {
      return kernel.buffers[a].byte_offset == kernel.buffers[b].byte_offset && std::ranges::equal(address(a), address(b)) &&
             kernel.kernel.buffers[a].dtype == kernel.kernel.buffers[b].dtype;
    };
    // A complex value has two buffers, one for each part.
    std::vector<size_t> targets;
    for (size_t b = 0; b < kernel.buffers.size(); ++b)
      if (kernel.buffers[b].tensor == static_cast<int>(v)) targets.push_back(b);
    for (size_t b = 0; b < kernel.buffers.size(); ++b)
      if (kernel.buffers[b].tensor == static_cast<int>(old) &&
          (kernel.kernel.buffers[b].gathered || std::ranges::none_of(targets, [&](size_t t) { return same(b, t); })))
        return false;
    return !targets.empty() && (!row || none_read_later(kernel, targets, old));
  }

  // Of a row, what is stored in one pass is not loaded in a later one.
  static bool none_read_later(const eager::LoweredKernel& lowered, const std::vector<size_t>& targets, ValueId old) {
    const codegen::Kernel& k = lowered.kernel;
    const codegen::Schedule s = codegen::schedule(k);
    int stored = s.passes;
    for (size_t i = 0; i < k.stores.size(); ++i)
      if (std::ranges::count(targets, k.stores[i].buffer) > 0) stored = std::min<int>(stored, s.store_pass[i]);
    for (size_t p = static_cast<size_t>(stored) + 1; p < s.steps.size(); ++p)
      for (const auto* nodes : {&s.steps[p].once, &s.steps[p].loop})
        for (const codegen::NodeId id : *nodes)
          if (codegen::reads_memory(k.nodes[id]) && lowered.buffers[k.nodes[id].slot].tensor == static_cast<int>(old)) return false;
    return true;
  }

  void place_step(int k) {
    const Cluster& c = partition_.clusters[static_cast<size_t>(k)];
    const auto& drafted = drafts_[static_cast<size_t>(k)];
    for (NodeIndex i : c.nodes) {
      const Node& n = g_.nodes[i];
      for (uint32_t j = 0; j < n.outputs; ++j) {
        const ValueId v = n.first_output + j;
        if (drafted && !std::ranges::binary_search(drafted->writes, v)) continue;  // never in memory
        if (n.kind == NodeKind::update) {
          place_update(k, v, n.operands[0].id);
        } else {
          plan_.places[v] = own_place(k, v);
        }
      }
    }
    if (drafted && drafted->partials) {
      const int64_t bytes = aligned(eager::product(drafted->partials->shape) * size_of(drafted->partials->dtype));
      if (!plan_.partials || plan_.partials->bytes < bytes) plan_.partials = Place{false, 0, 0, bytes};
    }
  }

  // In the storage that wants v if that is free by now, else in a temporary (copied at the end if it is a result).
  Place own_place(int k, ValueId v) {
    const uint32_t s = result_of_[v];
    if (s != kNone) borrow_for_result(s, k, v);
    if (s != kNone && storage_free(s, k, v)) return Place{true, s, 0, bytes_of(g_.type(v))};
    if (s != kNone && final_[s] == v) copies_.push_back({v, kNoValue, s});
    return taken_over(k, v);
  }

  // ---- inputs that nobody sees afterwards ----
  // Where a loan cannot be made when the program runs, the two have memory of their own, and all that is planned holds as well.

  bool may_borrow(uint32_t from, int k, ValueId v) const { return lent_[from] && input_of_[from] != kNoValue && storage_free(from, k, v); }

  // A result without memory yet takes over that of an input, as large, which is dead by now or is read here element for element.
  void borrow_for_result(uint32_t s, int k, ValueId v) {
    if (input_of_[s] != kNoValue || lender_[s] != kNone) return;
    for (ValueId x = 0; x < plan_.places.size(); ++x)
      if (lives_in(x, s)) return;
    for (const uint32_t from : g_.lent) {
      if (borrower_[from] != kNone || !may_borrow(from, k, v) || bytes_of(g_.type(input_of_[from])) != bytes_of(g_.type(v))) continue;
      lender_[s] = from;
      borrower_[from] = s;
      plan_.loans.push_back({from, s});
      return;
    }
  }

  // The smallest that v fits in.
  std::optional<Place> borrowed(int k, ValueId v) const {
    const int64_t bytes = bytes_of(g_.type(v));
    uint32_t best = kNone;
    const auto size = [&](uint32_t from) { return bytes_of(g_.type(input_of_[from])); };
    for (const uint32_t from : g_.lent)
      if (may_borrow(from, k, v) && size(from) >= bytes && (best == kNone || size(from) < size(best))) best = from;
    if (best == kNone) return std::nullopt;
    return Place{true, best, 0, bytes};
  }

  void count_lent() {
    for (const uint32_t from : g_.lent) {
      bool used = borrower_[from] != kNone;
      for (ValueId v = 0; v < plan_.places.size(); ++v) used = used || (v != input_of_[from] && lives_in(v, from));
      if (used) plan_.lent_bytes += bytes_of(g_.type(input_of_[from]));
    }
  }

  // An update overwrites its operand's memory if that is dead and may be written; else it works on a copy.
  void place_update(int k, ValueId v, ValueId base) {
    const std::optional<Place>& old = plan_.places[base];
    const bool dead = last_read_[base] <= k && !read_otherwise(k, base, v) && !wanted(base);
    if (dead && old) {
      const bool may_write =
          old->in_storage ? (is_result_[old->storage] || lent_[old->storage]) && storage_free(old->storage, k, v) : !shares_owner(base, k);
      const bool right_place = result_of_[v] == kNone || (old->in_storage && old->storage == result_of_[v]);
      if (may_write && right_place) {
        plan_.places[v] = old;
        if (!old->in_storage) owner_[v] = owner(base);
        return;
      }
    }
    const uint32_t s = result_of_[v];
    if (s != kNone && storage_free(s, k, v, true) && !lives_in(base, s)) {
      plan_.places[v] = Place{true, s, 0, bytes_of(g_.type(v))};
    } else {
      if (s != kNone && final_[s] == v) copies_.push_back({v, kNoValue, s});
      plan_.places[v] = fresh(v);
    }
    plan_.before[static_cast<size_t>(k)].push_back({base, v, 0});
  }

  // Is base read in step k other than as this update's own operand?
  bool read_otherwise(int k, ValueId base, ValueId v) const {
    int reads = 0;
    for (NodeIndex i : partition_.clusters[static_cast<size_t>(k)].nodes)
      for (size_t o = 0; o < g_.nodes[i].operands.size(); ++o) {
        const Operand& x = g_.nodes[i].operands[o];
        if (x.is_value() && base_of(g_, x.id) == base && !(g_.nodes[i].first_output == v && o == 0)) ++reads;
      }
    return reads > 0 && !reads_in_place(k, base, v);
  }

  bool wanted(ValueId v) const {
    return std::ranges::any_of(g_.results, [&](const tracer::Result& r) { return base_of(g_, r.value) == v; });
  }

  Place fresh(ValueId v) {
    owner_[v] = v;
    return Place{false, 0, 0, bytes_of(g_.type(v))};
  }

  // A temporary may take the place of an operand that dies here, if the kernel reads that operand element for element.
  Place taken_over(int k, ValueId v) {
    const auto& drafted = drafts_[static_cast<size_t>(k)];
    if (drafted)
      for (ValueId r : drafted->reads) {
        const std::optional<Place>& p = plan_.places[r];
        if (!p || p->in_storage || last_read_[r] != k || wanted(r) || p->bytes != bytes_of(g_.type(v)) || taken_.contains({k, owner(r)}))
          continue;
        if (!reads_in_place(k, r, v) || shares_owner(r, k)) continue;
        taken_[{k, owner(r)}] = true;
        owner_[v] = owner(r);
        return *p;
      }
    if (const std::optional<Place> p = borrowed(k, v)) return *p;
    return fresh(v);
  }

  ValueId owner(ValueId v) const {
    const auto at = owner_.find(v);
    return at == owner_.end() ? v : at->second;
  }
  // Does another value in r's memory still live at step k?
  bool shares_owner(ValueId r, int k) const {
    return std::ranges::any_of(owner_, [&](const auto& e) { return e.second == owner(r) && e.first != r && last_read_[e.first] >= k; });
  }

  void final_copies() {
    for (const PlannedCopy& c : copies_) {
      if (is_first(c)) continue;
      last_read_[base_of(g_, c.source)] = steps_;
      plan_.last.push_back(c);
    }
  }

  // A piece of the arena for as long as any value lives in it.
  struct Block {
    int64_t bytes;
    int from, to;  // steps, both included
    int64_t offset = 0;
    int64_t area() const { return bytes * (to - from + 1); }
  };

  // Each block at the lowest offset that is free while it lives, in the given order. Returns where the highest one ends.
  static int64_t first_fit(const std::vector<Block*>& order) {
    int64_t end = 0;
    std::vector<std::pair<int64_t, int64_t>> busy;
    for (size_t i = 0; i < order.size(); ++i) {
      Block* const b = order[i];
      busy.clear();
      for (size_t j = 0; j < i; ++j)
        if (const Block* o = order[j]; o->from <= b->to && b->from <= o->to) busy.push_back({o->offset, o->offset + o->bytes});
      std::ranges::sort(busy);
      b->offset = 0;
      for (const auto& [from, to] : busy) {
        if (b->offset + b->bytes <= from) break;
        b->offset = std::max(b->offset, to);
      }
      end = std::max(end, b->offset + b->bytes);
    }
    return end;
  }

  // First fit by size is within the bound nearly always; other orders are tried where it is not, and the best one is kept.
  static int64_t pack(std::vector<Block*> blocks, int64_t bound) {
    int64_t best = std::numeric_limits<int64_t>::max();
    std::vector<int64_t> offsets;
    std::vector<Block*> kept;
    const auto attempt = [&] {
      if (best <= bound) return;
      const int64_t end = first_fit(blocks);
      if (end >= best) return;
      best = end;
      kept = blocks;
      offsets.clear();
      for (const Block* b : blocks) offsets.push_back(b->offset);
    };
    const auto by = [&](auto before) {
      std::ranges::stable_sort(blocks, before);
      attempt();
    };
    by([](const Block* a, const Block* b) { return a->bytes != b->bytes ? a->bytes > b->bytes : a->from < b->from; });
    by([](const Block* a, const Block* b) { return a->area() > b->area(); });
    by([](const Block* a, const Block* b) { return a->to - a->from > b->to - b->from; });
    by([](const Block* a, const Block* b) { return a->from < b->from; });
    // Then what ended highest goes first.
    for (int tries = 0; tries < kMostTries && best > bound; ++tries) {
      const auto highest = std::ranges::max_element(blocks, {}, [](const Block* b) { return b->offset + b->bytes; });
      std::rotate(blocks.begin(), highest, highest + 1);
      attempt();
    }
    for (size_t i = 0; i < kept.size(); ++i) kept[i]->offset = offsets[i];
    return best;
  }

  void place_temporaries() {
    std::map<ValueId, Block> blocks;  // by owner
    for (ValueId v = 0; v < plan_.places.size(); ++v) {
      if (!plan_.places[v] || plan_.places[v]->in_storage) continue;
      const int from = written_at_[v], to = std::max(from, last_read_[v]);
      const auto [at, added] = blocks.try_emplace(owner(v), Block{aligned(plan_.places[v]->bytes), from, to});
      at->second.from = std::min(at->second.from, from);
      at->second.to = std::max(at->second.to, to);
    }
    for (int k = 0; k < steps_; ++k) {
      int64_t live = 0;
      for (const auto& [v, b] : blocks)
        if (b.from <= k && k <= b.to) live += b.bytes;
      plan_.lower_bound = std::max(plan_.lower_bound, live);
    }
    std::vector<Block*> all;
    for (auto& [v, b] : blocks) all.push_back(&b);
    int64_t end = pack(std::move(all), plan_.lower_bound);
    for (ValueId v = 0; v < plan_.places.size(); ++v)
      if (plan_.places[v] && !plan_.places[v]->in_storage) plan_.places[v]->offset = blocks.at(owner(v)).offset;
    if (plan_.partials) {
      plan_.partials->offset = end;
      end += plan_.partials->bytes;
    }
    for (const PlannedCopy& c : plan_.first) {
      plan_.saved.push_back({false, 0, end, bytes_of(g_.type(c.source))});
      end += aligned(plan_.saved.back().bytes);
    }
    plan_.arena_bytes = end;
  }

  const Graph& g_;
  const Partition& partition_;
  const std::vector<std::optional<DraftedCluster>>& drafts_;
  const int steps_;
  std::vector<int> last_read_, written_at_;
  std::vector<uint32_t> result_of_;  // by value: the storage it would best be computed into
  std::vector<bool> is_result_;      // by storage
  std::vector<bool> lent_;           // by storage: Graph::lent
  std::vector<uint32_t> borrower_;   // by input's storage: the result's that takes over its memory, or kNone
  std::vector<uint32_t> lender_;     // the other way round
  std::vector<ValueId> input_of_;    // by storage
  std::vector<ValueId> final_;       // by storage: its last content, where the program changes it
  std::vector<PlannedCopy> copies_;
  std::map<ValueId, ValueId> owner_;  // temporaries that share memory have one owner
  std::map<std::pair<int, ValueId>, bool> taken_;
  MemoryPlan plan_;
};

}  // namespace

MemoryPlan plan_memory(const Graph& g, const Partition& p, const std::vector<std::optional<DraftedCluster>>& drafts) {
  return Planner(g, p, drafts).run();
}

}  // namespace kiln::jit
