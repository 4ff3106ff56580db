// What the pipeline makes of graphs: how much is fused, what is copied, what lies where.
#include <gtest/gtest.h>

#include "jit/executable.h"

namespace kiln {
namespace {

tracer::ProgramInfo compiled(const std::string& text) { return jit::compile(tracer::parse(text))->info(); }

TEST(Fusion, LayerNormIsOneKernel) {
  const auto info = compiled(
      "graph storages 2 scalars 1\n"
      "  %0: f32[64, 128] = input storage 0\n"
      "  %1: f32[64, 1] = sum(%0) {axis=(1,), keepdims=true, dtype=none}\n"
      "  %2: f32[64, 128] = subtract(%0, %1)\n"
      "  %3: f32[64, 128] = multiply(%2, %2)\n"
      "  %4: f32[64, 1] = sum(%3) {axis=(1,), keepdims=true, dtype=none}\n"
      "  %5: f32[64, 1] = sqrt(%4)\n"
      "  %6: f32[64, 128] = divide(%2, %5)\n"
      "  %7: f32[64, 128] = multiply(%6, s0f)\n"
      "  storage 1 <- %7\n");
  EXPECT_EQ(info.kernels, 1u);
  EXPECT_EQ(info.arena_bytes, 0);
}

TEST(Fusion, RowsTooLongForTheCacheAreReadTwice) {
  const auto info = compiled(
      "graph storages 2 scalars 0\n"
      "  %0: f32[64, 100000] = input storage 0\n"
      "  %1: f32[64, 1] = sum(%0) {axis=(1,), keepdims=true, dtype=none}\n"
      "  %2: f32[64, 100000] = subtract(%0, %1)\n"
      "  storage 1 <- %2\n");
  EXPECT_EQ(info.kernels, 2u);
}

TEST(Fusion, SumsLaidAcrossTheRowsTheyAreOfAreReadFromMemory) {
  // x + sum(x, axis=1) of a square x: element (i, j) wants the sum of row j.
  const auto text = [](const char* sums, const char* axis) {
    return std::string("graph storages 2 scalars 0\n  %0: f32[8, 8] = input storage 0\n  %1: f32[") + sums + "] = sum(%0) {axis=(" + axis +
           ",), keepdims=" + (sums[1] == ',' ? "true" : "false") +
           ", dtype=none}\n  %2: f32[8, 8] = exp(%0)\n  %3: f32[8, 8] = add(%2, %1)\n  storage 1 <- %3\n";
  };
  EXPECT_EQ(compiled(text("8", "1")).kernels, 2u);
  EXPECT_EQ(compiled(text("8, 1", "1")).kernels, 1u);
}

TEST(Fusion, ARowsResultIsBroadcastOverTheRowByAView) {
  // The gradient of a mean: what a gradient's rule broadcasts comes as a view of the row's result.
  const auto text = [](const char* window) {
    return std::string(
               "graph storages 2 scalars 1\n"
               "  %0: f32[8, 8] = input storage 0\n"
               "  %1: f32[8, 8] = exp(%0)\n"
               "  %2: f32[8, 1] = sum(%1) {axis=(1,), keepdims=true, dtype=none}\n"
               "  %3: f32[8, 1] = divide(%2, s0f)\n"
               "  %4: f32[8, 8] = view(%3) offset ") +
           window +
           "\n"
           "  %5: f32[8, 8] = add(%1, %4)\n"
           "  storage 1 <- %5\n";
  };
  const auto info = compiled(text("0 shape (8, 8) strides (1, 0)"));
  EXPECT_EQ(info.kernels, 1u);
  EXPECT_EQ(info.arena_bytes, 0) << "nobody reads the row's result from memory";
  EXPECT_EQ(compiled(text("0 shape (8, 8) strides (0, 1)")).kernels, 2u) << "across the rows";
  EXPECT_EQ(compiled(text("7 shape (8, 8) strides (-1, 0)")).kernels, 2u) << "of another row";
}

TEST(Fusion, AnEmbeddingItsPositionsAndALayerNormAreOneKernel) {
  const std::string text =
      "graph storages 4 scalars 1\n"
      "  %0: f32[30000, 128] = input storage 0\n"
      "  %1: i64[8, 16] = input storage 1\n"
      "  %2: f32[16, 128] = input storage 2\n"
      "  %3: f32[8, 16, 128] = gather_rows(%0, %1) {axis=0}\n"
      "  %4: f32[8, 16, 128] = add(%3, %2)\n"
      "  %5: f32[8, 16, 1] = sum(%4) {axis=(2,), keepdims=true, dtype=none}\n"
      "  %6: f32[8, 16, 128] = subtract(%4, %5)\n"
      "  %7: f32[8, 16, 128] = multiply(%6, s0f)\n"
      "  storage 3 <- %7\n";
  const auto info = compiled(text);
  EXPECT_EQ(info.kernels, 1u) << info.steps[0];
  EXPECT_EQ(info.arena_bytes, 0);
  // Of the table it moves what the result takes of it, not all.
  EXPECT_EQ(info.moved_bytes, 4 * (2 * 8 * 16 * 128 + 16 * 128) + 8 * 8 * 16);
  EXPECT_EQ(info.least_bytes, info.moved_bytes);
}

TEST(Fusion, IndicesAreComputedWhereTheyAreReadAndRowsAloneAreCopied) {
  const auto text = [](const std::string& rest) {
    return "graph storages 4 scalars 0\n"
           "  %0: f32[50, 6] = input storage 0\n"
           "  %1: i64[8, 6] = input storage 1\n" +
           rest;
  };
  const auto both =
      compiled(text("  %2: i64[8, 6] = negative(%1)\n"
                    "  %3: f32[8, 6] = gather_along(%0, %2) {axis=0}\n"
                    "  storage 2 <- %3\n"));
  EXPECT_EQ(both.kernels, 1u);
  EXPECT_EQ(both.arena_bytes, 0);
  const auto alone = compiled(text("  %2: f32[8, 6] = gather_along(%0, %1) {axis=0}\n  storage 2 <- %2\n"));
  EXPECT_EQ(alone.kernels, 0u);
  EXPECT_EQ(alone.steps.at(0).substr(0, 7), "routine");
  // What is taken of lies in memory: exp is another step.
  const auto of_computed =
      compiled(text("  %2: f32[50, 6] = exp(%0)\n"
                    "  %3: f32[8, 6] = gather_along(%2, %1) {axis=0}\n"
                    "  %4: f32[8, 6] = negative(%3)\n"
                    "  storage 2 <- %4\n"));
  EXPECT_EQ(of_computed.kernels, 2u);
}

TEST(Fusion, NothingIsFusedAcrossACycle) {
  // %3 needs %1 both directly and through the view of %2, which must be in memory first.
  const auto info = compiled(
      "graph storages 2 scalars 0\n"
      "  %0: f32[4, 6] = input storage 0\n"
      "  %1: f32[4, 6] = exp(%0)\n"
      "  %2: f32[4, 6] = negative(%1)\n"
      "  %4: f32[4, 6] = view(%2) offset 18 shape (4, 6) strides (-6, 1)\n"
      "  %3: f32[4, 6] = add(%1, %4)\n"
      "  storage 1 <- %3\n");
  EXPECT_EQ(info.kernels, 2u);
}

constexpr const char* kPool =
    "graph storages 3 scalars 0\n"
    "  %0: f32[2, 16, 8, 8] = input storage 0\n"
    "  %1: f32[2, 16, 8, 8] = relu(%0)\n"
    "  %2: f32[2, 16, 4, 4], %3: u8[2, 16, 4, 4] = max_pool2d(%1) {kernel_size=(2, 2), stride=none, padding=(0, 0), dilation=(1, 1)}\n"
    "  %4: f32[2, 16, 4, 4] = negative(%2)\n"
    "  storage 1 <- %4\n"
    "  storage 2 <- %3\n";

TEST(Fusion, PoolingTakesInWhatIsBeforeAndBehindIt) { EXPECT_EQ(compiled(kPool).kernels, 1u); }

TEST(Layout, ReordersBetweenConvolutionsCancel) {
  const std::string text =
      "graph storages 5 scalars 0\n"
      "  %0: f32[2, 16, 10, 10] = input storage 0\n"
      "  %1: f32[16, 16, 3, 3] = input storage 1\n"
      "  %2: f32[32, 16, 3, 3] = input storage 2\n"
      "  %3: f32[2, 16, 8, 8] = conv2d(%0, %1, none) {stride=(1, 1), padding=(0, 0), dilation=(1, 1)}\n"
      "  %4: f32[2, 16, 8, 8] = relu(%3)\n"
      "  %5: f32[2, 32, 6, 6] = conv2d(%4, %2, none) {stride=(1, 1), padding=(0, 0), dilation=(1, 1)}\n"
      "  storage 3 <- %5\n";
  const auto program = jit::compile(tracer::parse(text));
  EXPECT_EQ(program->info().contractions, 2u);
  const std::string graph = program->text("graph");
  size_t reorders = 0;
  for (size_t at = graph.find("= reorder"); at != std::string::npos; at = graph.find("= reorder", at + 1)) ++reorders;
  EXPECT_EQ(reorders, 2u) << graph;  // the first input and the result
}

TEST(Layout, ImagesStayOnTheLanesThroughPooling) {
  const auto program = jit::compile(
      tracer::parse("graph storages 4 scalars 0\n"
                    "  %0: f32[16, 1, 14, 14] = input storage 0\n"
                    "  %1: f32[6, 1, 3, 3] = input storage 1\n"
                    "  %2: f32[5, 6, 3, 3] = input storage 2\n"
                    "  %3: f32[16, 6, 12, 12] = conv2d(%0, %1, none) {stride=(1, 1), padding=(0, 0), dilation=(1, 1)}\n"
                    "  %4: f32[16, 6, 12, 12] = relu(%3)\n"
                    "  %5: f32[16, 6, 6, 6], %6: u8[16, 6, 6, 6] = max_pool2d(%4) {kernel_size=(2, 2), stride=none, padding=(0, 0), "
                    "dilation=(1, 1)}\n"
                    "  %7: f32[16, 5, 4, 4] = conv2d(%5, %2, none) {stride=(1, 1), padding=(0, 0), dilation=(1, 1)}\n"
                    "  storage 3 <- %7\n"));
  const std::string graph = program->text("graph");
  EXPECT_NE(graph.find("f32[16, 6, 6, 6] images16"), std::string::npos) << graph;
  size_t reorders = 0;
  for (size_t at = graph.find("= reorder"); at != std::string::npos; at = graph.find("= reorder", at + 1)) ++reorders;
  EXPECT_EQ(reorders, 2u) << graph;  // the images and the result
}

TEST(MemoryPlan, AWriteIntoADeadArrayCopiesNothing) {
  const auto info = compiled(
      "graph storages 1 scalars 1\n"
      "  %0: f32[100] = input storage 0\n"
      "  %1: f32[100] = multiply(%0, s0f)\n"
      "  storage 0 <- %1\n");
  EXPECT_EQ(info.launches, 1u);
  EXPECT_EQ(info.arena_bytes, 0);
}

TEST(MemoryPlan, AReversedReadOfWhatIsWrittenGoesThroughATemporary) {
  const auto info = compiled(
      "graph storages 1 scalars 0\n"
      "  %0: f32[100] = input storage 0\n"
      "  %1: f32[100] = view(%0) offset 99 shape (100) strides (-1)\n"
      "  %2: f32[100] = exp(%1)\n"
      "  storage 0 <- %2\n");
  EXPECT_EQ(info.launches, 2u);
  EXPECT_GE(info.arena_bytes, 400);
}

TEST(MemoryPlan, LongChainsReuseTheirTemporaries) {
  std::string text = "graph storages 2 scalars 0\n  %0: f32[64, 64] = input storage 0\n";
  for (int i = 1; i <= 40; ++i)  // products, which are not fused
    text += "  %" + std::to_string(i) + ": f32[64, 64] = linear(%" + std::to_string(i - 1) + ", %0, none)\n";
  const auto info = compiled(text + "  storage 1 <- %40\n");
  EXPECT_LE(info.arena_bytes, 2 * 64 * 64 * 4);
}

TEST(Passes, EqualCallsAreOne) {
  const auto info = compiled(
      "graph storages 2 scalars 0\n"
      "  %0: f32[50] = input storage 0\n"
      "  %1: f32[50] = exp(%0)\n"
      "  %2: f32[50] = exp(%0)\n"
      "  %3: f32[50] = add(%1, %2)\n"
      "  storage 1 <- %3\n");
  EXPECT_NE(info.steps.at(0).find("exp + add"), std::string::npos) << info.steps[0];
}

}  // namespace
}  // namespace kiln
