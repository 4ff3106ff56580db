#include "codegen/asmjit/registers.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "codegen/error.h"

namespace kiln::codegen::x64 {
namespace {

constexpr uint32_t kNever = ~0u;
constexpr int kLeastLocals[2] = {6, 3};  // registers of each class a section keeps for itself: the most that one operation needs

constexpr float kLoopWeight = 8;     // a use in a loop counts for so many outside
constexpr float kHot = kLoopWeight;  // literals used less are not worth a register

using Registers = uint32_t;  // a set

constexpr Registers all_registers(Isa isa, int c) {
  return c == 1 ? ((2u << kLastMask) - (1u << kFirstMask)) : static_cast<Registers>((uint64_t{1} << vector_registers(isa)) - 1);
}

template <class F>
void for_each_use(const Instruction& i, F f) {
  for (VReg r : i.src)
    if (r != kNoReg) f(r);
  if (i.mask != kNoReg) f(i.mask);
}

// The most registers of each class that a section's values hold at once, of those for which is_local holds.
template <class F>
std::array<int, 2> most_alive(const Program& program, const Section& section, std::vector<bool>& alive, F is_local) {
  // Not arrays: these would be loaded in one piece just after half of it was stored, which stalls.
  int vectors = 0, masks = 0, most_vectors = 0, most_masks = 0;
  const auto count = [&](VReg r, int n) { (program.regs[r] == RegClass::mask ? masks : vectors) += n; };
  const auto note = [&](const Instruction& i) {
    most_vectors = std::max(most_vectors, vectors + info(i.op).temporaries);
    most_masks = std::max(most_masks, masks);
  };
  for (size_t k = section.code.size(); k-- > 0;) {
    const Instruction& i = section.code[k];
    if (i.dst != kNoReg && is_local(i.dst)) {
      if (!alive[i.dst]) alive[i.dst] = true, count(i.dst, 1);  // nobody reads it
      if (!info(i.op).early) note(i), alive[i.dst] = false, count(i.dst, -1);
    }
    for_each_use(i, [&](VReg r) {
      if (is_local(r) && !alive[r]) alive[r] = true, count(r, 1);
    });
    note(i);
    if (i.dst != kNoReg && info(i.op).early && is_local(i.dst)) alive[i.dst] = false, count(i.dst, -1);
  }
  return {most_vectors, most_masks};
}

// -- Globals ----------------------------------------------------------------------------------------------------------------------------

class Globals {
 public:
  Globals(const Program& program, Allocation& out) : program_(program), out_(out) {}

  void place() {
    const size_t n = program_.regs.size();
    const auto last = static_cast<int>(program_.sections.size()) - 1;
    live_.assign(n, {});
    out_.pinned.assign(n, kNowhere);
    out_.slot.assign(n, -1);
    out_.literal.assign(n, -1);
    out_.slots = 0;
    for (size_t c = 0; c < program_.constants.size(); ++c) {
      out_.literal[program_.constants[c].reg] = static_cast<int32_t>(c);
      live_[program_.constants[c].reg] = {0, last, 0, true};
    }
    for (int s = 0; s <= last; ++s) survey(s);
    extend_over_loops();
    measure_pressure();
    pin();
  }

 private:
  struct Life {
    int first = -1, last = -1;
    float weight = 0;
    bool global = false;
  };

  void survey(int s) {
    const Section& section = program_.sections[static_cast<size_t>(s)];
    float weight = 1;
    for (int d = 0; d < section.depth; ++d) weight *= kLoopWeight;
    const auto touch = [&](VReg r) {
      Life& life = live_[r];
      if (life.first < 0) life.first = s;
      if (life.first != s) life.global = true;
      life.last = std::max(life.last, s);
      life.weight += weight;
    };
    for (const Instruction& i : section.code) {
      for_each_use(i, touch);
      if (i.dst != kNoReg) touch(i.dst);
    }
  }

  void extend_over_loops() {
    for (Life& life : live_) {
      if (!life.global) continue;
      // Outer loops come later in no particular order: repeat until nothing moves.
      for (bool moved = true; moved;) {
        moved = false;
        for (const LoopRange& loop : program_.loops)
          if (life.first < loop.first && life.last >= loop.first && life.last < loop.last) life.last = loop.last, moved = true;
      }
    }
  }

  void measure_pressure() {
    pressure_.clear();
    std::vector<bool> alive(program_.regs.size());
    for (const Section& section : program_.sections)
      pressure_.push_back(most_alive(program_, section, alive, [&](VReg r) { return !live_[r].global; }));
  }

  void pin() {
    std::vector<VReg> order;
    for (VReg r = 0; r < live_.size(); ++r)
      if (live_[r].global && live_[r].weight > 0) order.push_back(r);
    std::stable_sort(order.begin(), order.end(), [&](VReg a, VReg b) { return live_[a].weight > live_[b].weight; });

    const Registers all[2] = {all_registers(program_.isa, 0), all_registers(program_.isa, 1)};
    std::vector<std::array<Registers, 2>> used(program_.sections.size());
    for (VReg r : order) {
      const Life& life = live_[r];
      const auto c = static_cast<size_t>(cls(r));
      const int total = std::popcount(all[c]);
      Registers taken = 0;
      bool room = true;
      for (int s = life.first; s <= life.last; ++s) {
        const auto at = static_cast<size_t>(s);
        // Where locals do not fit anyway, a spilled local costs about as much as a global in memory: share.
        const int locals = std::clamp(pressure_[at][c], kLeastLocals[c], std::max(kLeastLocals[c], total * 3 / 4));
        room = room && std::popcount(used[at][c]) + 1 + locals <= total;
        taken |= used[at][c];
      }
      const Registers free = all[c] & ~taken;
      const bool worthwhile = out_.literal[r] < 0 || life.weight >= kHot;
      if (room && worthwhile && free != 0) {
        const int reg = 31 - std::countl_zero(free);  // from the top: short encodings stay with the locals
        out_.pinned[r] = static_cast<uint8_t>(reg);
        for (int s = life.first; s <= life.last; ++s) used[static_cast<size_t>(s)][c] |= Registers{1} << reg;
      } else if (out_.literal[r] < 0) {
        out_.slot[r] = out_.slots++;
      }
    }
    out_.reserved = std::move(used);
  }

  int cls(VReg r) const { return static_cast<int>(program_.regs[r]); }

  const Program& program_;
  Allocation& out_;
  std::vector<Life> live_;
  std::vector<std::array<int, 2>> pressure_;  // of locals, by section
};

// -- One section ------------------------------------------------------------------------------------------------------------------------

class Locals {
 public:
  Locals(const Program& program, Allocation& out) : program_(program), out_(out), where_(out.pinned), next_(program.regs.size(), kNever) {}

  void allocate(const Section& section, const std::array<Registers, 2>& pinned, std::vector<Step>& steps) {
    steps_ = &steps;
    steps.clear();
    for (int c = 0; c < 2; ++c) {
      free_[c] = all_registers(program_.isa, c) & ~pinned[static_cast<size_t>(c)];
      std::fill(std::begin(owner_[c]), std::end(owner_[c]), kNoReg);
    }
    find_next_uses(section);
    for (uint32_t k = 0; k < section.code.size(); ++k) place(section.code[k], k);
    for (int c = 0; c < 2; ++c)
      for (VReg r : owner_[c])
        if (r != kNoReg) where_[r] = kNowhere;
    for (const Instruction& i : section.code) {
      for_each_use(i, [&](VReg r) { next_[r] = kNever; });
      if (i.dst != kNoReg) next_[i.dst] = kNever;
    }
  }

 private:
  struct Uses {
    uint32_t src[3], mask, dst;  // the next use after this instruction
  };

  void find_next_uses(const Section& section) {
    uses_.resize(section.code.size());
    for (auto k = static_cast<uint32_t>(section.code.size()); k-- > 0;) {
      const Instruction& i = section.code[k];
      Uses& u = uses_[k];
      if (i.dst != kNoReg) u.dst = next_[i.dst], next_[i.dst] = kNever;
      for (int s = 0; s < 3; ++s)
        if (i.src[s] != kNoReg) u.src[s] = next_[i.src[s]];
      if (i.mask != kNoReg) u.mask = next_[i.mask];
      for_each_use(i, [&](VReg r) { next_[r] = k; });
    }
  }

  void place(const Instruction& i, uint32_t k) {
    const OpInfo& op = info(i.op);
    const Uses& uses = uses_[k];
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
      step.temporary = take(0);
      locked_[0] |= bit(step.temporary);
    }
    for (int s = 0; s < sources; ++s)
      if (!(step.folded && s == sources - 1)) step.src[s] = where_[i.src[order[s]]];
    if (i.mask != kNoReg) step.mask = where_[i.mask];
    for (int s = 0; s < 3; ++s)
      if (i.src[s] != kNoReg) next_[i.src[s]] = uses.src[s];
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
      if (i.dst != kNoReg) step.dst = destination(i.dst);
    }
    // Made where it stays: copying what was just written byte by byte stalls.
    steps_->emplace_back(step.kind, step.form, step.folded, step.dst, std::array{step.src[0], step.src[1], step.src[2]}, step.mask,
                         step.temporary, step.index, step.folded_reg);
    if (step.temporary != kNowhere) free_[0] |= bit(step.temporary);
    free_[0] |= std::exchange(copies_, 0);
    if (i.dst != kNoReg) defined(i.dst, step.dst, uses.dst);
  }

  // The destination is written before these are read: where a pinned value is both, it is read from a copy. (Masks of AVX-512 are never both.)
  void keep_operands_apart(const Instruction& i, Step& step) {
    if (i.dst == kNoReg || out_.pinned[i.dst] == kNowhere) return;
    const auto keep = [&](VReg r, uint8_t& reg) {
      if (r != i.dst || reg == kNowhere) return;
      const uint8_t copy = take(0);
      copies_ |= bit(copy);
      locked_[0] |= bit(copy);
      steps_->push_back({.kind = Step::Kind::move, .dst = copy, .src = {reg, kNowhere, kNowhere}, .index = r});
      reg = copy;
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
        step.folded_reg = i.src[s];
        if (s != 2) std::swap(order[1], order[2]);  // [factor, addend, folded factor]
        step.form = s == 2 ? Step::Form::product_replaced : Step::Form::product_replaced_addend_second;
        return;
      }
      return;
    }
    if (!can_fold(i, sources - 1, uses)) return;
    step.folded = true;
    step.folded_reg = i.src[sources - 1];
  }

  bool can_fold(const Instruction& i, int s, const Uses& uses) const {
    const VReg r = i.src[s];
    if (where_[r] != kNowhere || !out_.has_home(r)) return false;
    for (int o = 0; o < 3; ++o)
      if (o != s && i.src[o] == r) return false;
    if (out_.literal[r] >= 0) {
      const Constant& c = program_.constants[static_cast<size_t>(out_.literal[r])];
      const bool whole = c.bytes == program_.width();
      if (!whole && (program_.isa != Isa::avx512 || c.bytes != info(i.op).element)) return false;
      if (is_zero(c)) return false;
    }
    return uses.src[s] == kNever || (free_[0] & ~locked_[0]) == 0;
  }
  static bool is_zero(const Constant& c) {
    return c.bytes == 4 && std::all_of(c.data.begin(), c.data.begin() + 4, [](uint8_t b) { return b == 0; });
  }

  // Chooses the encoding by which operand's register the result may take. order_ names the sources: two factors and the addend, or, with a
  // folded factor, factor, addend, folded factor.
  void place_fused(const Instruction& i, const int (&order)[3], Step& step) {
    const auto dying = [&](int at) {
      const VReg r = i.src[order[at]];
      return next_[r] == kNever && out_.pinned[r] == kNowhere && !(step.folded && at == 2);
    };
    const auto replaces = [&](int at) {  // is the result's own register this operand's?
      return i.dst != kNoReg && out_.pinned[i.dst] != kNowhere ? out_.pinned[i.dst] == step.src[at] && !(step.folded && at == 2)
                                                               : dying(at);
    };
    int replaced = -1;
    if (step.form == Step::Form::product_replaced_addend_second) replaced = replaces(1) ? 1 : replaces(0) ? 0 : -1;
    else if (step.folded) replaced = replaces(0) ? 0 : replaces(1) ? 1 : -1;
    else replaced = replaces(2) ? 2 : replaces(0) ? 0 : replaces(1) ? 1 : -1;
    uint8_t sources[3] = {step.src[0], step.src[1], step.src[2]};
    if (replaced < 0) {  // copy the operand that the simplest form replaces
      replaced = step.form == Step::Form::product_replaced_addend_second ? 1 : step.folded ? 0 : 2;
      step.dst = destination(i.dst);
      steps_->push_back(
          {.kind = Step::Kind::move, .dst = step.dst, .src = {sources[replaced], kNowhere, kNowhere}, .index = i.src[order[replaced]]});
      sources[replaced] = step.dst;
      release_dead(i);
    } else {
      step.dst = sources[replaced];
      release_dead(i);
      if (out_.pinned[i.dst] == kNowhere) { free_[0] &= ~bit(step.dst); }
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
    const bool takes_over =
        next_[tie] == kNever && out_.pinned[tie] == kNowhere && out_.pinned[i.dst] == kNowhere && i.src[1] != tie && i.src[2] != tie;
    if (takes_over) {
      step.dst = where_[tie];
      release_dead(i);
      free_[0] &= ~bit(step.dst);
    } else {
      step.dst = destination(i.dst);
      steps_->push_back({.kind = Step::Kind::move, .dst = step.dst, .src = {where_[tie], kNowhere, kNowhere}, .index = tie});
      release_dead(i);
    }
    step.src[0] = step.src[1], step.src[1] = step.src[2], step.src[2] = kNowhere;
  }

  void defined(VReg r, uint8_t reg, uint32_t next) {
    next_[r] = next;
    if (out_.pinned[r] != kNowhere) return;
    const int c = cls(r);
    if (out_.slot[r] >= 0) steps_->push_back({.kind = Step::Kind::store, .src = {reg, kNowhere, kNowhere}, .index = r});
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

  uint8_t destination(VReg r) { return out_.pinned[r] != kNowhere ? out_.pinned[r] : take(cls(r)); }

  void release_dead(const Instruction& i) {
    for_each_use(i, [&](VReg r) {
      if (next_[r] == kNever && out_.pinned[r] == kNowhere && where_[r] != kNowhere) drop(r);
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
      check(out_.has_home(r), "register allocation lost a value");
      const int c = cls(r);
      const uint8_t reg = take(c);
      steps_->push_back({.kind = Step::Kind::load, .dst = reg, .index = r});
      free_[c] &= ~bit(reg);
      owner_[c][reg] = r;
      where_[r] = reg;
    }
    lock(r);
  }

  // A register for a new value: free, or taken from the value that is needed last, preferably one that has a home: it costs no store, and
  // an instruction may read it from there. It is marked as used by defined() or bring().
  uint8_t take(int c) {
    if (const Registers free = free_[c] & ~locked_[c]) {
      const auto reg = static_cast<uint8_t>(std::countr_zero(free));
      free_[c] &= ~bit(reg);
      return reg;
    }
    uint8_t victim = kNowhere;
    uint64_t farthest = 0;
    for (uint8_t reg = 0; reg < 32; ++reg) {
      const VReg r = owner_[c][reg];
      if (r == kNoReg || (locked_[c] & bit(reg)) != 0) continue;
      const uint64_t distance = uint64_t{next_[r]} + (out_.has_home(r) ? uint64_t{1} << 32 : 0);
      if (victim == kNowhere || distance > farthest) victim = reg, farthest = distance;
    }
    check(victim != kNowhere, "an operation needs more registers than there are");
    const VReg r = owner_[c][victim];
    if (!out_.has_home(r) && next_[r] != kNever) {
      out_.slot[r] = out_.slots++;
      steps_->push_back({.kind = Step::Kind::store, .src = {victim, kNowhere, kNowhere}, .index = r});
    }
    owner_[c][victim] = kNoReg;
    where_[r] = kNowhere;
    return victim;
  }

  static Registers bit(uint8_t reg) { return Registers{1} << reg; }
  int cls(VReg r) const { return static_cast<int>(program_.regs[r]); }

  const Program& program_;
  Allocation& out_;
  std::vector<Step>* steps_ = nullptr;
  std::vector<uint8_t> where_;  // [virtual register] its register now
  std::vector<uint32_t> next_;  // [virtual register] the instruction of this section that uses it next
  std::vector<Uses> uses_;      // [instruction]
  VReg owner_[2][32];
  Registers free_[2] = {}, locked_[2] = {};
  Registers copies_ = 0;  // of this instruction's operands
};

}  // namespace

std::array<int, 2> pressure(const Program& program, int section) {
  const Section& code = program.sections[static_cast<size_t>(section)];
  std::vector<bool> alive(program.regs.size()), defined(program.regs.size());
  for (const Instruction& i : code.code)
    if (i.dst != kNoReg) defined[i.dst] = true;
  return most_alive(program, code, alive, [&](VReg r) { return defined[r]; });
}

namespace {

// A section that is another one under a mask (Section::masks) takes over its registers, and some register for the mask. False where none
// is left, or where the other section is no longer what was copied.
bool allocate_as_unmasked(const Program& program, size_t s, Allocation& out) {
  const Section& section = program.sections[s];
  if (section.masks < 0 || static_cast<size_t>(section.masks) >= s) return false;
  const auto from = static_cast<size_t>(section.masks);
  const std::vector<Instruction>& code = program.sections[from].code;
  if (code.size() + 1 != section.code.size() || out.reserved[s] != out.reserved[from]) return false;
  Registers masks = all_registers(program.isa, 1) & ~out.reserved[s][1];
  std::vector<VReg> name(program.regs.size(), kNoReg);  // of what the other section defines
  for (size_t k = 0; k < code.size(); ++k)
    if (code[k].dst != kNoReg) name[code[k].dst] = section.code[k + 1].dst;
  const auto renamed = [&](VReg r) { return r == kNoReg || name[r] == kNoReg ? r : name[r]; };
  const auto is_mask = [&](VReg r) { return r != kNoReg && program.regs[r] == RegClass::mask; };
  for (const Step& step : out.sections[from]) {
    const VReg made = step.kind == Step::Kind::run ? code[step.index].dst : step.index;
    if (is_mask(made) && step.dst != kNowhere) masks &= ~(Registers{1} << step.dst);
    if (step.mask != kNowhere) masks &= ~(Registers{1} << step.mask);
  }
  if (masks == 0) return false;
  const auto mask = static_cast<uint8_t>(std::countr_zero(masks));
  std::vector<Step>& steps = out.sections[s];
  steps.assign(1, {.dst = mask});
  for (Step step : out.sections[from]) {
    if (step.kind == Step::Kind::run) {
      const Instruction& i = section.code[++step.index];
      step.folded_reg = renamed(step.folded_reg);
      if (i.mask == section.code[0].dst) step.mask = mask;
    } else {
      const VReg was = step.index;
      step.index = renamed(was);
      if (out.slot[was] >= 0 && out.slot[step.index] < 0) out.slot[step.index] = out.slots++;
    }
    steps.push_back(step);
  }
  return true;
}

}  // namespace

void allocate(const Program& program, Allocation& out) {
  Globals globals(program, out);
  globals.place();
  out.sections.resize(program.sections.size());
  Locals locals(program, out);
  for (size_t s = 0; s < program.sections.size(); ++s)
    if (!allocate_as_unmasked(program, s, out)) locals.allocate(program.sections[s], out.reserved[s], out.sections[s]);
}

}  // namespace kiln::codegen::x64
