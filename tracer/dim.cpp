#include "tracer/dim.h"

#include <algorithm>

namespace kiln::tracer {

Dim DimTable::make(DimOp op, Dim a, Dim b) {
  const auto [entry, added] = known_.try_emplace(Expression{op, a, b}, static_cast<uint32_t>(expressions_.size()));
  if (added) expressions_.push_back(entry->first);
  return Dim::expression(entry->second);
}

Dim DimTable::symbol(const std::string& name) {
  const auto at = std::find(names_.begin(), names_.end(), name);
  const auto number = static_cast<int64_t>(at - names_.begin());
  if (at == names_.end()) names_.push_back(name);
  return make(DimOp::symbol, number, 0);
}

Dim DimTable::add(Dim a, Dim b) {
  if (a.is_constant() && b.is_constant()) return a.constant() + b.constant();
  if (a == Dim(0)) return b;
  if (b == Dim(0)) return a;
  return make(DimOp::add, std::min(a, b), std::max(a, b));
}

Dim DimTable::mul(Dim a, Dim b) {
  if (a.is_constant() && b.is_constant()) return a.constant() * b.constant();
  if (a == Dim(0) || b == Dim(0)) return 0;
  if (a == Dim(1)) return b;
  if (b == Dim(1)) return a;
  return make(DimOp::mul, std::min(a, b), std::max(a, b));
}

Dim DimTable::floor_div(Dim a, Dim b) {
  if (b == Dim(0)) fail(ErrorCode::value, "a dimension is divided by zero");
  if (a.is_constant() && b.is_constant()) return a.constant() / b.constant();
  if (b == Dim(1)) return a;
  if (a == b) return 1;
  return make(DimOp::floor_div, a, b);
}

Dim DimTable::mod(Dim a, Dim b) {
  if (b == Dim(0)) fail(ErrorCode::value, "a dimension is divided by zero");
  if (a.is_constant() && b.is_constant()) return a.constant() % b.constant();
  if (b == Dim(1) || a == b) return 0;
  return make(DimOp::mod, a, b);
}

Dim DimTable::max(Dim a, Dim b) {
  if (a.is_constant() && b.is_constant()) return std::max(a.constant(), b.constant());
  if (a == b || b == Dim(0)) return a;
  if (a == Dim(0)) return b;
  return make(DimOp::max, std::min(a, b), std::max(a, b));
}

Dim DimTable::product(std::span<const Dim> dims) {
  Dim n = 1;
  for (Dim d : dims) n = mul(n, d);
  return n;
}

int64_t DimTable::evaluate(Dim d, std::span<const int64_t> symbol_values) const {
  if (d.is_constant()) return d.constant();
  const Expression& e = expressions_[d.index()];
  if (e.op == DimOp::symbol) return symbol_values[static_cast<size_t>(e.a.constant())];
  const int64_t a = evaluate(e.a, symbol_values), b = evaluate(e.b, symbol_values);
  switch (e.op) {
    case DimOp::add: return a + b;
    case DimOp::mul: return a * b;
    case DimOp::floor_div: return b == 0 ? 0 : a / b;
    case DimOp::mod: return b == 0 ? 0 : a % b;
    case DimOp::max: return std::max(a, b);
    case DimOp::symbol: break;
  }
  return 0;
}

std::string DimTable::text(Dim d) const {
  if (d.is_constant()) return std::to_string(d.constant());
  const Expression& e = expressions_[d.index()];
  const std::string a = e.op == DimOp::symbol ? names_[static_cast<size_t>(e.a.constant())] : text(e.a);
  switch (e.op) {
    case DimOp::symbol: return a;
    case DimOp::add: return "(" + a + " + " + text(e.b) + ")";
    case DimOp::mul: return "(" + a + " * " + text(e.b) + ")";
    case DimOp::floor_div: return "(" + a + " // " + text(e.b) + ")";
    case DimOp::mod: return "(" + a + " % " + text(e.b) + ")";
    case DimOp::max: return "max(" + a + ", " + text(e.b) + ")";
  }
  return {};
}

}  // namespace kiln::tracer
