#include "ptx.h"

#include <algorithm>
#include <sstream>

#include "codegen/cuda/nvrtc.h"
#include "codegen/cuda/source.h"
#include "codegen/error.h"

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

// What is wrong with one program of kernels that all hold an fma, or none of which does.
std::string wrong_program(const Kernel* const* kernels, size_t count, int architecture, Forms forms) {
  std::string text, wrong;
  try {
    for (size_t i = 0; i < count; ++i) {
      const std::string n = std::to_string(i), name = "kernel_" + n;
      text += "namespace space_" + n + " {\n" + source(*kernels[i], {.name = name, .forms = forms}) + "}\n";
    }
    const Compiled compiled = compile(text, architecture);
    if (compiled.cubin.substr(0, 4) != "\177ELF") wrong = "no CUBIN";
    for (size_t i = 0; i < count && wrong.empty(); ++i)
      if (compiled.ptx.find(".entry kernel_" + std::to_string(i) + "(") == std::string::npos) wrong = "a kernel is missing";
    if (wrong.empty()) wrong = wrong_arithmetic(compiled.ptx, *kernels[0]);
  } catch (const Error& error) { wrong = error.what(); }
  if (wrong.empty()) return {};
  for (size_t i = 0; i < count && count > 1; ++i)  // whose fault it is
    if (std::string alone = wrong_program(kernels + i, 1, architecture, forms); !alone.empty()) return alone;
  return "sm_" + std::to_string(architecture) + ": " + wrong + "\n" + print(*kernels[0]) + text;
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

std::string wrong_programs(const std::vector<Kernel>& kernels, int architecture, Forms forms) {
  constexpr size_t kMost = 16;  // in a program
  std::vector<const Kernel*> apart[2];
  for (const Kernel& kernel : kernels) apart[holds_fma(kernel)].push_back(&kernel);
  for (const auto& list : apart)
    for (size_t first = 0; first < list.size(); first += kMost)
      if (std::string wrong = wrong_program(&list[first], std::min(kMost, list.size() - first), architecture, forms); !wrong.empty())
        return wrong;
  return {};
}

}  // namespace kiln::codegen::cuda::testing
