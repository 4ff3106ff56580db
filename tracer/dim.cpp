#include "tracer/dim.h"

#include <algorithm>

namespace kiln::tracer {
namespace {

[[noreturn]] void overflow() { fail(ErrorCode::value, "a dimension does not fit 64 bits"); }

int64_t floor_divided(int64_t a, int64_t b) {
  if (b == 0) fail(ErrorCode::value, "a dimension is divided by zero");
  if (b == -1) {
    int64_t negated;
    if (__builtin_sub_overflow(0, a, &negated)) overflow();
    return negated;
  }
  return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

int64_t compute(DimOp op, int64_t a, int64_t b) {
  int64_t result = 0;
  switch (op) {
    case DimOp::add:
      if (__builtin_add_overflow(a, b, &result)) overflow();
      return result;
    case DimOp::mul:
      if (__builtin_mul_overflow(a, b, &result)) overflow();
      return result;
    case DimOp::floor_div: return floor_divided(a, b);
    case DimOp::mod: return b == -1 ? 0 : a - floor_divided(a, b) * b;
    case DimOp::max: return std::max(a, b);
    case DimOp::symbol: break;
  }
  return 0;
}

}  // namespace

Dim DimTable::make(DimOp op, Dim a, Dim b) {
  const auto [entry, added] = known_.try_emplace(Expression{op, a, b}, static_cast<uint32_t>(expressions_.size()));
  if (added) expressions_.push_back(entry->first);
  return Dim::expression(entry->second);
}

Dim DimTable::apply(DimOp op, Dim a, Dim b) {
  if (a.is_constant() && b.is_constant()) return compute(op, a.constant(), b.constant());
  const bool commutes = op == DimOp::add || op == DimOp::mul || op == DimOp::max;
  return commutes ? make(op, std::min(a, b), std::max(a, b)) : make(op, a, b);
}

Dim DimTable::symbol(const std::string& name) {
  const auto at = std::find(names_.begin(), names_.end(), name);
  const auto number = static_cast<int64_t>(at - names_.begin());
  if (at == names_.end()) names_.push_back(name);
  return make(DimOp::symbol, number, 0);
}

Dim DimTable::add(Dim a, Dim b) {
  if (a == Dim(0)) return b;
  if (b == Dim(0)) return a;
  return apply(DimOp::add, a, b);
}

Dim DimTable::mul(Dim a, Dim b) {
  if (a == Dim(0) || b == Dim(0)) return 0;
  if (a == Dim(1)) return b;
  if (b == Dim(1)) return a;
  return apply(DimOp::mul, a, b);
}

Dim DimTable::floor_div(Dim a, Dim b) {
  if (b == Dim(0)) fail(ErrorCode::value, "a dimension is divided by zero");
  return b == Dim(1) ? a : apply(DimOp::floor_div, a, b);
}

Dim DimTable::mod(Dim a, Dim b) {
  if (b == Dim(0)) fail(ErrorCode::value, "a dimension is divided by zero");
  return b == Dim(1) ? 0 : apply(DimOp::mod, a, b);
}

Dim DimTable::max(Dim a, Dim b) { return a == b ? a : apply(DimOp::max, a, b); }

Dim DimTable::product(std::span<const Dim> dims) {
  Dim n = 1;
  for (Dim d : dims) n = mul(n, d);
  return n;
}

int64_t DimTable::evaluate(Dim d, std::span<const int64_t> symbol_values) const {
  if (d.is_constant()) return d.constant();
  const Expression& e = expressions_[d.index()];
  if (e.op == DimOp::symbol) return symbol_values[static_cast<size_t>(e.a.constant())];
  return compute(e.op, evaluate(e.a, symbol_values), evaluate(e.b, symbol_values));
}

std::string DimTable::text(Dim d) const {
  if (d.is_constant()) return std::to_string(d.constant());
  const Expression& e = expressions_[d.index()];
  return e.op == DimOp::symbol ? text(e, {}, {}) : text(e, text(e.a), text(e.b));
}

std::string DimTable::text(const Expression& e, const std::string& a, const std::string& b) const {
  switch (e.op) {
    case DimOp::symbol: return names_[static_cast<size_t>(e.a.constant())];
    case DimOp::add: return "(" + a + " + " + b + ")";
    case DimOp::mul: return "(" + a + " * " + b + ")";
    case DimOp::floor_div: return "(" + a + " // " + b + ")";
    case DimOp::mod: return "(" + a + " % " + b + ")";
    case DimOp::max: return "max(" + a + ", " + b + ")";
  }
  return {};
}

std::vector<std::string> DimTable::texts(size_t longest) const {
  std::vector<std::string> all;
  all.reserve(expressions_.size());
  const auto part = [&](Dim d) { return d.is_constant() ? std::to_string(d.constant()) : all[d.index()]; };
  for (const Expression& e : expressions_) {
    all.push_back(e.op == DimOp::symbol ? text(e, {}, {}) : text(e, part(e.a), part(e.b)));
    if (all.back().size() > longest)
      fail(ErrorCode::value,
           "a number that follows from the inputs' shapes is made of too many others; it begins " + all.back().substr(0, 60));
  }
  return all;
}

std::optional<size_t> DimTable::symbol_number(Dim d) const {
  if (d.is_constant() || !holds(d) || expressions_[d.index()].op != DimOp::symbol) return std::nullopt;
  return static_cast<size_t>(expressions_[d.index()].a.constant());
}

std::vector<bool> DimTable::known_from(const std::vector<bool>& symbols) const {
  std::vector<bool> known;
  known.reserve(expressions_.size());
  const auto part = [&](Dim d) { return d.is_constant() || known[d.index()]; };
  for (const Expression& e : expressions_)
    known.push_back(e.op == DimOp::symbol ? symbols[static_cast<size_t>(e.a.constant())] : part(e.a) && part(e.b));
  return known;
}

}  // namespace kiln::tracer
