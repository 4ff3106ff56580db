// The first half of register allocation: when values are used, how many registers each section needs for its own, and which values that
// cross sections have a register over all of them. Private to registers.cpp.
#pragma once

#include <algorithm>

#include "codegen/asmjit/registers.h"

namespace kiln::codegen::x64 {

inline constexpr uint32_t kNever = ~0u;

using Registers = uint32_t;  // a set

constexpr Registers bit(int reg) { return Registers{1} << reg; }
constexpr int first_register(int c) { return c == 1 ? kFirstMask : 0; }
constexpr int end_of_registers(Isa isa, int c) { return c == 1 ? kLastMask + 1 : vector_registers(isa); }
constexpr Registers registers_between(int first, int end) { return static_cast<Registers>((uint64_t{1} << end) - (uint64_t{1} << first)); }

template <class F>
void for_each_use(const Instruction& i, F f) {
  for (VReg r : i.src)
    if (r != kNoReg) f(r);
  if (i.mask != kNoReg) f(i.mask);
}

// Could a tied operation's result lie where its first source does, were that used up?
inline bool may_take_over(const Instruction& i) { return i.src[1] != i.src[0] && i.src[2] != i.src[0]; }

struct Uses {
  uint32_t src[3], mask, dst;  // the next use after an instruction
};

class Globals {
 public:
  void place(const Program&, Allocation&);

  const Uses* uses(size_t section) const { return uses_.data() + first_use_[section]; }
  Registers pinned(size_t section, size_t c) const { return used_[section][c]; }
  int own(size_t section, size_t c) const { return own_[section][c]; }  // registers of one copy, where there are several
  bool sets_mask_aside(size_t section) const { return masked_[section]; }
  std::vector<uint32_t>& next() { return next_; }  // [virtual register] kNever all over

 private:
  static constexpr int kNoSection = -1, kEverywhere = -2;
  struct Life {
    int first = kNoSection, last = kNoSection;
    float weight = 0;  // of uses in sections after the first
    bool global = false;
  };

  void survey(int section);
  void extend();
  void measure();
  void keep_for_locals(size_t section, const Pressure&);
  void pin();

  const Program* program_ = nullptr;
  Allocation* out_ = nullptr;
  std::vector<Life> live_;
  std::vector<VReg> globals_;
  std::vector<uint32_t> next_;                  // [virtual register]
  std::vector<Uses> uses_;                      // [instruction], section by section
  std::vector<size_t> first_use_;               // [section] in uses_
  std::vector<std::array<int, 2>> locals_;      // [section][class] registers kept for them
  std::vector<std::array<int, 2>> own_;         // [section][class]
  std::vector<std::array<Registers, 2>> used_;  // [section][class] by pinned values
  std::vector<bool> masked_;                    // [section] is it run again under a mask
};

}  // namespace kiln::codegen::x64
