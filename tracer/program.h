// What a compiled segment is to the tracer. The jit room installs the compiler that makes one.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eager/operator.h"
#include "tracer/graph.h"

namespace kiln::tracer {

struct Bindings {
  std::span<eager::Storage* const> storages;  // by the graph's storage number
  std::span<const eager::Scalar> scalars;     // by the graph's scalar number
};

// What one line of ProgramInfo::steps costs.
struct StepCost {
  int64_t bytes = 0;  // read and written; of contractions, their operands
  bool contraction = false;
};

// What explain() tells of one program.
struct ProgramInfo {
  size_t operations = 0;  // operator calls recorded
  size_t kernels = 0;     // fused kernels
  size_t contractions = 0;
  size_t launches = 0;  // steps of one run
  double compile_ms = 0;
  int64_t arena_bytes = 0;           // temporaries of one run
  int64_t live_bytes = 0;            // the most bytes of temporaries that are live at one step: no arena can be smaller
  int64_t lent_bytes = 0;            // of inputs that nobody sees afterwards, and whose memory results or temporaries take over
  int64_t scratch_bytes = 0;         // what the contraction that needs most works in
  int64_t moved_bytes = 0;           // by all steps that are not contractions
  int64_t least_bytes = 0;           // what those would move if everything between contractions were fused (jit/fusion/least_bytes.h)
  double work = 0;                   // of one run, in element operations, roughly
  std::vector<std::string> steps;    // one line a step: what it fuses, what it reads and writes
  std::vector<std::string> reasons;  // of each of them: why it is one step
  std::vector<StepCost> costs;       // of each of them
  std::vector<std::vector<uint32_t>> calls;  // of each of them: the recorded calls that it computes, in ascending order
};

// Work of a program beyond which its run gives up the front end's lock: about 20 us.
inline constexpr double kWorkWorthUnlocking = 1 << 18;

class Program {
 public:
  virtual ~Program() = default;
  // Runs on these storages: reads leaves, gives memory to results and fills them. Re-entrant. Throws Error{memory} before anything is written.
  virtual void run(const Bindings&) const = 0;
  virtual const ProgramInfo& info() const = 0;
  virtual std::string text(std::string_view what) const = 0;  // "graph", "kernels", "asm", "llvm"
  // The shortest time of each of info().steps, in seconds, over the runs while `profile` was set; none: there were none. A step that runs
  // with the one before it has 0.
  virtual std::vector<double> times() const { return {}; }
  virtual size_t bytes() const = 0;  // what keeping it costs
  // Whose code runs each of info().steps now, and why; empty for what is no kernel.
  virtual std::vector<std::string> code() const { return {}; }
  // Whoever ran it is gone: what waits to be compiled for it need not be. It may still be run.
  virtual void forsake() const {}
};

using Compile = std::shared_ptr<const Program> (*)(Graph);
void install_compiler(Compile);
Compile installed_compiler();  // throws Error{internal} if there is none

}  // namespace kiln::tracer
