#include "codegen/asmjit/masked.h"

#include <algorithm>

#include "codegen/asmjit/interleave.h"

namespace kiln::codegen::x64 {
namespace {

// Does it read or write where it depends on the element? A gather does, wherever its buffer lies.
bool touches_elements(const Instruction& i) {
  const bool gathers = i.op == Op::gather_at_d || i.op == Op::gather_at_q || i.op == Op::lanes_load_at;
  return gathers || i.memory.place == Place::element || i.memory.place == Place::strided;
}

// The same operation under a mask; the operation itself where there is none.
Op under_mask(Op op) {
  switch (op) {
    case Op::load: return Op::load_d_masked;
    case Op::load_b: return Op::load_b_masked;
    case Op::load_w: return Op::load_w_masked;
    case Op::load_bits_b: return Op::load_bits_b_masked;
    case Op::store: return Op::store_d_masked;
    case Op::store_b: return Op::store_b_masked;
    case Op::store_w: return Op::store_w_masked;
    default: return op;
  }
}

}  // namespace

bool masks_as_it_is(const Program& program, int section) {
  return program.isa == Isa::avx512 && std::ranges::all_of(program.sections[static_cast<size_t>(section)].code, [](const Instruction& i) {
           return !touches_elements(i) || (i.mask == kNoReg && i.memory.scale <= 4 && under_mask(i.op) != i.op);
         });
}

void masked_copy(Program& program, int from, int to, VReg mask) {
  const Instruction make_mask = program.sections[static_cast<size_t>(to)].code.at(0);
  put_side_by_side(program, from, to, 1);
  Section& copy = program.sections[static_cast<size_t>(to)];
  for (Instruction& i : copy.code) {
    if (!touches_elements(i)) continue;
    i.op = under_mask(i.op);
    i.mask = mask;
  }
  copy.code.insert(copy.code.begin(), make_mask);
  copy.masks = from;
}

}  // namespace kiln::codegen::x64
