// From operators to kernels: the one lowering that eager mode (a kernel of one operator) and the compiler's fusion (a kernel of many) share.
//
// A kernel is drafted over an iteration space of LOGICAL dimensions. Each value inside is asked for AT an index map (its own index as an
// affine function of the iteration's), so an operand may be a load from memory or, fused, the expression that computes it.
#pragma once

#include <functional>

#include "codegen/compiler.h"
#include "eager/operator.h"

namespace kiln::eager {

// value_index[d] = base[d] + sum over k of coefficient[d][k] * iteration[k].
struct IndexMap {
  int rank = 0;        // of the value
  int iteration = 0;   // of the iteration space
  std::array<int64_t, kMaxRank> base{};
  std::array<std::array<int64_t, kMaxRank>, kMaxRank> coefficient{};

  static IndexMap identity(int rank);
  IndexMap broadcast_from(const Dims& own, const Dims& result) const;  // an operand's index, this being the result's, by broadcasting
  int64_t offset(const Dims& strides) const;          // of a value with these element strides: constant part
  Dims iteration_strides(const Dims& strides) const;  // and element stride per iteration dimension
  bool operator==(const IndexMap&) const = default;
};

// A kernel bound to memory: which tensor each buffer reads or writes, in the drafter's own numbering.
struct BufferUse {
  int tensor = 0;
  int64_t byte_offset = 0;
};
struct LoweredKernel {
  codegen::Kernel kernel;
  std::vector<BufferUse> buffers;
  std::vector<int64_t> extents;   // [kernel.rank]
  std::vector<int64_t> strides;   // [buffer][kernel.rank] bytes
  std::vector<int> scalars;       // the drafter's scalar number per kernel scalar slot
  int64_t clip_total = 0;
};

// Collects one kernel's expression and memory accesses over logical dimensions; finish() collapses adjacent dimensions that every
// access crosses evenly, moves the reduced dimension where kernel.h wants it and classifies strides.
class KernelDraft {
 public:
  // `reduced`: the contiguous range of iteration dimensions that reductions run over (count 0: none).
  KernelDraft(const Dims& extents, int first_reduced = 0, int reduced_count = 0);
  Builder& b() { return builder_; }
  const Dims& extents() const { return extents_; }
  Value load(int tensor, DType, int64_t offset, const Dims& strides);  // elements; strides per iteration dimension
  Value load(int tensor, DType, int64_t offset, const Dims& strides, Value mask, Value otherwise);
  Value index(int dimension);             // i64
  Value scalar(int number, DType);        // a run-time scalar, by the drafter's number
  void store(int tensor, DType, int64_t offset, const Dims& strides, Value);
  bool reduced_collapses() const;         // can the reduced range become one dimension for all accesses so far?
  LoweredKernel finish() &&;

 private:
  struct Access {
    int tensor;
    DType dtype;
    int64_t offset;
    Dims strides;
    bool operator==(const Access&) const = default;
  };
  uint32_t buffer(const Access&);
  Dims extents_;
  int first_reduced_, reduced_count_;
  codegen::Kernel kernel_;
  Builder builder_;
  std::vector<Access> accesses_;
  std::vector<int> scalars_;
};

// What an operator needs while it is emitted into a draft.
using OperandAt = std::function<Value(int operand, const IndexMap& at)>;

struct EmitContext {
  Builder& b;
  std::span<const OperandType> inputs;
  const Attrs& attrs;
  std::span<const TensorType> outputs;
  OperandAt operand;                        // operand's value, of its own dtype (scalars: of the dtype asked by scalar())
  std::function<Value(int operand, DType)> scalar;
  std::function<Value(const IndexMap& at, int axis)> index;  // i64 position along an axis of the output at `at`
};
// The outputs' elements at `at`, for pointwise operators: broadcasts, promotes, casts, calls the body.
std::vector<Value> emit_pointwise(const Operator&, EmitContext&, const IndexMap& at);

// dtypes to which a pointwise operator's operands are cast before its body, in order.
std::vector<DType> operand_dtypes(const Operator&, std::span<const OperandType>);

// A reduction's geometry: its axes as one contiguous range (non-adjacent axes are split into several reductions by dispatch).
struct ReductionShape {
  int first = 0, count = 0;   // reduced axes of the operand
  bool keepdims = false;
};
std::vector<ReductionShape> reduction_steps(const Dims& shape, const Attr& axes, bool keepdims);  // last range first; throws Error{index}

// Affine operators (max pooling): iteration space and maps of their own. Implemented by eager mode and by fusion.
class AffineContext {
 public:
  virtual ~AffineContext() = default;
  virtual Builder& b() = 0;
  virtual const Attrs& attrs() const = 0;
  virtual std::span<const OperandType> inputs() const = 0;
  virtual std::span<const TensorType> outputs() const = 0;
  virtual void iterate(const Dims& extents) = 0;      // once, first
  virtual Value index(int dimension) = 0;             // of the iteration
  virtual Value load(int operand, const IndexMap& at) = 0;
  virtual Value load(int operand, const IndexMap& at, Value mask, codegen::Operand otherwise) = 0;  // outside: not touched
  virtual void store(int output, const IndexMap& at, Value) = 0;  // maps of all stores cover the output exactly once
};

// Runs a lowered kernel on these tensors' bytes and scalars (numbered as in the draft), now.
void run(const LoweredKernel&, std::span<std::byte* const> tensors, std::span<const uint64_t> scalars);

}  // namespace kiln::eager
