#include "codegen/tunables.h"

#include <atomic>
#include <cstdlib>

#include "codegen/environment.h"
#include "codegen/error.h"

namespace kiln::codegen {
namespace {

struct Values {
  Values() {
    for (const TunableInfo& t : kTunables)
      if (t.is_integer) at(t.tunable) = environment_integer(t.variable, t.least, t.most).value_or(t.initial);
  }
  std::atomic<int64_t>& at(Tunable t) { return integers[static_cast<size_t>(t)]; }
  std::array<std::atomic<int64_t>, kTunables.size()> integers{};
};

Values& values() {
  static Values values;
  return values;
}

}  // namespace

int64_t value(Tunable t) { return values().at(t).load(std::memory_order_relaxed); }

void set_value(Tunable t, int64_t value) {
  const TunableInfo& i = info(t);
  check(i.is_integer, "a tunable that is no integer");
  if (value < i.least || value > i.most)
    fail(ErrorCode::value, std::string(i.name) + " must be from " + std::to_string(i.least) + " to " + std::to_string(i.most) + ", not " +
                               std::to_string(value));
  values().at(t).store(value, std::memory_order_relaxed);
}

std::string text(Tunable t) {
  const char* found = std::getenv(info(t).variable);
  return found == nullptr ? "" : found;
}

}  // namespace kiln::codegen
