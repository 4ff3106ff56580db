// Programs by what was recorded. Looked up by a hash, compared whole; the least recently used go when their bytes pass a bound.
#pragma once

#include <atomic>
#include <list>
#include <mutex>
#include <unordered_map>

#include "tracer/program.h"

namespace kiln::tracer {

class ProgramCache {
 public:
  using Key = std::span<const uint64_t>;
  static ProgramCache& instance();

  std::shared_ptr<const Program> find(Key, uint64_t hash);
  void insert(Key, uint64_t hash, std::shared_ptr<const Program>);
  void clear();
  uint64_t clearings() const {
    return clearings_.load(std::memory_order_acquire);
  }  // how often: who keeps what find() gave asks again then

 private:
  struct Entry {
    uint64_t hash;
    std::vector<uint64_t> key;
    std::shared_ptr<const Program> program;
  };
  void trim();
  std::mutex mutex_;
  std::list<Entry> recent_;  // most recently used first
  std::unordered_multimap<uint64_t, std::list<Entry>::iterator> by_hash_;
  size_t bytes_ = 0;
  std::atomic<uint64_t> clearings_{0};
};

uint64_t hash_words(std::span<const uint64_t>);

}  // namespace kiln::tracer
