#include "python/bindings/replay_frozen_run.h"

#include "codegen/few.h"
#include "python/bindings/replay_reads.h"
#include "tracer/front_end.h"
#include "tracer/loop_program.h"

namespace kiln::python {

using eager::Tensor;

namespace {

bool has_gradient(const Tensor& t) { return t.impl()->autograd && t.impl()->autograd->grad; }

}  // namespace

bool run_program(const FrozenReplay& f, Registers& registers, tracer::SegmentRecorder& recorder, tracer::FunctionRecord& record) {
  static const eager::Ref<eager::Storage> unseen(new eager::Storage(0));  // for values that are never in memory of their own
  for (const FrozenReplay::Value& v : f.values)
    if (!same_value(registers[v.number], v.value.ptr())) return false;
  Few<eager::Storage*, 32> bound(f.made.size());
  for (const FrozenReplay::Input& in : f.inputs) {
    PyObject* held = registers[in.number];
    if (!is_tensor(held)) return false;
    const Tensor& holder = unwrap(held);
    if (in.gradient && !has_gradient(holder)) return false;
    const Tensor& t = in.gradient ? *holder.autograd().grad : holder;
    eager::Storage& s = t.storage();
    if (!in.layout.is_of(t) || s.bytes() != in.bytes || t.requires_grad() != in.requires_grad) return false;
    if (in.slot == FrozenReplay::kUnused) continue;
    if (s.recorder() != nullptr || s.shared() || (in.owned && !s.owns_memory()) || (s.raw() == nullptr && s.bytes() > 0)) return false;
    if (bound[in.slot] != nullptr && bound[in.slot] != &s) return false;
    bound[in.slot] = &s;
  }
  for (const FrozenReplay::Check& c : f.checks) {
    const Tensor& t = unwrap(registers[f.inputs[c.input].number]);
    if (t.storage().recorder() != nullptr || t.storage().pending_writes()) return false;
    const std::byte* const data = t.storage().raw() + t.offset() * size_of(t.dtype());
    if (!tracer::in_bounds(data, t.dtype(), t.numel(), c.first, c.last)) return false;
  }
  for (const FrozenReplay::Leaf& leaf : f.leaves)
    if (has_gradient(unwrap(registers[leaf.number])) != leaf.had) return false;
  // Two inputs that are one make a difference only where one of them is written.
  for (const FrozenReplay::Input& in : f.inputs) {
    if (in.writes == 0) continue;
    if (!bound[in.slot]->writable()) return false;
    if (std::count(bound.begin(), bound.end(), bound[in.slot]) != 1) return false;
  }
  Few<eager::Ref<eager::Storage>, 4> made_storages;
  Few<std::pair<const FrozenReplay::Output*, Tensor>, 4> outputs;
  for (const FrozenReplay::Output& out : f.outputs) {
    if (out.same_as) continue;
    if (bound[out.slot] == nullptr) {
      made_storages.push_back(eager::Ref<eager::Storage>(new eager::Storage(static_cast<size_t>(f.made[out.slot]))));
      bound[out.slot] = made_storages.back().get();
    }
    eager::Storage* const storage = bound[out.slot];
    outputs.push_back({&out, out.layout.view(eager::Ref(storage))});
    if (out.base) outputs.back().second.impl()->base = eager::Ref<eager::TensorImpl>(out.base->view(eager::Ref(storage)).impl());
  }
  Few<eager::Scalar, 16> scalars;
  if (!f.numbers.empty()) {
    for (const eager::Scalar& s : f.scalars) scalars.push_back(s);
    for (const FrozenReplay::Number& n : f.numbers) {
      const std::optional<eager::Scalar> now = scalar_of(registers[n.number]);
      if (!now || (now->kind == DTypeKind::floating) != n.floating) return false;
      scalars[n.scalar] = *now;
    }
  }
  std::replace(bound.begin(), bound.end(), static_cast<eager::Storage*>(nullptr), unseen.get());
  eager::set_recorder(nullptr);
  bool ran = true;
  try {
    const tracer::Unlocked unlocked(f.program->info().work > tracer::kWorkWorthUnlocking);
    f.program->run({bound, f.numbers.empty() ? std::span<const eager::Scalar>(f.scalars) : std::span<eager::Scalar>(scalars)});
  } catch (const Error&) { ran = false; }
  eager::set_recorder(&recorder);
  if (!ran) return false;
  record.note_run(f.program, eager::FlushReason::function_end, 0);
  for (const FrozenReplay::Input& in : f.inputs)
    for (uint32_t n = 0; n < in.writes; ++n) bound[in.slot]->bump_version();
  for (const FrozenReplay::Output& out : f.outputs)
    if (out.same_as) registers.set(out.number, Py_NewRef(registers[*out.same_as]));
  for (const FrozenReplay::Leaf& leaf : f.leaves)
    if (leaf.loses) eager::set_grad(unwrap(registers[leaf.number]), {});
  for (auto& [out, made] : outputs) {
    if (out->leaf) eager::set_grad(unwrap(registers[*out->leaf]), made);
    if (out->number >= 0) registers.set(out->number, wrap(std::move(made)));
  }
  return true;
}

}  // namespace kiln::python
