// A segment as a sequence of words: what was called on what. The words are at once the cache key, compared whole (never a hash alone),
// and all that is needed to build the graph when the key is new; so recording an operator costs a few dozen nanoseconds and no allocation.
//
// Run-time scalars' values, storages' addresses and random draws are not in the words; dtypes, shapes, strides, aliasing (storage
// numbers), attributes and scalar kinds are.
#pragma once

#include <vector>

#include "tracer/graph.h"

namespace kiln::tracer {

class SegmentWords {
 public:
  void begin_call(const eager::Operator*, size_t operands, size_t attrs);  // nullptr: a write, operands (destination, source)
  void add_absent();
  void add_scalar(DTypeKind);
  void add_tensor(uint32_t storage, const eager::Tensor&);
  void add_attrs(const eager::Attrs&);
  void add_outputs(uint32_t first_storage, std::span<const eager::TensorType>);  // each output has a fresh storage
  void clear();

  std::span<const uint64_t> words() const { return words_; }
  size_t calls() const { return calls_; }

  // The graph of these calls. `leaf_bytes[s]`: size of storage s if it existed before the segment, else -1. `visible[s]`: is its final
  // content still wanted. A leaf that nobody wants lends its memory to the program (Graph::lent).
  Graph build(const std::vector<int64_t>& leaf_bytes, const std::vector<bool>& visible) const;

 private:
  void add_dims(const eager::Dims&);
  std::vector<uint64_t> words_;
  std::vector<eager::Attrs> attrs_;  // by number; the words hold their content too, for comparison
  size_t calls_ = 0;
  // The layout that the words gave last: most tensors of a segment are laid out as the one before, which then takes no words.
  struct Last {
    int64_t offset = 0;
    eager::Dims shape, strides;
    bool dense = true;  // row-major from the storage's beginning on
  } last_;
};

}  // namespace kiln::tracer
