#include "tracer/program_cache.h"

#include <algorithm>

namespace kiln::tracer {
namespace {

constexpr size_t kMaxBytes = size_t{256} << 20;

size_t cost(std::span<const uint64_t> key, const Program& p) { return key.size_bytes() + p.bytes(); }

}  // namespace

uint64_t hash_words(std::span<const uint64_t> words) {
  uint64_t h = 0x9e3779b97f4a7c15u ^ words.size();
  for (uint64_t w : words) {
    h = (h ^ w) * 0xff51afd7ed558ccdu;
    h ^= h >> 32;
  }
  return h;
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
  by_hash_.clear();
  recent_.clear();
  bytes_ = 0;
}

}  // namespace kiln::tracer
