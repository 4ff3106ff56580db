#include "tracer/segment_words.h"

#include <algorithm>
#include <bit>

namespace kiln::tracer {
namespace {

// Tags of words. A call is: op pointer, counts of operands and attributes, operands, attributes' number and content, outputs. kLike: a tensor
// laid out as the one before, operand or output.
enum Tag : uint64_t { kAbsent = 1, kScalar = 2, kTensor = 3, kTensorLike = 4 };

uint64_t pack(Tag tag, uint64_t dtype_or_kind, uint64_t number) { return tag | dtype_or_kind << 8 | number << 16; }
DType dtype_of(uint64_t word) { return static_cast<DType>(word >> 8 & 0xff); }
uint32_t storage_of(uint64_t word) { return static_cast<uint32_t>(word >> 16); }

}  // namespace

SegmentWords::Last SegmentWords::Last::of(const eager::Tensor& t) {
  return {t.offset(), t.shape(), t.strides(), t.offset() == 0 && t.strides() == eager::contiguous_strides(t.shape())};
}
SegmentWords::Last SegmentWords::Last::of(const eager::Dims& shape) { return {0, shape, eager::contiguous_strides(shape), true}; }

void SegmentWords::begin_call(const eager::Operator* op, size_t operands, size_t attrs) {
  words_.push_back(reinterpret_cast<uintptr_t>(op));
  words_.push_back(operands | attrs << 32);
  count_call();
}

void SegmentWords::count_call() {
  const DType now = eager::default_dtype();
  if (calls_++ == 0) default_dtype_ = now;
  one_default_dtype_ = one_default_dtype_ && now == default_dtype_;
}

void SegmentWords::add_absent() { words_.push_back(kAbsent); }

void SegmentWords::add_scalar(DTypeKind kind) { words_.push_back(pack(kScalar, static_cast<uint64_t>(kind), 0)); }

void SegmentWords::add_dims(const eager::Dims& d) {
  words_.push_back(static_cast<uint64_t>(d.size()));
  for (int64_t v : d) words_.push_back(static_cast<uint64_t>(v));
}

void SegmentWords::add_tensor(uint32_t storage, const eager::Tensor& t) {
  const auto dtype = static_cast<uint64_t>(t.dtype());
  if (last_.is_of(t)) {
    words_.push_back(pack(kTensorLike, dtype, storage));
    return;
  }
  last_ = Last::of(t);
  words_.push_back(pack(kTensor, dtype, storage));
  words_.push_back(static_cast<uint64_t>(t.offset()));
  add_dims(t.shape());
  for (int64_t s : t.strides()) words_.push_back(static_cast<uint64_t>(s));
}

void SegmentWords::add_attrs(const eager::Attrs& attrs) {
  if (attrs.empty()) return;
  words_.push_back(attrs_.size());
  attrs_.push_back(attrs);
  for (const eager::Attr& a : attrs) {
    words_.push_back(a.index());
    if (const auto* b = std::get_if<bool>(&a)) words_.push_back(*b);
    if (const auto* i = std::get_if<int64_t>(&a)) words_.push_back(static_cast<uint64_t>(*i));
    if (const auto* f = std::get_if<double>(&a)) words_.push_back(std::bit_cast<uint64_t>(*f));
    if (const auto* t = std::get_if<DType>(&a)) words_.push_back(static_cast<uint64_t>(*t));
    if (const auto* d = std::get_if<eager::Dims>(&a)) add_dims(*d);
    if (const auto* s = std::get_if<std::string>(&a)) {
      words_.push_back(s->size());
      for (char c : *s) words_.push_back(static_cast<unsigned char>(c));
    }
  }
}

void SegmentWords::add_outputs(uint32_t first_storage, std::span<const eager::TensorType> types) {
  for (const eager::TensorType& t : types) {
    const bool like = last_.dense && t.shape == last_.shape;
    words_.push_back(pack(like ? kTensorLike : kTensor, static_cast<uint64_t>(t.dtype), first_storage++));
    if (like) continue;
    last_ = Last::of(t.shape);
    add_dims(t.shape);
  }
}

void SegmentWords::clear() {
  words_.clear();
  attrs_.clear();
  calls_ = 0;
  last_ = {};
  compared_ = 0;
  again_ = !kept_.empty();
  one_default_dtype_ = true;
}

void SegmentWords::keep() {
  kept_.swap(words_);
  kept_default_dtype_ = default_dtype_;
  if (!one_default_dtype_) kept_.clear();
}

bool SegmentWords::is_again() {
  again_ = again_ && words_.size() <= kept_.size() &&
           std::equal(words_.begin() + static_cast<std::ptrdiff_t>(compared_), words_.end(),
                      kept_.begin() + static_cast<std::ptrdiff_t>(compared_));
  compared_ = words_.size();
  return again_ && eager::default_dtype() == kept_default_dtype_;
}

SegmentWords::Again::Again(SegmentWords& words, const eager::Operator* op, size_t operands)
    : words_(words), at_(words.words_.size()), last_(&words.last_) {
  expect(reinterpret_cast<uintptr_t>(op));
  expect(operands);
}

void SegmentWords::Again::add_absent() { expect(kAbsent); }
void SegmentWords::Again::add_scalar(DTypeKind kind) { expect(pack(kScalar, static_cast<uint64_t>(kind), 0)); }

void SegmentWords::Again::add_tensor(uint32_t storage, const eager::Tensor& t) {
  const auto dtype = static_cast<uint64_t>(t.dtype());
  if (last_->is_of(t)) return expect(pack(kTensorLike, dtype, storage));
  expect(pack(kTensor, dtype, storage));
  expect(static_cast<uint64_t>(t.offset()));
  expect(static_cast<uint64_t>(t.shape().size()));
  for (int64_t v : t.shape()) expect(static_cast<uint64_t>(v));
  for (int64_t v : t.strides()) expect(static_cast<uint64_t>(v));
  changed_ = Last::of(t);
  last_ = &changed_;
}

bool SegmentWords::Again::output(uint32_t storage) {
  const uint64_t word = same_ ? next() : 0;
  same_ = same_ && storage_of(word) == storage;
  if (!same_) {
    words_.again_ = false;
    return false;
  }
  dtype_ = dtype_of(word);
  if ((word & 0xff) == kTensorLike) return true;
  eager::Dims shape;
  for (uint64_t n = next(); n > 0; --n) shape.push_back(static_cast<int64_t>(next()));
  changed_ = Last::of(shape);
  last_ = &changed_;
  return true;
}

eager::Tensor SegmentWords::Again::pending() const { return eager::Tensor::pending(last_->shape, last_->strides, dtype_); }

void SegmentWords::Again::commit() {
  const auto from = words_.kept_.begin() + static_cast<std::ptrdiff_t>(words_.words_.size());
  words_.words_.insert(words_.words_.end(), from, words_.kept_.begin() + static_cast<std::ptrdiff_t>(at_));
  words_.compared_ = at_;
  words_.count_call();
  if (last_ == &changed_) words_.last_ = changed_;
}

namespace {

class Reader {
 public:
  explicit Reader(std::span<const uint64_t> words) : words_(words) {}
  bool done() const { return at_ == words_.size(); }
  uint64_t next() { return words_[at_++]; }
  eager::Dims dims(size_t count) {
    eager::Dims d;
    for (size_t i = 0; i < count; ++i) d.push_back(static_cast<int64_t>(next()));
    return d;
  }
  // The layout of an operand or output whose tag was read.
  void layout(Tag tag, bool output) {
    if (tag == kTensorLike) return;
    offset_ = output ? 0 : static_cast<int64_t>(next());
    shape_ = dims(next());
    strides_ = output ? eager::contiguous_strides(shape_) : dims(static_cast<size_t>(shape_.size()));
  }
  std::vector<Dim> shape() const { return {shape_.begin(), shape_.end()}; }
  Window window() const {
    const bool empty = std::ranges::find(shape_, 0) != shape_.end();
    // Where nothing lies may be anywhere, even before the storage.
    return {.offset = empty ? 0 : offset_, .shape = shape(), .strides = {strides_.begin(), strides_.end()}};
  }
  void skip_dims() { at_ += words_[at_] + 1; }

 private:
  int64_t offset_ = 0;
  eager::Dims shape_, strides_;
  std::span<const uint64_t> words_;
  size_t at_ = 0;
};

// A tensor operand as the words say it.
struct TensorWord {
  uint32_t storage;
  DType dtype;
  Window window;
};

// Turns calls into nodes, following what each storage holds as its value changes.
class Builder {
 public:
  Builder(Graph& graph, const std::vector<int64_t>& leaf_bytes)
      : graph_(graph), leaf_bytes_(leaf_bytes), current_(leaf_bytes.size(), kNoValue), written_(leaf_bytes.size(), false) {}

  ValueId read(const TensorWord& t) {
    const ValueId base = content(t);
    if (is_identity(t.window, graph_.type(base))) return base;
    return graph_.add_view(base, t.window);
  }

  void write(const TensorWord& destination, Operand source) {
    const ValueId base = content(destination);
    const Type target{destination.dtype, destination.window.shape};
    const ValueId cast = fitted(source, target);
    current_[destination.storage] =
        is_identity(destination.window, graph_.type(base)) ? cast : graph_.add_update(base, cast, destination.window);
    written_[destination.storage] = true;
  }

  void define(uint32_t storage, ValueId v) {
    current_[storage] = v;
    written_[storage] = true;
  }

  void finish(const std::vector<bool>& visible) {
    for (uint32_t s = 0; s < current_.size(); ++s)
      if (visible[s] && written_[s]) graph_.results.push_back({s, current_[s]});
    for (uint32_t s = 0; s < current_.size(); ++s)
      if (leaf_bytes_[s] >= 0 && !visible[s]) graph_.lent.push_back(s);
  }

 private:
  // A leaf's first value: shaped as the tensor if that covers the whole storage in order, else flat.
  ValueId content(const TensorWord& t) {
    ValueId& v = current_[t.storage];
    if (v == kNoValue) {
      const Type whole{t.dtype, t.window.shape};
      int64_t elements = 1;
      for (Dim d : t.window.shape) elements *= d.constant();
      const int64_t held = leaf_bytes_[t.storage] / size_of(t.dtype);
      v = graph_.add_input(t.storage, elements == held && is_identity(t.window, whole) ? whole : Type{t.dtype, {held}});
    }
    return v;
  }

  // The source as a value of exactly this type: broadcast, cast, its NaNs in the form that kernels store. Where that changes nothing, simplify
  // (jit/passes/simplify.cpp) takes the source itself.
  ValueId fitted(Operand source, const Type& target) {
    Node n;
    n.op = eager::find_operator("copy_to");
    check(n.op != nullptr, "operator copy_to is not registered");
    n.operands = {source};
    n.attrs = {eager::Attr(target.dtype), eager::Attr(constant_shape(target))};
    return graph_.add(std::move(n), {target});
  }

  Graph& graph_;
  const std::vector<int64_t>& leaf_bytes_;
  std::vector<ValueId> current_;
  std::vector<bool> written_;
};

}  // namespace

Graph SegmentWords::build(const std::vector<int64_t>& leaf_bytes, const std::vector<bool>& visible) const {
  Graph graph;
  graph.storages = static_cast<uint32_t>(leaf_bytes.size());
  Builder builder(graph, leaf_bytes);
  Reader in(words_);
  for (uint32_t call = 0; !in.done(); ++call) {
    const auto* op = reinterpret_cast<const eager::Operator*>(static_cast<uintptr_t>(in.next()));
    const uint64_t counts = in.next();
    const size_t count = counts & 0xffffffff, attrs = counts >> 32;
    std::vector<Operand> operands;
    TensorWord destination{};
    for (size_t i = 0; i < count; ++i) {
      const uint64_t word = in.next();
      const auto tag = static_cast<Tag>(word & 0xff);
      switch (tag) {
        case kAbsent: operands.push_back({}); break;
        case kScalar: operands.push_back(Operand::scalar(graph.scalars++, static_cast<DTypeKind>(word >> 8 & 0xff))); break;
        case kTensor:
        case kTensorLike: {
          in.layout(tag, false);
          TensorWord t{storage_of(word), dtype_of(word), in.window()};
          if (op == nullptr && i == 0) {
            destination = std::move(t);
          } else {
            operands.push_back(Operand::value(builder.read(t)));
          }
        } break;
      }
    }
    if (op == nullptr) {
      builder.write(destination, operands[0]);
      continue;
    }
    Node node;
    node.op = op;
    node.origin = call;
    node.operands = std::move(operands);
    if (attrs > 0) {
      node.attrs = attrs_[in.next()];
      for (size_t i = 0; i < attrs; ++i) {
        const uint64_t index = in.next();
        if (index == 0) continue;
        if (std::holds_alternative<eager::Dims>(node.attrs[i])) {
          in.skip_dims();
        } else if (const auto* s = std::get_if<std::string>(&node.attrs[i])) {
          for (size_t k = 0; k <= s->size(); ++k) in.next();
        } else {
          in.next();
        }
      }
    }
    const auto outputs = static_cast<uint32_t>(op->outputs);
    std::vector<Type> types;
    uint32_t first_storage = 0;
    for (uint32_t i = 0; i < outputs; ++i) {
      const uint64_t word = in.next();
      if (i == 0) first_storage = storage_of(word);
      in.layout(static_cast<Tag>(word & 0xff), true);
      types.push_back({dtype_of(word), in.shape()});
    }
    const ValueId first = graph.add(std::move(node), std::move(types));
    for (uint32_t i = 0; i < outputs; ++i) builder.define(first_storage + i, first + i);
  }
  builder.finish(visible);
  return graph;
}

}  // namespace kiln::tracer
