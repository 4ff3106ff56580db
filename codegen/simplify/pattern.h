// Patterns of primitives, written as text and read by the compiler: "sub(x, neg(y))". A text that is no pattern does not compile.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "codegen/primitive.h"

namespace kiln::codegen {

// The leaves of patterns by name. Variables stand for any value, p for a bool one; `c` for a constant that the rule's condition accepts; the
// rest are constants: literals, and what follows from c or from the width of the operands.
enum class Leaf : uint8_t {
  x,
  y,
  z,
  p,
  c,
  zero,        // "0": of floats +0
  minus_zero,  // "-0", floats only
  one,         // "1"; true
  minus_one,   // "-1"
  all_ones,    // "~0": every bit; true
  inverse,     // 1 / c
  log2,        // of c
  rest,        // width - log2(c)
  sign,        // width - 1: the sign bit's number
};
inline constexpr int kVariables = 4;  // x y z p
inline constexpr std::array<std::string_view, 14> kLeafNames{"x", "y",  "z",  "p",       "c",    "0",    "-0",
                                                             "1", "-1", "~0", "inverse", "log2", "rest", "sign"};

// A term is a leaf, or a primitive over three terms at most, by their numbers.
struct Term {
  bool is_leaf = true;
  Leaf leaf = Leaf::x;
  Prim prim = Prim::add;
  std::array<uint8_t, 3> operands{};
};

struct Pattern {
  static constexpr size_t kMostTerms = 10;
  std::string_view text;
  std::array<Term, kMostTerms> terms{};  // the root first
  uint8_t count = 0;

  consteval Pattern(const char* t) : text(t) {  // NOLINT: implicit by design
    size_t at = 0;
    term(at);
    if (at != text.size()) throw "text behind the pattern";
  }
  constexpr const Term& root() const { return terms[0]; }

 private:
  consteval uint8_t term(size_t& at) {
    const uint8_t me = count++;
    const size_t begin = at;
    while (at < text.size() && text[at] != '(' && text[at] != ')' && text[at] != ',') ++at;
    const std::string_view name = text.substr(begin, at - begin);
    Term t;
    if (at == text.size() || text[at] != '(') {
      t.leaf = leaf_named(name);
    } else {
      t.is_leaf = false;
      t.prim = primitive_named(name);
      for (int i = 0; i < info(t.prim).operands; ++i) {
        at += i == 0 ? 1 : 2;  // "(", then ", "
        t.operands[static_cast<size_t>(i)] = term(at);
      }
      if (text.substr(at, 1) != ")") throw "not the primitive's number of operands";
      ++at;
    }
    terms[me] = t;
    return me;
  }
  static consteval Leaf leaf_named(std::string_view name) {
    for (size_t i = 0; i < kLeafNames.size(); ++i)
      if (kLeafNames[i] == name) return static_cast<Leaf>(i);
    throw "no leaf has this name";
  }
  static consteval Prim primitive_named(std::string_view name) {
    for (const PrimInfo& p : kPrims)
      if (p.name == name) return p.prim;
    throw "no primitive has this name";
  }
};

}  // namespace kiln::codegen
