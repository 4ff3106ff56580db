#include "codegen/legalise.h"

#include <algorithm>
#include <cmath>

#include "codegen/builder.h"
#include "codegen/error.h"

namespace kiln::codegen {
namespace {

bool is_machine(DType t) { return !is_integer(t) || t == DType::U8 || t == DType::I32 || t == DType::I64; }
DType carrier(DType t) { return is_machine(t) ? t : size_of(t) == 8 ? DType::I64 : DType::I32; }

// What an element is in memory, for the machine: integers as wide as a carrier are the carrier's.
DType in_memory(DType t) {
  if (is_machine(t)) return t;
  return size_of(t) == 1 ? DType::U8 : size_of(t) == 2 ? DType::U16 : carrier(t);
}

// Is the dtype narrower than its carrier?
bool is_narrow(DType t) { return size_of(t) < size_of(carrier(t)); }

class Legaliser {
 public:
  // Nothing is simplified: a store whose value no longer needs a reduction would come a pass earlier, before loads of memory that it shares.
  explicit Legaliser(const Kernel& from) : from_(from), to_(frame(from)), b_(to_, Builder::Simplify::no), values_(from.nodes.size()) {}

  Kernel run() {
    for (NodeId id = 0; id < from_.nodes.size(); ++id) values_[id] = rewrite(from_.nodes[id]);
    for (const Store& s : from_.stores) {
      const DType t = from_.nodes[s.value].dtype;
      b_.store(s.buffer, b_.cast(values_[s.value].low, in_memory(t)));
    }
    return std::move(to_);
  }

 private:
  // A value in its carrier: its low bits, and all of it once something has asked (or where it is known to be in range).
  struct Carried {
    Value low, whole;
  };

  static Kernel frame(const Kernel& from) {
    Kernel k;
    k.rank = from.rank;
    k.reduction = from.reduction;
    k.clip = from.clip;
    k.scalars = from.scalars;
    k.buffers = from.buffers;
    for (Buffer& b : k.buffers) b.dtype = in_memory(b.dtype);
    return k;
  }

  DType type(NodeId id) const { return from_.nodes[id].dtype; }

  Value wrapped(DType t, Value x) {
    const double unused = 8 * (size_of(carrier(t)) - size_of(t));
    if (!is_signed(t)) return b_.bit_and(x, std::ldexp(1.0, 8 * size_of(t)) - 1);
    return b_.shr(b_.shl(x, unused), unused);
  }
  Value low(NodeId id) const { return values_[id].low; }
  Value whole(NodeId id) {
    Carried& v = values_[id];
    if (!v.whole) v.whole = is_narrow(type(id)) ? wrapped(type(id), v.low) : v.low;
    return v.whole;
  }
  static Carried all(Value v) { return {v, v}; }
  static Carried low_bits(Value v) { return {v, Value()}; }

  Carried rewrite(const Node& n) {
    const DType t = n.dtype, c = carrier(t);
    switch (n.kind) {
      case NodeKind::constant: {
        uint64_t bits = n.bits;
        if (is_narrow(t) && is_signed(t) && (bits >> (8 * size_of(t) - 1)) != 0) bits |= 0xffffffffu << (8 * size_of(t)) & 0xffffffffu;
        return all(b_.constant_bits(c, bits));
      }
      case NodeKind::scalar: return is_narrow(t) ? low_bits(b_.scalar(n.slot, c)) : all(b_.scalar(n.slot, c));
      case NodeKind::index: return all(b_.index(static_cast<int>(n.slot)));
      case NodeKind::load:
      case NodeKind::gather: {
        const Value loaded = read(n);
        const Value carried = b_.cast(loaded, c);
        return is_narrow(t) && is_signed(t) ? low_bits(carried) : all(carried);
      }
      case NodeKind::primitive: return primitive(n);
      case NodeKind::reduce: return reduce(n);
    }
    fail(ErrorCode::internal, "a node of an unknown kind");
  }

  Value read(const Node& n) {
    const bool gathers = n.kind == NodeKind::gather;
    if (!is_masked(n)) return gathers ? b_.gather(n.slot, low(n.operands[0])) : b_.load(n.slot);
    const Value mask = low(n.operands[mask_operand(n)]);
    const Value otherwise = b_.cast(low(n.operands[mask_operand(n) + 1]), in_memory(n.dtype));
    return gathers ? b_.gather(n.slot, low(n.operands[0]), mask, otherwise) : b_.load(n.slot, mask, otherwise);
  }

  Carried reduce(const Node& n) {
    const DType t = n.dtype;
    const bool extremum = n.prim == Prim::min || n.prim == Prim::max;
    if (is_machine(t)) return all(b_.reduce(n.prim, low(n.operands[0])));
    if (!extremum) return is_narrow(t) ? low_bits(b_.reduce(n.prim, low(n.operands[0]))) : all(b_.reduce(n.prim, low(n.operands[0])));
    if (!is_narrow(t)) return all(flipped(b_.reduce(n.prim, flipped(whole(n.operands[0])))));
    // Of no elements: the dtype's own bound, not the carrier's.
    const Value found = b_.reduce(n.prim, whole(n.operands[0]));
    const Value bound = b_.cast(b_.constant_bits(t, identity_bits(n.prim, t)), carrier(t));
    return all(n.prim == Prim::min ? b_.minimum(found, bound) : b_.maximum(found, bound));
  }

  // The order of unsigned numbers is that of signed ones whose sign bit is flipped.
  Value flipped(Value x) { return b_.bit_xor(x, sign_bit(x.dtype())); }
  Value sign_bit(DType t) { return b_.constant_bits(t, uint64_t{1} << (8 * size_of(t) - 1)); }

  Carried primitive(const Node& n) {
    const PrimInfo& about = info(n.prim);
    const DType t = type(n.operands[about.operands - 1]);  // of the operands; select's first is bool
    if (n.prim == Prim::cast) return cast(n.operands[0], t, n.dtype);
    if (n.prim == Prim::bitcast) return all(b_.bitcast(low(n.operands[0]), carrier(n.dtype)));
    if (n.prim == Prim::select) return select(n);
    if (is_machine(t)) {
      Value v[3];
      for (int i = 0; i < about.operands; ++i) v[i] = low(n.operands[i]);
      return all(b_.primitive(n.prim, n.dtype, std::span(v, about.operands)));
    }
    if (about.gives_bool) return all(compare(n.prim, t, n.operands[0], n.operands[1]));
    return is_narrow(t) ? narrow(n, t) : unsigned_word(n, t);
  }

  Carried select(const Node& n) {
    const Value condition = low(n.operands[0]);
    const NodeId then = n.operands[1], otherwise = n.operands[2];
    if (is_narrow(n.dtype) && (!values_[then].whole || !values_[otherwise].whole))
      return low_bits(b_.select(condition, low(then), low(otherwise)));
    return all(b_.select(condition, whole(then), whole(otherwise)));
  }

  Value compare(Prim prim, DType t, NodeId a, NodeId b) {
    Value x = whole(a), y = whole(b);
    if (!is_narrow(t) && prim != Prim::eq && prim != Prim::ne) x = flipped(x), y = flipped(y);
    return b_.primitive(prim, DType::Bool, {x, y});
  }

  // i8, i16, u16 in i32.
  Carried narrow(const Node& n, DType t) {
    const NodeId a = n.operands[0], b = n.operands[1];
    switch (n.prim) {
      case Prim::add:
      case Prim::sub:
      case Prim::mul:
      case Prim::bit_xor: return low_bits(b_.primitive(n.prim, DType::I32, {low(a), low(b)}));
      case Prim::bit_and:
      case Prim::bit_or:
        if (values_[a].whole && values_[b].whole) return all(b_.primitive(n.prim, DType::I32, {whole(a), whole(b)}));
        return low_bits(b_.primitive(n.prim, DType::I32, {low(a), low(b)}));
      case Prim::neg:
      case Prim::bit_not: return low_bits(b_.primitive(n.prim, DType::I32, {low(a)}));
      case Prim::abs: return is_signed(t) ? low_bits(b_.abs(whole(a))) : all(whole(a));
      case Prim::min:
      case Prim::max:
      case Prim::div: {
        const Value result = b_.primitive(n.prim, DType::I32, {whole(a), whole(b)});
        return n.prim == Prim::div && is_signed(t) ? low_bits(result) : all(result);  // -128 / -1 is 128, and wraps
      }
      // Counts: whole, a negative one is over-wide for the carrier too. Between the dtype's width and the carrier's, its bits lie above
      // the dtype's, or are copies of its sign, or zeros.
      case Prim::shl: return low_bits(b_.shl(low(a), whole(b)));
      case Prim::shr: return all(is_signed(t) ? b_.shr(whole(a), whole(b)) : b_.shr_logical(whole(a), whole(b)));
      case Prim::shr_logical: {
        const Value bits = is_signed(t) ? b_.bit_and(low(a), std::ldexp(1.0, 8 * size_of(t)) - 1) : whole(a);
        const Value shifted = b_.shr_logical(bits, whole(b));
        return is_signed(t) ? low_bits(shifted) : all(shifted);
      }
      default: fail(ErrorCode::internal, "a primitive that narrow integers do not have");
    }
  }

  // u32 in i32, u64 in i64.
  Carried unsigned_word(const Node& n, DType t) {
    const DType c = carrier(t);
    const Value x = low(n.operands[0]);
    const Value y = n.operands[1] == kNoNode ? Value() : low(n.operands[1]);
    switch (n.prim) {
      case Prim::abs: return all(x);
      case Prim::neg:
      case Prim::bit_not: return all(b_.primitive(n.prim, c, {x}));
      case Prim::min:
      case Prim::max: return all(flipped(b_.primitive(n.prim, c, {flipped(x), flipped(y)})));
      case Prim::div: return all(t == DType::U32 ? divide_32(x, y) : divide_64(x, y));
      case Prim::shr: return all(b_.shr_logical(x, y));
      default: return all(b_.primitive(n.prim, c, {x, y}));
    }
  }

  // As floats that hold both exactly: the rounded quotient reaches no integer that the exact one does not (its error is below
  // 2^-21 / y, and an integer not reached is at least 1 / y away).
  Value divide_32(Value x, Value y) {
    const Value quotient = to_unsigned(b_.div(from_u32(x), from_u32(y)), DType::I32);
    return b_.select(b_.eq(y, 0), 0, quotient);
  }

  // By signed division (Warren, Hacker's Delight, section 9-3): half of x, then a correction by at most one; a divisor of 2^63 or more
  // goes once or not at all.
  Value divide_64(Value x, Value y) {
    const auto reaches = [&](Value u, Value v) { return b_.cast(b_.ge(flipped(u), flipped(v)), DType::I64); };
    const Value estimate = b_.shl(b_.div(b_.shr_logical(x, 1), y), 1);
    const Value quotient = b_.add(estimate, reaches(b_.sub(x, b_.mul(estimate, y)), y));
    return b_.select(b_.eq(y, 0), 0, b_.select(b_.lt(y, 0), reaches(x, y), quotient));
  }

  Value from_u32(Value x) { return b_.select(b_.lt(x, 0), b_.add(b_.cast(x, DType::F64), 0x1p32), b_.cast(x, DType::F64)); }

  // From 2^63 on halved, the last bit standing for all that it loses, so that the conversion alone rounds.
  Value from_u64(Value x, DType t) {
    const Value halved = b_.cast(b_.bit_or(b_.shr_logical(x, 1), b_.bit_and(x, 1)), t);
    return b_.select(b_.lt(x, 0), b_.add(halved, halved), b_.cast(x, t));
  }

  // A float to an unsigned number as wide as the carrier: saturates at both ends, and NaN gives 0.
  Value to_unsigned(Value x, DType c) {
    const double half = std::ldexp(1.0, 8 * size_of(c) - 1);
    const Value upper = b_.bit_xor(b_.cast(b_.sub(x, half), c), sign_bit(c));
    const Value lower = b_.cast(b_.select(b_.gt(x, 0), x, 0), c);
    return b_.select(b_.ge(x, half), upper, lower);
  }

  Carried cast(NodeId id, DType from, DType to) {
    const DType c = carrier(to);
    if (is_machine(from) && is_machine(to)) return all(b_.cast(low(id), to));
    if (to == DType::Bool) return all(b_.ne(whole(id), 0));
    if (is_floating(to)) {
      if (from == DType::U32) return all(b_.cast(from_u32(low(id)), to));
      if (from == DType::U64) return all(from_u64(low(id), to));
      return all(b_.cast(whole(id), to));
    }
    if (is_floating(from)) {
      if (!is_narrow(to)) return all(to_unsigned(low(id), c));
      const auto bound = [&](Prim p) { return b_.cast(b_.constant_bits(to, identity_bits(p, to)), c); };
      return all(b_.minimum(b_.maximum(b_.cast(low(id), c), bound(Prim::max)), bound(Prim::min)));
    }
    // Integers: what the source's value is in 64 bits if it widens, else its low bits.
    if (size_of(to) == 8 && from == DType::U32) return all(b_.bit_and(b_.cast(low(id), c), 0x1p32 - 1));
    const bool widens = size_of(to) > size_of(from);
    const Value bits = b_.cast(widens ? whole(id) : low(id), c);
    const bool fits = !is_narrow(to) || (widens && (is_signed(to) || !is_signed(from)));
    return fits ? all(bits) : low_bits(bits);
  }

  const Kernel& from_;
  Kernel to_;
  Builder b_;
  std::vector<Carried> values_;
};

}  // namespace

bool is_legal(const Kernel& kernel) {
  return std::all_of(kernel.nodes.begin(), kernel.nodes.end(), [](const Node& n) { return is_machine(n.dtype) && !is_half(n.dtype); });
}

Kernel legalise(const Kernel& kernel) { return has_halves(kernel) ? Legaliser(legalise_halves(kernel)).run() : Legaliser(kernel).run(); }

}  // namespace kiln::codegen
