// What is small runs beside something else rather than in a kernel of its own.
#include <gtest/gtest.h>

#include <algorithm>

#include "jit/executable.h"
#include "jit/fusion/cluster.h"
#include "jit/passes/pass.h"
#include "tests/cpp/jit/random_graph.h"

namespace kiln::jit {
namespace {

tracer::ProgramInfo compiled(const std::string& text) { return jit::compile(tracer::parse(text))->info(); }

TEST(JoinKernels, SiblingsAreOneKernelWhereTheyAreSmall) {
  const auto text = [](const std::string& shape) {
    return "graph storages 5 scalars 4\n  %0: i32" + shape + " = input storage 0\n  %1: i32" + shape + " = remainder(%0, s0i)\n  %2: bool" +
           shape + " = equal(%1, s1i)\n  %3: i32" + shape + " = floor_divide(%0, s2i)\n  %4: bool" + shape +
           " = not_equal(%0, s3i)\n  storage 1 <- %2\n  storage 2 <- %3\n  storage 3 <- %4\n";
  };
  EXPECT_EQ(compiled(text("[]")).kernels, 1u);
  EXPECT_EQ(compiled(text("[8]")).kernels, 1u);
  EXPECT_EQ(compiled(text("[64, 64]")).kernels, 1u);
}

TEST(JoinKernels, LargeKernelsThatShareNothingStayApart) {
  const auto text = [](const std::string& n) {
    const std::string shape = "f32[64, " + n + "] = ";
    return "graph storages 4 scalars 0\n  %0: " + shape + "input storage 0\n  %1: " + shape + "input storage 1\n  %2: " + shape +
           "exp(%0)\n  %3: " + shape + "sin(%1)\n  storage 2 <- %2\n  storage 3 <- %3\n";
  };
  EXPECT_EQ(compiled(text("64")).kernels, 1u);
  EXPECT_EQ(compiled(text("65")).kernels, 2u);
}

TEST(JoinKernels, SingleValuesAreARowsBesideAVector) {
  // Read by the vector's kernel, made of its reduction, and beside it.
  const auto info = compiled(
      "graph storages 8 scalars 1\n"
      "  %0: f32[] = input storage 0\n"
      "  %1: f32[] = input storage 1\n"
      "  %2: f32[8] = input storage 2\n"
      "  %3: bool[] = less(%0, %1)\n"
      "  %4: f32[] = minimum(%0, %1)\n"
      "  %5: f32[] = cos(%4)\n"
      "  %6: f32[8] = multiply(%2, %5)\n"
      "  %7: f32[] = max(%6) {axis=none, keepdims=false}\n"
      "  %8: f32[] = divide(%4, %7)\n"
      "  storage 3 <- %3\n"
      "  storage 4 <- %4\n"
      "  storage 5 <- %6\n"
      "  storage 6 <- %8\n");
  EXPECT_EQ(info.kernels, 1u);
  EXPECT_EQ(info.arena_bytes, 0);
}

TEST(JoinKernels, AVectorAndASingleValueNeedNoReduction) {
  const auto text = [](const std::string& n) {
    return "graph storages 5 scalars 0\n  %0: f32[1, 1] = input storage 0\n  %1: f32[1, " + n +
           "] = input storage 1\n  %2: f32[1, 1] = exp(%0)\n  %3: f32[1, " + n + "] = sin(%1)\n  %4: f32[1, " + n +
           "] = add(%3, %2)\n  %5: f32[] = view(%0) offset 0 shape () strides ()\n  %6: f32[] = sqrt(%5)\n" +
           "  storage 2 <- %2\n  storage 3 <- %4\n  storage 4 <- %6\n";
  };
  EXPECT_EQ(compiled(text("9")).kernels, 1u);
  EXPECT_EQ(compiled(text("5000")).kernels, 2u) << "the single values";
}

// A vector of what is the same all along it has its store in the loop over its elements.
TEST(JoinKernels, AVectorOfASingleValue) {
  const auto info = compiled(
      "graph storages 3 scalars 1\n"
      "  %0: f32[] = input storage 0\n"
      "  %1: f32[] = exp(%0)\n"
      "  %2: f32[9] = view(%1) offset 0 shape (9) strides (0)\n"
      "  %3: f32[9] = sqrt(%2)\n"
      "  storage 1 <- %1\n"
      "  storage 2 <- %3\n");
  EXPECT_EQ(info.kernels, 1u) << info.steps[0];
}

TEST(JoinKernels, PointwiseSiblingsOfReductions) {
  const auto text = [](const char* axis, const char* kept, const char* sibling) {
    return std::string("graph storages 5 scalars 1\n  %0: f32[64, 16] = input storage 0\n  %1: f32[") + sibling +
           "] = input storage 1\n  %2: f32[" + kept + "] = sum(%0) {axis=(" + axis + ",), keepdims=false, dtype=none}\n  %3: f32[" +
           sibling + "] = exp(%1)\n  storage 2 <- %2\n  storage 3 <- %3\n";
  };
  EXPECT_EQ(compiled(text("1", "64", "64, 16")).kernels, 1u) << "another store of each element";
  EXPECT_EQ(compiled(text("0", "16", "64, 16")).kernels, 1u);
  EXPECT_EQ(compiled(text("0", "16", "16")).kernels, 1u) << "columns side by side, as the results are";
  EXPECT_EQ(compiled(text("1", "64", "64")).kernels, 2u) << "one at a time they would take longer than another launch";
}

TEST(JoinKernels, WhatSeveralReadIsReadOnce) {
  const auto text = [](const std::string& second, const std::string& first = "exp(%0)") {
    return "graph storages 4 scalars 0\n  %0: f32[512, 512] = input storage 0\n  %1: f32[512, 512] = input storage 1\n  %2: f32[512, 512] "
           "= " +
           first + "\n  %3: f32[" + second + "\n  storage 2 <- %2\n  storage 3 <- %3\n";
  };
  EXPECT_EQ(compiled(text("512, 512] = sin(%0)")).kernels, 1u);
  EXPECT_EQ(compiled(text("512, 512] = sin(%1)")).kernels, 2u) << "nothing is gained";
  EXPECT_EQ(compiled(text("512, 1] = max(%0) {axis=(1,), keepdims=true}")).kernels, 1u);
  EXPECT_EQ(compiled(text("512] = sum(%0) {axis=(0,), keepdims=false, dtype=none}")).kernels, 3u) << "cut over threads";
  // Between the two a matrix product needs the first: joined, its operand would live as long, and the second's longer.
  const auto apart = compiled(
      "graph storages 3 scalars 0\n"
      "  %0: f32[512, 512] = input storage 0\n"
      "  %1: f32[512, 512] = exp(%0)\n"
      "  %2: f32[512, 512] = linear(%1, %1, none)\n"
      "  %3: f32[512, 512] = sin(%0)\n"
      "  %4: f32[512, 512] = linear(%2, %3, none)\n"
      "  storage 1 <- %4\n");
  EXPECT_EQ(apart.kernels, 2u);
}

TEST(JoinKernels, NothingJoinsAcrossWhatLiesBetween) {
  const auto info = compiled(
      "graph storages 4 scalars 0\n"
      "  %0: f32[8, 8] = input storage 0\n"
      "  %1: f32[8, 8] = exp(%0)\n"
      "  %2: f32[8, 8] = linear(%1, %1, none)\n"
      "  %3: f32[8, 8] = sin(%2)\n"
      "  storage 1 <- %1\n"
      "  storage 2 <- %3\n");
  EXPECT_EQ(info.kernels, 2u);
  EXPECT_EQ(info.contractions, 1u);
}

TEST(JoinKernels, NoResultOverwritesWhatIsStillRead) {
  // The matrix product needs the old %1 and what exp makes; joined with exp, the new %1 would be there before it, by way of a copy.
  const auto info = compiled(
      "graph storages 4 scalars 1\n"
      "  %0: f32[8, 8] = input storage 0\n"
      "  %1: f32[8, 8] = input storage 1\n"
      "  %2: f32[8, 8] = exp(%0)\n"
      "  %3: f32[8, 8] = linear(%2, %1, none)\n"
      "  %4: f32[8, 8] = multiply(%1, s0f)\n"
      "  storage 2 <- %2\n"
      "  storage 3 <- %3\n"
      "  storage 1 <- %4\n");
  EXPECT_EQ(info.kernels, 2u);
  EXPECT_EQ(info.arena_bytes, 0);
}

TEST(JoinKernels, WhatIsOverwrittenWhereItIsReadIsNotCopied) {
  // A loop's variables: a vector and a single value that take each other's place from turn to turn.
  const auto info = compiled(
      "graph storages 2 scalars 0\n"
      "  %0: f32[] = input storage 0\n"
      "  %1: f32[8] = input storage 1\n"
      "  %2: f32[8] = multiply(%1, %0)\n"
      "  %3: f32[] = max(%2) {axis=none, keepdims=false}\n"
      "  %4: f32[] = divide(%0, %3)\n"
      "  storage 0 <- %4\n"
      "  storage 1 <- %2\n");
  EXPECT_EQ(info.kernels, 1u) << info.steps.back();
  EXPECT_EQ(info.arena_bytes, 0);
  // Normalised, it is read again after what is stored there.
  const auto again = compiled(
      "graph storages 2 scalars 0\n"
      "  %0: f32[8] = input storage 0\n"
      "  %1: f32[] = max(%0) {axis=none, keepdims=false}\n"
      "  %2: f32[] = max(%0) {axis=none, keepdims=false}\n"
      "  %3: f32[8] = sqrt(%0)\n"
      "  %4: f32[8] = divide(%0, %1)\n"
      "  storage 1 <- %4\n"
      "  storage 0 <- %3\n");
  EXPECT_GT(again.arena_bytes, 0);
}

TEST(JoinKernels, RandomSmallGraphsCanRun) {
  std::mt19937 random(19);
  int joined = 0;
  for (int round = 0; round < 200; ++round) {
    const std::string text = test::GraphGenerator(random, {2, 4, 8}).graph(20 + round % 60);
    tracer::Graph g = tracer::parse(text);
    run_passes(g);
    const Partition p = fuse(g);
    for (uint32_t c = 0; c < p.clusters.size(); ++c) {
      EXPECT_LE(p.clusters[c].nodes.size(), kMaxNodes);
      for (const tracer::NodeIndex i : p.clusters[c].nodes)
        for (const tracer::Operand& o : g.nodes[i].operands)
          if (o.is_value())
            if (const uint32_t from = p.cluster_of[g.values[base_of(g, o.id)].node]; from != ~0u) {
              EXPECT_LE(from, c) << describe(g, p.clusters[c]) << " reads %" << o.id << "\n" << text;
            }
    }
    joined += std::ranges::count_if(p.clusters, [](const Cluster& c) { return c.nodes.size() > 8; });
    EXPECT_NO_THROW(jit::compile(tracer::parse(text))) << text;
  }
  EXPECT_GT(joined, 100);
}

}  // namespace
}  // namespace kiln::jit
