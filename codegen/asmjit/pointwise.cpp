// Kernels without a reduction: rows of elements, in steps of one or several registers side by side, the rest under a mask. Outputs that the last-level
// cache cannot hold are stored past it (non-temporally), which saves reading their lines first: the loop is emitted a second time for that.
#include "codegen/asmjit/pointwise.h"

#include <algorithm>
#include <numeric>

#include "codegen/asmjit/copies.h"
#include "codegen/asmjit/interleave.h"
#include "codegen/asmjit/shape.h"
#include "codegen/cpu_cache.h"

namespace kiln::codegen::x64 {
namespace {

using namespace asmjit::x86;
using asmjit::imm;

// Where more is computed on an element, memory keeps up anyway, and streaming costs more than it saves (a GELU of 10 million f32 on two
// cores of Zen 4: 4.4 ms instead of 3.7; a product: 2.1 instead of 2.8).
constexpr int kBandwidthBound = 24;

class Pointwise final : public Shape {
 public:
  using Shape::Shape;

  bool chunked() const override { return true; }

  void lower() override {
    all_.resize(kernel_.stores.size());
    std::iota(all_.begin(), all_.end(), 0u);
    lower_entry();
    row_ = vectors_.open("row", 1);
    nodes_.hoist(Level::row);
    steps_ = vectors_.open("steps", 3);
    nodes_.forget(Level::step);
    nodes_.at(0, kNoReg);
    values_then_stores(nodes_, all_);
    Section& steps = program().sections[static_cast<size_t>(steps_)];
    steps.copies = most_copies(steps.code.size());
    // What is left of several steps runs one by one; under masks, where those cost nothing.
    if (steps.copies > 1 && !vectors_.masks()) {
      one_step_ = vectors_.open("one step", 2);
      program().sections.back().again = steps_;
    }
    tail_ = vectors_.open("tail", 2);
    const VReg mask = vectors_.tail_mask(0, vectors_.lanes());
    if (runs_under_mask(program(), steps_)) {
      program().sections.back().again = steps_;
      program().sections.back().under = mask;
    } else {
      nodes_.forget(Level::step);
      nodes_.at(0, mask);
      values_then_stores(nodes_, all_);
    }
    program().loops = {{row_, tail_}, {steps_, steps_}, {tail_, tail_}};
    if (one_step_ >= 0) program().loops.push_back({one_step_, one_step_});
  }

  void reserve(Frame& frame) override { streams_ = frame.word(); }

  // Decides from the extents whether to stream.
  void enter(Emitter& e) override {
    find_streamed();
    if (streamed_bytes_ == 0) return;
    auto& a = e.a;
    a.mov(rcx, qword_ptr(rax, offsetof(Args, extents)));
    a.mov(rax, imm(streamed_bytes_));
    for (int d = 0; d < kernel_.rank; ++d) a.imul(rax, qword_ptr(rcx, 8 * d));
    const int64_t asked = streaming_threshold;
    a.mov(rcx, imm(asked != 0 ? asked : last_level_cache_bytes()));
    a.sub(rax, rcx);
    a.mov(Emitter::word(streams_), rax);  // negative: no
    never_over_what_is_read(e);
  }

  void leave(Emitter& e) override {
    if (streamed_bytes_ == 0) return;
    const Label ordinary = e.a.newLabel();
    e.a.cmp(Emitter::word(streams_), imm(0));
    e.a.jl(ordinary);
    e.a.sfence();  // other threads see streamed stores only after it
    e.a.bind(ordinary);
  }

  void row(Emitter& e) override {
    const Label done = e.a.newLabel(), ordinary = e.a.newLabel(), rest = e.a.newLabel(), tail = e.a.newLabel();
    const int copies = e.copies(steps_);
    e.section(row_);
    if (streamed_bytes_ > 0) {
      skip_unless_streaming(e, ordinary);
      e.set_streaming(streamed_);
      loop(e, steps_, copies);
      e.set_streaming({});
      e.a.jmp(rest);
      e.a.bind(ordinary);
    }
    loop(e, steps_, copies);
    e.a.bind(rest);
    if (one_step_ >= 0 && copies > 1) loop(e, one_step_, 1);
    e.a.bind(tail);
    e.a.cmp(kInner, kEnd);
    e.a.jge(done);
    e.section(tail_);
    if (copies > 1 && one_step_ < 0) {
      e.a.add(kInner, vectors_.lanes());
      e.a.jmp(tail);
    }
    e.a.bind(done);
  }

 private:
  int operations() const {  // registers' worth, in a step
    int n = 0;
    for (NodeId id = 0; id < kernel_.nodes.size(); ++id) n += nodes_.level(id) == Level::step ? registers_of(kernel_.nodes[id].dtype) : 0;
    return n;
  }

  void loop(Emitter& e, int section, int copies) {
    const Label next = e.a.newLabel(), rest = e.a.newLabel();
    const int elements = copies * vectors_.lanes();
    e.a.lea(rax, ptr(kInner, elements));
    e.a.cmp(rax, kEnd);
    e.a.jg(rest);
    e.a.align(asmjit::AlignMode::kCode, 32);
    e.a.bind(next);
    e.section(section);
    e.a.add(kInner, elements);
    e.a.lea(rax, ptr(kInner, elements));
    e.a.cmp(rax, kEnd);
    e.a.jle(next);
    e.a.bind(rest);
  }

  // A line that was just loaded is better stored where it is (m * 0.9 + g of 10 million f32 in place takes
  // 0.6 of the time that it takes out of place; past the caches it took 1.1).
  void never_over_what_is_read(Emitter& e) {
    const Label apart = e.a.newLabel(), same = e.a.newLabel();
    bool any = false;
    for (uint32_t to = 0; to < streamed_.size(); ++to)
      for (uint32_t from = 0; from < streamed_.size(); ++from) {
        if (!streamed_[to] || !loaded_[from] || kernel_.buffers[from].inner != Stride::contiguous) continue;
        e.a.mov(rcx, e.pointer(to));
        e.a.cmp(rcx, e.pointer(from));
        e.a.je(same);
        any = true;
      }
    if (!any) return;
    e.a.jmp(apart);
    e.a.bind(same);
    e.a.mov(Emitter::word(streams_), imm(-1));
    e.a.bind(apart);
  }

  // Outputs in whole registers that are not read as well.
  void find_streamed() {
    streamed_.assign(kernel_.buffers.size(), false);
    if (operations() > kBandwidthBound && streaming_threshold == 0) return;
    loaded_.assign(kernel_.buffers.size(), false);
    for (const Node& n : kernel_.nodes)
      if (n.kind == NodeKind::load) loaded_[n.slot] = true;
    for (const Store& s : kernel_.stores) {
      const Buffer& b = kernel_.buffers[s.buffer];
      if (b.inner != Stride::contiguous || size_of(b.dtype) < 4 || loaded_[s.buffer]) continue;
      streamed_[s.buffer] = true;
      streamed_bytes_ += size_of(b.dtype);
    }
  }

  // Streaming stores need aligned addresses.
  void skip_unless_streaming(Emitter& e, const Label& ordinary) {
    auto& a = e.a;
    a.cmp(Emitter::word(streams_), imm(0));
    a.jl(ordinary);
    a.xor_(ecx, ecx);
    for (uint32_t b = 0; b < streamed_.size(); ++b) {
      if (!streamed_[b]) continue;
      a.lea(rax, ptr(e.pointer(b), kInner, size_of(kernel_.buffers[b].dtype) == 8 ? 3 : 2));
      a.or_(ecx, eax);
    }
    a.test(ecx, imm(program().width() - 1));
    a.jnz(ordinary);
  }

  std::vector<uint32_t> all_;
  std::vector<bool> streamed_, loaded_;  // [buffer]
  int streamed_bytes_ = 0;               // of one element of each
  int streams_ = 0;                      // stack word
  int row_ = 0, steps_ = 0, tail_ = 0;
  int one_step_ = -1;
};

}  // namespace

std::atomic<int64_t> streaming_threshold{0};

std::unique_ptr<Shape> pointwise(const Kernel& kernel, Vectors& vectors) { return std::make_unique<Pointwise>(kernel, vectors); }

}  // namespace kiln::codegen::x64
