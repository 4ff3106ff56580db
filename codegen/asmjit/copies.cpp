#include "codegen/asmjit/copies.h"

#include <algorithm>

namespace kiln::codegen::x64 {

bool moves_with_steps(const Instruction& i) {
  switch (i.memory.place) {
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

// Reads or writes where it depends on the element. A gather does, wherever its buffer lies.
bool touches_elements(const Instruction& i) {
  const bool gathers = i.op == Op::gather_at_d || i.op == Op::gather_at_q || i.op == Op::lanes_load_at;
  return gathers || i.memory.place == Place::element || i.memory.place == Place::strided;
}

// The operation itself where there is none.
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

bool runs_under_mask(const Program& program, int section) {
  return program.isa == Isa::avx512 && std::ranges::all_of(program.sections[static_cast<size_t>(section)].code, [](const Instruction& i) {
           return !touches_elements(i) || (i.mask == kNoReg && i.memory.scale <= 4 && under_mask(i.op) != i.op);
         });
}

namespace {

class Writer {
 public:
  Writer(const Program& program, const Allocation& allocation) : in_{program, allocation}, out_{program, allocation} {}

  WrittenOut run() {
    for (size_t s = 0; s < in_.program.sections.size(); ++s) {
      const Section& section = in_.program.sections[s];
      Section& to = out_.program.sections[s];
      to.code.clear();
      out_.allocation.sections[s].clear();
      to.copies = out_.allocation.copies[s] = 1;
      to.again = -1, to.under = kNoReg;
      write(s, s, in_.allocation.copies[s], kNoReg, kNowhere);
      if (section.again < 0) continue;
      const bool masked = section.under != kNoReg;
      write(static_cast<size_t>(section.again), s, 1, section.under, masked ? in_.allocation.sections[s][0].dst : kNowhere);
    }
    return std::move(out_);
  }

 private:
  void write(size_t from, size_t to, int copies, VReg under, uint8_t mask) {
    const std::vector<Instruction>& code = in_.program.sections[from].code;
    names_.assign(static_cast<size_t>(copies), std::vector<VReg>(in_.program.regs.size(), kNoReg));
    for (int c = 0; c < copies; ++c)
      if (c > 0 || to != from)
        for (const Instruction& i : code)
          if (i.dst != kNoReg) name(static_cast<size_t>(c), i.dst);
    const auto first = static_cast<uint32_t>(out_.program.sections[to].code.size());
    for (size_t k = 0; k < code.size(); ++k)
      for (int c = 0; c < copies; ++c) {
        Instruction i = code[k];
        move_by(i, c * in_.program.lanes());
        if (under != kNoReg && touches_elements(i)) i.op = under_mask(i.op), i.mask = under;
        else i.mask = renamed(c, i.mask);
        for (VReg& r : i.src) r = renamed(c, r);
        i.dst = renamed(c, i.dst);
        out_.program.sections[to].code.push_back(i);
      }
    for (const Step& step : in_.allocation.sections[from]) {
      Step s = step;
      for (int c = 0; c < (step.kind == Step::Kind::load ? 1 : copies); ++c) {
        Step& written = out_.allocation.sections[to].emplace_back(s);
        written.apart = {};
        if (step.kind == Step::Kind::run) {
          written.index = first + step.index * static_cast<uint32_t>(copies) + static_cast<uint32_t>(c);
          written.folded_reg = renamed(c, step.folded_reg);
          if (under != kNoReg && touches_elements(code[step.index])) written.mask = mask;
        } else {
          written.index = renamed(c, step.index);
        }
        to_next_copy(s);
      }
    }
  }

  // A copy's own name for a register that the step defines.
  void name(size_t copy, VReg r) {
    VReg& named = names_[copy][r];
    if (named != kNoReg) return;
    named = out_.program.fresh(in_.program.regs[r]);
    Allocation& a = out_.allocation;
    a.pinned.push_back(kNowhere);
    a.literal.push_back(-1);
    a.slot.push_back(a.slot[r] < 0 ? -1 : a.slots++);
  }
  VReg renamed(int copy, VReg r) const {
    const VReg named = r == kNoReg ? kNoReg : names_[static_cast<size_t>(copy)][r];
    return named == kNoReg ? r : named;
  }

  const struct {
    const Program& program;
    const Allocation& allocation;
  } in_;
  WrittenOut out_;
  std::vector<std::vector<VReg>> names_;  // [copy][virtual register]
};

}  // namespace

WrittenOut write_out(const Program& program, const Allocation& allocation) { return Writer(program, allocation).run(); }

}  // namespace kiln::codegen::x64
