#include "tracer/hot_code.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace kiln::tracer {

namespace {
int64_t median(std::vector<int64_t> times) {
  const auto middle = times.begin() + static_cast<ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}
}  // namespace

HotCode::Verdict HotCode::arrive(uint64_t site, const Pending& pending, int64_t (*now)()) {
  switch (state_) {
    case State::resting:
      if (timed_rounds_ == 0) {
        anchor(site, 1, kMostCalls);
        return defer_from_here(pending);
      }
      watch();
      [[fallthrough]];
    case State::watching:
      note(site);
      if (arrivals_ < kWindows[window_]) return Verdict::eager;
      if (const Site* chosen = choose()) {
        if (fruitless_ != nullptr && fruitless_->contains(chosen->site)) take_rest();
        else anchor(chosen->site, chosen->shortest, chosen->longest);
      } else if (++window_ == kWindows.size()) {
        take_rest();
      }
      return Verdict::eager;
    case State::timing:
      since_anchor_ += 1 + std::exchange(untold_, 0);
      if (since_anchor_ > longest_round()) {  // the loop has ended
        watch();
      } else if (site == anchors_[0]) {
        end_round(now());
        untold_ = shortest_ - 1;
      }
      if (times_.size() < static_cast<size_t>(timed_rounds_)) return Verdict::eager;
      eager_ns_ = median(times_);
      return defer_from_here(pending);
    case State::deferring: return deferring(site, pending, now);
  }
  return Verdict::eager;
}

HotCode::Verdict HotCode::deferring(uint64_t site, const Pending& pending, int64_t (*now)()) {
  ++since_cut_;
  ++since_anchor_;
  if (is_anchor(site)) {
    if (site == anchors_[0]) {
      end_round(now());
      if (!pays(pending)) return give_up();
      if (timed_rounds_ > 0 && rounds_ == kTrialRounds) pause_ = pause_ == 0 ? kFirstPause : std::min(2 * pause_, kLongestPause);
      if (timed_rounds_ > 0 && rounds_ == kTrialRounds + pause_) return time_again();
    }
    since_cut_ = 0;
    return Verdict::cut;
  }
  if (since_anchor_ > longest_round()) return give_up();
  if (pending.calls < kMostCalls && pending.bytes < kMostBytes && !is_late(now)) return Verdict::defer;
  // The next rounds are to be cut at the same place, since a cut elsewhere is another program.
  if (anchor_count_ < kMostAnchors) anchors_[anchor_count_++] = site;
  since_cut_ = 0;
  return Verdict::cut;
}

// Has work been pending for too long? The clock is looked at now and then. One late round is let pass: something else may have had the CPU.
bool HotCode::is_late(int64_t (*now)()) {
  if (since_cut_ == 1) cut_at_ = now();
  if (since_cut_ % 8 != 0 || now() - cut_at_ < kMostNanoseconds) return false;
  late_ = true;
  return late_rounds_ > 0;
}

void HotCode::watch() {
  state_ = State::watching;
  table_.assign(kTableSize, {});
  arrivals_ = 0;
  window_ = 0;
  times_.clear();
}

void HotCode::take_rest() {
  state_ = State::resting;
  left_ = next_rest_;
  next_rest_ = std::min(next_rest_ * 2, kLongestRest);
}

void HotCode::note(uint64_t site) {
  ++arrivals_;
  for (size_t probe = 0; probe < 8; ++probe) {
    Site& s = table_[(site + probe) & (kTableSize - 1)];
    if (s.count != 0 && s.site != site) continue;
    if (s.count == 0) {
      s = {site, 1, arrivals_, arrivals_, std::numeric_limits<uint32_t>::max(), 0};
      return;
    }
    const uint32_t gap = arrivals_ - s.last;
    s.shortest = std::min(s.shortest, gap);
    s.longest = std::max(s.longest, gap);
    s.last = arrivals_;
    ++s.count;
    return;
  }
}

// The rarest site that comes round at even distances and has done so lately: all others of the loop's body come between.
const HotCode::Site* HotCode::choose() const {
  const Site* best = nullptr;
  for (const Site& s : table_) {
    if (s.count < kLeastCount || s.longest > 2 * s.shortest || s.longest > kMostCalls || arrivals_ - s.last > 2 * s.longest) continue;
    if (best == nullptr || s.longest > best->longest || (s.longest == best->longest && s.first < best->first)) best = &s;
  }
  return best;
}

void HotCode::anchor(uint64_t site, uint32_t shortest, uint32_t longest) {
  state_ = State::timing;
  shortest_ = shortest;
  untold_ = 0;
  anchors_[0] = site;
  anchor_count_ = 1;
  gap_ = longest;
  since_anchor_ = 0;
  rounds_ = pause_ = 0;
  times_.clear();
}

HotCode::Verdict HotCode::defer_from_here(const Pending& pending) {
  state_ = State::deferring;
  rounds_ = 0;
  times_.clear();
  since_anchor_ = since_cut_ = late_rounds_ = 0;
  late_ = false;
  before_ = pending;
  return Verdict::defer;
}

HotCode::Verdict HotCode::time_again() {
  state_ = State::timing;
  untold_ = shortest_ - 1;
  rounds_ = 0;
  times_.clear();
  return Verdict::cut;
}

HotCode::Verdict HotCode::give_up() {
  if (timed_rounds_ == 0) {
    state_ = State::resting;            // until the next arrival
  } else if (rounds_ > kTrialRounds) {  // it paid as long as it lasted
    next_rest_ = kShortestRest;
    watch();
  } else {
    if (fruitless_ != nullptr && pause_ == 0) fruitless_->add(anchors_[0]);  // else it paid before, and may again
    take_rest();
  }
  pause_ = 0;
  return Verdict::cut;
}

void HotCode::end_round(int64_t now) {
  const bool compared = state_ == State::timing ? rounds_ > 0 : rounds_ >= kSettlingRounds && rounds_ < kTrialRounds;
  if (compared) times_.push_back(now - round_began_);
  round_began_ = now;
  since_anchor_ = 0;
  ++rounds_;
  late_rounds_ = late_ ? late_rounds_ + 1 : 0;
  late_ = false;
}

bool HotCode::pays(const Pending& pending) const {
  if (timed_rounds_ == 0) return true;
  const uint64_t compiles = pending.compiles - before_.compiles, runs = pending.runs - before_.runs;
  if (compiles > 8 + runs / 32) return false;
  return rounds_ != kTrialRounds || median(times_) < eager_ns_ - eager_ns_ / kWorthwhile;
}

bool HotCode::is_anchor(uint64_t site) const {
  const auto end = anchors_.begin() + static_cast<ptrdiff_t>(anchor_count_);
  return std::find(anchors_.begin(), end, site) != end;
}

}  // namespace kiln::tracer
