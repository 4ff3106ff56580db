// Files that are nearly right must be refused with an Error, or be right: no crash, no hang, no more memory than a file may take, and what
// is loaded can be saved and loaded again. KILN_FUZZ_SEED runs one seed (or starts there, with KILN_FUZZ_COUNT); KILN_FUZZ_COUNT says how
// many follow.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <iostream>

#include "codegen/environment.h"
#include "tests/cpp/package/allocations.h"
#include "tests/cpp/package/mutator.h"
#include "tests/cpp/package/packages.h"

namespace kiln::testing {
namespace {

constexpr int64_t kDefaultCount = 2000;
constexpr std::array kCrashes{SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE};

volatile uint64_t running;

// Says the seed, then crashes as before.
void say_seed(int signal) {
  char text[80];
  const int n =
      std::snprintf(text, sizeof text, "\nPackageFuzz: crashed at KILN_FUZZ_SEED=%llu\n", static_cast<unsigned long long>(running));
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text, static_cast<size_t>(n));
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

class SaySeed {
 public:
  SaySeed() {
    for (size_t i = 0; i < kCrashes.size(); ++i) old_[i] = std::signal(kCrashes[i], say_seed);
  }
  ~SaySeed() {
    for (size_t i = 0; i < kCrashes.size(); ++i) std::signal(kCrashes[i], old_[i]);
  }

 private:
  std::array<void (*)(int), kCrashes.size()> old_{};
};

struct Outcome {
  bool loaded = false;
  double seconds = 0;
  int64_t peak = 0;
};

// Loads the file; what is wrong with how that went is a test failure.
Outcome try_loading(const std::string& path, std::optional<Package>& package) {
  Outcome outcome;
  reset_allocation_peak();
  const auto begin = std::chrono::steady_clock::now();
  try {
    package = jit::package::load(path);
    outcome.loaded = true;
  } catch (const Error& e) {
    EXPECT_TRUE(e.code() == ErrorCode::io || e.code() == ErrorCode::value) << e.what();
    EXPECT_TRUE(std::string_view(e.what()).starts_with(path + ": ")) << e.what();
  }
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  outcome.peak = allocation_peak();
  return outcome;
}

std::vector<std::string> files() {
  std::vector<std::string> all;
  for (const Package& p : packages()) all.push_back(saved(p));
  return all;
}

TEST(PackageFuzz, NearlyRightFiles) {
  const auto given = codegen::environment_integer("KILN_FUZZ_SEED", 0, INT64_MAX);
  const auto first = static_cast<uint64_t>(given.value_or(1));
  const int64_t count = codegen::environment_integer("KILN_FUZZ_COUNT", 1, INT64_MAX).value_or(given ? 1 : kDefaultCount);
  const TemporaryFolder folder;
  const std::string path = folder.path("m.kiln"), second = folder.path("second.kiln"), third = folder.path("third.kiln");
  const Mutator mutant(files());
  const SaySeed say_seed;
  int64_t loaded = 0, different = 0;
  double slowest = 0, fullest = 0;
  for (uint64_t seed = first; seed < first + static_cast<uint64_t>(count); ++seed) {
    running = seed;
    SCOPED_TRACE("KILN_FUZZ_SEED=" + std::to_string(seed));
    const std::string file = mutant(seed);
    write_file(path, file);
    std::optional<Package> package;
    const Outcome outcome = try_loading(path, package);
    const auto allowed = static_cast<double>(4 * file.size() + (1 << 20));
    slowest = std::max(slowest, outcome.seconds);
    fullest = std::max(fullest, static_cast<double>(outcome.peak) / allowed);
    EXPECT_LT(outcome.seconds, 1.0);
    EXPECT_LE(static_cast<double>(outcome.peak), allowed);
    if (outcome.loaded) {
      ++loaded;
      save(*package, second);
      different += read_file(second) != file;
      save(jit::package::load(second), third);
      EXPECT_EQ(read_file(second), read_file(third));
    }
    if (HasFailure()) break;
  }
  std::cout << count << " files from seed " << first << ": " << loaded << " loaded, slowest " << slowest * 1e3 << " ms, most memory "
            << fullest * 100 << " % of what is allowed\n";
  if (count >= kDefaultCount) {  // the layers behind the sums were reached, and something came through them
    EXPECT_GT(loaded, count / 50);
    EXPECT_GT(different, count / 100);
  }
}

// The count sees what the library allocates.
TEST(PackageFuzz, AllocationsAreCounted) {
  const TemporaryFolder folder;
  const std::string path = folder.path("m.kiln");
  save(model_package(), path);
  std::optional<Package> package;
  EXPECT_GT(try_loading(path, package).peak, 1000);
}

// A file of many small calls, without weights to make it large, is within its allowance: what can be traced can be loaded.
TEST(PackageFuzz, LargeGraphsAreWithinTheirAllowance) {
  Package large;
  Maker m;
  const tracer::Dim n = m.p.dims.symbol("n");
  tracer::Register x = m.input("x", DType::F32, {n, 3, 4});
  for (int i = 0; i < 30'000; ++i) {
    x = m.call(i % 3 == 0 ? "add" : "multiply", {reg(x), i % 2 == 0 ? num(1.5) : reg(0)}, {}, DType::F32, {n, 3, 4});
    if (i % 5 == 0) x = m.call("sum", {reg(x)}, {int64_t{0}, true, {}}, DType::F32, {1, 3, 4});
    m.p.calls.back().where = "train.py:" + std::to_string(i);
  }
  m.p.results = tensor_tree(x);
  large.entries = {{"f", std::move(m.p)}};
  const TemporaryFolder folder;
  const std::string path = folder.path("m.kiln");
  save(large, path);
  std::optional<Package> package;
  const Outcome outcome = try_loading(path, package);
  EXPECT_TRUE(outcome.loaded);
  EXPECT_LE(outcome.peak, static_cast<int64_t>(4 * read_file(path).size() + (1 << 20)));
}

}  // namespace
}  // namespace kiln::testing
