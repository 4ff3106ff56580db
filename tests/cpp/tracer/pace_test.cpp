// Pace finds the way that takes least time, whatever mix of calls it is shown.
#include "tracer/pace.h"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <utility>

namespace kiln::tracer {
namespace {

using Cost = std::function<uint64_t(Way, int call)>;

struct Count {
  std::array<int, kWays> calls{};
  Way last{};
};

Count run(Pace& pace, int calls, const Cost& cost) {
  Count count;
  for (int call = 0; call < calls; ++call) {
    const Pace::Turn turn = pace.next();
    ++count.calls[static_cast<size_t>(turn.way)];
    count.last = turn.way;
    if (turn.timed) pace.took(cost(turn.way, call));
  }
  return count;
}

Cost constant(uint64_t replay, uint64_t segments, uint64_t eager) {
  return [=](Way way, int) { return std::array{replay, segments, eager}[static_cast<size_t>(way)]; };
}

TEST(Pace, TakesTheFastestWayWithinTwoHundredCalls) {
  const std::array<std::array<uint64_t, 3>, 3> costs{{{100, 200, 300}, {300, 100, 200}, {300, 200, 100}}};
  for (size_t best = 0; best < kWays; ++best) {
    Pace pace;
    pace.set_replayed(true);
    run(pace, 199, constant(costs[best][0], costs[best][1], costs[best][2]));
    EXPECT_TRUE(pace.measured());
    EXPECT_EQ(pace.way(), static_cast<Way>(best));
    EXPECT_EQ(pace.nanoseconds(static_cast<Way>(best)), 100);
    const Count later = run(pace, 20'000, constant(costs[best][0], costs[best][1], costs[best][2]));
    EXPECT_GE(later.calls[best], 19'000);  // what is tried again is a small share
  }
}

TEST(Pace, WaysThatAreManyTimesSlowerAreHardlyTried) {
  Pace pace;
  pace.set_replayed(true);
  const Count count = run(pace, 2'000, constant(100, 400, 3'000));
  EXPECT_EQ(pace.way(), Way::replay);
  EXPECT_LE(count.calls[static_cast<size_t>(Way::eager)], 3);  // one in each trial
  EXPECT_LE(count.calls[static_cast<size_t>(Way::segments)], 12);
  EXPECT_EQ(pace.nanoseconds(Way::eager), 3'000);
}

TEST(Pace, OfEqualWaysTheUndeferredOneIsTaken) {
  Pace pace;
  pace.set_replayed(true);
  run(pace, 200, constant(98, 99, 100));
  EXPECT_EQ(pace.way(), Way::eager);
  Pace gains;
  gains.set_replayed(true);
  run(gains, 200, constant(96, 95, 100));
  EXPECT_EQ(gains.way(), Way::replay);
}

TEST(Pace, WhatMustNotRunEagerlyNeverDoes) {
  for (const auto& [replay, best] : {std::pair{90, Way::replay}, std::pair{99, Way::segments}}) {
    Pace pace(false);
    EXPECT_EQ(run(pace, 200, constant(90, 100, 1)).calls[static_cast<size_t>(Way::eager)], 0);
    EXPECT_FALSE(pace.measured());  // there is but one way so far
    pace.set_replayed(true);
    EXPECT_EQ(run(pace, 5'000, constant(static_cast<uint64_t>(replay), 100, 1)).calls[static_cast<size_t>(Way::eager)], 0);
    EXPECT_EQ(pace.way(), best);
  }
}

TEST(Pace, WithoutReplayThereAreTwoWays) {
  Pace pace;
  const Count count = run(pace, 200, constant(1, 200, 100));
  EXPECT_EQ(pace.way(), Way::eager);
  EXPECT_EQ(pace.nanoseconds(Way::replay), 0);
  EXPECT_LE(count.calls[static_cast<size_t>(Way::replay)], 24);
}

// Calls of which every period-th takes a hundred times as long.
TEST(Pace, ComparesLikeCallsWithLikeOnes) {
  for (const int period : {2, 3, 4, 6, 8, 12, 24}) {
    Pace pace;
    pace.set_replayed(true);
    run(pace, 200, [&](Way way, int call) {
      const uint64_t base = std::array<uint64_t, kWays>{120, 100, 110}[static_cast<size_t>(way)];
      return call % period == 0 ? 100 * base : base;
    });
    EXPECT_EQ(pace.way(), Way::segments) << "period " << period;
  }
}

TEST(Pace, NoticesSoonThatInputsHaveGrown) {
  for (const int calls : {200, 1'000, 30'000}) {
    Pace pace;
    pace.set_replayed(true);
    run(pace, calls, constant(30, 40, 20));
    ASSERT_EQ(pace.way(), Way::eager);
    run(pace, 1'200, constant(3000, 4000, 9000));
    EXPECT_EQ(pace.way(), Way::replay) << "after " << calls << " calls";
  }
}

TEST(Pace, WaitsUntilNothingIsRecordedAnyMore) {
  Pace pace;
  for (int call = 0; call < 500; ++call) {
    EXPECT_FALSE(pace.next().timed);
    if (call % 10 == 0) pace.unsettle();
  }
  EXPECT_FALSE(pace.measured());
}

}  // namespace
}  // namespace kiln::tracer
