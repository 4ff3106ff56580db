#include "python/bindings/replay_frozen.h"

#include <algorithm>

#include "eager/operator.h"
#include "eager/tape.h"
#include "tracer/program_cache.h"

namespace kiln::python {

using eager::Tensor;

FrozenLayout::FrozenLayout(const Tensor& t) : dtype(t.dtype()), shape(t.shape()), strides(t.strides()), offset(t.offset()) {}

FrozenReplay::Settings FrozenReplay::Settings::now() {
  return {eager::grad_enabled(), eager::default_dtype(), codegen::backend_setting(), tracer::ProgramCache::instance().clearings()};
}

FrozenDraft::FrozenDraft(const ReplayTree& tree, const std::vector<int32_t>& path, int32_t after, const FrozenReplay::Settings& settings,
                         const std::function<PyObject*(int32_t)>& look)
    : tree_(tree), look_(look), origins_(static_cast<size_t>(tree.registers())), known_(origins_.size()) {
  frozen_ = std::make_shared<FrozenReplay>();
  frozen_->settings = settings;
  frozen_->after = after;
  bool possible = true;
  for (size_t n = 0; n < path.size() && possible; ++n) possible = sort(tree.at(static_cast<size_t>(path[n])));
  for (int32_t at = after; at >= 0 && possible; at = tree.at(static_cast<size_t>(at)).next) {
    for (const int32_t o : tree.at(static_cast<size_t>(at)).operands)
      if (o >= 0 && origins_[static_cast<size_t>(o)] == Origin::derived) possible = possible && add_output(o);
  }
  if (!possible) frozen_ = nullptr;
}

// Does an instruction still run, or is it part of what the program does? False: the replay cannot be frozen.
bool FrozenDraft::sort(const ReplayInstruction& i) {
  if (i.op == ReplayOp::save_gradients || i.op == ReplayOp::set_attribute || i.op == ReplayOp::loop) return false;
  if (i.op == ReplayOp::arguments) {
    std::fill_n(origins_.begin(), PyLong_AsLong(tree_.constant(i.operands[0])) + PyTuple_GET_SIZE(tree_.constant(i.operands[1])),
                Origin::read);
    frozen_->steps.push_back(&i);
    return true;
  }
  bool derived = false, of_tensors = false;
  for (const int32_t o : i.operands) {
    if (o < 0) continue;
    derived |= origins_[static_cast<size_t>(o)] == Origin::derived;
    of_tensors |= is_tensor(look_(o));
  }
  const bool acts = i.op >= ReplayOp::call;
  const bool gives_tensor = i.result >= 0 && is_tensor(look_(i.result));
  if (derived || (acts && (gives_tensor || i.op == ReplayOp::set_item))) {
    if (i.result >= 0) origins_[static_cast<size_t>(i.result)] = Origin::derived;
    return !acts || add_inputs(i);
  }
  // Lists and tuples of tensors are looked into by operators only.
  if (of_tensors && (i.op == ReplayOp::make_list || i.op == ReplayOp::make_tuple || i.op == ReplayOp::make_dict)) {
    origins_[static_cast<size_t>(i.result)] = Origin::derived;
    return add_inputs(i);
  }
  if (acts && of_tensors && i.op != ReplayOp::get_attribute) return false;  // looks at values
  frozen_->steps.push_back(&i);
  if (i.result >= 0) origins_[static_cast<size_t>(i.result)] = acts ? Origin::number : Origin::read;
  return true;
}

// What a skipped instruction reads of what is not skipped.
bool FrozenDraft::add_inputs(const ReplayInstruction& i) {
  for (const int32_t o : i.operands) {
    if (o < 0 || origins_[static_cast<size_t>(o)] == Origin::derived || known_[static_cast<size_t>(o)]) continue;
    known_[static_cast<size_t>(o)] = true;
    PyObject* held = look_(o);
    if (is_tensor(held)) {
      const Tensor& t = unwrap(held);
      frozen_->inputs.push_back({o, FrozenLayout(t), t.storage().bytes(), t.requires_grad(), FrozenReplay::kUnused, 0});
      input_storages_.push_back(&t.storage());
    } else if (held == Py_None || PyLong_CheckExact(held) || PyFloat_CheckExact(held) || PyBool_Check(held) || PyUnicode_CheckExact(held)) {
      frozen_->values.push_back({o, py::reinterpret_borrow<py::object>(held)});
    } else {
      return false;
    }
  }
  return true;
}

bool FrozenDraft::add_output(int32_t number) {
  if (known_[static_cast<size_t>(number)]) return true;
  known_[static_cast<size_t>(number)] = true;
  PyObject* held = look_(number);
  if (!is_tensor(held)) return false;
  const Tensor& t = unwrap(held);
  if (t.requires_grad()) return false;
  FrozenReplay::Output output{number, std::nullopt, 0, FrozenLayout(t), std::nullopt};
  if (t.impl()->base) {
    const Tensor base(t.impl()->base);
    if (base.requires_grad() || &base.storage() != &t.storage()) return false;
    output.base.emplace(base);
  }
  for (size_t n = 0; n < frozen_->inputs.size(); ++n)
    if (look_(frozen_->inputs[n].number) == held) output.same_as = frozen_->inputs[n].number;
  for (const FrozenReplay::Output& other : frozen_->outputs)
    if (look_(other.number) == held) return false;  // one tensor in two registers
  frozen_->outputs.push_back(output);
  output_storages_.push_back(&t.storage());
  return true;
}

std::shared_ptr<const FrozenReplay> FrozenDraft::finish() {
  if (!frozen_ || !kept.program) return nullptr;
  FrozenReplay& f = *frozen_;
  f.program = kept.program;
  f.scalars = kept.scalars;
  for (uint32_t slot = 0; slot < kept.storages.size(); ++slot) {
    const tracer::KeptSegment::Bound& bound = kept.storages[slot];
    f.made.push_back(bound.leaf ? -1 : bound.bytes);
    bool found = !bound.leaf;
    for (size_t n = 0; n < f.inputs.size(); ++n) {
      if (input_storages_[n] != bound.storage || !bound.leaf) continue;
      found = true;
      f.inputs[n].slot = slot;
      f.inputs[n].writes = bound.writes;
    }
    if (!found) return nullptr;  // a storage that no input brings: an array's, a constant's
  }
  for (size_t n = 0; n < f.outputs.size(); ++n) {
    if (f.outputs[n].same_as) continue;
    const auto at =
        std::find_if(kept.storages.begin(), kept.storages.end(), [&](const auto& b) { return b.storage == output_storages_[n]; });
    if (at == kept.storages.end() || at->leaf) return nullptr;  // a view of an input
    f.outputs[n].slot = static_cast<uint32_t>(at - kept.storages.begin());
  }
  return frozen_;
}

}  // namespace kiln::python
