// Files that an earlier build wrote: they load, and what is written today is the same but for the version of Kiln. KILN_BLESS=1 writes them
// anew, which is right only where docs/format.md says that the format has changed.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/cpp/package/packages.h"

namespace kiln::testing {
namespace {

struct Golden {
  const char* name;
  Package (*make)();
};

class GoldenFiles : public ::testing::TestWithParam<Golden> {};

TEST_P(GoldenFiles, AreReadAndWrittenAsBefore) {
  const std::string path = std::string(KILN_SOURCE "/tests/cpp/package/golden/") + GetParam().name + ".kiln";
  const Package package = GetParam().make();
  if (std::getenv("KILN_BLESS") != nullptr) save(package, path);
  const Package loaded = jit::package::load(path);
  const Parts before = take_apart(read_file(path)), now = take_apart(saved(package)), again = take_apart(saved(loaded));
  EXPECT_EQ(now.graph, before.graph);
  EXPECT_EQ(now.weights, before.weights);
  EXPECT_EQ(again.graph, before.graph);
  EXPECT_EQ(again.weights, before.weights);
}

INSTANTIATE_TEST_SUITE_P(Package, GoldenFiles,
                         ::testing::Values(Golden{"model", model_package}, Golden{"training", training_package},
                                           Golden{"values", value_package}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace kiln::testing
