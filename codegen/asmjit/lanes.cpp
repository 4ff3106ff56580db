// Reductions of the last dimension. `lanes`: blocks of kLaneBlock elements fall on kLanes running lanes, which fold in halves; `tree`:
// pairs of neighbours, a whole register of elements at once. Either way the partial results are combined by TREE.
// Rows may overlap (overlap.h).
#include <algorithm>
#include <bit>

#include "codegen/asmjit/interleave.h"
#include "codegen/asmjit/keep.h"
#include "codegen/asmjit/overlap.h"
#include "codegen/asmjit/partials.h"
#include "codegen/asmjit/shape.h"

namespace kiln::codegen::x64 {
namespace {

using namespace asmjit::x86;
using asmjit::imm;

// The dtype whose registers hold a value in lane form.
DType lane_type(DType t) { return t == DType::Bool ? DType::I32 : t; }

constexpr int kWidest = 8;  // bytes of an element

bool contains(const auto& list, auto value) { return std::ranges::find(list, value) != list.end(); }

class LaneReduction final : public Shape {
 public:
  using Shape::Shape;

  bool chunked() const override { return false; }

  void lower() override {
    lower_entry();
    kept_ = values_to_keep(kernel_, schedule_);
    const int first = static_cast<int>(program().sections.size());
    if (kernel_.rank > 1) overlap_ = overlap(kernel_, schedule_, kept_, program().isa, nodes_);  // else there is no next row
    if (overlap_) {
      lower_overlapping();
      return;
    }
    for (size_t p = 0; p < schedule_.steps.size(); ++p) lower_loop(lower_once(passes_, p, nodes_), {{p, &nodes_}});
    program().loops.push_back({first, static_cast<int>(program().sections.size()) - 1});
  }

  void reserve(Frame& frame) override {
    extent_ = frame.word();
    elements_ = frame.word();
    for (size_t i = 0; i < kept_.size(); ++i) kept_words_.push_back(frame.word());
    if (overlap_) nowhere_ = frame.word();
    if (level_bytes_ > 0) partials_.reserve(frame, level_bytes_);
  }

  // Memory for the kept values of a row, and for a row that is stored nowhere. Whole registers are written from any element on, so that there is a
  // step more than the row has.
  void enter(Emitter& e) override {
    if (kept_.empty() && !overlap_) return;
    auto& a = e.a;
    const Label enough = a.newLabel();
    a.mov(rcx, qword_ptr(rax, offsetof(Args, extents)));
    a.mov(rdi, qword_ptr(rcx, 8 * (kernel_.rank - 1)));
    a.add(rdi, imm(2 * kLanes - 1));
    a.and_(rdi, imm(-kLanes));
    a.mov(Emitter::word(elements_), rdi);
    int bytes = 0;
    for (const Kept& k : kept_) bytes += kept_bytes(k);
    if (overlap_) bytes += kWidest;
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
    if (overlap_) a.mov(Emitter::word(nowhere_), rax);
  }

  // Before its first row a call has none: what would be stored there goes nowhere, what would be loaded is this row's.
  void first(Emitter& e) override {
    for (uint32_t b : program().behind) {
      const bool stored = contains(overlap_->stored, b);
      if (stored) e.a.mov(rax, Emitter::word(nowhere_));
      e.set_behind(b, stored ? Gp(rax) : e.pointer(b));
    }
  }

  void row(Emitter& e) override {
    load_extent(e);
    run(e, passes_);
  }

  void last(Emitter& e) override { run(e, last_row_); }

 private:
  // What one loop does for one row: what a pass says, with the values that the nodes have there.
  struct Part {
    size_t pass;
    Nodes* nodes;
    bool behind = false;  // is that the row that the walk has left
  };
  struct Reduce {
    NodeId id;
    Nodes* nodes;
  };
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

  Pass& lower_once(std::vector<Pass>& passes, size_t index, Nodes& nodes) {
    Pass& pass = passes.emplace_back();
    pass.once = vectors_.open("once a pass", 1);
    nodes.at(0, kNoReg);
    for (NodeId id : schedule_.steps[index].once) nodes.value(id);
    for (uint32_t s : schedule_.steps[index].stores_once) nodes.store(kernel_.stores[s]);
    return pass;
  }

  void lower_overlapping() {
    const size_t last = overlap_->last;
    // What is carried from a row to the next has registers of its own, which the walk's first row finds filled with zeros.
    Nodes behind = nodes_;
    std::vector<Lanes> carried;
    for (NodeId id : overlap_->carried) {
      const DType t = kernel_.nodes[id].dtype;
      carried.push_back(vectors_.fresh(t));
      vectors_.assign(t, carried.back(), vectors_.constant(t, 0));
      behind.define(id, carried.back());
    }
    Nodes last_row = behind;

    const int first = static_cast<int>(program().sections.size());
    for (size_t p = 0; p + 1 < last; ++p) lower_loop(lower_once(passes_, p, nodes_), {{p, &nodes_}});
    lower_loop(lower_once(passes_, last - 1, nodes_), {{last, &behind, true}, {last - 1, &nodes_}});
    lower_after_last(passes_, behind);
    lower_once(passes_, last, nodes_);
    for (size_t i = 0; i < carried.size(); ++i) {
      const NodeId id = overlap_->carried[i];
      vectors_.assign(kernel_.nodes[id].dtype, carried[i], nodes_.value(id));
    }
    program().loops.push_back({first, static_cast<int>(program().sections.size()) - 1});

    lower_loop(last_row_.emplace_back(), {{last, &last_row, true}});
    lower_after_last(last_row_, last_row);
  }

  // The passes after that of a row's last loop.
  void lower_after_last(std::vector<Pass>& passes, Nodes& behind) {
    vectors_.behind(true);
    for (size_t p = overlap_->last + 1; p < schedule_.steps.size(); ++p) lower_once(passes, p, behind);
    vectors_.behind(false);
  }

  // One loop for all parts.
  void lower_loop(Pass& pass, std::vector<Part> parts) {
    parts_ = std::move(parts);
    for (const Part& part : parts_) pass.loops = pass.loops || schedule_.steps[part.pass].loops();
    if (!pass.loops) return;
    reduces_.clear();
    for (const Part& part : parts_)
      for (NodeId id : schedule_.steps[part.pass].reduces) reduces_.push_back({id, part.nodes});
    running_.clear();
    lane_.clear();
    if (!reduces_.empty()) {
      pass.empty = vectors_.open("nothing to reduce", 1);
      for (const Reduce& r : reduces_) {
        const Node& n = kernel_.nodes[r.id];
        running_.push_back(vectors_.fresh(lane_type(n.dtype)));
        vectors_.assign(lane_type(n.dtype), running_.back(), vectors_.lane_form(n.dtype, identity(n)));
      }
    }
    const int from = static_cast<int>(program().sections.size());
    if (kernel_.reduction == Reduction::lanes) lower_lanes(pass);
    else lower_tree(pass);
    if (reduces_.empty()) return;
    lower_partials(pass);
    program().loops.push_back({from, pass.partial.save});
    pass.results = vectors_.open("results", 1);
    for (size_t j = 0; j < reduces_.size(); ++j) {
      const DType t = reduced(j).dtype;
      vectors_.at_node(reduces_[j].id);
      vectors_.alike(reduces_[j].nodes->alike(reduces_[j].id));
      reduces_[j].nodes->define(reduces_[j].id, vectors_.from_lane_form(t, vectors_.broadcast_first(lane_type(t), running_[j])));
      vectors_.alike(Alike::none);
    }
  }

  const Node& reduced(size_t j) const { return kernel_.nodes[reduces_[j].id]; }
  const Lanes& operand(size_t j) { return reduces_[j].nodes->value(reduced(j).operands[0]); }

  Lanes identity(const Node& n) { return vectors_.constant(n.dtype, identity_bits(n.prim, n.dtype)); }

  void lower_lanes(Pass& pass) {
    const int width = vectors_.lanes();
    if (!reduces_.empty()) {
      pass.begin = vectors_.open("block", 2);
      for (int g = 0; g < groups(); ++g)
        for (size_t j = 0; j < reduces_.size(); ++j) {
          lane_.push_back(vectors_.fresh(reduced(j).dtype));
          vectors_.assign(reduced(j).dtype, lane_.back(), identity(reduced(j)));
        }
    }
    pass.steps = vectors_.open("steps", 3);
    const int fit = lower_copies(pass.steps, groups());
    program().loops.push_back({pass.steps, pass.steps});
    pass.copies = fit / groups() * groups();
    if (pass.copies > groups()) {
      pass.wide = vectors_.open("wide steps", 4);
      lower_copies(pass.wide, pass.copies);
      program().loops.push_back({pass.wide, pass.wide});
    }
    for (int g = 0; g < groups(); ++g) {
      pass.tails.push_back(vectors_.open("tail", 2));
      const VReg mask = vectors_.tail_mask(g * width, width);
      evaluate(g * width, mask);
      for (size_t j = 0; j < reduces_.size(); ++j) {
        const Node& n = reduced(j);
        const Lanes& lane = lane_at(g, j);
        vectors_.at_node(reduces_[j].id);
        const Lanes combined = vectors_.primitive(n.prim, n.dtype, n.dtype, lane, operand(j), {});
        vectors_.assign(n.dtype, lane, vectors_.select(n.dtype, mask, combined, lane));
      }
    }
    if (reduces_.empty()) return;
    pass.fold = vectors_.open("fold lanes", 2);
    for (size_t j = 0; j < reduces_.size(); ++j) {
      const Node& n = reduced(j);
      vectors_.at_node(reduces_[j].id);
      std::vector<Lanes> parts;
      for (int g = 0; g < groups(); ++g) parts.push_back(vectors_.lane_form(n.dtype, lane_at(g, j)));
      for (size_t half = parts.size() / 2; half > 0; half /= 2)
        for (size_t g = 0; g < half; ++g) parts[g] = vectors_.combine_lane_form(n.prim, n.dtype, parts[g], parts[g + half]);
      for (int h = width / 2; h >= 1; h /= 2) parts[0] = combine_distant(n, parts[0], h);
      vectors_.assign(lane_type(n.dtype), running_[j], parts[0]);
    }
  }

  // So many registers of elements, as many side by side as there is room for, which is returned.
  int lower_copies(int section, int copies) {
    auto& code = program().sections[static_cast<size_t>(section)].code;
    int fit = 1;
    for (int first = 0, side = 1; first < copies; first += side) {
      const size_t from = code.size();
      std::vector<Lanes> operands;  // [copy][reduce]
      for (int c = first; c < first + side; ++c) {
        evaluate(c * vectors_.lanes(), kNoReg);
        for (size_t j = 0; j < reduces_.size(); ++j) operands.push_back(operand(j));
        if (c > 0) continue;
        fit = copies_that_fit(program(), section);
        side = std::min(static_cast<int>(std::bit_floor(static_cast<unsigned>(fit))), copies);
        if (parts_.size() == 2) side = std::min(side, 2);  // each has a step of either part: four
      }
      interleave(program().sections[static_cast<size_t>(section)], side, from);
      // A lane takes its elements in order.
      for (size_t k = 0; k < operands.size(); ++k) {
        const size_t j = k % reduces_.size();
        const Node& n = reduced(j);
        const Lanes& lane = lane_at((first + static_cast<int>(k / reduces_.size())) % groups(), j);
        vectors_.at_node(reduces_[j].id);
        vectors_.accumulate(n.dtype, lane, vectors_.primitive(n.prim, n.dtype, n.dtype, lane, operands[k], {}));
      }
    }
    return fit;
  }

  void lower_tree(Pass& pass) {
    pass.steps = vectors_.open("steps", 3);
    evaluate(0, kNoReg);
    for (size_t j = 0; j < reduces_.size(); ++j) {
      const Node& n = reduced(j);
      vectors_.at_node(reduces_[j].id);
      Lanes part = vectors_.lane_form(n.dtype, operand(j));
      for (int h = 1; h < vectors_.lanes(); h *= 2) part = combine_distant(n, part, h);
      vectors_.assign(lane_type(n.dtype), running_[j], part);
    }
    pass.tails.push_back(vectors_.open("tail", 2));
    // Reductions take what does not fill a register one by one.
    evaluate(0, vectors_.tail_mask(0, reduces_.empty() ? vectors_.lanes() : 1));
    for (size_t j = 0; j < reduces_.size(); ++j) {
      const DType t = reduced(j).dtype;
      vectors_.assign(lane_type(t), running_[j], vectors_.lane_form(t, operand(j)));
    }
  }

  // Lane i combines with lane i ^ distance; only the lower one counts.
  Lanes combine_distant(const Node& n, const Lanes& part, int distance) {
    return vectors_.combine_lane_form(n.prim, n.dtype, part, vectors_.exchange(lane_type(n.dtype), part, distance));
  }

  void lower_partials(Pass& pass) {
    std::vector<int> offset;
    int bytes = 0;
    for (size_t j = 0; j < reduces_.size(); ++j) {
      offset.push_back(bytes);
      bytes += vectors_.partial_bytes(lane_type(reduced(j).dtype));
    }
    level_bytes_ = std::max(level_bytes_, bytes);
    pass.partial.merge = vectors_.open("merge", 2);
    for (size_t j = 0; j < reduces_.size(); ++j) {
      const Node& n = reduced(j);
      const Lanes earlier = vectors_.load_partial(lane_type(n.dtype), offset[j]);
      vectors_.accumulate(lane_type(n.dtype), running_[j], vectors_.combine_lane_form(n.prim, n.dtype, earlier, running_[j]));
    }
    pass.partial.reload = vectors_.open("reload", 1);
    for (size_t j = 0; j < reduces_.size(); ++j) {
      const DType t = lane_type(reduced(j).dtype);
      vectors_.assign(t, running_[j], vectors_.load_partial(t, offset[j]));
    }
    pass.partial.save = vectors_.open("save", 2);
    for (size_t j = 0; j < reduces_.size(); ++j) vectors_.store_partial(lane_type(reduced(j).dtype), offset[j], running_[j]);
  }

  void evaluate(int offset, VReg mask) {
    Section& section = program().sections.back();
    size_t begin = section.code.size(), middle = begin;
    for (const Part& part : parts_) {
      const Schedule::Pass& step = schedule_.steps[part.pass];
      Nodes& nodes = *part.nodes;
      middle = section.code.size();
      nodes.forget(Level::step);
      nodes.at(offset, mask);
      vectors_.behind(part.behind);
      for (size_t i = 0; i < kept_.size(); ++i)
        if (contains(kept_[i].read, part.pass))
          nodes.define(kept_[i].node, vectors_.load_kept(kernel_.nodes[kept_[i].node].dtype, static_cast<int>(i), offset));
      if (&part == &parts_[0]) begin = section.code.size();  // the next part keeps other values there
      for (size_t i = 0; i < kept_.size(); ++i)
        if (kept_[i].made == part.pass)
          vectors_.store_kept(kernel_.nodes[kept_[i].node].dtype, static_cast<int>(i), offset, nodes.value(kept_[i].node));
      for (NodeId id : step.reduces) nodes.value(kernel_.nodes[id].operands[0]);
      values_then_stores(nodes, step.stores_loop);
    }
    vectors_.behind(false);
    if (parts_.size() == 2) riffle(section, begin, middle);
  }

  const Lanes& lane_at(int group, size_t j) const { return lane_[static_cast<size_t>(group) * reduces_.size() + j]; }

  // -- Loops

  void load_extent(Emitter& e) {
    auto& a = e.a;
    emit_reduced_extent(e);
    a.mov(Emitter::word(extent_), rax);
  }

  void run(Emitter& e, const std::vector<Pass>& passes) {
    for (const Pass& pass : passes) {
      if (pass.once >= 0) e.section(pass.once);
      if (pass.loops) loop(e, pass);
    }
  }

  void loop(Emitter& e, const Pass& pass) {
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
  std::vector<Kept> kept_;
  std::vector<int> kept_words_;  // [kept value]
  Partials partials_;
  int level_bytes_ = 0, extent_ = 0, elements_ = 0;

  // Of the loop being lowered.
  std::vector<Part> parts_;
  std::vector<Reduce> reduces_;
  std::vector<Lanes> running_, lane_;  // [reduce] in lane form; [group][reduce]

  std::optional<Overlap> overlap_;
  std::vector<Pass> last_row_;  // what is left to do of a call's last row
  int nowhere_ = 0;             // stack word: where the last pass stores before it has a row
};

}  // namespace

std::unique_ptr<Shape> lanes(const Kernel& kernel, Vectors& vectors) { return std::make_unique<LaneReduction>(kernel, vectors); }

}  // namespace kiln::codegen::x64
