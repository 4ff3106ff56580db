#include "codegen/asmjit/partials.h"

namespace kiln::codegen::x64 {

using namespace asmjit::x86;
using asmjit::imm;

void Partials::reserve(Frame& frame, int level_bytes) {
  level_bytes_ = level_bytes;
  count_ = frame.word();
  rest_ = frame.word();
  base_ = frame.block(kLevels * level_bytes);
}

void Partials::clear(Emitter& e) { e.a.mov(Emitter::word(count_), imm(0)); }

void Partials::skip_if_empty(Emitter& e, const Label& to) {
  e.a.cmp(Emitter::word(count_), imm(0));
  e.a.je(to);
}

void Partials::push(Emitter& e, const Sections& sections, int log2_blocks) {
  auto& a = e.a;
  const Label next = a.newLabel(), save = a.newLabel();
  a.lea(rax, ptr(rsp, base_ + log2_blocks * level_bytes_));
  a.mov(Emitter::word(e.level), rax);
  a.mov(rax, Emitter::word(count_));
  a.add(Emitter::word(count_), imm(1 << log2_blocks));
  if (log2_blocks > 0) a.shr(rax, imm(log2_blocks));
  a.mov(Emitter::word(rest_), rax);
  a.bind(next);  // carry: as in binary addition, each set bit on the way is merged and cleared
  a.test(byte_ptr(rsp, rest_), imm(1));
  a.jz(save);
  e.section(sections.merge);
  a.add(Emitter::word(e.level), imm(level_bytes_));
  a.shr(Emitter::word(rest_), imm(1));
  a.jmp(next);
  a.bind(save);
  e.section(sections.save);
}

void Partials::finish(Emitter& e, const Sections& sections) {
  auto& a = e.a;
  const Label next = a.newLabel(), done = a.newLabel();
  a.mov(rdx, Emitter::word(count_));
  a.tzcnt(rcx, rdx);  // the smallest, which comes last
  a.imul(rax, rcx, imm(level_bytes_));
  a.lea(rax, ptr(rsp, rax, 0, base_));
  a.mov(Emitter::word(e.level), rax);
  a.shrx(rdx, rdx, rcx);
  a.mov(Emitter::word(rest_), rdx);
  e.section(sections.reload);
  a.bind(next);
  a.shr(Emitter::word(rest_), imm(1));
  a.jz(done);
  a.add(Emitter::word(e.level), imm(level_bytes_));
  a.test(byte_ptr(rsp, rest_), imm(1));
  a.jz(next);
  e.section(sections.merge);
  a.jmp(next);
  a.bind(done);
}

}  // namespace kiln::codegen::x64
