// Where segments of undecorated code begin: programs are lists of sites, and a clock that the test moves.
#include "tracer/hot_code.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace kiln::tracer {
namespace {

using Verdict = HotCode::Verdict;

int64_t clock_ns = 0;
int64_t now() { return clock_ns; }

// Runs calls as a thread does: those that are deferred cost a tenth, until they are cut.
struct Thread {
  explicit Thread(int64_t rounds, FruitlessSites* fruitless = nullptr) : code(rounds, fruitless) {}
  Verdict call(uint64_t site, int64_t eager_ns = 300, int64_t deferred_ns = 30) {
    if (resting > 0) {
      --resting;
      clock_ns += eager_ns;
      return Verdict::eager;
    }
    const Verdict verdict = code.arrive(site, pending, now);
    resting = code.rest();
    if (verdict == Verdict::cut) {
      ++pending.runs;
      pending.compiles += compiles_all;
      segments.push_back(pending.calls);
      pending.calls = 0;
    }
    if (code.is_deferring()) ++pending.calls;
    clock_ns += code.is_deferring() ? deferred_ns : eager_ns;
    return verdict;
  }
  void loop(int rounds, uint64_t length, uint64_t first = 100) {
    for (int i = 0; i < rounds; ++i)
      for (uint64_t s = 0; s < length; ++s) call(first + s);
  }
  HotCode code;
  HotCode::Pending pending;
  uint32_t resting = 0;
  std::vector<size_t> segments;  // calls of each
  bool compiles_all = false;
};

TEST(HotCode, ALoopIsFoundAndEachRoundIsOneSegment) {
  Thread t(8);
  t.loop(100, 6);
  EXPECT_TRUE(t.code.is_deferring());
  ASSERT_GT(t.segments.size(), 50u);
  EXPECT_EQ(std::count(t.segments.begin(), t.segments.end(), 6u), static_cast<ptrdiff_t>(t.segments.size()));
}

TEST(HotCode, CodeThatRunsOnceIsNeverDeferred) {
  Thread t(8);
  for (uint64_t site = 0; site < 5000; ++site) EXPECT_EQ(Verdict::eager, t.call(site * 16));
}

TEST(HotCode, ALongRoundIsFoundInALongerWindow) {
  Thread t(4);
  t.loop(40, 150);
  EXPECT_TRUE(t.code.is_deferring());
  ASSERT_FALSE(t.segments.empty());
  EXPECT_EQ(150u, t.segments.back());
}

// A helper called five times a round is no place to cut: one that is met once a round is.
TEST(HotCode, TheRarestSiteIsTheLoops) {
  Thread t(4);
  for (int i = 0; i < 200; ++i) {
    t.call(1);
    for (int k = 0; k < 5; ++k) t.call(2), t.call(3);
  }
  ASSERT_FALSE(t.segments.empty());
  EXPECT_EQ(11u, t.segments.back());
}

TEST(HotCode, WhatIsNotFasterIsLeftAlone) {
  Thread t(8);
  size_t deferred = 0;
  for (int i = 0; i < 100'000; ++i) t.call(100 + i % 6, 100, 120), deferred += t.code.is_deferring();
  EXPECT_FALSE(t.code.is_deferring());
  EXPECT_LT(deferred, 2000u);  // of trials, each after a longer rest
}

TEST(HotCode, WhatDidNotPayForOneThreadIsNotTriedByAnotherForAWhile) {
  FruitlessSites fruitless;
  const auto deferred = [&](int64_t deferred_ns, uint64_t first) {
    Thread t(8, &fruitless);
    bool any = false;
    for (int i = 0; i < 1200; ++i) t.call(first + static_cast<uint64_t>(i % 6), 100, deferred_ns), any |= t.code.is_deferring();
    return any;
  };
  EXPECT_TRUE(deferred(120, 100));
  for (int n = 0; n < 60; ++n) EXPECT_FALSE(deferred(20, 100));
  EXPECT_TRUE(deferred(20, 5000));  // another place
  bool again = false;
  for (int n = 0; n < 8; ++n) again |= deferred(20, 100);
  EXPECT_TRUE(again);
}

// What being told of every call costs is no part of an eager round's time.
TEST(HotCode, RoundsAreTimedWithoutBeingLookedAt) {
  constexpr int64_t kLook = 50;
  for (const int64_t deferred_ns : {90, 110}) {
    HotCode code(8);
    HotCode::Pending pending;
    uint32_t resting = 0;
    int told = 0;
    bool kept = false;
    for (int i = 0; i < 2000; ++i) {
      clock_ns += code.is_deferring() ? deferred_ns : 100;
      if (resting > 0) {
        --resting;
        continue;
      }
      ++told;
      if (!code.is_deferring()) clock_ns += kLook;
      code.arrive(static_cast<uint64_t>(100 + i % 10), pending, now);
      resting = code.rest();
      kept = code.is_deferring();
    }
    EXPECT_EQ(kept, deferred_ns < 100) << told;
  }
}

// The first rounds of a program are slow however they run; what looked like a gain beside them is looked at again.
TEST(HotCode, WhatPaysIsTimedAgain) {
  const auto deferred_rounds = [](int64_t deferred_ns) {
    Thread t(8);
    int count = 0;
    for (int round = 0; round < 3000; ++round) {
      for (uint64_t s = 0; s < 6; ++s) t.call(100 + s, round < 40 ? 400 : 200, deferred_ns);
      count += t.code.is_deferring();
    }
    return count;
  };
  const int in_vain = deferred_rounds(210);
  EXPECT_GT(in_vain, 200);  // until it is timed again
  EXPECT_LT(in_vain, 500);
  EXPECT_GT(deferred_rounds(100), 2800);
}

TEST(HotCode, EverNewProgramsEndIt) {
  Thread t(8);
  t.compiles_all = true;
  size_t deferred = 0;
  for (int i = 0; i < 100'000; ++i) t.call(100 + i % 6), deferred += t.code.is_deferring();
  EXPECT_LT(deferred, 600u);
}

TEST(HotCode, AfterTheLoopItEnds) {
  Thread t(8);
  t.loop(100, 6);
  ASSERT_TRUE(t.code.is_deferring());
  for (uint64_t site = 1000; site < 1100; ++site) t.call(site * 16);
  EXPECT_FALSE(t.code.is_deferring());
}

TEST(HotCode, PendingWorkIsBoundedInTimeBytesAndCountAndRoundsAreCutAtTheSamePlaces) {
  Thread slow(4);
  for (int i = 0; i < 60 * 40; ++i) slow.call(100 + i % 40, 9000, 8000);  // a round is 320 us
  ASSERT_GT(slow.segments.size(), 20u);
  EXPECT_LE(*std::max_element(slow.segments.begin() + 2, slow.segments.end()), 24u);  // (one late round is let pass)
  const auto tail = [&](size_t n) { return std::vector(slow.segments.end() - static_cast<ptrdiff_t>(n), slow.segments.end()); };
  const auto last = tail(12);
  const size_t cuts = static_cast<size_t>(std::find(last.begin() + 1, last.end(), last[0]) - last.begin());
  EXPECT_LE(cuts, 8u);

  Thread large(0);
  for (int i = 0; i < 100; ++i) {
    large.pending.bytes = large.pending.calls * (HotCode::kMostBytes / 8);
    large.call(static_cast<uint64_t>(i) * 16, 300, 30);
  }
  ASSERT_FALSE(large.segments.empty());
  EXPECT_LE(*std::max_element(large.segments.begin(), large.segments.end()), 8u);

  Thread many(0);
  for (int i = 0; i < 3000; ++i) many.call(static_cast<uint64_t>(i) * 16, 1, 0);
  ASSERT_FALSE(many.segments.empty());
  EXPECT_LE(*std::max_element(many.segments.begin(), many.segments.end()), HotCode::kMostCalls);
}

TEST(HotCode, OneLateRoundIsLetPass) {
  Thread t(8);
  t.loop(60, 20);
  ASSERT_TRUE(t.code.is_deferring());
  t.segments.clear();
  for (int i = 0; i < 5; ++i) {
    t.loop(20, 20);
    clock_ns += 1'000'000;
  }
  EXPECT_EQ(std::count(t.segments.begin(), t.segments.end(), 20u), static_cast<ptrdiff_t>(t.segments.size()));
}

TEST(HotCode, WithoutRoundsEverythingIsDeferredAtOnce) {
  Thread t(0);
  for (uint64_t site = 0; site < 50; ++site) {
    t.call(site * 16);
    EXPECT_TRUE(t.code.is_deferring());
  }
}

}  // namespace
}  // namespace kiln::tracer
