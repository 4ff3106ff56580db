#include "codegen/asmjit/interleave.h"

#include <algorithm>

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

void interleave(Section& section, int copies) {
  const auto n = static_cast<size_t>(copies);
  const size_t length = section.code.size() / n;
  if (section.code.size() != length * n) return;
  for (size_t i = length; i < section.code.size(); ++i)
    if (section.code[i].op != section.code[i % length].op) return;
  std::vector<Instruction> mixed;
  mixed.reserve(section.code.size());
  for (size_t i = 0; i < length; ++i)
    for (size_t c = 0; c < n; ++c) mixed.push_back(section.code[c * length + i]);
  section.code = std::move(mixed);
}

}  // namespace kiln::codegen::x64
