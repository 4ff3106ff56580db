// The register allocator on random programs, and its checker against what programs do: an allocation with a fault that changes any value that
// a program stores must be refused, whatever the fault.
#include "codegen/asmjit/registers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <random>

#include "codegen/environment.h"
#include "random_program.h"

namespace kiln::codegen {
namespace {

using namespace x64;
using testing::random_program;
using testing::trace;

constexpr int64_t kDefaultCount = 300;

int64_t count() { return environment_integer("KILN_FUZZ_COUNT", 1, INT64_MAX).value_or(kDefaultCount); }
constexpr std::array kIsas{Isa::avx2, Isa::avx512};

TEST(Registers, RandomProgramsDoWhatTheyDidBeforeAllocation) {
  size_t stores = 0, loads = 0, folds = 0, moves = 0, copies = 0, masked = 0;
  for (uint64_t seed = 1; seed <= static_cast<uint64_t>(count()); ++seed)
    for (Isa isa : kIsas) {
      const Program p = random_program(seed, isa);
      Allocation a;
      allocate(p, a);
      ASSERT_EQ(check_allocation(p, a), "") << "seed " << seed;
      ASSERT_EQ(trace(p, a), trace(p, a.copies)) << "seed " << seed;
      for (size_t s = 0; s < p.sections.size(); ++s) copies += a.copies[s] > 1, masked += p.sections[s].under != kNoReg;
      for (const auto& section : a.sections)
        for (const Step& s : section) {
          stores += s.kind == Step::Kind::store;
          loads += s.kind == Step::Kind::load;
          moves += s.kind == Step::Kind::move;
          folds += s.folded;
        }
    }
  std::cout << stores << " stores, " << loads << " loads, " << moves << " moves, " << folds << " operands from memory, " << copies
            << " sections of copies, " << masked << " run again under a mask\n";
  for (size_t n : {stores, loads, moves, folds}) EXPECT_GT(n, static_cast<size_t>(count()));
  for (size_t n : {copies, masked}) EXPECT_GT(n, static_cast<size_t>(count()) / 10);
}

// A fault put into an allocation at a place of the generator's choice; false where there is no such place.
using Random = std::mt19937_64;
using Fault = bool (*)(const Program&, Allocation&, Random&);

template <class Fits>
Step* some_step(Allocation& a, Random& random, Fits fits, std::vector<Step>** section = nullptr) {
  std::vector<std::pair<Step*, std::vector<Step>*>> all;
  for (auto& steps : a.sections)
    for (Step& s : steps)
      if (fits(s)) all.emplace_back(&s, &steps);
  if (all.empty()) return nullptr;
  const auto [step, in] = all[random() % all.size()];
  if (section != nullptr) *section = in;
  return step;
}

bool drop(Allocation& a, Random& random, Step::Kind kind) {
  std::vector<Step>* section = nullptr;
  const Step* step = some_step(a, random, [&](const Step& s) { return s.kind == kind; }, &section);
  if (step == nullptr) return false;
  section->erase(section->begin() + (step - section->data()));
  return true;
}

uint8_t other(uint8_t reg, Random& random, int registers) {
  return static_cast<uint8_t>((reg + 1 + random() % static_cast<uint64_t>(registers - 1)) % static_cast<uint64_t>(registers));
}

template <class Fits>
VReg some_value(const Program& p, Random& random, Fits fits) {
  std::vector<VReg> all;
  for (VReg v = 0; v < p.regs.size(); ++v)
    if (fits(v)) all.push_back(v);
  return all.empty() ? kNoReg : all[random() % all.size()];
}

bool is_run(const Step& s) { return s.kind == Step::Kind::run; }

struct Planted {
  const char* name;
  Fault plant;
};
constexpr Planted kFaults[]{
    {"a load is dropped", [](const Program&, Allocation& a, Random& r) { return drop(a, r, Step::Kind::load); }},
    {"a store is dropped", [](const Program&, Allocation& a, Random& r) { return drop(a, r, Step::Kind::store); }},
    {"a move is dropped", [](const Program&, Allocation& a, Random& r) { return drop(a, r, Step::Kind::move); }},
    {"a source is read from another register",
     [](const Program&, Allocation& a, Random& r) {
       Step* s = some_step(a, r, [](const Step& s) { return is_run(s) && s.src[0] != kNowhere; });
       if (s != nullptr) s->src[0] = other(s->src[0], r, 8);
       return s != nullptr;
     }},
    {"sources are swapped",
     [](const Program&, Allocation& a, Random& r) {
       Step* s = some_step(a, r, [](const Step& s) { return is_run(s) && s.src[1] != kNowhere; });
       if (s != nullptr) std::swap(s->src[0], s->src[1]);
       return s != nullptr;
     }},
    {"the mask is read from another register",
     [](const Program&, Allocation& a, Random& r) {
       Step* s = some_step(a, r, [](const Step& s) { return s.mask != kNowhere; });
       if (s != nullptr) s->mask = static_cast<uint8_t>(2 + other(s->mask % 6, r, 6));
       return s != nullptr;
     }},
    {"a result goes to another register",
     [](const Program&, Allocation& a, Random& r) {
       Step* s = some_step(a, r, [](const Step& s) { return is_run(s) && s.dst != kNowhere; });
       if (s != nullptr) s->dst = other(s->dst, r, 16);
       return s != nullptr;
     }},
    {"a load goes to another register",
     [](const Program&, Allocation& a, Random& r) {
       Step* s = some_step(a, r, [](const Step& s) { return s.kind == Step::Kind::load; });
       if (s != nullptr) s->dst = other(s->dst, r, 16);
       return s != nullptr;
     }},
    {"a spill stores another register",
     [](const Program&, Allocation& a, Random& r) {
       Step* s = some_step(a, r, [](const Step& s) { return s.kind == Step::Kind::store; });
       if (s != nullptr) s->src[0] = other(s->src[0], r, 8);
       return s != nullptr;
     }},
    {"a load reads another value's home",
     [](const Program& p, Allocation& a, Random& r) {
       Step* s = some_step(a, r, [](const Step& s) { return s.kind == Step::Kind::load; });
       if (s == nullptr) return false;
       const VReg from = some_value(p, r, [&](VReg v) { return v != s->index && p.regs[v] == p.regs[s->index] && a.has_home(v); });
       if (from != kNoReg) s->index = from;
       return from != kNoReg;
     }},
    {"an operand from memory is another value's",
     [](const Program& p, Allocation& a, Random& r) {
       Step* s = some_step(a, r, [](const Step& s) { return s.folded; });
       if (s == nullptr) return false;
       const VReg from = some_value(p, r, [&](VReg v) { return v != s->folded_reg && p.regs[v] == RegClass::vector && a.has_home(v); });
       if (from != kNoReg) s->folded_reg = from;
       return from != kNoReg;
     }},
    {"two values share a slot",
     [](const Program& p, Allocation& a, Random& r) {
       const VReg one = some_value(p, r, [&](VReg v) { return a.slot[v] >= 0; });
       const VReg two = some_value(p, r, [&](VReg v) { return v != one && a.slot[v] >= 0; });
       if (two != kNoReg) a.slot[one] = a.slot[two];
       return two != kNoReg;
     }},
    {"a value has another's literal",
     [](const Program& p, Allocation& a, Random& r) {
       if (p.constants.size() < 2) return false;
       a.literal[p.constants[r() % p.constants.size()].reg] = static_cast<int32_t>(r() % p.constants.size());
       return true;
     }},
    {"a multiply-add has another form",
     [](const Program&, Allocation& a, Random& r) {
       Step* s = some_step(a, r, [](const Step& s) { return s.form != Step::Form::plain; });
       if (s != nullptr) s->form = static_cast<Step::Form>(1 + (static_cast<int>(s->form) + static_cast<int>(r() % 2)) % 3);
       return s != nullptr;
     }},
    {"a temporary is a register in use",
     [](const Program&, Allocation& a, Random& r) {
       Step* s = some_step(a, r, [](const Step& s) { return s.temporary != kNowhere; });
       if (s != nullptr) s->temporary = other(s->temporary, r, 16);
       return s != nullptr;
     }},
    {"a copy is not where it should be",
     [](const Program&, Allocation& a, Random& r) {
       Step* s = some_step(a, r, [](const Step& s) { return is_run(s) && std::ranges::count(s.apart, 0) < std::ssize(s.apart); });
       if (s == nullptr) return false;
       uint8_t* const apart = &*std::ranges::find_if(s->apart, [](uint8_t n) { return n != 0; });
       *apart = static_cast<uint8_t>(*apart - 1);
       return true;
     }},
    {"steps change places",
     [](const Program&, Allocation& a, Random& r) {
       std::vector<Step>* in = nullptr;
       Step* s = some_step(a, r, [](const Step&) { return true; }, &in);
       if (s == nullptr || s + 1 == in->data() + in->size() || (is_run(s[0]) && is_run(s[1]))) return false;
       std::swap(s[0], s[1]);
       return true;
     }},
    // The register that a value is pinned to, all over the program: consistent within each section, wrong where another value lives there.
    {"two values are pinned to one register",
     [](const Program& p, Allocation& a, Random& r) {
       const VReg one = some_value(p, r, [&](VReg v) { return a.pinned[v] != kNowhere; });
       const VReg two = some_value(p, r, [&](VReg v) { return v != one && a.pinned[v] != kNowhere && p.regs[v] == p.regs[one]; });
       if (two == kNoReg) return false;
       const uint8_t from = a.pinned[one], to = a.pinned[two];
       const auto moved = [&](VReg v, uint8_t& reg) {
         if (v == one && reg == from) reg = to;
       };
       for (size_t s = 0; s < a.sections.size(); ++s)
         for (Step& step : a.sections[s]) {
           if (!is_run(step)) {
             if (step.kind != Step::Kind::load) moved(step.index, step.src[0]);
             continue;
           }
           const Instruction& i = p.sections[s].code[step.index];
           if (step.form != Step::Form::plain || info(i.op).tied) continue;
           for (size_t k = 0; k < 3; ++k) moved(i.src[k], step.src[k]);
           moved(i.mask, step.mask);
           moved(i.dst, step.dst);
         }
       a.pinned[one] = to;
       return true;
     }},
};

TEST(Registers, TheCheckerRefusesEveryFaultThatShows) {
  struct Tally {
    int planted = 0, showed = 0, refused = 0;
  };
  std::map<std::string, Tally> tallies;
  for (uint64_t seed = 1; seed <= static_cast<uint64_t>(count()); ++seed)
    for (Isa isa : kIsas) {
      const Program p = random_program(seed, isa);
      Allocation right;
      allocate(p, right);
      const std::vector<uint64_t> expected = trace(p, right.copies);
      for (const Planted& fault : kFaults) {
        Random random(seed);
        Allocation a = right;
        if (!fault.plant(p, a, random)) continue;
        Tally& tally = tallies[fault.name];
        ++tally.planted;
        const bool refused = !check_allocation(p, a).empty(), shows = trace(p, a) != expected;
        tally.refused += refused;
        tally.showed += shows;
        EXPECT_TRUE(refused || !shows) << fault.name << ", seed " << seed << (isa == Isa::avx2 ? ", avx2" : ", avx512");
      }
    }
  for (const Planted& fault : kFaults) {
    const Tally& t = tallies[fault.name];
    std::cout << fault.name << ": planted " << t.planted << ", showed " << t.showed << ", refused " << t.refused << "\n";
    EXPECT_GT(t.showed, 0) << fault.name << " never made a difference";
  }
}

#ifndef NDEBUG
TEST(Registers, DebugBuildsCheckEveryAllocation) { EXPECT_TRUE(check_allocations); }
#endif

}  // namespace
}  // namespace kiln::codegen
