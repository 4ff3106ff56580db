#include "ptx.h"

#include <algorithm>
#include <sstream>
#include <vector>

namespace kiln::codegen::cuda::testing {
namespace {

// `add.rn.f32` in its parts.
std::vector<std::string> parts_of(const std::string& instruction) {
  std::vector<std::string> parts;
  std::istringstream in(instruction);
  for (std::string part; std::getline(in, part, '.');) parts.push_back(part);
  return parts;
}

bool has(const std::vector<std::string>& parts, const char* part) { return std::find(parts.begin(), parts.end(), part) != parts.end(); }

bool holds_fma(const Kernel& kernel) {
  for (const Schedule::Pass& pass : schedule(kernel).steps)
    for (const auto* list : {&pass.once, &pass.loop})
      for (NodeId id : *list)
        if (kernel.nodes[id].kind == NodeKind::primitive && kernel.nodes[id].prim == Prim::fma) return true;
  return false;
}

}  // namespace

std::string wrong_arithmetic(const std::string& ptx, const Kernel& kernel) {
  const bool may_fuse = holds_fma(kernel);
  std::istringstream lines(ptx);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string word;
    words >> word;
    if (!word.empty() && word[0] == '@') words >> word;  // the predicate
    while (!word.empty() && word.back() == ';') word.pop_back();
    const std::vector<std::string> parts = parts_of(word);
    if (parts.size() < 2 || (parts.back() != "f32" && parts.back() != "f64")) continue;
    if (has(parts, "ftz") || has(parts, "approx") || has(parts, "full")) return line;
    const std::string& name = parts[0];
    constexpr const char* kRounding[] = {"add", "sub", "mul", "div", "sqrt", "rcp", "fma", "mad"};
    const bool rounds = std::any_of(std::begin(kRounding), std::end(kRounding), [&](const char* r) { return name == r; });
    if (rounds && !has(parts, "rn")) return line;
    if ((name == "fma" || name == "mad") && !may_fuse) return line;
  }
  return {};
}

}  // namespace kiln::codegen::cuda::testing
