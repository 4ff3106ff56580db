// Which nodes run as one kernel: whatever is fused, each kernel finds what it reads.
#include <gtest/gtest.h>

#include "jit/fusion/cluster.h"
#include "jit/passes/pass.h"
#include "tests/cpp/jit/random_graph.h"

namespace kiln::jit {
namespace {

// Does each cluster come after those that it reads from?
void expect_runnable(const tracer::Graph& g, const Partition& p, const std::string& text) {
  for (uint32_t c = 0; c < p.clusters.size(); ++c)
    for (const tracer::NodeIndex i : p.clusters[c].nodes)
      for (const tracer::Operand& o : g.nodes[i].operands)
        if (o.is_value())
          if (const uint32_t from = p.cluster_of[g.values[base_of(g, o.id)].node]; from != ~0u) {
            EXPECT_LE(from, c) << describe(g, p.clusters[c]) << " reads %" << o.id << " of " << describe(g, p.clusters[from]) << "\n"
                               << text;
          }
}

TEST(Fusion, AKernelThatIsNeededByAnEarlierOneIsSeen) {
  // %6 joins the rows of %3. So %4, though it was called before %5, runs after it, and %7, which reads both, cannot join %5.
  const std::string text =
      "graph storages 6 scalars 0\n"
      "  %0: f32[128, 512] = input storage 0\n"
      "  %1: f32[128, 256] = input storage 1\n"
      "  %2: f32[1, 1] = input storage 2\n"
      "  %3: f32[128, 1] = max(%0) {axis=(1,), keepdims=true}\n"
      "  %4: f32[128, 1] = linear(%3, %2, none)\n"
      "  %5: f32[128, 1] = sum(%1) {axis=(1,), keepdims=true, dtype=none}\n"
      "  %6: f32[128, 1] = multiply(%3, %5)\n"
      "  %7: f32[128, 1] = multiply(%4, %5)\n"
      "  storage 3 <- %6\n"
      "  storage 4 <- %7\n";
  const tracer::Graph g = tracer::parse(text);
  const Partition p = fuse(g);
  expect_runnable(g, p, text);
  const auto cluster_of = [&](tracer::ValueId v) { return p.cluster_of[g.values[v].node]; };
  EXPECT_EQ(cluster_of(3), cluster_of(6));
  EXPECT_NE(cluster_of(5), cluster_of(7));
}

TEST(Fusion, RandomGraphsCanRun) {
  std::mt19937 random(17);
  for (int round = 0; round < 200; ++round) {
    const std::string text = test::GraphGenerator(random).graph(20 + round % 100);
    tracer::Graph g = tracer::parse(text);
    run_passes(g);
    expect_runnable(g, fuse(g), text);
    // Also with kernels cut at random.
    std::vector<uint32_t> group;
    for (size_t i = 0; i < g.nodes.size(); ++i) group.push_back(random() % 2);
    const Partition cut = fuse(g, group);
    expect_runnable(g, cut, text);
    for (const Cluster& c : cut.clusters)
      for (const tracer::NodeIndex i : c.nodes) EXPECT_EQ(group[i], group[c.nodes[0]]);
  }
}

}  // namespace
}  // namespace kiln::jit
