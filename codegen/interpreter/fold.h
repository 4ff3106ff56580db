// Reductions in the canonical order of kernel.h, over `width` independent columns at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "codegen/interpreter/primitives.h"
#include "codegen/kernel.h"

namespace kiln::codegen::interpreter {

// TREE: a binary counter of partial results. Level k of the counter holds the result of 2^k elements; what is left is folded at the end.
class Tree {
 public:
  void begin(Apply combine, int size, int64_t width);
  void push(const void* values);  // [width]
  bool empty() const { return count_ == 0; }
  const void* result();  // [width]; needs !empty()

 private:
  std::byte* level(size_t i) { return partials_.data() + i * stride_; }
  void merge_top();

  Apply combine_ = nullptr;
  size_t stride_ = 0;  // bytes of one partial result
  int64_t width_ = 0;
  size_t depth_ = 0;
  uint64_t count_ = 0;
  std::vector<std::byte> partials_;
};

// One reduce node at one index of the other dimensions (at `width` neighbouring ones for `rows`).
class Fold {
 public:
  void begin(const Node& node, Reduction kind, int64_t width);
  // lanes, tree: the next n elements, where n is a multiple of kLanes and divides kLaneBlock, save for the last call.
  // rows: the next row, of n = width columns.
  void take(const void* values, int64_t n);
  const void* end();  // [width] results

 private:
  void fill_identity();
  void close_block();

  Apply combine_ = nullptr;
  Reduction kind_ = Reduction::none;
  int size_ = 0;
  uint64_t identity_ = 0;
  int64_t width_ = 0;             // columns of the result
  int64_t taken_ = 0;             // elements (lanes) or rows in the block so far
  std::vector<std::byte> block_;  // [kLanes] or [width]
  Tree tree_;
};

}  // namespace kiln::codegen::interpreter
