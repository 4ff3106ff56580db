// Matching of rules, and what their conditions mean.
#include "codegen/simplify/simplify.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "codegen/error.h"
#include "codegen/interpreter/primitives.h"

namespace kiln::codegen {
namespace {

int width(DType t) { return 8 * size_of(t); }
uint64_t mask(DType t) { return ~uint64_t{0} >> (64 - width(t)); }
DTypeKind kind(DType t) { return info(t).kind; }

uint64_t cast_bits(DType to, DType from, uint64_t bits) { return interpreter::evaluate(Prim::cast, to, from, bits); }
double as_double(DType t, uint64_t bits) { return std::bit_cast<double>(t == DType::F64 ? bits : cast_bits(DType::F64, t, bits)); }
uint64_t from_double(DType t, double v) {
  const auto bits = std::bit_cast<uint64_t>(v);
  return t == DType::F64 ? bits : cast_bits(t, DType::F64, bits);
}
bool exactly(DType t, double v) { return as_double(t, from_double(t, v)) == v; }

// -- Conditions -------------------------------------------------------------------------------------------------------------------------

bool is_power_of_two(DType t, uint64_t c) {
  c &= mask(t);
  return std::has_single_bit(c) && c != 1 && !(is_signed(t) && std::countr_zero(c) == width(t) - 1);
}

bool has_exact_inverse(DType t, uint64_t c) {
  const double value = as_double(t, c), inverse = 1 / value;
  int exponent;
  return std::isfinite(value) && std::isfinite(inverse) && std::abs(std::frexp(value, &exponent)) == 0.5 && exactly(t, inverse);
}

// Bits of the integers that a dtype holds all of, with their negatives where it has a sign.
int digits(DType t) {
  if (kind(t) == DTypeKind::boolean) return 1;
  if (!is_floating(t)) return width(t) - (is_signed(t) ? 1 : 0);
  int n = 1;
  while (n < std::numeric_limits<double>::digits && exactly(t, std::ldexp(1.0, n) + 1)) ++n;  // 2^n + 1 has n + 1 digits
  return n;
}

bool holds_values(DType t, DType from) {
  if (t == from || kind(from) == DTypeKind::boolean) return true;
  if (kind(t) == DTypeKind::boolean || digits(t) < digits(from)) return false;
  if (!is_floating(from)) return is_signed(t) || !is_signed(from);
  const uint64_t infinity = from_double(from, std::numeric_limits<double>::infinity());
  return is_floating(t) && exactly(t, as_double(from, 1)) && exactly(t, as_double(from, infinity - 1));  // the least and the greatest
}

// Does t hold every value of `from`? (Not a NaN's payload.)
bool holds(DType t, DType from) {
  static const auto table = [] {
    std::array<std::array<bool, kRealDTypeCount>, kRealDTypeCount> known{};
    for (const DTypeInfo& a : kRealDTypes)
      for (const DTypeInfo& b : kRealDTypes)
        known[static_cast<size_t>(a.dtype)][static_cast<size_t>(b.dtype)] = holds_values(a.dtype, b.dtype);
    return known;
  }();
  return table[static_cast<size_t>(t)][static_cast<size_t>(from)];
}

// cast<t>(cast<u>(x)) = cast<t>(x) for every x of dtype s?
bool inner_cast_is_identity(DType s, DType u, DType t) {
  if (is_integer(s) && is_integer(u) && is_integer(t) && width(t) <= width(u)) return true;  // the low bits pass through
  if (!holds(u, s)) return false;
  return !(is_integer(s) && is_floating(u) && is_integer(t)) || holds(t, s);  // a float saturates where an integer wraps
}

bool accepts_casts(Condition when, DType s, DType u, DType t) {
  switch (when) {
    case Condition::returns: return t == s && holds(u, s);
    case Condition::inner_is_identity: return inner_cast_is_identity(s, u, t);
    case Condition::same_dtype: return t == s;
    default: return true;
  }
}
bool is_about_casts(Condition when) {
  return when == Condition::returns || when == Condition::inner_is_identity || when == Condition::same_dtype;
}

bool accepts_constant(Condition when, DType t, uint64_t c) {
  switch (when) {
    case Condition::power_of_two: return is_power_of_two(t, c);
    case Condition::exact_inverse: return has_exact_inverse(t, c);
    default: return true;
  }
}

// -- Matching ---------------------------------------------------------------------------------------------------------------------------

// What is looked up for every node that is made, worked out once.
struct Index {
  static constexpr uint64_t kConstant = uint64_t{1} << 62, kSame = uint64_t{1} << 63;
  static_assert(kPrimCount <= 62);

  std::array<uint8_t, kPrimCount + 1> first{};  // [primitive] its first rule
  std::vector<uint64_t> needs;                  // [rule] what must be among the root's operands: primitives, a constant, one twice
  std::array<uint64_t, kRealDTypeCount> literals[kLeafNames.size()]{};  // [leaf][dtype]

  Index() {
    for (const Rule& rule : simplification_rules()) {
      for (auto p = static_cast<size_t>(rule.pattern.root().prim) + 1; p < first.size(); ++p) ++first[p];
      needs.push_back(needs_of(rule.pattern));
    }
    for (Leaf leaf : {Leaf::zero, Leaf::minus_zero, Leaf::one, Leaf::minus_one, Leaf::all_ones})
      for (const DTypeInfo& t : kRealDTypes)
        literals[static_cast<size_t>(leaf)][static_cast<size_t>(t.dtype)] = leaf_bits(leaf, t.dtype, {});
  }

  static uint64_t needs_of(const Pattern& p) {
    uint64_t needs = 0;
    uint32_t seen = 0;
    for (int i = 0; i < info(p.root().prim).operands; ++i) {
      const Term& t = p.terms[p.root().operands[static_cast<size_t>(i)]];
      if (!t.is_leaf) needs |= uint64_t{1} << static_cast<unsigned>(t.prim);
      else if (static_cast<int>(t.leaf) >= kVariables) needs |= kConstant;
      else if ((seen >> static_cast<unsigned>(t.leaf) & 1) != 0) needs |= kSame;
      else seen |= 1u << static_cast<unsigned>(t.leaf);
    }
    return needs;
  }

  static uint64_t found_in(const Builder& b, const Node& node) {
    uint64_t found = 0;
    for (int i = 0; i < info(node.prim).operands; ++i) {
      const Node& operand = b.node(node.operands[i]);
      if (operand.kind == NodeKind::primitive) found |= uint64_t{1} << static_cast<unsigned>(operand.prim);
      if (operand.kind == NodeKind::constant) found |= kConstant;
      if (i > 0 && node.operands[i] == node.operands[i - 1]) found |= kSame;
    }
    return found;
  }
};

const Index& rules_index() {
  static const Index index;
  return index;
}

class Matcher {
 public:
  Matcher(Builder& builder, const Rule& rule) : builder_(builder), rule_(rule) {}

  // Tries every way to write the pattern's commutative primitives.
  bool matches(const Node& node) {
    int commutative = 0;
    for (uint8_t i = 0; i < rule_.pattern.count; ++i)
      commutative += !rule_.pattern.terms[i].is_leaf && commutes(rule_.pattern.terms[i].prim);
    for (swapped_ = 0; swapped_ < 1u << commutative; ++swapped_) {
      seen_commutative_ = 0;
      std::fill(std::begin(bound_), std::end(bound_), kNoNode);
      constant_.reset();
      if (primitive(0, node) && condition_holds(node)) return true;
    }
    return false;
  }

  Value result(DType dtype) { return build(0, dtype); }

 private:
  bool primitive(uint8_t index, const Node& node) {
    const Term& t = rule_.pattern.terms[index];
    if (node.kind != NodeKind::primitive || node.prim != t.prim) return false;
    const bool swap = commutes(t.prim) && (swapped_ >> seen_commutative_++ & 1) != 0;
    for (int i = 0; i < info(t.prim).operands; ++i) {
      const NodeId id = node.operands[swap && i < 2 ? 1 - i : i];
      const uint8_t operand = t.operands[static_cast<size_t>(i)];
      const Term& below = rule_.pattern.terms[operand];
      if (!(below.is_leaf ? leaf(below.leaf, id) : primitive(operand, builder_.node(id)))) return false;
    }
    return true;
  }

  bool leaf(Leaf name, NodeId id) {
    if (static_cast<int>(name) < kVariables) {
      NodeId& bound = bound_[static_cast<size_t>(name)];
      if (bound == kNoNode) bound = id;
      return bound == id && (name != Leaf::p || builder_.node(id).dtype == DType::Bool);
    }
    const Node& node = builder_.node(id);
    if (node.kind != NodeKind::constant) return false;
    if (name != Leaf::c)
      return ((node.bits ^ rules_index().literals[static_cast<size_t>(name)][static_cast<size_t>(node.dtype)]) & mask(node.dtype)) == 0;
    constant_ = node.bits & mask(node.dtype);
    return true;
  }

  bool condition_holds(const Node& node) {
    const NodeId x = bound_[static_cast<size_t>(Leaf::x)];
    operand_ = x == kNoNode ? node.dtype : builder_.node(x).dtype;
    if ((rule_.on & kind_set(kind(operand_))) == 0) return false;
    if (constant_) return accepts_constant(rule_.when, operand_, *constant_);
    if (is_about_casts(rule_.when)) return accepts_casts(rule_.when, operand_, builder_.node(node.operands[0]).dtype, node.dtype);
    return true;
  }

  // `dtype`: what the term gives, where its operands do not say.
  Value build(uint8_t index, DType dtype) {
    const Term& t = rule_.result.terms[index];
    if (t.is_leaf) {
      if (static_cast<int>(t.leaf) < kVariables) return {&builder_, bound_[static_cast<size_t>(t.leaf)]};
      return builder_.constant_bits(dtype, leaf_bits(t.leaf, dtype, constant_));
    }
    std::array<Value, 3> v;
    const auto operands = std::min<size_t>(info(t.prim).operands, v.size());
    for (size_t i = 0; i < operands; ++i) v[i] = build(t.operands[i], operand_);
    if (t.prim == Prim::cast) return builder_.cast(v[0], dtype);
    const DType result = result_dtype(t.prim, v[operands - 1].dtype());
    return builder_.primitive(t.prim, result, std::span(v).first(operands));
  }

  Builder& builder_;
  const Rule& rule_;
  NodeId bound_[kVariables];
  std::optional<uint64_t> constant_;
  DType operand_ = DType::Bool;
  unsigned swapped_ = 0, seen_commutative_ = 0;
};

}  // namespace

std::atomic<bool> simplification{true};

std::optional<Value> simplify(Builder& builder, const Node& node) {
  if (!simplification.load(std::memory_order_relaxed)) return std::nullopt;
  const Index& index = rules_index();
  const auto p = static_cast<size_t>(node.prim);
  const uint64_t found = Index::found_in(builder, node);
  for (size_t r = index.first[p]; r < index.first[p + 1]; ++r) {
    if ((index.needs[r] & ~found) != 0) continue;
    Matcher matcher(builder, simplification_rules()[r]);
    if (matcher.matches(node)) return matcher.result(node.dtype);
  }
  return std::nullopt;
}

// -- For proofs -------------------------------------------------------------------------------------------------------------------------

bool commutes(Prim p) { return info(p).commutative || p == Prim::fma; }

uint64_t leaf_bits(Leaf leaf, DType t, std::optional<uint64_t> c) {
  switch (leaf) {
    case Leaf::zero: return 0;
    case Leaf::minus_zero: return from_double(t, -0.0);
    case Leaf::one: return kind(t) == DTypeKind::boolean ? 1 : from_double(t, 1);
    case Leaf::minus_one: return is_floating(t) ? from_double(t, -1) : mask(t);
    case Leaf::all_ones: return kind(t) == DTypeKind::boolean ? 1 : mask(t);
    case Leaf::c: return c.value();
    case Leaf::inverse: return from_double(t, 1 / as_double(t, c.value()));
    case Leaf::log2: return static_cast<uint64_t>(std::countr_zero(c.value()));
    case Leaf::rest: return static_cast<uint64_t>(width(t) - std::countr_zero(c.value()));
    case Leaf::sign: return static_cast<uint64_t>(width(t) - 1);
    case Leaf::x:
    case Leaf::y:
    case Leaf::z:
    case Leaf::p: break;
  }
  fail(ErrorCode::internal, "a variable has no bits of its own");
}

DType term_dtype(const Pattern& pattern, uint8_t term, const Instance& instance) {
  const Term& t = pattern.terms[term];
  if (t.is_leaf) {
    const bool chooses = std::ranges::any_of(
        pattern.terms, [&](const Term& above) { return !above.is_leaf && above.prim == Prim::select && above.operands[0] == term; });
    return chooses || t.leaf == Leaf::p ? DType::Bool : term == 0 ? instance.result : instance.operand;
  }
  if (info(t.prim).gives_bool) return DType::Bool;
  if (t.prim == Prim::cast || t.prim == Prim::bitcast) return term == 0 ? instance.result : instance.inner;
  return term_dtype(pattern, t.operands[info(t.prim).operands - 1u], instance);
}

namespace {

// Are there primitives for all terms of a side?
bool computes(const Pattern& side, const Instance& instance) {
  for (uint8_t i = 0; i < side.count; ++i) {
    const Term& t = side.terms[i];
    if (!t.is_leaf && !takes(t.prim, term_dtype(side, t.operands[info(t.prim).operands - 1u], instance))) return false;
  }
  return true;
}

}  // namespace

std::vector<Instance> instances(const Rule& rule) {
  std::vector<Instance> found;
  const Prim root = rule.pattern.root().prim;
  for (const DTypeInfo& s : kRealDTypes) {
    if ((rule.on & kind_set(s.kind)) == 0) continue;
    const DType t = s.dtype;
    if (is_about_casts(rule.when)) {
      for (const DTypeInfo& u : kRealDTypes)
        for (const DTypeInfo& r : kRealDTypes)
          if (u.dtype != t && r.dtype != u.dtype && interpreter::apply_of(root, u.dtype, t) != nullptr &&
              interpreter::apply_of(root, r.dtype, u.dtype) != nullptr && accepts_casts(rule.when, t, u.dtype, r.dtype))
            found.push_back({t, u.dtype, r.dtype, std::nullopt});
      continue;
    }
    Instance instance{t, t, t, std::nullopt};
    instance.result = term_dtype(rule.pattern, 0, instance);
    if (!computes(rule.pattern, instance) || !computes(rule.result, instance)) continue;
    switch (rule.when) {
      case Condition::power_of_two:
        for (int k = 0; k < width(t); ++k)
          if (accepts_constant(rule.when, t, uint64_t{1} << k)) instance.constant = uint64_t{1} << k, found.push_back(instance);
        break;
      case Condition::exact_inverse:
        for (int k = -1074; k <= 1023; ++k)
          for (double sign : {1.0, -1.0})
            if (const double c = std::ldexp(sign, k); exactly(t, c) && accepts_constant(rule.when, t, from_double(t, c)))
              instance.constant = from_double(t, c), found.push_back(instance);
        break;
      default: found.push_back(instance);
    }
  }
  return found;
}

}  // namespace kiln::codegen
