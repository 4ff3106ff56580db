#include "tracer/pace.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace kiln::tracer {
namespace {
// What a way must save beside the last one, which is eager, and those before it: times of equal ways differ by chance, and nobody should have to
// wait for what gains nothing.
constexpr double kWorthIt = 0.97;
// Calls that take so many times as long as they did, or that part of it, are other calls.
constexpr double kOther = 1.3;
// A trial goes on with a way until it has cost as many calls of the best way so far, where each call took at least so many times as long.
constexpr double kPatience = 10, kHopeless = 2.5;
}  // namespace

std::string_view name_of(Way way) {
  constexpr std::array<std::string_view, kWays> kNames{"replay", "segments", "eager"};
  return kNames[static_cast<size_t>(way)];
}

Pace::Turn Pace::next() {
  if (ways() == 1) return {way_, false};
  if (turn_ < 0) {
    if (wait_ > 0) {
      --wait_;
      return {way_, measured_ && wait_ % kLookEvery == 0};
    }
    turn_ = 0;
    for (auto& of_way : least_) of_way.fill(std::numeric_limits<uint64_t>::max());
    hopeless_.fill(false);
  }
  return {static_cast<Way>(way_of_turn()), true};
}

void Pace::took(uint64_t nanoseconds) {
  if (turn_ < 0) return look(nanoseconds);
  const size_t way = way_of_turn();
  uint64_t& least = least_[way][static_cast<size_t>(turn_ % kBlock)];
  least = std::min(least, nanoseconds);
  ++turn_;
  if (turn_ <= kBlock * static_cast<int32_t>(ways())) give_up(way, static_cast<size_t>((turn_ - 1) % kBlock) + 1);
  const int32_t end = kBlock * kRounds * static_cast<int32_t>(ways());
  while (turn_ < end && hopeless_[way_of_turn()]) turn_ = (turn_ / kBlock + 1) * kBlock;
  if (turn_ == end) decide();
}

// A way that is many times slower in the first calls of its first block is not tried further: what it would take follows from these.
void Pace::give_up(size_t way, size_t calls) {
  const auto best = [&](size_t place) {
    uint64_t least = std::numeric_limits<uint64_t>::max();
    for (size_t other = first_; other < way; ++other) least = std::min(least, least_[other][place]);
    return static_cast<double>(least);
  };
  if (way == first_) return;
  double ratio = std::numeric_limits<double>::infinity();
  for (size_t place = 0; place < calls; ++place)
    ratio = std::min(ratio, static_cast<double>(least_[way][place]) / std::max(best(place), 1.0));
  if (ratio < kHopeless || ratio * static_cast<double>(calls) < kPatience) return;
  hopeless_[way] = true;
  for (size_t place = calls; place < kBlock; ++place) least_[way][place] = static_cast<uint64_t>(ratio * best(place));
}

void Pace::look(uint64_t nanoseconds) {
  looks_[looked_++] = nanoseconds;
  if (looked_ < kLooks) return;
  looked_ = 0;
  std::nth_element(looks_.begin(), looks_.begin() + kLooks / 2, looks_.end());
  const uint64_t median = looks_[kLooks / 2];
  if (usual_ == 0) usual_ = median;
  const double ratio = static_cast<double>(median) / static_cast<double>(std::max<uint64_t>(usual_, 1));
  if ((ratio > kOther || ratio < 1 / kOther) && pause_ - wait_ >= kFirstPause) wait_ = 0;
}

void Pace::decide() {
  const Way before = way_;
  mean_.fill(0);
  for (size_t way = first_; way < end_; ++way) mean_[way] = std::accumulate(least_[way].begin(), least_[way].end(), 0.0) / kBlock;
  size_t best = end_ - 1;
  for (size_t way = first_; way + 1 < end_; ++way)
    if (mean_[way] < kWorthIt * mean_[best]) best = way;
  way_ = static_cast<Way>(best);
  pause_ = measured_ && way_ == before ? std::min(2 * pause_, kLongestPause) : kFirstPause;
  measured_ = true;
  wait_ = pause_;
  turn_ = -1;
  looked_ = 0;
  usual_ = 0;
}

void Pace::unsettle() {
  turn_ = -1;
  wait_ = std::max(wait_, kSettled);
}

}  // namespace kiln::tracer
