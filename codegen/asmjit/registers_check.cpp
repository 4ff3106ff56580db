// The allocator's conscience, after the checker of Cranelift's regalloc2: every location is tracked by name ("version v of register r"), and
// each instruction must read the names that the unallocated program reads.
//
// Copies of code are written out first (copies.h), as they are emitted. Sections are walked one by one. What holds between them is an invariant: at either end of a section, every value that is alive there is in
// the register that it is pinned to, or else in its home. Each section is checked to keep it, under the assumption that it held before;
// which values are alive is worked out here, by dataflow over the sections and their loops, and not taken from the allocator.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "codegen/asmjit/copies.h"
#include "codegen/asmjit/registers.h"

namespace kiln::codegen::x64 {
namespace {

struct Content {
  VReg reg = kNoReg;
  uint32_t version = 0;
  bool operator==(const Content&) const = default;
};
constexpr Content kUnknown{kNoReg, ~0u};

// Which values a section finds alive, and which it leaves alive.
struct Liveness {
  std::vector<std::set<VReg>> in, out;

  explicit Liveness(const Program& program) : in(program.sections.size()), out(program.sections.size()) {
    std::vector<std::set<VReg>> reads(in.size()), defines(in.size());  // reads: what is read before it is defined
    for (size_t s = 0; s < in.size(); ++s)
      for (const Instruction& i : program.sections[s].code) {
        for (VReg r : {i.src[0], i.src[1], i.src[2], i.mask})
          if (r != kNoReg && !defines[s].contains(r)) reads[s].insert(r);
        if (i.dst != kNoReg) defines[s].insert(i.dst);
      }
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t s = in.size(); s-- > 0;) {
        std::set<VReg> after;
        if (s + 1 < in.size()) after = in[s + 1];
        for (const LoopRange& loop : program.loops)
          if (static_cast<size_t>(loop.last) == s)
            after.insert(in[static_cast<size_t>(loop.first)].begin(), in[static_cast<size_t>(loop.first)].end());
        std::set<VReg> before = reads[s];
        for (VReg r : after)
          if (!defines[s].contains(r)) before.insert(r);
        changed = changed || before != in[s] || after != out[s];
        in[s] = std::move(before), out[s] = std::move(after);
      }
    }
  }
};

class Checker {
 public:
  Checker(const Program& program, const Allocation& allocation) : program_(program), allocation_(allocation), live_(program) {}

  std::string run() {
    homes();
    for (size_t s = 0; s < program_.sections.size() && error_.empty(); ++s) section(s);
    return error_;
  }

 private:
  // Each value's home is its own; literals have theirs in the code's data, in the order of Program::constants.
  void homes() {
    where_ = "homes";
    std::set<int32_t> slots;
    std::vector<int32_t> literal(program_.regs.size(), -1);
    for (size_t c = 0; c < program_.constants.size(); ++c) literal[program_.constants[c].reg] = static_cast<int32_t>(c);
    if (allocation_.literal != literal) fail("a literal is not the constant it stands for");
    for (VReg r = 0; r < program_.regs.size(); ++r) {
      const int32_t slot = allocation_.slot[r];
      if (slot >= allocation_.slots || (slot >= 0 && !slots.insert(slot).second)) fail("two values share a slot, or one is off the stack");
      if (allocation_.pinned[r] != kNowhere) in_range(r, allocation_.pinned[r]);
    }
  }

  // The owner of each register that is pinned somewhere in this section: alive at its beginning or its end, or touched in it.
  void find_pinned(size_t s) {
    for (auto& file : pinned_) std::fill(std::begin(file), std::end(file), kNoReg);
    const auto pin = [&](VReg r) {
      if (r == kNoReg || allocation_.pinned[r] == kNowhere) return;
      VReg& owner = pinned_[class_of(r)][allocation_.pinned[r] % 32];
      if (owner != kNoReg && owner != r) fail("two values that are alive at once are pinned to one register");
      owner = r;
    };
    for (VReg r : live_.in[s]) pin(r);
    for (VReg r : live_.out[s]) pin(r);
    for (const Instruction& i : program_.sections[s].code)
      for (VReg r : {i.src[0], i.src[1], i.src[2], i.mask, i.dst}) pin(r);
  }

  void section(size_t s) {
    const Section& section = program_.sections[s];
    version_.clear();
    home_.clear();
    moved_ = kNowhere;
    for (auto& file : file_) std::fill(std::begin(file), std::end(file), Content{});
    find_pinned(s);
    uint32_t next = 0;
    for (const Step& step : allocation_.sections[s]) {
      where_.assign(section.name).append(" step ").append(std::to_string(&step - allocation_.sections[s].data()));
      switch (step.kind) {
        case Step::Kind::move: move(step); break;
        case Step::Kind::load:
          if (!allocation_.has_home(step.index)) fail("loads a value that has no home");
          set(step.index, step.dst, home(step.index));
          break;
        case Step::Kind::store:
          if (allocation_.slot[step.index] < 0) fail("stores a value that has no slot");
          home_[step.index] = get(step.index, step.src[0]);
          break;
        case Step::Kind::run:
          if (step.index != next++) return fail("is out of order");
          if (moved_ != kNowhere && moved_ != step.dst) fail("does not replace the copy made for it");
          moved_ = kNowhere;
          instruction(section.code[step.index], step);
          break;
      }
    }
    where_.assign(section.name).append(" at its end");
    if (next != section.code.size() || moved_ != kNowhere) fail("lacks instructions");
    for (VReg r : live_.out[s]) {
      const Content latest{r, version_.contains(r) ? version_[r] : 0};
      if (allocation_.pinned[r] != kNowhere) expect(latest, get(r, allocation_.pinned[r]), "a pinned value was lost");
      else expect(latest, home(r), "a home was not brought up to date");
    }
  }

  // A copy for the next instruction: in a free register, or in the one that the instruction gives its result in. Only vectors are copied.
  void move(const Step& step) {
    if (program_.regs[step.index] != RegClass::vector) fail("moves a mask");
    in_range(step.index, step.dst);
    if (pinned_[0][step.dst % 32] != kNoReg) {
      if (moved_ != kNowhere) fail("moves twice");
      moved_ = step.dst;
    }
    file_[0][step.dst % 32] = get(step.index, step.src[0]);
  }

  void instruction(const Instruction& i, const Step& step) {
    const int sources = i.sources();
    std::vector<Content> wanted, found;
    for (int s = 0; s < sources; ++s) wanted.push_back({i.src[s], version_[i.src[s]]});
    if (i.op == Op::fma_ps || i.op == Op::fma_pd) {
      const auto any = [&](uint8_t reg) {  // whichever source lies there
        for (VReg r : i.src)
          if (allocation_.pinned[r] == reg) return get(r, reg);
        return get(i.dst, reg);
      };
      const Content d = any(step.dst), x = any(step.src[0]);
      const Content y = step.folded ? home(step.folded_reg) : any(step.src[1]);
      switch (step.form) {  // the factors in either order, then the addend
        case Step::Form::plain: fail("has no form"); break;
        case Step::Form::product_replaced: found = {d, x, y}; break;
        case Step::Form::product_replaced_addend_second: found = {d, y, x}; break;
        case Step::Form::addend_replaced: found = {x, y, d}; break;
      }
      if (found.size() == 3 && !(found[0] == wanted[0])) std::swap(found[0], found[1]);
    } else {
      const bool tied = info(i.op).tied;
      for (int s = 0; s < sources; ++s) {
        if (step.folded && s == sources - 1) found.push_back(home(step.folded_reg));
        else if (tied) found.push_back(get(i.src[s], s == 0 ? step.dst : step.src[s - 1]));
        else found.push_back(get(i.src[s], step.src[s]));
      }
      if (info(i.op).early && i.dst != kNoReg) {
        for (int s = 0; s < sources; ++s)
          if (step.src[s] == step.dst && program_.regs[i.src[s]] == program_.regs[i.dst]) fail("overwrites a source too early");
        if (i.mask != kNoReg && step.mask == step.dst && program_.regs[i.mask] == program_.regs[i.dst])
          fail("overwrites its mask too early");
      }
    }
    if (step.folded) folded(i, step);
    if (found != wanted) fail("reads a wrong value");
    if (i.mask != kNoReg) expect({i.mask, version_[i.mask]}, get(i.mask, step.mask), "reads a wrong mask");
    if ((step.temporary != kNowhere) != (info(i.op).temporaries > 0)) fail("does not have its temporary");
    if (step.temporary != kNowhere) {
      if (step.temporary >= vector_registers(program_.isa)) fail("has a temporary that there is not");
      if (pinned_[0][step.temporary % 32] != kNoReg) fail("has a pinned register as its temporary");
      for (int s = 0; s < sources; ++s)
        if (step.src[s] == step.temporary && program_.regs[i.src[static_cast<size_t>(s)]] == RegClass::vector)
          fail("has a source as its temporary");
      if (step.temporary == step.dst || (i.mask != kNoReg && program_.regs[i.mask] == RegClass::vector && step.mask == step.temporary))
        fail("has an operand as its temporary");
      file_[0][step.temporary % 32] = kUnknown;
    }
    if (i.dst != kNoReg) set(i.dst, step.dst, {i.dst, ++version_[i.dst]});
  }

  // The last operand may be read from its home where the instruction takes memory, as whole as its home is.
  void folded(const Instruction& i, const Step& step) {
    const VReg r = step.folded_reg;
    if (info(i.op).element == 0 || i.memory.place != Place::none) fail("reads an operand from memory that it cannot");
    if (!allocation_.has_home(r)) return fail("reads a value that has no home");
    if (allocation_.literal[r] < 0) return;
    const int bytes = program_.constants[static_cast<size_t>(allocation_.literal[r])].bytes;
    if (bytes != program_.width() && (program_.isa != Isa::avx512 || bytes != info(i.op).element))
      fail("broadcasts a literal that it cannot");
  }

  // A register that this section has not written holds the value that is pinned to it, if it is the one asked for.
  Content get(VReg of, uint8_t reg) {
    if (reg == kNowhere) return kUnknown;
    in_range(of, reg);
    const Content& content = file_[class_of(of)][reg % 32];
    return content == Content{} && allocation_.pinned[of] == reg ? Content{of, 0} : content;
  }

  void set(VReg of, uint8_t reg, Content content) {
    in_range(of, reg);
    const VReg owner = pinned_[class_of(of)][reg % 32];
    if (owner != kNoReg && owner != content.reg) fail("writes a register that is pinned");
    if (allocation_.pinned[of] != kNowhere && allocation_.pinned[of] != reg) fail("writes a pinned value elsewhere");
    file_[class_of(of)][reg % 32] = content;
  }
  void in_range(VReg of, uint8_t reg) {
    const bool is = program_.regs[of] == RegClass::mask ? reg >= kFirstMask && reg <= kLastMask : reg < vector_registers(program_.isa);
    if (!is) fail("uses a register that there is not");
  }
  size_t class_of(VReg r) const { return static_cast<size_t>(program_.regs[r]); }
  Content home(VReg r) {
    if (r != kNoReg && allocation_.literal[r] >= 0) return {r, 0};
    if (r == kNoReg || allocation_.slot[r] < 0) return kUnknown;
    const auto found = home_.find(r);
    return found != home_.end() ? found->second : Content{r, 0};
  }

  void expect(Content wanted, Content found, const char* what) {
    if (!(wanted == found)) fail(what);
  }
  void fail(const char* what) {
    if (error_.empty()) error_.assign(where_).append(": ").append(what);
  }

  const Program& program_;
  const Allocation& allocation_;
  const Liveness live_;
  std::map<VReg, uint32_t> version_;  // definitions so far in this section
  std::map<VReg, Content> home_;      // homes written in this section; others hold version 0
  Content file_[2][32];
  VReg pinned_[2][32];        // whose register it is here
  uint8_t moved_ = kNowhere;  // a copy over a pinned value, which the next instruction must replace by its result
  std::string where_, error_;
};

}  // namespace

#ifdef NDEBUG
std::atomic<bool> check_allocations{false};
#else
std::atomic<bool> check_allocations{true};
#endif

std::string check_allocation(const Program& program, const Allocation& allocation) {
  const WrittenOut all = write_out(program, allocation);
  return Checker(all.program, all.allocation).run();
}

}  // namespace kiln::codegen::x64
