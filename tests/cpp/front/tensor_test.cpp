// kiln::Tensor: values in and out, parts, writing in place, text.
#include <array>
#include <sstream>

#include "expect.h"

namespace kiln::testing {
namespace {

using Floats = std::vector<float>;

TEST(Tensor, TakesValuesOfItsElementsType) {
  EXPECT_EQ((Tensor{1.0f, 2.0f}).dtype(), DType::F32);
  EXPECT_EQ((Tensor{1.0, 2.0}).dtype(), DType::F64);
  EXPECT_EQ((Tensor{1, 2}).dtype(), DType::I32);
  EXPECT_EQ((Tensor{1L, 2L}).dtype(), DType::I64);
  EXPECT_EQ((Tensor{1LL, 2LL}).dtype(), DType::I64);
  EXPECT_EQ((Tensor{true, false}).dtype(), DType::Bool);
  EXPECT_EQ(Tensor(std::vector<uint8_t>{3, 4}).dtype(), DType::U8);
  const Tensor m({1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f}, {2, 3});
  EXPECT_EQ(m.shape(), (Shape{2, 3}));
  EXPECT_EQ(m.strides(), (Shape{3, 1}));
  EXPECT_EQ(m.size(-1), 3);
  EXPECT_EQ(m.numel(), 6);
  EXPECT_EQ(m.to_vector<float>(), (Floats{1, 2, 3, 4, 5, 6}));
  const std::array<double, 4> values{1, 2, 3, 4};
  EXPECT_EQ(Tensor(std::span<const double>(values), {2, 2}).to_vector<double>(), (std::vector<double>{1, 2, 3, 4}));
  expect_error(ErrorCode::value, "3 values do not make a tensor of shape (2, 2)", [] { Tensor({1, 2, 3}, {2, 2}); });
  expect_error(ErrorCode::value, "negative", [] { Tensor({1, 2, 3}, {-1, -3}); });
  expect_error(ErrorCode::value, "at most 8 dimensions", [] { Tensor({1}, {1, 1, 1, 1, 1, 1, 1, 1, 1}); });
  EXPECT_EQ(Tensor(std::vector<float>{}, {int64_t{1} << 40, int64_t{1} << 40, 0}).numel(), 0);
}

TEST(Tensor, CopiesShareAndUndefinedOnesSaySo) {
  Tensor a{1.0f, 2.0f};
  Tensor b = a;
  b += 1;
  EXPECT_EQ(a.to_vector<float>(), (Floats{2, 3}));
  EXPECT_TRUE(a.same_as(b));
  const Tensor moved = std::move(a);
  EXPECT_FALSE(a.defined());  // NOLINT: that is the point
  expect_error(ErrorCode::value, "holds no tensor", [] { return Tensor().shape(); });
  expect_error(ErrorCode::value, "add: argument 'x2'", [&] { return moved + Tensor(); });
  EXPECT_EQ(to_string(Tensor()), "tensor()");
}

TEST(Tensor, BorrowsMemoryAndGivesItBack) {
  float memory[4] = {1, 2, 3, 4};
  int freed = 0;
  {
    const Tensor t = from_blob(memory, {2, 2}, [&](float* p) { freed += p == memory; });
    const Tensor part = t[1];
    EXPECT_EQ(static_cast<const void*>(t.data<float>()), memory);
    memory[3] = 9;
    EXPECT_EQ(part.to_vector<float>(), (Floats{3, 9}));
    part.assign(7);
    EXPECT_EQ(memory[2], 7);
    EXPECT_EQ(freed, 0);
  }
  EXPECT_EQ(freed, 1);
  const float fixed[2] = {1, 2};
  const Tensor read_only = from_blob(fixed, 2);
  expect_error(ErrorCode::value, "read-only", [&] { read_only.assign(0); });
  expect_error(ErrorCode::value, "read-only", [&] { read_only.mutable_data<float>(); });
  expect_error(ErrorCode::value, "no memory", [] { from_blob(static_cast<float*>(nullptr), 3); });
  expect_error(ErrorCode::value, "not aligned", [&] { from_blob(reinterpret_cast<float*>(reinterpret_cast<char*>(memory) + 1), 1); });
}

TEST(Tensor, TakesAVectorsMemory) {
  std::vector<double> values(1000, 0.5);
  const double* memory = values.data();
  const Tensor t(std::move(values), {10, 100});
  EXPECT_EQ(t.data<double>(), memory);
}

TEST(Tensor, GivesValuesOfTheTypeAskedFor) {
  const Tensor t{2.5f};
  EXPECT_EQ(t.item<float>(), 2.5f);
  EXPECT_EQ(t.item<double>(), 2.5);
  EXPECT_EQ((Tensor{300}).item<int64_t>(), 300);
  EXPECT_EQ((Tensor{300}).item<double>(), 300.0);
  EXPECT_TRUE((t > 2).item<bool>());
  EXPECT_EQ((t > 2).item<int>(), 1);
  expect_error(ErrorCode::type, "fraction", [&] { return t.item<int>(); });
  expect_error(ErrorCode::value, "300 does not fit", [] { return (Tensor{300}).item<uint8_t>(); });
  expect_error(ErrorCode::value, "-1 does not fit", [] { return (Tensor{-1}).item<uint64_t>(); });
  expect_error(ErrorCode::type, "compare first", [] { return (Tensor{1}).item<bool>(); });
  expect_error(ErrorCode::value, "one element, not one of shape (2,)", [] { return (Tensor{1, 2}).item<int>(); });
  expect_error(ErrorCode::type, "float64 of a tensor of float32", [&] { return t.to_vector<double>(); });
  expect_error(ErrorCode::type, "int32 of a tensor of float32", [&] { return t.data<int>(); });
  const Tensor m = reshape(arange(6), {2, 3});
  EXPECT_EQ(matrix_transpose(m).to_vector<int64_t>(), (std::vector<int64_t>{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ((m[Slice{0, 0}].to_vector<int64_t>()), std::vector<int64_t>());
  EXPECT_EQ(asarray(3).dtype(), DType::I64);
  EXPECT_EQ(asarray(3.5).dtype(), default_dtype());
  EXPECT_EQ(asarray(m, DType::F32).dtype(), DType::F32);
  EXPECT_TRUE(asarray(m).same_as(m));
}

TEST(Tensor, IndexesAsPythonDoes) {
  const Tensor m = reshape(arange(24), {2, 3, 4});
  EXPECT_EQ(m[-1].shape(), (Shape{3, 4}));
  EXPECT_EQ((m[{1, 2, 3}].item<int64_t>()), 23);
  EXPECT_EQ((m[{ellipsis, 0}].shape()), (Shape{2, 3}));
  EXPECT_EQ((m[{newaxis, 0, newaxis, Slice{1}}].shape()), (Shape{1, 1, 2, 4}));
  EXPECT_EQ((m[{0, 0, Slice{.step = -2}}].to_vector<int64_t>()), (std::vector<int64_t>{3, 1}));
  EXPECT_EQ((m[{0, 0, Slice{-3, 100}}].to_vector<int64_t>()), (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ((m[{0, 0, Slice{100, -100, INT64_MIN}}].to_vector<int64_t>()), (std::vector<int64_t>{3}));
  EXPECT_EQ((m[{0, 0, Slice{INT64_MIN, INT64_MAX, INT64_MAX}}].to_vector<int64_t>()), (std::vector<int64_t>{0}));
  expect_error(ErrorCode::index, "index 2 is out of bounds for dimension 0 of length 2", [&] { return m[2]; });
  expect_error(ErrorCode::index, "too many indices: 4", [&] { return m[{0, 0, 0, 0}]; });
  expect_error(ErrorCode::index, "one ellipsis", [&] { return m[{ellipsis, ellipsis}]; });
  expect_error(ErrorCode::value, "step cannot be zero", [&] { return m[Slice{.step = 0}]; });
  EXPECT_FALSE(m[ellipsis].same_as(m));
}

TEST(Tensor, WritesThroughViews) {
  const Tensor m = zeros({2, 3});
  m[0].assign(1);
  m[{ellipsis, 2}] += 5;
  m[1].assign(Tensor{7.0f, 8.0f, 9.0f});
  m[{1, Slice{0, 1}}] *= 2;
  EXPECT_EQ(m.to_vector<float>(), (Floats{1, 1, 6, 14, 8, 9}));
  m.mutable_data<float>()[0] = -1;
  EXPECT_EQ((m[{0, 0}].item<float>()), -1);
  expect_error(ErrorCode::value, "(2,)", [&] { m[0].assign(Tensor{1.0f, 2.0f}); });
  Tensor whole{1, 2};
  expect_error(ErrorCode::type, "int32", [&] { whole += 0.5; });
}

TEST(Tensor, PrintsAndReadsBack) {
  std::ostringstream out;
  out << Tensor({1.0f, 0.1f, -0.0f, 1e30f}, {2, 2}) << ' ' << Shape{4};
  EXPECT_EQ(out.str(), "tensor([[1., 0.1],\n        [-0., 1e+30]], dtype=float32) (4,)");
  EXPECT_EQ(to_string(arange(2000)), "tensor([0, 1, 2, ..., 1997, 1998, 1999], dtype=int64)");
  EXPECT_EQ(to_string(zeros({0, 2}, DType::Bool)), "tensor([], shape=(0, 2), dtype=bool)");
  EXPECT_EQ(to_string(asarray(1.5).requires_grad_()), "tensor(1.5, dtype=float32, requires_grad=true)");
}

TEST(Tensor, HoldsComplexNumbers) {
  using Complex = std::complex<float>;
  const Tensor z = complex(Tensor{1.0f, 0.5f}, Tensor{3.0f, -4.0f});
  EXPECT_EQ(z.dtype(), DType::C64);
  EXPECT_EQ(z.to_vector<Complex>(), (std::vector<Complex>{{1, 3}, {0.5f, -4}}));
  EXPECT_EQ((z * z).data<Complex>()[0], Complex(-8, 6));
  EXPECT_EQ(abs(complex(Tensor{3.0}, Tensor{4.0})).item<double>(), 5);
  EXPECT_EQ(to_string(z), "tensor([1.+3.j, 0.5-4.j], dtype=complex64)");
  expect_error(ErrorCode::type, "real(x) or imag(x)", [&] { return z[0].item<float>(); });
  expect_error(ErrorCode::type, "complex64", [&] { return z < z; });
}

}  // namespace
}  // namespace kiln::testing
