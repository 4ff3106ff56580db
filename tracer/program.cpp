#include "tracer/program.h"

#include <atomic>

namespace kiln::tracer {
namespace {
std::atomic<Compile> compiler{nullptr};
}

void install_compiler(Compile c) { compiler.store(c); }

Compile installed_compiler() {
  const Compile c = compiler.load();
  check(c != nullptr, "no compiler is installed");
  return c;
}

}  // namespace kiln::tracer
