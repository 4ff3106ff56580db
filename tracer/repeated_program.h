// A program for one thread that runs it over and over: what does not change between the runs is made once.
#pragma once

#include <memory>
#include <span>

#include "codegen/kernel_loop.h"
#include "eager/operator.h"

namespace kiln::tracer {

class RepeatedProgram {
 public:
  virtual ~RepeatedProgram() = default;
  // Where the next runs read and write, by the graph's storage number; whoever calls has given memory to results.
  virtual void bind(std::span<std::byte* const> memory) = 0;
  virtual void run(std::span<const eager::Scalar>) = 0;  // MXCSR as codegen/abi.h wants it
};

// A program and the steps between its runs, as one piece of machine code (codegen/kernel_loop.h). Immutable.
class LoopedProgram {
 public:
  virtual ~LoopedProgram() = default;
  virtual size_t buffers() const = 0;
  // Fills in what stays the same of the arguments, which have places and numbers; `pointers` has room for buffers().
  virtual void begin(codegen::KernelLoopArgs&, std::span<void*> pointers) const = 0;
  virtual void go_on(codegen::KernelLoopArgs&) const = 0;     // until it ends. Throws Error{memory}, and nothing has been done
  virtual std::string text(std::string_view what) const = 0;  // "kernels", "asm"
};

// What a Program may be besides.
class Repeatable {
 public:
  virtual ~Repeatable() = default;
  virtual std::unique_ptr<RepeatedProgram> repeated() const = 0;  // valid as long as this; null: it has nothing to gain
  // `places`: by the graph's storage number; kNowhere: it has none. Null: it is more than one small kernel, or no code covers it.
  // `numbers`: of the scalars, those that are a number of the loop, with its place among them; they are of the scalar's kind.
  static constexpr uint32_t kNowhere = ~0U;
  virtual std::unique_ptr<const LoopedProgram> looped(std::span<const uint32_t> places, std::vector<codegen::KernelLoop::Step> steps,
                                                      std::span<const eager::Scalar>,
                                                      std::span<const std::pair<uint32_t, uint32_t>> numbers) const = 0;
};

}  // namespace kiln::tracer
