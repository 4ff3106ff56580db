// Convolutions with sixteen images on the lanes of a vector.
#include "codegen/contraction/image_lanes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "codegen/contraction/plans.h"
#include "codegen/contraction/reference.h"
#include "codegen/thread_pool.h"
#include "tests/cpp/codegen/contraction_problems.h"

namespace kiln::codegen {
namespace {

using namespace testing;

bool by_image_lanes(const Problem& p) { return contraction_plan(p.key)->describe().find("images on the lanes") != std::string::npos; }

// The plain loops in f32.
std::vector<Floats> by_definition(const Problem& p, const std::vector<Floats>& inputs) {
  std::vector<Floats> results;
  std::vector<const void*> in;
  std::vector<void*> out;
  for (const Operand& operand : p.outputs) results.emplace_back(operand.elements);
  for (const auto& values : inputs) in.push_back(values.data());
  for (auto& values : results) out.push_back(values.data());
  reference_contraction(p.key, in, out);
  return results;
}

// Kernels of every size up to 7 and not square; channels that fill no tile; strides, padding and dilation, alone and together.
const Convolution kImageShapes[] = {
    {16, 1, 12, 11, 6, 5, 5, 1, 2},      // a first layer
    {16, 6, 9, 8, 16, 5, 5},             //
    {32, 3, 9, 10, 5, 3, 3, 1, 1},       //
    {16, 5, 6, 6, 1, 1, 1},              //
    {64, 1, 5, 4, 3, 3, 2, 1, 1},        //
    {16, 3, 13, 12, 16, 7, 7, 2, 3},     //
    {16, 16, 7, 9, 3, 1, 5, 1, 2},       // padded rows that meet no tap
    {16, 2, 14, 13, 7, 3, 3, 2, 0, 2},   // strides that share a factor with dilation
    {16, 5, 17, 19, 11, 4, 3, 3, 2, 2},  // and that do not
    {16, 2, 9, 9, 3, 2, 2, 4},           // pixels that no window has
    {16, 1, 3, 3, 2, 3, 3, 1, 4},        // windows that lie in the padding
    {48, 20, 8, 8, 50, 5, 5, 1, 1},      // several tiles of channels
    {16, 1, 1, 1, 1, 1, 1},              //
};

// y and dx are the definition's chains: every bit. dw's chains are others.
TEST_F(Contraction, ImagesOnLanesGiveTheDefinition) {
  bool bias = false;
  for (const Convolution& shape : kImageShapes)
    for (const ContractionKind kind : kConvolutions) {
      const Problem p = convolution(kind, shape, bias = !bias);
      const std::shared_ptr<const ContractionPlan> plan = make_image_lanes_plan(p.key);
      const auto inputs = random_inputs(p);
      if (kind == ContractionKind::conv2d_weights) expect_close_to_double(p, plan);
      else ASSERT_TRUE(same_bits(run(p, inputs, plan), by_definition(p, inputs))) << plan->describe();
    }
}

// No term is multiplied that the definition does not have, so what is not finite stays in its place.
TEST_F(Contraction, ImagesOnLanesMultiplyNoPadding) {
  for (const float special : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()})
    for (const ContractionKind kind : kConvolutions)
      for (size_t operand : {0, 1}) {
        const Problem p = convolution(kind, {16, 3, 7, 6, 5, 3, 3, 1, 2});
        auto inputs = random_inputs(p);
        inputs[operand][inputs[operand].size() / 2] = special;
        const auto got = run(p, inputs, make_image_lanes_plan(p.key)), expected = by_definition(p, inputs);
        size_t finite = 0;
        for (size_t o = 0; o < got.size(); ++o)
          for (size_t i = 0; i < got[o].size(); ++i) {
            finite += std::isfinite(expected[o][i]);
            ASSERT_EQ(std::fpclassify(got[o][i]), std::fpclassify(expected[o][i])) << "output " << o << " element " << i;
          }
        EXPECT_GT(finite, 0u);
      }
}

TEST_F(Contraction, ThreadCountChangesNoBitOfImagesOnLanes) {
  for (const Convolution& shape : kImageShapes)
    for (const ContractionKind kind : kConvolutions) {
      const Problem p = convolution(kind, shape);
      const auto inputs = random_inputs(p);
      const std::shared_ptr<const ContractionPlan> plan = make_image_lanes_plan(p.key);
      set_num_threads(1);
      const auto one = run(p, inputs, plan);
      for (int threads : {2, 5}) {
        set_num_threads(threads);
        ASSERT_TRUE(same_bits(one, run(p, inputs, plan))) << threads << " threads: " << plan->describe();
      }
    }
}

TEST_F(Contraction, BothImageLaneKernelsGiveTheSameBits) {
  if (!__builtin_cpu_supports("avx512f")) GTEST_SKIP() << "this CPU has no AVX-512";
  const Floats x = random_floats(4096, 1), w = random_floats(4096, 2), bias = random_floats(8, 3);
  const auto &a = avx2_image_lane_kernels(), &b = avx512_image_lane_kernels();
  const auto sums = [&](const ImageLaneKernels& k, int channels, int columns) {
    Floats out(6 * 4 * kImageLanes);
    k.sums[channels - 1][columns - 1]({3, 2, 3, x.data() + 64, 512, 160, 16, 32, w.data(), 60, 18, 6, bias.data(), out.data(), 64, 16});
    return out;
  };
  for (int channels = 1; channels <= std::min(a.sums_channels, b.sums_channels); ++channels)
    for (int columns = 1; columns <= std::min(a.sums_columns, b.sums_columns); ++columns)
      ASSERT_EQ(sums(a, channels, columns), sums(b, channels, columns)) << channels << " x " << columns;
  const auto gradients = [&](const ImageLaneKernels& k, int channels, int taps) {
    Floats out = random_floats(5 * 5 * kImageLanes, 4);
    k.gradients[channels - 1][taps - 1]({3, 4, x.data(), 256, 32, 16, w.data(), 512, 128, out.data(), 80});
    return out;
  };
  for (int channels = 1; channels <= std::min(a.gradient_channels, b.gradient_channels); ++channels)
    for (int taps = 1; taps <= std::min(a.gradient_taps, b.gradient_taps); ++taps)
      ASSERT_EQ(gradients(a, channels, taps), gradients(b, channels, taps)) << channels << " x " << taps;
}

TEST_F(ConvolutionByDnnl, ImagesAreOnTheLanesWhereChannelsAreFew) {
  for (const ContractionKind kind : kConvolutions) {  // alike in all three, so that a layer's passes share layouts
    EXPECT_TRUE(by_image_lanes(convolution(kind, {64, 1, 28, 28, 6, 5, 5, 1, 2})));
    EXPECT_TRUE(by_image_lanes(convolution(kind, {64, 6, 14, 14, 16, 5, 5})));
    EXPECT_TRUE(by_image_lanes(convolution(kind, {16, 20, 12, 12, 50, 5, 5})));
    EXPECT_FALSE(by_image_lanes(convolution(kind, {65, 6, 14, 14, 16, 5, 5})));     // images not in sixteens
    EXPECT_FALSE(by_image_lanes(convolution(kind, {64, 1, 28, 28, 32, 3, 3})));     // a first layer whose results fill vectors
    EXPECT_FALSE(by_image_lanes(convolution(kind, {64, 3, 32, 32, 64, 7, 7, 2})));  //
    EXPECT_FALSE(by_image_lanes(convolution(kind, {64, 64, 14, 14, 10, 1, 1})));    // too little work for a change of layout
    EXPECT_FALSE(by_image_lanes(convolution(kind, {16, 16, 14, 14, 32, 5, 5})));    // full vectors
  }
  const auto plan = contraction_plan(convolution(ContractionKind::conv2d, {64, 6, 14, 14, 16, 5, 5}).key);
  EXPECT_EQ(plan->input_layouts()[0], Layout::images16);
  EXPECT_EQ(plan->output_layouts()[0], Layout::images16);
}

}  // namespace
}  // namespace kiln::codegen
