// f16 and bf16 as u16 bits: f16 is converted by primitives of its own, bf16, whose instructions flush denormals, by integer operations.
#include <algorithm>
#include <optional>

#include "codegen/builder.h"
#include "codegen/error.h"
#include "codegen/half.h"
#include "codegen/interpreter/primitives.h"
#include "codegen/legalise.h"

namespace kiln::codegen {
namespace {

constexpr double kSignificant = 1 << 17;  // beyond it all integers are infinite in f16

template <class F>
auto with_half(DType t, F f) {
  return t == DType::F16 ? f(Float16{}) : f(BFloat16{});
}
double infinity_of(DType t) {
  return with_half(t, [](auto h) { return double{decltype(h)::kInfinity}; });
}
double nan_of(DType t) {
  return with_half(t, [](auto h) { return double{decltype(h)::kNaN}; });
}

class Rewriter {
 public:
  explicit Rewriter(const Kernel& from)
      : from_(from), b_(to_, Builder::Simplify::no), values_(from.nodes.size()), words_(from.nodes.size()), canonical_(from.nodes.size()) {
    to_.rank = from.rank;
    to_.reduction = from.reduction;
    to_.clip = from.clip;
    to_.scalars = from.scalars;
    to_.buffers = from.buffers;
    for (Buffer& b : to_.buffers)
      if (is_half(b.dtype)) b.dtype = DType::U16;
  }

  Kernel run() {
    for (NodeId id = 0; id < from_.nodes.size(); ++id) values_[id] = rewrite(id, from_.nodes[id]);
    for (const Store& s : from_.stores) b_.store(s.buffer, is_half(from_.nodes[s.value].dtype) ? canonical(s.value) : values_[s.value]);
    return std::move(to_);
  }

 private:
  Value rewrite(NodeId id, const Node& n) {
    const DType t = is_half(n.dtype) ? DType::U16 : n.dtype;
    const auto value = [&](int i) { return values_[n.operands[i]]; };
    switch (n.kind) {
      case NodeKind::constant: canonical_[id] = true; return b_.constant_bits(t, interpreter::canonical_bits(n.dtype, n.bits));
      case NodeKind::scalar: return b_.scalar(n.slot, t);
      case NodeKind::index: return b_.index(static_cast<int>(n.slot));
      case NodeKind::load: return n.operands[0] == kNoNode ? b_.load(n.slot) : b_.load(n.slot, value(0), value(1));
      case NodeKind::gather: return is_masked(n) ? b_.gather(n.slot, value(0), value(1), value(2)) : b_.gather(n.slot, value(0));
      case NodeKind::reduce: return b_.reduce(n.prim, value(0));
      case NodeKind::primitive: break;
    }
    const NodeId last = n.operands[info(n.prim).operands - 1];
    const DType from = from_.nodes[last].dtype;
    if (n.prim == Prim::cast && (is_half(from) || is_half(n.dtype))) {
      const Value x = is_half(from) ? to_f32(from, last) : values_[last];
      return is_half(n.dtype) ? rounded(id, single(n.dtype, x)) : b_.cast(x, n.dtype);
    }
    if (n.prim == Prim::bitcast && is_half(from)) return b_.cast(canonical(last), t);
    if (n.prim == Prim::bitcast && is_half(n.dtype)) return b_.cast(values_[last], t);
    Value v[3];
    for (int i = 0; i < info(n.prim).operands; ++i) v[i] = value(i);
    return b_.primitive(n.prim, t, std::span(v, info(n.prim).operands));
  }

  // A half's bits with any NaN the canonical one: what is stored, and what a bitcast shows.
  Value canonical(NodeId id) {
    if (canonical_[id]) return values_[id];
    const DType t = from_.nodes[id].dtype;
    return b_.select(b_.gt(b_.bit_and(values_[id], 0x7fff), infinity_of(t)), nan_of(t), values_[id]);
  }

  // Exact.
  Value to_f32(DType t, NodeId half) {
    const Value bits = words_[half] ? *words_[half] : b_.cast(values_[half], DType::I32);
    return t == DType::F16 ? b_.unpack_f16(bits) : b_.bitcast(b_.shl(bits, 16), DType::F32);
  }

  // An f32 that rounds to the same half as the value does.
  Value single(DType t, Value x) {
    switch (x.dtype()) {
      case DType::F32: return x;
      case DType::F64: return to_odd(x);
      case DType::I32:
      case DType::U32:
      case DType::I64:
      case DType::U64: break;
      default: return b_.cast(x, DType::F32);  // exact
    }
    if (t == DType::F16) {
      Value held = b_.minimum(x, kSignificant);
      if (is_signed(x.dtype())) held = b_.maximum(held, -kSignificant);
      return b_.cast(held, DType::F32);
    }
    return to_odd(b_.cast(size_of(x.dtype()) == 8 ? within_f64(x) : x, DType::F64));
  }

  // An integer that f64 holds and that rounds to the same bf16: of a large one, the low 16 bits go, and the next stands for them.
  Value within_f64(Value x) {
    const Value high = b_.shr(x, 40);
    Value small = b_.eq(high, 0);
    if (is_signed(x.dtype())) small = b_.bit_or(small, b_.eq(high, -1));
    const Value rest = b_.bit_and(x, 0xffff);
    const Value sticky = b_.select(b_.ne(rest, 0), b_.constant(x.dtype(), 0x10000), 0);
    return b_.select(small, x, b_.bit_or(b_.bit_xor(x, rest), sticky));
  }

  // f64 to f32 rounded to odd: where it is not exact, the neighbour whose last bit is 1, so that a second rounding, to fewer bits by two or
  // more, gives what a single one would (Boldo and Melquiond, When double rounding is odd, 2005).
  Value to_odd(Value x) {
    const Value nearest = b_.cast(x, DType::F32), back = b_.cast(nearest, DType::F64), bits = b_.bitcast(nearest, DType::I32);
    const Value astray = b_.bit_and(b_.ne(back, x), b_.eq(b_.bit_and(bits, 1), 0));
    const Value neighbour = b_.add(bits, b_.select(b_.lt(b_.abs(back), b_.abs(x)), b_.constant(DType::I32, 1), -1));
    return b_.bitcast(b_.select(astray, neighbour, bits), DType::F32);
  }

  // f32 to the half that node `id` is, to nearest even.
  Value rounded(NodeId id, Value x) {
    const DType t = from_.nodes[id].dtype;
    words_[id] = t == DType::F16 ? b_.pack_f16(x) : upper_half(b_.bitcast(x, DType::I32));
    canonical_[id] = true;
    return b_.cast(*words_[id], DType::U16);
  }

  Value upper_half(Value bits) {
    const Value nan = b_.gt(b_.bit_and(bits, 0x7fffffff), 0x7f800000);
    const Value odd = b_.bit_and(b_.shr_logical(bits, 16), 1);
    return b_.select(nan, nan_of(DType::BF16), b_.shr_logical(b_.add(b_.add(bits, odd), 0x7fff), 16));
  }

  const Kernel& from_;
  Kernel to_;
  Builder b_;
  std::vector<Value> values_;
  std::vector<std::optional<Value>> words_;  // a half's bits as an i32, where it was made of one: what a conversion back wants
  std::vector<bool> canonical_;              // a half that cannot be another NaN
};

}  // namespace

bool has_halves(const Kernel& kernel) {
  return std::any_of(kernel.nodes.begin(), kernel.nodes.end(), [](const Node& n) { return is_half(n.dtype); });
}

Kernel legalise_halves(const Kernel& kernel) { return has_halves(kernel) ? Rewriter(kernel).run() : kernel; }

}  // namespace kiln::codegen
