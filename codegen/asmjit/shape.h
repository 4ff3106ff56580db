// The loops of a kernel. Outer emits what all kernels share: entry, the walk over canonical blocks (decoded by division once, then an odometer with
// precomputed steps), exit. A Shape fills in what happens at one index of the outer dimensions.
#pragma once

#include <memory>
#include <vector>

#include "codegen/asmjit/emitter.h"
#include "codegen/asmjit/nodes.h"
#include "codegen/kernel_loop.h"

namespace kiln::codegen::x64 {

class Shape {
 public:
  Shape(const Kernel& kernel, Vectors& vectors) : kernel_(kernel), vectors_(vectors), nodes_(kernel, vectors) {}
  virtual ~Shape() = default;

  virtual void lower() = 0;          // fills the program
  virtual void reserve(Frame&) {}    // stack
  virtual void enter(Emitter&) {}    // once a call; rax holds Args*
  virtual void first(Emitter&) {}    // once a call, with the pointers at its first row
  virtual void row(Emitter&) = 0;    // at each index of the outer dimensions; elements [kInner, kEnd)
  virtual void last(Emitter&) {}     // once a call, with the pointers at its last row
  virtual void leave(Emitter&) {}    // once a call, at its end
  virtual bool chunked() const = 0;  // does a row have several blocks
  int entry() const { return entry_; }

 protected:
  void lower_entry();  // the section that runs once a call
  void values_then_stores(Nodes&, const std::vector<uint32_t>& stores);
  void emit_reduced_extent(Emitter&) const;  // to rax: rows or elements to reduce at the present index; uses rcx, rdx
  Program& program() { return vectors_.program(); }
  const Program& program() const { return vectors_.program(); }

  const Kernel& kernel_;
  Vectors& vectors_;
  Nodes nodes_;
  int entry_ = 0;
};

std::unique_ptr<Shape> pointwise(const Kernel&, Vectors&);
std::unique_ptr<Shape> lanes(const Kernel&, Vectors&);  // Reduction::lanes and tree
std::unique_ptr<Shape> rows(const Kernel&, Vectors&);

class Outer {
 public:
  Outer(const Kernel&, Frame&, bool chunked);
  void emit(Emitter&, Shape&, Frame&, const KernelLoop* loop);  // loop: which the kernel is the body of, or null

 private:
  void leave(Emitter&, const KernelLoop*, const Label& again);
  void prologue(Emitter&, const Frame&);
  void load_arguments(Emitter&);
  void precompute_steps(Emitter&);
  void decode_begin(Emitter&);
  void begin_row(Emitter&);
  void to_elements(Emitter&, const Gp& extent);
  void count_whole_rows(Emitter&);
  void next_row(Emitter&, const Label& row, const Label& whole_row);
  void advance(Emitter&, size_t j);  // pointers, by outer dimension j's step

  int stride_offset(uint32_t buffer, int dimension) const { return 8 * (static_cast<int>(buffer) * kernel_.rank + dimension); }

  const Kernel& kernel_;
  const bool chunked_;
  std::vector<int> dims_;    // the outer dimensions, outermost first
  std::vector<int> extent_;  // [dimension] stack word
  std::vector<int> steps_;   // [outer dimension] stack words, one a buffer: what to add when it advances and all inner ones wrap
  int blocks_ = 0, chunk_ = 0, chunks_ = 0, whole_rows_ = 0;
  int all_blocks_ = 0;    // of a loop
  bool one_row_ = false;  // all blocks are in the same one, which needs no walk
};

}  // namespace kiln::codegen::x64
