// What the CPU's caches hold: results beyond that are better stored past them.
#pragma once

#include <cstdint>

namespace kiln::codegen {

int64_t last_level_cache_bytes();  // of the one a core can use; 32 MiB where the system does not say

}  // namespace kiln::codegen
