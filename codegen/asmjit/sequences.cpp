// The machine operations that take several instructions: masks of partial steps, broadcasts, gathers, and what AVX leaves to be done lane by
// lane. All work in rax, rcx, rdx, rsi, rdi and the frame's first three registers' worth.
#include "codegen/asmjit/emitter.h"

namespace kiln::codegen::x64 {

using namespace asmjit::x86;
using asmjit::imm;

void Emitter::tail_mask(const Instruction& i, const Step& s) {
  a.mov(rax, kEnd);
  a.sub(rax, kInner);
  if (i.memory.offset != 0) {
    a.xor_(ecx, ecx);
    a.sub(rax, imm(i.memory.offset));
    a.cmovs(rax, rcx);
  }
  a.mov(ecx, imm(i.imm));
  a.cmp(rax, rcx);
  a.cmovg(rax, rcx);
  if (masks()) {
    a.mov(ecx, imm(-1));
    a.bzhi(ecx, ecx, eax);
    a.kmovw(k(s.dst), ecx);
    return;
  }
  needs_tail_table_ = true;  // lanes() times -1, then as many zeros
  a.neg(rax);
  a.lea(rcx, ptr(tail_table_, program_.width()));
  a.vmovups(vec(s.dst), ptr(rcx, rax, 2));
}

void Emitter::broadcast(const Instruction& i, const Step& s) {
  if (i.op == Op::broadcast_byte || i.op == Op::broadcast_word) {
    Mem at = address(i, s);
    at.setSize(i.op == Op::broadcast_byte ? 1 : 2);
    a.movzx(eax, at);
    if (masks()) return void(a.vpbroadcastd(vec(s.dst), eax));
    a.vmovd(xmm(s.dst), eax);
    a.vpbroadcastd(vec(s.dst), xmm(s.dst));
    return;
  }
  const bool row = i.memory.place == Place::outer && kernel_.reduction == Reduction::rows && i.memory.index == kernel_.reduced_dim();
  if (i.memory.place != Place::inner && !row) {
    a.vpbroadcastq(vec(s.dst), address(i, s));
    return;
  }
  if (row) a.mov(rax, kRow);
  else a.lea(rax, ptr(kInner, i.memory.offset));
  if (masks()) return void(a.vpbroadcastq(vec(s.dst), rax));
  a.vmovq(xmm(s.dst), rax);
  a.vpbroadcastq(vec(s.dst), xmm(s.dst));
}

void Emitter::broadcast_if(const Instruction& i, const Step& s) {
  const Label none = a.newLabel();
  a.emit(masks() ? Inst::kIdVpxord : Inst::kIdVpxor, vec(s.dst), vec(s.dst), vec(s.dst));
  if (masks()) a.kortestw(k(s.mask), k(s.mask));
  else a.vptest(vec(s.mask), vec(s.mask));
  a.jz(none);
  Instruction load = i;
  load.op = i.imm == 8 ? Op::load_broadcast_q : i.imm == 4 ? Op::load_broadcast_d : i.imm == 2 ? Op::broadcast_word : Op::broadcast_byte;
  if (i.imm < 4) broadcast(load, s);
  else memory(load, s);
  a.bind(none);
}

namespace {

// Elements of 4 bytes at every other place, as pooling reads and writes rows of pixels, are whole registers with every second lane masked: a third of
// the time of gathering them one by one.
constexpr int kEveryOther = 2 * 4;  // bytes
constexpr int kEvenLanes = 0x5555;  // of 16

}  // namespace

// The mask in ecx's lowest 8 bits, for every second of 16 lanes, to k1. Uses edi and esi.
void Emitter::mask_even_lanes() {
  a.mov(esi, imm(kEvenLanes));
  a.pdep(edi, ecx, esi);
  a.kmovw(k1, edi);
}

void Emitter::gather(const Instruction& i, const Step& s) {
  const bool wide = i.op == Op::gather_q;
  const Vec dst = vec(s.dst, wide ? 1 : 2), offsets = vec(s.src[0]), temporary = vec(s.temporary, wide ? 1 : 2);
  strided_address(i, s);
  const Label done = a.newLabel();
  if (masks() && !wide) {
    const Label any = a.newLabel();
    a.cmp(rdx, imm(kEveryOther));
    a.jne(any);
    if (i.mask == kNoReg) a.mov(ecx, imm(0xff));
    else a.kmovw(ecx, k(s.mask));
    mask_even_lanes();
    a.k(k1).z().vmovups(vec(s.dst), ptr(rax));
    a.vpmovqd(dst.as<Ymm>(), vec(s.dst).as<Zmm>());
    a.jmp(done);
    a.bind(any);
  }
  if (i.mask == kNoReg) {
    load_elements(dst, temporary, wide ? 8 : 4, program_.width() / 8);
    a.bind(done);
    return;
  }
  a.emit(masks() ? Inst::kIdVpxord : Inst::kIdVpxor, dst, dst, dst);
  const Mem at = ptr(rax, offsets);
  if (masks()) {  // the gather clears its mask
    a.kmovw(k1, k(s.mask));
    a.k(k1);
    a.emit(wide ? Inst::kIdVgatherqpd : Inst::kIdVgatherqps, dst, at);
    a.bind(done);
    return;
  }
  a.vmovaps(temporary, vec(s.mask, wide ? 1 : 2));
  a.emit(wide ? Inst::kIdVgatherqpd : Inst::kIdVgatherqps, dst, at, temporary);
}

// Each element at an offset of its own.
void Emitter::gather_at(const Instruction& i, const Step& s) {
  const bool wide = i.op == Op::gather_at_q;
  const Vec dst = vec(s.dst, wide ? 1 : 2), temporary = vec(s.temporary, wide ? 1 : 2);
  strided_address(i, s);
  const Mem at = ptr(rax, vec(s.src[0]), i.imm);
  a.emit(masks() ? Inst::kIdVpxord : Inst::kIdVpxor, dst, dst, dst);
  if (masks()) {  // the gather clears its mask
    if (i.mask == kNoReg) a.kxnorw(k1, k1, k1);
    else a.kmovw(k1, k(s.mask));
    a.k(k1);
    a.emit(wide ? Inst::kIdVgatherqpd : Inst::kIdVgatherqps, dst, at);
    return;
  }
  if (i.mask == kNoReg) a.emit(Inst::kIdVpcmpeqd, temporary, temporary, temporary);
  else a.vmovaps(temporary, vec(s.mask, wide ? 1 : 2));
  a.emit(wide ? Inst::kIdVgatherqpd : Inst::kIdVgatherqps, dst, at, temporary);
}

// Likewise, for what no gather instruction reads: elements of one or two bytes, to 32-bit lanes.
void Emitter::lanes_at(const Instruction& i, const Step& s) {
  const int count = program_.width() / 8, bytes = i.memory.scale;
  const Vec dst = vec(s.dst, 2);
  const Label next = a.newLabel(), skip = a.newLabel();
  strided_address(i, s);
  a.vmovups(ptr(rsp, 64), vec(s.src[0]));
  a.emit(masks() ? Inst::kIdVpxord : Inst::kIdVpxor, dst, dst, dst);
  a.vmovups(ptr(rsp), dst);
  if (i.mask == kNoReg) {
    a.mov(ecx, imm((1 << count) - 1));
  } else if (masks()) {
    a.kmovw(ecx, k(s.mask));
    a.movzx(ecx, cl);
  } else {
    a.vmovmskps(ecx, vec(s.mask, 2));
  }
  a.xor_(esi, esi);
  a.bind(next);
  a.test(cl, imm(1));
  a.jz(skip);
  a.mov(rdi, qword_ptr(rsp, rsi, 3, 64));
  Mem at = ptr(rax, rdi, i.imm);
  at.setSize(static_cast<uint32_t>(bytes));
  a.movzx(edi, at);
  a.mov(dword_ptr(rsp, rsi, 2), edi);
  a.bind(skip);
  a.inc(esi);
  a.shr(ecx, 1);
  a.jnz(next);
  a.vmovups(dst, ptr(rsp));
}

// One element after the other, between memory and the frame's scratch.
void Emitter::lanes(const Instruction& i, const Step& s) {
  const bool loads = i.op == Op::lanes_load;
  const int bytes = i.imm;
  const int lane_bytes = bytes == 8 ? 8 : 4;
  const int count = program_.width() / lane_bytes;
  if (!loads) {
    a.vmovups(ptr(rsp), vec(s.src[0]));
  } else if (i.mask != kNoReg) {
    a.emit(masks() ? Inst::kIdVpxord : Inst::kIdVpxor, vec(s.dst), vec(s.dst), vec(s.dst));
    a.vmovups(ptr(rsp), vec(s.dst));
  }
  strided_address(i, s);
  if (i.mask == kNoReg) {
    a.mov(ecx, imm((1 << count) - 1));
  } else if (masks()) {
    a.kmovw(ecx, k(s.mask));
    if (bytes == 8) a.movzx(ecx, cl);
  } else if (bytes == 8) {
    a.vmovmskpd(ecx, vec(s.mask));
  } else {
    a.vmovmskps(ecx, vec(s.mask));
  }
  const Label next = a.newLabel(), skip = a.newLabel(), done = a.newLabel();
  if (!loads && bytes == 4 && masks()) {
    const Label any = a.newLabel();
    a.cmp(rdx, imm(kEveryOther));
    a.jne(any);
    a.vmovups(ptr(rsp, 64), zmm0);  // no register is free
    for (int half = 0; half < 2; ++half) {
      if (half == 1) a.shr(ecx, 8);
      mask_even_lanes();
      a.vpmovzxdq(zmm0, ptr(rsp, 32 * half));
      a.k(k1).vmovups(ptr(rax, 64 * half), zmm0);
    }
    a.vmovups(zmm0, ptr(rsp, 64));
    a.jmp(done);
    a.bind(any);
  }
  if (!loads && i.mask == kNoReg && bytes >= 4) {
    store_elements(vec(s.src[0]), vec(s.temporary), bytes, count);
    a.bind(done);
    return;
  }
  a.mov(rsi, rsp);
  a.bind(next);
  a.test(cl, imm(1));
  a.jz(skip);
  if (loads) {
    if (bytes == 1) a.movzx(edi, byte_ptr(rax));
    else if (bytes == 2) a.movzx(edi, word_ptr(rax));
    else if (bytes == 4) a.mov(edi, dword_ptr(rax));
    else a.mov(rdi, qword_ptr(rax));
    if (bytes == 8) a.mov(qword_ptr(rsi), rdi);
    else a.mov(dword_ptr(rsi), edi);
  } else {
    if (bytes == 8) a.mov(rdi, qword_ptr(rsi));
    else a.mov(edi, dword_ptr(rsi));
    if (bytes == 1) a.mov(byte_ptr(rax), dil);
    else if (bytes == 2) a.mov(word_ptr(rax), di);
    else if (bytes == 4) a.mov(dword_ptr(rax), edi);
    else a.mov(qword_ptr(rax), rdi);
  }
  a.bind(skip);
  a.add(rax, rdx);
  a.add(rsi, imm(lane_bytes));
  a.shr(ecx, 1);
  a.jnz(next);
  a.bind(done);
  if (loads) a.vmovups(vec(s.dst), ptr(rsp));
}

void Emitter::divide(const Step& s) {
  const Label next = a.newLabel(), by_zero = a.newLabel(), by_minus_one = a.newLabel(), done = a.newLabel();
  a.vmovups(ptr(rsp), vec(s.src[0]));
  a.vmovups(ptr(rsp, 64), vec(s.src[1]));
  a.xor_(esi, esi);
  a.bind(next);
  a.mov(rax, qword_ptr(rsp, rsi));
  a.mov(rcx, qword_ptr(rsp, rsi, 0, 64));
  a.test(rcx, rcx);
  a.jz(by_zero);
  a.cmp(rcx, imm(-1));
  a.je(by_minus_one);  // idiv traps on INT_MIN / -1
  a.cqo();
  a.idiv(rcx);
  a.jmp(done);
  a.bind(by_minus_one);
  a.neg(rax);
  a.jmp(done);
  a.bind(by_zero);
  a.xor_(eax, eax);
  a.bind(done);
  a.mov(qword_ptr(rsp, rsi), rax);
  a.add(esi, imm(8));
  a.cmp(esi, imm(program_.width()));
  a.jb(next);
  a.vmovups(vec(s.dst), ptr(rsp));
}

void Emitter::scalar_conversion(const Instruction& i, const Step& s) {
  constexpr int kLanesOfQ = 4;  // AVX2 only
  if (i.op == Op::scalar_q_to_ps) {
    a.vmovups(ptr(rsp), vec(s.src[0]));
    a.vxorps(xmm(s.dst), xmm(s.dst), xmm(s.dst));
    for (int lane = 0; lane < kLanesOfQ; ++lane) {
      a.vcvtsi2ss(xmm(s.dst), xmm(s.dst), qword_ptr(rsp, 8 * lane));
      a.vmovss(dword_ptr(rsp, 64 + 4 * lane), xmm(s.dst));
    }
    a.vmovups(xmm(s.dst), ptr(rsp, 64));
    return;
  }
  const bool f64 = i.op == Op::scalar_pd_to_q;
  a.vmovups(ptr(rsp), vec(s.src[0], f64 ? 1 : 2));
  for (int lane = 0; lane < kLanesOfQ; ++lane) {
    if (f64) a.vcvttsd2si(rax, qword_ptr(rsp, 8 * lane));
    else a.vcvttss2si(rax, dword_ptr(rsp, 4 * lane));
    a.mov(qword_ptr(rsp, 64 + 8 * lane), rax);
  }
  a.vmovups(vec(s.dst), ptr(rsp, 64));
}

}  // namespace kiln::codegen::x64
