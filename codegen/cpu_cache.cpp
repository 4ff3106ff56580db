#include "codegen/cpu_cache.h"

#include <fstream>
#include <string>

namespace kiln::codegen {
namespace {

// sysfs counts one cache. sysconf(_SC_LEVEL3_CACHE_SIZE) adds up all of a socket's on AMD, tenfold what a core can use.
int64_t read_last_level() {
  int64_t deepest = 0, bytes = 0;
  for (int i = 0;; ++i) {
    const std::string cache = "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(i);
    int64_t level = 0, size = 0;
    char unit = ' ';
    if (!(std::ifstream(cache + "/level") >> level)) break;
    if (!(std::ifstream(cache + "/size") >> size >> unit) || level < deepest) continue;
    deepest = level;
    bytes = size << (unit == 'G' ? 30 : unit == 'M' ? 20 : 10);
  }
  return deepest >= 2 ? bytes : int64_t{32} << 20;
}

}  // namespace

int64_t last_level_cache_bytes() {
  static const int64_t bytes = read_last_level();
  return bytes;
}

}  // namespace kiln::codegen
