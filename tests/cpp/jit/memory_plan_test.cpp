// The memory plan against bounds: the arena against what is live at once, the order of steps against every order there is.
#include "jit/memory_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <string>

#include "jit/executable.h"
#include "jit/fusion/least_bytes.h"
#include "jit/fusion/order.h"
#include "jit/passes/pass.h"

namespace kiln::jit {
namespace {

// Products of matrices of several sizes, which do not fuse, and pointwise steps between them. What nobody reads is a result.
std::string random_graph(std::mt19937& random, int steps) {
  constexpr int kExtents[] = {256, 512, 1024};
  struct Matrix {
    int rows, columns;
    bool read;
  };
  std::vector<Matrix> all;
  std::string body;
  const auto define = [&](int rows, int columns, bool read, const std::string& what) {
    body += "  %" + std::to_string(all.size()) + ": f32[" + std::to_string(rows) + ", " + std::to_string(columns) + "] = " + what + "\n";
    all.push_back({rows, columns, read});
  };
  for (int i = 0; i < 2; ++i) define(kExtents[random() % 3], 256, true, "input storage " + std::to_string(i));
  while (steps > 0) {
    const size_t a = random() % all.size(), b = random() % all.size();
    if (random() % 4 == 0) {
      define(all[a].rows, all[a].columns, false, "exp(%" + std::to_string(a) + ")");
    } else if (all[a].columns == all[b].columns) {
      all[b].read = true;
      define(all[a].rows, all[b].rows, false, "linear(%" + std::to_string(a) + ", %" + std::to_string(b) + ", none)");
    } else {
      continue;
    }
    all[a].read = true;
    --steps;
  }
  uint32_t storages = 2;
  for (size_t v = 0; v < all.size(); ++v)
    if (!all[v].read) body += "  storage " + std::to_string(storages++) + " <- %" + std::to_string(v) + "\n";
  return "graph storages " + std::to_string(storages) + " scalars 0\n" + body;
}

// The bytes live at once if the clusters run in this order.
int64_t live_bytes(const tracer::Graph& g, const Partition& p, const std::vector<uint32_t>& order) {
  Partition permuted = p;
  for (uint32_t at = 0; at < order.size(); ++at) {
    permuted.clusters[at] = p.clusters[order[at]];
    for (const tracer::NodeIndex i : permuted.clusters[at].nodes) permuted.cluster_of[i] = at;
  }
  const std::vector<bool> stored = stored_values(g, permuted);
  std::vector<std::optional<DraftedCluster>> drafts;
  for (const Cluster& c : permuted.clusters)
    drafts.push_back(c.kind == StepKind::kernel ? draft(g, c, stored) : std::optional<DraftedCluster>());
  return plan_memory(g, permuted, drafts).lower_bound;
}

// Calls visit(order) for every order in which the steps can run.
template <class Visit>
void every_order(const StepGraph& g, std::vector<uint32_t>& order, const Visit& visit) {
  if (order.size() == g.steps.size()) return visit(order);
  const auto done = [&](uint32_t s) { return std::ranges::find(order, s) != order.end(); };
  for (uint32_t s = 0; s < g.steps.size(); ++s)
    if (!done(s) && std::ranges::all_of(g.steps[s].after, done)) {
      order.push_back(s);
      every_order(g, order, visit);
      order.pop_back();
    }
}

TEST(MemoryPlan, IsWithinATenthOfTheBestOrderOfSmallGraphs) {
  std::mt19937 random(5);
  int orders = 0, improved = 0, with_choice = 0;
  for (int round = 0; round < 100; ++round) {
    const bool lends = round % 3 == 0;
    const std::string text = random_graph(random, 4 + round % 4) + (lends ? "  lends storage 0\n" : "");
    tracer::Graph g = tracer::parse(text);
    run_passes(g);
    const Partition p = fuse(g);
    const StepGraph steps = step_graph(g, p);
    std::vector<uint32_t> calls(steps.steps.size()), order;
    std::iota(calls.begin(), calls.end(), 0u);
    int64_t best = live_bytes(g, p, calls), worst = best;
    const int64_t as_called = best;
    every_order(steps, order, [&](const std::vector<uint32_t>& o) {
      const int64_t live = live_bytes(g, p, o);
      best = std::min(best, live), worst = std::max(worst, live);
      ++orders;
    });
    const tracer::ProgramInfo info = compile(tracer::parse(text))->info();
    EXPECT_LE(static_cast<double>(info.arena_bytes), 1.1 * static_cast<double>(best)) << text;
    EXPECT_LE(info.live_bytes, info.arena_bytes);
    improved += info.live_bytes < as_called;
    with_choice += worst > best;
  }
  EXPECT_GT(orders, 1000);     // the search above is one
  EXPECT_GT(with_choice, 20);  // and the order matters
  EXPECT_GT(improved, 5);      // and the order of calls is not always the best
}

// Steps that make and read temporaries at random: the packing of many blocks, at sizes that no graph above has.
TEST(MemoryPlan, FindsTheBestOrderOfSmallProgramsByItsOwnMeasure) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    StepGraph g;
    const uint32_t steps = 3 + random() % 5;
    for (uint32_t s = 0; s < steps; ++s) {
      StepGraph::Step& step = g.steps.emplace_back();
      for (uint32_t before = 0; before < s; ++before)
        if (random() % 3 == 0) {
          step.after.push_back(before);
          if (!g.steps[before].makes.empty()) step.reads.push_back(g.steps[before].makes[0]);
        }
      if (random() % 5 != 0) {
        step.makes.push_back(static_cast<uint32_t>(g.arrays.size()));
        g.arrays.push_back({(1 + static_cast<int64_t>(random() % 40)) << 17});
      }
    }
    int64_t best = std::numeric_limits<int64_t>::max();
    std::vector<uint32_t> order;
    every_order(g, order, [&](const std::vector<uint32_t>& o) { best = std::min(best, peak_bytes(g, o)); });
    int visits = kOrderVisits;
    const std::vector<uint32_t> found = order_for_memory(g, visits);
    std::vector<bool> done(steps, false);
    for (const uint32_t s : found) {
      for (const uint32_t before : g.steps[s].after) EXPECT_TRUE(done[before]);
      done[s] = true;
    }
    EXPECT_EQ(found.size(), steps);
    EXPECT_EQ(peak_bytes(g, found), best);
  }
}

TEST(MemoryPlan, WhatIsOverwrittenIsReadBefore) {
  // Storage 0 gets new content, which waits for both products of the old one.
  const tracer::Graph g = tracer::parse(
      "graph storages 3 scalars 1\n"
      "  %0: f32[1024, 256] = input storage 0\n"
      "  %1: f32[256, 256] = input storage 1\n"
      "  %2: f32[1024, 256] = linear(%0, %1, none)\n"
      "  %3: f32[1024, 256] = linear(%2, %1, none)\n"
      "  %4: f32[1024, 1024] = linear(%3, %0, none)\n"
      "  %5: f32[1024, 256] = multiply(%0, s0f)\n"
      "  storage 0 <- %5\n"
      "  storage 2 <- %4\n");
  const StepGraph steps = step_graph(g, fuse(g));
  ASSERT_EQ(steps.steps.size(), 4u);
  EXPECT_EQ(steps.steps[3].after, (std::vector<uint32_t>{0, 2}));
}

TEST(MemoryPlan, TemporariesTakeTheMemoryOfInputsThatAreRead) {
  // %0 is read by the first step alone; %3 is as large.
  const std::string text =
      "graph storages 3 scalars 0\n"
      "  %0: f32[256, 256] = input storage 0\n"
      "  %1: f32[256, 256] = input storage 1\n"
      "  %2: f32[256, 256] = linear(%0, %1, none)\n"
      "  %3: f32[256, 256] = linear(%2, %1, none)\n"
      "  %4: f32[256, 256] = linear(%3, %1, none)\n"
      "  storage 2 <- %4\n";
  constexpr int64_t kOne = 4 * 256 * 256;
  const tracer::ProgramInfo kept = compile(tracer::parse(text))->info(),
                            lent = compile(tracer::parse(text + "  lends storage 0\n"))->info();
  EXPECT_EQ(kept.arena_bytes, 2 * kOne);
  EXPECT_EQ(kept.lent_bytes, 0);
  EXPECT_EQ(lent.arena_bytes, kOne);
  EXPECT_EQ(lent.lent_bytes, kOne);
  EXPECT_EQ(print(tracer::parse(text + "  lends storage 0\n")), text + "  lends storage 0\n");
  EXPECT_THROW(tracer::parse(text + "  lends storage 2\n"), Error) << "a result";
}

TEST(MemoryPlan, TheOrderKnowsWhatIsLent) {
  // Once %5 is there, the memory of %0 is free, and as large as %3. In the order of calls, %3 needs memory of its own.
  const std::string text =
      "graph storages 6 scalars 0\n"
      "  %0: f32[1024, 1024] = input storage 0\n"
      "  %1: f32[256, 1024] = input storage 1\n"
      "  %2: f32[1024, 256] = input storage 2\n"
      "  %3: f32[1024, 1024] = linear(%2, %2, none)\n"
      "  %4: f32[1024, 256] = linear(%3, %1, none)\n"
      "  %5: f32[1024, 256] = linear(%0, %1, none)\n"
      "  storage 3 <- %4\n"
      "  storage 4 <- %5\n";
  EXPECT_EQ(compile(tracer::parse(text))->info().arena_bytes, 4 * 1024 * 1024);
  const tracer::ProgramInfo lent = compile(tracer::parse(text + "  lends storage 0\n"))->info();
  EXPECT_EQ(lent.arena_bytes, 0);
  EXPECT_EQ(lent.lent_bytes, 4 * 1024 * 1024);
}

TEST(LeastBytes, CountsWhatCrossesAStagesBorderOnce) {
  // exp and add are one stage between input and product: they read %0 and %1 and write %3. What comes behind the product reads it and %3.
  EXPECT_EQ(least_bytes(tracer::parse("graph storages 4 scalars 0\n"
                                      "  %0: f32[64, 256] = input storage 0\n"
                                      "  %1: f32[256] = input storage 1\n"
                                      "  %2: f32[64, 256] = exp(%0)\n"
                                      "  %3: f32[64, 256] = add(%2, %1)\n"
                                      "  %4: f32[64, 64] = linear(%3, %3, none)\n"
                                      "  %5: f32[64, 64] = negative(%4)\n"
                                      "  %6: f32[64, 1] = sum(%3) {axis=(1,), keepdims=true, dtype=none}\n"
                                      "  %7: f32[64, 64] = add(%5, %6)\n"
                                      "  storage 2 <- %7\n")),
            4 * (64 * 256 + 256 + 64 * 256 /* %3 */ + 64 /* %6 */ + 64 * 64 + 64 /* of %4, %6 */ + 64 * 64 /* %7 */));
}

TEST(LeastBytes, AScaledMomentumWaitsForTheGradient) {
  EXPECT_EQ(least_bytes(tracer::parse("graph storages 3 scalars 1\n"
                                      "  %0: f32[64, 256] = input storage 0\n"
                                      "  %1: f32[64, 64] = input storage 1\n"
                                      "  %2: f32[64, 64] = multiply(%1, s0f)\n"
                                      "  %3: f32[64, 64] = linear(%0, %0, none)\n"
                                      "  %4: f32[64, 64] = add(%2, %3)\n"
                                      "  storage 1 <- %4\n")),
            4 * 3 * 64 * 64);
}

}  // namespace
}  // namespace kiln::jit
