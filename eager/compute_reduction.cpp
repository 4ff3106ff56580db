// Reductions: one step (one or two kernels) for each range of adjacent axes, the last range first.
#include "eager/compute.h"
#include "eager/plan_cache.h"
#include "eager/promotion.h"

namespace kiln::eager {
namespace {

// Tensors in the drafter's numbering.
constexpr int kOperand = 0, kResult = 1, kPartials = 2;

struct StepPlan {
  std::vector<CompiledPlan> kernels;  // empty: the operand must be made contiguous first
  TensorType partials;
};

PlanCache<StepPlan>& plans() {
  static PlanCache<StepPlan> plans;
  return plans;
}

StepPlan make_plan(const Operator& op, const Tensor& x, const ReductionShape& step, const Tensor& result) {
  // The result's strides over the operand's dimensions: none along the reduced ones.
  Dims strides = Dims::filled(x.rank(), 0);
  for (int d = 0, r = 0; d < x.rank(); ++d) {
    const bool reduced = d >= step.first && d < step.first + step.count;
    if (!reduced) strides[d] = result.strides()[r];
    if (!reduced || step.keepdims) ++r;
  }
  const DType combined = compute_dtype(result.dtype());  // rounded once, at the end
  const ReductionRequest request{x.shape(), step, *op.reduction, combined, kPartials};
  const auto draft = draft_reduction(
      request, [&](KernelDraft& d) { return d.b().cast(d.load(kOperand, x.dtype(), 0, x.strides()), combined); },
      [&](KernelDraft& d, Value value) { d.store(kResult, result.dtype(), 0, strides, d.b().cast(value, result.dtype())); });
  StepPlan plan;
  if (!draft) return plan;
  for (const LoweredKernel& kernel : draft->kernels) plan.kernels.emplace_back(kernel);
  plan.partials = draft->partials;
  return plan;
}

std::shared_ptr<const StepPlan> plan_for(const Operator& op, const Tensor& x, const ReductionShape& step, const Tensor& result) {
  PlanKey key(op);
  key.add_layout(x);
  for (int n : {step.first, step.count, static_cast<int>(step.keepdims)}) key.add(n);
  key.add_layout(result);
  auto plan = plans().find(key);
  return plan ? plan : plans().insert(key, make_plan(op, x, step, result));
}

void reduce(const Operator& op, const Tensor& x, const ReductionShape& step, const Tensor& result) {
  const auto plan = plan_for(op, x, step, result);
  if (plan->kernels.empty()) return reduce(op, dense(x, x.dtype()), step, result);
  Tensor partials;
  if (plan->kernels.size() > 1) partials = Tensor::empty(plan->partials.shape, plan->partials.dtype);
  std::byte* const tensors[] = {x.data(), result.data(), partials ? partials.data() : nullptr};
  for (const CompiledPlan& kernel : plan->kernels) run(*kernel.compiled, kernel.lowered, tensors, {});
}

// What a reduction over nothing gives; infer() has refused those that give nothing.
Scalar identity(Prim combine) { return Scalar(static_cast<int64_t>(combine == Prim::mul || combine == Prim::bit_and ? 1 : 0)); }

}  // namespace

void compute_reduction(const Operator& op, const Arguments& a, std::span<const TensorType> types, Tensor* outputs) {
  const Tensor& result = make_output(outputs[0], types[0]);
  if (result.numel() == 0) return;
  Tensor x = a.tensor(0);
  if (x.numel() == 0) return copy_into(result, identity(*op.reduction));
  const std::vector<ReductionShape> steps = reduction_steps(x.shape(), a.attrs[0], a.attr<bool>(1));
  if (steps.empty()) return copy_into(result, x);
  for (const ReductionShape& step : steps) {
    const bool last = &step == &steps.back();
    const Tensor into = last ? result : Tensor::empty(reduced_shape(x.shape(), step), compute_dtype(result.dtype()));
    reduce(op, x, step, into);
    x = into;
  }
}

}  // namespace kiln::eager
