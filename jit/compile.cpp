// The pipeline in reading order: graph passes, fusion, drafting of kernels, memory plan, steps.
#include <algorithm>
#include <chrono>

#include "jit/executable.h"
#include "jit/fusion/least_bytes.h"
#include "jit/fusion/order.h"
#include "jit/fusion/place.h"
#include "jit/fusion/schedule.h"
#include "jit/passes/pass.h"

namespace kiln::jit {

using tracer::constant_shape;
using tracer::Graph;
using tracer::Node;
using tracer::NodeIndex;
using tracer::NodeKind;
using tracer::Operand;
using tracer::ValueId;

namespace {

// A cluster whose kernel cannot be drafted (an operand crosses the reduced range unevenly) runs node by node; its reductions as eager mode
// runs them, which copies the operand first.
Partition explode(const Graph& g, const Partition& p, uint32_t which) {
  Partition result;
  result.cluster_of.assign(g.nodes.size(), ~0u);
  result.borders = p.borders;
  for (uint32_t c = 0; c < p.clusters.size(); ++c) {
    std::vector<Cluster> parts{p.clusters[c]};
    if (c == which) {
      parts.clear();
      for (NodeIndex i : p.clusters[c].nodes) {
        const Node& n = g.nodes[i];
        Cluster part;
        part.nodes = {i};
        part.kind = n.kind == NodeKind::operation && (n.op->reduction || n.op->routine) ? StepKind::opaque : StepKind::kernel;
        part.layout = g.values[n.first_output].layout;
        part.space = n.kind == NodeKind::update ? constant_shape({DType::F32, n.window.shape}) : constant_shape(g.type(n.first_output));
        parts.push_back(std::move(part));
      }
    }
    for (Cluster& part : parts) {
      for (NodeIndex i : part.nodes) result.cluster_of[i] = static_cast<uint32_t>(result.clusters.size());
      result.clusters.push_back(std::move(part));
    }
  }
  return result;
}

struct Drafts {
  Partition partition;
  std::vector<std::optional<DraftedCluster>> kernels;
  std::vector<bool> stored;
};

Drafts draft_all(const Graph& g, Partition p) {
  for (int visits = kOrderVisits;;) {
    std::vector<bool> stored = stored_values(g, p);
    std::vector<std::optional<DraftedCluster>> kernels(p.clusters.size());
    std::optional<uint32_t> failed;
    for (uint32_t c = 0; c < p.clusters.size() && !failed; ++c) {
      if (p.clusters[c].kind != StepKind::kernel) continue;
      kernels[c] = draft(g, p.clusters[c], stored);
      if (!kernels[c]) failed = c;
    }
    if (!failed) return {std::move(p), std::move(kernels), std::move(stored)};
    p = explode(g, p, *failed);
    put_in_order(p, order_for_memory(step_graph(g, p), visits));
  }
}

}  // namespace

namespace {
Partition unfused(const Graph&);
}

class ExecutableBuilder {
 public:
  ExecutableBuilder(Graph g, bool optimize, const Meddling& meddling = {})
      : g_(std::move(g)), optimize_(optimize), meddling_(meddling), out_(std::make_shared<Executable>()) {}

  std::shared_ptr<const Executable> run() {
    const auto start = std::chrono::steady_clock::now();
    out_->graph_text_ = print(g_);
    for (const Node& n : g_.nodes) {
      if (n.kind != NodeKind::operation && n.kind != NodeKind::update) continue;
      ++out_->info_.operations;
      out_->info_.work += static_cast<double>(bytes_of(g_.type(n.first_output)) / size_of(g_.type(n.first_output).dtype));
    }
    if (optimize_) run_passes(g_);
    out_->final_graph_text_ = print(g_);
    Partition steps = optimize_ ? schedule(g_) : unfused(g_);
    if (meddling_.ordered) meddling_.ordered(g_, steps);
    drafts_ = draft_all(g_, std::move(steps));
    if (meddling_.drafted) meddling_.drafted(drafts_.kernels);
    plan_ = plan_memory(g_, drafts_.partition, drafts_.kernels);
    if (meddling_.planned) meddling_.planned(g_, drafts_.partition, plan_);
    out_->loans_ = plan_.loans;
    out_->storages_ = g_.storages;
    for (const tracer::Result& r : g_.results) out_->results_.push_back(r.storage);
    for (size_t i = 0; i < plan_.first.size(); ++i) copy(plan_.first[i].source, address(plan_.saved[i]));
    for (uint32_t c = 0; c < drafts_.partition.clusters.size(); ++c) step(c);
    for (size_t i = 0; i < plan_.first.size(); ++i) copy_saved(plan_.first[i], plan_.saved[i]);
    for (const PlannedCopy& p : plan_.last) copy(p.source, {p.to_storage, 0});
    out_->arena_bytes_ = plan_.arena_bytes;
    out_->info_.arena_bytes = plan_.arena_bytes;
    out_->info_.live_bytes = plan_.lower_bound;
    out_->info_.lent_bytes = plan_.lent_bytes;
    out_->info_.scratch_bytes = static_cast<int64_t>(out_->scratch_bytes_);
    out_->info_.least_bytes = least_bytes(g_);
    out_->info_.launches = out_->steps_.size();
    out_->info_.compile_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    return out_;
  }

 private:
  Address address(const Place& p) const { return p.in_storage ? Address{p.storage, p.offset} : Address{g_.storages, p.offset}; }
  Address address(ValueId v) const {
    const Location l = locate(g_, v);
    check(plan_.places[l.tensor].has_value(), "a value without memory");
    Address a = address(*plan_.places[l.tensor]);
    a.bytes += l.offset * size_of(g_.type(v).dtype);
    return a;
  }

  // Tells of the steps added since the last line.
  void note(const std::string& line, const std::string& why, tracer::StepCost cost, std::span<const uint32_t> nodes = {}) {
    std::vector<uint32_t> calls;
    for (const uint32_t n : nodes)
      if (g_.nodes[n].origin != tracer::kNoOrigin) calls.push_back(g_.nodes[n].origin);
    std::ranges::sort(calls);
    calls.erase(std::ranges::unique(calls).begin(), calls.end());
    out_->info_.calls.push_back(std::move(calls));
    out_->info_.steps.push_back(line);
    out_->info_.reasons.push_back(why);
    out_->info_.costs.push_back(cost);
    out_->steps_told_.push_back(out_->steps_.size());
    if (!cost.contraction) out_->info_.moved_bytes += cost.bytes;
  }
  // Bytes of a node's operands and results.
  int64_t bytes_of_node(const Node& n) const {
    int64_t bytes = 0;
    for (size_t k = 0; k < n.operands.size(); ++k)
      if (n.operands[k].is_value()) bytes += bytes_read(g_, n, k);
    for (uint32_t k = 0; k < n.outputs; ++k) bytes += bytes_of(g_.type(n.first_output + k));
    return bytes;
  }

  void step(uint32_t c) {
    const Cluster& cluster = drafts_.partition.clusters[c];
    const std::string why = reason(g_, drafts_.partition, drafts_.stored, c);
    for (const PlannedCopy& p : plan_.before[c]) copy(p.source, address(*plan_.places[p.to_value]));
    switch (cluster.kind) {
      case StepKind::kernel: kernel(cluster, *drafts_.kernels[c], why); break;
      case StepKind::contraction: contraction(g_.nodes[cluster.nodes[0]], why, cluster.nodes); break;
      case StepKind::reorder: reorder(g_.nodes[cluster.nodes[0]], why); break;
      case StepKind::update:
      case StepKind::opaque: opaque(g_.nodes[cluster.nodes[0]], why, cluster.nodes); break;
    }
  }

  void kernel(const Cluster& cluster, const DraftedCluster& drafted, const std::string& why) {
    const std::string what = describe(g_, cluster);
    for (const eager::LoweredKernel& k : drafted.kernels) {
      add_kernel(k, drafted.scalar_slots, what, [&](int tensor) {
        return tensor == kPartials ? address(*plan_.partials) : address(*plan_.places[static_cast<ValueId>(tensor)]);
      });
    }
    int64_t read = -drafted.unread, written = 0;
    for (ValueId v : drafted.reads) read += bytes_of(g_.type(v));
    for (ValueId v : drafted.writes) written += bytes_of(g_.type(v));
    char sizes[64];
    std::snprintf(sizes, sizeof sizes, ": reads %.3g MB, writes %.3g MB", static_cast<double>(read) / 1e6,
                  static_cast<double>(written) / 1e6);
    note("kernel  " + what + sizes, why, {read + written, false}, cluster.nodes);
  }

  template <class AddressOf>
  void add_kernel(const eager::LoweredKernel& k, const std::vector<DraftedCluster::ScalarSlot>& slots, const std::string& what,
                  AddressOf&& address_of) {
    KernelStep s;
    s.kernel = codegen::get(k.kernel, what);
    out_->codes_.emplace_back(out_->info_.steps.size(), s.kernel);  // the step is noted next
    s.extents = k.extents;
    s.strides = k.strides;
    s.clip_total = k.clip_total;
    for (const eager::BufferUse& b : k.buffers) {
      Address a = address_of(b.tensor);
      a.bytes += b.byte_offset;
      s.buffers.push_back(a);
    }
    for (int n : k.scalars) {
      if (n >= 0) s.scalars.push_back(slots[static_cast<size_t>(n)]);
      else s.scalars.push_back({.number = 0, .dtype = DType::I64, .known = k.numbers[static_cast<size_t>(~n)]});
    }
    ++out_->info_.kernels;
    if (joins_previous(s)) return;
    out_->steps_.emplace_back(std::move(s));
    out_->kernel_notes_.push_back(what);
  }

  // Puts the launch into the step before it if that runs the same kernel and neither touches what the other writes.
  bool joins_previous(KernelStep& s) {
    if (out_->steps_.empty()) return false;
    Step& last = out_->steps_.back();
    if (auto* batch = std::get_if<BatchStep>(&last)) {
      if (batch->launches[0].kernel != s.kernel ||
          !std::ranges::all_of(batch->launches, [&](const KernelStep& k) { return independent(k, s); }))
        return false;
      batch->launches.push_back(std::move(s));
      return true;
    }
    auto* single = std::get_if<KernelStep>(&last);
    if (single == nullptr || single->kernel != s.kernel || !independent(*single, s)) return false;
    BatchStep batch;
    batch.launches.push_back(std::move(*single));
    batch.launches.push_back(std::move(s));
    last = std::move(batch);
    return true;
  }

  struct Range {
    int64_t from, to;
  };
  static Range range(const KernelStep& s, size_t buffer) {
    const size_t rank = s.extents.size();
    Range r{s.buffers[buffer].bytes, s.buffers[buffer].bytes + size_of(s.kernel->kernel.buffers[buffer].dtype)};
    for (size_t d = 0; d < rank; ++d) {
      const int64_t reach = (s.extents[d] - 1) * s.strides[buffer * rank + d];
      (reach < 0 ? r.from : r.to) += reach;
    }
    return r;
  }
  // The storage whose memory a slot is: a result's that takes over an input's is that input's too.
  uint32_t memory_of(uint32_t slot) const {
    for (const MemoryPlan::Loan& l : plan_.loans)
      if (l.to == slot) return l.from;
    return slot;
  }
  bool independent(const KernelStep& a, const KernelStep& b) const {
    for (size_t i = 0; i < a.buffers.size(); ++i)
      for (size_t j = 0; j < b.buffers.size(); ++j) {
        if (memory_of(a.buffers[i].slot) != memory_of(b.buffers[j].slot)) continue;
        const codegen::Buffer &of_a = a.kernel->kernel.buffers[i], &of_b = b.kernel->kernel.buffers[j];
        if (!of_a.written && !of_b.written) continue;
        if (of_a.gathered || of_b.gathered) return false;  // who knows where
        const Range x = range(a, i), y = range(b, j);
        if (x.from < y.to && y.from < x.to) return false;
      }
    return true;
  }

  void contraction(const Node& n, const std::string& why, std::span<const uint32_t> nodes) {
    std::vector<eager::OperandType> types;
    ContractionStep s;
    for (const Operand& o : n.operands) {
      types.push_back(operand_type(g_, o));
      if (o.is_value()) s.inputs.push_back(address(o.id));
    }
    for (uint32_t k = 0; k < n.outputs; ++k) s.outputs.push_back(address(n.first_output + k));
    s.plan = codegen::contraction_plan(n.op->contraction(types, n.attrs));
    out_->scratch_bytes_ = std::max(out_->scratch_bytes_, s.plan->scratch_bytes());
    out_->info_.work += s.plan->flops() / 32;  // per element of a vector, as the rest is counted
    const std::string text = s.plan->describe();
    out_->steps_.emplace_back(std::move(s));
    note("library " + text, why, {bytes_of_node(n), true}, nodes);
    ++out_->info_.contractions;
  }

  void reorder(const Node& n, const std::string& why) {
    const ValueId from = n.operands[0].id, to = n.first_output;
    const eager::Dims shape = constant_shape(g_.type(to));
    const Location source = locate(g_, from);
    const bool dense = source.layout != codegen::Layout::plain || source.strides == eager::contiguous_strides(shape);
    if (g_.type(to).dtype == DType::F32 && dense) {
      out_->steps_.emplace_back(
          ReorderStep{address(from), address(to), g_.values[from].layout, g_.values[to].layout, {shape[0], shape[1], shape[2], shape[3]}});
      note("reorder " + eager::to_string(shape), why, {bytes_of_node(n), false});
      return;
    }
    // Other dtypes and strided sources go through a copy kernel over the blocked layout's dimensions.
    const codegen::Layout blocked = source.layout != codegen::Layout::plain ? source.layout : g_.values[to].layout;
    const eager::Dims extents = blocked_extents(shape, blocked);
    eager::KernelDraft d(extents);
    const auto strides = [&](ValueId v) {
      const Location l = locate(g_, v);
      if (l.layout != codegen::Layout::plain) return eager::contiguous_strides(extents);
      const int axis = codegen::split_axis(blocked);
      eager::Dims s = l.strides;
      s[axis] *= codegen::kLayoutBlock;
      s.push_back(l.strides[axis]);
      return s;
    };
    move(d, g_.type(to).dtype, strides(from), strides(to));
    add_kernel(std::move(d).finish(), {}, "reorder", [&](int tensor) { return address(tensor == 0 ? from : to); });
    note("kernel  reorder " + eager::to_string(shape), why, {bytes_of_node(n), false});
  }

  void opaque(const Node& n, const std::string& why, std::span<const uint32_t> nodes) {
    OpaqueStep s;
    s.op = n.op;
    s.attrs = n.attrs;
    for (const Operand& o : n.operands) {
      OpaqueStep::Input in{o.kind, o.id, {}, {}, {}};
      if (o.is_value()) {
        const Location l = locate(g_, o.id);
        in.address = address(o.id);
        in.type = {g_.type(o.id).dtype, l.shape};
        in.strides = l.strides;
      }
      s.inputs.push_back(std::move(in));
    }
    for (uint32_t k = 0; k < n.outputs; ++k) {
      s.outputs.push_back(address(n.first_output + k));
      s.types.push_back({g_.type(n.first_output + k).dtype, constant_shape(g_.type(n.first_output + k))});
    }
    out_->steps_.emplace_back(std::move(s));
    note((n.op->routine ? "routine " : "eager   ") + std::string(n.op->name), why, {bytes_of_node(n), false}, nodes);
  }

  // A whole value into row-major memory.
  void copy(ValueId source, Address to) {
    const Location l = locate(g_, source);
    check(l.layout == codegen::Layout::plain, "a copy out of a blocked layout");
    copy_kernel(g_.type(source).dtype, l.shape, l.strides, address(source), to);
  }
  void copy_saved(const PlannedCopy& p, const Place& saved) {
    const eager::Dims shape = constant_shape(g_.type(p.source));
    copy_kernel(g_.type(p.source).dtype, shape, eager::contiguous_strides(shape), address(saved), {p.to_storage, 0});
  }
  // Tensor 1 <- tensor 0, as bits: the store of a float would make its NaN the canonical one.
  static void move(eager::KernelDraft& d, DType dtype, eager::Dims from, eager::Dims to) {
    const int parts = parts_of(dtype);
    const DType bits = bits_of(real_of(dtype));
    for (eager::Dims* strides : {&from, &to})
      for (int64_t& s : *strides) s *= parts;
    for (int i = 0; i < parts; ++i) d.store(1, bits, i, to, d.load(0, bits, i, from));
  }
  void copy_kernel(DType dtype, const eager::Dims& shape, const eager::Dims& strides, Address from, Address to) {
    eager::KernelDraft d(shape);
    move(d, dtype, strides, eager::contiguous_strides(shape));
    add_kernel(std::move(d).finish(), {}, "copy", [&](int tensor) { return tensor == 0 ? from : to; });
    note("kernel  copy " + eager::to_string(shape), "keeps what a write in place would overwrite, or gives a result memory of its own",
         {2 * eager::product(shape) * size_of(dtype), false});
  }

  Graph g_;
  const bool optimize_;
  const Meddling meddling_;
  Drafts drafts_;
  MemoryPlan plan_;
  std::shared_ptr<Executable> out_;
};

namespace {

// Every operator a step of its own, as eager mode runs it: for a graph that the pipeline fails on, which is a bug here but no reason for
// the user's program to stop.
Partition unfused(const Graph& g) {
  Partition p;
  p.cluster_of.assign(g.nodes.size(), ~0u);
  for (NodeIndex i = 0; i < g.nodes.size(); ++i) {
    const Node& n = g.nodes[i];
    if (n.kind == NodeKind::input || n.kind == NodeKind::view) continue;
    Cluster c;
    c.kind = n.kind == NodeKind::update ? StepKind::kernel : StepKind::opaque;
    c.nodes = {i};
    if (n.kind == NodeKind::update) c.space = constant_shape({DType::F32, n.window.shape});
    p.cluster_of[i] = static_cast<uint32_t>(p.clusters.size());
    p.clusters.push_back(std::move(c));
  }
  return p;
}

}  // namespace

std::shared_ptr<const tracer::Program> compile(Graph g) {
  try {
    return ExecutableBuilder(g, true).run();
  } catch (const Error& e) {
    if (e.code() != ErrorCode::internal || std::getenv("KILN_STRICT") != nullptr) throw;
    std::fprintf(stderr, "kiln: a graph runs unfused; please report: %s\n", e.what());
  }
  return ExecutableBuilder(std::move(g), false).run();
}

std::shared_ptr<const tracer::Program> compile(Graph g, const Meddling& meddling) {
  return ExecutableBuilder(std::move(g), true, meddling).run();
}

namespace {
// Linking the jit room is what makes segments compile.
[[maybe_unused]] const bool installed = (tracer::install_compiler(compile), true);
}  // namespace

}  // namespace kiln::jit
