// Dimensions of graph values: a constant, or an expression over named symbols. Expressions are hash-consed in the graph's table, so that
// equal expressions are equal ids. Extents are never negative: a negative word is an expression's index.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "codegen/error.h"

namespace kiln::tracer {

class Dim {
 public:
  Dim(int64_t constant = 0) : word_(constant) {}  // NOLINT: implicit by design; constant >= 0
  static Dim expression(uint32_t index) {
    Dim d;
    d.word_ = ~static_cast<int64_t>(index);
    return d;
  }
  bool is_constant() const { return word_ >= 0; }
  int64_t constant() const {
    check(is_constant(), "a symbolic dimension where a constant is needed");
    return word_;
  }
  uint32_t index() const { return static_cast<uint32_t>(~word_); }
  bool operator==(const Dim&) const = default;
  auto operator<=>(const Dim&) const = default;

 private:
  int64_t word_;
};

enum class DimOp : uint8_t { symbol, add, mul, floor_div, mod, max };

// The expressions of one graph. Sums and products are kept with operands in order and constants folded.
class DimTable {
 public:
  Dim symbol(const std::string& name);  // the same name gives the same dimension
  Dim add(Dim, Dim);
  Dim mul(Dim, Dim);
  Dim floor_div(Dim, Dim);  // a constant divisor must not be 0: Error{value}
  Dim mod(Dim, Dim);
  Dim max(Dim, Dim);
  Dim product(std::span<const Dim>);

  size_t symbols() const { return names_.size(); }
  int64_t evaluate(Dim, std::span<const int64_t> symbol_values) const;  // values by order of first appearance
  std::string text(Dim) const;                                          // "n", "(n * 2 + 1)", "64"

 private:
  struct Expression {
    DimOp op;
    Dim a, b;  // symbol: a is its number
    auto operator<=>(const Expression&) const = default;
  };
  Dim make(DimOp, Dim a, Dim b);
  std::vector<Expression> expressions_;
  std::map<Expression, uint32_t> known_;
  std::vector<std::string> names_;
};

}  // namespace kiln::tracer
