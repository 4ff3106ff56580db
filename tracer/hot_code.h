// Finds where code that nobody decorated is hot, and where its segments should begin: an operator call that comes round regularly. Knows nothing
// of tensors or of a language; a site is any number that is equal when the same place of the program runs again.
//
//   resting    nothing is looked at for a number of arrivals, then watching. Where deferring does not pay, the rests grow.
//   watching   counts sites, until one comes round at even distances: the rarest such one is the loop's, the anchor.
//   timing     a few rounds from anchor to anchor run eagerly, and are timed. Of what lies between it is not told, which would take a third of the
//              time of small operators: deferred rounds have to be faster than those that nobody looks at.
//   deferring  a segment is a round. The first rounds may compile; then rounds are timed again: if they are no faster than eager ones,
//              or ever new programs are compiled, or the anchor stays away, this ends. What was found to pay is timed again after ever
//              more rounds: the first eager ones may have been slow because they were the first.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace kiln::tracer {

// Where deferring did not pay, for all threads of a process: what one has tried, another one need not, for so many times that it comes there.
class FruitlessSites {
 public:
  void add(uint64_t site) { entry(site).store(tag(site) | kTimes, std::memory_order_relaxed); }
  bool contains(uint64_t site) {  // counts
    std::atomic<uint64_t>& known = entry(site);
    const uint64_t now = known.load(std::memory_order_relaxed);
    if ((now & ~kMask) != tag(site) || (now & kMask) == 0) return false;
    known.store(now - 1, std::memory_order_relaxed);
    return true;
  }

 private:
  static constexpr uint64_t kTimes = 64, kMask = 0xff;
  static constexpr size_t kEntries = 256;  // one that is forgotten is tried again
  std::atomic<uint64_t>& entry(uint64_t site) { return entries_[spread(site) % kEntries]; }
  static uint64_t tag(uint64_t site) { return spread(site) & ~kMask; }
  static uint64_t spread(uint64_t site) {
    site *= 0x9e3779b97f4a7c15u;
    return site ^ site >> 32;
  }
  std::array<std::atomic<uint64_t>, kEntries> entries_{};
};

class HotCode {
 public:
  enum class Verdict : uint8_t { eager, defer, cut };  // cut: what is pending runs first
  struct Pending {
    size_t calls = 0;
    int64_t bytes = 0;      // of results
    uint64_t runs = 0;      // programs run so far on this thread
    uint64_t compiles = 0;  // of them, those that were compiled for it
  };

  explicit HotCode(int64_t timed_rounds, FruitlessSites* fruitless = nullptr) : timed_rounds_(timed_rounds), fruitless_(fruitless) {}
  // Before an operator call at `site`; `now` is a clock, in nanoseconds, asked for only when it is needed.
  Verdict arrive(uint64_t site, const Pending&, int64_t (*now)());
  // How many arrivals from here on it is not to be told of.
  uint32_t rest() const { return state_ == State::resting ? left_ : state_ == State::timing ? untold_ : 0; }
  bool is_deferring() const { return state_ == State::deferring; }

  static constexpr int64_t kMostNanoseconds = 100'000;  // of pending work
  static constexpr int64_t kMostBytes = int64_t{256} << 20;
  static constexpr size_t kMostCalls = 512;

 private:
  enum class State : uint8_t { resting, watching, timing, deferring };
  struct Site {
    uint64_t site = 0;
    uint32_t count = 0, first = 0, last = 0, shortest = 0, longest = 0;  // arrivals
  };
  static constexpr std::array<uint32_t, 3> kWindows{64, 256, 1024};  // arrivals after which a site may be chosen
  static constexpr uint32_t kLeastCount = 4;                         // rounds in a window
  static constexpr size_t kTableSize = 512;                          // a power of two
  static constexpr size_t kMostAnchors = 8;
  static constexpr uint32_t kShortestRest = 4096, kLongestRest = 1 << 18;
  static constexpr size_t kSettlingRounds = 8, kTrialRounds = 32;      // the first of the deferred ones may compile
  static constexpr size_t kFirstPause = 256, kLongestPause = 1 << 16;  // rounds until what pays is timed again
  static constexpr int64_t kWorthwhile = 8;                            // the part of an eager round that has to be gained: less is noise

  void watch();
  void take_rest();
  void note(uint64_t site);
  const Site* choose() const;
  void anchor(uint64_t site, uint32_t shortest, uint32_t longest);
  Verdict defer_from_here(const Pending&);
  Verdict time_again();
  Verdict deferring(uint64_t site, const Pending&, int64_t (*now)());
  Verdict give_up();
  bool pays(const Pending&) const;
  void end_round(int64_t now);
  bool is_late(int64_t (*now)());
  bool is_anchor(uint64_t site) const;
  uint32_t longest_round() const { return 4 * gap_ + 64; }  // arrivals without the anchor after which its loop has ended

  const int64_t timed_rounds_;  // 0: everything is deferred from the first arrival on, whether it pays or not
  FruitlessSites* const fruitless_;
  State state_ = State::resting;
  uint32_t left_ = 0, next_rest_ = kShortestRest;
  // watching
  std::vector<Site> table_;
  uint32_t arrivals_ = 0;
  size_t window_ = 0;
  // timing and deferring
  std::array<uint64_t, kMostAnchors> anchors_{};  // the first is the loop's, the others are where bounds were reached
  size_t anchor_count_ = 0;
  uint32_t gap_ = 0, since_anchor_ = 0, since_cut_ = 0;
  uint32_t shortest_ = 1, untold_ = 0;  // timing: arrivals from anchor to anchor at least, and those that come before the next one told
  uint32_t late_rounds_ = 0;            // the last ones that took too long, without one that did not
  bool late_ = false;                   // is this one?
  size_t rounds_ = 0;
  int64_t round_began_ = 0, cut_at_ = 0;
  std::vector<int64_t> times_;  // of the rounds that are compared
  int64_t eager_ns_ = 0;        // a round
  size_t pause_ = 0;            // until it is timed again; 0: it has not been found to pay so far
  Pending before_;
};

}  // namespace kiln::tracer
