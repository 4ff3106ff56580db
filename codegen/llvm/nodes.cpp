// The values of nodes: where each is evaluated, and how it is read and written.
#include <algorithm>

#include "codegen/error.h"
#include "codegen/llvm/emitter.h"

namespace kiln::codegen::llvm_ir {

void Emitter::Scope::open(Block at, size_t nodes, int copies) {
  block = at;
  values.assign(static_cast<size_t>(copies), Values(nodes));
  splats.assign(nodes, nullptr);
}

void Emitter::place_nodes() {
  struct Depends {
    bool outer, last, reduced;
  };
  std::vector<Depends> depends;
  for (const Node& n : kernel_.nodes) {
    Depends d{};
    for (NodeId operand : n.operands)
      if (operand != kNoNode)
        d = {d.outer || depends[operand].outer, d.last || depends[operand].last, d.reduced || depends[operand].reduced};
    if (n.kind == NodeKind::index) {
      const int dim = static_cast<int>(n.slot);
      d = {dim != last_ && dim != reduced_, dim == last_, dim == reduced_};
    } else if (reads_memory(n)) {
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
  bool strided = false;
  const auto count = [&](DType t) {
    ++count_by_size[size_of(t)];
    widest = std::max(widest, size_of(t));
  };
  const auto count_access = [&](const Buffer& buffer, bool scattered) {
    count(buffer.dtype);
    strided |= scattered || buffer.inner != Stride::contiguous;
    masks_tail_ &= has_masked_form(target_.isa, buffer.dtype);
  };
  for (NodeId id = 0; id < nodes(); ++id) {
    if (!is_wide(id)) continue;
    const Node& n = kernel_.nodes[id];
    operations += n.kind == NodeKind::primitive;
    if (reads_memory(n)) count_access(kernel_.buffers[n.slot], n.kind == NodeKind::gather && is_wide(n.operands[0]));
    else if (n.dtype != DType::Bool) count(n.dtype);  // a computed bool is a mask, as wide as what it masks
  }
  for (const Store& s : kernel_.stores)
    if (!reduces_last() || kernel_.buffers[s.buffer].reduced != Stride::zero) count_access(kernel_.buffers[s.buffer], false);
  const int register_bytes = target_.isa == Isa::avx512 ? 64 : 32;
  int usual = 8;
  for (int size : {4, 2, 1})
    if (count_by_size[size] > count_by_size[usual]) usual = size;
  width_ = std::min(register_bytes / usual, 2 * register_bytes / widest);
  copies_ = operations <= 4 ? 4 : operations <= kLightBody ? 2 : 1;
  if (reduces_last()) width_ = std::min(width_, kLanes);
  if (strided) {  // element by element anyway
    width_ = std::min(width_, 8);
    copies_ = 1;
    masks_tail_ = false;
  }
}

// Streaming pays where nothing else brings the line into the cache.
bool Emitter::is_streamed(const Store& s) const {
  const Buffer& buffer = kernel_.buffers[s.buffer];
  if (kernel_.reduction != Reduction::none || buffer.inner != Stride::contiguous || width_ * size_of(buffer.dtype) < 16) return false;
  return std::none_of(kernel_.nodes.begin(), kernel_.nodes.end(),
                      [&](const Node& n) { return n.kind == NodeKind::load && n.slot == s.buffer; });
}

void Emitter::open_strip(const Strip& strip) {
  strip_ = strip;
  column_.open(ir_.block(), nodes(), strip.copies);
  open_cells();
}

void Emitter::open_cells() {
  step_.open(ir_.block(), nodes());
  cell_.open(ir_.block(), nodes(), strip_.copies);
}

// Loads that do not vary are made at the start of their pass: a later one, or one in the pass's loop, may find that a store has been there.
void Emitter::load_once(const Schedule::Pass& pass) {
  if (schedule_.passes == 1 && !pass.loops()) return;
  for (NodeId id : pass.once)
    if (reads_memory(kernel_.nodes[id]))
      for (int c = 0; c < (is_wide(id) ? strip_.copies : 1); ++c) evaluate(id, c);
}

// All values first: a store may be to memory that another value reads.
void Emitter::store_all(const std::vector<uint32_t>& stores) {
  if (stores.empty()) return;
  Values values;
  for (uint32_t s : stores)
    for (int c = 0; c < strip_.copies; ++c) values.push_back(value(kernel_.stores[s].value, c));
  const auto write = [&](bool streaming) {
    size_t at = 0;
    for (uint32_t s : stores)
      for (int c = 0; c < strip_.copies; ++c)
        store(b(), access(kernel_.stores[s].buffer, c, strip_.width), values[at++], strip_.mask, !never_nan_[kernel_.stores[s].value],
              streaming && is_streamed(kernel_.stores[s]));
  };
  const bool in_main_loop = strip_.copies == copies_ && strip_.width == width_ && !strip_.mask;
  if (streams_ && in_main_loop) ir_.either(streams_, [&] { write(true); }, [&] { write(false); });
  else write(false);
}

Emitter::Scope& Emitter::scope(NodeId id) {
  switch (place_[id]) {
    case Place::entry: return entry_;
    case Place::row: return row_;
    case Place::column: return column_;
    case Place::step: return step_;
    case Place::cell: break;
  }
  return cell_;
}

Value* Emitter::value(NodeId id, int copy) {
  if (is_wide(id)) return evaluate(id, copy);
  Value* scalar = evaluate(id, 0);
  if (strip_.width == 1) return scalar;
  Scope& s = scope(id);
  if (!s.splats[id]) s.splats[id] = ir_.at_end_of(s.block, [&] { return ir_.splat(scalar, width_); });
  return s.splats[id];
}

Value* Emitter::evaluate(NodeId id, int copy) {
  Scope& s = scope(id);
  Value*& known = s.values[static_cast<size_t>(copy)][id];
  if (!known) known = ir_.at_end_of(s.block, [&] { return compute(kernel_.nodes[id], is_wide(id), copy); });
  return known;
}

Value* Emitter::compute(const Node& node, bool wide, int copy) {
  Values operands;
  for (NodeId operand : node.operands)
    if (operand != kNoNode) operands.push_back(wide ? value(operand, copy) : evaluate(operand, 0));
  switch (node.kind) {
    case NodeKind::constant: return constant(b(), node.dtype, node.bits, 1);
    case NodeKind::scalar: return read(b(), node.dtype, 1, ir_.field(scalars_, 8 * size_t{node.slot}));
    case NodeKind::index: return index(static_cast<int>(node.slot), copy);
    case NodeKind::load:
    case NodeKind::gather: {
      const auto at = static_cast<size_t>(mask_operand(node));
      Value* mask = is_masked(node) ? operands[at] : nullptr;
      if (wide && strip_.mask) mask = mask ? ir_.bit_and(mask, strip_.mask) : strip_.mask;
      Access from = access(node.slot, copy, wide ? strip_.width : 1);
      if (node.kind == NodeKind::gather) move(from, node.operands[0], copy);
      return load(b(), from, mask, is_masked(node) ? operands[at + 1] : nullptr);
    }
    case NodeKind::primitive:
      return primitive(b(), node.prim, kernel_.nodes[node.operands[operands.size() - 1]].dtype, node.dtype, operands,
                       !never_nan_[node.operands[0]]);
    case NodeKind::reduce: break;  // set when its loop ends
  }
  fail(ErrorCode::internal, "internal error: a reduction is read before its pass is over");
}

// A gather's elements lie as many elements on as the offset says: all of them alike, or each one by its own.
void Emitter::move(Access& access, NodeId offset, int copy) {
  Value* const bytes = number(size_of(access.dtype));
  if (is_wide(offset) && access.width > 1) {
    access.offsets = ir_.mul(value(offset, copy), ir_.splat(bytes, access.width));
    access.contiguous = false;
  } else {
    access.address = ir_.at(access.address, ir_.mul(evaluate(offset, is_wide(offset) ? copy : 0), bytes));
  }
}

Value* Emitter::index(int dim, int copy) {
  if (dim != last_) return dim == reduced_ ? reduced_index_ : index_[static_cast<size_t>(dim)];
  return ir_.count_from(ir_.add(ir_.add(column_base_, strip_.first), number(copy * strip_.width)), strip_.width);
}

// `width` elements of a buffer at the current indices.
Access Emitter::access(uint32_t id, int copy, int width) {
  const Buffer& buffer = kernel_.buffers[id];
  Value* address = row_pointer_[id];
  if (kernel_.reduction == Reduction::rows && buffer.reduced != Stride::zero)
    address = ir_.at(address, ir_.mul(reduced_index_, stride(id, reduced_)));
  Value* step = stride(id, last_);
  if (buffer.inner != Stride::zero)
    address = ir_.at(ir_.at(address, ir_.mul(strip_.first, step)), ir_.mul(number(copy * strip_.width), step));
  return {.dtype = buffer.dtype,
          .width = width,
          .isa = target_.isa,
          .contiguous = buffer.inner == Stride::contiguous,
          .address = address,
          .step = step};
}

// Bytes, known at once where the kernel says so.
Value* Emitter::stride(uint32_t id, int dim) {
  const Buffer& buffer = kernel_.buffers[id];
  const Stride kind = dim == last_ ? buffer.inner : Stride::any;
  if (kind == Stride::zero) return number(0);
  if (kind == Stride::contiguous) return number(size_of(buffer.dtype));
  const size_t at = id * kernel_.rank + static_cast<size_t>(dim);
  if (!stride_[at]) stride_[at] = ir_.at_end_of(entry_.block, [&] { return ir_.load_number(ir_.field(strides_, 8 * at)); });
  return stride_[at];
}

}  // namespace kiln::codegen::llvm_ir
