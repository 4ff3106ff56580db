// Affine operators: a kernel over an iteration space of the operator's own.
#include "eager/compute.h"
#include "eager/plan_cache.h"
#include "eager/promotion.h"

namespace kiln::eager {
namespace {

PlanCache<CompiledPlan>& plans() {
  static PlanCache<CompiledPlan> plans;
  return plans;
}

// Tensors in the drafter's numbering: operands, then outputs.
class EagerAffine final : public AffineContext {
 public:
  EagerAffine(const Arguments& a, std::span<const OperandType> inputs, std::span<const TensorType> types, const Tensor* outputs)
      : arguments_(a), inputs_(inputs), types_(types), outputs_(outputs) {}

  Builder& b() override { return draft_->b(); }
  const Attrs& attrs() const override { return arguments_.attrs; }
  std::span<const OperandType> inputs() const override { return inputs_; }
  std::span<const TensorType> outputs() const override { return types_; }
  void iterate(const Dims& extents) override { draft_.emplace(extents); }
  Value index(int dimension) override { return draft_->index(dimension); }
  Value load(int operand, const IndexMap& at) override {
    const Tensor& t = arguments_.tensor(operand);
    return draft_->load(operand, t.dtype(), at.offset(t.strides()), at.iteration_strides(t.strides()));
  }
  Value load(int operand, const IndexMap& at, Value mask, codegen::Operand otherwise) override {
    const Tensor& t = arguments_.tensor(operand);
    const Value other = otherwise.value ? otherwise.value : b().constant(t.dtype(), otherwise.number);
    return draft_->load(operand, t.dtype(), at.offset(t.strides()), at.iteration_strides(t.strides()), mask, other);
  }
  void store(int output, const IndexMap& at, Value value) override {
    const Tensor& t = outputs_[output];
    draft_->store(static_cast<int>(inputs_.size()) + output, t.dtype(), at.offset(t.strides()), at.iteration_strides(t.strides()),
                  b().cast(value, t.dtype()));
  }
  LoweredKernel finish() && { return std::move(*draft_).finish(); }

 private:
  const Arguments& arguments_;
  std::span<const OperandType> inputs_;
  std::span<const TensorType> types_;
  const Tensor* outputs_;
  std::optional<KernelDraft> draft_;
};

}  // namespace

void compute_affine(const Operator& op, const Arguments& a, std::span<const TensorType> types, Tensor* outputs) {
  bool empty = true;
  for (size_t i = 0; i < types.size(); ++i) empty &= make_output(outputs[i], types[i]).numel() == 0;
  if (empty) return;
  PlanKey key(op);
  key.add(a.attrs);
  key.add_layouts(a.operands);
  for (size_t i = 0; i < types.size(); ++i) key.add_layout(outputs[i]);
  auto plan = plans().find(key);
  if (!plan) {
    std::vector<OperandType> inputs;
    for (const Operand& o : a.operands) inputs.push_back(type_of(o));
    EagerAffine context(a, inputs, types, outputs);
    op.affine(context);
    plan = plans().insert(key, CompiledPlan(std::move(context).finish()));
  }
  std::vector<std::byte*> tensors;
  for (const Operand& o : a.operands) tensors.push_back(o.is_tensor() ? o.tensor.data() : nullptr);
  for (size_t i = 0; i < types.size(); ++i) tensors.push_back(outputs[i].data());
  run(*plan->compiled, plan->lowered, tensors, {});
}

}  // namespace kiln::eager
