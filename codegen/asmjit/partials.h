// TREE of kernel.h as a stream: a binary counter of partial results on the stack. Level i holds the result of 2^i blocks while bit i of
// the count is set. The shapes give the sections that work on one level; the loops over levels are here.
#pragma once

#include "codegen/asmjit/emitter.h"

namespace kiln::codegen::x64 {

class Partials {
 public:
  struct Sections {
    int merge;   // running = combine(level's partial result, running)
    int save;    // level's partial result = running
    int reload;  // running = level's partial result
  };

  // A level's size is the largest that any pass of the kernel needs.
  void reserve(Frame&, int level_bytes);
  void clear(Emitter&);                                   // no block yet
  void skip_if_empty(Emitter&, const Label& to);          // jumps if there is none
  void push(Emitter&, const Sections&, int log2_blocks);  // the running result of 2^log2_blocks blocks
  void finish(Emitter&, const Sections&);                 // running = all of them; there is at least one

 private:
  static constexpr int kLevels = 48;  // 2^48 blocks do not fit into memory
  int count_ = 0, rest_ = 0, base_ = 0, level_bytes_ = 0;
};

}  // namespace kiln::codegen::x64
