// From a kernel to loops over strips.
//
//   for each run of blocks that share all outer indices but the innermost
//     for each of its rows
//       none, rows:   for each strip of columns: all passes; a pass loops over the reduced rows
//       lanes, tree:  all passes; a pass loops over the strips of the row
//
// A strip is `copies` vectors of `width` neighbouring elements of the last dimension. Loops over it come as a main loop, one over single
// vectors, and one masked vector at the end (single elements where an access cannot be masked).
//
// Every node is evaluated on first use, in the outermost SCOPE where its value stays the same, and remembered there:
//   entry    constants, run-time scalars and what is made of them          scalar
//   row      depends on outer indices only                                 scalar; splat where a strip needs it
//   column   depends on the last dimension, not on the reduced one         a vector per copy
//   step     depends on the reduced dimension, not on the last one (rows)  scalar
//   cell     depends on both                                               a vector per copy
// This hoists all that is invariant, and leaves LLVM instruction selection, scheduling and registers.
#pragma once

#include <array>
#include <vector>

#include "codegen/kernel.h"
#include "codegen/llvm/emit.h"
#include "codegen/llvm/expressions.h"
#include "codegen/llvm/ir.h"
#include "codegen/nan.h"

namespace kiln::codegen::llvm_ir {

inline constexpr int kLightBody = 12;  // operations; a longer body hides latencies by itself

struct Strip {
  int width = 1;
  int copies = 1;
  Value* first = nullptr;  // index along the last dimension, counted from the row pointers
  Value* mask = nullptr;   // only with one copy
};

// A reduction in progress; both areas hold values put aside.
struct Fold {
  NodeId id;
  Prim combine;
  DType dtype;
  Value* tree;   // [level][copies][width]: the binary counter of partial results
  Value* lanes;  // [kLanes]; lanes only
};
using Folds = std::vector<Fold>;

class Emitter {
 public:
  Emitter(const Kernel&, const Target&, llvm::Function&);
  void emit();

 private:
  enum class Place : uint8_t { entry, row, column, step, cell };
  struct Scope {
    Block block = nullptr;       // where its nodes are evaluated
    std::vector<Values> values;  // [copy][node]
    Values splats;               // [node]
    void open(Block at, size_t nodes, int copies = 1);
  };

  // What is decided before any code is emitted (nodes.cpp).
  void place_nodes();
  void choose_strips();
  bool reduces_last() const { return reduced_ == last_; }
  bool is_wide(NodeId id) const { return place_[id] == Place::column || place_[id] == Place::cell; }
  bool is_streamed(const Store&) const;

  // Iteration (loops.cpp).
  void load_arguments();
  Value* run(Value* block, Value* end);  // gives the number of blocks done
  void find_columns(Value* chunk);
  void row();
  void find_reduced_extent();
  Value* streams_row(Value* large);
  void strips(Value* count, const std::function<void()>& body);
  void columns();
  void passes_over_row();

  // Reductions (reductions.cpp). Values are in the order [fold][copy].
  void reduce_rows(const Schedule::Pass&);
  void reduce_lanes(const Schedule::Pass&);
  void reduce_tree(const Schedule::Pass&);
  Values lane_block(const Schedule::Pass&, const Folds&, Value* begin, Value* end);
  void next_lanes(const Schedule::Pass&, const Folds&, const Strip&, Values& lanes);
  void rest_in_memory(const Schedule::Pass&, const Folds&, Values& lanes, Value* begin, Value* end, bool heavy);
  void masked_strips(Value* at, Value* end, Values& carried, const std::function<void(const Strip&)>& body);
  void lanes_in_memory(const Schedule::Pass&, const Folds&, const Strip&, Value* begin);
  void combine_strip(const Schedule::Pass&, const Folds&, Values& results);
  void write_lanes(const Folds&, const Values&);
  void read_lanes(const Folds&, Values&);
  Value* halve(const Fold&, Values lanes);
  Folds folds(const Schedule::Pass&);
  Values identities(const Folds&, int copies, int width);
  Value* combine(const Fold&, Value* x, Value* y);
  Value* lane_address(const Fold&, Value* lane);
  Value* tree_address(const Fold&, Value* level, int copy, int copies, int width);
  void push(const Folds&, Values results, Value* index, int copies, int width);
  Values finish(const Folds&, Value* count, int copies, int width);

  // Nodes and memory (nodes.cpp).
  void open_strip(const Strip&);
  void open_cells();
  void load_once(const Schedule::Pass&);
  void store_all(const std::vector<uint32_t>& stores);
  Scope& scope(NodeId);
  Value* value(NodeId, int copy);  // as wide as the strip
  Value* evaluate(NodeId, int copy);
  Value* compute(const Node&, bool wide, int copy);
  Value* index(int dim, int copy);
  Access access(uint32_t buffer, int copy, int width);
  void move(Access&, NodeId offset, int copy);
  Value* stride(uint32_t buffer, int dim);

  Value* number(int64_t n) { return ir_.number(n); }
  llvm::IRBuilderBase& b() { return ir_.builder(); }
  size_t nodes() const { return kernel_.nodes.size(); }

  const Kernel& kernel_;
  const Target target_;
  const Schedule schedule_;
  const std::vector<bool> never_nan_;
  const int last_, reduced_;
  std::vector<int> outer_;  // dimensions that are neither last nor reduced
  std::vector<Place> place_;
  int width_ = 1;           // of the strips' vectors
  int copies_ = 1;          // vectors in a main loop's strip
  bool masks_tail_ = true;  // else the last elements of a row are taken one by one

  Ir ir_;
  Scope entry_, row_, column_, step_, cell_;
  Strip strip_;
  Value *pointers_ = nullptr, *strides_ = nullptr, *scalars_ = nullptr;
  Values extents_;                              // [dim]
  Values stride_;                               // [buffer][dim], those in use
  Values trees_, lanes_;                        // [node] areas of reductions
  Values row_pointer_;                          // [buffer] address at the row's (and chunk's) first element
  std::array<Value*, kMaxKernelRank> index_{};  // [outer dim]
  Value* column_base_ = nullptr;                // none, rows: the index along the last dimension of the chunk's first element
  Value* columns_ = nullptr;                    // none, rows: elements of the chunk
  Value* reduced_extent_ = nullptr;
  Value* reduced_index_ = nullptr;  // rows: in the loop over them
  Value* streams_ = nullptr;        // whether results bypass the cache; null where none could
};

}  // namespace kiln::codegen::llvm_ir
