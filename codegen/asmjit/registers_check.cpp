// The allocator's conscience: every location is tracked by name ("version v of register r"), and each instruction must read the names
// that the unallocated program reads.
#include <algorithm>
#include <array>
#include <map>

#include "codegen/asmjit/registers.h"

namespace kiln::codegen::x64 {
namespace {

struct Content {
  VReg reg = kNoReg;
  uint32_t version = 0;
  bool operator==(const Content&) const = default;
};

class Checker {
 public:
  Checker(const Program& program, const Allocation& allocation) : program_(program), allocation_(allocation) {}

  std::string run() {
    for (size_t s = 0; s < program_.sections.size() && error_.empty(); ++s) section(s);
    return error_;
  }

 private:
  void section(size_t s) {
    const Section& section = program_.sections[s];
    version_.clear();
    home_.clear();
    for (auto& file : file_) std::fill(std::begin(file), std::end(file), Content{});
    reserved_ = allocation_.reserved[s];
    uint32_t next = 0;
    for (const Step& step : allocation_.sections[s]) {
      where_.assign(section.name).append(" step ").append(std::to_string(&step - allocation_.sections[s].data()));
      switch (step.kind) {
        case Step::Kind::move:
          file_[class_of(step.index)][step.dst] = get(step.index, step.src[0]);
          moved_ = step.dst;
          break;
        case Step::Kind::load: set(step.index, step.dst, home(step.index)); break;
        case Step::Kind::store:
          if (allocation_.slot[step.index] < 0) fail("stores a value that has no slot");
          home_[step.index] = get(step.index, step.src[0]);
          break;
        case Step::Kind::run:
          if (step.index != next++) fail("is out of order");
          if (moved_ != kNowhere && moved_ != step.dst) fail("does not replace the copy made for it");
          moved_ = kNowhere;
          instruction(section.code[step.index], step);
          break;
      }
    }
    if (next != section.code.size()) fail("is not the last instruction");
    // What other sections read must be where they look for it.
    for (const auto& [reg, version] : version_) {
      if (allocation_.pinned[reg] != kNowhere) expect({reg, version}, get(reg, allocation_.pinned[reg]), "a pinned value was lost");
      else if (allocation_.slot[reg] >= 0 && home_.contains(reg)) expect({reg, version}, home_[reg], "a home was not brought up to date");
    }
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
      if (info(i.op).early)
        for (int s = 0; s < sources; ++s)
          if (step.src[s] == step.dst && program_.regs[i.src[s]] == program_.regs[i.dst]) fail("overwrites a source too early");
    }
    if (found != wanted) fail("reads a wrong value");
    if (i.mask != kNoReg) expect({i.mask, version_[i.mask]}, get(i.mask, step.mask), "reads a wrong mask");
    if (step.temporary != kNowhere) {
      for (int s = 0; s < sources; ++s)
        if (step.src[s] == step.temporary) fail("has a source as its temporary");
      if (step.temporary == step.dst || (i.mask != kNoReg && program_.regs[i.mask] == RegClass::vector && step.mask == step.temporary))
        fail("has an operand as its temporary");
      file_[0][step.temporary] = Content{kNoReg, ~0u};
    }
    if (i.dst != kNoReg) set(i.dst, step.dst, {i.dst, ++version_[i.dst]});
  }

  // A register that this section has not written holds the value that is pinned to it, if it is the one asked for.
  Content get(VReg of, uint8_t reg) {
    if (reg == kNowhere) return {kNoReg, ~0u};
    const Content& content = file_[class_of(of)][reg];
    return content == Content{} && allocation_.pinned[of] == reg ? Content{of, 0} : content;
  }

  void set(VReg of, uint8_t reg, Content content) {
    if ((reserved_[class_of(of)] >> reg & 1) != 0 && allocation_.pinned[content.reg] != reg) fail("writes a register that is pinned");
    file_[class_of(of)][reg] = content;
  }
  size_t class_of(VReg r) const { return static_cast<size_t>(program_.regs[r]); }
  Content home(VReg r) {
    if (allocation_.literal[r] >= 0) return {r, 0};
    if (allocation_.slot[r] < 0) return {};
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
  std::map<VReg, uint32_t> version_;  // definitions so far in this section
  std::map<VReg, Content> home_;      // homes written in this section; others hold version 0
  Content file_[2][32];
  std::array<uint32_t, 2> reserved_{};
  uint8_t moved_ = kNowhere;  // a copy that the next instruction replaces by its result
  std::string where_, error_;
};

}  // namespace

#ifdef NDEBUG
std::atomic<bool> check_allocations{false};
#else
std::atomic<bool> check_allocations{true};
#endif

std::string check_allocation(const Program& program, const Allocation& allocation) { return Checker(program, allocation).run(); }

}  // namespace kiln::codegen::x64
