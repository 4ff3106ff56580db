#include "codegen/contraction/contraction.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <thread>
#include <vector>

#include "codegen/contraction/gemm.h"
#include "codegen/contraction/reference.h"
#include "codegen/contraction/tasks.h"
#include "codegen/contraction/winograd.h"
#include "codegen/error.h"
#include "codegen/thread_pool.h"
#include "tests/cpp/codegen/contraction_problems.h"

namespace kiln::codegen {
namespace {

using namespace testing;

const Convolution kShapes[] = {
    {4, 16, 10, 9, 32, 3, 3},            // blocked on both sides
    {5, 1, 12, 12, 32, 3, 3},            // first layer, plain input
    {3, 3, 11, 13, 16, 5, 5, 2, 2},      // colours, strided, padded
    {7, 6, 14, 14, 16, 5, 5},            // plain to blocked
    {2, 1, 28, 28, 6, 5, 5, 1, 2},       // plain on both sides
    {2, 32, 8, 8, 20, 1, 1},             // pointwise, blocked to plain
    {1, 32, 12, 12, 160, 3, 3, 1, 1},    // one image: cut by channels, and the last group is smaller
    {1, 160, 9, 9, 64, 3, 3, 1, 1},      //
    {2, 16, 15, 15, 16, 3, 3, 1, 2, 2},  // dilated
    {3, 16, 9, 9, 16, 3, 3, 2, 0, 2},    // dilated and strided
    {2, 16, 10, 10, 16, 3, 3, 3, 0},     // stride that leaves input unread
    {1, 1, 1, 1, 1, 1, 1},               //
    {2, 5, 7, 1, 3, 4, 1, 1, 3},         // padding as large as the kernel allows
    {2, 256, 3, 3, 128, 3, 3, 1, 1},     // weights large enough to be reordered in pieces
    {35, 16, 12, 12, 32, 3, 3, 1, 1},    // images that do not divide into slices
    {9, 32, 13, 11, 32, 3, 3},           // Winograd: odd results, so that tiles reach beyond them
    {3, 48, 12, 17, 64, 3, 3, 1, 1},     // with padding, and rows of tiles that chunks cut
    {5, 32, 6, 7, 96, 3, 3, 1, 2},       // padded as widely as the data gradient allows
    {40, 64, 3, 3, 32, 3, 3, 1, 1},      // images smaller than a patch
    {2, 64, 40, 3, 64, 3, 3},            // one column of results
};

bool by_winograd(const Problem& p) { return contraction_plan(p.key)->describe().find("Winograd") != std::string::npos; }

TEST_F(Contraction, MatmulIsOneChainOfMultiplyAddsOverK) {
  for (const auto& [m, n, k] :
       {std::array<int64_t, 3>{1, 1, 1}, {3, 5, 7}, {8, 32, 16}, {17, 33, 300}, {64, 120, 400}, {130, 300, 70}, {1, 90, 513}})
    for (int flags = 0; flags < 8; ++flags) {
      const bool ta = flags & 1, tb = flags & 2, bias = flags & 4;
      const Problem p = matmul(m, n, k, ta, tb, bias);
      const auto inputs = random_inputs(p);
      const Floats c = run(p, inputs)[0];
      for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j) {
          float sum = 0;
          for (int64_t q = 0; q < k; ++q) sum = std::fma(inputs[0][ta ? q * m + i : i * k + q], inputs[1][tb ? j * k + q : q * n + j], sum);
          if (bias) sum += inputs[2][j];
          ASSERT_EQ(c[i * n + j], sum) << contraction_plan(p.key)->describe() << " at " << i << ", " << j;
        }
    }
}

TEST_F(Contraction, LongSumsAreSplitAndStayAccurate) {
  for (const Problem& p :
       {matmul(64, 128, 9216, false, true, true), matmul(32, 30, 20000, true, false), matmul(5, 3, 100000, false, false, true)}) {
    EXPECT_NE(contraction_plan(p.key)->describe().find("parts"), std::string::npos);
    expect_close_to_double(p);
  }
}

// Columns first, in whole tiles; rows, each run of which packs B anew, only where columns do not suffice; small products not too finely.
TEST_F(Contraction, MatmulsAreCutByTheirWork) {
  const auto slices = [](const Problem& p) {
    const std::string text = contraction_plan(p.key)->describe();
    return text.substr(text.rfind(": ") + 2);
  };
  EXPECT_EQ(slices(matmul(64, 10, 84)), "1 x 1 x 1 slices");
  EXPECT_EQ(slices(matmul(64, 120, 84)), "1 x 1 x 2 slices");
  EXPECT_EQ(slices(matmul(64, 120, 400, false, true)), "1 x 1 x 4 slices");
  EXPECT_EQ(slices(matmul(120, 400, 64, true)), "1 x 1 x 5 slices");
  EXPECT_EQ(slices(matmul(256, 256, 256)), "1 x 2 x 8 slices");
  EXPECT_EQ(slices(matmul(64, 16, 64, false, false, false, 40)), "40 x 1 x 1 slices");
  EXPECT_EQ(slices(matmul(64, 128, 9216, false, true)), "1 x 1 x 2 slices, k in 8 parts");
}

// Two threads whose pieces follow each other get their own memory again, not each other's.
TEST_F(Contraction, AThreadKeepsItsScratchMemory) {
  void* first = nullptr;
  std::thread([&] {
    { first = Scratch(100'000).data(); }
    void* other = nullptr;
    std::thread([&] { other = Scratch(100'000).data(); }).join();
    EXPECT_NE(other, first);
    const Scratch again(50'000), nested(50'000);
    EXPECT_EQ(again.data(), first);
    EXPECT_NE(nested.data(), first);
    EXPECT_EQ(Scratch(0).data(), nullptr);
  }).join();
  const Scratch huge(2 << 20);  // is not kept
  const int64_t before = memory_stats().in_use;
  { const Scratch another(3 << 20); }
  EXPECT_EQ(memory_stats().in_use, before);
}

TEST_F(Contraction, BatchedMatmulIsMatmulOfEachImage) {
  const Problem batched = matmul(9, 40, 33, false, true, true, 5), single = matmul(9, 40, 33, false, true, true);
  const auto inputs = random_inputs(batched);
  const Floats all = run(batched, inputs)[0];
  for (int64_t image = 0; image < 5; ++image) {
    const auto part = [&](const Floats& v) {
      const auto size = static_cast<int64_t>(v.size()) / 5;
      return Floats(v.begin() + image * size, v.begin() + (image + 1) * size);
    };
    EXPECT_EQ(run(single, {part(inputs[0]), part(inputs[1]), inputs[2]})[0], part(all));
  }
}

TEST_F(Contraction, BothTileKernelsGiveTheSameBits) {
  if (!__builtin_cpu_supports("avx512f")) GTEST_SKIP() << "this CPU has no AVX-512";
  const Floats a = random_floats(8 * 100, 1), b = random_floats(100 * 32, 2);
  const auto product = [&](const TileKernel& kernel) {
    Floats c(8 * 32);
    for (int j = 0; j < 32; j += kernel.columns) {
      Floats panel;
      for (int p = 0; p < 100; ++p) panel.insert(panel.end(), b.begin() + p * 32 + j, b.begin() + p * 32 + j + kernel.columns);
      for (int i = 0; i < 8; i += kernel.rows) {
        const auto run = kernel.by_rows[std::min(kernel.rows, 8 - i) - 1];
        run(60, a.data() + i * 100, 100, 1, panel.data(), c.data() + i * 32 + j, 32, false);
        run(40, a.data() + i * 100 + 60, 100, 1, panel.data() + 60 * kernel.columns, c.data() + i * 32 + j, 32, true);
      }
    }
    return c;
  };
  EXPECT_EQ(product(avx2_tile_kernel()), product(avx512_tile_kernel()));
}

TEST_F(ConvolutionByDnnl, IsCloseToDoublePrecision) {
  bool bias = false;  // half of them
  for (const Convolution& shape : kShapes)
    for (const ContractionKind kind : kConvolutions) expect_close_to_double(convolution(kind, shape, bias = !bias));
}

TEST_F(ConvolutionByDnnl, ThreadCountChangesNoBit) {
  std::vector<Problem> problems;
  for (const Convolution& shape : kShapes)
    for (const ContractionKind kind : kConvolutions) problems.push_back(convolution(kind, shape));
  problems.push_back(convolution(ContractionKind::conv2d_weights, {64, 32, 26, 26, 64, 3, 3}));
  problems.push_back(matmul(64, 128, 9216, false, true, true));
  problems.push_back(matmul(300, 500, 200, true, false));
  for (const Problem& p : problems) {
    const auto inputs = random_inputs(p);
    set_num_threads(1);
    const auto one = run(p, inputs);
    for (int threads : {2, 3, 5}) {
      set_num_threads(threads);
      ASSERT_TRUE(same_bits(one, run(p, inputs))) << threads << " threads: " << contraction_plan(p.key)->describe();
    }
  }
}

TEST_F(ConvolutionByDnnl, SlicesAreEvenlyShared) {
  for (const ContractionKind kind : kConvolutions) {
    const std::string plan = contraction_plan(convolution(kind, {72, 1, 28, 28, 6, 5, 5, 1, 2}).key)->describe();
    EXPECT_NE(plan.find(": 8 slices"), std::string::npos) << plan;
  }
}

TEST_F(ConvolutionByDnnl, LargeOnesOf3x3AreWinogradsInAllThreeKinds) {
  for (const ContractionKind kind : kConvolutions) {
    EXPECT_TRUE(by_winograd(convolution(kind, {64, 32, 26, 26, 64, 3, 3})));
    EXPECT_TRUE(by_winograd(convolution(kind, {9, 32, 13, 11, 32, 3, 3})));
    EXPECT_FALSE(by_winograd(convolution(kind, {64, 32, 26, 26, 64, 3, 3, 2})));        // strided
    EXPECT_FALSE(by_winograd(convolution(kind, {64, 32, 26, 26, 64, 3, 3, 1, 0, 2})));  // dilated
    EXPECT_FALSE(by_winograd(convolution(kind, {64, 32, 26, 26, 64, 5, 5})));           // another kernel
    EXPECT_FALSE(by_winograd(convolution(kind, {64, 32, 26, 26, 60, 3, 3})));           // channels not in sixteens
    EXPECT_FALSE(by_winograd(convolution(kind, {1, 32, 4, 4, 64, 3, 3})));              // too few tiles
    EXPECT_FALSE(by_winograd(convolution(kind, {64, 256, 26, 26, 256, 3, 3})));         // weights beyond the cache
    EXPECT_FALSE(by_winograd(convolution(kind, {64, 32, 26, 26, 64, 3, 3, 1, 3})));     // a data gradient that crops
  }
}

// Infinities and NaN come out exactly where the definition has them, and a huge pixel disturbs no result that it is no term of.
TEST_F(ConvolutionByDnnl, WinogradKeepsWhatIsNotFiniteInItsPlace) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const ContractionKind kind : kConvolutions)
    for (const float special : {kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN(), 1e30f}) {
      const Problem p = convolution(kind, {9, 32, 13, 11, 32, 3, 3, 1, 1});
      ASSERT_TRUE(by_winograd(p));
      for (size_t operand : {0, 1}) {
        auto inputs = random_inputs(p);
        Floats& spoilt = inputs[operand];
        spoilt[spoilt.size() / 2] = spoilt[spoilt.size() / 3] = special;
        const auto results = run(p, inputs);
        const auto exact = run_in_double(p, inputs, [](double v) { return v; });
        const auto scale = run_in_double(p, inputs, [](double v) { return std::abs(v); });
        size_t finite = 0;
        for (size_t o = 0; o < results.size(); ++o)
          for (size_t i = 0; i < results[o].size(); ++i) {
            const double expected = exact[o][i], got = results[o][i];
            if (std::isfinite(expected)) {
              ++finite;
              // A huge pixel is in its own results alone; a huge weight meets the padding, and a weight's gradient has all pixels.
              const bool pixel = operand == 0 && kind != ContractionKind::conv2d_weights;
              const bool apart = !std::isfinite(special) || (pixel && scale[o][i] < 1e20);
              const double terms = apart ? scale[o][i] + 1 : double{special};
              ASSERT_NEAR(got, expected, 1e-6 * terms) << "output " << o << " element " << i << ", special " << special;
            } else {
              ASSERT_TRUE(std::isnan(expected) ? std::isnan(got) : got == expected) << got << " for " << expected;
            }
          }
        EXPECT_GT(finite, 0u);
      }
    }
}

TEST_F(Contraction, BothWinogradTransformsGiveTheSameBits) {
  if (!__builtin_cpu_supports("avx512f")) GTEST_SKIP() << "this CPU has no AVX-512";
  const Floats values = random_floats(64 * 64, 1), bias = random_floats(16, 2);
  const auto all = [&](const WinogradTransforms& t) {
    std::vector<Floats> out(6, Floats(16 * 256));
    t.patches({values.data(), 12 * 16, 32, 5, out[0].data(), 48, 256});
    t.gradients({values.data(), 10 * 16, 32, 5, out[1].data(), 48, 256}, out[2].data());
    EXPECT_TRUE(t.results({values.data(), 48, 250, bias.data(), out[3].data(), 10 * 16, 32, 5}));
    t.filter(values.data(), out[4].data(), 256);
    t.filter_gradient(values.data(), 256, out[5].data());
    return out;
  };
  EXPECT_TRUE(same_bits(all(avx2_winograd_transforms()), all(avx512_winograd_transforms())));
}

TEST_F(ConvolutionByDnnl, RunsFromSeveralThreadsAtOnceAndInAForkedChild) {
  const Problem p = convolution(ContractionKind::conv2d_weights, {8, 16, 14, 14, 32, 3, 3});
  const auto inputs = random_inputs(p);
  const auto expected = run(p, inputs);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) wrong += !same_bits(run(p, inputs), expected);
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(wrong, 0);

  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(20);
    _exit(same_bits(run(p, inputs), expected) ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(ConvolutionByDnnl, ChannelsInSixteensAreBlocked) {
  const auto plan = contraction_plan(convolution(ContractionKind::conv2d, {4, 1, 12, 12, 32, 3, 3}).key);
  ASSERT_EQ(plan->input_layouts().size(), 3u);
  EXPECT_EQ(plan->input_layouts()[0], Layout::plain);
  EXPECT_EQ(plan->output_layouts()[0], Layout::blocked16);
  EXPECT_DOUBLE_EQ(plan->flops(), 2.0 * 4 * 32 * 10 * 10 * 9);
  EXPECT_NE(plan->describe().find("oneDNN"), std::string::npos);
}

TEST_F(Contraction, PlansAreMadeOnce) {
  EXPECT_EQ(contraction_plan(matmul(3, 4, 5).key), contraction_plan(matmul(3, 4, 5).key));
  EXPECT_NE(contraction_plan(matmul(3, 4, 5).key), contraction_plan(matmul(3, 4, 6).key));
}

TEST_F(Contraction, NoTermsGiveZeroOrTheBias) {
  EXPECT_EQ(run(matmul(2, 3, 0), {{}, {}})[0], Floats(6, 0.0f));
  EXPECT_EQ(run(matmul(2, 3, 0, false, false, true), {{}, {}, {1, 2, 3}})[0], (Floats{1, 2, 3, 1, 2, 3}));
  EXPECT_TRUE(run(matmul(0, 3, 4), {{}, Floats(12)})[0].empty());
  const Convolution no_channels{2, 0, 3, 3, 1, 2, 2}, no_images{0, 2, 3, 3, 1, 2, 2};
  EXPECT_EQ(run(convolution(ContractionKind::conv2d, no_channels), {{}, {}, {7}})[0], Floats(8, 7.0f));
  EXPECT_TRUE(run(convolution(ContractionKind::conv2d_data, no_channels), {Floats(8, 1), {}})[0].empty());
  EXPECT_EQ(run(convolution(ContractionKind::conv2d_weights, no_images), {{}, {}})[0], Floats(8, 0.0f));
  EXPECT_EQ(run(convolution(ContractionKind::conv2d_weights, no_images), {{}, {}})[1], Floats(1, 0.0f));
}

template <class T>
std::vector<T> run_small(Problem p, DType dtype, const std::vector<std::vector<T>>& inputs, size_t output = 0) {
  p.key.dtype = dtype;
  std::vector<std::vector<T>> results;
  std::vector<const void*> in;
  std::vector<void*> out;
  for (const Operand& operand : p.outputs) results.emplace_back(operand.elements);
  for (const auto& values : inputs) in.push_back(values.data());
  for (auto& values : results) out.push_back(values.data());
  contraction_plan(p.key)->run(in, out, nullptr);
  return results[output];
}

TEST_F(Contraction, EveryDtypeByHand) {
  // [1 2; 3 4] [5 6; 7 8]
  EXPECT_EQ(run_small<int64_t>(matmul(2, 2, 2), DType::I64, {{1, 2, 3, 4}, {5, 6, 7, 8}}), (std::vector<int64_t>{19, 22, 43, 50}));
  EXPECT_EQ(run_small<double>(matmul(2, 2, 2, true, true, true), DType::F64, {{1, 3, 2, 4}, {5, 7, 6, 8}, {0.5, 1}}),
            (std::vector<double>{19.5, 23, 43.5, 51}));
  EXPECT_EQ(run_small<int32_t>(matmul(1, 1, 2), DType::I32, {{INT32_MAX, 1}, {2, 3}}), (std::vector<int32_t>{1}));  // wraps: 2^32 - 2 + 3
  EXPECT_EQ(run_small<uint8_t>(matmul(1, 1, 2), DType::U8, {{200, 3}, {2, 5}}), (std::vector<uint8_t>{159}));       // 415 - 256
  const Convolution c{1, 1, 3, 3, 1, 2, 2};
  const std::vector<int32_t> image{1, 2, 3, 4, 5, 6, 7, 8, 9}, kernel{1, 10, 100, 1000}, ones(4, 1);
  EXPECT_EQ(run_small<int32_t>(convolution(ContractionKind::conv2d, c), DType::I32, {image, kernel, {1}}),
            (std::vector<int32_t>{5422, 6533, 8755, 9866}));
  EXPECT_EQ(run_small<int32_t>(convolution(ContractionKind::conv2d_data, c), DType::I32, {ones, kernel}),
            (std::vector<int32_t>{1, 11, 10, 101, 1111, 1010, 100, 1100, 1000}));
  EXPECT_EQ(run_small<int32_t>(convolution(ContractionKind::conv2d_weights, c), DType::I32, {image, ones}),
            (std::vector<int32_t>{12, 16, 24, 28}));
  EXPECT_EQ(run_small<int32_t>(convolution(ContractionKind::conv2d_weights, c), DType::I32, {image, ones}, 1), (std::vector<int32_t>{4}));
}

TEST_F(Contraction, SaysWhichShapesDoNotFit) {
  const auto message = [](ContractionKey key, ErrorCode code) -> std::string {
    try {
      contraction_plan(key);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), code);
      return e.what();
    }
    return "no error";
  };
  ContractionKey key = convolution(ContractionKind::conv2d, {2, 3, 5, 5, 8, 3, 3}).key;
  key.in_height = 2;
  EXPECT_EQ(message(key, ErrorCode::value),
            "conv2d of input [2, 3, 2, 5] and weight [8, 3, 3, 3]: the kernel, [3, 3] with dilation [1, 1], is larger than the padded "
            "input, [2, 5]");
  key.stride = {0, 1};
  EXPECT_NE(message(key, ErrorCode::value).find("stride [0, 1] must be at least 1"), std::string::npos);
  key = matmul(2, -1, 3).key;
  EXPECT_EQ(message(key, ErrorCode::value), "matmul of [2, 3] and [3, -1]: an extent is negative");
  key.m = key.n = key.k = int64_t{1} << 40;
  EXPECT_NE(message(key, ErrorCode::value).find("memory"), std::string::npos);
  key = matmul(2, 2, 2).key;
  key.dtype = DType::Bool;
  EXPECT_EQ(message(key, ErrorCode::type), "matmul takes numbers, not bool");
}

TEST_F(Contraction, ReorderMovesEveryElement) {
  for (const auto& [n, c, h, w] :
       {std::array<int64_t, 4>{1, 16, 1, 1}, {2, 32, 5, 7}, {3, 48, 26, 26}, {1, 16, 100, 90}, {9, 512, 50, 40}}) {  // the last is streamed
    const int64_t positions = h * w, elements = n * c * positions;
    const Aligned plain_memory(elements * 4), blocked_memory(elements * 4), back_memory(elements * 4);
    auto* const plain = static_cast<float*>(plain_memory.data);
    auto* const blocked = static_cast<float*>(blocked_memory.data);
    auto* const back = static_cast<float*>(back_memory.data);
    for (int64_t i = 0; i < elements; ++i) plain[i] = static_cast<float>(i % 16777216);
    reorder(plain, Layout::plain, blocked, Layout::blocked16, {n, c, h, w});
    for (int64_t i = 0; i < elements; ++i) {
      const int64_t lane = i % 16, position = i / 16 % positions, block = i / 16 / positions;
      ASSERT_EQ(blocked[i], plain[(block * 16 + lane) * positions + position]);
    }
    reorder(blocked, Layout::blocked16, back, Layout::plain, {n, c, h, w});
    ASSERT_EQ(std::memcmp(back, plain, elements * 4), 0);
    if (c <= 64) {  // [C, N, H, W] by images: the same elements, N and C exchanged
      reorder(plain, Layout::plain, blocked, Layout::images16, {c, n, h, w});
      for (int64_t i = 0; i < elements; ++i) {
        const int64_t lane = i % 16, position = i / 16 % (n * positions), block = i / 16 / (n * positions);
        ASSERT_EQ(blocked[i], plain[(block * 16 + lane) * n * positions + position]);
      }
      std::memset(back, 0, elements * 4);
      reorder(blocked, Layout::images16, back, Layout::plain, {c, n, h, w});
      ASSERT_EQ(std::memcmp(back, plain, elements * 4), 0);
    }
    std::memset(back, 0, elements * 4);
    reorder(plain, Layout::plain, back, Layout::plain, {n, c, h, w});
    ASSERT_EQ(std::memcmp(back, plain, elements * 4), 0);
  }
}

}  // namespace
}  // namespace kiln::codegen
