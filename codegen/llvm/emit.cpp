// From a kernel to loops.
//
//   for each run of blocks that share all outer indices but the innermost      blocks()
//     for each of its rows                                                     row()
//       none, rows:   for each strip of columns: all passes; a pass loops over the reduced rows
//       lanes, tree:  all passes; a pass loops over the strips of the row
//
// A strip is `copies` vectors of `width` neighbouring elements of the last dimension. Loops over it come as a main loop, one over single
// vectors, and one masked vector at the end (single elements where the ISA cannot mask an access).
//
// Every node is evaluated on first use, in the outermost SCOPE where its value stays the same, and remembered there:
//   entry    constants, run-time scalars and what is made of them          scalar
//   row      depends on outer indices only                                 scalar; splat where a strip needs it
//   column   depends on the last dimension, not on the reduced one         a vector per copy
//   step     depends on the reduced dimension, not on the last one (rows)  scalar
//   cell     depends on both                                               a vector per copy
// This hoists all that is invariant, and leaves LLVM instruction selection, scheduling and registers.
#include "codegen/llvm/emit.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include <llvm/ADT/STLFunctionalExtras.h>
#include <llvm/ADT/SmallVector.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>
#include <llvm/IR/Module.h>

#include "codegen/abi.h"
#include "codegen/error.h"
#include "codegen/llvm/expressions.h"

namespace kiln::codegen::llvm_ir {
namespace {

using llvm::BasicBlock;
using llvm::function_ref;
using llvm::Value;
namespace Intrinsic = llvm::Intrinsic;
using Values = llvm::SmallVector<Value*, 8>;

constexpr int64_t kTreeLevels = 48;  // of 64 rows or more each, or single elements: more than can be looped over
constexpr int kLightBody = 12;       // operations; a longer body hides latencies by itself

struct Scope {
  BasicBlock* block = nullptr;              // its nodes are evaluated at the end of this block, before the terminator if it has one
  std::vector<std::vector<Value*>> values;  // [copy][node]
  std::vector<Value*> splats;               // [node]

  void open(BasicBlock* at, size_t nodes, int copies = 1) {
    block = at;
    values.assign(copies, std::vector<Value*>(nodes));
    splats.assign(nodes, nullptr);
  }
};

struct Strip {
  int width = 1;
  int copies = 1;
  Value* first = nullptr;  // index along the last dimension, counted from the row pointers
  Value* mask = nullptr;   // only with one copy
};

// A reduction in progress. Both areas hold values as memory does.
struct Fold {
  NodeId id;
  Prim combine;
  DType dtype;
  Value* tree = nullptr;   // [kTreeLevels][copies][width]: the binary counter of partial results
  Value* lanes = nullptr;  // [kLanes]
};

class Emitter {
 public:
  Emitter(const Kernel& kernel, const Target& target, llvm::Function& function)
      : kernel_(kernel),
        target_(target),
        schedule_(schedule(kernel)),
        last_(kernel.rank - 1),
        reduced_(kernel.reduced_dim()),
        function_(function),
        b_(function.getContext()) {
    place_nodes();
    choose_strips();
    for (int d = 0; d < kernel.rank; ++d)
      if (d != reduced_ && d != last_) outer_.push_back(d);
  }

  void emit();

 private:
  enum class Place : uint8_t { entry, row, column, step, cell };

  // What is decided before any code is emitted.
  void place_nodes();
  void choose_strips();
  bool reduces_last() const { return reduced_ == last_; }
  bool is_wide(NodeId id) const { return place_[id] == Place::column || place_[id] == Place::cell; }
  bool is_streamed(const Store&) const;

  // Control flow. `carried` are values that go round a loop; afterwards they are those of its end.
  Value* loop(Value* begin, Value* end, int64_t step, Values& carried, function_ref<void(Value* i)> body);
  Value* loop(Value* begin, Value* end, int64_t step, function_ref<void(Value* i)> body);
  void when(Value* condition, Values& carried, function_ref<void()> body);
  BasicBlock* new_block(const char* name) { return BasicBlock::Create(b_.getContext(), name, &function_); }

  void load_arguments();
  void blocks(Value* begin, Value* end);
  void row();
  void strips(Value* count, function_ref<void()> body);
  void columns();
  void passes_over_row();
  void reduce_rows(const Schedule::Pass&);
  void reduce_lanes(const Schedule::Pass&);
  void reduce_tree(const Schedule::Pass&);
  Values lane_block(const Schedule::Pass&, const std::vector<Fold>&, Value* begin, Value* end);
  Value* halve(const Fold&, Values lanes);

  // Reductions. Results are in the order [fold][copy].
  std::vector<Fold> folds(const Schedule::Pass&, int copies, int width);
  Values identities(const std::vector<Fold>&, int copies, int width);
  Value* combine(const Fold& fold, Value* x, Value* y);
  Value* piece(Value* level, size_t copy, size_t copies, int width) {  // its place in Fold::tree
    return b_.CreateAdd(b_.CreateMul(level, number(static_cast<int64_t>(copies) * width)), number(static_cast<int64_t>(copy) * width));
  }
  Value* spilled(const Fold&, Value* area, Value* at, int width);
  void spill(const Fold&, Value* area, Value* at, Value* value);
  void push(const std::vector<Fold>&, Values results, Value* index, int width);
  Values finish(const std::vector<Fold>&, Value* count, int copies, int width);

  // Nodes and memory.
  void open_strip(Strip strip);
  void open_cells() {
    step_.open(b_.GetInsertBlock(), kernel_.nodes.size());
    cell_.open(b_.GetInsertBlock(), kernel_.nodes.size(), strip_.copies);
  }
  void load_once(const Schedule::Pass&);
  void store_all(const std::vector<uint32_t>& stores, bool may_stream = false);
  Scope& scope(Place);
  Value* value(NodeId, int copy);  // as wide as the strip
  Value* evaluate(NodeId, int copy);
  Value* compute(const Node&, NodeId, int copy);
  Value* index(const Node&, int copy);
  Access access(uint32_t buffer, int copy, int width);
  void insert_at_end(BasicBlock*);
  Value* stride(uint32_t buffer, int dim);
  Value* local(int64_t bytes);

  Value* number(int64_t n) { return b_.getInt64(static_cast<uint64_t>(n)); }
  Value* field(size_t offset, llvm::Type* type) {
    return b_.CreateLoad(type, b_.CreateConstGEP1_64(b_.getInt8Ty(), function_.getArg(0), offset));
  }
  Value* element(llvm::Type* type, Value* array, size_t i) { return b_.CreateLoad(type, b_.CreateConstGEP1_64(type, array, i)); }
  Value* minimum(Value* x, Value* y) { return b_.CreateBinaryIntrinsic(Intrinsic::smin, x, y); }
  Value* blocks_of(Value* n, int64_t size) { return b_.CreateLShr(b_.CreateAdd(n, number(size - 1)), llvm::Log2_64(size)); }

  const Kernel& kernel_;
  const Target target_;
  const Schedule schedule_;
  const int last_, reduced_;
  std::vector<int> outer_;   // dimensions that are neither last nor reduced
  std::vector<Place> place_;
  int width_ = 1;            // of the strips' vectors
  int copies_ = 1;           // vectors in a main loop's strip
  bool masks_tail_ = true;   // else the last elements of a row are taken one by one

  llvm::Function& function_;
  llvm::IRBuilder<> b_;
  Scope entry_, row_, column_, step_, cell_;
  Strip strip_;
  Value *pointers_ = nullptr, *strides_ = nullptr, *scalars_ = nullptr;
  Values extents_;                              // [dim]
  Values stride_;                               // [buffer][dim], those in use
  Values row_pointer_;                          // [buffer] address at the row's (and chunk's) first element
  std::array<Value*, kMaxKernelRank> index_{};  // [outer dim]
  Value* column_base_ = nullptr;                // none, rows: the index along the last dimension of the chunk's first element
  Value* columns_ = nullptr;                    // elements of the chunk
  Value* reduced_extent_ = nullptr;
  Value* reduced_index_ = nullptr;              // rows: in the loop over them
  Value* streams_ = nullptr;                    // i1: results are too large for the cache, and aligned; null where none is streamed
};

// ---- Decisions ----------------------------------------------------------------------------------------------------------------------

void Emitter::place_nodes() {
  struct Depends {
    bool outer, last, reduced;
  };
  std::vector<Depends> depends;
  for (const Node& n : kernel_.nodes) {
    Depends d{};
    for (NodeId operand : n.operands)
      if (operand != kNoNode) d = {d.outer || depends[operand].outer, d.last || depends[operand].last, d.reduced || depends[operand].reduced};
    if (n.kind == NodeKind::index) {
      const int dim = static_cast<int>(n.slot);
      d = {dim != last_ && dim != reduced_, dim == last_, dim == reduced_};
    } else if (n.kind == NodeKind::load) {
      const Buffer& buffer = kernel_.buffers[n.slot];
      d = {true, d.last || buffer.inner != Stride::zero, d.reduced || buffer.reduced != Stride::zero};
    } else if (n.kind == NodeKind::reduce) {
      d = {true, kernel_.reduction == Reduction::rows, false};
    }
    depends.push_back(d);
    place_.push_back(d.last && d.reduced ? Place::cell
                     : d.last            ? Place::column
                     : d.reduced         ? Place::step
                     : d.outer           ? Place::row
                                         : Place::entry);
  }
}

// A vector register holds the dtype that most operations work on, and at most two hold the widest.
void Emitter::choose_strips() {
  int count_by_size[9] = {}, widest = 1, operations = 0;
  const auto count = [&](DType t) {
    ++count_by_size[size_of(t)];
    widest = std::max(widest, size_of(t));
  };
  // An access that is wide though its buffer is the same all along (a store, or a load under a mask) is a gather or scatter.
  const auto check_access = [&](const Buffer& b) {
    masks_tail_ &= has_masked_form(target_.isa, b.dtype, b.inner == Stride::contiguous ? Stride::contiguous : Stride::any);
  };
  for (NodeId id = 0; id < kernel_.nodes.size(); ++id) {
    if (!is_wide(id)) continue;
    const Node& n = kernel_.nodes[id];
    if (n.dtype != DType::Bool || n.kind == NodeKind::load) count(n.dtype);  // a computed bool is a mask of any width
    operations += n.kind == NodeKind::primitive;
    if (n.kind == NodeKind::load) check_access(kernel_.buffers[n.slot]);
  }
  for (const Store& s : kernel_.stores) {
    const Buffer& buffer = kernel_.buffers[s.buffer];
    count(buffer.dtype);
    check_access(buffer);
  }
  const int register_bytes = target_.isa == Isa::avx512 ? 64 : 32;
  int usual = 8;
  for (int size : {4, 1})
    if (count_by_size[size] > count_by_size[usual]) usual = size;
  width_ = std::min(register_bytes / usual, 2 * register_bytes / widest);
  if (reduces_last()) width_ = std::min(width_, kLanes);
  copies_ = operations <= 4 ? 4 : operations <= kLightBody ? 2 : 1;
}

// Streaming pays where nothing else brings the line into the cache.
bool Emitter::is_streamed(const Store& s) const {
  if (kernel_.reduction != Reduction::none || kernel_.buffers[s.buffer].inner != Stride::contiguous) return false;
  const bool loaded = std::any_of(kernel_.nodes.begin(), kernel_.nodes.end(),
                                  [&](const Node& n) { return n.kind == NodeKind::load && n.slot == s.buffer; });
  return !loaded && width_ * size_of(kernel_.buffers[s.buffer].dtype) >= 16;
}

// ---- Control flow -------------------------------------------------------------------------------------------------------------------

Value* Emitter::loop(Value* begin, Value* end, int64_t step, Values& carried, function_ref<void(Value* i)> body) {
  BasicBlock* before = b_.GetInsertBlock();
  BasicBlock* head = new_block("loop");
  BasicBlock* exit = new_block("done");
  Value* last = b_.CreateSub(end, number(step));
  b_.CreateCondBr(b_.CreateICmpSLE(begin, last), head, exit);

  b_.SetInsertPoint(head);
  const Values initial = carried;
  llvm::PHINode* i = b_.CreatePHI(begin->getType(), 2);
  for (Value*& v : carried) v = b_.CreatePHI(v->getType(), 2);
  const Values entering = carried;
  body(i);
  Value* next = b_.CreateAdd(i, number(step));
  BasicBlock* latch = b_.GetInsertBlock();
  b_.CreateCondBr(b_.CreateICmpSLE(next, last), head, exit);
  i->addIncoming(begin, before);
  i->addIncoming(next, latch);

  b_.SetInsertPoint(exit);
  const auto merge = [&](Value* initial_value, Value* final_value) {
    llvm::PHINode* merged = b_.CreatePHI(initial_value->getType(), 2);
    merged->addIncoming(initial_value, before);
    merged->addIncoming(final_value, latch);
    return merged;
  };
  for (size_t c = 0; c < carried.size(); ++c) {
    auto* phi = llvm::cast<llvm::PHINode>(entering[c]);
    phi->addIncoming(initial[c], before);
    phi->addIncoming(carried[c], latch);
    carried[c] = merge(initial[c], carried[c]);
  }
  return merge(begin, next);
}

Value* Emitter::loop(Value* begin, Value* end, int64_t step, function_ref<void(Value* i)> body) {
  Values none;
  return loop(begin, end, step, none, body);
}

void Emitter::when(Value* condition, Values& carried, function_ref<void()> body) {
  BasicBlock* before = b_.GetInsertBlock();
  BasicBlock* then = new_block("then");
  BasicBlock* exit = new_block("done");
  b_.CreateCondBr(condition, then, exit);
  b_.SetInsertPoint(then);
  const Values initial = carried;
  body();
  BasicBlock* latch = b_.GetInsertBlock();
  b_.CreateBr(exit);
  b_.SetInsertPoint(exit);
  for (size_t c = 0; c < carried.size(); ++c) {
    llvm::PHINode* merged = b_.CreatePHI(initial[c]->getType(), 2);
    merged->addIncoming(initial[c], before);
    merged->addIncoming(carried[c], latch);
    carried[c] = merged;
  }
}

// ---- Iteration ----------------------------------------------------------------------------------------------------------------------

void Emitter::emit() {
  BasicBlock* entry = new_block("entry");
  b_.SetInsertPoint(entry);
  entry_.open(entry, kernel_.nodes.size());
  load_arguments();
  Value* large = nullptr;
  if (std::any_of(kernel_.stores.begin(), kernel_.stores.end(), [&](const Store& s) { return is_streamed(s); })) {
    int bytes = 0;
    for (const Store& s : kernel_.stores) bytes = std::max(bytes, size_of(kernel_.buffers[s.buffer].dtype));
    Value* size = number(bytes);
    for (Value* extent : extents_) size = b_.CreateMul(size, extent);
    large = streams_ = b_.CreateICmpSGT(size, number(target_.cache_bytes));
  }
  blocks(function_.getArg(1), function_.getArg(2));
  if (large) {
    Values none;  // streaming stores are ordered with later ones only by a fence
    when(large, none, [&] { b_.CreateIntrinsic(Intrinsic::x86_sse_sfence, {}, {}); });
  }
  b_.CreateRet(b_.getInt32(0));
}

void Emitter::load_arguments() {
  llvm::Type* pointer = b_.getPtrTy();
  pointers_ = field(offsetof(Args, pointers), pointer);
  strides_ = field(offsetof(Args, strides), pointer);
  scalars_ = field(offsetof(Args, scalars), pointer);
  Value* extents = field(offsetof(Args, extents), pointer);
  for (int d = 0; d < kernel_.rank; ++d) extents_.push_back(element(b_.getInt64Ty(), extents, d));
  stride_.assign(kernel_.buffers.size() * kernel_.rank, nullptr);
  row_pointer_.assign(kernel_.buffers.size(), nullptr);
}

// A run: blocks that differ in the innermost outer index only, so that moving from row to row is one addition a buffer.
void Emitter::blocks(Value* begin, Value* end) {
  const bool chunked = !reduces_last();
  Value* chunks = chunked ? blocks_of(extents_[last_], kChunk) : nullptr;
  Value* streams = streams_;
  BasicBlock* before = b_.GetInsertBlock();
  BasicBlock* head = new_block("blocks");
  BasicBlock* body = new_block("run");
  BasicBlock* exit = new_block("exit");
  b_.CreateBr(head);
  b_.SetInsertPoint(head);
  llvm::PHINode* block = b_.CreatePHI(b_.getInt64Ty(), 2);
  b_.CreateCondBr(b_.CreateICmpSLT(block, end), body, exit);

  b_.SetInsertPoint(body);
  Value* rest = block;
  column_base_ = number(0);
  if (chunked) {
    if (!outer_.empty()) rest = b_.CreateUDiv(block, chunks);
    Value* chunk = outer_.empty() ? block : b_.CreateSub(block, b_.CreateMul(rest, chunks));
    column_base_ = b_.CreateMul(chunk, number(kChunk));
    columns_ = minimum(number(kChunk), b_.CreateSub(extents_[last_], column_base_));
  }
  for (size_t i = outer_.size(); i-- > 0;) {
    const int d = outer_[i];
    if (i == 0) {
      index_[d] = rest;
    } else {
      Value* quotient = b_.CreateUDiv(rest, extents_[d]);
      index_[d] = b_.CreateSub(rest, b_.CreateMul(quotient, extents_[d]));
      rest = quotient;
    }
  }
  Values pointers;
  for (uint32_t buffer = 0; buffer < kernel_.buffers.size(); ++buffer) {
    Value* offset = number(0);
    for (int d : outer_) offset = b_.CreateAdd(offset, b_.CreateMul(index_[d], stride(buffer, d)));
    if (chunked && kernel_.buffers[buffer].inner != Stride::zero) offset = b_.CreateAdd(offset, b_.CreateMul(column_base_, stride(buffer, last_)));
    pointers.push_back(b_.CreateGEP(b_.getInt8Ty(), element(b_.getPtrTy(), pointers_, buffer), offset));
  }
  Value* run = number(1);
  if (outer_.empty()) {
    row_pointer_ = pointers;
    row();
  } else {
    const int d = outer_.back();
    Value* first = index_[d];
    run = minimum(b_.CreateSub(end, block), b_.CreateSub(extents_[d], first));
    if (chunked) run = b_.CreateSelect(b_.CreateICmpEQ(chunks, number(1)), run, number(1));
    loop(number(0), run, 1, pointers, [&](Value* i) {
      index_[d] = b_.CreateAdd(first, i);
      row_pointer_ = pointers;
      row();
      for (uint32_t buffer = 0; buffer < pointers.size(); ++buffer)
        pointers[buffer] = b_.CreateGEP(b_.getInt8Ty(), pointers[buffer], stride(buffer, d));
    });
  }
  block->addIncoming(begin, before);
  block->addIncoming(b_.CreateAdd(block, run), b_.GetInsertBlock());
  b_.CreateBr(head);
  b_.SetInsertPoint(exit);
  streams_ = streams;
}

void Emitter::row() {
  row_.open(b_.GetInsertBlock(), kernel_.nodes.size());
  if (reduced_ >= 0) {
    reduced_extent_ = extents_[reduced_];
    if (kernel_.clip >= 0) {
      Value* total = field(offsetof(Args, clip_total), b_.getInt64Ty());
      Value* left = b_.CreateSub(total, b_.CreateMul(index_[kernel_.clip], reduced_extent_));
      reduced_extent_ = b_.CreateBinaryIntrinsic(Intrinsic::smax, number(0), minimum(reduced_extent_, left));
    }
  }
  if (reduces_last()) return passes_over_row();
  Value* large = streams_;
  if (large) {
    Value* bits = number(0);
    for (const Store& s : kernel_.stores)
      if (is_streamed(s)) bits = b_.CreateOr(bits, b_.CreatePtrToInt(row_pointer_[s.buffer], b_.getInt64Ty()));
    streams_ = b_.CreateAnd(large, b_.CreateICmpEQ(b_.CreateAnd(bits, number(63)), number(0)));
  }
  strips(columns_, [&] { columns(); });
  streams_ = large;
}

void Emitter::strips(Value* count, function_ref<void()> body) {
  const auto over = [&](Value* begin, int width, int copies) {
    return loop(begin, count, width * copies, [&](Value* i) {
      open_strip({.width = width, .copies = copies, .first = i});
      body();
    });
  };
  Value* at = over(number(0), width_, copies_);
  if (copies_ > 1) at = over(at, width_, 1);
  if (!masks_tail_) {
    over(at, 1, 1);
    return;
  }
  Values none;
  when(b_.CreateICmpSLT(at, count), none, [&] {
    open_strip({.width = width_, .copies = 1, .first = at, .mask = first_lanes(b_, b_.CreateSub(count, at), width_)});
    body();
  });
}

// none, rows: all passes over one strip of columns.
void Emitter::columns() {
  for (const Schedule::Pass& pass : schedule_.steps) {
    column_.block = b_.GetInsertBlock();
    load_once(pass);
    store_all(pass.stores_once, true);
    if (pass.loops()) reduce_rows(pass);
  }
}

void Emitter::reduce_rows(const Schedule::Pass& pass) {
  const std::vector<Fold> all = folds(pass, strip_.copies, strip_.width);
  const auto over = [&](Value* begin, Value* end, Values& results) {
    loop(begin, end, 1, results, [&](Value* r) {
      reduced_index_ = r;
      open_cells();
      size_t at = 0;
      for (const Fold& f : all)
        for (int c = 0; c < strip_.copies; ++c, ++at) results[at] = combine(f, results[at], value(kernel_.nodes[f.id].operands[0], c));
      store_all(pass.stores_loop);
    });
  };
  Values results;
  if (all.empty()) return over(number(0), reduced_extent_, results);
  Value* count = blocks_of(reduced_extent_, kRowBlock);
  loop(number(0), count, 1, [&](Value* block) {
    Value* begin = b_.CreateMul(block, number(kRowBlock));
    results = identities(all, strip_.copies, strip_.width);
    over(begin, minimum(b_.CreateAdd(begin, number(kRowBlock)), reduced_extent_), results);
    push(all, results, block, strip_.width);
  });
  results = finish(all, count, strip_.copies, strip_.width);
  for (size_t f = 0; f < all.size(); ++f)
    for (int c = 0; c < strip_.copies; ++c) column_.values[c][all[f].id] = results[f * strip_.copies + c];
}

// lanes, tree: all passes at one index of the other dimensions.
void Emitter::passes_over_row() {
  for (const Schedule::Pass& pass : schedule_.steps) {
    row_.block = b_.GetInsertBlock();
    strip_ = {};
    load_once(pass);
    store_all(pass.stores_once);
    if (!pass.loops()) continue;
    if (pass.reduces.empty())
      strips(reduced_extent_, [&] { store_all(pass.stores_loop); });
    else if (kernel_.reduction == Reduction::lanes)
      reduce_lanes(pass);
    else
      reduce_tree(pass);
  }
}

void Emitter::reduce_lanes(const Schedule::Pass& pass) {
  const std::vector<Fold> all = folds(pass, 1, 1);
  Value* count = blocks_of(reduced_extent_, kLaneBlock);
  loop(number(0), count, 1, [&](Value* block) {
    Value* begin = b_.CreateMul(block, number(kLaneBlock));
    push(all, lane_block(pass, all, begin, minimum(b_.CreateAdd(begin, number(kLaneBlock)), reduced_extent_)), block, 1);
  });
  const Values results = finish(all, count, 1, 1);
  for (size_t f = 0; f < all.size(); ++f) row_.values[0][all[f].id] = results[f];
}

void Emitter::reduce_tree(const Schedule::Pass& pass) {
  const std::vector<Fold> all = folds(pass, 1, 1);
  loop(number(0), reduced_extent_, 1, [&](Value* i) {
    open_strip({.first = i});
    Values results;
    for (const Fold& f : all) results.push_back(value(kernel_.nodes[f.id].operands[0], 0));
    store_all(pass.stores_loop);
    push(all, results, i, 1);
  });
  const Values results = finish(all, reduced_extent_, 1, 1);
  for (size_t f = 0; f < all.size(); ++f) row_.values[0][all[f].id] = results[f];
}

// The results of one block of a `lanes` reduction. While a light body has all 32 lanes before it they stay in registers; in the block's last
// few vectors, and in a heavy body, which is emitted once rather than for each vector of lanes, they lie in memory.
Values Emitter::lane_block(const Schedule::Pass& pass, const std::vector<Fold>& all, Value* begin, Value* end) {
  const int copies = kLanes / width_;
  const auto combine_strip = [&](Values& lanes) {
    size_t at = 0;
    for (const Fold& f : all)
      for (int c = 0; c < strip_.copies; ++c, ++at) {
        Value* combined = combine(f, lanes[at], value(kernel_.nodes[f.id].operands[0], c));
        lanes[at] = strip_.mask ? b_.CreateSelect(strip_.mask, combined, lanes[at]) : combined;
      }
    store_all(pass.stores_loop);
  };
  const auto lane_of = [&](Value* i) { return b_.CreateAnd(b_.CreateSub(i, begin), number(kLanes - 1)); };
  const auto in_memory = [&](const Strip& strip) {
    open_strip(strip);
    Value* lane = lane_of(strip.first);
    Values lanes;
    for (const Fold& f : all) lanes.push_back(spilled(f, f.lanes, lane, strip.width));
    combine_strip(lanes);
    for (size_t f = 0; f < all.size(); ++f) spill(all[f], all[f].lanes, lane, lanes[f]);
  };
  const auto vectors = [&](Values& lanes, bool out) {
    size_t at = 0;
    for (const Fold& f : all)
      for (int c = 0; c < copies; ++c, ++at) {
        if (out) spill(f, f.lanes, number(c * width_), lanes[at]);
        else lanes[at] = spilled(f, f.lanes, number(c * width_), width_);
      }
  };
  const auto tail = [&](Value* at) {
    if (!masks_tail_) return (void)loop(at, end, 1, [&](Value* i) { in_memory({.first = i}); });
    Value* past = b_.CreateAdd(end, number(width_ - 1));  // the last vector may be short
    loop(at, past, width_, [&](Value* i) {
      in_memory({.width = width_, .first = i, .mask = first_lanes(b_, b_.CreateSub(end, i), width_)});
    });
  };

  Values lanes = identities(all, copies, width_);
  const auto operations = std::count_if(pass.loop.begin(), pass.loop.end(), [&](NodeId id) { return kernel_.nodes[id].kind == NodeKind::primitive; });
  if (operations <= kLightBody) {
    Value* at = loop(begin, end, kLanes, lanes, [&](Value* i) {
      open_strip({.width = width_, .copies = copies, .first = i});
      combine_strip(lanes);
    });
    when(b_.CreateICmpSLT(at, end), lanes, [&] {
      vectors(lanes, true);
      tail(at);
      vectors(lanes, false);
    });
  } else {
    vectors(lanes, true);
    tail(loop(begin, end, width_, [&](Value* i) { in_memory({.width = width_, .first = i}); }));
    vectors(lanes, false);
  }
  Values results;
  for (size_t f = 0; f < all.size(); ++f) results.push_back(halve(all[f], Values(lanes.begin() + f * copies, lanes.begin() + (f + 1) * copies)));
  return results;
}

// Lane j with lane j + h, for h in 16 8 4 2 1.
Value* Emitter::halve(const Fold& fold, Values lanes) {
  for (size_t n = lanes.size() / 2; n >= 1; n /= 2)
    for (size_t j = 0; j < n; ++j) lanes[j] = combine(fold, lanes[j], lanes[j + n]);
  Value* v = lanes[0];
  for (int h = width_ / 2; h >= 1; h /= 2) {
    std::vector<int> low, high;
    for (int j = 0; j < h; ++j) {
      low.push_back(j);
      high.push_back(j + h);
    }
    v = combine(fold, b_.CreateShuffleVector(v, low), b_.CreateShuffleVector(v, high));
  }
  return b_.CreateExtractElement(v, b_.getInt64(0));
}

// ---- Reductions ---------------------------------------------------------------------------------------------------------------------

std::vector<Fold> Emitter::folds(const Schedule::Pass& pass, int copies, int width) {
  std::vector<Fold> all;
  for (NodeId id : pass.reduces) {
    const Node& n = kernel_.nodes[id];
    Fold fold{.id = id, .combine = n.prim, .dtype = n.dtype};
    fold.tree = local(kTreeLevels * copies * width * size_of(n.dtype));
    if (kernel_.reduction == Reduction::lanes) fold.lanes = local(kLanes * size_of(n.dtype));
    all.push_back(fold);
  }
  return all;
}

Values Emitter::identities(const std::vector<Fold>& all, int copies, int width) {
  Values values;
  for (const Fold& f : all) values.append(copies, constant(b_, f.dtype, identity_bits(f.combine, f.dtype), width));
  return values;
}

Value* Emitter::combine(const Fold& fold, Value* x, Value* y) {
  return primitive(b_, fold.combine, fold.dtype, fold.dtype, std::array{x, y});
}

Value* Emitter::spilled(const Fold& fold, Value* area, Value* at, int width) {
  Value* address = b_.CreateGEP(memory_type(b_, fold.dtype, 1), area, at);
  return from_memory(b_, fold.dtype, b_.CreateAlignedLoad(memory_type(b_, fold.dtype, width), address, llvm::Align(size_of(fold.dtype))));
}

void Emitter::spill(const Fold& fold, Value* area, Value* at, Value* value) {
  Value* address = b_.CreateGEP(memory_type(b_, fold.dtype, 1), area, at);
  b_.CreateAlignedStore(to_memory(b_, fold.dtype, value), address, llvm::Align(size_of(fold.dtype)));
}

// TREE as a binary counter. After `index` pushes its set bits are the pieces held, the largest first; one more element merges with as many
// pieces as the index has trailing ones.
void Emitter::push(const std::vector<Fold>& all, Values results, Value* index, int width) {
  const auto copies = results.size() / all.size();
  Value* held = b_.CreateUnaryIntrinsic(Intrinsic::ctpop, index);
  Value* merges = b_.CreateBinaryIntrinsic(Intrinsic::cttz, b_.CreateNot(index), b_.getFalse());
  Value* level = b_.CreateSub(held, merges);
  loop(number(0), merges, 1, results, [&](Value* i) {
    Value* top = b_.CreateSub(held, b_.CreateAdd(i, number(1)));
    for (size_t at = 0; at < results.size(); ++at) {
      const Fold& f = all[at / copies];
      results[at] = combine(f, spilled(f, f.tree, piece(top, at % copies, copies, width), width), results[at]);
    }
  });
  for (size_t at = 0; at < results.size(); ++at) {
    const Fold& f = all[at / copies];
    spill(f, f.tree, piece(level, at % copies, copies, width), results[at]);
  }
}

// The pieces held after `count` pushes, folded from the right; combine(x, identity) is x.
Values Emitter::finish(const std::vector<Fold>& all, Value* count, int copies, int width) {
  Values results = identities(all, copies, width);
  Value* held = b_.CreateUnaryIntrinsic(Intrinsic::ctpop, count);
  loop(number(0), held, 1, results, [&](Value* i) {
    Value* top = b_.CreateSub(held, b_.CreateAdd(i, number(1)));
    for (size_t at = 0; at < results.size(); ++at) {
      const Fold& f = all[at / copies];
      results[at] = combine(f, spilled(f, f.tree, piece(top, at % copies, copies, width), width), results[at]);
    }
  });
  return results;
}

// ---- Nodes and memory ---------------------------------------------------------------------------------------------------------------

void Emitter::open_strip(Strip strip) {
  strip_ = strip;
  column_.open(b_.GetInsertBlock(), kernel_.nodes.size(), strip.copies);
  open_cells();
}

// Loads that do not vary are made at the start of their pass: a later one may find that a store has been there.
void Emitter::load_once(const Schedule::Pass& pass) {
  if (schedule_.passes == 1) return;
  for (NodeId id : pass.once)
    if (kernel_.nodes[id].kind == NodeKind::load)
      for (int c = 0; c < (is_wide(id) ? strip_.copies : 1); ++c) evaluate(id, c);
}

// All values first: a store may be to memory that another value reads.
void Emitter::store_all(const std::vector<uint32_t>& stores, bool may_stream) {
  if (stores.empty()) return;
  Values values;
  for (uint32_t s : stores)
    for (int c = 0; c < strip_.copies; ++c) values.push_back(value(kernel_.stores[s].value, c));
  const auto write = [&](bool streaming) {
    size_t at = 0;
    for (uint32_t s : stores)
      for (int c = 0; c < strip_.copies; ++c)
        store(b_, access(kernel_.stores[s].buffer, c, strip_.width), values[at++], strip_.mask, streaming && is_streamed(kernel_.stores[s]));
  };
  if (!may_stream || !streams_ || strip_.mask || strip_.width == 1 || strip_.copies != copies_) return write(false);
  BasicBlock* past_cache = new_block("past_cache");
  BasicBlock* through_cache = new_block("through_cache");
  BasicBlock* stored = new_block("stored");
  b_.CreateCondBr(streams_, past_cache, through_cache);
  b_.SetInsertPoint(past_cache);
  write(true);
  b_.CreateBr(stored);
  b_.SetInsertPoint(through_cache);
  write(false);
  b_.CreateBr(stored);
  b_.SetInsertPoint(stored);
}

Scope& Emitter::scope(Place place) {
  switch (place) {
    case Place::entry: return entry_;
    case Place::row: return row_;
    case Place::column: return column_;
    case Place::step: return step_;
    case Place::cell: return cell_;
  }
  llvm_unreachable("a closed enum");
}

void Emitter::insert_at_end(BasicBlock* block) {
  if (llvm::Instruction* terminator = block->getTerminator()) b_.SetInsertPoint(terminator);
  else b_.SetInsertPoint(block);
}

Value* Emitter::value(NodeId id, int copy) {
  if (is_wide(id)) return evaluate(id, copy);
  Value* scalar = evaluate(id, 0);
  if (strip_.width == 1) return scalar;
  Scope& s = scope(place_[id]);
  if (!s.splats[id]) {
    llvm::IRBuilderBase::InsertPointGuard guard(b_);
    insert_at_end(s.block);
    s.splats[id] = b_.CreateVectorSplat(width_, scalar);
  }
  return s.splats[id];
}

Value* Emitter::evaluate(NodeId id, int copy) {
  Scope& s = scope(place_[id]);
  if (!s.values[copy][id]) {
    llvm::IRBuilderBase::InsertPointGuard guard(b_);
    insert_at_end(s.block);
    s.values[copy][id] = compute(kernel_.nodes[id], id, copy);
  }
  return s.values[copy][id];
}

Value* Emitter::compute(const Node& node, NodeId id, int copy) {
  const bool wide = is_wide(id);
  Values operands;
  for (NodeId operand : node.operands)
    if (operand != kNoNode) operands.push_back(wide ? value(operand, copy) : evaluate(operand, 0));
  switch (node.kind) {
    case NodeKind::constant: return constant(b_, node.dtype, node.bits, 1);
    case NodeKind::scalar:
      return from_memory(b_, node.dtype,
                         b_.CreateLoad(memory_type(b_, node.dtype, 1), b_.CreateConstGEP1_64(b_.getInt64Ty(), scalars_, node.slot)));
    case NodeKind::index: return index(node, copy);
    case NodeKind::load: {
      Value* mask = operands.empty() ? nullptr : operands[0];
      if (wide && strip_.mask) mask = mask ? b_.CreateAnd(mask, strip_.mask) : strip_.mask;
      return load(b_, access(node.slot, copy, wide ? strip_.width : 1), mask, operands.empty() ? nullptr : operands[1]);
    }
    case NodeKind::primitive: {
      const DType from = kernel_.nodes[node.operands[operands.size() - 1]].dtype;
      return primitive(b_, node.prim, from, node.dtype, operands);
    }
    case NodeKind::reduce: break;  // set when its loop ends
  }
  fail(ErrorCode::internal, "internal error: a reduction is read before its pass is over");
}

Value* Emitter::index(const Node& node, int copy) {
  const int dim = static_cast<int>(node.slot);
  if (dim != last_) return dim == reduced_ ? reduced_index_ : index_[dim];
  Value* first = b_.CreateAdd(b_.CreateAdd(column_base_, strip_.first), number(copy * strip_.width));
  if (strip_.width == 1) return first;
  Value* splat = b_.CreateVectorSplat(strip_.width, first);
  return b_.CreateAdd(splat, b_.CreateStepVector(splat->getType()));
}

// `width` elements of a buffer at the current indices.
Access Emitter::access(uint32_t id, int copy, int width) {
  const Buffer& buffer = kernel_.buffers[id];
  Access a{.dtype = buffer.dtype, .width = width, .isa = target_.isa, .stride = buffer.inner, .address = row_pointer_[id]};
  if (kernel_.reduction == Reduction::rows && buffer.reduced != Stride::zero)
    a.address = b_.CreateGEP(b_.getInt8Ty(), a.address, b_.CreateMul(reduced_index_, stride(id, reduced_)));
  switch (buffer.inner) {
    case Stride::zero:
      a.stride = Stride::any;
      a.step = number(0);
      break;
    case Stride::contiguous: {
      llvm::Type* element = memory_type(b_, buffer.dtype, 1);
      a.address = b_.CreateConstGEP1_64(element, b_.CreateGEP(element, a.address, strip_.first), copy * strip_.width);
      break;
    }
    case Stride::any:
      a.step = stride(id, last_);
      a.address = b_.CreateGEP(b_.getInt8Ty(), a.address, b_.CreateMul(b_.CreateAdd(strip_.first, number(copy * strip_.width)), a.step));
      break;
  }
  return a;
}

Value* Emitter::stride(uint32_t buffer, int dim) {
  Value*& known = stride_[buffer * kernel_.rank + dim];
  if (!known) {
    llvm::IRBuilderBase::InsertPointGuard guard(b_);
    insert_at_end(entry_.block);
    known = element(b_.getInt64Ty(), strides_, buffer * kernel_.rank + dim);
  }
  return known;
}

Value* Emitter::local(int64_t bytes) {
  llvm::IRBuilderBase::InsertPointGuard guard(b_);
  insert_at_end(entry_.block);
  auto* area = b_.CreateAlloca(llvm::ArrayType::get(b_.getInt8Ty(), bytes));
  area->setAlignment(llvm::Align(64));
  return area;
}

}  // namespace

llvm::Function& emit(const Kernel& kernel, const Target& target, llvm::Module& module, const char* name) {
  llvm::IRBuilder<> b(module.getContext());
  auto* type = llvm::FunctionType::get(b.getInt32Ty(), {b.getPtrTy(), b.getInt64Ty(), b.getInt64Ty()}, false);
  auto* function = llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage, name, module);
  function->setDoesNotThrow();
  if (target.isa == Isa::avx512) {
    function->addFnAttr("prefer-vector-width", "512");
    function->addFnAttr("min-legal-vector-width", "512");
  }
  Emitter(kernel, target, *function).emit();
  return *function;
}

}  // namespace kiln::codegen::llvm_ir
