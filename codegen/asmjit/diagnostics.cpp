// AsmJit's diagnostics, defined here instead of by the library: Debian's libasmjit.a is not position-independent where it writes to stderr,
// and this is the only place that does. An archive member whose symbols are all there is not linked.
#include <asmjit/core.h>

#include <cstdio>
#include <cstdlib>

ASMJIT_BEGIN_SUB_NAMESPACE(DebugUtils)

const char* errorAsString(Error error) noexcept {
  static thread_local char text[32];
  std::snprintf(text, sizeof text, "AsmJit error %u", static_cast<unsigned>(error));
  return text;
}

void debugOutput(const char* text) noexcept { std::fputs(text, stderr); }

void assertionFailed(const char* file, int line, const char* message) noexcept {
  std::fprintf(stderr, "AsmJit: assertion failed at %s:%d: %s\n", file, line, message);
  std::abort();
}

ASMJIT_END_SUB_NAMESPACE
