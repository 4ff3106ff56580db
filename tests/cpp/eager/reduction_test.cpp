// Reductions: the order of kernel.h whatever the strides, the split into two kernels, and nothing to reduce.
#include <cmath>
#include <random>

#include "eager/lowering.h"
#include "tests/cpp/eager/tensors.h"

namespace kiln::testing {
namespace {

const Op sum{"sum"}, prod{"prod"}, max{"max"}, any{"any"}, all{"all"}, permute{"permute_dims"}, slice{"slice"}, copy{"copy"}, add{"add"};

Tensor uniform(const Dims& shape, uint64_t seed = 1) {
  std::mt19937_64 random(seed);
  std::vector<double> numbers(static_cast<size_t>(product(shape)));
  for (double& v : numbers) v = std::uniform_real_distribution<double>(-1, 1)(random);
  return tensor(shape, numbers);
}

// The canonical order of kernel.h, written down plainly.
float tree(std::span<const float> r) {
  if (r.empty()) return -0.0f;
  if (r.size() == 1) return r[0];
  size_t p = 1;
  while (p * 2 < r.size()) p *= 2;
  return tree(r.first(p)) + tree(r.subspan(p));
}
float lanes(std::span<const float> x) {
  std::vector<float> blocks;
  for (size_t begin = 0; begin < x.size(); begin += codegen::kLaneBlock) {
    std::array<float, 32> lane;
    lane.fill(-0.0f);
    for (size_t i = begin; i < std::min(x.size(), begin + codegen::kLaneBlock); ++i) lane[(i - begin) % 32] += x[i];
    for (size_t h = 16; h > 0; h /= 2)
      for (size_t j = 0; j < h; ++j) lane[j] += lane[j + h];
    blocks.push_back(lane[0]);
  }
  return tree(blocks);
}
float rows(std::span<const float> x) {
  std::vector<float> blocks;
  for (size_t begin = 0; begin < x.size(); begin += codegen::kRowBlock) {
    float block = -0.0f;
    for (size_t i = begin; i < std::min(x.size(), begin + codegen::kRowBlock); ++i) block += x[i];
    blocks.push_back(block);
  }
  return tree(blocks);
}

std::vector<float> floats(const Tensor& t) {
  const auto* data = reinterpret_cast<const float*>(t.data());
  return {data, data + t.numel()};
}

TEST(Reduction, TheLastAxisReducesInLanes) {
  for (int64_t n : {1, 5, 32, 1000, 4096, 4097, 300'000}) {  // the last one in two kernels
    const Tensor x = uniform({n});
    EXPECT_EQ(floats(sum(x))[0], lanes(floats(x))) << n;
  }
}

TEST(Reduction, OtherAxesReduceInRows) {
  for (int64_t n : {1, 63, 64, 65, 200, 22'000, 30'001, 40'000}) {  // the last three in two kernels, of parts of many blocks
    const Tensor x = uniform({n, 3});
    const std::vector<float> all_values = floats(x), result = floats(sum(x, 0));
    for (int64_t c = 0; c < 3; ++c) {
      std::vector<float> column;
      for (int64_t r = 0; r < n; ++r) column.push_back(all_values[static_cast<size_t>(r * 3 + c)]);
      EXPECT_EQ(result[static_cast<size_t>(c)], rows(column)) << n << " " << c;
    }
  }
}

TEST(Reduction, StridesDoNotChangeTheOrder) {
  const Tensor x = uniform({70, 9, 130});
  const Tensor turned = permute(copy(permute(x, Dims{2, 0, 1})), Dims{1, 2, 0});  // the same elements, lying otherwise
  ASSERT_EQ(floats(copy(turned)), floats(x));
  for (const Attr& axes :
       {Attr(std::monostate{}), Attr(int64_t{0}), Attr(int64_t{1}), Attr(int64_t{2}), Attr(Dims{0, 1}), Attr(Dims{1, 2}), Attr(Dims{0, 2})})
    EXPECT_EQ(floats(sum(turned, axes)), floats(sum(x, axes)));
  const Tensor every_other = slice(x, Dims{0, 0, 0}, Dims{70, 9, 130}, Dims{1, 1, 2});
  EXPECT_EQ(floats(sum(every_other)), floats(sum(copy(every_other))));
}

TEST(Reduction, StepsTakeTheLastRangeFirst) {
  const auto steps = reduction_steps({2, 3, 4, 5}, Dims{0, 2, -1}, false);
  ASSERT_EQ(steps.size(), 2u);
  EXPECT_EQ(steps[0].first, 2);
  EXPECT_EQ(steps[0].count, 2);
  EXPECT_EQ(steps[1].first, 0);
  EXPECT_EQ(sum(counting({2, 3, 4, 5}), Dims{0, 2, 3}).shape(), (Dims{3}));
  EXPECT_EQ(sum(counting({2, 3, 4, 5}), Dims{0, 2, 3}, true).shape(), (Dims{1, 3, 1, 1}));
  EXPECT_EQ(values(sum(counting({2, 2, 2}), Dims{0, 2})), (Numbers{10, 18}));
  expect_error(ErrorCode::value, "named twice", [] { sum(counting({2}), Dims{0, -1}); });
  expect_error(ErrorCode::index, "sum: axis 2 is out of range", [] { sum(counting({2}), 2); });
}

TEST(Reduction, NothingToReduce) {
  EXPECT_FALSE(std::signbit(floats(sum(counting({0})))[0])) << "+0, though the kernels start from -0";
  EXPECT_EQ(values(sum(counting({2, 0, 3}), 1)), Numbers(6, 0));
  EXPECT_EQ(values(prod(counting({0}))), (Numbers{1}));
  EXPECT_EQ(values(any(counting({0}))), (Numbers{0}));
  EXPECT_EQ(values(all(counting({0}))), (Numbers{1}));
  expect_error(ErrorCode::value, "max: axis 0", [] { max(counting({0, 3}), 0); });
  EXPECT_EQ(max(counting({0, 3}), 1).shape(), (Dims{0}));
  EXPECT_EQ(values(sum(counting({3}), Dims{})), (Numbers{0, 1, 2}));
  EXPECT_EQ(values(sum(tensor({}, {4}))), (Numbers{4}));
}

TEST(Reduction, AccumulatesSmallTypesInWideOnes) {
  const Tensor bytes = tensor({1000}, {200}, DType::U8);
  EXPECT_EQ(sum(bytes).dtype(), DType::U64);
  EXPECT_EQ(values(sum(bytes)), (Numbers{200'000}));
  EXPECT_EQ(sum(tensor({4}, {1, 0, 1, 1}, DType::Bool)).dtype(), DType::I64);
  EXPECT_EQ(sum(bytes, std::monostate{}, false, DType::F64).dtype(), DType::F64);
}

TEST(Reduction, SplitsByShapeIntoTheSameBits) {
  const Tensor x = uniform({8, 50'000});
  ReductionRequest request{{8, 50'000}, {1, 1, false}, codegen::Prim::add, DType::F32, 2};
  const auto emit = [&](KernelDraft& d) { return d.load(0, DType::F32, 0, x.strides()); };
  const auto finish = [&](KernelDraft& d, Value v) { d.store(1, DType::F32, 0, {1, 0}, v); };
  const auto draft = draft_reduction(request, emit, finish);
  ASSERT_TRUE(draft);
  EXPECT_EQ(draft->kernels.size(), 2u);
  request.shape = {64, 50'000};
  EXPECT_EQ(draft_reduction(request, emit, finish)->kernels.size(), 1u) << "enough rows to keep all threads busy";

  KernelDraft whole({8, 50'000}, 1, 1);
  finish(whole, whole.b().reduce(codegen::Prim::add, emit(whole)));
  const Tensor in_one = Tensor::empty({8}, DType::F32);
  std::byte* const tensors[] = {x.data(), in_one.data()};
  run(std::move(whole).finish(), tensors, {});
  EXPECT_EQ(floats(in_one), floats(sum(x, 1)));
}

}  // namespace
}  // namespace kiln::testing
