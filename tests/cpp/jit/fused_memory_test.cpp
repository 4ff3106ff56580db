// The memory that programs need at their peak against every way to fuse and order them.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "codegen/tunables.h"
#include "jit/executable.h"
#include "jit/fusion/cluster_draft.h"
#include "jit/fusion/order.h"
#include "jit/fusion/schedule.h"
#include "jit/passes/pass.h"
#include "tests/cpp/jit/fused_schedules.h"
#include "tests/cpp/jit/random_graph.h"

namespace kiln::jit {
namespace {

using codegen::Tunable;

tracer::Graph simplified(const std::string& text) {
  tracer::Graph g = tracer::parse(text);
  run_passes(g);
  return g;
}

// Memory counts, however little.
class FusedMemory : public ::testing::Test {
 public:
  FusedMemory() { set_value(Tunable::cached_bytes, 0); }
  ~FusedMemory() override { set_value(Tunable::cached_bytes, kUsually); }

 private:
  const int64_t kUsually = value(Tunable::cached_bytes);
};

// Returns the peak, which is at most 1.1 of the best.
int64_t expect_near_best(const std::string& text, const test::FusedSchedules& all) {
  const tracer::ProgramInfo info = compile(tracer::parse(text))->info();
  EXPECT_LE(static_cast<double>(info.arena_bytes), 1.1 * static_cast<double>(all.least)) << text << "best: " << all.best;
  EXPECT_GE(info.live_bytes, all.least) << text << "the search has missed a schedule";
  return info.live_bytes;
}

int64_t peak_when_fused_most(const tracer::Graph& g) {
  const StepGraph steps = step_graph(g, fuse(g));
  int visits = 100000;
  return peak_bytes(steps, order_for_memory(steps, visits));
}

TEST_F(FusedMemory, IsWithinATenthOfTheBestFusedScheduleOfSmallGraphs) {
  int64_t partitions = 0;
  int with_choice = 0, cut = 0;
  for (uint32_t seed = 1; seed <= 4; ++seed) {
    std::mt19937 random(seed);
    for (int round = 0; round < 500; ++round) {
      const std::string text = test::GraphGenerator(random).graph(4 + round % 5);
      const tracer::Graph g = simplified(text);
      const test::FusedSchedules all = test::fused_schedules(g);
      const int64_t peak = expect_near_best(text, all);
      partitions += all.partitions;
      with_choice += all.worst > all.least;
      cut += peak < peak_when_fused_most(g);
    }
  }
  EXPECT_GT(partitions, 40000);
  EXPECT_GT(with_choice, 300);  // the choice of kernels matters
  EXPECT_GT(cut, 15);           // and the fewest are not always the best
}

// What two pointwise operators make is wanted by one product each.
constexpr const char* kTwoProducts =
    "graph storages 4 scalars 0\n"
    "  %0: f32[1024, 256] = input storage 0\n"
    "  %1: f32[256, 256] = input storage 1\n"
    "  %2: f32[1024, 256] = exp(%0)\n"
    "  %3: f32[1024, 256] = sin(%2)\n"
    "  %4: f32[1024, 256] = linear(%2, %1, none)\n"
    "  %5: f32[1024, 256] = linear(%3, %1, none)\n"
    "  storage 2 <- %4\n"
    "  storage 3 <- %5\n";

TEST_F(FusedMemory, AResultThatIsWantedLaterIsComputedLater) {
  const test::FusedSchedules all = test::fused_schedules(simplified(kTwoProducts));
  EXPECT_EQ(all.least, 4 * 1024 * 256);
  EXPECT_EQ(expect_near_best(kTwoProducts, all), all.least);
  const std::vector<std::string> why = compile(tracer::parse(kTwoProducts))->info().reasons;
  EXPECT_TRUE(
      std::ranges::any_of(why, [](const std::string& w) { return w.ends_with("apart, the program needs less memory at its peak"); }));
}

TEST_F(FusedMemory, WhatWouldNotLowerThePeakIsNotCut) {
  // Both are wanted by the one product.
  const std::string text =
      "graph storages 2 scalars 0\n"
      "  %0: f32[1024, 256] = input storage 0\n"
      "  %1: f32[1024, 256] = exp(%0)\n"
      "  %2: f32[1024, 256] = sin(%1)\n"
      "  %3: f32[1024, 1024] = linear(%1, %2, none)\n"
      "  storage 1 <- %3\n";
  EXPECT_EQ(compile(tracer::parse(text))->info().launches, 2u);
  // Nor is what stays in the cache.
  set_value(Tunable::cached_bytes, 256 << 10);
  std::string small = kTwoProducts;
  for (size_t at; (at = small.find("1024")) != std::string::npos;) small.replace(at, 4, "64");
  EXPECT_EQ(compile(tracer::parse(small))->info().launches, 3u);
}

TEST_F(FusedMemory, AnEarlierSumFreesWhatItReads) {
  // The row's sums of a large product are read by what waits for another product, as large.
  const std::string text =
      "graph storages 4 scalars 0\n"
      "  %0: f32[1024, 256] = input storage 0\n"
      "  %1: f32[1024, 256] = input storage 1\n"
      "  %2: f32[1024, 1024] = linear(%0, %1, none)\n"
      "  %3: f32[1024, 1] = sum(%2) {axis=(1,), keepdims=true, dtype=none}\n"
      "  %4: f32[1024, 1024] = linear(%1, %0, none)\n"
      "  %5: f32[1024, 1] = sum(%4) {axis=(1,), keepdims=true, dtype=none}\n"
      "  %6: f32[1024, 1] = add(%3, %5)\n"
      "  storage 2 <- %6\n";
  const test::FusedSchedules all = test::fused_schedules(simplified(text));
  EXPECT_EQ(all.least, 4 * 1024 * (1024 + 1));
  expect_near_best(text, all);
}

// What the search for an order takes for the memory of a program is what the plan makes of it.
TEST_F(FusedMemory, TheOrdersMeasureIsThePlans) {
  std::mt19937 random(23);
  int compared = 0, lent = 0;
  for (int round = 0; round < 300; ++round) {
    std::string text = test::GraphGenerator(random).graph(5 + round % 20);
    for (const char* input : {"0", "1"})
      if (random() % 2 && text.find(std::string(" <- %") + input + "\n") == std::string::npos)
        text += std::string("  lends storage ") + input + "\n";
    const tracer::Graph g = simplified(text);
    const Partition p = schedule(g);
    const std::vector<bool> stored = stored_values(g, p);
    if (std::ranges::any_of(p.clusters, [&](const Cluster& c) { return c.kind == StepKind::kernel && !draft(g, c, stored); })) continue;
    ++compared;
    const StepGraph steps = step_graph(g, p);
    std::vector<uint32_t> order(steps.steps.size());
    std::iota(order.begin(), order.end(), 0u);
    const tracer::ProgramInfo info = compile(tracer::parse(text))->info();
    EXPECT_EQ(peak_bytes(steps, order), info.live_bytes) << text;
    lent += info.lent_bytes > 0;
  }
  EXPECT_GT(compared, 200);
  EXPECT_GT(lent, 50);
}

// Many blocks of a few sizes are packed as if there were no gaps.
TEST_F(FusedMemory, TheArenaIsWithinATwentiethOfWhatIsLive) {
  std::mt19937 random(29);
  for (int round = 0; round < 100; ++round) {
    const std::string text = test::GraphGenerator(random).graph(30 + round);
    const tracer::ProgramInfo info = compile(tracer::parse(text))->info();
    EXPECT_LE(static_cast<double>(info.arena_bytes), 1.05 * static_cast<double>(info.live_bytes)) << text;
  }
}

}  // namespace
}  // namespace kiln::jit
