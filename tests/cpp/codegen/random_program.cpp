#include "random_program.h"

#include <functional>
#include <random>

#include "codegen/asmjit/copies.h"

namespace kiln::codegen::testing {
namespace {

using namespace x64;

class Maker {
 public:
  Maker(uint64_t seed, Isa isa) : random_(seed) { p_.isa = isa; }

  Program make() {
    const int sections = below(5) + 2;
    loops(0, sections - 1, 0);
    depth_.resize(static_cast<size_t>(sections));
    for (const LoopRange& loop : p_.loops)
      for (int s = loop.first; s <= loop.last; ++s) ++depth_[static_cast<size_t>(s)];
    for (int c = below(6); c > 0; --c) {
      Constant literal{p_.fresh(RegClass::vector), static_cast<uint8_t>(std::array{4, 8, p_.width()}[static_cast<size_t>(below(3))]), {}};
      literal.data.fill(static_cast<uint8_t>(below(3)));
      p_.constants.push_back(literal);
      vectors_.push_back(literal.reg);
    }
    for (int s = 0; s < sections; ++s) {
      if (s > 0 && p_.sections.back().copies > 1 && chance(60)) again(s);
      else section(s);
    }
    return std::move(p_);
  }

 private:
  int below(int n) { return static_cast<int>(random_() % static_cast<uint64_t>(n)); }
  bool chance(int percent) { return below(100) < percent; }

  void loops(int first, int last, int level) {
    if (level == 3 || !chance(70)) return;
    const int a = first + below(last - first + 1), b = a + below(last - a + 1);
    p_.loops.push_back({a, b});
    loops(a, b, level + 1);
    if (b < last) loops(b + 1, last, level + 1);
  }

  VReg any(const std::vector<VReg>& of) { return of[of.size() - 1 - static_cast<size_t>(below(static_cast<int>(of.size())))]; }
  std::vector<VReg>& masks() { return p_.isa == Isa::avx512 ? masks_ : vectors_; }
  RegClass mask_class() const { return p_.isa == Isa::avx512 ? RegClass::mask : RegClass::vector; }

  void section(int s) {
    p_.sections.push_back({"section", depth_[static_cast<size_t>(s)], {}});
    several_ = chance(30);
    if (several_) p_.sections.back().copies = 2 + below(3);
    const size_t vectors = vectors_.size(), masks = masks_.size();
    // Some sections keep many values alive, some few.
    const int length = 4 + below(chance(30) ? 120 : 30), window = several_ ? 1 + below(6) : 4 + below(40);
    for (int k = 0; k < length; ++k) {
      instruction();
      while (vectors_.size() > vectors + static_cast<size_t>(window))
        vectors_.erase(vectors_.begin() + static_cast<std::ptrdiff_t>(vectors));
    }
    // A few cross to the sections that follow, the others end here.
    const auto keep_some = [&](std::vector<VReg>& values, size_t before) {
      std::vector<VReg> kept(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(before));
      for (size_t i = before; i < values.size(); ++i)
        if (!several_ && chance(15)) kept.push_back(values[i]), may_change_.push_back(values[i]);
      values = std::move(kept);
    };
    keep_some(vectors_, vectors);
    if (p_.isa == Isa::avx512) keep_some(masks_, masks);
  }

  // The last section, as one step, under a mask where that can be.
  void again(int s) {
    Section next{.name = "again", .depth = depth_[static_cast<size_t>(s)], .again = s - 1};
    if (runs_under_mask(p_, s - 1) && chance(70)) {
      next.under = p_.fresh(RegClass::mask);
      next.code.push_back({.op = Op::tail_mask, .imm = 16, .dst = next.under});
    }
    p_.sections.push_back(next);
  }

  void add(Instruction i) { p_.sections.back().code.push_back(i); }

  // A new value, or a new one for a value of an earlier section.
  VReg result(RegClass c) {
    if (!several_ && chance(12) && !may_change_.empty())
      if (const VReg r = any(may_change_); p_.regs[r] == c) return r;
    const VReg r = p_.fresh(c);
    (c == RegClass::mask ? masks_ : vectors_).push_back(r);
    return r;
  }

  void instruction() {
    const RegClass v = RegClass::vector;
    if (vectors_.empty() || chance(8)) return add({.op = Op::load, .dst = result(v), .memory = {Place::element, 4, 0, below(9)}});
    const std::array<VReg, 3> s{any(vectors_), any(vectors_), any(vectors_)};
    if (masks().empty()) return add({.op = Op::cmp_ps, .dst = result(mask_class()), .src = {s[0], s[1], kNoReg}});
    const VReg m = any(masks()), n = any(masks());
    const auto imm = static_cast<uint8_t>(below(200));
    switch (below(13)) {
      case 0:
      case 1: return add({.op = Op::add_ps, .dst = result(v), .src = {s[0], s[1], kNoReg}});
      case 2: return add({.op = Op::mul_pd, .dst = result(v), .src = {s[0], s[1], kNoReg}});
      case 3: return add({.op = Op::sqrt_ps, .dst = result(v), .src = {s[0], kNoReg, kNoReg}});
      case 4: return add({.op = Op::fma_ps, .dst = result(v), .src = s});
      case 5: return add({.op = Op::fma_pd, .dst = result(v), .src = s});
      case 6:
        if (p_.isa == Isa::avx512) return add({.op = Op::ternary_bits, .imm = imm, .dst = result(v), .src = s});
        return add({.op = Op::permute_ps, .imm = imm, .dst = result(v), .src = {s[0], kNoReg, kNoReg}});
      case 7: return add({.op = Op::cmp_ps, .imm = imm, .dst = result(mask_class()), .src = {s[0], s[1], kNoReg}});
      case 8: return add({.op = Op::blend_ps, .dst = result(v), .src = {s[0], s[1], kNoReg}, .mask = m});
      case 9:
        if (p_.isa == Isa::avx512) return add({.op = Op::mask_and, .dst = result(RegClass::mask), .src = {m, n, kNoReg}});
        return add({.op = Op::and_bits, .dst = result(v), .src = {s[0], s[1], kNoReg}});
      case 10:
        if (several_ && chance(90)) break;  // it does not run under a mask
        return add({.op = Op::gather_q,
                    .dst = result(v),
                    .src = {s[0], kNoReg, kNoReg},
                    .mask = chance(50) ? m : kNoReg,
                    .memory = {Place::strided, 8, 0, 0}});
      case 11: return add({.op = Op::broadcast_if, .imm = 4, .dst = result(v), .mask = m, .memory = {Place::uniform, 4, 0, 0}});
      default: break;
    }
    add({.op = Op::store, .src = {s[0], kNoReg, kNoReg}, .memory = {Place::element, 4, 1, below(9)}});
  }

  Program p_;
  std::mt19937_64 random_;
  std::vector<int> depth_;
  bool several_ = false;               // is the section made of copies: what it defines is its own
  std::vector<VReg> vectors_, masks_;  // what may be read
  std::vector<VReg> may_change_;       // of earlier sections
};

uint64_t mix(uint64_t h, uint64_t v) {
  h = (h ^ (h >> 31) ^ v) * 0x9e3779b97f4a7c15u;
  return h ^ (h >> 29);
}

constexpr uint64_t kGarbage = 0xdeadbeef;

uint64_t literal(const Program& p, size_t c) { return mix(17 + c, p.constants[c].bytes); }

// Sections in order, each loop's twice over.
void walk(const Program& p, const std::function<void(size_t)>& section) {
  std::vector<int> rounds(p.loops.size());
  for (int s = 0; s < static_cast<int>(p.sections.size());) {
    section(static_cast<size_t>(s));
    int next = s + 1, length = INT32_MAX, loop = -1;
    for (size_t l = 0; l < p.loops.size(); ++l)  // the innermost that ends here and is not done
      if (p.loops[l].last == s && rounds[l] == 0 && s - p.loops[l].first < length)
        length = s - p.loops[l].first, loop = static_cast<int>(l);
    if (loop >= 0) {
      const LoopRange range = p.loops[static_cast<size_t>(loop)];
      for (size_t l = 0; l < p.loops.size(); ++l)  // loops within start anew
        if (p.loops[l].first >= range.first && p.loops[l].last <= range.last && static_cast<int>(l) != loop &&
            (p.loops[l].first > range.first || p.loops[l].last < range.last || static_cast<int>(l) > loop))
          rounds[l] = 0;
      rounds[static_cast<size_t>(loop)] = 1;
      next = range.first;
    }
    s = next;
  }
}

// What an instruction gives: a value that tells all that it read.
uint64_t outcome(const Instruction& i, const std::array<uint64_t, 3>& read, uint64_t mask) {
  uint64_t h = mix(static_cast<uint64_t>(i.op) << 8 | i.imm, static_cast<uint64_t>(i.memory.offset));
  if (i.op == Op::fma_ps || i.op == Op::fma_pd) h = mix(mix(h, read[0] + read[1]), read[2]);  // the factors commute
  else
    for (int s = 0; s < i.sources(); ++s) h = mix(h, read[static_cast<size_t>(s)]);
  return i.mask == kNoReg ? h : mix(h, mask);
}

struct Machine {
  const Program& p;
  const Allocation& a;
  uint64_t file[2][32];
  std::vector<uint64_t> slots;
  std::vector<uint64_t> seen;

  size_t cls(VReg r) const { return static_cast<size_t>(p.regs[r]); }
  uint64_t& at(VReg r, uint8_t reg) { return file[cls(r)][reg % 32]; }
  uint64_t home(VReg r) {
    if (a.literal[r] >= 0) return literal(p, static_cast<size_t>(a.literal[r]));
    return a.slot[r] < 0 ? kGarbage : slots[static_cast<size_t>(a.slot[r])];
  }

  void step(const Section& section, const Step& s) {
    switch (s.kind) {
      case Step::Kind::move: at(s.index, s.dst) = at(s.index, s.src[0]); return;
      case Step::Kind::load: at(s.index, s.dst) = home(s.index); return;
      case Step::Kind::store:
        if (a.slot[s.index] >= 0) slots[static_cast<size_t>(a.slot[s.index])] = at(s.index, s.src[0]);
        return;
      case Step::Kind::run: break;
    }
    const Instruction& i = section.code[s.index];
    if (s.temporary != kNowhere) file[0][s.temporary % 32] = mix(kGarbage, seen.size());
    if (info(i.op).early && i.dst != kNoReg) at(i.dst, s.dst) = kGarbage;
    const int n = i.sources();
    std::array<uint64_t, 3> read{};
    if (i.op == Op::fma_ps || i.op == Op::fma_pd) {
      const uint64_t d = file[0][s.dst % 32], x = file[0][s.src[0] % 32], y = s.folded ? home(s.folded_reg) : file[0][s.src[1] % 32];
      switch (s.form) {
        case Step::Form::plain: break;
        case Step::Form::product_replaced: read = {d, x, y}; break;
        case Step::Form::product_replaced_addend_second: read = {d, y, x}; break;
        case Step::Form::addend_replaced: read = {x, y, d}; break;
      }
    } else {
      for (int k = 0; k < n; ++k) {
        const auto source = static_cast<size_t>(k);
        if (s.folded && k == n - 1) read[source] = home(s.folded_reg);
        else if (info(i.op).tied) read[source] = at(i.src[source], k == 0 ? s.dst : s.src[source - 1]);
        else read[source] = at(i.src[source], s.src[source]);
      }
    }
    const uint64_t result = outcome(i, read, i.mask == kNoReg ? 0 : at(i.mask, s.mask));
    if (i.dst == kNoReg) seen.push_back(result);
    else at(i.dst, s.dst) = result;
  }
};

}  // namespace

Program random_program(uint64_t seed, Isa isa) { return Maker(seed, isa).make(); }

std::vector<uint64_t> trace(const Program& p, const std::vector<int>& copies) {
  std::vector<uint64_t> value(p.regs.size(), kGarbage), seen;
  for (size_t c = 0; c < p.constants.size(); ++c) value[p.constants[c].reg] = literal(p, c);
  const auto run = [&](const Section& section, int n, VReg under) {
    std::vector<std::vector<uint64_t>> own(static_cast<size_t>(n - 1), value);  // of the copies beside the first
    for (const Instruction& instruction : section.code)
      for (int c = 0; c < n; ++c) {
        std::vector<uint64_t>& at = c == 0 ? value : own[static_cast<size_t>(c - 1)];
        Instruction i = instruction;
        move_by(i, c * p.lanes());
        if (under != kNoReg && touches_elements(i)) i.op = under_mask(i.op), i.mask = under;
        std::array<uint64_t, 3> read{};
        for (int k = 0; k < i.sources(); ++k) read[static_cast<size_t>(k)] = at[i.src[static_cast<size_t>(k)]];
        const uint64_t result = outcome(i, read, i.mask == kNoReg ? 0 : at[i.mask]);
        if (i.dst == kNoReg) seen.push_back(result);
        else at[i.dst] = result;
      }
  };
  walk(p, [&](size_t s) {
    const Section& section = p.sections[s];
    run(section, copies[s], kNoReg);
    if (section.again >= 0) run(p.sections[static_cast<size_t>(section.again)], 1, section.under);
  });
  return seen;
}

std::vector<uint64_t> trace(const Program& as_given, const Allocation& allocation) {
  const auto [p, a] = write_out(as_given, allocation);
  Machine m{p, a, {}, std::vector<uint64_t>(static_cast<size_t>(a.slots), kGarbage), {}};
  for (auto& file : m.file) std::fill(std::begin(file), std::end(file), kGarbage);
  for (size_t c = 0; c < p.constants.size(); ++c)
    if (const VReg r = p.constants[c].reg; a.pinned[r] != kNowhere) m.at(r, a.pinned[r]) = literal(p, c);
  walk(p, [&](size_t s) {
    for (const Step& step : a.sections[s]) m.step(p.sections[s], step);
  });
  return m.seen;
}

}  // namespace kiln::codegen::testing
