#include "codegen/trial.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

namespace kiln::codegen {
namespace {

// Work within about a tenth is one size; times are compared for one unit of it.
int size_class(double work) { return static_cast<int>(8 * std::log2(std::max(work, 1.0))); }

double best(std::span<const float> times) { return std::ranges::min(times); }

// The mean without the longest quarter. Sorts them.
double usual(std::span<float> times) {
  std::ranges::sort(times);
  const auto shorter = times.first(times.size() - times.size() / 4);
  return std::accumulate(shorter.begin(), shorter.end(), 0.0) / static_cast<double>(shorter.size());
}

}  // namespace

void Trial::restart(int size) {
  size_ = size;
  turn_ = strangers_ = 0;
}

bool Trial::decide(Verdict verdict, float ratio) {
  ratio_ = ratio;
  verdict_.store(verdict, std::memory_order_release);
  return true;
}

const Code* Trial::begin(double work) {
  if (busy_.test_and_set(std::memory_order_acquire)) return nullptr;
  if (verdict_.load(std::memory_order_relaxed) != Verdict::untried) return nullptr;  // stays busy: nothing is timed any more
  const int size = size_class(work);
  if (size_ == kUnknown) restart(size);
  work_ = work;
  if (size == size_) {
    strangers_ = 0;
    return codes_[(turn_ ^ turn_ >> 1) & 1];
  }
  if (++strangers_ >= kStrangers && moves_ < kMoves) {
    ++moves_;
    restart(size);
  }
  if (strangers_ < kStrangers) return drop(), nullptr;
  turn_ = kGaveUp;  // no size comes up often enough
  return codes_[0];
}

bool Trial::end(double seconds) {
  if (turn_ == kGaveUp) return decide(Verdict::asmjit, 0);
  times_[(turn_ ^ turn_ >> 1) & 1][static_cast<size_t>(turn_ / 2)] = static_cast<float>(seconds / work_);
  if (++turn_ < 2 * kSamples) return drop(), false;
  const auto of = [&](size_t code) { return std::span(times_[code]).first(static_cast<size_t>(turn_ / 2)); };
  const bool is_short = std::min(best(of(0)), best(of(1))) * work_ < kShort;
  if (is_short && turn_ < 2 * kShortSamples) return drop(), false;
  const auto ratio = static_cast<float>(is_short ? usual(of(0)) / usual(of(1)) : best(of(0)) / best(of(1)));
  return decide(ratio >= kMargin ? Verdict::llvm : Verdict::asmjit, ratio);
}

}  // namespace kiln::codegen
