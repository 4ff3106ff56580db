#include "codegen/builder.h"

#include <bit>
#include <cmath>

#include "codegen/error.h"

namespace kiln::codegen {
namespace {

struct BuilderTest : ::testing::Test {
  Kernel kernel;
  Builder b{kernel};
  Value x = b.load(b.add_buffer({DType::F32}));
  Value n = b.load(b.add_buffer({DType::I32}));

  const Node& node(Value v) const { return kernel.nodes[v.id()]; }
  bool is_constant(Value v, uint64_t bits) const { return node(v).kind == NodeKind::constant && node(v).bits == bits; }
};

TEST_F(BuilderTest, MakesEqualNodesOnce) {
  const Value a = x * 2 + 1, again = x * 2 + 1;
  EXPECT_EQ(a.id(), again.id());
  EXPECT_NE(a.id(), (x * 2 + 3).id());
  EXPECT_NE(b.add(x, 1).id(), b.add(1, x).id());  // the order of operands stays
}

TEST_F(BuilderTest, GoesOnFromAKernelsNodes) {
  const Value sum = x + x;
  const size_t nodes = kernel.nodes.size();
  Builder second(kernel);
  EXPECT_EQ(sum.id(), second.add(Value(&second, x.id()), Value(&second, x.id())).id());
  EXPECT_EQ(nodes, kernel.nodes.size());
}

TEST_F(BuilderTest, NumbersTakeTheDTypeBeside) {
  EXPECT_EQ(DType::F32, (x * 0.1).dtype());
  EXPECT_EQ(DType::I32, (2 - n).dtype());
  EXPECT_EQ(DType::Bool, b.lt(n, 3).dtype());
  const Value tenth = b.constant(DType::F32, 0.1);
  EXPECT_TRUE(is_constant(tenth, std::bit_cast<uint32_t>(0.1f)));
  EXPECT_THROW(n + 0.5, Error);
  EXPECT_THROW(b.constant(DType::U8, 256), Error);
  EXPECT_THROW(b.constant(DType::U8, -1), Error);
}

TEST_F(BuilderTest, RefusesMixedDTypes) {
  EXPECT_THROW(x + n, Error);
  EXPECT_THROW(b.fma(x, x, n), Error);
  EXPECT_THROW(b.select(x, x, x), Error);
  EXPECT_THROW(b.sqrt(n), Error);
  EXPECT_THROW(b.bit_and(x, x), Error);
  EXPECT_THROW(b.add(1, 2), Error);
  EXPECT_THROW(b.reduce(Prim::sub, x), Error);
}

TEST_F(BuilderTest, FoldsConstantsAsTheInterpreterComputes) {
  const Value two = b.constant(DType::F32, 2), zero = b.constant(DType::F32, 0);
  EXPECT_TRUE(is_constant(two * 3, std::bit_cast<uint32_t>(6.0f)));
  EXPECT_TRUE(is_constant(zero / zero, 0x7fc00000));
  EXPECT_TRUE(is_constant(b.minimum(zero, -zero), 0x80000000));
  EXPECT_TRUE(is_constant(b.lt(zero, 1), 1));
  EXPECT_TRUE(is_constant(b.cast(b.constant(DType::F64, 1e30), DType::I32), 0x7fffffff));
  EXPECT_TRUE(is_constant(b.select(b.constant(DType::Bool, 0), two, zero), 0));
  EXPECT_TRUE(is_constant(b.shl(b.constant(DType::I32, 1), 32), 0));
}

TEST_F(BuilderTest, NaNConstantsAreCanonical) {
  EXPECT_TRUE(is_constant(b.constant_bits(DType::F32, 0xffc12345), 0x7fc00000));
  EXPECT_EQ(b.constant(DType::F64, std::nan("")).id(), b.constant(DType::F64, -std::nan("7")).id());
}

TEST_F(BuilderTest, CastToTheSameDTypeIsTheValue) {
  EXPECT_EQ(x.id(), b.cast(x, DType::F32).id());
  EXPECT_EQ(x.id(), b.bitcast(x, DType::F32).id());
}

TEST_F(BuilderTest, ScalarsAndStoresMarkTheKernel) {
  b.store(b.add_buffer({DType::F32}), x + b.scalar(2, DType::F32));
  EXPECT_EQ(3u, kernel.scalars);
  EXPECT_TRUE(kernel.buffers[2].written);
  verify(kernel);
}

}  // namespace
}  // namespace kiln::codegen
