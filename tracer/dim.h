// Dimensions of graph values, and other integers that follow from shapes: a constant, or an expression over named symbols. Expressions are
// hash-consed in a table, so that equal expressions are equal ids.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/error.h"

namespace kiln::tracer {

class Dim {
 public:
  Dim(int64_t constant = 0) : value_(constant) {}  // NOLINT: implicit by design
  static Dim expression(uint32_t index) {
    Dim d(index);
    d.symbolic_ = true;
    return d;
  }
  bool is_constant() const { return !symbolic_; }
  int64_t constant() const {
    check(is_constant(), "a symbolic dimension where a constant is needed");
    return value_;
  }
  uint32_t index() const { return static_cast<uint32_t>(value_); }
  bool operator==(const Dim&) const = default;
  auto operator<=>(const Dim&) const = default;

 private:
  int64_t value_;  // the constant, or the expression's place in its table
  bool symbolic_ = false;
};

inline constexpr int kMaxDimDepth = 32;

enum class DimOp : uint8_t { symbol, add, mul, floor_div, mod, max };

// The expressions of one graph. Sums and products are kept with operands in order and constants folded. Division and remainder round
// down, as Python's do; arithmetic that leaves 64 bits is Error{value}.
class DimTable {
 public:
  Dim symbol(const std::string& name);  // the same name gives the same dimension
  Dim add(Dim, Dim);
  Dim mul(Dim, Dim);
  Dim floor_div(Dim, Dim);  // a divisor that is or becomes 0 is Error{value}
  Dim mod(Dim, Dim);
  Dim max(Dim, Dim);
  Dim product(std::span<const Dim>);

  const std::vector<std::string>& symbols() const { return names_; }
  size_t size() const { return expressions_.size(); }  // Dim::expression(0) .. (size() - 1); parts stand before what is made of them
  bool holds(Dim d) const { return d.is_constant() || d.index() < expressions_.size(); }
  std::optional<size_t> symbol_number(Dim) const;  // by order of first appearance, where it is a symbol
  // Per expression: does it follow from these symbols (by order of first appearance) alone?
  std::vector<bool> known_from(const std::vector<bool>& symbols) const;
  int64_t evaluate(Dim, std::span<const int64_t> symbol_values) const;  // values by order of first appearance
  std::string text(Dim) const;                                          // "n", "((n * 2) + 1)", "64"
  std::vector<std::string> texts(size_t longest) const;  // of all expressions; Error{value} where one is longer than so many characters
  // Reads what text() writes from the front of `text` and takes it off; new symbols are added. Error{value} on anything else, and on
  // nesting deeper than kMaxDimDepth.
  Dim parse(std::string_view& text);

 private:
  struct Expression {
    DimOp op;
    Dim a, b;  // symbol: a is its number
    auto operator<=>(const Expression&) const = default;
  };
  Dim make(DimOp, Dim a, Dim b);
  Dim apply(DimOp, Dim a, Dim b);  // folds constants
  Dim parse(std::string_view& text, int depth);
  std::string text(const Expression&, const std::string& a, const std::string& b) const;
  std::vector<Expression> expressions_;
  std::map<Expression, uint32_t> known_;
  std::vector<std::string> names_;
};

}  // namespace kiln::tracer
