// Iteration: from the blocks of a call down to strips.
#include <algorithm>

#include "codegen/abi.h"
#include "codegen/llvm/emitter.h"

namespace kiln::codegen::llvm_ir {

Emitter::Emitter(const Kernel& kernel, const Target& target, llvm::Function& function)
    : kernel_(kernel),
      target_(target),
      schedule_(schedule(kernel)),
      never_nan_(never_nan(kernel)),
      last_(kernel.rank - 1),
      reduced_(kernel.reduced_dim()),
      ir_(function) {
  place_nodes();
  choose_strips();
  for (int d = 0; d < kernel.rank; ++d)
    if (d != reduced_ && d != last_) outer_.push_back(d);
}

void Emitter::emit() {
  entry_.open(ir_.block(), nodes());
  load_arguments();
  if (std::any_of(kernel_.stores.begin(), kernel_.stores.end(), [&](const Store& s) { return is_streamed(s); })) {
    int widest = 0;
    for (const Store& s : kernel_.stores) widest = std::max(widest, size_of(kernel_.buffers[s.buffer].dtype));
    Value* bytes = number(widest);
    for (Value* extent : extents_) bytes = ir_.mul(bytes, extent);
    streams_ = ir_.less(number(target_.cache_bytes), bytes);
  }
  ir_.loop_by(ir_.argument(1), ir_.argument(2), [&](Value* block) { return run(block, ir_.argument(2)); });
  if (streams_) ir_.when(streams_, [&] { ir_.fence_streams(); });
  ir_.leave_with_zero();
}

void Emitter::load_arguments() {
  Value* args = ir_.argument(0);
  pointers_ = ir_.load_pointer(ir_.field(args, offsetof(Args, pointers)));
  strides_ = ir_.load_pointer(ir_.field(args, offsetof(Args, strides)));
  scalars_ = ir_.load_pointer(ir_.field(args, offsetof(Args, scalars)));
  Value* extents = ir_.load_pointer(ir_.field(args, offsetof(Args, extents)));
  for (int d = 0; d < kernel_.rank; ++d) extents_.push_back(ir_.load_number(ir_.field(extents, 8 * static_cast<size_t>(d))));
  stride_.assign(kernel_.buffers.size() * kernel_.rank, nullptr);
  trees_.assign(nodes(), nullptr);
  lanes_.assign(nodes(), nullptr);
}

// The blocks from `block` on that differ in the innermost outer index only, so that moving from row to row is one addition a buffer.
Value* Emitter::run(Value* block, Value* end) {
  Value* rest = block;
  Value* chunks = nullptr;
  column_base_ = number(0);
  if (!reduces_last()) {
    chunks = ir_.ceil_divide(extents_[static_cast<size_t>(last_)], kChunk);
    if (!outer_.empty()) rest = ir_.divide(block, chunks);
    find_columns(outer_.empty() ? block : ir_.sub(block, ir_.mul(rest, chunks)));
  }
  for (size_t i = outer_.size(); i-- > 0;) {
    const auto d = static_cast<size_t>(outer_[i]);
    Value* quotient = i == 0 ? number(0) : ir_.divide(rest, extents_[d]);
    index_[d] = ir_.sub(rest, ir_.mul(quotient, extents_[d]));
    rest = quotient;
  }
  Values pointers;
  for (uint32_t id = 0; id < kernel_.buffers.size(); ++id) {
    Value* offset = ir_.mul(column_base_, stride(id, last_));
    for (int d : outer_) offset = ir_.add(offset, ir_.mul(index_[static_cast<size_t>(d)], stride(id, d)));
    pointers.push_back(ir_.at(ir_.load_pointer(ir_.field(pointers_, 8 * size_t{id})), offset));
  }
  if (outer_.empty()) {
    row_pointer_ = pointers;
    row();
    return number(1);
  }
  const auto d = static_cast<size_t>(outer_.back());
  Value* first = index_[d];
  Value* rows = ir_.minimum(ir_.sub(end, block), ir_.sub(extents_[d], first));
  if (chunks) rows = ir_.select(ir_.equal(chunks, number(1)), rows, number(1));
  ir_.loop(number(0), rows, 1, pointers, [&](Value* i) {
    index_[d] = ir_.add(first, i);
    row_pointer_ = pointers;
    row();
    for (uint32_t id = 0; id < pointers.size(); ++id) pointers[id] = ir_.at(pointers[id], stride(id, outer_.back()));
  });
  return rows;
}

void Emitter::find_columns(Value* chunk) {
  column_base_ = ir_.mul(chunk, number(kChunk));
  columns_ = ir_.minimum(number(kChunk), ir_.sub(extents_[static_cast<size_t>(last_)], column_base_));
}

void Emitter::row() {
  row_.open(ir_.block(), nodes());
  if (reduced_ >= 0) find_reduced_extent();
  if (reduces_last()) return passes_over_row();
  Value* large = streams_;
  if (large) streams_ = streams_row(large);
  strips(columns_, [&] { columns(); });
  streams_ = large;
}

void Emitter::find_reduced_extent() {
  reduced_extent_ = extents_[static_cast<size_t>(reduced_)];
  if (kernel_.clip < 0) return;
  Value* total = ir_.load_number(ir_.field(ir_.argument(0), offsetof(Args, clip_total)));
  Value* left = ir_.sub(total, ir_.mul(index_[static_cast<size_t>(kernel_.clip)], reduced_extent_));
  reduced_extent_ = ir_.maximum(number(0), ir_.minimum(reduced_extent_, left));
}

// A streaming store has to be aligned.
Value* Emitter::streams_row(Value* large) {
  Value* bits = number(0);
  for (const Store& s : kernel_.stores)
    if (is_streamed(s)) bits = ir_.bit_or(bits, ir_.bits_of(row_pointer_[s.buffer]));
  return ir_.bit_and(large, ir_.equal(ir_.bit_and(bits, number(63)), number(0)));
}

void Emitter::strips(Value* count, const std::function<void()>& body) {
  const auto over = [&](Value* begin, int width, int copies) {
    return ir_.loop(begin, count, width * copies, [&](Value* i) {
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
  ir_.when(ir_.less(at, count), [&] {
    open_strip({.width = width_, .copies = 1, .first = at, .mask = first_lanes(b(), ir_.sub(count, at), width_)});
    body();
  });
}

// none, rows: all passes over one strip of columns.
void Emitter::columns() {
  for (const Schedule::Pass& pass : schedule_.steps) {
    column_.block = ir_.block();
    load_once(pass);
    store_all(pass.stores_once);
    if (pass.loops()) reduce_rows(pass);
  }
}

// lanes, tree: all passes at one index of the other dimensions.
void Emitter::passes_over_row() {
  for (const Schedule::Pass& pass : schedule_.steps) {
    row_.block = ir_.block();
    strip_ = {};
    load_once(pass);
    store_all(pass.stores_once);
    if (!pass.loops()) continue;
    if (pass.reduces.empty()) strips(reduced_extent_, [&] { store_all(pass.stores_loop); });
    else if (kernel_.reduction == Reduction::lanes) reduce_lanes(pass);
    else reduce_tree(pass);
  }
}

void emit(const Kernel& kernel, const Target& target, llvm::Function& function) { Emitter(kernel, target, function).emit(); }

}  // namespace kiln::codegen::llvm_ir
