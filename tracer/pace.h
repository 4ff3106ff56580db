// Which of its ways of running a captured function takes least time, found out on its own calls.
//
// All ways compute the same bits, so that any call may go any of them. When a function has settled, a trial makes its next calls in blocks, a block
// in each way in turns, and times them. Calls are unlike each other, often in a short period (the layers of a model, a batch and its rest): a
// block has as many calls as many such periods divide, and times are compared place by place; a way that is many times slower gets a few
// calls of a block. Trials come again in ever longer pauses, and soon where calls, of which some are timed, take longer or shorter than they did.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace kiln::tracer {

enum class Way : uint8_t { replay, segments, eager };  // where they take as long, the last
inline constexpr size_t kWays = 3;
std::string_view name_of(Way);

class Pace {
 public:
  explicit Pace(bool may_run_eagerly = true) : end_(may_run_eagerly ? kWays : static_cast<size_t>(Way::eager)) {}
  struct Turn {
    Way way;
    bool timed;  // then took() is to follow
  };
  Turn next();
  void took(uint64_t nanoseconds);  // the call that next() gave last, or one since: threads may be several
  // It was recorded or compiled: what calls take is not yet what they will take.
  void unsettle();
  // Calls of this kind are not replayed any more, or are from here on.
  void set_replayed(bool on) {
    const size_t first = on ? 0 : 1;
    if (first != first_) unsettle();
    first_ = first;
  }

  Way way() const { return way_; }
  bool measured() const { return measured_; }
  double nanoseconds(Way way) const { return mean_[static_cast<size_t>(way)]; }  // of a call, in the last trial; 0: it was not tried

 private:
  static constexpr int32_t kBlock = 24, kRounds = 2, kSettled = 16;
  static constexpr int32_t kFirstPause = 512, kLongestPause = 4096;  // calls between trials
  static constexpr int32_t kLookEvery = 31, kLooks = 8;              // between them: calls that are timed, of so many one
  size_t ways() const { return end_ - first_; }
  size_t way_of_turn() const { return first_ + static_cast<size_t>(turn_ / kBlock) % ways(); }
  void decide();
  void give_up(size_t way, size_t calls);
  void look(uint64_t nanoseconds);

  size_t first_ = 1;  // without replay, segments
  size_t end_;        // behind the last
  Way way_ = Way::replay;
  bool measured_ = false;
  int32_t pause_ = kFirstPause;
  int32_t wait_ = kSettled;  // calls until the next trial
  int32_t turn_ = -1;        // of the trial; -1: there is none
  std::array<std::array<uint64_t, kBlock>, kWays> least_{};
  std::array<double, kWays> mean_{};
  std::array<bool, kWays> hopeless_{};  // in this trial
  std::array<uint64_t, kLooks> looks_{};
  size_t looked_ = 0;
  uint64_t usual_ = 0;  // the median of the first looks since the trial; 0: there are none yet
};

}  // namespace kiln::tracer
