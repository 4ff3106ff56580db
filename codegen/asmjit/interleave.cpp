#include "codegen/asmjit/interleave.h"

#include <algorithm>
#include <span>

#include "codegen/asmjit/registers.h"

namespace kiln::codegen::x64 {
namespace {

constexpr int kMostCopies = 4;          // more gain little
constexpr int kMostInstructions = 144;  // of all copies: encoding costs time, too

}  // namespace

int most_copies(size_t instructions) {
  return std::clamp(kMostInstructions / static_cast<int>(std::max<size_t>(instructions, 1)), 1, kMostCopies);
}

int copies_that_fit(const Program& program, int section) {
  const int most = most_copies(program.sections[static_cast<size_t>(section)].code.size());
  return most == 1 ? 1 : copies_that_fit(program.isa, pressure(program, section), most);
}

void interleave(Section& section, int copies, size_t from) {
  const auto n = static_cast<size_t>(copies);
  const std::span code = std::span(section.code).subspan(from);
  const size_t length = code.size() / n;
  if (code.size() != length * n) return;
  for (size_t i = length; i < code.size(); ++i)
    if (code[i].op != code[i % length].op) return;
  std::vector<Instruction> mixed;
  mixed.reserve(code.size());
  for (size_t i = 0; i < length; ++i)
    for (size_t c = 0; c < n; ++c) mixed.push_back(code[c * length + i]);
  std::ranges::copy(mixed, code.begin());
}

void riffle(Section& section, size_t from, size_t middle) {
  const std::span code = std::span(section.code).subspan(from);
  const size_t first = middle - from, second = code.size() - first;
  std::vector<Instruction> mixed;
  mixed.reserve(code.size());
  for (size_t i = 0, j = 0; i < first || j < second;) {
    if (j == second || (i < first && i * second <= j * first)) mixed.push_back(code[i++]);
    else mixed.push_back(code[first + j++]);
  }
  std::ranges::copy(mixed, code.begin());
}

}  // namespace kiln::codegen::x64
