// Files that are nearly right: a valid .kiln file with a few things wrong, at the depth at which a reader would look for them.
#pragma once

#include <string>
#include <vector>

#include "tests/cpp/fuzz/values.h"

namespace kiln::testing {

class Mutator {
 public:
  explicit Mutator(std::vector<std::string> files) : files_(std::move(files)) {}
  std::string operator()(uint64_t seed) const;

 private:
  std::vector<std::string> files_;
};

}  // namespace kiln::testing
