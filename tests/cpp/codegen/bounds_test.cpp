// What is known of a float's range, and the instruction that stands for two products where it is known.
#include "codegen/bounds.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "codegen/asmjit/scaling.h"
#include "codegen/backend.h"
#include "codegen/math.h"
#include "tests/cpp/codegen/run_kernel.h"

namespace kiln::codegen {
namespace {

using testing::run_kernel;

struct Expression {
  explicit Expression(DType t = DType::F32) : x(b.load(b.add_buffer({.dtype = t}))) {}
  Kernel kernel;
  Builder b{kernel};
  Value x;
  Bounds of(Value v) const { return bounds(kernel, v.id()); }
  bool is(Value v, double least, double most) const { return of(v).least == least && of(v).most == most; }
};

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(Bounds, KnowsClampsSignsAndSquares) {
  Expression e;
  Builder& b = e.b;
  const Value clamped = b.select(b.gt(b.select(b.lt(e.x, -3), -3, e.x), 7), 7, b.select(b.lt(e.x, -3), -3, e.x));
  EXPECT_TRUE(e.is(e.x, -kInfinity, kInfinity));
  EXPECT_TRUE(e.is(clamped, -3, 7));
  EXPECT_TRUE(e.is(-clamped, -7, 3));
  EXPECT_TRUE(e.is(b.minimum(b.maximum(e.x, -1), 2), -1, 2));
  EXPECT_TRUE(e.is(-b.abs(e.x), -kInfinity, 0));
  EXPECT_TRUE(e.is(e.x * e.x, 0, kInfinity));
  EXPECT_TRUE(e.is(b.constant(DType::F32, 4), 4, 4));
  EXPECT_TRUE(e.is(e.x - clamped, -kInfinity, kInfinity));
}

TEST(Bounds, NothingIsAboveItsOwnRowsMaximum) {
  Expression e;
  e.kernel.reduction = Reduction::lanes;
  Builder& b = e.b;
  EXPECT_TRUE(e.is(e.x - b.reduce(Prim::max, e.x), -kInfinity, 0));
  EXPECT_TRUE(e.is(e.x * 2 - b.reduce(Prim::max, e.x), -kInfinity, kInfinity)) << "the maximum of something else";
  EXPECT_TRUE(e.is(e.x - b.reduce(Prim::min, e.x), -kInfinity, kInfinity));
}

TEST(Bounds, ClampsThatNeverActAreTheirOperand) {
  Expression e;
  Builder& b = e.b;
  const Value below = -b.abs(e.x);
  const auto at_most = [&](Value v, double c) { return b.select(b.gt(v, c), c, v); };
  const auto at_least = [&](Value v, double c) { return b.select(b.lt(v, c), c, v); };
  EXPECT_EQ(always_operand(e.kernel, at_most(below, 0).id()), below.id());
  EXPECT_EQ(always_operand(e.kernel, at_most(below, 89).id()), below.id());
  EXPECT_EQ(always_operand(e.kernel, at_most(below, -1).id()), kNoNode);
  EXPECT_EQ(always_operand(e.kernel, at_least(below, -104).id()), kNoNode);
  EXPECT_EQ(always_operand(e.kernel, at_least(b.abs(e.x), -104).id()), b.abs(e.x).id());
  EXPECT_EQ(always_operand(e.kernel, b.select(b.lt(below, 3), below, 3).id()), kNoNode) << "a NaN becomes 3";
}

int scalings(const Kernel& kernel) {
  int found = 0;
  for (const Node& n : kernel.nodes) found += x64::scaling(kernel, n) ? 1 : 0;
  return found;
}

// The bits of f over its argument's bits from `first` on in steps.
template <class T, class Bits>
std::vector<Bits> values(Backend& backend, const Kernel& kernel, const std::vector<T>& x) {
  std::vector<T> y(x.size());
  const auto size = static_cast<int64_t>(sizeof(T));
  EXPECT_TRUE(run_kernel(backend, kernel, {{static_cast<int64_t>(x.size())}}, {{x.data(), {size}}, {y.data(), {size}}}));
  std::vector<Bits> bits;
  for (T v : y) bits.push_back(std::bit_cast<Bits>(v));
  return bits;
}

template <class T, class Bits>
void same_as_the_definition(const char* name, Value (*f)(Builder&, Value), int wanted) {
  constexpr DType t = sizeof(T) == 4 ? DType::F32 : DType::F64;
  Expression e(t);
  e.b.store(e.b.add_buffer({.dtype = t}), f(e.b, e.x));
  EXPECT_EQ(scalings(e.kernel), wanted) << name;
  std::vector<T> x;
  // All magnitudes, and densely where results are denormal or overflow.
  for (int i = 0; i < 1 << 15; ++i) x.push_back(std::bit_cast<T>(static_cast<Bits>(i) << (8 * sizeof(T) - 15)));
  const double low = sizeof(T) == 4 ? -152 : -1080, high = sizeof(T) == 4 ? 130 : 1026;
  for (double v = low; v < high; v += (high - low) / (1 << 15)) x.push_back(static_cast<T>(v));
  for (double v = low; v < low + 80; v += 80.0 / (1 << 15)) x.push_back(static_cast<T>(v));
  x.push_back(std::numeric_limits<T>::quiet_NaN());
  x.push_back(-std::numeric_limits<T>::quiet_NaN());
  const auto right = values<T, Bits>(interpreter_backend(), e.kernel, x), ours = values<T, Bits>(asmjit_backend(), e.kernel, x);
  for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(right[i], ours[i]) << name << " of " << x[i];
}

TEST(Scaling, GivesTheBitsOfTwoProducts) {
  const auto half_and_half = [](Builder& b, Value x) { return exp(b, x) + exp2(b, x); };
  same_as_the_definition<float, uint32_t>("exp", exp, 1);
  same_as_the_definition<float, uint32_t>("exp2", exp2, 1);
  same_as_the_definition<float, uint32_t>("sigmoid", sigmoid, 1);
  same_as_the_definition<float, uint32_t>("softplus", softplus, 1);
  same_as_the_definition<float, uint32_t>("exp + exp2", half_and_half, 2);
  same_as_the_definition<double, uint64_t>("exp of f64", exp, 1);
  same_as_the_definition<double, uint64_t>("exp2 of f64", exp2, 1);
}

// e 2^k as math::scaled() writes it, with parts that a caller chooses.
struct Parts {
  Value (*value)(Builder&, Value x, Value k);
  double least = -100, most = 88, magic = 0x1.8p23 + 254;
  int shift = 23;
};
bool fuses(const Parts& p) {
  Expression e;
  Builder& b = e.b;
  const Value y = b.select(b.gt(b.select(b.lt(e.x, p.least), p.least, e.x), p.most), p.most, b.select(b.lt(e.x, p.least), p.least, e.x));
  const Value shifted = b.fma(y, 1.4426950408889634, p.magic), k = shifted - p.magic;
  const Value bits = b.bitcast(shifted, DType::I32), half = b.shr(bits, 1);
  const auto power = [&](Value v) { return b.bitcast(b.shl(v, p.shift), DType::F32); };
  b.store(b.add_buffer({.dtype = DType::F32}), p.value(b, e.x, k) * power(half) * power(bits - half));
  return scalings(e.kernel) > 0;
}

TEST(Scaling, AsksForAllThatMakesItTrue) {
  const auto one_plus = [](Builder& b, Value x, Value k) { return b.fma(x - k, 0.5, 1); };
  EXPECT_TRUE(fuses({one_plus}));
  EXPECT_FALSE(fuses({[](Builder& b, Value x, Value k) { return b.fma(x - k, 0.5, 0.75); }})) << "may be small, and round twice";
  EXPECT_FALSE(fuses({[](Builder&, Value x, Value k) { return x - k; }})) << "may be small, and round twice";
  EXPECT_FALSE(fuses({[](Builder& b, Value x, Value) { return b.fma(b.abs(x), 0.5, 1); }})) << "need not be a NaN where k is one";
  EXPECT_FALSE(fuses({[](Builder& b, Value x, Value k) { return b.fma(b.select(b.lt(k, 0), k, x), 0.5, 1); }})) << "nor need this";
  EXPECT_FALSE(fuses({one_plus, -180})) << "half of k no longer fits an exponent";
  EXPECT_FALSE(fuses({one_plus, -100, 180}));
  EXPECT_FALSE(fuses({one_plus, -100, 88, 0x1.8p23 + 253})) << "twice too little";
  EXPECT_FALSE(fuses({one_plus, -100, 88, 0x1.8p23 + 254, 22}));
}

}  // namespace
}  // namespace kiln::codegen
