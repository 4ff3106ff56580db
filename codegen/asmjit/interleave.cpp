#include "codegen/asmjit/interleave.h"

#include <algorithm>
#include <span>

#include "codegen/asmjit/registers.h"

namespace kiln::codegen::x64 {
namespace {

constexpr int kMostCopies = 4;          // more gain little
constexpr int kMostInstructions = 144;  // of all copies: encoding costs time, too

// Constants and hoisted values keep a quarter of the registers.
constexpr int room(Isa isa, int c) { return c == 0 ? vector_registers(isa) * 3 / 4 : kLastMask - kFirstMask + 1; }

constexpr bool moves_with_steps(Place place) {
  switch (place) {
    case Place::element:
    case Place::strided:
    case Place::inner:
    case Place::kept: return true;
    case Place::none:
    case Place::uniform:
    case Place::scalar:
    case Place::stride:
    case Place::outer:
    case Place::partial: return false;
  }
  return false;
}

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

void put_side_by_side(Program& program, int from, int to, int copies) {
  std::vector<Instruction> many;
  if (!program.spare.empty()) {
    many = std::move(program.spare.back());
    program.spare.pop_back();
  }
  const std::vector<Instruction>& one = program.sections[static_cast<size_t>(from)].code;
  many.reserve(one.size() * static_cast<size_t>(copies));
  const int lanes = program.lanes();
  // What each register that the step defines is called in each copy.
  const size_t known = program.regs.size();
  std::vector<VReg> names(known * static_cast<size_t>(copies), kNoReg);
  for (const Instruction& i : one)
    for (int c = 0; c < copies; ++c) {
      VReg* const name = &names[known * static_cast<size_t>(c)];
      const auto renamed = [&](VReg r) { return r == kNoReg || name[r] == kNoReg ? r : name[r]; };
      Instruction& copy = many.emplace_back(i);
      for (VReg& r : copy.src) r = renamed(r);
      copy.mask = renamed(copy.mask);
      if (moves_with_steps(i.memory.place)) copy.memory.offset += c * lanes;
      if (i.dst == kNoReg) continue;
      if (c > 0 || to != from) copy.dst = name[i.dst] = program.fresh(program.regs[i.dst]);
    }
  std::swap(program.sections[static_cast<size_t>(to)].code, many);
  many.clear();
  program.spare.push_back(std::move(many));
}

}  // namespace kiln::codegen::x64
