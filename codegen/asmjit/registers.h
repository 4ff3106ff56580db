// Register allocation: which virtual register lies where, instruction by instruction.
//
// Globals are placed first: the most used ones, weighed by loop depth, are pinned to a register over all sections in which they live;
// the others have a home in memory (a stack slot; for literals the code's own data). Then each section is allocated on its own in one
// forward scan: an operand that is not in a register is loaded, or read from its home by the instruction itself, and when registers run
// out, the value whose next use is farthest away leaves (Belady 1966), to a stack slot if it has no home.
//
// Where copies of a section's code go side by side, each has as many registers for its own values as one needs, in the same order; what comes
// from a home lies in the registers left over, once for all of them. So one copy is allocated, and the others are known.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "codegen/asmjit/machine.h"

namespace kiln::codegen::x64 {

inline constexpr uint8_t kNowhere = 0xff;

// What the emitter has to do, in order.
struct Step {
  enum class Kind : uint8_t {
    run,    // instruction `index` of the section, on these registers
    move,   // vector register `src[0]`, which holds virtual register `index`, to `dst`
    load,   // virtual register `index` from its home to `dst`
    store,  // virtual register `index` from `src[0]` to its home
  };
  // Fused multiply-add has three encodings, by which operand the result replaces: a = a*b + c, c = a*b + c.
  enum class Form : uint8_t { plain, product_replaced, product_replaced_addend_second, addend_replaced };

  Kind kind = Kind::run;
  Form form = Form::plain;
  bool folded = false;  // the last source is read from its home in memory
  uint8_t dst = kNowhere;
  std::array<uint8_t, 3> src{kNowhere, kNowhere, kNowhere};  // for a fused multiply-add in the order in which they are encoded, after dst
  uint8_t mask = kNowhere;
  uint8_t temporary = kNowhere;
  std::array<uint8_t, 6> apart{};  // dst, src, mask, temporary: how far the register of the next copy is from this one's
  uint32_t index = 0;
  VReg folded_reg = kNoReg;
};

struct Allocation {
  std::vector<std::vector<Step>> sections;  // of one copy, without those of Section::again
  std::vector<int> copies;                  // [section] that go side by side; a load is for all of them
  std::vector<uint8_t> pinned;              // [virtual register] its register everywhere, or kNowhere
  std::vector<int32_t> slot;                // [virtual register] its stack slot, or -1
  std::vector<int32_t> literal;             // [virtual register] its index in Program::constants, or -1
  int slots = 0;                            // of a vector register's width each

  bool has_home(VReg r) const { return slot[r] >= 0 || literal[r] >= 0; }
};

// Registers the allocator may use. k0 cannot mask, and k1 is the emitter's own.
constexpr int vector_registers(Isa isa) { return isa == Isa::avx512 ? 32 : 16; }
inline constexpr int kFirstMask = 2, kLastMask = 7;

inline constexpr uint8_t kStepMask = kFirstMask;  // set aside where a section is run again under a mask

class Allocator {
 public:
  Allocator();
  ~Allocator();
  void run(const Program&, Allocation&);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;  // keep their memory from one program to the next
};
void allocate(const Program&, Allocation&);

// The most registers of each class that a section needs at once.
struct Pressure {
  std::array<int, 2> own{};      // for values that it defines, temporaries included
  std::array<int, 2> outside{};  // for other operands of one instruction
};
Pressure pressure(const Program&, int section);

// How many copies of code with that pressure go side by side without spilling: 1 at least, `most` at most.
int copies_that_fit(Isa, const Pressure&, int most);

// Whether the back end checks every allocation it makes: in debug builds, and where a test asks for it.
extern std::atomic<bool> check_allocations;

// Runs the allocated program symbolically and compares what each instruction reads with what it should. Empty if all is well.
std::string check_allocation(const Program&, const Allocation&);

}  // namespace kiln::codegen::x64
