// Runs a replay tree: one loop over instructions, one function for each kind.
#include <optional>

#include "codegen/few.h"
#include "python/bindings/replay_frozen_run.h"
#include "python/bindings/replay_loop_draft.h"
#include "python/bindings/replay_loop_merge.h"
#include "python/bindings/replay_reads.h"
#include "python/bindings/tensor_type.h"
#include "tracer/front_end.h"

namespace kiln::python {
namespace {

using eager::Tensor;

// The number protocol by the numbers that byte code has for it (Include/opcode.h: NB_ADD ...).
using Binary = PyObject* (*)(PyObject*, PyObject*);
PyObject* power(PyObject* x, PyObject* y) { return PyNumber_Power(x, y, Py_None); }
PyObject* power_in_place(PyObject* x, PyObject* y) { return PyNumber_InPlacePower(x, y, Py_None); }
constexpr Binary kBinary[] = {PyNumber_Add,
                              PyNumber_And,
                              PyNumber_FloorDivide,
                              PyNumber_Lshift,
                              PyNumber_MatrixMultiply,
                              PyNumber_Multiply,
                              PyNumber_Remainder,
                              PyNumber_Or,
                              power,
                              PyNumber_Rshift,
                              PyNumber_Subtract,
                              PyNumber_TrueDivide,
                              PyNumber_Xor,
                              PyNumber_InPlaceAdd,
                              PyNumber_InPlaceAnd,
                              PyNumber_InPlaceFloorDivide,
                              PyNumber_InPlaceLshift,
                              PyNumber_InPlaceMatrixMultiply,
                              PyNumber_InPlaceMultiply,
                              PyNumber_InPlaceRemainder,
                              PyNumber_InPlaceOr,
                              power_in_place,
                              PyNumber_InPlaceRshift,
                              PyNumber_InPlaceSubtract,
                              PyNumber_InPlaceTrueDivide,
                              PyNumber_InPlaceXor};

PyObject* truth(PyObject* x) {
  const int is = PyObject_IsTrue(x);
  return is < 0 ? nullptr : PyBool_FromLong(is);
}
PyObject* negation(PyObject* x) {
  const int is = PyObject_IsTrue(x);
  return is < 0 ? nullptr : PyBool_FromLong(!is);
}
struct Unary {
  const char* name;
  PyObject* (*function)(PyObject*);
};
constexpr Unary kUnary[] = {{"UNARY_POSITIVE", PyNumber_Positive},
                            {"UNARY_NEGATIVE", PyNumber_Negative},
                            {"UNARY_NOT", negation},
                            {"UNARY_INVERT", PyNumber_Invert},
                            {"TRUTH", truth}};

int planted_fault = -1;  // a ReplayOp

class Run {
 public:
  Run(ReplayTree& tree, PyObject* args, PyObject* kwargs, tracer::SegmentScope& scope)
      : tree_(tree), args_(args), kwargs_(kwargs), scope_(&scope), trial_(*scope.trial()), registers_(tree, tree.registers()) {}
  // Of a part of a recording.
  Run(ReplayTree& tree, int32_t registers, tracer::SegmentRecorder& recorder)
      : tree_(tree), args_(nullptr), kwargs_(nullptr), scope_(nullptr), trial_(recorder), registers_(tree, registers) {}

  ReplayResult go(int32_t root) {
    freezes_ = tree_.may_freeze();
    begin();
    int32_t at = root;
    bool another_way = false;
    while (at >= 0) {
      const ReplayInstruction& i = tree_.at(static_cast<size_t>(at));
      const int32_t number = freezes_ && !committed_ ? number_handed_on(i, look_) : -1;
      const size_t scalars = trial_.recorder().scalars();
      if (step(i) || is_overlooked(i)) {
        if (number >= 0 && trial_.recorder().scalars() == scalars + 1)
          numbers_.push_back({&i, number, scalars, py::reinterpret_borrow<py::object>(registers_[number])});
        if (given_) return {ReplayOutcome::done, given_};
        if (i.op >= ReplayOp::call) leave_other_ways();
        else if (i.otherwise >= 0) other_ways_.emplace_back(i.otherwise, path_.size());
        if (freezes_ && !committed_) path_.push_back(at);
        if (i.op == ReplayOp::commit) after_ = i.next;
        at = i.next;
        continue;
      }
      if (!another_way) failed_ = at;
      if (committed_) return {ReplayOutcome::failed};
      if (interrupted()) return {ReplayOutcome::failed};
      // Another thread may have added a recording that needs more registers than there were when this run began.
      if (!registers_.fit(tree_) || changed_) break;
      at = i.otherwise;
      if (at < 0 && other_ways_.empty() && !first_ways_.empty()) {  // back to before anything was computed
        take_back();
        begin();
        other_ways_.swap(first_ways_);
      }
      if (at < 0 && !other_ways_.empty()) {
        at = other_ways_.back().first;
        path_.resize(std::min(path_.size(), other_ways_.back().second));
        other_ways_.pop_back();
        another_way = true;  // the one that came further says what has changed
      }
    }
    take_back();
    return {ReplayOutcome::refused, nullptr, failed_};
  }

  // The same by a program that is known already. Refused: something is not as it was then.
  ReplayResult go_frozen(const FrozenReplay& f, tracer::FunctionRecord& record) {
    if (f.settings != settings_) return {ReplayOutcome::refused};
    const std::shared_ptr<const Witness> witness = f.witnesses.newest();
    const bool witnessed = witness != nullptr && witness->holds(args_);
    if (witnessed) {
      ++witness->hits;
      for (const Witness::Given& g : witness->given()) registers_.set(g.number, Py_NewRef(g.object));
    } else {
      for (const FrozenReplay::Value& v : f.known) registers_.set(v.number, Py_NewRef(v.value.ptr()));
    }
    for (const ReplayInstruction* i : witnessed ? witness->rest() : f.steps) {
      if (step(*i) || is_overlooked(*i)) continue;
      if (interrupted()) return {ReplayOutcome::failed};
      eager::set_grad_enabled(settings_.grad_enabled);
      return {ReplayOutcome::refused};
    }
    eager::set_grad_enabled(settings_.grad_enabled);
    if (!witnessed) f.witnesses.renew(tree_, f, args_);
    if (!run_program(f, registers_, trial_.recorder(), record)) return {ReplayOutcome::refused};
    for (int32_t at = f.after; at >= 0; at = tree_.at(static_cast<size_t>(at)).next) {
      if (!step(tree_.at(static_cast<size_t>(at)))) return {ReplayOutcome::failed};
      if (given_) break;
    }
    return {ReplayOutcome::done, given_};
  }

  // skip_iterations().
  std::optional<std::vector<py::object>> skip(std::vector<ReplayInstruction>& instructions, const std::map<int32_t, py::object>& held) {
    for (const auto& [number, object] : held) registers_.set(number, Py_NewRef(object.ptr()));
    for (ReplayInstruction& i : instructions) {
      tree_.fix_constants(i);
      if (i.loop == nullptr ? !step(i) && !is_overlooked(i) : !i.loop->computes) {
        interrupted();
        return std::nullopt;
      }
    }
    ReplayLoop& loop = *instructions.back().loop;
    assign(loop.changing, instructions.back().operands);
    bool native = loop.drafts_left > 0 && run_pending();
    while (true) {
      std::optional<bool> ended;
      if (native) ended = run_native(loop, &native);
      const eager::GeneratorState generator = eager::generator_state();
      if (!ended) ended = iterate(loop);
      if (!ended) continue;
      if (PyErr_Occurred() != nullptr) return std::nullopt;
      eager::set_generator_state(generator);
      break;
    }
    std::vector<py::object> changed;
    for (const int32_t r : loop.changing) changed.push_back(py::reinterpret_borrow<py::object>(registers_[r]));
    return changed;
  }

 private:
  void begin() {
    trial_.recorder().set_revocable(true);
    runs_before_ = trial_.recorder().runs();
    if (freezes_) watched_.emplace();
    numbers_.clear();
    gradients_.clear();
    computed_ = false;
  }

  void leave_other_ways() {
    if (!std::exchange(computed_, true)) first_ways_.swap(other_ways_);
    other_ways_.clear();
  }

  void take_back() {
    trial_.take_back();
    for (auto saved = gradients_.rbegin(); saved != gradients_.rend(); ++saved) eager::set_grad(saved->first, saved->second);
  }

  // An interrupt is not something to go on from; any other error is what the recorded program would find for itself.
  bool interrupted() {
    if (PyErr_Occurred() == nullptr) return false;
    if (PyErr_ExceptionMatches(PyExc_Exception)) {
      PyErr_Clear();
      return false;
    }
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    take_back();
    PyErr_Restore(type, value, trace);
    return true;
  }

  bool put(const ReplayInstruction& i, PyObject* made) {
    if (made == nullptr) return false;
    registers_.set(i.result, made);
    return true;
  }
  // With `extra`, what is read is only compared with the last operand.
  bool put_borrowed(const ReplayInstruction& i, PyObject* known) {
    if (i.extra != 0) return known == operand(i, i.operands.size() - 1);
    return known != nullptr && put(i, Py_NewRef(known));
  }
  PyObject* operand(const ReplayInstruction& i, size_t n) const { return registers_[i.operands[n]]; }

  bool step(const ReplayInstruction& i) {
    const auto x = [&](size_t n) { return i.fixed[n] != nullptr ? i.fixed[n] : registers_[i.operands[n]]; };
    switch (i.op) {
      case ReplayOp::arguments: return take_arguments(PyLong_AsSsize_t(x(0)), x(1));
      case ReplayOp::type: return reinterpret_cast<PyObject*>(Py_TYPE(x(0))) == x(1);
      case ReplayOp::same: return x(0) == x(1);
      case ReplayOp::distinct: return x(0) != x(1);
      case ReplayOp::value: return same_value(x(0), x(1));
      case ReplayOp::length: return length_of(x(0)) == PyLong_AsSsize_t(x(1));
      case ReplayOp::keys:  // the order of an OrderedDict is its own, and changes without the dict
        return PyDict_CheckExact(x(0)) ? in_dict(i.seen, x(0), [&] { return has_keys(x(0), x(1)); }) : has_keys(x(0), x(1));
      case ReplayOp::members: return PySet_GET_SIZE(x(0)) == PyTuple_GET_SIZE(x(1)) && iterates_over(x(0), x(1));
      case ReplayOp::no_class_attribute:
        return in_class(i.seen, x(0), [&](PyTypeObject* type) { return _PyType_Lookup(type, x(1)) == nullptr; });
      case ReplayOp::own_class_attribute: return own_class_attribute(x(0), x(1)) == x(2);
      case ReplayOp::no_own_class_attribute: return own_class_attribute(x(0), x(1)) == nullptr;
      case ReplayOp::class_bases: return same_value(reinterpret_cast<PyTypeObject*>(x(0))->tp_bases, x(1));
      case ReplayOp::method:  // a function that was read anew is not the one that was seen
        if (i.fixed[2] == nullptr) return has_method(x(0), x(1), x(2));
        return in_instance(i.seen, x(0), x(1), [&] { return has_method(x(0), x(1), x(2)); });
      case ReplayOp::no_attribute:  // a slot of the class's may be filled without a trace in the instance's dict
        if (_PyType_Lookup(Py_TYPE(x(0)), x(1)) != nullptr) return has_no_attribute(x(0), x(1));
        return in_instance(i.seen, x(0), x(1), [&] { return has_no_attribute(x(0), x(1)); });
      case ReplayOp::no_own_attribute:
        return in_instance(i.seen, x(0), x(1), [&] { return own_value(x(0), x(1)) == nullptr && PyErr_Occurred() == nullptr; });
      case ReplayOp::no_item:
        return in_dict(i.seen, x(0), [&] { return PyDict_GetItemWithError(x(0), x(1)) == nullptr && PyErr_Occurred() == nullptr; });
      case ReplayOp::off_tape: return off_tape(i);
      case ReplayOp::leaf: return unwrap(x(0)).is_leaf() && !eager::has_hooks(unwrap(x(0)));
      case ReplayOp::attribute: return put(i, own_attribute(i.seen, x(0), x(1)));
      case ReplayOp::class_attribute: return put_borrowed(i, class_attribute(i.seen, reinterpret_cast<PyTypeObject*>(x(0)), x(1)));
      case ReplayOp::item: return take_item(i, x(0), PyLong_AsSsize_t(x(1)));
      case ReplayOp::dict_item: return put_borrowed(i, dict_item(i.seen, x(0), x(1)));
      case ReplayOp::cell: return put_borrowed(i, PyCell_GET(x(0)));
      case ReplayOp::code: return put_borrowed(i, PyFunction_GET_CODE(x(0)));
      case ReplayOp::defaults: return put_borrowed(i, or_none(PyFunction_GET_DEFAULTS(x(0))));
      case ReplayOp::keyword_defaults: return put_borrowed(i, or_none(PyFunction_GET_KW_DEFAULTS(x(0))));
      case ReplayOp::closure: return put_borrowed(i, or_none(PyFunction_GET_CLOSURE(x(0))));
      case ReplayOp::receiver: return put_borrowed(i, PyMethod_GET_SELF(x(0)));
      case ReplayOp::function: return put_borrowed(i, PyMethod_GET_FUNCTION(x(0)));
      case ReplayOp::call: return put(i, call(i));
      case ReplayOp::binary: return put(i, kBinary[i.extra](x(0), x(1)));
      case ReplayOp::compare: return put(i, PyObject_RichCompare(x(0), x(1), i.extra));
      case ReplayOp::unary: return put(i, kUnary[i.extra].function(x(0)));
      case ReplayOp::get_item: return put(i, PyObject_GetItem(x(0), x(1)));
      case ReplayOp::set_item: return PyObject_SetItem(x(0), x(1), x(2)) == 0;
      case ReplayOp::get_attribute: return put(i, PyObject_GetAttr(x(0), x(1)));
      case ReplayOp::set_attribute: return set_attribute(x(0), x(1), x(2));
      case ReplayOp::make_tuple: return put(i, sequence(i, PyTuple_New(size(i)), true));
      case ReplayOp::make_list: return put(i, sequence(i, PyList_New(size(i)), false));
      case ReplayOp::make_dict: return put(i, dict(i));
      case ReplayOp::make_slice: return put(i, PySlice_New(x(0), x(1), x(2)));
      case ReplayOp::loop: return loop(i);
      case ReplayOp::back:
      case ReplayOp::leave: break;
      case ReplayOp::save_gradients: save_gradients(); return true;
      case ReplayOp::commit: return commit();
      case ReplayOp::store_cell: return PyCell_Set(x(0), x(1)) == 0;
      case ReplayOp::delete_item: return PyObject_DelItem(x(0), x(1)) == 0;
      case ReplayOp::delete_attribute: return set_attribute(x(0), x(1), nullptr);
      case ReplayOp::give: return give(Py_NewRef(x(0)));
      case ReplayOp::count: break;
    }
    return false;
  }

  // Iterations until one leaves. One that is given up leaves the registers at its beginning.
  bool loop(const ReplayInstruction& i) {
    const std::shared_ptr<ReplayLoop> kept = i.loop;
    ReplayLoop& loop = *kept;
    loop.find_wanted(tree_, i);
    const eager::GeneratorState generator = eager::generator_state();
    assign(loop.changing, i.operands);
    std::optional<bool> left;
    bool native = loop.computes && loop.drafts_left > 0 && run_pending();
    while (!left) {
      if (native) left = run_native(loop, &native);
      if (!left) left = iterate(loop);
    }
    if (*left) return true;
    if (loop.computes) eager::set_generator_state(generator);
    else changed_ = true;
    return false;
  }

  // One by its instructions: none, there is another one.
  std::optional<bool> iterate(const ReplayLoop& loop) {
    int32_t at = 0;
    while (at >= 0 && loop.body[static_cast<size_t>(at)].op != ReplayOp::back) {
      const ReplayInstruction& i = loop.body[static_cast<size_t>(at)];
      if (i.op == ReplayOp::leave) return true;
      const bool right = step(i) || is_overlooked(i);
      if (!right && interrupted()) return false;
      at = right ? i.next : i.otherwise;
    }
    if (at < 0 || PyErr_CheckSignals() < 0) return false;
    // What is deferred over iterations would be another program for each number of them.
    run_pending(eager::FlushReason::limit);
    assign(loop.changing, loop.body[static_cast<size_t>(at)].operands);
    return std::nullopt;
  }

  // What is deferred before a loop: its iterations begin with values. False: it would write what cannot be written yet.
  bool run_pending(eager::FlushReason reason = eager::FlushReason::boolean) {
    if (trial_.recorder().pending() == 0) return true;
    const bool ran = guarded([&] {
      trial_.recorder().flush(reason);
      return true;
    });
    PyErr_Clear();
    return ran;
  }

  // As many iterations as are known, and those of which it can be found out what they come to. None: the next one is another's to do; then
  // `native` says whether this is worth another try after it. False: interrupted.
  std::optional<bool> run_native(ReplayLoop& loop, bool* native) {
    struct Own final : LoopRegisters {
      explicit Own(Run& run) : run(run) {}
      PyObject* look(int32_t operand) const override { return run.registers_[operand]; }
      void set(int32_t number, PyObject* owned) override { run.registers_.set(number, owned); }
      bool step(const ReplayInstruction& i) override { return run.step(i) || is_overlooked(i); }
      tracer::SegmentRecorder& recorder() override { return run.trial_.recorder(); }
      Run& run;
    } own(*this);
    while (true) {
      std::shared_ptr<const NativeLoop> known;
      for (const auto& n : loop.natives)
        if (known == nullptr && n->fits(own, settings_)) known = n;
      if (known != nullptr) {
        int64_t iterations = 0;
        const tracer::LoopProgram::End end = known->run(loop, own, &iterations);
        loop.iterations += static_cast<uint64_t>(iterations);
        if (end == tracer::LoopProgram::End::interrupted) return false;
        if (end == tracer::LoopProgram::End::left) return true;  // done
        *native = end == tracer::LoopProgram::End::unknown || end == tracer::LoopProgram::End::declined;
        if (end == tracer::LoopProgram::End::declined && iterations > 0) return std::nullopt;
        if (known->whole) {
          if (end != tracer::LoopProgram::End::declined) return std::nullopt;
          std::erase(loop.natives, std::exchange(known, nullptr));  // made where storages were shared in another way
        }
      }
      *native = *native && loop.drafts_left > 0;
      if (!*native) return std::nullopt;
      --loop.drafts_left;
      if (known == nullptr && loop.merges) {
        LoopMerge merge(loop, own, settings_);
        std::shared_ptr<const NativeLoop> found = merge.run();
        if (interrupted()) return false;
        if (found == nullptr) loop.merges = false;
        else keep(loop, std::move(found));
        continue;
      }
      LoopDraft draft(loop, known.get(), own, settings_);
      std::shared_ptr<const NativeLoop> found = draft.run();
      if (!draft.possible()) *native = false;
      if (interrupted()) return false;
      if (found == nullptr) return std::nullopt;
      std::erase(loop.natives, known);
      keep(loop, std::move(found));
      if (draft.ended() == nullptr) return std::nullopt;
      assign(loop.changing, *draft.ended());
    }
  }

  static void keep(ReplayLoop& loop, std::shared_ptr<const NativeLoop> found) {
    constexpr size_t kKept = 4;
    loop.natives.insert(loop.natives.begin(), std::move(found));
    if (loop.natives.size() > kKept) loop.natives.pop_back();
  }

  // Registers, all at once: what one of them held may go to another.
  void assign(const std::vector<int32_t>& to, const std::vector<int32_t>& from) {
    moved_.clear();
    for (const int32_t o : from) moved_.push_back(Py_NewRef(registers_[o]));
    for (size_t n = 0; n < to.size(); ++n) registers_.set(to[n], moved_[n]);
  }

  static Py_ssize_t size(const ReplayInstruction& i) { return static_cast<Py_ssize_t>(i.operands.size()); }
  static PyObject* or_none(PyObject* o) { return o == nullptr ? Py_None : o; }
  bool take_item(const ReplayInstruction& i, PyObject* sequence, Py_ssize_t n) {
    if (PyTuple_Check(sequence)) return put_borrowed(i, n < PyTuple_GET_SIZE(sequence) ? PyTuple_GET_ITEM(sequence, n) : nullptr);
    if (PyList_Check(sequence)) return put_borrowed(i, n < PyList_GET_SIZE(sequence) ? PyList_GET_ITEM(sequence, n) : nullptr);
    PyObject* found = PySequence_GetItem(sequence, n);  // of a deque
    const bool good = put_borrowed(i, found);
    Py_XDECREF(found);
    return good;
  }
  static bool set_attribute(PyObject* x, PyObject* name, PyObject* value) {
    return (PyType_Check(x) ? PyType_Type.tp_setattro(x, name, value) : PyObject_GenericSetAttr(x, name, value)) == 0;
  }

  // Positional arguments, then named ones in the order of `names`, into the first registers.
  bool take_arguments(Py_ssize_t positional, PyObject* names) {
    const Py_ssize_t named = PyTuple_GET_SIZE(names);
    if (PyTuple_GET_SIZE(args_) != positional || (kwargs_ ? PyDict_GET_SIZE(kwargs_) : 0) != named) return false;
    for (Py_ssize_t n = 0; n < positional; ++n) registers_.set(static_cast<int32_t>(n), Py_NewRef(PyTuple_GET_ITEM(args_, n)));
    Py_ssize_t position = 0, n = 0;
    PyObject *key, *value;
    while (named > 0 && PyDict_Next(kwargs_, &position, &key, &value)) {
      if (!same_value(key, PyTuple_GET_ITEM(names, n))) return false;
      registers_.set(static_cast<int32_t>(positional + n++), Py_NewRef(value));
    }
    return true;
  }

  bool off_tape(const ReplayInstruction& i) const {
    if (!eager::grad_enabled()) return true;
    for (size_t n = 0; n < i.operands.size(); ++n)
      if (is_tensor(operand(i, n)) && unwrap(operand(i, n)).requires_grad()) return false;
    return true;
  }

  PyObject* call(const ReplayInstruction& i) {
    PyObject* small[16];
    std::unique_ptr<PyObject*[]> large;
    PyObject** arguments = small;
    const size_t count = i.operands.size() - (i.extra > 0 ? 1 : 0);  // with the callee
    if (count > std::size(small)) arguments = (large = std::make_unique<PyObject*[]>(count)).get();
    for (size_t n = 0; n < count; ++n) arguments[n] = operand(i, n);
    PyObject* names = i.extra > 0 ? operand(i, count) : nullptr;
    return PyObject_Vectorcall(arguments[0], arguments + 1, (count - 1 - i.extra) | PY_VECTORCALL_ARGUMENTS_OFFSET, names);
  }

  PyObject* sequence(const ReplayInstruction& i, PyObject* made, bool tuple) {
    for (Py_ssize_t n = 0; made != nullptr && n < size(i); ++n) {
      PyObject* value = Py_NewRef(operand(i, static_cast<size_t>(n)));
      if (tuple) {
        PyTuple_SET_ITEM(made, n, value);
      } else {
        PyList_SET_ITEM(made, n, value);
      }
    }
    return made;
  }

  PyObject* dict(const ReplayInstruction& i) {
    PyObject* made = PyDict_New();
    for (size_t n = 0; made != nullptr && n < i.operands.size(); n += 2)
      if (PyDict_SetItem(made, operand(i, n), operand(i, n + 1)) < 0) Py_CLEAR(made);
    return made;
  }

  void save_gradients() {
    for (PyObject* o : registers_.all()) {
      if (o == nullptr || !is_tensor(o)) continue;
      const Tensor& t = unwrap(o);
      if (!t.is_leaf()) continue;
      const auto& autograd = t.impl()->autograd;
      gradients_.emplace_back(t, autograd && autograd->grad ? *autograd->grad : Tensor());
    }
  }

  bool commit() {
    trial_.recorder().set_revocable(false);
    if (freezes_) {
      for (const auto& [leaf, before] : gradients_) {
        const auto is_leaf = [&](const GradientChange& g) { return g.leaf == leaf.impl(); };
        if (std::none_of(changes_.begin(), changes_.end(), is_leaf)) changes_.emplace_back(leaf, before);
      }
    }
    gradients_.clear();
    return committed_ = true;
  }

  // Which values are stored is decided by who still holds them: registers must not.
  bool give(PyObject* result) {
    tracer::SegmentRecorder& recorder = trial_.recorder();
    std::optional<FrozenDraft> draft;
    if (freezes_ && recorder.pending() > 0) {
      if (recorder.runs() == runs_before_ && FrozenReplay::Settings::now() == settings_ && !trial_.has_drawn())
        draft.emplace(tree_, path_, after_, settings_, changes_, numbers_, watched_->reads, look_);
      if (draft && draft->possible()) recorder.keep_next(&draft->kept);
      else tree_.cannot_freeze();
    }
    watched_.reset();
    changes_.clear();
    registers_.clear();
    given_ = result;
    const bool ran = guarded([&] {
      scope_->end(eager::FlushReason::function_end);
      return true;
    });
    if (!ran) Py_CLEAR(given_);
    recorder.keep_next(nullptr);
    if (ran && draft && draft->possible()) {
      if (auto frozen = draft->finish()) {
        frozen->witnesses.renew(tree_, *frozen, args_);
        tree_.add_frozen(std::move(frozen));
      } else {
        tree_.cannot_freeze();
      }
    }
    return ran;
  }

  ReplayTree& tree_;
  PyObject *args_, *kwargs_;
  tracer::SegmentScope* scope_;
  const Trial trial_;
  Registers registers_;
  const FrozenReplay::Settings settings_ = FrozenReplay::Settings::now();
  // For freezing the run.
  bool freezes_ = false;
  std::optional<eager::WatchedReads> watched_;
  uint64_t runs_before_ = 0;
  std::vector<int32_t> path_;
  // Recordings part where they first asked something else; checks that passed there might have passed for another one too, which fits to the
  // end. Where it goes on, and how long the path was there: of what is behind the last call, and of what was before the first, which all can
  // be taken back to.
  std::vector<std::pair<int32_t, size_t>> other_ways_, first_ways_;
  bool computed_ = false;
  int32_t after_ = -1;
  std::vector<GradientChange> changes_;
  std::vector<TakenNumber> numbers_;
  const std::function<PyObject*(int32_t)> look_ = [this](int32_t operand) { return registers_[operand]; };
  std::vector<std::pair<Tensor, Tensor>> gradients_;  // to be put back, the newest first
  PyObject* given_ = nullptr;
  int32_t failed_ = -1;
  bool committed_ = false;
  bool changed_ = false;  // by a loop that was given up: there is no other way from before it
  std::vector<PyObject*> moved_;
};

}  // namespace

void Trial::take_back() const {
  recorder_.discard();
  recorder_.set_revocable(false);
  eager::set_generator_state(generator_);
  eager::set_grad_enabled(grad_enabled_);
}

void plant_replay_fault(int op) { planted_fault = op; }

bool is_overlooked(const ReplayInstruction& i) {
  return static_cast<int>(i.op) == planted_fault && (i.op < ReplayOp::attribute || (i.op < ReplayOp::call && i.extra != 0));
}

std::vector<std::string> replay_unary_names() {
  std::vector<std::string> names;
  for (const Unary& u : kUnary) names.emplace_back(u.name);
  return names;
}

std::optional<std::vector<py::object>> skip_iterations(ReplayTree& tree, std::vector<ReplayInstruction> instructions, int32_t registers,
                                                       const std::map<int32_t, py::object>& held, tracer::SegmentRecorder& recorder) {
  return Run(tree, registers, recorder).skip(instructions, held);
}

ReplayResult replay(ReplayTree& tree, tracer::FunctionRecord& record, PyObject* args, PyObject* kwargs, tracer::SegmentScope& scope) {
  ReplayResult result{ReplayOutcome::refused};
  for (size_t n = 0; n < tree.frozen().size(); ++n) {
    const std::shared_ptr<const FrozenReplay> frozen = tree.frozen()[n];
    result = Run(tree, args, kwargs, scope).go_frozen(*frozen, record);
    if (result.outcome == ReplayOutcome::refused) continue;
    ++frozen->hits;
    if (n > 0) tree.use_frozen(n);
    return result;
  }
  for (size_t n = 0; n < tree.roots().size() && result.outcome == ReplayOutcome::refused; ++n)
    result = Run(tree, args, kwargs, scope).go(tree.roots()[n]);
  return result;
}

}  // namespace kiln::python
