// Graphs, dimensions and their text.
#include "tracer/graph.h"

#include <gtest/gtest.h>

namespace kiln {
namespace {

using tracer::Dim;
using tracer::DimTable;
using tracer::Graph;

TEST(Dim, EqualExpressionsAreOne) {
  DimTable t;
  const Dim n = t.symbol("n"), m = t.symbol("m");
  EXPECT_EQ(t.symbol("n"), n);
  EXPECT_EQ(t.add(n, m), t.add(m, n));
  EXPECT_EQ(t.mul(n, 1), n);
  EXPECT_EQ(t.mul(n, 0), Dim(0));
  EXPECT_EQ(t.add(2, 3), Dim(5));
  EXPECT_EQ(t.floor_div(-7, 2), Dim(-4));
  EXPECT_EQ(t.mod(-7, 2), Dim(1));
  EXPECT_THROW(t.floor_div(n, 0), Error);
  EXPECT_THROW(t.mul(INT64_MAX, 2), Error);
}

TEST(Dim, EvaluatesWithTheSymbolsValues) {
  DimTable t;
  const Dim n = t.symbol("n");
  const Dim d = t.max(t.floor_div(t.add(t.mul(n, 2), 1), 3), t.mod(n, 4));
  const int64_t values[] = {10};
  EXPECT_EQ(t.evaluate(d, values), 7);
  EXPECT_EQ(t.text(t.mul(n, 2)).find("n") != std::string::npos, true);
}

TEST(Dim, ReadsItsOwnText) {
  DimTable t;
  const Dim n = t.symbol("n");
  for (const Dim d : {n, Dim(-3), t.add(t.mul(n, 28), -1), t.max(t.floor_div(n, 2), t.mod(n, 5))}) {
    const std::string text = t.text(d) + ", rest";
    std::string_view rest = text;
    EXPECT_EQ(t.parse(rest), d) << text;
    EXPECT_EQ(rest, ", rest");
  }
  const std::string deep = std::string(10'000, '(') + "n";
  for (std::string_view text : {std::string_view("("), std::string_view("(n ? 1)"), std::string_view("max(n"), std::string_view("(n // 0)"),
                                std::string_view("99999999999999999999"), std::string_view(deep)})
    EXPECT_THROW(t.parse(text), Error) << text;
}

constexpr const char* kText =
    "graph storages 3 scalars 1\n"
    "  %0: f32[8, 16, 5, 5] = input storage 0\n"
    "  %1: f32[8, 16, 5, 5] blocked16 = reorder(%0)\n"
    "  %2: f32[8, 16, 5, 5] blocked16 = multiply(%1, s0f)\n"
    "  %3: f32[8, 16, 5, 5] = reorder(%2)\n"
    "  %4: f32[8, 400] = view(%3) offset 0 shape (8, 400) strides (400, 1)\n"
    "  %5: f32[8] = sum(%4) {axis=(1,), keepdims=false, dtype=none}\n"
    "  %6: f32[10] = input storage 1\n"
    "  %7: f32[10] = update(%6, %5) offset 1 shape (8) strides (1)\n"
    "  storage 1 <- %7\n"
    "  storage 2 <- %5\n";

TEST(GraphText, RoundTrips) {
  EXPECT_EQ(print(tracer::parse(kText)), kText);
  constexpr const char* kImages =
      "graph storages 2 scalars 0\n"
      "  %0: f32[16, 3, 5, 5] = input storage 0\n"
      "  %1: f32[16, 3, 5, 5] images16 = reorder(%0)\n"
      "  %2: f32[16, 3, 5, 5] = reorder(%1)\n"
      "  storage 1 <- %2\n";
  EXPECT_EQ(print(tracer::parse(kImages)), kImages);
}

std::string with(std::string_view from, std::string_view to) {
  std::string s = kText;
  s.replace(s.find(from), from.size(), to);
  return s;
}

TEST(GraphText, BadTextIsAnError) {
  for (const std::string& text :
       {with("multiply", "no_such"), with("(%1, s0f)", "(%9, s0f)"), with("f32[10]", "f31[10]"), with("%2:", "%1:"),
        std::string("graph storages"), with("{axis=(1,)", "{axis=(1"), with("[8, 400]", "[8, -4]")})
    EXPECT_THROW(tracer::parse(text), Error) << text;
}

TEST(GraphVerify, FindsWhatIsBroken) {
  for (const std::string& text : {with("storage 0\n", "storage 7\n"), with("s0f", "s3f"), with("offset 1", "offset 3"),
                                  with("strides (400, 1)", "strides (401, 1)"), with("storage 2 <- %5", "storage 1 <- %5")}) {
    EXPECT_THROW(tracer::parse(text), Error) << text;
  }
}

TEST(Graph, RewriteDropsWhatNoResultNeeds) {
  Graph g = tracer::parse(kText);
  g.results.erase(g.results.begin());  // the update
  g.rewrite({});
  EXPECT_EQ(print(g).find("update"), std::string::npos);
  EXPECT_EQ(print(tracer::parse(print(g))), print(g));
}

}  // namespace
}  // namespace kiln
