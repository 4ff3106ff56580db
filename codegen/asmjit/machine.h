// A kernel as machine operations over virtual registers: what lowering makes, register allocation places and the emitter encodes.
//
// A Section is straight-line code. The loops around sections are not part of the program: control.cpp and its neighbours emit them, with
// counters and pointers in general registers of their own. A virtual register that only one section uses is local to it; one
// that crosses sections is global. Locals are defined once; globals may be defined again (accumulators).
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "codegen/asmjit/ops.h"
#include "codegen/backend.h"

namespace kiln::codegen::x64 {

using VReg = uint32_t;
inline constexpr VReg kNoReg = ~VReg{0};

enum class RegClass : uint8_t { vector, mask };

// Where a memory operand lies. Buffers are addressed through their current pointer; `inner` is the element index the loops count.
enum class Place : uint8_t {
  none,
  element,  // buffer `index`, element inner + offset, contiguous elements of `scale` bytes
  strided,  // buffer `index`, element inner + offset at the buffer's run-time stride
  uniform,  // buffer `index`, the element at the pointer itself
  scalar,   // Args::scalars[index]
  stride,   // the inner byte stride of buffer `index`
  inner,    // the number inner + offset (not memory)
  outer,    // the index along dimension `index`
  kept,     // element inner + offset of the values kept in stack word `index`, `scale` bytes each
  partial,  // a partial result of a reduction at byte `offset` of the current level
};

struct Memory {
  Place place = Place::none;
  uint8_t scale = 0;
  uint16_t index = 0;
  int32_t offset = 0;
  bool moved = false;   // by as many elements as the last source's first 64-bit lane says
  bool behind = false;  // where the buffer's pointer was before the walk went on to the next row
};

struct Instruction {
  Op op = Op::move;
  uint8_t imm = 0;
  bool narrow = false;  // only the first lane is asked for: in the shortest vector registers (AVX-512)
  VReg dst = kNoReg;
  std::array<VReg, 3> src{kNoReg, kNoReg, kNoReg};
  VReg mask = kNoReg;
  Memory memory;
  uint32_t node = ~0u;  // for listings

  int sources() const { return src[0] == kNoReg ? 0 : src[1] == kNoReg ? 1 : src[2] == kNoReg ? 2 : 3; }
};

struct Section {
  const char* name = "";
  int depth = 0;  // loops around it: weighs uses
  std::vector<Instruction> code;
  // What is not written down a second time (copies.h). Both are for code that defines nothing that other sections use.
  int copies = 1;       // at most so many times side by side, as registers allow
  int again = -1;       // not -1: the code of that section follows,
  VReg under = kNoReg;  // under this mask, if there is one, which the only instruction of `code` makes
};

// Sections [first, last] run again and again; values defined before the loop and used in it stay live to its end.
struct LoopRange {
  int first, last;
};

// A literal that is read from the code's own data.
struct Constant {
  VReg reg;
  uint8_t bytes;                 // 4 or 8: an element to broadcast; else a whole register
  std::array<uint8_t, 64> data;  // the first `bytes` (or the register's width) count

  uint64_t bits() const {  // of the first 8 bytes
    uint64_t bits;
    std::memcpy(&bits, data.data(), sizeof bits);
    return bits;
  }
};

struct Program {
  Isa isa = Isa::avx2;
  std::vector<RegClass> regs;  // by virtual register
  std::vector<Section> sections;
  std::vector<LoopRange> loops;
  std::vector<Constant> constants;
  std::vector<uint32_t> behind;                 // buffers that some instruction addresses behind the walk
  std::vector<std::vector<Instruction>> spare;  // memory of earlier programs' sections

  int width() const { return isa == Isa::avx512 ? 64 : 32; }  // bytes of a vector register
  int lanes() const { return width() / 4; }                   // elements of one step
  VReg fresh(RegClass c) {
    regs.push_back(c);
    return static_cast<VReg>(regs.size() - 1);
  }
  void open(const char* name, int depth) {
    sections.push_back({.name = name, .depth = depth});
    if (spare.empty()) return;
    sections.back().code = std::move(spare.back());
    spare.pop_back();
  }
  void clear() {
    for (Section& s : sections) s.code.clear(), spare.push_back(std::move(s.code));
    regs.clear();
    sections.clear();
    loops.clear();
    constants.clear();
    behind.clear();
  }
};

}  // namespace kiln::codegen::x64
