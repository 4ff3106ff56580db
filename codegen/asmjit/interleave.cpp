#include "codegen/asmjit/interleave.h"

#include <algorithm>
#include <span>

#include "codegen/asmjit/registers.h"

namespace kiln::codegen::x64 {
namespace {

constexpr int kMostCopies = 4;          // more gain little
constexpr int kMostInstructions = 320;  // of all copies: encoding costs time, too

// Constants and hoisted values keep a quarter of the registers.
constexpr int room(Isa isa, int c) { return c == 0 ? vector_registers(isa) * 3 / 4 : kLastMask - kFirstMask + 1; }

}  // namespace

int copies_that_fit(const Program& program, int section) {
  const auto instructions = static_cast<int>(program.sections[static_cast<size_t>(section)].code.size());
  int copies = std::min(kMostCopies, kMostInstructions / std::max(instructions, 1));
  const std::array<int, 2> needed = pressure(program, section);
  for (int c = 0; c < 2; ++c) copies = std::min(copies, room(program.isa, c) / std::max(needed[static_cast<size_t>(c)], 1));
  return std::max(copies, 1);
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

}  // namespace kiln::codegen::x64
