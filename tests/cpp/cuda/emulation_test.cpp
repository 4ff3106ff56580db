// CUDA source, compiled for the host with an emulation of blocks and threads, against the interpreter, bit for bit.
// KILN_FUZZ_SEED and KILN_FUZZ_COUNT choose the random kernels.
#include <gtest/gtest.h>

#include <iostream>

#include "cases.h"
#include "codegen/environment.h"
#include "emulator.h"

namespace kiln::codegen::cuda {
namespace {

using testing::Emulated;
using testing::KernelCase;
using testing::Memory;

constexpr int64_t kDefaultCount = 200;
constexpr size_t kBatch = 50;  // kernels in one run of the compiler

uint64_t first_seed() { return static_cast<uint64_t>(environment_integer("KILN_FUZZ_SEED", 0, INT64_MAX).value_or(1)); }
int64_t count() {
  const bool one = environment_integer("KILN_FUZZ_SEED", 0, INT64_MAX).has_value();
  return environment_integer("KILN_FUZZ_COUNT", 1, INT64_MAX).value_or(one ? 1 : kDefaultCount);
}

std::vector<KernelCase> random_cases(uint64_t first, size_t n) {
  std::vector<KernelCase> cases;
  for (size_t i = 0; i < n; ++i) cases.push_back(codegen::testing::random_case(first + i));
  return cases;
}

std::vector<std::string> print_all(const std::vector<KernelCase>& cases, Forms forms = form_of) {
  std::vector<std::string> sources;
  for (size_t i = 0; i < cases.size(); ++i) sources.push_back(source(cases[i].kernel, {.name = Emulated::name_of(i), .forms = forms}));
  return sources;
}

// Empty where the emulated kernel leaves what the interpreter leaves.
std::string disagreement(const Emulated& emulated, size_t i, const KernelCase& c) {
  Memory memory(c);
  const Call launch = call(c.kernel, memory.args());
  const std::string failure = emulated.run(i, launch, static_cast<unsigned>(c.seed % 4));
  if (!failure.empty()) return failure;
  const auto want = testing::interpreted(c), have = memory.contents();
  for (size_t arena = 0; arena < want.size(); ++arena)
    for (size_t byte = 0; byte < want[arena].size(); ++byte)
      if (want[arena][byte] != have[arena][byte]) return "arena " + std::to_string(arena) + " differs at byte " + std::to_string(byte);
  return {};
}

TEST(CudaEmulation, RandomKernelsGiveTheInterpretersBits) {
  int failures = 0;
  for (int64_t done = 0; done < count() && failures < 3; done += kBatch) {
    const auto cases =
        random_cases(first_seed() + static_cast<uint64_t>(done), static_cast<size_t>(std::min<int64_t>(kBatch, count() - done)));
    const auto sources = print_all(cases);
    const Emulated emulated(sources);
    for (size_t i = 0; i < cases.size() && failures < 3; ++i) {
      const std::string what = disagreement(emulated, i, cases[i]);
      if (what.empty()) continue;
      ++failures;
      ADD_FAILURE() << what << "\n" << cases[i].describe() << sources[i] << "again: KILN_FUZZ_SEED=" << cases[i].seed << "\n";
    }
  }
}

// -- Planted faults: each is a printed form put in the place of another -------------------------------------------------------------------

struct Fault {
  const char* name;
  Forms forms;
};
constexpr Fault kFaults[] = {
    {"max prints min", [](Prim p, DType r, DType o) { return form_of(p == Prim::max ? Prim::min : p, r, o); }},
    {"floor prints trunc", [](Prim p, DType r, DType o) { return form_of(p == Prim::floor ? Prim::trunc : p, r, o); }},
    {"le prints lt", [](Prim p, DType r, DType o) { return form_of(p == Prim::le ? Prim::lt : p, r, o); }},
    {"minima of floats ignore NaN",
     [](Prim p, DType r, DType o) { return p == Prim::min && is_floating(o) ? std::string_view("$0 < $1 ? $0 : $1") : form_of(p, r, o); }},
    {"shifts by the width or more are left to the machine",
     [](Prim p, DType r, DType o) { return p == Prim::shl ? std::string_view("($T)(($U)$0 << (int)($1 % $W))") : form_of(p, r, o); }},
    {"a cast does not saturate",
     [](Prim p, DType r, DType o) {
       return p == Prim::cast && is_floating(o) && is_integer(r) ? std::string_view("($T)(i64)$0") : form_of(p, r, o);
     }},
};

TEST(CudaEmulation, FindsPlantedFaults) {
  for (const Fault& fault : kFaults) {
    bool found = false;
    for (int64_t done = 0; done < kDefaultCount && !found; done += kBatch) {
      const auto cases = random_cases(1 + static_cast<uint64_t>(done), kBatch);
      const Emulated emulated(print_all(cases, fault.forms));
      for (size_t i = 0; i < cases.size() && !found; ++i) {
        found = !disagreement(emulated, i, cases[i]).empty();
        if (found) std::cout << fault.name << ": found at seed " << cases[i].seed << "\n";
      }
    }
    EXPECT_TRUE(found) << fault.name << " was not found";
  }
}

}  // namespace
}  // namespace kiln::codegen::cuda
