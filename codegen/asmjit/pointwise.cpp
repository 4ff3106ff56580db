// Kernels without a reduction: rows of elements, in steps of one or several registers, the rest under a mask.
#include <numeric>

#include "codegen/asmjit/shape.h"

namespace kiln::codegen::x64 {
namespace {

class Pointwise final : public Shape {
 public:
  using Shape::Shape;

  bool chunked() const override { return true; }

  void lower() override {
    all_.resize(kernel_.stores.size());
    std::iota(all_.begin(), all_.end(), 0u);
    unroll_ = choose_unroll();
    lower_entry();
    row_ = vectors_.open("row", 1);
    for (const Store& s : kernel_.stores) nodes_.hoist(s.value, Level::row);
    steps_ = body("steps", 3, unroll_);
    one_step_ = unroll_ > 1 ? body("one step", 2, 1) : steps_;
    tail_ = vectors_.open("tail", 1);
    const VReg mask = vectors_.tail_mask(0, vectors_.lanes());
    nodes_.forget(Level::step);
    nodes_.at(0, mask);
    values_then_stores(all_, false);
    program().loops = {{row_, tail_}, {steps_, steps_}, {one_step_, one_step_}};
  }

  void row(Emitter& e) override {
    const Label done = e.a.newLabel();
    e.section(row_);
    loop(e, steps_, unroll_);
    if (unroll_ > 1) loop(e, one_step_, 1);
    e.a.cmp(kInner, kEnd);
    e.a.jge(done);
    e.section(tail_);
    e.a.bind(done);
  }

 private:
  // Steps are independent, so that out-of-order execution overlaps them: unrolling only saves loop overhead, which counts in short bodies.
  int choose_unroll() const {
    int operations = 0;
    for (NodeId id = 0; id < kernel_.nodes.size(); ++id)
      operations += nodes_.level(id) == Level::step ? registers_of(kernel_.nodes[id].dtype) : 0;
    return operations <= 4 ? 4 : operations <= 12 ? 2 : 1;
  }

  int body(const char* name, int depth, int copies) {
    const int id = vectors_.open(name, depth);
    for (int c = 0; c < copies; ++c) {
      nodes_.forget(Level::step);
      nodes_.at(c * vectors_.lanes(), kNoReg);
      values_then_stores(all_, false);
    }
    return id;
  }

  void loop(Emitter& e, int section, int copies) {
    const Label next = e.a.newLabel(), rest = e.a.newLabel();
    const int elements = copies * vectors_.lanes();
    e.a.lea(kScratch[0], asmjit::x86::ptr(kInner, elements));
    e.a.cmp(kScratch[0], kEnd);
    e.a.jg(rest);
    e.a.align(asmjit::AlignMode::kCode, 32);
    e.a.bind(next);
    e.section(section);
    e.a.add(kInner, elements);
    e.a.lea(kScratch[0], asmjit::x86::ptr(kInner, elements));
    e.a.cmp(kScratch[0], kEnd);
    e.a.jle(next);
    e.a.bind(rest);
  }

  std::vector<uint32_t> all_;
  int unroll_ = 1;
  int row_ = 0, steps_ = 0, one_step_ = 0, tail_ = 0;
};

}  // namespace

std::unique_ptr<Shape> pointwise(const Kernel& kernel, const Schedule& schedule, Vectors& vectors) {
  return std::make_unique<Pointwise>(kernel, schedule, vectors);
}

}  // namespace kiln::codegen::x64
