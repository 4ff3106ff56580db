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

// What explain() tells of one program.
struct ProgramInfo {
  size_t operations = 0;  // operator calls recorded
  size_t kernels = 0;     // fused kernels
  size_t contractions = 0;
  size_t launches = 0;  // steps of one run
  double compile_ms = 0;
  int64_t arena_bytes = 0;           // temporaries of one run
  double work = 0;                   // of one run, in element operations, roughly
  std::vector<std::string> steps;    // one line a step: what it fuses, what it reads and writes
  std::vector<std::string> reasons;  // of each of them: why it is one step
};

class Program {
 public:
  virtual ~Program() = default;
  // Runs on these storages: reads leaves, gives memory to results and fills them. Re-entrant. Throws Error{memory} before anything is written.
  virtual void run(const Bindings&) const = 0;
  virtual const ProgramInfo& info() const = 0;
  virtual std::string text(std::string_view what) const = 0;  // "graph", "kernels", "asm", "llvm"
  virtual size_t bytes() const = 0;                           // what keeping it costs
  // Whose code runs each of info().steps now, and why; empty for what is no kernel.
  virtual std::vector<std::string> code() const { return {}; }
  // Whoever ran it is gone: what waits to be compiled for it need not be. It may still be run.
  virtual void forsake() const {}
};

using Compile = std::shared_ptr<const Program> (*)(Graph);
void install_compiler(Compile);
Compile installed_compiler();  // throws Error{internal} if there is none

}  // namespace kiln::tracer
