#include "tracer/program_cache.h"

#include <algorithm>

namespace kiln::tracer {
namespace {

constexpr size_t kMaxBytes = size_t{256} << 20;

size_t cost(std::span<const uint64_t> key, const Program& p) { return key.size_bytes() + p.bytes(); }

}  // namespace

uint64_t hash_words(std::span<const uint64_t> words) {
  constexpr size_t kChains = 4;  // a multiplication waits for the one before in its own chain alone
  uint64_t chain[kChains] = {words.size(), 1, 2, 3};
  const auto mix = [](uint64_t h, uint64_t w) {
    h = (h ^ w) * 0xff51afd7ed558ccdu;
    return h ^ h >> 32;
  };
  size_t i = 0;
  for (; i + kChains <= words.size(); i += kChains)
    for (size_t c = 0; c < kChains; ++c) chain[c] = mix(chain[c], words[i + c]);
  for (; i < words.size(); ++i) chain[0] = mix(chain[0], words[i]);
  for (size_t c = 1; c < kChains; ++c) chain[0] = mix(chain[0], chain[c]);
  return chain[0];
}

ProgramCache& ProgramCache::instance() {
  static auto* cache = new ProgramCache;  // outlives every thread
  return *cache;
}

std::shared_ptr<const Program> ProgramCache::find(Key key, uint64_t hash) {
  std::lock_guard lock(mutex_);
  auto [at, end] = by_hash_.equal_range(hash);
  for (; at != end; ++at) {
    Entry& e = *at->second;
    if (std::ranges::equal(e.key, key)) {
      if (at->second != recent_.begin()) recent_.splice(recent_.begin(), recent_, at->second);
      return e.program;
    }
  }
  return nullptr;
}

void ProgramCache::insert(Key key, uint64_t hash, std::shared_ptr<const Program> program) {
  std::lock_guard lock(mutex_);
  bytes_ += cost(key, *program);
  recent_.push_front({hash, {key.begin(), key.end()}, std::move(program)});
  by_hash_.emplace(hash, recent_.begin());
  trim();
}

void ProgramCache::trim() {
  while (bytes_ > kMaxBytes && recent_.size() > 1) {
    const Entry& last = recent_.back();
    bytes_ -= cost(last.key, *last.program);
    auto [at, end] = by_hash_.equal_range(last.hash);
    const auto entry = std::prev(recent_.end());
    for (; at != end; ++at)
      if (at->second == entry) {
        by_hash_.erase(at);
        break;
      }
    recent_.pop_back();
  }
}

void ProgramCache::clear() {
  std::lock_guard lock(mutex_);
  clearings_.fetch_add(1, std::memory_order_release);
  by_hash_.clear();
  recent_.clear();
  bytes_ = 0;
}

}  // namespace kiln::tracer
