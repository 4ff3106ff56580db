// The dtype that operands meet in, against the tables of the array API standard 2024.12, written out.
#include "eager/promotion.h"

#include <gtest/gtest.h>

#include <sstream>

#include "tests/cpp/eager/tensors.h"

namespace kiln::eager {
namespace {

DType named(std::string_view name) {
  for (const DTypeInfo& t : kDTypes)
    if (t.short_name == name) return t.dtype;
  ADD_FAILURE() << "no dtype " << name;
  return DType::Bool;
}

// A row for each dtype, in the order of the first line; "-" where there is no common dtype.
void expect_table(const std::string& table) {
  std::istringstream lines(table);
  std::string line, word;
  std::getline(lines, line);
  std::vector<DType> columns;
  for (std::istringstream words(line); words >> word;) columns.push_back(named(word));
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    words >> word;
    const DType row = named(word);
    for (DType column : columns) {
      ASSERT_TRUE(words >> word) << line;
      const std::optional<DType> want = word == "-" ? std::nullopt : std::optional(named(word));
      EXPECT_EQ(common_dtype(row, column), want) << name_of(row) << " and " << name_of(column);
      EXPECT_EQ(common_dtype(column, row), want) << name_of(column) << " and " << name_of(row);
      if (want) EXPECT_EQ(promote(row, column), *want);
      else EXPECT_THROW(promote(row, column), Error);
    }
  }
}

TEST(Promotion, OfIntegersIsTheStandards) {
  expect_table(
      "     i8  i16 i32 i64 u8  u16 u32 u64\n"
      "i8   i8  i16 i32 i64 i16 i32 i64 -\n"
      "i16  i16 i16 i32 i64 i16 i32 i64 -\n"
      "i32  i32 i32 i32 i64 i32 i32 i64 -\n"
      "i64  i64 i64 i64 i64 i64 i64 i64 -\n"
      "u8   i16 i16 i32 i64 u8  u16 u32 u64\n"
      "u16  i32 i32 i32 i64 u16 u16 u32 u64\n"
      "u32  i64 i64 i64 i64 u32 u32 u32 u64\n"
      "u64  -   -   -   -   u64 u64 u64 u64\n"
      "bool i8  i16 i32 i64 u8  u16 u32 u64\n");
}

TEST(Promotion, OfFloatsTakesTheWiderAndIntegersGiveWay) {
  expect_table(
      "     f16  bf16 f32 f64 bool i8   i16  i64  u8   u32  u64\n"
      "f16  f16  f32  f32 f64 f16  f16  f16  f16  f16  f16  f16\n"
      "bf16 f32  bf16 f32 f64 bf16 bf16 bf16 bf16 bf16 bf16 bf16\n"
      "f32  f32  f32  f32 f64 f32  f32  f32  f32  f32  f32  f32\n"
      "f64  f64  f64  f64 f64 f64  f64  f64  f64  f64  f64  f64\n");
}

TEST(Promotion, OfComplexNumbersHoldsTheFloatBeside) {
  expect_table(
      "     c64  c128 f16  bf16 f32  f64  bool i8   i64  u8   u64\n"
      "c64  c64  c128 c64  c64  c64  c128 c64  c64  c64  c64  c64\n"
      "c128 c128 c128 c128 c128 c128 c128 c128 c128 c128 c128 c128\n");
  EXPECT_EQ(promote(DType::F64, DTypeKind::complex_floating), DType::C128);
  for (const DType t : {DType::F32, DType::F16, DType::I64, DType::U8, DType::Bool, DType::C64})
    EXPECT_EQ(promote(t, DTypeKind::complex_floating), DType::C64) << name_of(t);
}

TEST(Promotion, NumbersDecideTheKindNotTheWidth) {
  for (const DTypeInfo& t : kDTypes) {
    if (t.dtype == DType::Bool) continue;
    EXPECT_EQ(promote(t.dtype, DTypeKind::boolean), t.dtype);
    EXPECT_EQ(promote(t.dtype, DTypeKind::signed_integer), t.dtype);
    EXPECT_EQ(promote(t.dtype, DTypeKind::floating), is_inexact(t.dtype) ? t.dtype : default_dtype());
  }
  EXPECT_EQ(promote(DType::Bool, DTypeKind::signed_integer), DType::I64);
}

TEST(Promotion, ARefusalNamesTheOperatorBothDtypesAndTheRemedy) {
  const Op add("add");
  try {
    add(testing::tensor({1}, {1}, DType::U64), testing::tensor({1}, {1}, DType::I32));
    ADD_FAILURE() << "uint64 and int32 were added";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::type);
    EXPECT_STREQ(
        e.what(),
        "add: uint64 and int32 have no common dtype, as no integer holds the values of both: convert one of them, for example with "
        "astype(int32) or astype(float64)");
  }
}

// Of the operators that write or count in a given dtype, too, at the call and not when a kernel is made of it.
TEST(Promotion, ComplexNumbersDoNotBecomeRealOnes) {
  const Tensor x = Tensor::empty({2, 1}, DType::C64), start = Tensor::empty({}, DType::C64), step = Tensor::empty({}, DType::F32);
  const auto code = [](const auto& call) {
    try {
      call();
    } catch (const Error& e) { return e.code(); }
    return ErrorCode::internal;
  };
  EXPECT_EQ(code([&] { Op("astype")(x, DType::F32); }), ErrorCode::type);
  EXPECT_EQ(code([&] { Op("copy_to")(x, DType::F32, Dims{2, 3}); }), ErrorCode::type);
  EXPECT_EQ(code([&] { Op("sequence")(int64_t{3}, start, step, DType::F64); }), ErrorCode::type);
}

TEST(Promotion, SumsAreAsWideAsTheyGet) {
  const Op sum("sum");
  for (const DTypeInfo& t : kDTypes) {
    const DType result = sum(testing::tensor({2}, {1, 1}, t.dtype)).dtype();
    EXPECT_EQ(result, is_inexact(t.dtype) ? t.dtype : is_unsigned(t.dtype) ? DType::U64 : DType::I64) << t.name;
  }
}

}  // namespace
}  // namespace kiln::eager
