// A step's code once more: beside itself, each copy on elements of its own, and under a mask, for the elements that are left.
//
// Copies are neither lowered nor allocated nor even written down, which would take as long as the step itself each time. A section says how
// many there may be (Section::copies) and whose code it runs again (Section::again); registers are found for one copy, and the emitter goes
// over its steps once for each. Here is what differs from one copy to the next.
#pragma once

#include "codegen/asmjit/registers.h"

namespace kiln::codegen::x64 {

// Does a copy run another instruction than the one before?
bool moves_with_steps(const Instruction&);
// The instruction in a copy that is so many elements further on.
inline void move_by(Instruction& i, int elements) {
  if (moves_with_steps(i)) i.memory.offset += elements;
}
// Its registers in the next copy.
inline void to_next_copy(Step& s) {
  s.dst = static_cast<uint8_t>(s.dst + s.apart[0]);
  for (size_t k = 0; k < 3; ++k) s.src[k] = static_cast<uint8_t>(s.src[k] + s.apart[1 + k]);
  s.mask = static_cast<uint8_t>(s.mask + s.apart[4]);
  s.temporary = static_cast<uint8_t>(s.temporary + s.apart[5]);
}

// Can a section run again under a mask as it is? In AVX-512 only, and only where memory is such as masked instructions take: contiguous
// elements of up to 4 bytes.
bool runs_under_mask(const Program&, int section);
// What does then go under it; the others are the same with it.
bool touches_elements(const Instruction&);
Op under_mask(Op);

// Every copy written down, as it is emitted: for the checker, and to compare with.
struct WrittenOut {
  Program program;
  Allocation allocation;
};
WrittenOut write_out(const Program&, const Allocation&);

}  // namespace kiln::codegen::x64
