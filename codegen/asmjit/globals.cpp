#include "codegen/asmjit/globals.h"

#include <bit>
#include <utility>

namespace kiln::codegen::x64 {
namespace {

constexpr int kLeastLocals[2] = {6, 3};  // registers of each class a section keeps for itself: the most that one operation needs

constexpr float kLoopWeight = 8;     // a use in a loop counts for so many outside
constexpr float kHot = kLoopWeight;  // literals used less are not worth a register

// Walks a section backwards: when what each instruction touches is used next (to `uses`, where that is wanted), and how many registers it
// needs. `next` is kNever all over, and afterwards but for what is no local.
template <class IsLocal>
Pressure look_ahead(const Program& program, const Section& section, std::vector<uint32_t>& next, Uses* uses, IsLocal is_local) {
  // Not arrays: these would be loaded in one piece just after half of it was stored, which stalls.
  int vectors = 0, masks = 0, most_vectors = 0, most_masks = 0;
  Pressure pressure;
  const auto count = [&](VReg r, int n) { (program.regs[r] == RegClass::mask ? masks : vectors) += n; };
  for (auto k = static_cast<uint32_t>(section.code.size()); k-- > 0;) {
    const Instruction& i = section.code[k];
    const OpInfo& op = info(i.op);
    const auto note = [&] {
      most_vectors = std::max(most_vectors, vectors + op.temporaries);
      most_masks = std::max(most_masks, masks);
    };
    const bool makes_local = i.dst != kNoReg && is_local(i.dst);
    // Is the result there before the sources are gone?
    const bool early = makes_local && (op.early || (op.tied && !(next[i.src[0]] == kNever && is_local(i.src[0]) && may_take_over(i))));
    Uses u;
    if (i.dst != kNoReg) {
      u.dst = std::exchange(next[i.dst], kNever);
      if (makes_local && u.dst == kNever) count(i.dst, 1);  // nobody reads it
      if (makes_local && !early) note(), count(i.dst, -1);
    }
    int outside_vectors = 0, outside_masks = 0;
    const auto use = [&](VReg r, uint32_t& after) {
      after = next[r];
      next[r] = k;
      if (!is_local(r)) ++(program.regs[r] == RegClass::mask ? outside_masks : outside_vectors);
      else if (after == kNever) count(r, 1);
    };
    // One value may be several operands: all of them see what comes after the instruction.
    for (int s = 0; s < 3 && i.src[s] != kNoReg; ++s) {
      use(i.src[s], u.src[s]);
      for (int o = 0; o < s; ++o)
        if (i.src[o] == i.src[s]) u.src[s] = u.src[o];
    }
    if (i.mask != kNoReg) {
      use(i.mask, u.mask);
      for (int o = 0; o < 3; ++o)
        if (i.src[o] == i.mask) u.mask = u.src[o];
    }
    note();
    pressure.outside[0] = std::max(pressure.outside[0], outside_vectors);
    pressure.outside[1] = std::max(pressure.outside[1], outside_masks);
    if (early) count(i.dst, -1);
    if (uses != nullptr) uses[k] = u;
  }
  pressure.own = {most_vectors, most_masks};
  return pressure;
}

}  // namespace

void Globals::place(const Program& program, Allocation& out) {
  program_ = &program;
  out_ = &out;
  const size_t n = program.regs.size();
  const auto last = static_cast<int>(program.sections.size()) - 1;
  live_.assign(n, {});
  globals_.clear();
  out.pinned.assign(n, kNowhere);
  out.slot.assign(n, -1);
  out.literal.assign(n, -1);
  out.slots = 0;
  for (size_t c = 0; c < program.constants.size(); ++c) {
    const VReg r = program.constants[c].reg;
    out.literal[r] = static_cast<int32_t>(c);
    live_[r] = {kEverywhere, last, 0, true};
    globals_.push_back(r);
  }
  for (int s = 0; s <= last; ++s) survey(s);
  extend();
  measure();
  pin();
}

void Globals::survey(int s) {
  const Section& section = program_->sections[static_cast<size_t>(s)];
  float weight = 1;
  for (int d = 0; d < section.depth; ++d) weight *= kLoopWeight;
  const auto touch = [&](VReg r) {
    Life& life = live_[r];
    if (life.first == s) return;
    if (life.first == kNoSection) {
      life.first = life.last = s;
      return;
    }
    if (!life.global) life.global = true, globals_.push_back(r);
    life.last = std::max(life.last, s);
    life.weight += weight;
  };
  for (const Instruction& i : section.code) {
    for_each_use(i, touch);
    if (i.dst != kNoReg) touch(i.dst);
  }
}

// What is alive in a loop stays so to its end, what a section reads that is run again, to there.
void Globals::extend() {
  for (VReg r : globals_) {
    Life& life = live_[r];
    const auto stretch = [&](int first, int last, int to) {
      const bool longer = life.first <= first && life.last >= last && life.last < to;
      if (longer) life.last = to;
      return longer;
    };
    // Outer loops come later in no particular order: repeat until nothing moves.
    for (bool moved = true; moved;) {
      moved = false;
      for (const LoopRange& loop : program_->loops) moved |= stretch(loop.first - 1, loop.first, loop.last);
      for (int s = 0; s < static_cast<int>(program_->sections.size()); ++s)
        if (const int from = program_->sections[static_cast<size_t>(s)].again; from >= 0) moved |= stretch(from, from, s);
    }
  }
}

void Globals::measure() {
  const size_t sections = program_->sections.size();
  next_.assign(program_->regs.size(), kNever);
  locals_.assign(sections, {});
  own_.assign(sections, {});
  masked_.assign(sections, false);
  out_->copies.assign(sections, 1);
  first_use_.clear();
  size_t instructions = 0;
  for (const Section& section : program_->sections) {
    first_use_.push_back(instructions);
    instructions += section.code.size();
    if (section.again >= 0 && section.under != kNoReg) masked_[static_cast<size_t>(section.again)] = true;
  }
  uses_.resize(instructions);
  for (size_t s = 0; s < sections; ++s) {
    const Section& section = program_->sections[s];
    const Pressure needed = look_ahead(*program_, section, next_, uses_.data() + first_use_[s], [&](VReg r) { return !live_[r].global; });
    for (VReg r : globals_) next_[r] = kNever;
    keep_for_locals(s, needed);
  }
}

void Globals::keep_for_locals(size_t section, const Pressure& needed) {
  const int copies = out_->copies[section] = copies_that_fit(program_->isa, needed, program_->sections[section].copies);
  for (int c = 0; c < 2; ++c) {
    const auto at = static_cast<size_t>(c);
    const int total = end_of_registers(program_->isa, c) - first_register(c);
    int& kept = locals_[section][at];
    if (copies > 1) own_[section][at] = needed.own[at], kept = copies * needed.own[at] + needed.outside[at];
    // Where locals do not fit anyway, a spilled local costs about as much as a global in memory: share.
    else kept = std::clamp(needed.own[at], kLeastLocals[c], std::max(kLeastLocals[c], total * 3 / 4));
    if (c == 1 && masked_[section]) kept = std::min(kept + 1, total);
  }
}

void Globals::pin() {
  std::sort(globals_.begin(), globals_.end(),
            [&](VReg a, VReg b) { return live_[a].weight != live_[b].weight ? live_[a].weight > live_[b].weight : a < b; });
  used_.assign(program_->sections.size(), {});
  for (VReg r : globals_) {
    const Life& life = live_[r];
    const bool literal = out_->literal[r] >= 0;
    const auto c = static_cast<size_t>(program_->regs[r]);
    Registers taken = 0;
    int kept = 0;  // the first so many are for locals
    const int first = std::max(life.first, 0);
    for (int s = first; s <= life.last; ++s) {
      taken |= used_[static_cast<size_t>(s)][c];
      kept = std::max(kept, locals_[static_cast<size_t>(s)][c]);
    }
    const auto lowest = first_register(static_cast<int>(c)) + kept, end = end_of_registers(program_->isa, static_cast<int>(c));
    const Registers free = lowest < end ? registers_between(lowest, end) & ~taken : 0;
    const bool worthwhile = literal ? life.weight >= kHot : true;
    if (worthwhile && free != 0) {
      const int reg = 31 - std::countl_zero(free);  // from the top: short encodings stay with the locals
      out_->pinned[r] = static_cast<uint8_t>(reg);
      for (int s = first; s <= life.last; ++s) used_[static_cast<size_t>(s)][c] |= bit(reg);
    } else if (!literal) {
      out_->slot[r] = out_->slots++;
    }
  }
}

Pressure pressure(const Program& program, int section) {
  const Section& code = program.sections[static_cast<size_t>(section)];
  std::vector<bool> defined(program.regs.size());
  for (const Instruction& i : code.code)
    if (i.dst != kNoReg) defined[i.dst] = true;
  std::vector<uint32_t> next(program.regs.size(), kNever);
  return look_ahead(program, code, next, nullptr, [&](VReg r) { return bool{defined[r]}; });
}

int copies_that_fit(Isa isa, const Pressure& pressure, int most) {
  // Constants and hoisted values keep a quarter of the vector registers; one mask is for the elements of a step that exist.
  const int vectors = vector_registers(isa), masks = kLastMask + 1 - kFirstMask;
  const int room[2] = {std::min(vectors * 3 / 4, vectors - pressure.outside[0]), masks - pressure.outside[1] - 1};
  for (size_t c = 0; c < 2; ++c) most = std::min(most, room[c] / std::max(pressure.own[c], 1));
  return std::max(most, 1);
}

}  // namespace kiln::codegen::x64
