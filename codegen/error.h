// Raising errors: what the rooms themselves need beside exception.h.
#pragma once

#include "codegen/exception.h"

namespace kiln {

[[noreturn]] inline void fail(ErrorCode code, const std::string& message) { throw Error(code, message); }

// An invariant of Kiln's own; breaking it is a bug here, never the user's fault.
inline void check(bool holds, const char* what) {
  if (!holds) throw Error(ErrorCode::internal, std::string("internal error: ") + what);
}

}  // namespace kiln
