// Kernels printed, compiled for the host in batches, and held against the interpreter.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cases.h"
#include "emulator.h"

namespace kiln::codegen::cuda::testing {

inline constexpr size_t kBatch = 50;  // kernels in one run of the host's compiler, of which starting costs as much as several

struct Disagreement {
  size_t index;      // of the case
  std::string text;  // what differs, the case, its source
};

inline std::string disagreement(const Emulated& emulated, size_t i, const KernelCase& c) {
  Memory memory(c);
  const std::string failure = emulated.run(i, call(c.kernel, memory.args()), static_cast<unsigned>(c.seed % 4));
  if (!failure.empty()) return failure;
  const auto want = interpreted(c), have = memory.contents();
  for (size_t arena = 0; arena < want.size(); ++arena) {
    const auto differs = std::mismatch(want[arena].begin(), want[arena].end(), have[arena].begin()).first;
    if (differs != want[arena].end())
      return "arena " + std::to_string(arena) + " differs at byte " + std::to_string(differs - want[arena].begin());
  }
  return {};
}

using Print = std::function<std::string(const Kernel&, const Options&)>;

// The first few cases that leave something else in memory than the interpreter does.
inline std::vector<Disagreement> disagreements(const std::vector<KernelCase>& cases, size_t most = 3, const Print& print = source,
                                               size_t batch = kBatch) {
  std::vector<Disagreement> found;
  for (size_t first = 0; first < cases.size() && found.size() < most; first += batch) {
    const size_t end = std::min(first + batch, cases.size());
    std::vector<std::string> sources;
    std::vector<size_t> source_of;  // a kernel that several cases share is compiled once
    for (size_t i = first; i < end; ++i) {
      size_t same = first;
      while (same < i && !(cases[same].kernel == cases[i].kernel)) ++same;
      source_of.push_back(same < i ? source_of[same - first] : sources.size());
      if (same == i) sources.push_back(print(cases[i].kernel, {.name = Emulated::name_of(sources.size())}));
    }
    const Emulated emulated(sources);
    for (size_t i = first; i < end && found.size() < most; ++i) {
      const size_t at = source_of[i - first];
      const std::string what = disagreement(emulated, at, cases[i]);
      if (!what.empty()) found.push_back({i, what + "\n" + cases[i].describe() + sources[at]});
    }
  }
  return found;
}

// The first case that a fault shows in: of those whose text it changes, as the others are what they were.
inline std::optional<Disagreement> found_fault(const std::vector<KernelCase>& cases, const Print& faulty) {
  std::vector<KernelCase> changed;
  std::vector<size_t> index;
  for (size_t i = 0; i < cases.size(); ++i)
    if (faulty(cases[i].kernel, {}) != source(cases[i].kernel)) changed.push_back(cases[i]), index.push_back(i);
  std::vector<Disagreement> found = disagreements(changed, 1, faulty, 6);
  if (found.empty()) return std::nullopt;
  found[0].index = index[found[0].index];
  return found[0];
}

}  // namespace kiln::codegen::cuda::testing
