// LLVM's code on disk, and which tier's code a kernel runs best with: one file for each kernel, read at the kernel's first call.
//
// The folder is $KILN_CACHE_DIR/code, else $XDG_CACHE_HOME/kiln/code, else ~/.cache/kiln/code. What is in it runs as machine code, so the
// folder has to belong to the user and be open to nobody else (mode 0700, which it is made with); any other is left alone. Checksums are
// for damage. Many processes may share it: files are put in place whole (rename) and never changed.
//
// Nothing here is an error to the caller: where there is no folder, no space, or a file that is damaged or of another Kiln, nothing is found or
// kept, and the counters say so.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "codegen/image.h"

namespace kiln::codegen {

// Which tier's code is the faster one, where both have been tried on real launches (codegen/trial.h).
enum class Verdict : uint8_t { untried, llvm, asmjit };

struct CacheEntry {
  Verdict verdict = Verdict::untried;
  float ratio = 0;  // AsmJit's time over LLVM's; 0 while untried
  CodeImage image;  // empty where the verdict is asmjit
};

struct CacheCounters {
  uint64_t hits, misses;
  uint64_t rejected;  // files that were damaged or not what their name says; they are replaced
  uint64_t stores, failed_stores, evictions;
};

class DiskCache {
 public:
  // Of files that `stamp` applies to: whatever else the code depends on. Keeps at most `bytes`, by deleting what was not used for longest.
  DiskCache(std::string folder, std::string stamp, int64_t bytes);
  void limit(int64_t bytes) { limit_ = bytes; }

  std::optional<CacheEntry> find(const Kernel&);
  void store(const Kernel&, const CacheEntry&);  // replaces. One thread at a time
  CacheCounters counters() const;
  const std::string& folder() const { return folder_; }

 private:
  void make_room(int folder, int64_t incoming);

  const std::string folder_;
  const std::string stamp_;
  std::atomic<int64_t> limit_;
  int64_t size_ = -1;  // of all files, as far as this process knows; -1: not counted yet
  std::atomic<uint64_t> hits_{0}, misses_{0}, rejected_{0}, stores_{0}, failed_stores_{0}, evictions_{0};
};

// This process's own; nullptr where there is none: it is switched off (KILN_DISK_CACHE_MB=0), there is no LLVM, or no home to keep it in.
DiskCache* disk_cache();

}  // namespace kiln::codegen
