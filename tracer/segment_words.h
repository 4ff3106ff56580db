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

  // Segments repeat. Where all calls so far are those that the kept segment began with, the type of what its next one gave need not be inferred.
  class Again;
  void keep();      // from the next clear() on, this is the kept segment
  bool is_again();  // are all calls so far, and the default dtype, as they were there
  bool is_as_kept() { return is_again() && words_.size() == kept_.size(); }

  std::span<const uint64_t> words() const { return words_; }
  size_t calls() const { return calls_; }

  // The graph of these calls. `leaf_bytes[s]`: size of storage s if it existed before the segment, else -1. `visible[s]`: is its final
  // content still wanted. A leaf that nobody wants lends its memory to the program (Graph::lent).
  Graph build(const std::vector<int64_t>& leaf_bytes, const std::vector<bool>& visible) const;

 private:
  // The layout that the words gave last: most tensors of a segment are laid out as the one before, which then takes no words.
  struct Last {
    int64_t offset = 0;
    eager::Dims shape, strides;
    bool dense = true;  // row-major from the storage's beginning on

    bool is_of(const eager::Tensor& t) const { return t.offset() == offset && t.shape() == shape && t.strides() == strides; }
    static Last of(const eager::Tensor&);
    static Last of(const eager::Dims& shape);
  };

  void add_dims(const eager::Dims&);
  void count_call();
  std::vector<uint64_t> words_;
  std::vector<eager::Attrs> attrs_;  // by number; the words hold their content too, for comparison
  size_t calls_ = 0;
  Last last_;
  std::vector<uint64_t> kept_;
  size_t compared_ = 0;  // so many words are as in kept_
  bool again_ = false;
  bool one_default_dtype_ = true;  // all calls so far found the same
  DType default_dtype_ = DType::F32, kept_default_dtype_ = DType::F32;
};

// The next call, as long as it is the kept segment's next: its operands are named in order, then output() says whether all were those. Writes
// nothing before commit().
class SegmentWords::Again {
 public:
  Again(SegmentWords&, const eager::Operator*, size_t operands);  // where is_again(), of a call without attributes
  void add_absent();
  void add_scalar(DTypeKind);
  void add_tensor(uint32_t storage, const eager::Tensor&);
  bool output(uint32_t storage);  // the one that it has, in a fresh storage
  eager::Tensor pending() const;  // as it is
  void commit();

 private:
  uint64_t next() { return at_ < words_.kept_.size() ? words_.kept_[at_++] : 0; }
  void expect(uint64_t word) { same_ = same_ && next() == word; }

  SegmentWords& words_;
  size_t at_;
  bool same_ = true;
  DType dtype_ = DType::F32;
  const Last* last_;
  Last changed_;
};

}  // namespace kiln::tracer
