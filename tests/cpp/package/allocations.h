// What the whole process has allocated with operator new, counted as it happens.
#pragma once

#include <cstdint>

namespace kiln::testing {

void reset_allocation_peak();
int64_t allocation_peak();  // bytes that were live at once, above those at reset_allocation_peak()

}  // namespace kiln::testing
