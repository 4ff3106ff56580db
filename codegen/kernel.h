// The kernel IR: an iteration space, an expression DAG over primitives, loads, reductions, stores.
//
// A kernel iterates over `rank` dimensions, outermost first, whose extents come at run time. The LAST dimension is the one
// that back ends vectorise. At most one dimension is reduced:
//   none   pointwise: every store happens at every index.
//   lanes  the last dimension is reduced (the tensor's last axis is among the reduced ones);
//   rows   the last but one is reduced (rank >= 2; the tensor's last axis is kept and is the last dimension here);
//   tree   the last dimension is reduced, purely pairwise (combining the partial results of a split reduction).
// Adjacent dimensions are collapsed before a kernel is made, so one reduced dimension stands for any group of adjacent axes.
//
// Nodes are SSA in topological order. A node VARIES (along the reduced dimension) if it reads a buffer, an index or a value that varies
// along it. `reduce` takes a varying or non-varying operand and gives a non-varying value. A node's PASS is 0 for leaves, the maximum of its
// operands' passes otherwise, where a `reduce` operand counts as its own pass + 1 (a reduce's own pass is its operand's).
// For each index of the other dimensions, passes run in order; each pass loops over the reduced dimension,
// evaluates its varying nodes, performs its stores to buffers that vary and its reductions; non-varying nodes and other stores of pass p run
// once, before the loop of pass p. So softmax is one kernel of three passes.
//
// The canonical order of a reduction over n elements x[0..n) with `combine` and its identity (a function of n alone; see DESIGN, "Numbers"):
//   lanes  blocks of kLaneBlock elements. In a block, 32 lanes start as the identity; element i goes to lane i % 32, in order of i:
//          lane = combine(lane, x). Then lanes fold in halves: for h in 16 8 4 2 1: lane[j] = combine(lane[j], lane[j+h]), j < h.
//          lane[0] is the block's result. Block results are combined by TREE.
//   rows   blocks of kRowBlock elements; the block's result starts as the identity and takes its elements in order. Then TREE.
//   tree   TREE over the elements themselves.
//   TREE   r[0..m): if m == 1, r[0]; else combine(TREE(r[0..p)), TREE(r[p..m))), p the largest power of two < m. (A binary counter
//          of partial results does this as a stream.) m == 0 gives the identity.
// Aliasing: a load reads what memory held before the kernel's own store to that element. A written buffer may be loaded, and may share
// memory with another buffer, only where both have the same address at every index and no load of it stands in a later pass than the store.
// Any other overlap between a written buffer and the rest is the caller's error. A kernel stores to a buffer at most once.
// A gathered buffer is read where its gathers say, anywhere around its own addresses; it is never written.
//
// A reduction whose elements are cut into blocks across threads is two kernels: one with `clip` set (below) that stores block
// results, one with `tree`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/dtype.h"
#include "codegen/primitive.h"

namespace kiln::codegen {

inline constexpr int kMaxKernelRank = 8;
inline constexpr int kLanes = 32;
inline constexpr int64_t kLaneBlock = 4096;  // elements of one block of a `lanes` reduction
inline constexpr int64_t kRowBlock = 64;     // rows of one block of a `rows` reduction
inline constexpr int64_t kChunk = 4096;      // elements of the last dimension in one canonical block (pointwise, rows)
inline constexpr uint32_t kAbiVersion = 1;   // part of every cache key; grows with Args, the order of reductions or a primitive's meaning

using NodeId = uint32_t;
inline constexpr NodeId kNoNode = ~NodeId{0};

enum class NodeKind : uint8_t {
  constant,   // bits: the value, in the low bytes
  scalar,     // slot: an 8-byte run-time scalar, its low bytes read as dtype
  index,      // slot: dimension; i64, the index along it
  load,       // slot: buffer; operands[0] optional: bool mask; operands[1] value where the mask is false (required with a mask, and
              //   a masked-off element's memory is not touched)
  gather,     // slot: buffer; operands[0]: i64, so many elements from the buffer's address at the current index lies the one that is read
              //   (whoever draws the kernel has brought it into range); operands[1], [2] optional: mask and otherwise, as of a load
  primitive,  // prim over operands
  reduce,     // prim combines operands[0] over the reduced dimension
};

struct Node {
  NodeKind kind = NodeKind::constant;
  Prim prim = Prim::add;
  DType dtype = DType::F32;
  uint32_t slot = 0;
  NodeId operands[3] = {kNoNode, kNoNode, kNoNode};
  uint64_t bits = 0;

  bool operator==(const Node&) const = default;
};
static_assert(sizeof(Node) == 32);

constexpr bool reads_memory(const Node& n) { return n.kind == NodeKind::load || n.kind == NodeKind::gather; }
// Of a node that reads memory: which operand is its mask, if it has one; the next is the value where that is false.
constexpr int mask_operand(const Node& n) { return n.kind == NodeKind::gather ? 1 : 0; }
constexpr bool is_masked(const Node& n) { return n.operands[mask_operand(n)] != kNoNode; }

// What a back end may assume of a buffer's byte stride along a dimension.
enum class Stride : uint8_t {
  zero,        // 0: the same element all along
  contiguous,  // the element's size
  any,         // known at run time only (may be zero, negative or one element)
};

struct Buffer {
  DType dtype = DType::F32;
  bool written = false;               // the kernel stores to it (see Aliasing)
  Stride inner = Stride::contiguous;  // along the last dimension
  Stride reduced = Stride::zero;      // along the reduced dimension; equals inner for lanes and tree, zero without reduction;
                                      // varies along the reduced dimension exactly if != zero
  bool gathered = false;              // read by gathers, and by those alone
  bool operator==(const Buffer&) const = default;
};

struct Store {
  uint32_t buffer = 0;
  NodeId value = kNoNode;  // of the buffer's dtype; if it varies along the reduced dimension, so does the buffer
  bool operator==(const Store&) const = default;
};

enum class Reduction : uint8_t { none, lanes, rows, tree };

struct Kernel {
  uint8_t rank = 1;  // 1..kMaxKernelRank
  Reduction reduction = Reduction::none;
  // Split reductions: the reduced dimension's extent is Args::clip_total cut into blocks; dimension `clip` counts the blocks, and at
  // its index b the reduced extent is min(extents[reduced], clip_total - b * extents[reduced]). -1: not split. clip < the reduced dimension.
  int8_t clip = -1;
  uint32_t scalars = 0;  // number of run-time scalars
  std::vector<Buffer> buffers;
  std::vector<Node> nodes;
  std::vector<Store> stores;

  bool operator==(const Kernel&) const = default;
  int reduced_dim() const { return reduction == Reduction::none ? -1 : reduction == Reduction::rows ? rank - 2 : rank - 1; }
};

// Where each node stands: does it vary along the reduced dimension, and in which pass is it evaluated.
struct Schedule {
  // What runs when, in node order, without nodes that no store needs. A value that varies is not kept from one pass to the next: `loop`
  // also holds the varying nodes of earlier passes that this one needs again. Non-varying values stay.
  struct Pass {
    std::vector<NodeId> once;           // non-varying nodes (no reduces), before the loop
    std::vector<uint32_t> stores_once;  // indices into Kernel::stores, after `once`
    std::vector<NodeId> loop;           // varying nodes, for each element of the reduced dimension
    std::vector<uint32_t> stores_loop;  // then these
    std::vector<NodeId> reduces;        // and these; their values are there once the loop is over
    bool loops() const { return !stores_loop.empty() || !reduces.empty(); }
  };
  std::vector<bool> varying;
  std::vector<uint8_t> pass;
  std::vector<uint8_t> store_pass;
  int passes = 1;           // with a last one that may have no loop: the one that stores the reductions' results
  std::vector<Pass> steps;  // [passes]
};
Schedule schedule(const Kernel&);

// Number of canonical blocks, a function of the kernel's kind and its extents alone. Block b of
//   none   is (row, chunk): the outer dimensions' row-major index and kChunk elements of the last dimension; b = row * chunks + chunk,
//          chunks = ceil(extent / kChunk);
//   rows   the same over the dimensions but the reduced one;
//   lanes, tree   one index of the other dimensions (row-major).
// An empty space has none, except that a reduction over an empty dimension still stores its identity.
int64_t block_count(const Kernel&, const int64_t* extents);

uint64_t hash(const Kernel&);         // structural, stable across processes
std::string print(const Kernel&);     // text that parse() reads back to an equal kernel
Kernel parse(std::string_view text);  // throws Error{value} naming line and column
void verify(const Kernel&);           // throws Error{internal} naming the offending node

}  // namespace kiln::codegen
