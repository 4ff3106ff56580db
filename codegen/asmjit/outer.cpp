#include "codegen/asmjit/loop_steps.h"
#include "codegen/asmjit/shape.h"

namespace kiln::codegen::x64 {

using namespace asmjit::x86;
using asmjit::imm;

namespace {

constexpr int kChunkShift = 12;
static_assert(int64_t{1} << kChunkShift == kChunk);

}  // namespace

Outer::Outer(const Kernel& kernel, Frame& frame, bool chunked) : kernel_(kernel), chunked_(chunked) {
  for (int d = 0; d < kernel.rank - 1; ++d)
    if (d != kernel.reduced_dim()) dims_.push_back(d);
  one_row_ = dims_.empty();
  if (one_row_) return;
  for (int d = 0; d < kernel.rank; ++d) extent_.push_back(frame.word());
  if (!dims_.empty())
    for (size_t j = 0; j < dims_.size(); ++j) steps_.push_back(frame.words(static_cast<int>(kernel.buffers.size())));
  blocks_ = frame.word();
  chunk_ = frame.word();
  chunks_ = frame.word();
  whole_rows_ = frame.word();
}

void Outer::emit(Emitter& e, Shape& shape, Frame& frame, const KernelLoop* loop) {
  auto& a = e.a;
  const Label none = a.newLabel(), again = a.newLabel(), row = a.newLabel(), whole_row = a.newLabel();
  if (loop != nullptr) all_blocks_ = frame.word();
  a.sub(rdx, rsi);  // blocks to run
  a.jle(none);
  prologue(e, frame);
  if (loop != nullptr) a.mov(Emitter::word(all_blocks_), rdx);
  load_arguments(e);
  if (!one_row_) decode_begin(e);
  a.mov(rax, Emitter::word(e.args));
  shape.enter(e);
  e.load_pinned_literals();
  e.section(shape.entry());
  a.bind(again);
  shape.first(e);
  a.bind(row);
  if (!one_row_) begin_row(e);
  a.bind(whole_row);
  shape.row(e);
  if (!dims_.empty()) {
    e.leave_behind();
    next_row(e, row, whole_row);
  }
  shape.last(e);
  shape.leave(e);
  leave(e, loop, again);
  a.bind(none);
  a.xor_(eax, eax);
  a.ret();
  e.data();
}

// At the end of all blocks: out, or to the first one again, with what is computed once a call.
void Outer::leave(Emitter& e, const KernelLoop* loop, const Label& again) {
  if (loop == nullptr) return e.return_with(0);
  auto& a = e.a;
  const Label anew = a.newLabel();
  LoopSteps(*loop, e).emit(anew);
  a.bind(anew);
  a.mov(rdi, Emitter::word(e.args));
  a.xor_(esi, esi);
  a.mov(rdx, Emitter::word(all_blocks_));
  load_arguments(e);
  if (!one_row_) decode_begin(e);
  a.jmp(again);
}

void Outer::prologue(Emitter& e, const Frame& frame) {
  auto& a = e.a;
  e.save_registers();
  a.mov(rax, rsp);
  a.sub(rsp, imm(frame.size()));
  a.and_(rsp, imm(-64));
  a.mov(Emitter::word(e.saved_stack), rax);
}

// rdi: Args, rsi: the first block, rdx: how many.
void Outer::load_arguments(Emitter& e) {
  auto& a = e.a;
  a.mov(Emitter::word(e.args), rdi);
  a.mov(rcx, qword_ptr(rdi, offsetof(Args, extents)));
  if (one_row_ && chunked_) {  // the blocks are neighbours in it
    a.mov(kInner, rsi);
    a.lea(kEnd, ptr(rsi, rdx));
    a.mov(rax, qword_ptr(rcx, 8 * (kernel_.rank - 1)));
    to_elements(e, rax);
  } else if (!one_row_) {
    a.mov(Emitter::word(blocks_), rdx);
    a.mov(Emitter::word(chunk_), rsi);  // until it is decoded
    for (int d = 0; d < kernel_.rank; ++d) {
      a.mov(rax, qword_ptr(rcx, 8 * d));
      a.mov(Emitter::word(extent_[static_cast<size_t>(d)]), rax);
    }
    if (chunked_) {
      a.add(rax, imm(kChunk - 1));
      a.shr(rax, imm(kChunkShift));
      a.mov(Emitter::word(chunks_), rax);
    }
  }
  a.mov(rcx, qword_ptr(rdi, offsetof(Args, strides)));
  a.mov(Emitter::word(e.strides_base), rcx);
  for (uint32_t b = 0; b < kernel_.buffers.size(); ++b) {
    if (kernel_.buffers[b].inner != Stride::any) continue;
    a.mov(rax, qword_ptr(rcx, stride_offset(b, kernel_.rank - 1)));
    a.mov(Emitter::word(e.stride[b]), rax);
  }
  precompute_steps(e);
  a.mov(rdi, qword_ptr(rdi, offsetof(Args, pointers)));
  for (uint32_t b = 0; b < kernel_.buffers.size(); ++b) e.set_pointer(b, qword_ptr(rdi, static_cast<int>(8 * b)));
}

// When dimension j advances, those inside it go back to 0: stride_j - sum over inner d of (extent_d - 1) stride_d. rcx: Args::strides.
void Outer::precompute_steps(Emitter& e) {
  auto& a = e.a;
  for (uint32_t b = 0; b < kernel_.buffers.size() && !dims_.empty(); ++b) {
    a.xor_(edx, edx);  // the inner sum
    for (size_t j = dims_.size(); j-- > 0;) {
      a.mov(rax, qword_ptr(rcx, stride_offset(b, dims_[j])));
      if (j + 1 == dims_.size()) {
        a.mov(Emitter::word(steps_[j] + static_cast<int>(8 * b)), rax);
      } else {
        a.mov(rsi, rax);
        a.sub(rsi, rdx);
        a.mov(Emitter::word(steps_[j] + static_cast<int>(8 * b)), rsi);
      }
      if (j == 0) break;
      a.mov(rsi, Emitter::word(extent_[static_cast<size_t>(dims_[j])]));
      a.dec(rsi);
      a.imul(rax, rsi);
      a.add(rdx, rax);
    }
  }
}

void Outer::decode_begin(Emitter& e) {
  auto& a = e.a;
  const Label at_zero = a.newLabel(), decoded = a.newLabel();
  a.mov(rax, Emitter::word(chunk_));
  a.test(rax, rax);
  a.jz(at_zero);
  if (chunked_) {
    a.xor_(edx, edx);
    a.div(Emitter::word(chunks_));
    a.mov(Emitter::word(chunk_), rdx);
  }
  for (size_t j = dims_.size(); j-- > 0;) {
    const int d = dims_[j];
    a.xor_(edx, edx);
    a.div(Emitter::word(extent_[static_cast<size_t>(d)]));
    a.mov(Emitter::word(e.index[static_cast<size_t>(d)]), rdx);
    a.mov(rsi, Emitter::word(e.strides_base));
    for (uint32_t b = 0; b < kernel_.buffers.size(); ++b) {
      a.mov(rcx, rdx);
      a.imul(rcx, qword_ptr(rsi, stride_offset(b, d)));
      e.advance(b, rcx);
    }
  }
  a.jmp(decoded);
  a.bind(at_zero);
  for (int d : dims_) a.mov(Emitter::word(e.index[static_cast<size_t>(d)]), rax);
  a.bind(decoded);
}

void Outer::begin_row(Emitter& e) {
  auto& a = e.a;
  const Gp last = rcx, take = rax, left = rdx;
  if (!chunked_) {
    a.dec(Emitter::word(blocks_));
    if (!dims_.empty()) count_whole_rows(e);
    return;
  }
  // Blocks of this row that the call has: they are neighbours, so that they run as one stretch.
  a.mov(kInner, Emitter::word(chunk_));
  a.mov(take, Emitter::word(chunks_));
  a.mov(left, Emitter::word(blocks_));
  a.sub(take, kInner);
  a.cmp(take, left);
  a.cmovg(take, left);
  a.sub(Emitter::word(blocks_), take);
  a.lea(kEnd, ptr(kInner, take));
  a.mov(last, Emitter::word(extent_.back()));
  to_elements(e, last);
  if (!dims_.empty()) count_whole_rows(e);
}

// kInner and kEnd, from blocks of a row that has so many elements.
void Outer::to_elements(Emitter& e, const Gp& extent) {
  auto& a = e.a;
  a.shl(kInner, imm(kChunkShift));
  a.shl(kEnd, imm(kChunkShift));
  a.cmp(kEnd, extent);
  a.cmovg(kEnd, extent);
}

// Rows that follow this one up to the end of the innermost outer dimension and are one block each: they begin and end as this one does.
void Outer::count_whole_rows(Emitter& e) {
  auto& a = e.a;
  const Label counted = a.newLabel();
  const auto d = static_cast<size_t>(dims_.back());
  a.xor_(eax, eax);
  if (chunked_) {
    a.cmp(Emitter::word(chunks_), imm(1));
    a.jne(counted);
  }
  a.mov(rax, Emitter::word(extent_[d]));
  a.sub(rax, Emitter::word(e.index[d]));
  a.dec(rax);
  a.cmp(rax, Emitter::word(blocks_));
  a.cmovg(rax, Emitter::word(blocks_));
  a.sub(Emitter::word(blocks_), rax);
  a.bind(counted);
  a.mov(Emitter::word(whole_rows_), rax);
}

void Outer::advance(Emitter& e, size_t j) {
  for (uint32_t b = 0; b < kernel_.buffers.size(); ++b) e.advance_by_word(b, steps_[j] + static_cast<int>(8 * b));
}

void Outer::next_row(Emitter& e, const Label& row, const Label& whole_row) {
  auto& a = e.a;
  const Label other = a.newLabel(), done = a.newLabel();
  a.dec(Emitter::word(whole_rows_));
  a.js(other);
  if (chunked_) a.xor_(kInner.r32(), kInner.r32());
  a.inc(Emitter::word(e.index[static_cast<size_t>(dims_.back())]));
  advance(e, dims_.size() - 1);
  a.jmp(whole_row);
  a.bind(other);
  a.cmp(Emitter::word(blocks_), imm(0));
  a.jle(done);
  if (chunked_) a.mov(Emitter::word(chunk_), imm(0));
  for (size_t j = dims_.size(); j-- > 0;) {
    const Label wraps = a.newLabel();
    const auto d = static_cast<size_t>(dims_[j]);
    a.mov(rax, Emitter::word(e.index[d]));
    a.inc(rax);
    if (j > 0) {
      a.cmp(rax, Emitter::word(extent_[d]));
      a.jge(wraps);
    }
    a.mov(Emitter::word(e.index[d]), rax);
    advance(e, j);
    a.jmp(row);
    if (j > 0) {
      a.bind(wraps);
      a.mov(Emitter::word(e.index[d]), imm(0));
    }
  }
  a.bind(done);
}

}  // namespace kiln::codegen::x64
