// Reading a tensor's elements from Python.
#pragma once

#include "eager/dispatch.h"

namespace kiln::python {

// The tensor's bytes, after what was deferred on them has run, for the reason given; long waits give up the GIL.
std::byte* read(const eager::Tensor&, eager::FlushReason);

// An outside view of the storage begins: whatever is pending on it runs first, for its bytes may be written from now on.
void begin_export(eager::Storage&);

}  // namespace kiln::python
