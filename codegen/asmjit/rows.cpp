// Reductions of the last dimension but one: columns stay apart, several registers of them going down the rows together; what is left
// of the columns goes one masked register at a time.
#include <algorithm>

#include "codegen/asmjit/partials.h"
#include "codegen/asmjit/shape.h"

namespace kiln::codegen::x64 {
namespace {

using namespace asmjit::x86;
using asmjit::imm;

// Each row lies in another page, where the hardware's prefetching starts anew: lines are asked for this many rows ahead. (The sum of 4096 rows of 1024
// f32 on two cores of Zen 4, the rows off the lines' boundaries: 164 us eight registers wide, 128 us sixteen wide, 118 us with prefetching.)
constexpr int kRowsAhead = 2;

class RowReduction final : public Shape {
 public:
  using Shape::Shape;

  bool chunked() const override { return true; }

  void lower() override {
    lower_entry();
    const int first = static_cast<int>(program().sections.size());
    whole_.groups = choose_groups();
    lower_sweep(whole_, false);
    lower_sweep(rest_, true);
    program().loops.push_back({first, static_cast<int>(program().sections.size()) - 1});
  }

  void reserve(Frame& frame) override {
    extent_ = frame.word();
    block_end_ = frame.word();
    for (const Buffer& b : kernel_.buffers) stride_.push_back(b.reduced != Stride::zero ? frame.word() : 0);
    if (level_bytes_ > 0) partials_.reserve(frame, level_bytes_);
  }

  void enter(Emitter& e) override {
    e.a.mov(rcx, Emitter::word(e.strides_base));
    for (uint32_t b = 0; b < kernel_.buffers.size(); ++b) {
      if (kernel_.buffers[b].reduced == Stride::zero) continue;
      e.a.mov(rax, qword_ptr(rcx, static_cast<int>(8 * (b * kernel_.rank + kernel_.rank - 2))));
      e.a.mov(Emitter::word(stride_[b]), rax);
    }
  }

  void row(Emitter& e) override {
    auto& a = e.a;
    const Label next = a.newLabel(), rest = a.newLabel(), done = a.newLabel();
    const int columns = whole_.groups * vectors_.lanes();
    emit_reduced_extent(e);
    a.mov(Emitter::word(extent_), rax);
    a.bind(next);
    a.lea(rax, ptr(kInner, columns));
    a.cmp(rax, kEnd);
    a.jg(rest);
    sweep(e, whole_);
    a.add(kInner, imm(columns));
    a.jmp(next);
    a.bind(rest);
    a.cmp(kInner, kEnd);
    a.jge(done);
    sweep(e, rest_);
    a.add(kInner, imm(vectors_.lanes()));
    a.jmp(rest);
    a.bind(done);
  }

 private:
  struct Pass {
    bool loops = false, reduces = false;
    int once = -1, begin = -1, body = -1;
    Partials::Sections partial{};
    std::vector<uint32_t> moving;  // buffers whose pointers go down the rows
    std::vector<uint32_t> ahead;   // those of them whose elements are worth asking for ahead
  };
  struct Sweep {
    int groups = 1;
    int mask = -1;  // section that makes the mask, or none
    std::vector<Pass> passes;
  };

  int choose_groups() const {
    int results = 0, operations = 0;  // registers of one group
    for (NodeId id = 0; id < kernel_.nodes.size(); ++id) {
      const int registers = registers_of(kernel_.nodes[id].dtype);
      if (kernel_.nodes[id].kind == NodeKind::reduce) results += registers;
      else if (nodes_.level(id) == Level::step) operations += registers;
    }
    const int room = vector_registers(program().isa) / 2;
    for (int groups : {16, 8, 4, 2})
      if (results * groups <= room && operations * groups <= 64) return groups;
    return 1;
  }

  // -- Lowering

  void lower_sweep(Sweep& sweep, bool masked) {
    const int first = static_cast<int>(program().sections.size());
    VReg mask = kNoReg;
    if (masked) {
      sweep.mask = vectors_.open("columns", 2);
      mask = vectors_.tail_mask(0, vectors_.lanes());
    }
    std::vector<Nodes> groups(static_cast<size_t>(sweep.groups), nodes_);
    for (int g = 0; g < sweep.groups; ++g) groups[static_cast<size_t>(g)].at(g * vectors_.lanes(), mask);
    for (const Schedule::Pass& step : schedule_.steps) lower_pass(step, sweep.passes.emplace_back(), groups);
    program().loops.push_back({first, static_cast<int>(program().sections.size()) - 1});
  }

  void lower_pass(const Schedule::Pass& step, Pass& pass, std::vector<Nodes>& groups) {
    pass.once = vectors_.open("once a pass", 2);
    for (Nodes& nodes : groups)
      for (NodeId id : step.once) nodes.value(id);
    for (Nodes& nodes : groups)
      for (uint32_t s : step.stores_once) nodes.store(kernel_.stores[s]);
    pass.loops = step.loops();
    pass.reduces = !step.reduces.empty();
    if (!pass.loops) return;
    for (NodeId id : step.loop)
      if (reads_memory(kernel_.nodes[id])) add_moving(pass, kernel_.nodes[id].slot);
    for (uint32_t b : pass.moving)
      if (kernel_.buffers[b].inner == Stride::contiguous && !kernel_.buffers[b].gathered) pass.ahead.push_back(b);
    for (uint32_t s : step.stores_loop) add_moving(pass, kernel_.stores[s].buffer);

    std::vector<Lanes> running;  // [group][reduce]
    if (pass.reduces) {
      pass.begin = vectors_.open("block", 3);
      for (size_t g = 0; g < groups.size(); ++g)
        for (NodeId id : step.reduces) {
          const Node& n = kernel_.nodes[id];
          running.push_back(vectors_.fresh(n.dtype));
          vectors_.assign(n.dtype, running.back(), vectors_.constant(n.dtype, identity_bits(n.prim, n.dtype)));
        }
    }
    const auto at = [&](size_t g, size_t j) -> const Lanes& { return running[g * step.reduces.size() + j]; };
    pass.body = vectors_.open("rows", 5);
    for (size_t g = 0; g < groups.size(); ++g) {
      Nodes& nodes = groups[g];
      nodes.forget(Level::step);
      for (NodeId id : step.reduces) nodes.value(kernel_.nodes[id].operands[0]);
      for (uint32_t s : step.stores_loop) nodes.value(kernel_.stores[s].value);
      for (uint32_t s : step.stores_loop) nodes.store(kernel_.stores[s]);
      for (size_t j = 0; j < step.reduces.size(); ++j) {
        const Node& n = kernel_.nodes[step.reduces[j]];
        vectors_.at_node(step.reduces[j]);
        vectors_.accumulate(n.dtype, at(g, j), vectors_.primitive(n.prim, n.dtype, n.dtype, at(g, j), nodes.value(n.operands[0]), {}));
      }
    }
    program().loops.push_back({pass.body, pass.body});
    if (!pass.reduces) return;

    int bytes = 0;
    std::vector<int> offset;
    for (size_t g = 0; g < groups.size(); ++g)
      for (NodeId id : step.reduces) offset.push_back(bytes), bytes += vectors_.partial_bytes(kernel_.nodes[id].dtype);
    level_bytes_ = std::max(level_bytes_, bytes);
    const auto each = [&](auto&& f) {
      for (size_t k = 0; k < running.size(); ++k) f(kernel_.nodes[step.reduces[k % step.reduces.size()]], running[k], offset[k]);
    };
    pass.partial.merge = vectors_.open("merge", 3);
    each([&](const Node& n, const Lanes& r, int at) {
      vectors_.accumulate(n.dtype, r, vectors_.primitive(n.prim, n.dtype, n.dtype, vectors_.load_partial(n.dtype, at), r, {}));
    });
    pass.partial.reload = vectors_.open("reload", 2);
    each([&](const Node& n, const Lanes& r, int at) { vectors_.assign(n.dtype, r, vectors_.load_partial(n.dtype, at)); });
    pass.partial.save = vectors_.open("save", 3);
    each([&](const Node& n, const Lanes& r, int at) { vectors_.store_partial(n.dtype, at, r); });
    program().loops.push_back({pass.begin, pass.partial.save});
    for (size_t g = 0; g < groups.size(); ++g)
      for (size_t j = 0; j < step.reduces.size(); ++j) groups[g].define(step.reduces[j], at(g, j));
  }

  void add_moving(Pass& pass, uint32_t buffer) const {
    if (kernel_.buffers[buffer].reduced == Stride::zero) return;
    if (std::find(pass.moving.begin(), pass.moving.end(), buffer) == pass.moving.end()) pass.moving.push_back(buffer);
  }

  // -- Loops

  void sweep(Emitter& e, const Sweep& sweep) {
    if (sweep.mask >= 0) e.section(sweep.mask);
    const int columns = sweep.mask >= 0 ? 0 : sweep.groups * vectors_.lanes();  // asked for ahead
    for (const Pass& pass : sweep.passes) {
      e.section(pass.once);
      if (!pass.loops) continue;
      e.a.xor_(kRow.r32(), kRow.r32());
      if (pass.reduces) {
        blocks(e, pass, columns);
      } else {
        e.a.mov(rax, Emitter::word(extent_));
        e.a.mov(Emitter::word(block_end_), rax);
        down(e, pass, columns);
      }
      rewind(e, pass);
    }
  }

  void blocks(Emitter& e, const Pass& pass, int columns) {
    auto& a = e.a;
    const Label block = a.newLabel(), push = a.newLabel(), done = a.newLabel();
    partials_.clear(e);
    a.bind(block);
    a.lea(rax, ptr(kRow, static_cast<int>(kRowBlock)));
    a.mov(rcx, Emitter::word(extent_));
    a.cmp(rax, rcx);
    a.cmovg(rax, rcx);
    a.mov(Emitter::word(block_end_), rax);
    e.section(pass.begin);
    down(e, pass, columns);
    a.cmp(kRow, Emitter::word(extent_));
    a.jl(push);
    partials_.skip_if_empty(e, done);  // a single block, or none
    a.bind(push);
    partials_.push(e, pass.partial, 0);
    a.cmp(kRow, Emitter::word(extent_));
    a.jl(block);
    partials_.finish(e, pass.partial);
    a.bind(done);
  }

  // Rows from kRow to the end of the block.
  void down(Emitter& e, const Pass& pass, int columns) {
    auto& a = e.a;
    const Label next = a.newLabel(), end = a.newLabel();
    a.cmp(kRow, Emitter::word(block_end_));
    a.jge(end);
    a.align(asmjit::AlignMode::kCode, 32);
    a.bind(next);
    e.section(pass.body);
    if (columns > 0)
      for (uint32_t b : pass.ahead) ask_ahead(e, b, columns);
    for (uint32_t b : pass.moving) {
      a.mov(rcx, Emitter::word(stride_[b]));
      e.advance(b, rcx);
    }
    a.inc(kRow);
    a.cmp(kRow, Emitter::word(block_end_));
    a.jl(next);
    a.bind(end);
  }

  void ask_ahead(Emitter& e, uint32_t b, int columns) {
    const int size = size_of(kernel_.buffers[b].dtype);
    e.a.imul(rcx, Emitter::word(stride_[b]), imm(kRowsAhead));
    e.a.add(rcx, e.pointer(b));
    e.a.lea(rcx, ptr(rcx, kInner, size == 8 ? 3 : size == 4 ? 2 : 0));
    for (int at = 0; at < columns * size; at += kCacheLine) e.a.prefetcht0(ptr(rcx, at));
  }

  void rewind(Emitter& e, const Pass& pass) {
    auto& a = e.a;
    for (uint32_t b : pass.moving) {
      a.mov(rcx, Emitter::word(stride_[b]));
      a.imul(rcx, Emitter::word(extent_));
      a.neg(rcx);
      e.advance(b, rcx);
    }
  }

  const Schedule schedule_ = schedule(kernel_);
  Sweep whole_, rest_;
  Partials partials_;
  int level_bytes_ = 0, extent_ = 0, block_end_ = 0;
  std::vector<int> stride_;  // [buffer] stack word: bytes from row to row
};

}  // namespace

std::unique_ptr<Shape> rows(const Kernel& kernel, Vectors& vectors) { return std::make_unique<RowReduction>(kernel, vectors); }

}  // namespace kiln::codegen::x64
