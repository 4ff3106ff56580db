#include "codegen/asmjit/emitter.h"

#include <bit>

#include "codegen/asmjit/copies.h"
#include "codegen/error.h"

namespace kiln::codegen::x64 {
namespace {

using namespace asmjit::x86;
using asmjit::imm;
using asmjit::InstId;
using asmjit::Operand;

constexpr Gp kPointers[] = {r10, r11, r12, r13, r14, r15, rbx, rbp};  // the last is kRow where rows are reduced
constexpr int kNarrow = 4;                                            // AVX-512's registers divided by this are the shortest
constexpr size_t kFree = 2;                                           // the first so many a System V callee may overwrite

}  // namespace

Emitter::Emitter(asmjit::x86::Emitter& to, const Kernel& kernel, const Program& program, const Allocation& allocation, Frame& frame)
    : a(to), kernel_(kernel), program_(program), allocation_(allocation) {
  args = frame.word();
  strides_base = frame.word();
  level = frame.word();
  saved_stack = frame.word();
  index.resize(kernel.rank);
  for (int& word : index) word = frame.word();
  const size_t registers = std::size(kPointers) - (kernel.reduction == Reduction::rows ? 1 : 0);
  size_t taken = 0;
  const auto place = [&] { return taken < registers ? Pointer{kPointers[taken++]} : Pointer{Gp(), frame.word()}; };
  for (const Buffer& b : kernel.buffers) {
    pointer_.push_back(place());
    stride.push_back(b.inner == Stride::any ? frame.word() : 0);
  }
  behind_.resize(program.behind.empty() ? 0 : kernel.buffers.size());
  for (uint32_t b : program.behind) behind_[b] = place();
  for (size_t r = kFree; r < taken; ++r) saved_.push_back(kPointers[r]);
  if (kernel.reduction == Reduction::rows) saved_.push_back(kRow);
  slots_ = frame.block(allocation.slots * program.width());
  literals_ = a.newLabel();
  tail_table_ = a.newLabel();
  int at = 0;
  for (const Constant& c : program.constants) {
    at = (at + c.bytes - 1) & -static_cast<int>(c.bytes);
    literal_offset_.push_back(at);
    at += c.bytes;
  }
}

Gp Emitter::pointer(uint32_t buffer, bool behind) {
  const Pointer& p = behind ? behind_[buffer] : pointer_[buffer];
  if (p.reg.isValid()) return p.reg;
  a.mov(rax, word(p.word));
  return rax;
}

void Emitter::set_pointer(uint32_t buffer, const Mem& from) {
  const Pointer& p = pointer_[buffer];
  const Gp to = p.reg.isValid() ? p.reg : Gp(rax);
  a.mov(to, from);
  if (!p.reg.isValid()) a.mov(word(p.word), rax);
}

void Emitter::leave_behind() {
  for (uint32_t b : program_.behind) set_behind(b, pointer(b));
}

void Emitter::set_behind(uint32_t buffer, const Gp& to) {
  if (behind_[buffer].reg.isValid()) a.mov(behind_[buffer].reg, to);
  else a.mov(word(behind_[buffer].word), to);
}

void Emitter::advance_by_word(uint32_t buffer, int offset) {
  const Pointer& p = pointer_[buffer];
  if (p.reg.isValid()) return void(a.add(p.reg, word(offset)));
  a.mov(rcx, word(offset));
  a.add(word(p.word), rcx);
}

// -- Operands ---------------------------------------------------------------------------------------------------------------------------

asmjit::OperandSignature Emitter::signature(int shrink) const {
  const int bytes = program_.width() >> std::countr_zero(static_cast<unsigned>(shrink));
  return asmjit::OperandSignature{bytes == 64 ? Zmm::kSignature : bytes == 32 ? Ymm::kSignature : Xmm::kSignature};
}

Vec Emitter::vec(uint8_t reg, int shrink) const { return Vec(signature(shrink), reg); }

Mem Emitter::address(const Instruction& i, const Step& s) {
  const Memory& m = i.memory;
  switch (m.place) {
    case Place::element: {
      const uint32_t shift = static_cast<uint32_t>(std::countr_zero(m.scale));
      return ptr(move(pointer(m.index, m.behind), i, s), kInner, shift, m.offset * m.scale);
    }
    case Place::uniform: return ptr(move(pointer(m.index, m.behind), i, s));
    case Place::scalar:
      a.mov(rax, word(args));
      a.mov(rax, qword_ptr(rax, offsetof(Args, scalars)));
      return ptr(rax, 8 * m.index);
    case Place::stride: return word(stride[m.index]);
    case Place::outer: return word(index[m.index]);
    case Place::kept: a.mov(rax, word(kept[m.index])); return ptr(rax, kInner, m.scale == 8 ? 3 : 2, m.offset * m.scale);
    case Place::partial: a.mov(rax, word(level)); return ptr(rax, m.offset);
    case Place::none:
    case Place::strided:
    case Place::inner: break;
  }
  fail(ErrorCode::internal, "not a memory operand");
}

Gp Emitter::move(const Gp& from, const Instruction& i, const Step& s) {
  if (!i.memory.moved) return from;
  a.vmovq(rcx, xmm(s.src[static_cast<size_t>(i.sources() - 1)]));
  a.lea(rax, ptr(from, rcx, static_cast<uint32_t>(std::countr_zero(i.memory.scale))));
  return rax;
}

void Emitter::strided_address(const Instruction& i, const Step& s) {
  const Memory& m = i.memory;
  a.lea(rcx, ptr(kInner, m.offset));
  if (m.place == Place::element) {
    a.mov(edx, imm(m.scale));
  } else if (m.place == Place::strided) {
    a.mov(rdx, word(stride[m.index]));
  } else {
    a.xor_(edx, edx);
  }
  a.imul(rcx, rdx);
  const Gp base = pointer(m.index, m.behind);
  if (base.id() != rax.id()) a.mov(rax, base);
  a.add(rax, rcx);
  if (m.moved) move(rax, i, s);
}

Mem Emitter::home(VReg r, int element, bool narrow) {
  if (allocation_.slot[r] >= 0) return spill(r);
  const auto c = static_cast<size_t>(allocation_.literal[r]);
  const Mem at = ptr(literals_, literal_offset_[c]);
  if (program_.constants[c].bytes == program_.width()) return at;
  if (narrow) return element == 8 ? at._1to2() : at._1to4();
  return element == 8 ? at._1to8() : at._1to16();
}

void Emitter::load_home(VReg r, uint8_t to) {
  if (program_.regs[r] == RegClass::mask) {
    a.kmovw(k(to), spill(r));
    return;
  }
  if (allocation_.slot[r] >= 0) {
    a.vmovups(vec(to), spill(r));
    return;
  }
  const auto index = static_cast<size_t>(allocation_.literal[r]);
  const Constant& c = program_.constants[index];
  const Mem at = ptr(literals_, literal_offset_[index]);
  uint64_t bits = 0;
  std::memcpy(&bits, c.data.data(), sizeof bits);
  if (c.bytes == 4 && bits == 0) a.emit(masks() ? Inst::kIdVpxord : Inst::kIdVpxor, vec(to), vec(to), vec(to));
  else if (c.bytes == 4) a.vbroadcastss(vec(to), at);
  else if (c.bytes == 8) a.vbroadcastsd(vec(to), at);
  else a.vmovups(vec(to), at);
}

// -- Sections ---------------------------------------------------------------------------------------------------------------------------

void Emitter::section(int id) {
  const auto s = static_cast<size_t>(id);
  const Section& section = program_.sections[s];
  if (a.logger() != nullptr) a.comment((std::string("  ; ") + section.name).c_str());
  copies_of(s, copies(id));
  if (section.again < 0) return;
  const auto again = static_cast<size_t>(section.again);
  if (section.under == kNoReg) copies_of(again, 1);
  else under_mask_of(again, allocation_.sections[s][0].dst);
}

void Emitter::copies_of(size_t section, int copies) {
  const std::vector<Instruction>& code = program_.sections[section].code;
  const int lanes = program_.lanes();
  for (const Step& first : allocation_.sections[section]) {
    const bool runs = first.kind == Step::Kind::run;
    const Instruction& i = code[runs ? first.index : 0];
    step(i, first);
    if (copies == 1 || first.kind == Step::Kind::load) continue;
    Step next = first;
    Instruction moved = i;
    for (int c = 1; c < copies; ++c) {
      to_next_copy(next);
      move_by(moved, lanes);
      step(moved, next);
    }
  }
}

void Emitter::under_mask_of(size_t section, uint8_t mask) {
  const std::vector<Instruction>& code = program_.sections[section].code;
  for (const Step& s : allocation_.sections[section]) {
    const Instruction& i = code[s.kind == Step::Kind::run ? s.index : 0];
    if (s.kind != Step::Kind::run || !touches_elements(i)) {
      step(i, s);
      continue;
    }
    Step masked = s;
    masked.mask = mask;
    Instruction changed = i;
    changed.op = under_mask(i.op);
    step(changed, masked);
  }
}

void Emitter::step(const Instruction& i, const Step& step) {
  switch (step.kind) {
    case Step::Kind::move: a.vmovaps(vec(step.dst), vec(step.src[0])); return;
    case Step::Kind::load: load_home(step.index, step.dst); return;
    case Step::Kind::store:
      if (program_.regs[step.index] == RegClass::mask) a.kmovw(spill(step.index), k(step.src[0]));
      else a.vmovups(spill(step.index), vec(step.src[0]));
      return;
    case Step::Kind::run:
      comment(i);
      run(i, step);
      return;
  }
}

void Emitter::comment(const Instruction& i) {
  if (a.logger() == nullptr || i.node == kNoNode) return;
  const Node& n = kernel_.nodes[i.node];
  comment_.clear();
  comment_.push_back('%');
  comment_.append(std::to_string(i.node)).push_back(' ');
  switch (n.kind) {
    case NodeKind::constant: comment_ += "constant"; break;
    case NodeKind::scalar: comment_ += "scalar"; break;
    case NodeKind::index: comment_ += "index"; break;
    case NodeKind::load: comment_ += "load"; break;
    case NodeKind::gather: comment_ += "gather"; break;
    case NodeKind::primitive: comment_ += info(n.prim).name; break;
    case NodeKind::reduce: comment_.append("reduce ").append(info(n.prim).name); break;
  }
  comment_.append(1, ' ').append(info(n.dtype).short_name);
  a.setInlineComment(comment_.c_str());
}

void Emitter::run(const Instruction& i, const Step& s) {
  if (const Encoding& e = encoding_of(i.op)) return plain(i, s, e);
  switch (i.op) {
    case Op::fma_ps:
    case Op::fma_pd: return fused(i, s);
    case Op::tail_mask: return tail_mask(i, s);
    case Op::broadcast_general:
    case Op::broadcast_byte:
    case Op::broadcast_word: return broadcast(i, s);
    case Op::broadcast_if: return broadcast_if(i, s);
    case Op::gather_d:
    case Op::gather_q: return gather(i, s);
    case Op::gather_at_d:
    case Op::gather_at_q: return gather_at(i, s);
    case Op::lanes_load_at: return lanes_at(i, s);
    case Op::lanes_load:
    case Op::lanes_store: return lanes(i, s);
    case Op::mask_to_b:
      a.k(k(s.mask)).z();
      a.vmovdqu8(vec(s.dst, 4), vec(s.src[0], 4));
      return;
    case Op::divide_q: return divide(s);
    case Op::scalar_q_to_ps:
    case Op::scalar_ps_to_q:
    case Op::scalar_pd_to_q: return scalar_conversion(i, s);
    default: return memory(i, s);
  }
}

void Emitter::plain(const Instruction& i, const Step& s, const Encoding& e) {
  if (i.op == Op::move) {
    if (s.src[0] == s.dst) return;
    if (program_.regs[i.dst] == RegClass::mask) a.kmovw(k(s.dst), k(s.src[0]));
    else a.vmovaps(vec(s.dst), vec(s.src[0]));
    return;
  }
  const OpInfo& op = info(i.op);
  // Made where they stay, and no more of them than there are: clearing all six takes longer than everything else here.
  asmjit::Operand_ operands[6];
  size_t n = 0;
  const auto add = [&](VReg r, uint8_t at, int shrink) {
    const bool mask = program_.regs[r] == RegClass::mask;
    const auto width = mask ? asmjit::OperandSignature{KReg::kSignature} : signature(i.narrow ? kNarrow : shrink);
    std::construct_at(static_cast<Reg*>(&operands[n++]), width, at);
  };
  add(i.dst, s.dst, op.dst_shrink);
  const int sources = i.sources();
  for (int k = op.tied ? 1 : 0; k < sources; ++k) {
    const bool last = k == sources - 1;
    if (last && s.folded) operands[n++] = home(s.folded_reg, op.element, i.narrow);
    else add(i.src[k], s.src[op.tied ? k - 1 : k], last ? op.last_shrink : op.first_shrink);
  }
  if (i.mask != kNoReg) {
    if (masks()) a.k(k(s.mask));
    else operands[n++] = vec(s.mask);
  }
  if (e.imm != Encoding::kNone) operands[n++] = imm(e.imm == Encoding::kOwn ? i.imm : e.imm);
  a.emitOpArray(masks() ? e.avx512 : e.avx2, operands, n);
}

void Emitter::fused(const Instruction& i, const Step& s) {
  const bool f64 = i.op == Op::fma_pd;
  const InstId id = s.form == Step::Form::addend_replaced    ? (f64 ? Inst::kIdVfmadd231pd : Inst::kIdVfmadd231ps)
                    : s.form == Step::Form::product_replaced ? (f64 ? Inst::kIdVfmadd213pd : Inst::kIdVfmadd213ps)
                                                             : (f64 ? Inst::kIdVfmadd132pd : Inst::kIdVfmadd132ps);
  const auto of = [&](uint8_t reg) { return vec(reg, i.narrow ? kNarrow : 1); };
  if (s.folded) a.emit(id, of(s.dst), of(s.src[0]), home(s.folded_reg, f64 ? 8 : 4, i.narrow));
  else a.emit(id, of(s.dst), of(s.src[0]), of(s.src[1]));
}

void Emitter::memory(const Instruction& i, const Step& s) {
  const Mem at = address(i, s);
  const auto under = [&](bool zeroing) {  // AVX-512: the write mask of the next instruction
    a.k(k(s.mask));
    if (zeroing) a.z();
  };
  switch (i.op) {
    case Op::load: a.vmovups(vec(s.dst), at); return;
    case Op::load_d_masked:
      if (!masks()) return void(a.vmaskmovps(vec(s.dst), vec(s.mask), at));
      under(true);
      a.vmovups(vec(s.dst), at);
      return;
    case Op::load_q_masked:
      if (!masks()) return void(a.vmaskmovpd(vec(s.dst), vec(s.mask), at));
      under(true);
      a.vmovupd(vec(s.dst), at);
      return;
    case Op::load_b: a.vpmovzxbd(vec(s.dst), at); return;
    case Op::load_b_masked:
      under(true);
      a.vpmovzxbd(vec(s.dst), at);
      return;
    case Op::load_w: a.vpmovzxwd(vec(s.dst), at); return;
    case Op::load_w_masked:
      under(true);
      a.vpmovzxwd(vec(s.dst), at);
      return;
    case Op::load_bits_b: a.vmovups(vec(s.dst, 4), at); return;
    case Op::load_bits_b_masked:
      under(true);
      a.vmovdqu8(vec(s.dst, 4), at);
      return;
    case Op::load_broadcast_d: a.vbroadcastss(vec(s.dst), at); return;
    case Op::load_broadcast_q: a.vbroadcastsd(vec(s.dst), at); return;
    case Op::load_mask: a.kmovw(k(s.dst), at); return;
    case Op::store:
      if (i.memory.place == Place::element && !streaming_.empty() && streaming_[i.memory.index]) a.vmovntps(at, vec(s.src[0]));
      else a.vmovups(at, vec(s.src[0]));
      return;
    case Op::store_d_masked:
      if (!masks()) return void(a.vmaskmovps(at, vec(s.mask), vec(s.src[0])));
      under(false);
      a.vmovups(at, vec(s.src[0]));
      return;
    case Op::store_q_masked:
      if (!masks()) return void(a.vmaskmovpd(at, vec(s.mask), vec(s.src[0])));
      under(false);
      a.vmovupd(at, vec(s.src[0]));
      return;
    case Op::store_b:
      if (masks()) a.vmovups(at, xmm(s.src[0]));
      else a.vmovq(at, xmm(s.src[0]));
      return;
    case Op::store_b_masked:
      under(false);
      a.vmovdqu8(at, xmm(s.src[0]));
      return;
    case Op::store_w:
      if (masks()) a.vmovups(at, vec(s.src[0], 2));
      else a.vmovups(at, xmm(s.src[0]));
      return;
    case Op::store_w_masked:
      under(false);
      a.vmovdqu16(at, vec(s.src[0], 2));
      return;
    case Op::store_one:
      if (i.imm == 1) a.vpextrb(at, xmm(s.src[0]), 0);
      else if (i.imm == 2) a.vpextrw(at, xmm(s.src[0]), 0);
      else if (i.imm == 4) a.vmovss(at, xmm(s.src[0]));
      else a.vmovsd(at, xmm(s.src[0]));
      return;
    case Op::store_mask: a.kmovw(at, k(s.src[0])); return;
    default: break;
  }
  fail(ErrorCode::internal, "a machine operation without an encoding");
}

// -- Data -------------------------------------------------------------------------------------------------------------------------------

void Emitter::save_registers() {
  for (const Gp& r : saved_) a.push(r);
}

void Emitter::load_pinned_literals() {
  for (const Constant& c : program_.constants)
    if (allocation_.pinned[c.reg] != kNowhere) load_home(c.reg, allocation_.pinned[c.reg]);
}

void Emitter::return_with(uint32_t code) {
  a.vzeroupper();
  if (code != 0) {
    const Label nowhere = a.newLabel();
    a.mov(rcx, word(args));
    a.mov(rcx, qword_ptr(rcx, offsetof(Args, error)));
    a.test(rcx, rcx);
    a.jz(nowhere);
    a.mov(dword_ptr(rcx), imm(code));
    a.bind(nowhere);
  }
  a.mov(rsp, word(saved_stack));
  for (size_t i = saved_.size(); i-- > 0;) a.pop(saved_[i]);
  if (code != 0) a.mov(eax, imm(code));
  else a.xor_(eax, eax);
  a.ret();
}

void Emitter::data() {
  a.align(asmjit::AlignMode::kData, 64);
  a.bind(literals_);
  int at = 0;
  constexpr uint8_t kZeros[64] = {};
  for (size_t c = 0; c < program_.constants.size(); ++c) {
    const Constant& constant = program_.constants[c];
    if (literal_offset_[c] > at) a.embed(kZeros, static_cast<size_t>(literal_offset_[c] - at));
    a.embed(constant.data.data(), constant.bytes);
    at = literal_offset_[c] + constant.bytes;
  }
  if (!needs_tail_table_) return;
  a.bind(tail_table_);
  uint8_t ones[64];
  std::fill(std::begin(ones), std::end(ones), uint8_t{0xff});
  a.embed(ones, static_cast<size_t>(program_.width()));
  a.embed(kZeros, static_cast<size_t>(program_.width()));
}

}  // namespace kiln::codegen::x64
