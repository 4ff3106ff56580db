// Everything that knows x86-64 encodings: allocated sections go in, instructions come out through AsmJit's Assembler. The loops around
// sections are emitted by the shapes (pointwise, lanes, rows), in general registers, with the helpers here.
//
// General registers: kInner counts elements of the last dimension, kEnd is where the present row of elements ends, kRow counts
// rows of a `rows` reduction; rax, rcx, rdx, rsi and rdi are free between any two steps. The rest hold buffer pointers, and a buffer for which
// none is left has a stack word.
#pragma once

#include <asmjit/x86.h>

#include <vector>

#include "codegen/asmjit/encodings.h"
#include "codegen/asmjit/machine.h"
#include "codegen/asmjit/registers.h"
#include "codegen/kernel.h"

namespace kiln::codegen::x64 {

using asmjit::Label;
using asmjit::x86::Gp;
using asmjit::x86::Mem;

inline constexpr int kCacheLine = 64;  // bytes
inline constexpr Gp kInner = asmjit::x86::r8, kEnd = asmjit::x86::r9, kRow = asmjit::x86::rbp;

// Where things are on the stack, in bytes from rsp, which is 64-byte aligned.
class Frame {
 public:
  int word() { return take(8, 8); }
  int words(int n) { return take(8 * n, 8); }
  int block(int bytes) { return take(bytes, 64); }
  int size() const { return (size_ + 63) & ~63; }

 private:
  int take(int bytes, int alignment) {
    size_ = (size_ + alignment - 1) & -alignment;
    size_ += bytes;
    return size_ - bytes;
  }
  int size_ = 3 * 64;  // the first three registers' worth are for operations that go lane by lane
};

class Emitter {
 public:
  Emitter(asmjit::x86::Emitter& a, const Kernel&, const Program&, const Allocation&, Frame&);

  asmjit::x86::Emitter& a;

  void section(int id);  // emits it here; a section may be emitted more than once
  int copies(int section) const { return allocation_.copies[static_cast<size_t>(section)]; }  // steps that it runs side by side
  void set_streaming(std::vector<bool> buffers) { streaming_ = std::move(buffers); }  // whose whole-register stores bypass the caches
  void save_registers();  // those that a System V callee keeps and that are used here
  void load_pinned_literals();
  void data();                      // after the code
  void return_with(uint32_t code);  // undoes the prologue, reports the code if there is one

  // Buffers' current pointers.
  Gp pointer(uint32_t buffer, bool behind = false);    // in its own register, or in rax
  void set_pointer(uint32_t buffer, const Mem& from);  // uses rax
  template <class Amount>                              // a register other than rax, or an immediate
  void advance(uint32_t buffer, const Amount& by) {
    if (pointer_[buffer].reg.isValid()) a.add(pointer_[buffer].reg, by);
    else a.add(word(pointer_[buffer].word), by);
  }
  void advance_by_word(uint32_t buffer, int offset);  // by a stack word; uses rcx

  // Where Memory::behind looks.
  void leave_behind();  // to where the pointers are, before they advance
  void set_behind(uint32_t buffer, const Gp& to);

  static Mem word(int offset) { return asmjit::x86::qword_ptr(asmjit::x86::rsp, offset); }

  // Stack words that shapes and operations share.
  int args = 0, strides_base = 0, level = 0;  // Args*, Args::strides, address of the current level of partial results
  int saved_stack = 0;                        // rsp after the prologue's pushes
  std::vector<int> kept;                      // [slot] where a kept value's elements lie
  std::vector<int> stride;                    // [buffer] inner byte stride, where it is not known
  std::vector<int> index;                     // [dimension]

 private:
  void copies_of(size_t section, int copies);
  void under_mask_of(size_t section, uint8_t mask);
  void step(const Instruction&, const Step&);
  void run(const Instruction&, const Step&);
  void plain(const Instruction&, const Step&, const Encoding&);
  void fused(const Instruction&, const Step&);
  void memory(const Instruction&, const Step&);
  void tail_mask(const Instruction&, const Step&);
  void broadcast(const Instruction&, const Step&);
  void broadcast_if(const Instruction&, const Step&);
  void mask_even_lanes();
  void gather(const Instruction&, const Step&);
  void gather_at(const Instruction&, const Step&);
  void lanes_at(const Instruction&, const Step&);
  void lanes(const Instruction&, const Step&);
  void load_elements(const asmjit::x86::Vec& dst, const asmjit::x86::Vec& temporary, int bytes, int count);
  void store_elements(const asmjit::x86::Vec& src, const asmjit::x86::Vec& temporary, int bytes, int count);
  void divide(const Step&);
  void scalar_conversion(const Instruction&, const Step&);
  void comment(const Instruction&);

  asmjit::OperandSignature signature(int shrink) const;  // of a vector register of the full width divided by that
  asmjit::x86::Vec vec(uint8_t reg, int shrink = 1) const;
  Mem address(const Instruction&, const Step&);           // may use rax, rcx
  void strided_address(const Instruction&, const Step&);  // to rax, the stride to rdx; uses rcx
  Gp move(const Gp&, const Instruction&, const Step&);    // what Memory::moved asks for, in rax; uses rcx
  Mem home(VReg, int element, bool narrow);               // element != 0: a literal is broadcast from memory, if it is not whole
  Mem spill(VReg r) const { return asmjit::x86::ptr(asmjit::x86::rsp, slots_ + allocation_.slot[r] * program_.width()); }
  void load_home(VReg r, uint8_t to);
  bool masks() const { return program_.isa == Isa::avx512; }

  const Kernel& kernel_;
  const Program& program_;
  const Allocation& allocation_;
  struct Pointer {
    Gp reg;        // if there is one
    int word = 0;  // else its stack word
  };
  std::vector<Pointer> pointer_, behind_;  // [buffer]; behind_ is filled for Program::behind alone
  std::vector<Gp> saved_;
  std::vector<int> literal_offset_;
  Label literals_, tail_table_;
  std::vector<bool> streaming_;  // [buffer], or empty
  bool needs_tail_table_ = false;
  int slots_ = 0;
  std::string comment_;
};

}  // namespace kiln::codegen::x64
