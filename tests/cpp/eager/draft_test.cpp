// From logical dimensions to a kernel's: what collapses, what does not, and where dimensions go.
#include "eager/collapse.h"
#include "eager/lowering.h"
#include "tests/cpp/eager/tensors.h"

namespace kiln::testing {
namespace {

using codegen::Reduction;
using codegen::Stride;

TEST(Collapse, MergesWhatAllAccessesCrossEvenly) {
  Dims extents{2, 3, 4};
  std::array<Dims, 2> strides{Dims{12, 4, 1}, Dims{0, 4, 1}};
  EXPECT_EQ(collapse(extents, strides, 0, 3), 2);
  EXPECT_EQ(extents, (Dims{2, 12}));
  EXPECT_EQ(strides[0], (Dims{12, 1}));
  EXPECT_EQ(strides[1], (Dims{0, 1}));
}

TEST(Collapse, DropsSinglesButKeepsPinnedOnes) {
  Dims extents{1, 3, 1, 4};
  std::array<Dims, 1> strides{Dims{12, 4, 9, 1}};
  std::array<int, kMaxRank> origin{};
  EXPECT_EQ(collapse(extents, strides, 0, 4, 1u << 2, origin.data()), 3);
  EXPECT_EQ(extents, (Dims{3, 1, 4}));
  EXPECT_EQ(origin[1], 2);
  extents = {1, 1};
  strides[0] = {7, 0};
  EXPECT_EQ(collapse(extents, strides, 0, 2), 1);
  EXPECT_EQ(strides[0], (Dims{7}));
}

TEST(Draft, RowsPutTheLastAxisLast) {
  KernelDraft d({5, 6, 7}, 0, 2);
  const Value x = d.load(0, DType::F32, 3, {42, 7, 1});
  d.store(1, DType::F32, 0, {0, 0, 1}, d.b().reduce(codegen::Prim::add, x));
  EXPECT_TRUE(d.reduced_collapses());
  const LoweredKernel k = std::move(d).finish();
  codegen::verify(k.kernel);
  EXPECT_EQ(k.kernel.reduction, Reduction::rows);
  EXPECT_EQ(k.extents, (std::vector<int64_t>{30, 7}));
  EXPECT_EQ(k.buffers[0].byte_offset, 12);
  EXPECT_EQ(k.kernel.buffers[0].reduced, Stride::any);
}

TEST(Draft, ReducedRangeMustCollapse) {
  KernelDraft d({5, 6, 7}, 1, 2);
  d.load(0, DType::F32, 0, {1, 35, 5});
  EXPECT_TRUE(d.reduced_collapses());
  d.load(1, DType::F32, 0, {42, 1, 6});
  EXPECT_FALSE(d.reduced_collapses());
}

TEST(Draft, IndicesKeepTheirDimension) {
  KernelDraft d({2, 3, 4});
  const Value column = d.index(1);
  d.store(0, DType::I64, 0, {12, 4, 1}, column);
  const LoweredKernel k = std::move(d).finish();
  codegen::verify(k.kernel);
  const Tensor out = Tensor::empty({2, 3, 4}, DType::I64);
  std::byte* const tensors[] = {out.data()};
  run(k, tensors, {});
  const Numbers got = values(out);
  for (size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i], static_cast<double>(i / 4 % 3));
}

TEST(Draft, IndicesOfBlockedReductions) {
  // sum of i over a range cut into blocks: the index counts on across blocks.
  const int64_t n = 3 * codegen::kLaneBlock + 5;
  const ReductionRequest request{{40, n}, {1, 1, false}, codegen::Prim::add, DType::I64, 1};
  const auto draft = draft_reduction(
      request, [&](KernelDraft& d) { return d.index(1); }, [&](KernelDraft& d, Value v) { d.store(0, DType::I64, 0, {1, 0}, v); });
  ASSERT_TRUE(draft);
  ASSERT_EQ(draft->kernels.size(), 2u);
  const Tensor out = Tensor::empty({40}, DType::I64), partials = Tensor::empty(draft->partials.shape, draft->partials.dtype);
  std::byte* const tensors[] = {out.data(), partials.data()};
  for (const LoweredKernel& k : draft->kernels) run(k, tensors, {});
  EXPECT_EQ(values(out), Numbers(40, static_cast<double>(n * (n - 1) / 2)));
}

TEST(IndexMap, BroadcastsAndStrides) {
  const IndexMap result = IndexMap::identity(3);
  const IndexMap own = result.broadcast_from({1, 4}, {2, 3, 4});
  EXPECT_EQ(own.iteration_strides({4, 1}), (Dims{0, 0, 1}));
  IndexMap shifted = result;
  shifted.base[0] = 2;
  EXPECT_EQ(shifted.offset({12, 4, 1}), 24);
}

}  // namespace
}  // namespace kiln::testing
