// Which of a kernel's two codes is the faster one, found out on its real launches: they take turns, each launch is timed, and the one whose
// best time is shorter stays. Both give the same bits, so a trial changes nothing but time.
//
// Why not a rule: what LLVM's code gains or loses depends on the kernel and on where its data are, from 0.4 to 3 times (docs/tiers.md). Why
// best times: whatever else the machine does makes a launch longer, never shorter. Launches that take but a few ticks of the clock are compared by the mean of
// many, without the longest: their best times would be the same tick. Turns go A B B A, so that what drifts hits both alike.
#pragma once

#include <array>
#include <atomic>
#include <string>

#include "codegen/disk_cache.h"

namespace kiln::codegen {

class Trial {
 public:
  static constexpr int kSamples = 8;         // timed launches of each code
  static constexpr int kShortSamples = 192;  // of launches that take less than kShort seconds
  static constexpr double kShort = 1e-6;
  static constexpr float kMargin = 1.02f;  // LLVM's code has to be so much faster; else AsmJit's, which is there first
  static constexpr int kStrangers = 32;    // so many launches of another size in a row move the trial to that size,
  static constexpr int kMoves = 8;         // so often

  Trial(const Code& asmjit, const Code& llvm, CodeImage image) : codes_{&asmjit, &llvm}, image(std::move(image)) {}

  // A launch of `work` (elements times operations) is about to be made: the code to make it with and to time, if this one counts. Null while
  // another thread's is being timed, when its size is not the one that is compared, and once the verdict is there. Whoever gets a code calls
  // end() or drop().
  const Code* begin(double work);
  // True for the launch that decides.
  bool end(double seconds);
  void drop() { busy_.clear(std::memory_order_release); }

  const Code& code(Verdict v) const { return *codes_[v == Verdict::llvm]; }
  // Once end() was true.
  Verdict verdict() const { return verdict_.load(std::memory_order_acquire); }
  float ratio() const { return ratio_; }  // the time of AsmJit's code over that of LLVM's; 0 if no size came up often enough to tell

 private:
  void restart(int size);
  bool decide(Verdict, float ratio);

  const Code* const codes_[2];
  std::atomic_flag busy_;  // guards what follows
  int size_ = kUnknown, turn_ = 0, strangers_ = 0, moves_ = 0;
  double work_ = 0;
  std::array<std::array<float, kShortSamples>, 2> times_;  // of each launch, for one unit of work
  float ratio_ = 0;
  std::atomic<Verdict> verdict_{Verdict::untried};
  static constexpr int kUnknown = -1, kGaveUp = -1;

 public:
  const CodeImage image;  // LLVM's, to be kept on disk with the verdict
};

}  // namespace kiln::codegen
