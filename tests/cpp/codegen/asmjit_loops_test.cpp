// The AsmJit back end against the interpreter where the fuzzer seldom comes: many short rows from any block to any other, and comparisons that
// become one instruction.
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "codegen/backend.h"
#include "codegen/builder.h"
#include "tests/cpp/codegen/run_kernel.h"

namespace kiln::codegen {
namespace {

// A kernel over [3, 5, last] whose value depends on every index: of so many arrays their sum, each row with a gap behind it.
Kernel indexed_sum(uint32_t arrays, Reduction reduction) {
  Kernel k;
  Builder b(k);
  k.rank = 3;
  k.reduction = reduction;
  const Stride along = reduction == Reduction::none ? Stride::zero : reduction == Reduction::rows ? Stride::any : Stride::contiguous;
  Value sum = b.cast(b.index(0) * 1000 + b.index(1) * 50 + b.index(2), DType::F32);
  for (uint32_t i = 0; i < arrays; ++i) sum = sum + b.load(b.add_buffer({.dtype = DType::F32, .reduced = along}));
  if (reduction != Reduction::none) sum = b.reduce(Prim::add, sum);
  b.store(b.add_buffer({.dtype = DType::F32, .inner = reduction == Reduction::lanes ? Stride::zero : Stride::contiguous}), sum);
  return k;
}

// Its results on a back end, in so many pieces of blocks.
std::vector<float> run(Backend& backend, const Kernel& k, uint32_t arrays, int64_t last, int64_t pieces) {
  const int64_t row = last + 3, plane = 6 * row;
  std::vector<float> x(3 * plane + arrays), y(3 * plane, -1.0f);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 7919 % 1009);
  std::vector<testing::Array> in_order;
  for (uint32_t i = 0; i < arrays; ++i) in_order.push_back({x.data() + i, {4 * plane, 4 * row, 4}});
  std::vector<int64_t> out{4 * plane, 4 * row, 4};
  if (k.reduction != Reduction::none) out[static_cast<size_t>(k.reduced_dim())] = 0;
  in_order.push_back({y.data(), out});
  EXPECT_TRUE(testing::run_kernel(backend, k, {{3, 5, last}}, in_order, pieces));
  return y;
}

TEST(AsmjitLoops, ShortRowsFromAnyBlockToAnyOther) {
  for (const Reduction reduction : {Reduction::none, Reduction::lanes, Reduction::rows})
    for (const uint32_t arrays : {1u, 10u}) {  // ten have more pointers than there are registers
      const Kernel k = indexed_sum(arrays, reduction);
      for (const int64_t last : {int64_t{1}, int64_t{8}, int64_t{16}, int64_t{17}, int64_t{50}, kChunk, 2 * kChunk + 5}) {
        const auto expected = run(interpreter_backend(), k, arrays, last, 1);
        for (const int64_t pieces : {1, 2, 3, 7, 14})
          ASSERT_EQ(run(asmjit_backend(), k, arrays, last, pieces), expected)
              << arrays << " arrays, rows of " << last << ", " << pieces << " pieces\n"
              << print(k);
      }
    }
}

// Whether a and b, c and d compare as asked for, both: each of these may be turned round.
Kernel comparisons(Prim first, Prim second, bool not_first, bool not_second) {
  Kernel k;
  Builder b(k);
  const auto side = [&](Prim prim, bool turned) {
    const Value x = b.load(b.add_buffer({.dtype = DType::F32})), y = b.load(b.add_buffer({.dtype = DType::F32}));
    const Value c = b.primitive(prim, DType::Bool, {x, y});
    return turned ? b.bit_not(c) : c;
  };
  const Value one = side(first, not_first);
  const Value both = b.bit_and(one, side(second, not_second));
  b.store(b.add_buffer({.dtype = DType::Bool}), both);
  return k;
}

TEST(AsmjitCompare, OppositesAndConjunctionsHoldForNansToo) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();
  constexpr float kValues[] = {kNan, -kInf, -1, -0.0f, 0, 1, kInf};
  std::vector<float> operands[4];
  for (float a : kValues)
    for (float b : kValues)
      for (float c : kValues)
        for (float d : kValues) {
          const float of[] = {a, b, c, d};
          for (int i = 0; i < 4; ++i) operands[i].push_back(of[i]);
        }
  const size_t n = operands[0].size();
  const auto run = [&](Backend& backend, const Kernel& k) {
    std::vector<uint8_t> results(n, 7);
    std::vector<testing::Array> arrays;
    for (const auto& o : operands) arrays.push_back({o.data(), {4}});
    arrays.push_back({results.data(), {1}});
    EXPECT_TRUE(testing::run_kernel(backend, k, {{static_cast<int64_t>(n)}}, arrays));
    return results;
  };
  for (const Prim first : {Prim::eq, Prim::ne, Prim::lt, Prim::le, Prim::gt, Prim::ge})
    for (const Prim second : {Prim::eq, Prim::lt, Prim::ge})
      for (int turned = 0; turned < 4; ++turned) {
        const Kernel k = comparisons(first, second, turned % 2, turned / 2);
        ASSERT_EQ(run(asmjit_backend(), k), run(interpreter_backend(), k)) << print(k);
      }
}

TEST(AsmjitCompare, TheSecondOfTwoRunsUnderTheFirst) {
  const std::string code = asmjit_backend().text(comparisons(Prim::eq, Prim::le, false, true), Isa::avx512, "asm");
  EXPECT_NE(code.find("vcmpps k"), std::string::npos) << code;
  EXPECT_EQ(code.find("kand"), std::string::npos) << code;
  EXPECT_EQ(code.find("knot"), std::string::npos) << code;
}

}  // namespace
}  // namespace kiln::codegen
