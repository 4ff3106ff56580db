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
  int rank = 0;       // of the value
  int iteration = 0;  // of the iteration space
  std::array<int64_t, kMaxRank> base{};
  std::array<std::array<int64_t, kMaxRank>, kMaxRank> coefficient{};

  static IndexMap identity(int rank);
  IndexMap broadcast_from(const Dims& own, const Dims& result) const;  // an operand's index, this being the result's, by broadcasting
  int64_t offset(const Dims& strides) const;                           // of a value with these element strides: constant part
  Dims iteration_strides(const Dims& strides) const;                   // and element stride per iteration dimension
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
  std::vector<int64_t> extents;                            // [kernel.rank]
  std::vector<int64_t> strides;                            // [buffer][kernel.rank] bytes
  std::vector<int> scalars;                                // the drafter's scalar number per kernel scalar slot, or ~i: numbers[i]
  std::vector<int64_t> numbers;                            // extents and strides that the kernel computes with
  uint64_t scalar(size_t slot, const auto& given) const {  // given(number): the bits of one of the drafter's
    return scalars[slot] < 0 ? static_cast<uint64_t>(numbers[static_cast<size_t>(~scalars[slot])]) : given(scalars[slot]);
  }
  int64_t clip_total = 0;
};

// Collects one kernel's expression and memory accesses over logical dimensions, those to complex tensors as two to their parts; finish() collapses adjacent dimensions that every
// access crosses evenly, moves the reduced dimension where kernel.h wants it and classifies strides.
class KernelDraft {
 public:
  // [first_reduced, first_reduced + reduced_count): the iteration dimensions that reductions run over (count 0: none). They reduce in `lanes` if
  // they include the last dimension, else in `rows`. `block`: the reduced range is cut into blocks of so many elements whose results are
  // stored by store_blocks(), for a kernel of kind `tree` to combine.
  KernelDraft(const Dims& extents, int first_reduced = 0, int reduced_count = 0, int64_t block = 0);
  KernelDraft(const KernelDraft&) = delete;
  Builder& b() { return builder_; }
  const Dims& extents() const { return extents_; }
  Value load(int tensor, DType, int64_t offset, const Dims& strides);  // elements; strides per iteration dimension
  Value load(int tensor, DType, int64_t offset, const Dims& strides, Value mask, Value otherwise);
  // The element at a position, i64, along an axis of this extent and stride; `offset` and `strides` are of position 0. One below zero counts
  // from the end; one out of range reads the nearest element, so that memory which changes after it was checked is never left.
  Value gather(int tensor, DType, int64_t offset, const Dims& strides, Value position, int64_t extent, int64_t stride);
  Value index(int dimension);       // i64
  Value scalar(int number, DType);  // a run-time scalar, by the drafter's number
  void store(int tensor, DType, int64_t offset, const Dims& strides, Value);
  void store_blocks(int tensor, DType, const Dims& strides, int64_t block_stride, Value);
  void as_tree() { kernel_.reduction = codegen::Reduction::tree; }  // the reduced range holds results of blocks
  // A kernel over a single position, without reductions, is drafted as a row of single values: then they are computed once, with no loop around them.
  void as_row_of_one();
  void keep_dimensions() { indexed_ = (1u << kMaxRank) - 1; }  // finish() collapses nothing
  bool reduced_collapses() const;                              // can the reduced range become one dimension for all accesses so far?
  LoweredKernel finish() &&;

 private:
  struct Access {
    int tensor;
    DType dtype;
    int64_t offset;
    Dims strides;
    int64_t block_stride = 0;  // of block results; a load's follows from its stride along the reduced range
    bool gathered = false;
    int parts = 1;  // 2: of a complex tensor one part, between whose elements the other's lie
    bool operator==(const Access&) const = default;
  };
  uint32_t buffer(const Access&);
  static Access part_of(Access, int part);  // of a complex tensor: its real (0) or imaginary (1) parts
  void store(const Access&, Value);
  Value number(int64_t);  // as a scalar: kernels are shared by calls of different extents
  bool is_reduced(int dimension) const { return dimension >= first_reduced_ && dimension < first_reduced_ + reduced_count_; }
  std::vector<Dims> byte_strides() const;  // per access
  Dims extents_;
  int first_reduced_, reduced_count_;
  int64_t block_;
  bool row_of_one_ = false;
  uint32_t indexed_ = 0;  // dimensions whose index is read: they stay as they are
  codegen::Kernel kernel_;
  Builder builder_;
  std::vector<Access> accesses_;
  std::vector<int> scalars_;
  std::vector<int64_t> numbers_;
};

// What an operator needs while it is emitted into a draft.
using OperandAt = std::function<Value(int operand, const IndexMap& at)>;

struct EmitContext {
  Builder& b;
  std::span<const OperandType> inputs;
  const Attrs& attrs;
  std::span<const TensorType> outputs;
  OperandAt operand;  // operand's value, of its own dtype (scalars: of the dtype asked by scalar())
  std::function<Value(int operand, DType)> scalar;
  std::function<Value(const IndexMap& at, int axis)> index;  // i64 position along an axis of the output at `at`
};
// The outputs' elements at `at`, for pointwise operators: broadcasts, promotes, casts, calls the body.
std::vector<Value> emit_pointwise(const Operator&, EmitContext&, const IndexMap& at);

// What a gather (Operator::gather) reads for its result at `at`: the index at `indices`, and of operand 0 the element at `x` moved along the
// axis to that position (the axis' own row of `x` is zero).
struct GatherMap {
  IndexMap indices, x;
  int axis = 0;
};
GatherMap gather_map(const Operator&, const Attrs&, const Dims& x, const Dims& indices, const IndexMap& at);

// dtypes to which a pointwise operator's operands are cast before its body, in order.
std::vector<DType> operand_dtypes(const Operator&, std::span<const OperandType>);

// A reduction's geometry: its axes as one contiguous range (non-adjacent axes are split into several reductions by dispatch).
struct ReductionShape {
  int first = 0, count = 0;  // reduced axes of the operand
  bool keepdims = false;
};
std::vector<ReductionShape> reduction_steps(const Dims& shape, const Attr& axes, bool keepdims);  // last range first; throws Error{index}
Dims reduced_shape(const Dims& shape, const ReductionShape&);
bool splits_reduction(const Dims& shape, const ReductionShape&);  // is it cut over two kernels (few outputs of many elements)?

// One step of a reduction as kernels: one, or two where few outputs take many elements (block results, then a tree: the same bits; a
// function of the shape alone). `emit` gives the operand's element in a draft over `shape`, of the dtype to combine in; `finish`
// takes the result and stores it (strides per dimension of `shape`, zero along the reduced ones). Both may be called twice.
struct ReductionDraft {
  std::vector<LoweredKernel> kernels;  // run in order
  TensorType partials;                 // of the temporary, the drafter's tensor number `partials_number`, where there are two kernels
};
struct ReductionRequest {
  Dims shape;
  ReductionShape step;
  Prim combine;
  DType dtype;
  int partials_number;
};
// nullopt where an access does not cross the reduced range evenly: its tensor must be copied first (the order never depends on strides).
std::optional<ReductionDraft> draft_reduction(const ReductionRequest&, const std::function<Value(KernelDraft&)>& emit,
                                              const std::function<void(KernelDraft&, Value)>& finish);

// Affine operators (max pooling): iteration space and maps of their own. Implemented by eager mode and by fusion.
class AffineContext {
 public:
  virtual ~AffineContext() = default;
  virtual Builder& b() = 0;
  virtual const Attrs& attrs() const = 0;
  virtual std::span<const OperandType> inputs() const = 0;
  virtual std::span<const TensorType> outputs() const = 0;
  virtual void iterate(const Dims& extents) = 0;  // once, first
  virtual Value index(int dimension) = 0;         // of the iteration
  virtual Value load(int operand, const IndexMap& at) = 0;
  virtual Value load(int operand, const IndexMap& at, Value mask, codegen::Operand otherwise) = 0;  // outside: not touched
  // Maps of all stores cover the output exactly once. The value is of the output's dtype, or of the one it is computed in.
  virtual void store(int output, const IndexMap& at, Value) = 0;
};

// Runs a lowered kernel, compiled as `compiled`, on these tensors' bytes and scalars (numbered as in the draft), now.
void run(codegen::CompiledKernel& compiled, const LoweredKernel&, std::span<std::byte* const> tensors, std::span<const uint64_t> scalars);
void run(const LoweredKernel&, std::span<std::byte* const> tensors, std::span<const uint64_t> scalars);  // looks the compiled kernel up

}  // namespace kiln::eager
