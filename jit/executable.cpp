#include "jit/executable.h"

#include <chrono>
#include <deque>
#include <limits>

#include "codegen/allocator.h"
#include "codegen/backend.h"
#include "codegen/cuda/nvrtc.h"
#include "codegen/cuda/source.h"
#include "codegen/few.h"
#include "codegen/repeated_launch.h"
#include "codegen/tunables.h"
#include "eager/dispatch.h"
#include "eager/routine.h"
#include "eager/tape.h"

namespace kiln::jit {
namespace {

using eager::Storage;
using eager::Tensor;

struct Run {
  std::span<std::byte* const> slots;
  std::span<const eager::Scalar> scalars;
  void* scratch;
  std::byte* at(const Address& a) const { return at(slots[a.slot], a); }
  // Where nothing is, there are no elements either.
  static std::byte* at(std::byte* start, const Address& a) { return start == nullptr ? nullptr : start + a.bytes; }
};

// A kernel's pointers and scalars for one run, in place where they are few.
class Bound {
 public:
  Bound(const KernelStep& s, const Run& run) : pointers_(s.buffers.size()), scalars_(s.scalars.size()) {
    void** pointers = pointers_.data();
    uint64_t* scalars = scalars_.data();
    for (size_t i = 0; i < s.buffers.size(); ++i) pointers[i] = run.at(s.buffers[i]);
    for (size_t i = 0; i < s.scalars.size(); ++i) {
      const DraftedCluster::ScalarSlot& slot = s.scalars[i];
      scalars[i] = slot.known ? static_cast<uint64_t>(*slot.known) : run.scalars[slot.number].bits_as(slot.dtype);
    }
    args.pointers = pointers;
    args.strides = s.strides.data();
    args.extents = s.extents.data();
    args.scalars = scalars;
    args.clip_total = s.clip_total;
  }
  Bound(const Bound&) = delete;
  codegen::Args args{};

 private:
  Few<void*, 24> pointers_;
  Few<uint64_t, 24> scalars_;
};

void run_step(const KernelStep& s, const Run& run) {
  const Bound bound(s, run);
  codegen::launch(*s.kernel, bound.args);
}

void run_step(const BatchStep& s, const Run& run) {
  std::deque<Bound> bound;
  std::vector<codegen::Args> args;
  for (const KernelStep& k : s.launches) args.push_back(bound.emplace_back(k, run).args);
  codegen::launch(*s.launches[0].kernel, args);
}

void run_step(const ContractionStep& s, const Run& run) {
  const void* inputs[4];
  void* outputs[2];
  for (size_t i = 0; i < s.inputs.size(); ++i) inputs[i] = run.at(s.inputs[i]);
  for (size_t i = 0; i < s.outputs.size(); ++i) outputs[i] = run.at(s.outputs[i]);
  s.plan->run({inputs, s.inputs.size()}, {outputs, s.outputs.size()}, run.scratch);
}

void run_step(const ReorderStep& s, const Run& run) {
  codegen::reorder(reinterpret_cast<const float*>(run.at(s.source)), s.from, reinterpret_cast<float*>(run.at(s.destination)), s.to, s.nchw);
}

// Memory of a run as a tensor that does not own it.
Tensor borrowed(std::byte* data, const eager::TensorType& type, const eager::Dims& strides) {
  int64_t elements = 1;
  for (int d = 0; d < type.shape.size(); ++d)
    if (type.shape[d] > 0) elements += (type.shape[d] - 1) * std::max<int64_t>(strides[d], 0);
  auto storage = Storage::adopt(data, static_cast<size_t>(elements * size_of(type.dtype)), true, nullptr);
  return Tensor::view(storage, 0, type.shape, strides, type.dtype);
}

// An operator's call on memory of a run.
class Call {
 public:
  Call(const OpaqueStep& s, const Run& run) : step_(s) {
    for (const OpaqueStep::Input& in : s.inputs) {
      switch (in.kind) {
        case tracer::Operand::Kind::absent: operands_.emplace_back(); break;
        case tracer::Operand::Kind::scalar: operands_.emplace_back(run.scalars[in.scalar]); break;
        case tracer::Operand::Kind::value: operands_.emplace_back(borrowed(run.at(in.address), in.type, in.strides)); break;
      }
    }
    for (size_t i = 0; i < s.types.size(); ++i)
      outputs_.push_back(borrowed(run.at(s.outputs[i]), s.types[i], eager::contiguous_strides(s.types[i].shape)));
    is_ready_ = eager::is_ready(*s.op, {operands_, s.attrs}, s.types);
  }
  void take(std::span<const eager::Scalar> scalars) {
    for (size_t i = 0; i < operands_.size(); ++i)
      if (step_.inputs[i].kind == tracer::Operand::Kind::scalar) operands_[i].scalar = scalars[step_.inputs[i].scalar];
  }
  void run() {
    if (is_ready_) step_.op->routine({operands_, step_.attrs}, outputs_);
    else eager::compute(*step_.op, {operands_, step_.attrs}, step_.types, outputs_.data());
  }

 private:
  const OpaqueStep& step_;
  std::vector<eager::Operand> operands_;
  std::vector<Tensor> outputs_;
  bool is_ready_;
};

void run_step(const OpaqueStep& s, const Run& run) { Call(s, run).run(); }

// Memory for one run, given back at its end.
class Arena {
 public:
  explicit Arena(size_t bytes) : data_(bytes == 0 ? nullptr : static_cast<std::byte*>(codegen::allocate(bytes))), bytes_(bytes) {}
  ~Arena() { codegen::deallocate(data_, bytes_); }
  Arena(const Arena&) = delete;
  std::byte* data() const { return data_; }

 private:
  std::byte* data_;
  size_t bytes_;
};

// Results take over the memory of inputs, which have it back if the run comes to no end.
class Loans {
 public:
  Loans(std::span<const MemoryPlan::Loan> loans, std::span<Storage* const> storages) : loans_(loans), storages_(storages) {
    for (const MemoryPlan::Loan& l : loans_) storages_[l.to]->take_memory_of(*storages_[l.from]);
  }
  ~Loans() {
    if (kept_) return;
    for (const MemoryPlan::Loan& l : loans_) storages_[l.from]->take_memory_of(*storages_[l.to]);
  }
  Loans(const Loans&) = delete;
  void keep() { kept_ = true; }

 private:
  std::span<const MemoryPlan::Loan> loans_;
  std::span<Storage* const> storages_;
  bool kept_ = false;
};

}  // namespace

void Executable::run(const tracer::Bindings& bindings) const {
  // Everything that can fail comes first: memory for results and temporaries.
  const Arena arena(static_cast<size_t>(arena_bytes_));
  const Arena scratch(scratch_bytes_);
  Loans loans(loans_, bindings.storages);
  for (uint32_t s : results_) bindings.storages[s]->ensure_allocated();
  constexpr size_t kInPlace = 64;
  std::byte* in_place[kInPlace];
  std::vector<std::byte*> more;
  std::byte** slots = in_place;
  if (storages_ + 1 > kInPlace) {
    more.resize(storages_ + 1);
    slots = more.data();
  }
  for (uint32_t s = 0; s < storages_; ++s) slots[s] = bindings.storages[s]->raw();
  for (const MemoryPlan::Loan& l : loans_)
    if (slots[l.from] == nullptr) slots[l.from] = slots[l.to];
  slots[storages_] = arena.data();
  const Run run{{slots, storages_ + 1}, bindings.scalars, scratch.data()};
  const auto run_one = [&](const Step& step) { std::visit([&](const auto& s) { run_step(s, run); }, step); };
  if (codegen::value(codegen::Tunable::profile) != 0) run_measured(run_one);
  else
    for (const Step& step : steps_) run_one(step);
  loans.keep();
}

namespace {

class RepeatedExecutable final : public tracer::RepeatedProgram {
 public:
  RepeatedExecutable(std::span<const Step> steps, uint32_t storages, int64_t arena_bytes, size_t scratch_bytes)
      : steps_(steps),
        arena_(static_cast<size_t>(arena_bytes)),
        scratch_(scratch_bytes),
        slots_(storages + 1, nullptr),
        kernels_(steps.size()),
        calls_(steps.size()) {
    for (size_t n = 0; n < steps.size(); ++n)
      if (const auto* kernel = std::get_if<KernelStep>(&steps[n])) kernels_[n] = std::make_unique<Kernel>(*kernel);
  }

  void bind(std::span<std::byte* const> memory) override {
    std::copy(memory.begin(), memory.end(), slots_.begin());
    slots_.back() = arena_.data();
    for (const auto& k : kernels_)
      if (k != nullptr)
        for (size_t i = 0; i < k->pointers.size(); ++i) k->pointers[i] = Run::at(slots_[k->step.buffers[i].slot], k->step.buffers[i]);
    for (auto& call : calls_) call.reset();
  }

  void run(std::span<const eager::Scalar> scalars) override {
    for (size_t n = 0; n < kernels_.size(); ++n) {
      if (kernels_[n] != nullptr) kernels_[n]->run(scalars);
      else std::visit([&](const auto& s) { run(s, n, Run{slots_, scalars, scratch_.data()}); }, steps_[n]);
    }
  }

 private:
  void run(const OpaqueStep& s, size_t n, const Run& now) {
    if (calls_[n]) calls_[n]->take(now.scalars);
    else calls_[n].emplace(s, now);
    calls_[n]->run();
  }
  void run(const auto& s, size_t, const Run& now) { run_step(s, now); }

  // A scalar that a run gives. Most of them stay what they were, and conversion takes longer than many a kernel.
  struct Given {
    uint32_t slot, number;
    bool set = false;
    eager::Scalar last{};
  };
  struct Kernel {
    explicit Kernel(const KernelStep& s) : step(s), pointers(s.buffers.size()), scalars(s.scalars.size()), launch(*s.kernel, arguments()) {
      for (uint32_t i = 0; i < s.scalars.size(); ++i) {
        if (s.scalars[i].known) scalars[i] = static_cast<uint64_t>(*s.scalars[i].known);
        else given.push_back({i, s.scalars[i].number});
      }
    }
    codegen::Args arguments() {
      codegen::Args a{};
      a.pointers = pointers.data();
      a.strides = step.strides.data();
      a.extents = step.extents.data();
      a.scalars = scalars.data();
      a.clip_total = step.clip_total;
      return a;
    }
    void run(std::span<const eager::Scalar> values) {
      for (Given& g : given) {
        const eager::Scalar& now = values[g.number];
        if (g.set && g.last.kind == now.kind && g.last.i == now.i) continue;
        scalars[g.slot] = now.bits_as(step.scalars[g.slot].dtype);
        g.last = now;
        g.set = true;
      }
      launch.run();
    }
    const KernelStep& step;
    std::vector<void*> pointers;
    std::vector<uint64_t> scalars;
    std::vector<Given> given;
    codegen::RepeatedLaunch launch;
  };
  const std::span<const Step> steps_;
  const Arena arena_, scratch_;
  std::vector<std::byte*> slots_;
  std::vector<std::unique_ptr<Kernel>> kernels_;  // by step; null: it is none
  std::vector<std::optional<Call>> calls_;        // by step; none: it is no operator's call, or not yet
};

}  // namespace

std::unique_ptr<tracer::RepeatedProgram> Executable::repeated() const {
  if (!loans_.empty() || codegen::value(codegen::Tunable::profile) != 0) return nullptr;
  return std::make_unique<RepeatedExecutable>(steps_, storages_, arena_bytes_, scratch_bytes_);
}

void Executable::run_measured(const auto& run_one) const {
  constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  std::call_once(profiled_, [&] {
    std::vector<std::atomic<int64_t>> times(steps_.size());
    for (auto& t : times) t = kNever;
    shortest_ = std::move(times);
  });
  for (size_t i = 0; i < steps_.size(); ++i) {
    const auto start = std::chrono::steady_clock::now();
    run_one(steps_[i]);
    const int64_t took = std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count();
    if (took < shortest_[i].load(std::memory_order_relaxed)) shortest_[i].store(took, std::memory_order_relaxed);
  }
  profiled_once_.store(true, std::memory_order_release);
}

std::vector<double> Executable::times() const {
  std::vector<double> times;
  if (!profiled_once_.load(std::memory_order_acquire)) return times;
  size_t step = 0;
  for (const size_t end : steps_told_) {
    double sum = 0;
    for (; step < end; ++step) sum += static_cast<double>(shortest_[step].load(std::memory_order_relaxed)) * 1e-9;
    times.push_back(sum);
  }
  return times;
}

constexpr int kPtxArchitecture = 80;  // what text("ptx") is for: the oldest that kernels are printed for

std::string Executable::text(std::string_view what) const {
  if (what == "trace") return graph_text_;
  if (what == "graph") return final_graph_text_;
  std::string out;
  size_t k = 0;
  for (const Step& step : steps_) {
    const auto* batch = std::get_if<BatchStep>(&step);
    const auto* kernel = batch ? &batch->launches[0] : std::get_if<KernelStep>(&step);
    if (kernel == nullptr) continue;
    out += (what == "cuda" || what == "ptx" ? "// " : "# ") + kernel_notes_[k++] + "\n";
    const codegen::Kernel& ir = kernel->kernel->kernel;
    if (what == "kernels") {
      out += codegen::print(ir);
    } else if (what == "asm") {
      out += codegen::asmjit_backend().text(ir, codegen::isa(), "asm");
    } else if (what == "llvm") {
      std::string why;
      codegen::Backend* llvm = codegen::llvm_backend(&why);
      if (llvm == nullptr) fail(ErrorCode::runtime, "the LLVM back end is not there: " + why);
      out += llvm->text(ir, codegen::isa(), "llvm");
    } else if (what == "cuda") {
      out += codegen::cuda::source(ir);
    } else if (what == "ptx") {
      out += codegen::cuda::compile(codegen::cuda::source(ir), kPtxArchitecture).ptx;
    } else {
      fail(ErrorCode::value, "as_text: unknown form '" + std::string(what) + "'; there are trace, graph, kernels, asm, llvm, cuda, ptx");
    }
    out += "\n";
  }
  return out;
}

std::vector<std::string> Executable::code() const {
  std::vector<std::string> lines(info_.steps.size());
  for (const auto& [step, kernel] : codes_) {
    const std::string line = kernel->describe_code();
    if (lines[step] != line) lines[step] += (lines[step].empty() ? "" : "; ") + line;
  }
  return lines;
}

void Executable::forsake() const {
  for (const auto& [step, kernel] : codes_) codegen::cancel_compile(*kernel);
}

size_t Executable::bytes() const {
  return sizeof(*this) + steps_.size() * sizeof(Step) * 4 + graph_text_.size() + final_graph_text_.size();
}

}  // namespace kiln::jit
