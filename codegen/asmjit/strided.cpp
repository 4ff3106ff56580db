// Elements at a run-time stride, whole registers of them: one move for each, four or two of which fill 128 bits. On Zen 4 a gather of as many
// takes three times as long (docs/tiers.md, "strided f32": 43 instead of 13 us for 100,000), and elements that go through the frame one by one
// take longer still.
#include "codegen/asmjit/emitter.h"

namespace kiln::codegen::x64 {

using namespace asmjit::x86;
using asmjit::imm;

// From rax on, rdx bytes apart; moves rax past them. Uses rcx.
void Emitter::load_elements(const Vec& dst, const Vec& temporary, int bytes, int count) {
  const int group = 16 / bytes;
  if (group == 4) a.lea(rcx, ptr(rdx, rdx, 1));  // three strides
  for (int at = 0; at < count; at += group) {
    const Xmm to = xmm(at == 0 ? dst.id() : temporary.id());
    if (group == 4) {
      a.vmovss(to, dword_ptr(rax));
      a.vinsertps(to, to, dword_ptr(rax, rdx), imm(0x10));
      a.vinsertps(to, to, dword_ptr(rax, rdx, 1), imm(0x20));
      a.vinsertps(to, to, dword_ptr(rax, rcx), imm(0x30));
    } else {
      a.vmovsd(to, qword_ptr(rax));
      a.vmovhpd(to, to, qword_ptr(rax, rdx));
    }
    if (at + group < count) a.lea(rax, ptr(rax, rdx, group == 4 ? 2 : 1));
    if (at == 0) continue;
    a.emit(masks() ? Inst::kIdVinsertf32x4 : Inst::kIdVinsertf128, dst, dst, to, imm(at / group));
  }
}

void Emitter::store_elements(const Vec& src, const Vec& temporary, int bytes, int count) {
  const int group = 16 / bytes;
  if (group == 4) a.lea(rcx, ptr(rdx, rdx, 1));
  for (int at = 0; at < count; at += group) {
    const Xmm from = xmm(at == 0 ? src.id() : temporary.id());
    if (at > 0) a.emit(masks() ? Inst::kIdVextractf32x4 : Inst::kIdVextractf128, from, src, imm(at / group));
    if (group == 4) {
      a.vmovss(dword_ptr(rax), from);
      a.vextractps(dword_ptr(rax, rdx), from, imm(1));
      a.vextractps(dword_ptr(rax, rdx, 1), from, imm(2));
      a.vextractps(dword_ptr(rax, rcx), from, imm(3));
    } else {
      a.vmovsd(qword_ptr(rax), from);
      a.vmovhpd(qword_ptr(rax, rdx), from);
    }
    if (at + group < count) a.lea(rax, ptr(rax, rdx, group == 4 ? 2 : 1));
  }
}

}  // namespace kiln::codegen::x64
