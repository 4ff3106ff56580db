// What occurs in random programs: operators, dtypes, layouts, cases of shared memory, events; and how often.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/cpp/fuzz/program.h"

namespace kiln::fuzz {

class Machine;
using Features = std::set<std::pair<std::string, std::string>>;  // group and name

Features features_before(const Step&, const Machine&);            // of operands and targets, before the step changes them
void add_features_after(const Step&, const Machine&, Features&);  // of what it gave

// Counts in how many programs each feature occurred.
class Coverage {
 public:
  void count(const Program&);
  std::string table() const;
  // Features of the groups that must occur which fewer than one program in a hundred had; every operator, dtype, layout and case is listed.
  std::vector<std::string> rare() const;

 private:
  int programs_ = 0;
  std::map<std::string, std::map<std::string, int>> counts_;
};

}  // namespace kiln::fuzz
