// The rules. Adding one is one line: the tests prove it, or say for which bits it fails.
#include "codegen/simplify/simplify.h"

namespace kiln::codegen {
namespace {

constexpr KindSet kBool = kind_set(DTypeKind::boolean);
constexpr KindSet kSigned = kind_set(DTypeKind::signed_integer);
constexpr KindSet kUnsigned = kind_set(DTypeKind::unsigned_integer);
constexpr KindSet kFloat = kind_set(DTypeKind::floating);
constexpr KindSet kInt = kSigned | kUnsigned;
constexpr KindSet kNumber = kInt | kFloat;
constexpr KindSet kBits = kInt | kBool;
constexpr KindSet kEvery = kNumber | kBool;

using enum Condition;

// clang-format off: a table
constexpr std::array kRules{
    Rule{"add(x, -0)", "x", kFloat, always, "-0 is the identity of IEEE addition; +0 is not, as -0 + +0 is +0"},
    Rule{"add(x, 0)", "x", kInt},
    Rule{"add(x, neg(y))", "sub(x, y)", kNumber},
    Rule{"sub(x, 0)", "x", kNumber, always, "-0 - +0 is -0"},
    Rule{"sub(x, x)", "0", kInt, always, "not of floats: infinity - infinity is NaN"},
    Rule{"sub(0, x)", "neg(x)", kInt, always, "not of floats: +0 - +0 is +0"},
    Rule{"sub(-0, x)", "neg(x)", kFloat, always, "-0 - +0 is -0, -0 - -0 is +0"},
    Rule{"sub(x, neg(y))", "add(x, y)", kNumber},
    Rule{"mul(x, 1)", "x", kNumber},
    Rule{"mul(x, -1)", "neg(x)", kNumber},
    Rule{"mul(x, 0)", "0", kInt, always, "not of floats: NaN, infinities, and the sign of zero"},
    Rule{"mul(x, c)", "shl(x, log2)", kInt, power_of_two, "a shift takes one operation, a product of 64-bit integers up to eight"},
    Rule{"mul(neg(x), neg(y))", "mul(x, y)", kNumber},
    Rule{"mul(abs(x), abs(x))", "mul(x, x)", kFloat},
    Rule{"div(x, 1)", "x", kNumber},
    Rule{"div(x, -1)", "neg(x)", kSigned | kFloat, always, "the least integer is its own negative, and its quotient by -1"},
    Rule{"div(x, 0)", "0", kInt, always, "the primitive's definition"},
    Rule{"div(neg(x), neg(y))", "div(x, y)", kFloat, always, "not of integers: the least one has no negative"},
    Rule{"div(x, c)", "mul(x, inverse)", kFloat, exact_inverse, "both round the same real number; a product is several times as fast"},
    Rule{"div(x, c)", "shr_logical(x, log2)", kUnsigned, power_of_two},
    Rule{"div(x, c)", "shr(add(x, shr_logical(shr(x, sign), rest)), log2)", kSigned, power_of_two,
         "rounds towards zero: c - 1 is added to negative numbers first"},
    Rule{"min(x, x)", "x", kEvery},
    Rule{"min(x, 0)", "0", kUnsigned},
    Rule{"min(min(x, y), y)", "min(x, y)", kEvery},
    Rule{"max(x, x)", "x", kEvery},
    Rule{"max(x, 0)", "x", kUnsigned},
    Rule{"max(abs(x), 0)", "abs(x)", kFloat, always, "not of integers: abs of the least one is negative"},
    Rule{"max(max(x, y), y)", "max(x, y)", kEvery},
    Rule{"fma(x, 1, y)", "add(x, y)", kFloat},
    Rule{"fma(x, -1, y)", "sub(y, x)", kFloat},
    Rule{"fma(x, y, -0)", "mul(x, y)", kFloat, always, "-0 changes neither an exact product nor a zero's sign"},
    Rule{"fma(neg(x), neg(y), z)", "fma(x, y, z)", kFloat},
    Rule{"neg(neg(x))", "x", kNumber},
    Rule{"neg(sub(x, y))", "sub(y, x)", kInt, always, "not of floats: x - x is +0 either way round"},
    Rule{"abs(x)", "x", kUnsigned},
    Rule{"abs(abs(x))", "abs(x)", kNumber},
    Rule{"abs(neg(x))", "abs(x)", kSigned | kFloat},
    Rule{"floor(floor(x))", "floor(x)", kFloat},
    Rule{"ceil(ceil(x))", "ceil(x)", kFloat},
    Rule{"trunc(trunc(x))", "trunc(x)", kFloat},
    Rule{"round(round(x))", "round(x)", kFloat},
    Rule{"bit_and(x, x)", "x", kBits},
    Rule{"bit_and(x, 0)", "0", kBits},
    Rule{"bit_and(x, ~0)", "x", kBits},
    Rule{"bit_and(x, bit_not(x))", "0", kBits},
    Rule{"bit_or(x, x)", "x", kBits},
    Rule{"bit_or(x, 0)", "x", kBits},
    Rule{"bit_or(x, ~0)", "~0", kBits},
    Rule{"bit_or(x, bit_not(x))", "~0", kBits},
    Rule{"bit_xor(x, x)", "0", kBits},
    Rule{"bit_xor(x, 0)", "x", kBits},
    Rule{"bit_xor(x, ~0)", "bit_not(x)", kBits},
    Rule{"bit_not(bit_not(x))", "x", kBits},
    Rule{"bit_not(eq(x, y))", "ne(x, y)", kEvery},
    Rule{"bit_not(ne(x, y))", "eq(x, y)", kEvery},
    Rule{"bit_not(lt(x, y))", "ge(x, y)", kBits, always, "not of floats: both are false of NaN"},
    Rule{"bit_not(le(x, y))", "gt(x, y)", kBits},
    Rule{"bit_not(gt(x, y))", "le(x, y)", kBits},
    Rule{"bit_not(ge(x, y))", "lt(x, y)", kBits},
    Rule{"shl(x, 0)", "x", kInt},
    Rule{"shr(x, 0)", "x", kInt},
    Rule{"shr_logical(x, 0)", "x", kInt},
    Rule{"eq(x, x)", "1", kBits, always, "not of floats: NaN equals nothing"},
    Rule{"eq(x, 1)", "x", kBool},
    Rule{"eq(x, 0)", "bit_not(x)", kBool},
    Rule{"ne(x, x)", "0", kBits},
    Rule{"ne(x, 0)", "x", kBool},
    Rule{"ne(x, 1)", "bit_not(x)", kBool},
    Rule{"lt(x, x)", "0", kEvery},
    Rule{"lt(x, 0)", "0", kUnsigned},
    Rule{"le(x, x)", "1", kBits},
    Rule{"gt(x, x)", "0", kEvery},
    Rule{"ge(x, x)", "1", kBits},
    Rule{"ge(x, 0)", "1", kUnsigned},
    Rule{"select(1, x, y)", "x", kEvery},
    Rule{"select(0, x, y)", "y", kEvery},
    Rule{"select(p, x, x)", "x", kEvery},
    Rule{"select(p, 1, 0)", "p", kBool},
    Rule{"select(p, 0, 1)", "bit_not(p)", kBool},
    Rule{"select(bit_not(p), x, y)", "select(p, y, x)", kEvery},
    Rule{"select(p, select(p, x, y), z)", "select(p, x, z)", kEvery},
    Rule{"select(p, x, select(p, y, z))", "select(p, x, z)", kEvery},
    Rule{"cast(cast(x))", "x", kEvery, returns, "the dtype between holds every value"},
    Rule{"cast(cast(x))", "cast(x)", kEvery, inner_is_identity, "the dtype between loses nothing that the last one keeps"},
    Rule{"bitcast(bitcast(x))", "x", kFloat, same_dtype, "not of integers: a NaN's payload is lost on the way"},
};
// clang-format on

static_assert(
    [] {
      for (size_t i = 1; i < kRules.size(); ++i)
        if (kRules[i].pattern.root().prim < kRules[i - 1].pattern.root().prim) return false;
      return true;
    }(),
    "rules stand in the order of Prim");

}  // namespace

std::span<const Rule> simplification_rules() { return kRules; }

}  // namespace kiln::codegen
