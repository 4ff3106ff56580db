// A compiled program: steps over bound storages and an arena. Immutable once built, so any number of threads may run it.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <variant>

#include "codegen/compiler.h"
#include "codegen/contraction/contraction.h"
#include "jit/memory_plan.h"
#include "tracer/program.h"
#include "tracer/repeated_program.h"

namespace kiln::jit {

// Memory of one run: slot s < storages is that storage, the last slot is the arena.
struct Address {
  uint32_t slot = 0;
  int64_t bytes = 0;  // offset
};

struct KernelStep {
  std::shared_ptr<codegen::CompiledKernel> kernel;
  std::vector<Address> buffers;
  std::vector<int64_t> extents, strides;
  int64_t clip_total = 0;
  std::vector<DraftedCluster::ScalarSlot> scalars;  // per kernel scalar slot
};
// Launches of one kernel that do not depend on each other: an optimiser's updates of all its parameters.
struct BatchStep {
  std::vector<KernelStep> launches;
};
struct ContractionStep {
  std::shared_ptr<const codegen::ContractionPlan> plan;
  std::vector<Address> inputs, outputs;
};
struct ReorderStep {
  Address source, destination;
  codegen::Layout from, to;
  std::array<int64_t, 4> nchw;
};
// An operator run as eager mode runs it, for what has no kernel of its own (library routines, empty reductions and the like).
struct OpaqueStep {
  const eager::Operator* op;
  eager::Attrs attrs;
  struct Input {
    tracer::Operand::Kind kind;
    uint32_t scalar = 0;
    Address address;
    eager::TensorType type;
    eager::Dims strides;
  };
  std::vector<Input> inputs;
  std::vector<Address> outputs;
  std::vector<eager::TensorType> types;
};
using Step = std::variant<KernelStep, BatchStep, ContractionStep, ReorderStep, OpaqueStep>;

class Executable final : public tracer::Program, public tracer::Repeatable {
 public:
  void run(const tracer::Bindings&) const override;
  std::unique_ptr<tracer::RepeatedProgram> repeated() const override;  // whose results have memory of their own
  std::unique_ptr<const tracer::LoopedProgram> looped(std::span<const uint32_t> places, std::vector<codegen::KernelLoop::Step>,
                                                      std::span<const eager::Scalar>,
                                                      std::span<const std::pair<uint32_t, uint32_t>> numbers) const override;
  const tracer::ProgramInfo& info() const override { return info_; }
  std::string text(std::string_view what) const override;
  std::vector<double> times() const override;
  size_t bytes() const override;
  std::vector<std::string> code() const override;
  void forsake() const override;

 private:
  friend class ExecutableBuilder;
  void run_measured(const auto& run_one) const;

  std::vector<Step> steps_;
  std::vector<uint32_t> results_;  // storages that get memory, if they have none, and new content
  std::vector<MemoryPlan::Loan> loans_;
  uint32_t storages_ = 0;
  int64_t arena_bytes_ = 0;
  size_t scratch_bytes_ = 0;  // the largest contraction's
  tracer::ProgramInfo info_;
  std::string graph_text_, final_graph_text_;
  std::vector<std::string> kernel_notes_;  // by kernel step, in order
  std::vector<size_t> steps_told_;         // by line of info().steps: how many steps there are up to its end
  mutable std::once_flag profiled_;
  mutable std::vector<std::atomic<int64_t>> shortest_;                              // by step: nanoseconds
  mutable std::atomic<bool> profiled_once_{false};                                  // a whole run was measured
  std::vector<std::pair<size_t, std::shared_ptr<codegen::CompiledKernel>>> codes_;  // with the number in info_.steps
};

// What tests that plant faults may change of each stage's work before the next one takes it up.
struct Meddling {
  void (*ordered)(const tracer::Graph&, Partition&) = nullptr;
  void (*drafted)(std::vector<std::optional<DraftedCluster>>&) = nullptr;
  void (*planned)(const tracer::Graph&, const Partition&, MemoryPlan&) = nullptr;
};

// The whole pipeline: passes, fusion, memory plan, kernels. What tracer::install_compiler gets.
std::shared_ptr<const tracer::Program> compile(tracer::Graph);
std::shared_ptr<const tracer::Program> compile(tracer::Graph, const Meddling&);

}  // namespace kiln::jit
