#include "jit/package/names.h"

#include <algorithm>

namespace kiln::jit::package {
namespace {

template <class T>
void check_unique(const std::vector<T>& all, const std::string& noun) {
  std::vector<std::string_view> names;
  names.reserve(all.size());
  for (const T& each : all) {
    if (each.name.empty()) fail(ErrorCode::value, noun + " without a name");
    if (each.name.find('\0') != std::string::npos) fail(ErrorCode::value, noun + " with a NUL in its name");
    names.push_back(each.name);
  }
  std::sort(names.begin(), names.end());
  if (const auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end())
    fail(ErrorCode::value, noun + " called '" + std::string(*twice) + "' stands twice");
}

}  // namespace

void check_names(const Package& package) {
  check_unique(package.entries, "an entry");
  check_unique(package.state, "a state entry");
  for (const tracer::StateEntry& s : package.state)
    if (s.name == "__metadata__")
      fail(ErrorCode::value, "a state entry cannot be called '__metadata__', which safetensors keeps for itself");
}

void verify(const Entry& entry, const std::vector<tracer::StateEntry>& state) {
  try {
    tracer::verify(entry.procedure, state);
  } catch (const Error& e) { fail(e.code(), "entry '" + entry.name + "': " + e.what()); }
}

}  // namespace kiln::jit::package
