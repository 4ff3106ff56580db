// Every rule of simplification against the interpreter's primitives, on every dtype that it says it holds for; and the matcher against the rules.
// Proofs for all inputs at 32 bits are in tests/python/test_simplify.py.
#include "codegen/simplify/simplify.h"

#include <gtest/gtest.h>

#include <random>

#include "codegen/interpreter/primitives.h"

namespace kiln::codegen {
namespace {

using Bits = std::array<uint64_t, kVariables>;  // of x y z p

uint64_t low_bits(DType t, uint64_t bits) { return size_of(t) == 8 ? bits : bits & ((uint64_t{1} << 8 * size_of(t)) - 1); }

// Values at the edges of a dtype, and some between.
std::vector<uint64_t> some_values(DType t) {
  std::vector<uint64_t> values;
  if (t == DType::Bool) return {0, 1};
  if (size_of(t) == 1) {
    for (uint64_t v = 0; v < 256; ++v) values.push_back(v);
    return values;
  }
  std::mt19937_64 random(size_of(t));
  for (uint64_t v : {0ull, 1ull, 2ull, 3ull, 7ull}) values.insert(values.end(), {low_bits(t, v), low_bits(t, ~v)});
  values.push_back(low_bits(t, (uint64_t{1} << 54) + (1 << 30) + 1));  // rounds otherwise to f32 if it is rounded to f64 first
  const int width = 8 * size_of(t);
  values.insert(values.end(), {uint64_t{1} << (width - 1), (uint64_t{1} << (width - 1)) - 1, (uint64_t{1} << (width - 1)) + 1});
  if (is_floating(t))
    for (double v : {1.0, -1.0, 0.5, 1.5, 2.5, -2.5, 3.0, 1e-3, 1e5, 1e30, -1e30, 1e-40, HUGE_VAL, -HUGE_VAL, std::nan("")})
      values.push_back(interpreter::evaluate(Prim::cast, t, DType::F64, std::bit_cast<uint64_t>(v)));
  for (int i = 0; i < 20; ++i) values.push_back(low_bits(t, random() >> random() % width));
  return values;
}

uint64_t value_of(const Pattern& p, uint8_t term, const Instance& instance, const Bits& variables) {
  const Term& t = p.terms[term];
  const DType dtype = term_dtype(p, term, instance);
  if (t.is_leaf) {
    const auto leaf = static_cast<size_t>(t.leaf);
    return leaf < kVariables ? variables[leaf] : leaf_bits(t.leaf, dtype, instance.constant);
  }
  uint64_t v[3] = {};
  const int operands = info(t.prim).operands;
  for (int i = 0; i < operands; ++i) v[i] = value_of(p, t.operands[static_cast<size_t>(i)], instance, variables);
  const DType of = term_dtype(p, t.operands[static_cast<size_t>(operands - 1)], instance);
  if (t.prim == Prim::cast && of == dtype) return v[0];
  return interpreter::evaluate(t.prim, dtype, of, v[0], v[1], v[2]);
}

bool uses(const Pattern& p, Leaf leaf) {
  return std::any_of(p.terms.begin(), p.terms.begin() + p.count, [&](const Term& t) { return t.is_leaf && t.leaf == leaf; });
}

// Empty if both sides agree on every value tried.
std::string counterexample(const Rule& rule, const Instance& instance) {
  const std::vector<uint64_t> values = some_values(instance.operand), none{0}, truths{0, 1};
  const auto of = [&](Leaf leaf) -> const std::vector<uint64_t>& {
    return !uses(rule.pattern, leaf) ? none : leaf == Leaf::p ? truths : values;
  };
  const bool many = of(Leaf::x).size() * of(Leaf::y).size() * of(Leaf::z).size() > 1 << 17;
  for (uint64_t x : of(Leaf::x))
    for (uint64_t y : of(Leaf::y))
      for (size_t z = 0; z < of(Leaf::z).size(); z += many ? 37 : 1)
        for (uint64_t p : of(Leaf::p)) {
          const Bits bits{x, y, of(Leaf::z)[z], p};
          const auto seen = [&](const Pattern& side) {
            return low_bits(instance.result, interpreter::canonical_bits(instance.result, value_of(side, 0, instance, bits)));
          };
          if (seen(rule.pattern) != seen(rule.result)) {
            char text[200];
            std::snprintf(text, sizeof text, "x=%#lx y=%#lx z=%#lx p=%lu: %#lx, not %#lx", x, y, bits[2], p, seen(rule.result),
                          seen(rule.pattern));
            return std::string(rule.pattern.text) + " of " + std::string(name_of(instance.operand)) + ": " + text;
          }
        }
  return {};
}

TEST(Simplify, EveryRuleKeepsAllBitsOfTheInterpretersPrimitives) {
  size_t count = 0;
  for (const Rule& rule : simplification_rules()) {
    const std::vector<Instance> all = instances(rule);
    EXPECT_FALSE(all.empty()) << rule.pattern.text << " holds for no dtype";
    count += all.size();
    const size_t step = all.size() > 600 ? 29 : 1;  // constants of f64
    for (size_t i = 0; i < all.size(); i += step) EXPECT_EQ(counterexample(rule, all[i]), "");
  }
  std::cout << simplification_rules().size() << " rules, " << count << " cases of dtypes and constants\n";
}

TEST(Simplify, CommutativePrimitivesCommute) {
  for (const PrimInfo& p : kPrims)
    for (const DTypeInfo& t : kRealDTypes) {
      const auto apply = interpreter::apply_of(p.prim, result_dtype(p.prim, t.dtype), t.dtype);
      if (apply == nullptr || !commutes(p.prim)) continue;
      const DType result = result_dtype(p.prim, t.dtype);
      for (uint64_t x : some_values(t.dtype))
        for (uint64_t y : some_values(t.dtype)) {
          const auto seen = [&](uint64_t a, uint64_t b) {
            return interpreter::canonical_bits(result, interpreter::evaluate(p.prim, result, t.dtype, a, b, x));
          };
          EXPECT_EQ(seen(x, y), seen(y, x)) << p.name << " of " << t.name;
        }
    }
}

TEST(Simplify, WrongRulesAreRefuted) {
  constexpr KindSet kFloat = kind_set(DTypeKind::floating), kSigned = kind_set(DTypeKind::signed_integer);
  constexpr Rule kWrong[]{
      {"add(x, 0)", "x", kFloat},
      {"sub(0, x)", "neg(x)", kFloat},
      {"sub(x, x)", "0", kFloat},
      {"mul(x, 0)", "0", kFloat},
      {"neg(sub(x, y))", "sub(y, x)", kFloat},
      {"bit_not(lt(x, y))", "ge(x, y)", kFloat},
      {"eq(x, x)", "1", kFloat},
      {"max(x, 0)", "x", kFloat},
      {"min(x, y)", "select(lt(x, y), x, y)", kFloat},
      {"fma(x, y, 0)", "mul(x, y)", kFloat},
      {"fma(x, y, z)", "add(mul(x, y), z)", kFloat},
      {"div(x, y)", "mul(x, div(1, y))", kFloat},
      {"div(x, c)", "shr(x, log2)", kSigned, Condition::power_of_two},
      {"div(neg(x), neg(y))", "div(x, y)", kSigned},
      {"max(abs(x), 0)", "abs(x)", kSigned},
      {"shr(x, y)", "shr_logical(x, y)", kSigned},
      {"bitcast(bitcast(x))", "x", kSigned, Condition::same_dtype},
  };
  for (const Rule& rule : kWrong) {
    std::string found;
    for (const Instance& instance : instances(rule))
      if (found.empty()) found = counterexample(rule, instance);
    EXPECT_NE(found, "") << rule.pattern.text << " = " << rule.result.text << " was not refuted";
  }
  // Casts whose condition is too weak.
  constexpr Rule kReturns{"cast(cast(x))", "x", kSigned | kFloat, Condition::always}, kInner{"cast(cast(x))", "cast(x)", kSigned | kFloat};
  EXPECT_NE(counterexample(kReturns, {DType::I64, DType::F64, DType::I64, std::nullopt}), "");
  EXPECT_NE(counterexample(kReturns, {DType::F64, DType::F32, DType::F64, std::nullopt}), "");
  EXPECT_NE(counterexample(kInner, {DType::I32, DType::F64, DType::U8, std::nullopt}), "");
  EXPECT_NE(counterexample(kInner, {DType::I64, DType::F64, DType::F32, std::nullopt}), "");
  EXPECT_NE(counterexample(kInner, {DType::F64, DType::I32, DType::U8, std::nullopt}), "");
}

// A side of a rule as nodes.
Value build(Builder& b, const Pattern& p, uint8_t term, const Instance& instance, bool swap) {
  const Term& t = p.terms[term];
  const DType dtype = term_dtype(p, term, instance);
  if (t.is_leaf) {
    const auto leaf = static_cast<uint32_t>(t.leaf);
    return leaf < kVariables ? b.scalar(leaf, dtype) : b.constant_bits(dtype, leaf_bits(t.leaf, dtype, instance.constant));
  }
  std::array<Value, 3> v;
  for (size_t i = 0; i < std::min<size_t>(info(t.prim).operands, v.size()); ++i) v[i] = build(b, p, t.operands[i], instance, swap);
  if (swap && commutes(t.prim)) std::swap(v[0], v[1]);
  if (t.prim == Prim::cast) return b.cast(v[0], dtype);
  return b.primitive(t.prim, dtype, std::span(v).first(info(t.prim).operands));
}

TEST(Simplify, TheBuilderAppliesEveryRule) {
  for (const Rule& rule : simplification_rules()) {
    const std::vector<Instance> all = instances(rule);
    for (size_t i = 0; i < all.size(); i += all.size() > 600 ? 29 : 1)
      for (bool swap : {false, true}) {
        Kernel k;
        Builder b(k);
        const NodeId found = build(b, rule.pattern, 0, all[i], swap).id();
        const auto expected = {build(b, rule.result, 0, all[i], false).id(), build(b, rule.result, 0, all[i], true).id()};
        EXPECT_TRUE(std::ranges::find(expected, found) != expected.end()) << rule.pattern.text << " of " << name_of(all[i].operand) << "\n"
                                                                          << print(k);
      }
  }
}

TEST(Simplify, CanBeSwitchedOff) {
  simplification = false;
  Kernel k;
  Builder b(k);
  const Value x = b.scalar(0, DType::F32), same = x * 1;
  simplification = true;
  EXPECT_NE(same.id(), x.id());
  EXPECT_EQ((x / 1).id(), x.id());
}

// A rule that does not fit leaves the node: conditions are looked at, and a literal's exact bits.
TEST(Simplify, WhatOnlyLooksLikeAPatternStays) {
  Kernel k;
  Builder b(k);
  const Value x = b.scalar(0, DType::F32), i = b.scalar(1, DType::I32), big = b.scalar(2, DType::I64);
  const auto stays = [&](Value v, Prim prim) { return b.node(v.id()).kind == NodeKind::primitive && b.node(v.id()).prim == prim; };
  EXPECT_TRUE(stays(x + 0, Prim::add));
  EXPECT_TRUE(stays(x - -0.0, Prim::sub));
  EXPECT_TRUE(stays(x / 3, Prim::div));
  EXPECT_TRUE(stays(x - x, Prim::sub));
  EXPECT_TRUE(stays(i / 3, Prim::div));
  EXPECT_TRUE(stays(i / -2147483648.0, Prim::div));
  EXPECT_TRUE(stays(b.div(x, b.constant_bits(DType::F32, 1)), Prim::div));  // the least denormal: its inverse is infinite
  EXPECT_EQ(b.node(b.node(b.cast(b.cast(big, DType::F64), DType::I64).id()).operands[0]).dtype, DType::F64);
  EXPECT_EQ(b.cast(b.cast(i, DType::F64), DType::I32).id(), i.id());
}

}  // namespace
}  // namespace kiln::codegen
