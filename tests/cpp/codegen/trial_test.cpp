// Which of two codes is the faster one, told from times: here the times are made up.
#include "codegen/trial.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace kiln::codegen {
namespace {

struct Pair {
  Code asmjit, llvm;
  Trial trial{asmjit, llvm, {}};

  // Launches until the verdict is there; false if it does not come.
  template <class Seconds>
  bool run(Seconds&& seconds, int most = 1000) {
    for (int i = 0; i < most; ++i) {
      const double work = 1e6;
      const Code* code = trial.begin(work);
      if (code == nullptr) return false;
      if (trial.end(seconds(code == &llvm))) return true;
    }
    return false;
  }
};

TEST(Trial, TheFasterCodeStays) {
  Pair faster;
  ASSERT_TRUE(faster.run([](bool llvm) { return llvm ? 1e-3 : 2e-3; }));
  EXPECT_EQ(Verdict::llvm, faster.trial.verdict());
  EXPECT_EQ(&faster.llvm, &faster.trial.code(faster.trial.verdict()));
  EXPECT_FLOAT_EQ(2, faster.trial.ratio());
  Pair slower;
  ASSERT_TRUE(slower.run([](bool llvm) { return llvm ? 2e-3 : 1e-3; }));
  EXPECT_EQ(Verdict::asmjit, slower.trial.verdict());
  EXPECT_EQ(&slower.asmjit, &slower.trial.code(slower.trial.verdict()));
}

TEST(Trial, LlvmHasToBeFasterByMoreThanNoise) {
  Pair equal;
  ASSERT_TRUE(equal.run([](bool llvm) { return llvm ? 0.99e-3 : 1e-3; }));
  EXPECT_EQ(Verdict::asmjit, equal.trial.verdict());
}

TEST(Trial, IsOverAfterAFewLaunchesOfEach) {
  Pair pair;
  int launches[2] = {};
  ASSERT_TRUE(pair.run([&](bool llvm) { return ++launches[llvm], 1e-3; }));
  EXPECT_EQ(Trial::kSamples, launches[0]);
  EXPECT_EQ(Trial::kSamples, launches[1]);
  EXPECT_EQ(nullptr, pair.trial.begin(1e6)) << "nothing is timed once it is decided";
}

// A clock that ticks every 10 ns tells 36 from 33 ns by how often it shows 30.
TEST(Trial, ShortLaunchesAreToldApartBetweenTheTicksOfAClock) {
  std::mt19937 random(2);
  for (const bool llvm_is_faster : {true, false}) {
    Pair pair;
    int launches = 0;
    ASSERT_TRUE(pair.run([&](bool llvm) {
      const double begins = random() % 1000 / 100.0, ends = begins + (llvm == llvm_is_faster ? 33 : 36);
      return ++launches % 40 == 0 ? 1e-5 : (std::floor(ends / 10) - std::floor(begins / 10)) * 1e-8;
    }));
    EXPECT_EQ(2 * Trial::kShortSamples, launches);
    EXPECT_EQ(llvm_is_faster ? Verdict::llvm : Verdict::asmjit, pair.trial.verdict());
  }
}

// Interruptions make launches longer by any amount, and most of them.
TEST(Trial, InterruptionsDoNotDecide) {
  std::mt19937 random(1);
  for (const bool llvm_is_faster : {true, false}) {
    Pair pair;
    int launches[2] = {};
    ASSERT_TRUE(pair.run([&](bool llvm) {
      const double quiet = llvm == llvm_is_faster ? 1e-3 : 1.2e-3;
      return ++launches[llvm] % 3 == 0 ? quiet : quiet * (1 + random() % 100);
    }));
    EXPECT_EQ(llvm_is_faster ? Verdict::llvm : Verdict::asmjit, pair.trial.verdict());
  }
}

TEST(Trial, DriftHitsBothAlike) {
  Pair pair;  // the machine slows down by a tenth with each launch
  double speed = 1e-3;
  ASSERT_TRUE(pair.run([&](bool llvm) { return speed *= 1.1, llvm ? speed : speed * 1.4; }));
  EXPECT_EQ(Verdict::llvm, pair.trial.verdict());
}

TEST(Trial, LaunchesOfOtherSizesDoNotCount) {
  Pair pair;
  bool decided = false;
  for (int i = 0; i < 1000 && !decided; ++i) {
    const bool small = i % 2 == 1;
    const Code* code = pair.trial.begin(small ? 1e3 : 1e6);
    ASSERT_EQ(small, code == nullptr);
    if (code != nullptr) decided = pair.trial.end(code == &pair.llvm ? 1e-3 : 2e-3);
  }
  EXPECT_TRUE(decided);
}

TEST(Trial, MovesToTheSizeThatComesUp) {
  Pair pair;
  ASSERT_NE(nullptr, pair.trial.begin(1e6));
  ASSERT_FALSE(pair.trial.end(1e-9));
  bool decided = false;
  for (int i = 0; i < 1000 && !decided; ++i)
    if (const Code* code = pair.trial.begin(1e3)) decided = pair.trial.end(code == &pair.llvm ? 1e-6 : 2e-6);
  EXPECT_TRUE(decided);
  EXPECT_EQ(Verdict::llvm, pair.trial.verdict());
  EXPECT_FLOAT_EQ(2, pair.trial.ratio());
}

TEST(Trial, EndsWhereNoSizeComesTwice) {
  Pair pair;
  bool decided = false;
  double work = 1;
  for (int i = 0; i < 10'000 && !decided; ++i) {
    work = work > 1e15 ? 1 : work * 1.3;
    if (pair.trial.begin(work) != nullptr) decided = pair.trial.end(1e-6 * work);
  }
  EXPECT_TRUE(decided);
  EXPECT_EQ(Verdict::asmjit, pair.trial.verdict());
  EXPECT_EQ(0, pair.trial.ratio());
}

TEST(Trial, TimesOneLaunchAtATime) {
  Pair pair;
  ASSERT_NE(nullptr, pair.trial.begin(1e6));
  EXPECT_EQ(nullptr, pair.trial.begin(1e6));
  pair.trial.drop();  // the launch failed: it does not count, and the next one does
  EXPECT_NE(nullptr, pair.trial.begin(1e6));
}

}  // namespace
}  // namespace kiln::codegen
