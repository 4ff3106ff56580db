// Bodies: one kernel over the broadcast shape. A plan serves every call of the same dtypes and stride classes; extents and strides are filled in.
#include <algorithm>
#include <mutex>

#include "codegen/thread_owned.h"
#include "eager/collapse.h"
#include "eager/compute.h"
#include "eager/flat.h"
#include "eager/plan_cache.h"
#include "eager/promotion.h"

namespace kiln::eager {
namespace {

// Tensors in the drafter's numbering: operand i is tensor i, output j is tensor operands + j.
struct PointwisePlan : CompiledPlan {
  std::vector<DType> scalar_dtypes;  // per operand that is a number
  DType result;                      // of the first output
  PointwisePlan(LoweredKernel k, std::vector<DType> scalars, DType result)
      : CompiledPlan(std::move(k)), scalar_dtypes(std::move(scalars)), result(result) {}
};

PlanCache<PointwisePlan>& plans() {
  static PlanCache<PointwisePlan> plans;
  return plans;
}

// The iteration space of a call: the result's shape, each tensor's byte strides over it.
struct Accesses {
  static constexpr int kMost = 16;
  Dims extents;
  std::array<Dims, kMost> strides;
  std::array<DType, kMost> dtypes;
  std::array<int, kMost> tensor;  // drafter's number
  int count = 0;

  void add(const Tensor& t, int number) {
    check(count < kMost, "a pointwise operator of too many tensors");
    Dims s = Dims::filled(extents.size(), 0);
    const int extra = extents.size() - t.rank();
    for (int d = 0; d < t.rank(); ++d)
      if (t.shape()[d] != 1) s[d + extra] = t.strides()[d] * size_of(t.dtype());
    strides[static_cast<size_t>(count)] = s;
    dtypes[static_cast<size_t>(count)] = t.dtype();
    tensor[static_cast<size_t>(count)] = number;
    ++count;
  }
  size_t of(int number) const { return static_cast<size_t>(std::find(tensor.begin(), tensor.begin() + count, number) - tensor.begin()); }
  void collapse() {
    const std::span<Dims> all(strides.data(), static_cast<size_t>(count));
    if (extents.empty()) {
      extents.push_back(1);
      for (Dims& s : all) s.push_back(0);
    }
    eager::collapse(extents, all, 0, extents.size());
    if (extents.back() != 1) return;
    for (int i = 0; i < count; ++i) all[static_cast<size_t>(i)][extents.size() - 1] = size_of(dtypes[static_cast<size_t>(i)]);
  }
};

PointwisePlan make_plan(const Operator& op, const Arguments& a, std::span<const TensorType> types, const Accesses& accesses, bool logical) {
  std::vector<OperandType> operands;
  for (const Operand& o : a.operands) operands.push_back(type_of(o));
  KernelDraft draft(accesses.extents);
  if (!logical) draft.keep_dimensions();
  std::vector<DType> scalar_dtypes(operands.size());
  const auto element_strides = [&](size_t access) {
    Dims strides = accesses.strides[access];
    for (int64_t& s : strides) s /= size_of(accesses.dtypes[access]);
    return strides;
  };
  EmitContext context{
      .b = draft.b(),
      .inputs = operands,
      .attrs = a.attrs,
      .outputs = types,
      .operand =
          [&](int operand, const IndexMap&) {  // broadcasting is in the strides
            const size_t access = accesses.of(operand);
            return draft.load(operand, accesses.dtypes[access], 0, element_strides(access));
          },
      .scalar =
          [&](int operand, DType dtype) {
            scalar_dtypes[static_cast<size_t>(operand)] = dtype;
            return draft.scalar(operand, dtype);
          },
      .index = [&](const IndexMap&, int axis) { return draft.index(axis); },
  };
  const std::vector<Value> results = emit_pointwise(op, context, IndexMap::identity(types[0].shape.size()));
  for (size_t i = 0; i < results.size(); ++i) {
    const int tensor = static_cast<int>(operands.size() + i);
    const size_t access = accesses.of(tensor);
    draft.store(tensor, accesses.dtypes[access], 0, element_strides(access), results[i]);
  }
  return {std::move(draft).finish(), std::move(scalar_dtypes), types[0].dtype};
}

std::byte* bytes_of(const Arguments& a, const Tensor* outputs, int tensor) {
  const int operands = static_cast<int>(a.operands.size());
  return (tensor < operands ? a.operands[static_cast<size_t>(tensor)].tensor : outputs[tensor - operands]).data();
}

void launch(const PointwisePlan& plan, const Arguments& a, const Accesses& accesses, const Tensor* outputs) {
  const LoweredKernel& k = plan.lowered;
  const int rank = k.kernel.rank;
  std::array<void*, 2 * Accesses::kMost> pointers;
  std::array<int64_t, 2 * Accesses::kMost * codegen::kMaxKernelRank> strides;
  for (size_t b = 0; b < k.buffers.size(); ++b) {
    const int tensor = k.buffers[b].tensor;
    pointers[b] = bytes_of(a, outputs, tensor) + k.buffers[b].byte_offset;
    std::copy_n(accesses.strides[accesses.of(tensor)].begin(), rank, strides.data() + b * static_cast<size_t>(rank));
  }
  std::array<uint64_t, Accesses::kMost> scalars;
  for (size_t s = 0; s < k.scalars.size(); ++s) {
    scalars[s] = k.scalar(s, [&](int number) {
      const auto operand = static_cast<size_t>(number);
      return a.operands[operand].scalar.bits_as(plan.scalar_dtypes[operand]);
    });
  }
  codegen::launch(*plan.compiled, {.pointers = pointers.data(),
                                   .strides = strides.data(),
                                   .extents = accesses.extents.begin(),
                                   .scalars = scalars.data(),
                                   .clip_total = 0,
                                   .scratch = nullptr,
                                   .error = nullptr,
                                   .self = nullptr});
}

// A body that asks where it is, or for the result's shape, keeps its logical dimensions, and its plan is for these very layouts.
void compute_logical(const Operator& op, const Arguments& a, std::span<const TensorType> types, const Tensor* outputs,
                     const Accesses& accesses) {
  PlanKey key(op);
  key.add(a.attrs);
  key.add_layouts(a.operands);
  for (const TensorType& type : types) key.add(type.shape);
  for (size_t i = 0; i < types.size(); ++i) key.add_layout(outputs[i]);
  auto plan = plans().find(key);
  if (!plan) plan = plans().insert(key, make_plan(op, a, types, accesses, true));
  std::vector<std::byte*> tensors;
  std::vector<uint64_t> scalars;
  for (size_t i = 0; i < a.operands.size(); ++i) {
    const Operand& o = a.operands[i];
    tensors.push_back(o.is_tensor() ? o.tensor.data() : nullptr);
    scalars.push_back(o.is_scalar() ? o.scalar.bits_as(plan->scalar_dtypes[i]) : 0);
  }
  for (size_t i = 0; i < types.size(); ++i) tensors.push_back(outputs[i].data());
  run(*plan->compiled, plan->lowered, tensors, scalars);
}

std::shared_ptr<const PointwisePlan> flexible_plan(const Operator& op, const Arguments& a, std::span<const TensorType> types,
                                                   const Accesses& accesses) {
  PlanKey key(op);
  key.add(a.attrs);
  for (const Operand& o : a.operands) key.add_kind(o);
  key.add(static_cast<uint8_t>(accesses.extents.size()));
  for (int i = 0; i < accesses.count; ++i) {
    const auto n = static_cast<size_t>(i);
    const int64_t inner = accesses.strides[n].back();
    key.add(accesses.dtypes[n]);
    key.add(static_cast<uint8_t>(inner == 0 ? 0 : inner == size_of(accesses.dtypes[n]) ? 1 : 2));
  }
  if (auto plan = plans().find(key)) return plan;
  return plans().insert(key, make_plan(op, a, types, accesses, false));
}

// ---- flat calls ---------------------------------------------------------------------------------------------------

// Per thread: what a flat call's plan depends on in one word, and the plan. Plans of flat calls are few (operators by dtypes) and kept.
struct FlatEntry {
  uint64_t key = 0;
  const PointwisePlan* plan = nullptr;
};
constexpr int kFlatBits = 9;
using FlatTable = std::array<FlatEntry, 1 << kFlatBits>;

FlatEntry& flat_entry(const FlatCall& call) { return codegen::thread_owned<FlatTable>()[call.hash() >> (64 - kFlatBits)]; }

void keep_flat(const FlatCall& call, std::shared_ptr<const PointwisePlan> plan) {
  static std::mutex mutex;
  static auto& kept = *std::make_unique<std::unordered_map<uint64_t, std::shared_ptr<const PointwisePlan>>>().release();
  std::lock_guard lock(mutex);
  flat_entry(call) = {call.key, kept.try_emplace(call.key, std::move(plan)).first->second.get()};
}

}  // namespace

bool compute_flat(const Operator& op, std::span<const Operand> operands, Tensor& output) {
  const FlatCall flat = flat_call(op, operands);
  const FlatEntry& entry = flat_entry(flat);
  if (!flat || entry.key != flat.key) return false;
  const int64_t count = flat.first->numel();
  if (count == 0) return false;
  const PointwisePlan& plan = *entry.plan;
  if (!output) output = Tensor::empty(flat.first->shape(), plan.result);
  else if (output.dtype() != plan.result || !same_layout(*flat.first, output)) return false;
  const LoweredKernel& k = plan.lowered;
  std::array<void*, 2 * (kFlatOperands + 1)> pointers;
  std::array<uint64_t, kFlatOperands> scalars;
  for (size_t b = 0; b < k.buffers.size(); ++b) {
    const auto tensor = static_cast<size_t>(k.buffers[b].tensor);
    pointers[b] = (tensor < operands.size() ? operands[tensor].tensor : output).data() + k.buffers[b].byte_offset;
  }
  for (size_t s = 0; s < k.scalars.size(); ++s) {
    const auto operand = static_cast<size_t>(k.scalars[s]);
    scalars[s] = operands[operand].scalar.bits_as(plan.scalar_dtypes[operand]);
  }
  // Rank one and contiguous: the plan's own strides hold for any extent.
  codegen::launch(*plan.compiled, {.pointers = pointers.data(),
                                   .strides = k.strides.data(),
                                   .extents = &count,
                                   .scalars = scalars.data(),
                                   .clip_total = 0,
                                   .scratch = nullptr,
                                   .error = nullptr,
                                   .self = nullptr});
  return true;
}

void compute_pointwise(const Operator& op, const Arguments& a, std::span<const TensorType> types, Tensor* outputs) {
  Accesses accesses;
  accesses.extents = types[0].shape;
  for (size_t i = 0; i < types.size(); ++i) make_output(outputs[i], types[i]);
  if (product(accesses.extents) == 0) return;
  int number = 0;
  for (const Operand& o : a.operands) {
    if (o.is_tensor()) accesses.add(o.tensor, number);
    ++number;
  }
  for (size_t i = 0; i < types.size(); ++i) accesses.add(outputs[i], number++);
  if (op.body.takes_context()) return compute_logical(op, a, types, outputs, accesses);
  accesses.collapse();
  const auto plan = flexible_plan(op, a, types, accesses);
  launch(*plan, a, accesses, outputs);

  if (!op.flat || !a.attrs.empty()) return;
  const FlatCall flat = flat_call(op, a.operands);
  if (!flat || flat.first->shape() != types[0].shape || !same_layout(*flat.first, outputs[0])) return;
  if (infer(op, a)[0].dtype == types[0].dtype) keep_flat(flat, plan);  // not one that casts to what a write in place wants
}

const Operator& assignment() {
  static const Operator op = [] {
    Operator o;
    o.name = "assignment";
    o.parameters = {unpromoted(any("source"))};
    o.body = [](Builder&, Value source) { return source; };
    o.result = ResultType::given;  // the destination's
    o.gradient = [](GradContext& c) { return Tensors{c.grad()}; };
    o.id = ~0u;
    return o;
  }();
  return op;
}

void copy_into(const Tensor& destination, const Operand& source) {
  const TensorType type{destination.dtype(), destination.shape()};
  static const Attrs none;
  Tensor output = destination;
  compute_pointwise(assignment(), {{&source, 1}, none}, {&type, 1}, &output);
}

Tensor dense(const Tensor& t, DType dtype) {
  if (t.dtype() == dtype && t.is_contiguous()) return t;
  Tensor copy = Tensor::empty(t.shape(), dtype);
  copy_into(copy, t);
  return copy;
}

}  // namespace kiln::eager
