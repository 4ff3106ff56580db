#include "codegen/asmjit/registers.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "codegen/asmjit/globals.h"
#include "codegen/error.h"

namespace kiln::codegen::x64 {
namespace {

// One section at a time.
class Locals {
 public:
  void start(const Program& program, Allocation& out) {
    program_ = &program;
    out_ = &out;
    where_ = out.pinned;
  }

  // `next` is kNever all over, before and after.
  void allocate(size_t section, const Globals& globals, std::vector<uint32_t>& next) {
    const Section& code = program_->sections[section];
    next_ = next.data();
    steps_ = &out_->sections[section];
    steps_->clear();
    copies_ = out_->copies[section];
    for (size_t c = 0; c < 2; ++c) {
      free_[c] = registers_between(first_register(static_cast<int>(c)), end_of_registers(program_->isa, static_cast<int>(c))) &
                 ~globals.pinned(section, c);
      if (c == 1 && globals.sets_mask_aside(section)) free_[c] &= ~bit(kStepMask);
      own_[c] = from_homes_[c] = free_[c];
      apart_[c] = 0;
      if (copies_ > 1) {
        apart_[c] = static_cast<uint8_t>(globals.own(section, c));
        const int first = std::countr_zero(free_[c]), end = first + copies_ * apart_[c];
        own_[c] = registers_between(first, first + apart_[c]);
        from_homes_[c] = free_[c] & ~registers_between(first, end);
        free_[c] = own_[c] | from_homes_[c];
      }
      std::fill(std::begin(owner_[c]), std::end(owner_[c]), kNoReg);
    }
    const Uses* const uses = globals.uses(section);
    for (uint32_t k = 0; k < code.code.size(); ++k) place(code.code[k], uses[k], k);
    for (int c = 0; c < 2; ++c)  // values from homes may still be there
      for (VReg r : owner_[c])
        if (r != kNoReg) where_[r] = kNowhere;
  }

 private:
  void place(const Instruction& i, const Uses& uses, uint32_t k) {
    const OpInfo& op = info(i.op);
    const int sources = i.sources();
    Step step;
    step.index = k;
    locked_[0] = locked_[1] = 0;
    for_each_use(i, [&](VReg r) { lock(r); });
    const bool fused = i.op == Op::fma_ps || i.op == Op::fma_pd;
    int order[3] = {0, 1, 2};
    choose_folded(i, uses, step, fused, order);
    for (int s = 0; s < sources; ++s)
      if (!(step.folded && s == sources - 1)) bring(i.src[order[s]]);
    if (i.mask != kNoReg) bring(i.mask);
    if (op.temporaries > 0) {
      step.temporary = take(0, own_[0]);
      locked_[0] |= bit(step.temporary);
    }
    for (int s = 0; s < sources; ++s)
      if (!(step.folded && s == sources - 1)) step.src[static_cast<size_t>(s)] = where_[i.src[order[s]]];
    if (i.mask != kNoReg) step.mask = where_[i.mask];
    for (int s = 0; s < sources; ++s) next_[i.src[static_cast<size_t>(s)]] = uses.src[s];
    if (i.mask != kNoReg) next_[i.mask] = uses.mask;

    if (op.tied || op.early) keep_operands_apart(i, step);
    if (fused) {
      place_fused(i, order, step);
    } else if (op.tied) {
      place_tied(i, step);
    } else if (op.early) {
      if (i.dst != kNoReg) step.dst = destination(i.dst);
      release_dead(i);
    } else {
      release_dead(i);
      locked_[0] = step.temporary == kNowhere ? 0 : bit(step.temporary);  // an operand that is used up makes room for the result
      locked_[1] = 0;
      if (i.dst != kNoReg) step.dst = destination(i.dst);
    }
    // Made where it stays: copying what was just written byte by byte stalls.
    Step& kept = steps_->emplace_back(step.kind, step.form, step.folded, step.dst, std::array{step.src[0], step.src[1], step.src[2]},
                                      step.mask, step.temporary, std::array<uint8_t, 6>{}, step.index, step.folded_reg);
    if (copies_ > 1) set_apart(i, kept);
    if (step.temporary != kNowhere) free_[0] |= bit(step.temporary);
    free_[0] |= std::exchange(operand_copies_, 0);
    if (i.dst != kNoReg) defined(i.dst, step.dst, uses.dst);
  }

  void set_apart(const Instruction& i, Step& step) const {
    const auto set = [&](int at, uint8_t reg, VReg r) {
      const int c = r == kNoReg ? 0 : cls(r);
      if (reg != kNowhere && (own_[c] & bit(reg)) != 0) step.apart[static_cast<size_t>(at)] = apart_[c];
    };
    // The operands of operations that encode them in another order are vectors.
    const bool in_order = !info(i.op).tied && step.form == Step::Form::plain;
    set(0, step.dst, i.dst);
    for (int s = 0; s < 3; ++s) set(1 + s, step.src[static_cast<size_t>(s)], in_order ? i.src[static_cast<size_t>(s)] : kNoReg);
    set(4, step.mask, i.mask);
    set(5, step.temporary, kNoReg);
  }

  void copy(VReg r, uint8_t from, uint8_t to) {
    steps_->push_back({.kind = Step::Kind::move, .dst = to, .src = {from, kNowhere, kNowhere}, .index = r});
    if (copies_ == 1) return;
    Step& step = steps_->back();
    for (size_t at : {0, 1}) step.apart[at] = (own_[0] & bit(at == 0 ? to : from)) != 0 ? apart_[0] : 0;
  }

  // The destination is written before these are read: where a pinned value is both, it is read from a copy. (Masks of AVX-512 are never both.)
  void keep_operands_apart(const Instruction& i, Step& step) {
    if (i.dst == kNoReg || out_->pinned[i.dst] == kNowhere) return;
    const auto keep = [&](VReg r, uint8_t& reg) {
      if (r != i.dst || reg == kNowhere) return;
      const uint8_t kept = take(0, own_[0]);
      operand_copies_ |= bit(kept);
      locked_[0] |= bit(kept);
      copy(r, reg, kept);
      reg = kept;
    };
    for (size_t s = info(i.op).tied ? 1 : 0; s < 3; ++s) keep(i.src[s], step.src[s]);
    keep(i.mask, step.mask);
  }

  // May the last source be read from memory by the instruction? Sources of a fused multiply-add can trade places for it.
  void choose_folded(const Instruction& i, const Uses& uses, Step& step, bool fused, int (&order)[3]) {
    const int sources = i.sources();
    if (info(i.op).element == 0 || i.memory.place != Place::none || sources == 0) return;
    if (fused) {
      for (int s : {2, 1, 0}) {
        if (!can_fold(i, s, uses)) continue;
        if (s == 0) std::swap(order[0], order[1]);  // the factors commute
        step.folded = true;
        step.folded_reg = i.src[static_cast<size_t>(s)];
        if (s != 2) std::swap(order[1], order[2]);  // [factor, addend, folded factor]
        step.form = s == 2 ? Step::Form::product_replaced : Step::Form::product_replaced_addend_second;
        return;
      }
      return;
    }
    if (!can_fold(i, sources - 1, uses)) return;
    step.folded = true;
    step.folded_reg = i.src[static_cast<size_t>(sources - 1)];
  }

  bool can_fold(const Instruction& i, int s, const Uses& uses) const {
    const VReg r = i.src[static_cast<size_t>(s)];
    if (where_[r] != kNowhere || !out_->has_home(r)) return false;
    for (int o = 0; o < 3; ++o)
      if (o != s && i.src[static_cast<size_t>(o)] == r) return false;
    if (out_->literal[r] >= 0) {
      const Constant& c = program_->constants[static_cast<size_t>(out_->literal[r])];
      const bool whole = c.bytes == program_->width();
      if (!whole && (program_->isa != Isa::avx512 || c.bytes != info(i.op).element)) return false;
      if (is_zero(c)) return false;
    }
    return uses.src[s] == kNever || (free_[0] & ~locked_[0] & from_homes_[0]) == 0;
  }
  static bool is_zero(const Constant& c) {
    return c.bytes == 4 && std::all_of(c.data.begin(), c.data.begin() + 4, [](uint8_t b) { return b == 0; });
  }

  // May the result of an instruction take this operand's register?
  bool dies(VReg r) const { return next_[r] == kNever && out_->pinned[r] == kNowhere && (own_[0] & bit(where_[r])) != 0; }

  // Chooses the encoding by which operand's register the result may take. order_ names the sources: two factors and the addend, or, with a
  // folded factor, factor, addend, folded factor.
  void place_fused(const Instruction& i, const int (&order)[3], Step& step) {
    const auto at_source = [&](int at) { return i.src[static_cast<size_t>(order[at])]; };
    const auto replaces = [&](int at) {  // is the result's own register this operand's?
      if (step.folded && at == 2) return false;
      if (i.dst != kNoReg && out_->pinned[i.dst] != kNowhere) return out_->pinned[i.dst] == step.src[static_cast<size_t>(at)];
      return dies(at_source(at));
    };
    int replaced = -1;
    if (step.form == Step::Form::product_replaced_addend_second) replaced = replaces(1) ? 1 : replaces(0) ? 0 : -1;
    else if (step.folded) replaced = replaces(0) ? 0 : replaces(1) ? 1 : -1;
    else replaced = replaces(2) ? 2 : replaces(0) ? 0 : replaces(1) ? 1 : -1;
    uint8_t sources[3] = {step.src[0], step.src[1], step.src[2]};
    if (replaced < 0) {  // copy the operand that the simplest form replaces
      replaced = step.form == Step::Form::product_replaced_addend_second ? 1 : step.folded ? 0 : 2;
      step.dst = destination(i.dst);
      copy(at_source(replaced), sources[replaced], step.dst);
      sources[replaced] = step.dst;
      release_dead(i);
    } else {
      step.dst = sources[replaced];
      release_dead(i);
      if (out_->pinned[i.dst] == kNowhere) free_[0] &= ~bit(step.dst);
    }
    // Encoded operands after dst.
    if (step.form == Step::Form::product_replaced_addend_second) {
      if (replaced == 1) step.form = Step::Form::addend_replaced, step.src[0] = sources[0];  // addend = factor * [factor] + addend
      else step.src[0] = sources[1];                                                         // factor = factor * [factor] + addend
      step.src[1] = kNowhere;
    } else if (step.folded) {
      step.src[0] = sources[1 - replaced];
      step.src[1] = kNowhere;
    } else if (replaced == 2) {
      step.form = Step::Form::addend_replaced;
      step.src[0] = sources[0], step.src[1] = sources[1];
    } else {
      step.form = Step::Form::product_replaced;
      step.src[0] = sources[1 - replaced], step.src[1] = sources[2];
    }
    step.src[2] = kNowhere;
  }

  void place_tied(const Instruction& i, Step& step) {
    const VReg tie = i.src[0];
    if (dies(tie) && out_->pinned[i.dst] == kNowhere && may_take_over(i)) {
      step.dst = where_[tie];
      release_dead(i);
      free_[0] &= ~bit(step.dst);
    } else {
      step.dst = destination(i.dst);
      copy(tie, where_[tie], step.dst);
      release_dead(i);
    }
    step.src[0] = step.src[1], step.src[1] = step.src[2], step.src[2] = kNowhere;
  }

  void defined(VReg r, uint8_t reg, uint32_t next) {
    next_[r] = next;
    if (out_->pinned[r] != kNowhere) return;
    const int c = cls(r);
    if (out_->slot[r] >= 0) steps_->push_back({.kind = Step::Kind::store, .src = {reg, kNowhere, kNowhere}, .index = r});
    if (where_[r] != kNowhere && where_[r] != reg) drop(r);  // an accumulator's old value
    if (next == kNever) {
      free_[c] |= bit(reg);
      owner_[c][reg] = kNoReg;
      where_[r] = kNowhere;
    } else {
      free_[c] &= ~bit(reg);
      owner_[c][reg] = r;
      where_[r] = reg;
    }
  }

  uint8_t destination(VReg r) { return out_->pinned[r] != kNowhere ? out_->pinned[r] : take(cls(r), own_[cls(r)]); }

  void release_dead(const Instruction& i) {
    for_each_use(i, [&](VReg r) {
      if (next_[r] == kNever && out_->pinned[r] == kNowhere && where_[r] != kNowhere) drop(r);
    });
  }
  void drop(VReg r) {
    const int c = cls(r);
    free_[c] |= bit(where_[r]);
    owner_[c][where_[r]] = kNoReg;
    where_[r] = kNowhere;
  }

  void lock(VReg r) {
    if (where_[r] != kNowhere) locked_[cls(r)] |= bit(where_[r]);
  }

  void bring(VReg r) {
    if (where_[r] == kNowhere) {
      check(out_->has_home(r), "register allocation lost a value");
      const int c = cls(r);
      const uint8_t reg = take(c, from_homes_[c]);
      steps_->push_back({.kind = Step::Kind::load, .dst = reg, .index = r});
      free_[c] &= ~bit(reg);
      owner_[c][reg] = r;
      where_[r] = reg;
    }
    lock(r);
  }

  // A register for a new value: free, or taken from the value that is needed last, preferably one that has a home: it costs no store, and
  // an instruction may read it from there. It is marked as used by defined() or bring().
  uint8_t take(int c, Registers of) {
    if (const Registers free = free_[c] & ~locked_[c] & of) {
      const auto reg = static_cast<uint8_t>(std::countr_zero(free));
      free_[c] &= ~bit(reg);
      return reg;
    }
    uint8_t victim = kNowhere;
    uint64_t farthest = 0;
    for (uint8_t reg = 0; reg < 32; ++reg) {
      const VReg r = owner_[c][reg];
      if (r == kNoReg || (of & ~locked_[c] & bit(reg)) == 0) continue;
      const uint64_t distance = uint64_t{next_[r]} + (out_->has_home(r) ? uint64_t{1} << 32 : 0);
      if (victim == kNowhere || distance > farthest) victim = reg, farthest = distance;
    }
    check(victim != kNowhere, "an operation needs more registers than there are");
    const VReg r = owner_[c][victim];
    if (!out_->has_home(r) && next_[r] != kNever) {
      check(copies_ == 1, "a copy needs more registers than it has");
      out_->slot[r] = out_->slots++;
      steps_->push_back({.kind = Step::Kind::store, .src = {victim, kNowhere, kNowhere}, .index = r});
    }
    owner_[c][victim] = kNoReg;
    where_[r] = kNowhere;
    return victim;
  }

  int cls(VReg r) const { return static_cast<int>(program_->regs[r]); }

  const Program* program_ = nullptr;
  Allocation* out_ = nullptr;
  std::vector<Step>* steps_ = nullptr;
  std::vector<uint8_t> where_;  // [virtual register] its register now
  uint32_t* next_ = nullptr;    // [virtual register] the instruction of this section that uses it next
  VReg owner_[2][32];
  Registers free_[2] = {}, locked_[2] = {};
  Registers own_[2] = {}, from_homes_[2] = {};  // which ones the section's own values lie in, and those that are loaded
  Registers operand_copies_ = 0;                // of this instruction
  int copies_ = 1;
  uint8_t apart_[2] = {};
};

}  // namespace

struct Allocator::Parts {
  Globals globals;
  Locals locals;
};

Allocator::Allocator() : parts_(std::make_unique<Parts>()) {}
Allocator::~Allocator() = default;

void Allocator::run(const Program& program, Allocation& out) {
  parts_->globals.place(program, out);
  parts_->locals.start(program, out);
  out.sections.resize(program.sections.size());
  for (size_t s = 0; s < program.sections.size(); ++s) {
    const Section& section = program.sections[s];
    if (section.again < 0) {
      parts_->locals.allocate(s, parts_->globals, parts_->globals.next());
    } else {
      const size_t own_code = section.under == kNoReg ? 0 : 1;
      check(static_cast<size_t>(section.again) < s && section.code.size() == own_code, "a section that another one cannot run again");
      out.sections[s].assign(own_code, {.dst = kStepMask});
    }
  }
}

void allocate(const Program& program, Allocation& out) { Allocator().run(program, out); }

}  // namespace kiln::codegen::x64
