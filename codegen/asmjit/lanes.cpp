// Reductions of the last dimension. `lanes`: blocks of kLaneBlock elements fall on kLanes running lanes, which fold in halves; `tree`:
// pairs of neighbours, a whole register of elements at once. Either way the partial results are combined by TREE.
#include <algorithm>
#include <bit>

#include "codegen/asmjit/interleave.h"
#include "codegen/asmjit/keep.h"
#include "codegen/asmjit/partials.h"
#include "codegen/asmjit/shape.h"

namespace kiln::codegen::x64 {
namespace {

using namespace asmjit::x86;
using asmjit::imm;

// The dtype whose registers hold a value in lane form.
DType lane_type(DType t) { return t == DType::Bool ? DType::I32 : t; }

class LaneReduction final : public Shape {
 public:
  using Shape::Shape;

  bool chunked() const override { return false; }

  void lower() override {
    lower_entry();
    kept_ = values_to_keep(kernel_, schedule_);
    const int first = static_cast<int>(program().sections.size());
    for (size_t p = 0; p < schedule_.steps.size(); ++p) lower_pass(p);
    program().loops.push_back({first, static_cast<int>(program().sections.size()) - 1});
  }

  void reserve(Frame& frame) override {
    extent_ = frame.word();
    elements_ = frame.word();
    for (size_t i = 0; i < kept_.size(); ++i) kept_words_.push_back(frame.word());
    if (level_bytes_ > 0) partials_.reserve(frame, level_bytes_);
  }

  // Memory for the kept values of a row. Whole registers are written from any element on, so that there is a step more than the row has.
  void enter(Emitter& e) override {
    if (kept_.empty()) return;
    auto& a = e.a;
    const Label enough = a.newLabel();
    a.mov(rcx, qword_ptr(rax, offsetof(Args, extents)));
    a.mov(rdi, qword_ptr(rcx, 8 * (kernel_.rank - 1)));
    a.add(rdi, imm(2 * kLanes - 1));
    a.and_(rdi, imm(-kLanes));
    a.mov(Emitter::word(elements_), rdi);
    int bytes = 0;
    for (const Kept& k : kept_) bytes += kept_bytes(k);
    a.imul(rdi, rdi, imm(bytes));
    a.push(r10);  // pointers that a callee need not keep
    a.push(r11);
    a.mov(rax, imm(reinterpret_cast<uint64_t>(&scratch_memory)));
    a.call(rax);
    a.pop(r11);
    a.pop(r10);
    a.test(rax, rax);
    a.jnz(enough);
    e.return_with(kKernelOutOfMemory);
    a.bind(enough);
    e.kept = kept_words_;
    for (size_t i = 0; i < kept_.size(); ++i) {
      a.mov(Emitter::word(kept_words_[i]), rax);
      a.imul(rcx, Emitter::word(elements_), imm(kept_bytes(kept_[i])));
      a.add(rax, rcx);
    }
  }

  void row(Emitter& e) override {
    load_extent(e);
    for (const Pass& pass : passes_) {
      e.section(pass.once);
      if (!pass.loops) continue;
      e.a.xor_(kInner.r32(), kInner.r32());
      if (pass.results < 0) {
        e.a.mov(kEnd, Emitter::word(extent_));
        all_steps(e, pass);
        tails(e, pass);
      } else if (kernel_.reduction == Reduction::lanes) {
        blocks(e, pass);
      } else {
        pairs(e, pass);
      }
    }
  }

 private:
  struct Pass {
    bool loops = false;
    int once = -1, empty = -1, begin = -1, wide = -1, steps = -1, fold = -1, results = -1;
    int copies = 0;  // registers in a step of `wide`
    std::vector<int> tails;
    Partials::Sections partial{};
  };

  int kept_bytes(const Kept& k) const { return 4 * registers_of(kernel_.nodes[k.node].dtype); }         // of one element
  int groups() const { return kernel_.reduction == Reduction::lanes ? kLanes / vectors_.lanes() : 1; }  // registers of 32 bits in a step

  // -- Lowering

  void lower_pass(size_t index) {
    present_ = index;
    const Schedule::Pass& step = schedule_.steps[index];
    Pass& pass = passes_.emplace_back();
    pass.once = vectors_.open("once a pass", 1);
    nodes_.at(0, kNoReg);
    for (NodeId id : step.once) nodes_.value(id);
    for (uint32_t s : step.stores_once) nodes_.store(kernel_.stores[s]);
    pass.loops = step.loops();
    if (!pass.loops) return;

    running_.clear();
    lane_.clear();
    if (!step.reduces.empty()) {
      pass.empty = vectors_.open("nothing to reduce", 1);
      for (NodeId id : step.reduces) {
        const Node& n = kernel_.nodes[id];
        running_.push_back(vectors_.fresh(lane_type(n.dtype)));
        vectors_.assign(lane_type(n.dtype), running_.back(), vectors_.lane_form(n.dtype, identity(n)));
      }
    }
    const int from = static_cast<int>(program().sections.size());
    if (kernel_.reduction == Reduction::lanes) lower_lanes(step, pass);
    else lower_tree(step, pass);
    if (step.reduces.empty()) return;
    lower_partials(step, pass);
    program().loops.push_back({from, pass.partial.save});
    pass.results = vectors_.open("results", 1);
    for (size_t j = 0; j < step.reduces.size(); ++j) {
      const DType t = kernel_.nodes[step.reduces[j]].dtype;
      vectors_.at_node(step.reduces[j]);
      nodes_.define(step.reduces[j], vectors_.from_lane_form(t, vectors_.broadcast_first(lane_type(t), running_[j])));
    }
  }

  Lanes identity(const Node& n) { return vectors_.constant(n.dtype, identity_bits(n.prim, n.dtype)); }

  void lower_lanes(const Schedule::Pass& step, Pass& pass) {
    const int width = vectors_.lanes();
    if (!step.reduces.empty()) {
      pass.begin = vectors_.open("block", 2);
      for (int g = 0; g < groups(); ++g)
        for (NodeId id : step.reduces) {
          lane_.push_back(vectors_.fresh(kernel_.nodes[id].dtype));
          vectors_.assign(kernel_.nodes[id].dtype, lane_.back(), identity(kernel_.nodes[id]));
        }
    }
    pass.steps = vectors_.open("steps", 3);
    const int fit = lower_copies(step, pass.steps, groups());
    program().loops.push_back({pass.steps, pass.steps});
    pass.copies = fit / groups() * groups();
    if (pass.copies > groups()) {
      pass.wide = vectors_.open("wide steps", 4);
      lower_copies(step, pass.wide, pass.copies);
      program().loops.push_back({pass.wide, pass.wide});
    }
    for (int g = 0; g < groups(); ++g) {
      pass.tails.push_back(vectors_.open("tail", 2));
      const VReg mask = vectors_.tail_mask(g * width, width);
      evaluate(step, g * width, mask);
      for (size_t j = 0; j < step.reduces.size(); ++j) {
        const Node& n = kernel_.nodes[step.reduces[j]];
        const Lanes& lane = lane_at(step, g, j);
        vectors_.at_node(step.reduces[j]);
        const Lanes combined = vectors_.primitive(n.prim, n.dtype, n.dtype, lane, nodes_.value(n.operands[0]), {});
        vectors_.assign(n.dtype, lane, vectors_.select(n.dtype, mask, combined, lane));
      }
    }
    if (step.reduces.empty()) return;
    pass.fold = vectors_.open("fold lanes", 2);
    for (size_t j = 0; j < step.reduces.size(); ++j) {
      const Node& n = kernel_.nodes[step.reduces[j]];
      vectors_.at_node(step.reduces[j]);
      std::vector<Lanes> parts;
      for (int g = 0; g < groups(); ++g) parts.push_back(vectors_.lane_form(n.dtype, lane_at(step, g, j)));
      for (size_t half = parts.size() / 2; half > 0; half /= 2)
        for (size_t g = 0; g < half; ++g) parts[g] = vectors_.combine_lane_form(n.prim, n.dtype, parts[g], parts[g + half]);
      for (int h = width / 2; h >= 1; h /= 2) parts[0] = combine_distant(n, parts[0], h);
      vectors_.assign(lane_type(n.dtype), running_[j], parts[0]);
    }
  }

  // So many registers of elements, as many side by side as there is room for, which is returned.
  int lower_copies(const Schedule::Pass& step, int section, int copies) {
    auto& code = program().sections[static_cast<size_t>(section)].code;
    const size_t reduces = step.reduces.size();
    int fit = 1;
    for (int first = 0, side = 1; first < copies; first += side) {
      const size_t from = code.size();
      std::vector<Lanes> operands;  // [copy][reduce]
      for (int c = first; c < first + side; ++c) {
        evaluate(step, c * vectors_.lanes(), kNoReg);
        for (NodeId id : step.reduces) operands.push_back(nodes_.value(kernel_.nodes[id].operands[0]));
        if (c > 0) continue;
        fit = copies_that_fit(program(), section);
        side = std::min(static_cast<int>(std::bit_floor(static_cast<unsigned>(fit))), copies);
      }
      interleave(program().sections[static_cast<size_t>(section)], side, from);
      // A lane takes its elements in order.
      for (size_t k = 0; k < operands.size(); ++k) {
        const NodeId id = step.reduces[k % reduces];
        const Node& n = kernel_.nodes[id];
        const Lanes& lane = lane_at(step, (first + static_cast<int>(k / reduces)) % groups(), k % reduces);
        vectors_.at_node(id);
        vectors_.accumulate(n.dtype, lane, vectors_.primitive(n.prim, n.dtype, n.dtype, lane, operands[k], {}));
      }
    }
    return fit;
  }

  void lower_tree(const Schedule::Pass& step, Pass& pass) {
    pass.steps = vectors_.open("steps", 3);
    evaluate(step, 0, kNoReg);
    for (size_t j = 0; j < step.reduces.size(); ++j) {
      const Node& n = kernel_.nodes[step.reduces[j]];
      vectors_.at_node(step.reduces[j]);
      Lanes part = vectors_.lane_form(n.dtype, nodes_.value(n.operands[0]));
      for (int h = 1; h < vectors_.lanes(); h *= 2) part = combine_distant(n, part, h);
      vectors_.assign(lane_type(n.dtype), running_[j], part);
    }
    pass.tails.push_back(vectors_.open("tail", 2));
    // Reductions take what does not fill a register one by one.
    evaluate(step, 0, vectors_.tail_mask(0, step.reduces.empty() ? vectors_.lanes() : 1));
    for (size_t j = 0; j < step.reduces.size(); ++j) {
      const Node& n = kernel_.nodes[step.reduces[j]];
      vectors_.assign(lane_type(n.dtype), running_[j], vectors_.lane_form(n.dtype, nodes_.value(n.operands[0])));
    }
  }

  // Lane i combines with lane i ^ distance; only the lower one counts.
  Lanes combine_distant(const Node& n, const Lanes& part, int distance) {
    return vectors_.combine_lane_form(n.prim, n.dtype, part, vectors_.exchange(lane_type(n.dtype), part, distance));
  }

  void lower_partials(const Schedule::Pass& step, Pass& pass) {
    std::vector<int> offset;
    int bytes = 0;
    for (NodeId id : step.reduces) {
      offset.push_back(bytes);
      bytes += vectors_.partial_bytes(lane_type(kernel_.nodes[id].dtype));
    }
    level_bytes_ = std::max(level_bytes_, bytes);
    pass.partial.merge = vectors_.open("merge", 2);
    for (size_t j = 0; j < step.reduces.size(); ++j) {
      const Node& n = kernel_.nodes[step.reduces[j]];
      const Lanes earlier = vectors_.load_partial(lane_type(n.dtype), offset[j]);
      vectors_.accumulate(lane_type(n.dtype), running_[j], vectors_.combine_lane_form(n.prim, n.dtype, earlier, running_[j]));
    }
    pass.partial.reload = vectors_.open("reload", 1);
    for (size_t j = 0; j < step.reduces.size(); ++j) {
      const DType t = lane_type(kernel_.nodes[step.reduces[j]].dtype);
      vectors_.assign(t, running_[j], vectors_.load_partial(t, offset[j]));
    }
    pass.partial.save = vectors_.open("save", 2);
    for (size_t j = 0; j < step.reduces.size(); ++j)
      vectors_.store_partial(lane_type(kernel_.nodes[step.reduces[j]].dtype), offset[j], running_[j]);
  }

  void evaluate(const Schedule::Pass& step, int offset, VReg mask) {
    nodes_.forget(Level::step);
    nodes_.at(offset, mask);
    for (size_t i = 0; i < kept_.size(); ++i)
      if (std::find(kept_[i].read.begin(), kept_[i].read.end(), present_) != kept_[i].read.end())
        nodes_.define(kept_[i].node, vectors_.load_kept(kernel_.nodes[kept_[i].node].dtype, static_cast<int>(i), offset));
    for (size_t i = 0; i < kept_.size(); ++i)
      if (kept_[i].made == present_)
        vectors_.store_kept(kernel_.nodes[kept_[i].node].dtype, static_cast<int>(i), offset, nodes_.value(kept_[i].node));
    for (NodeId id : step.reduces) nodes_.value(kernel_.nodes[id].operands[0]);
    values_then_stores(step.stores_loop);
  }

  const Lanes& lane_at(const Schedule::Pass& step, int group, size_t j) const {
    return lane_[static_cast<size_t>(group) * step.reduces.size() + j];
  }

  // -- Loops

  void load_extent(Emitter& e) {
    auto& a = e.a;
    emit_reduced_extent(e);
    a.mov(Emitter::word(extent_), rax);
  }

  void all_steps(Emitter& e, const Pass& pass) {
    if (pass.wide >= 0) steps(e, pass.wide, pass.copies);
    steps(e, pass.steps, groups());
  }

  // Whole steps of so many registers, from kInner on.
  void steps(Emitter& e, int section, int registers) {
    auto& a = e.a;
    const Label next = a.newLabel(), rest = a.newLabel();
    const int elements = registers * vectors_.lanes();
    a.lea(rax, ptr(kInner, elements));
    a.cmp(rax, kEnd);
    a.jg(rest);
    a.align(asmjit::AlignMode::kCode, 32);
    a.bind(next);
    e.section(section);
    a.add(kInner, imm(elements));
    a.lea(rax, ptr(kInner, elements));
    a.cmp(rax, kEnd);
    a.jle(next);
    a.bind(rest);
  }

  void tails(Emitter& e, const Pass& pass) {
    auto& a = e.a;
    const Label done = a.newLabel();
    for (size_t g = 0; g < pass.tails.size(); ++g) {
      a.lea(rax, ptr(kInner, static_cast<int>(g) * vectors_.lanes()));
      a.cmp(rax, kEnd);
      a.jge(done);
      e.section(pass.tails[g]);
    }
    a.bind(done);
  }

  void blocks(Emitter& e, const Pass& pass) {
    auto& a = e.a;
    const Label block = a.newLabel(), push = a.newLabel(), some = a.newLabel(), done = a.newLabel();
    partials_.clear(e);
    skip_if_nothing(e, pass, some, done);
    a.bind(some);
    a.bind(block);
    a.lea(kEnd, ptr(kInner, static_cast<int>(kLaneBlock)));
    a.mov(rax, Emitter::word(extent_));
    a.cmp(kEnd, rax);
    a.cmovg(kEnd, rax);
    e.section(pass.begin);
    all_steps(e, pass);
    tails(e, pass);
    e.section(pass.fold);
    a.mov(kInner, kEnd);
    a.cmp(kInner, Emitter::word(extent_));
    a.jl(push);
    partials_.skip_if_empty(e, done);  // a single block
    a.bind(push);
    partials_.push(e, pass.partial, 0);
    a.cmp(kInner, Emitter::word(extent_));
    a.jl(block);
    partials_.finish(e, pass.partial);
    a.bind(done);
    e.section(pass.results);
  }

  void pairs(Emitter& e, const Pass& pass) {
    auto& a = e.a;
    const Label some = a.newLabel(), next = a.newLabel(), singly = a.newLabel(), finish = a.newLabel(), done = a.newLabel();
    const int width = vectors_.lanes();
    partials_.clear(e);
    skip_if_nothing(e, pass, some, done);
    a.bind(some);
    a.mov(kEnd, Emitter::word(extent_));
    a.bind(next);
    a.lea(rax, ptr(kInner, width));
    a.cmp(rax, kEnd);
    a.jg(singly);
    e.section(pass.steps);
    partials_.push(e, pass.partial, std::countr_zero(static_cast<unsigned>(width)));
    a.add(kInner, imm(width));
    a.jmp(next);
    a.bind(singly);
    a.cmp(kInner, kEnd);
    a.jge(finish);
    e.section(pass.tails[0]);
    partials_.push(e, pass.partial, 0);
    a.inc(kInner);
    a.jmp(singly);
    a.bind(finish);
    partials_.finish(e, pass.partial);
    a.bind(done);
    e.section(pass.results);
  }

  void skip_if_nothing(Emitter& e, const Pass& pass, const Label& some, const Label& done) {
    e.a.cmp(Emitter::word(extent_), imm(0));
    e.a.jg(some);
    e.section(pass.empty);
    e.a.jmp(done);
  }

  const Schedule schedule_ = schedule(kernel_);
  std::vector<Pass> passes_;
  std::vector<Lanes> running_, lane_;  // of the present pass: [reduce] in lane form; [group][reduce]
  Partials partials_;
  int level_bytes_ = 0, extent_ = 0, elements_ = 0;
  std::vector<Kept> kept_;
  std::vector<int> kept_words_;  // [kept value]
  size_t present_ = 0;           // the pass being lowered
};

}  // namespace

std::unique_ptr<Shape> lanes(const Kernel& kernel, Vectors& vectors) { return std::make_unique<LaneReduction>(kernel, vectors); }

}  // namespace kiln::codegen::x64
