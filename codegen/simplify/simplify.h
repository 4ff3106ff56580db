// Simplification of kernel expressions: rewrites that keep every bit, made as the Builder makes nodes, eagerly and in fused kernels alike.
//
// The rules are data (rules.cpp), read from there by the matcher and by the tests, which prove each: on every dtype by the interpreter's
// primitives (tests/cpp/codegen/simplify_test.cpp), exhaustively at 8 and 16 bits and for all inputs at 32 by an SMT solver
// (tests/python/test_simplify.py). What "the same bits" means is primitive.h: a NaN's sign and payload are not seen inside a kernel, -0 and +0
// are told apart.
#pragma once

#include <atomic>
#include <optional>
#include <span>
#include <vector>

#include "codegen/builder.h"
#include "codegen/simplify/pattern.h"

namespace kiln::codegen {

// Dtypes of the operands that a rule holds for, as a set of kinds.
using KindSet = uint8_t;
constexpr KindSet kind_set(DTypeKind k) { return static_cast<KindSet>(1u << static_cast<unsigned>(k)); }

enum class Condition : uint8_t {
  always,
  power_of_two,       // c = 2^k, 0 < k, positive
  exact_inverse,      // c = ±2^k, and the dtype holds 1 / c too
  returns,            // the outer cast gives x's own dtype, and the inner one's holds every value of x
  inner_is_identity,  // the outer cast gives of x what it gives of the inner one's result
  same_dtype,         // the root gives x's own dtype
};
inline constexpr std::array<std::string_view, 6> kConditionNames{"always",  "power_of_two",      "exact_inverse",
                                                                 "returns", "inner_is_identity", "same_dtype"};

struct Rule {
  Pattern pattern, result;
  KindSet on;  // the kind of the variables' dtype (not p's)
  Condition when = Condition::always;
  std::string_view why;
};
std::span<const Rule> simplification_rules();  // those with one primitive at their root stand together; the first that fits is taken

// The equal of the primitive `node`, if a rule gives one.
std::optional<Value> simplify(Builder&, const Node& node);

// Off, kernels are built as their bodies are written: what the graph fuzzer's oracle runs. On by default.
extern std::atomic<bool> simplification;

// ---- for proofs: what a rule says of given dtypes -------------------------------------------------------------------------------

// Dtypes and a constant for which a rule's condition holds.
struct Instance {
  DType operand;                     // of x, y, z and c
  DType inner;                       // that a cast below the root gives
  DType result;                      // that the root gives
  std::optional<uint64_t> constant;  // c
};
// All of them; of constants, all that the condition accepts.
std::vector<Instance> instances(const Rule&);
// May its first two operands change places? Patterns then match either way round.
bool commutes(Prim);
// The bits of a leaf that is no variable.
uint64_t leaf_bits(Leaf, DType, std::optional<uint64_t> c);
// The dtype of a term of either side.
DType term_dtype(const Pattern&, uint8_t term, const Instance&);

}  // namespace kiln::codegen
