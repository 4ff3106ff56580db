// Fewer, longer dimensions for the same accesses: what every kernel does to its iteration space first.
#pragma once

#include <span>

#include "eager/dims.h"

namespace kiln::eager {

// Merges neighbours among dimensions [begin, end) that every access (strides[a], bytes per dimension) crosses evenly and drops those of one
// element, but keeps one dimension at least; `pinned` ones (bit d) stay as they are. extents and strides shrink in place. Returns how
// many of the range remain; origin[i] (may be null) is the dimension that remaining dimension begin + i was.
int collapse(Dims& extents, std::span<Dims> strides, int begin, int end, uint32_t pinned = 0, int* origin = nullptr);

}  // namespace kiln::eager
