#include "python/bindings/replay_witness.h"

#include <structmember.h>

#include <cstring>
#include <optional>

#include "python/bindings/replay_frozen.h"
#include "python/bindings/replay_reads.h"

namespace kiln::python {

namespace {

constexpr int kSteady = 1;  // times that a word may change, and still be compared
constexpr uint64_t kWorthwhile = 100;

uint64_t word_of(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }
bool is_tuple_or_list(PyObject* x) { return PyTuple_Check(x) || PyList_Check(x); }

// An argument that is another one at every call, more likely than not.
bool is_data(PyObject* x) {
  return is_tensor(x) || x == Py_None || PyBool_Check(x) || PyLong_Check(x) || PyFloat_Check(x) || PyUnicode_Check(x);
}

}  // namespace

bool Witness::holds(PyObject* args) const {
  for (const auto& [n, object] : arguments_)
    if (n >= PyTuple_GET_SIZE(args) || PyTuple_GET_ITEM(args, n) != object) return false;
  for (const Entry& e : entries_) {
    uint64_t now;
    if (e.kind == Kind::word) {
      now = *static_cast<const uint64_t*>(e.at);
    } else if (e.kind == Kind::half) {
      now = *static_cast<const uint32_t*>(e.at);
    } else {
      now = word_of(PyDict_GetItemWithError(static_cast<PyObject*>(const_cast<void*>(e.at)), e.key));
    }
    if (now != e.expected) return false;
  }
  return true;
}

class WitnessMaker {
 public:
  WitnessMaker(const ReplayTree& tree, const FrozenReplay& frozen, PyObject* args, const std::map<WitnessPlace, int>& changes)
      : tree_(tree), frozen_(frozen), args_(args), changes_(changes), known_(static_cast<size_t>(tree.registers())) {}

  // Null: nothing is gained, or something changed meanwhile.
  std::shared_ptr<const Witness> make() {
    for (const FrozenReplay::Value& v : frozen_.known) learn(v.number, v.value.ptr(), true);
    for (const ReplayInstruction* i : frozen_.steps) {
      if (is_overlooked(*i) || covers(*i)) continue;
      PyErr_Clear();
      made_->rest_.push_back(i);
    }
    give();
    if (made_->entries_.empty() || !made_->holds(args_)) return nullptr;
    return std::move(made_);
  }
  const std::map<WitnessPlace, uint64_t>& places() const { return places_; }

 private:
  // What a register holds whenever the witness holds. `kept`: not just an object at this address, but the very one, which has been there
  // since the witness was made.
  struct Known {
    py::object object;
    bool kept = false;
  };

  void learn(int32_t number, PyObject* object, bool kept) {
    known_[static_cast<size_t>(number)] = {py::reinterpret_borrow<py::object>(object), kept};
  }
  PyObject* look(int32_t operand) const {
    return operand < 0 ? tree_.constant(operand) : known_[static_cast<size_t>(operand)].object.ptr();
  }
  bool is_kept(int32_t operand) const { return operand < 0 || known_[static_cast<size_t>(operand)].kept; }

  bool is_steady(const WitnessPlace& place) const {
    const auto found = changes_.find(place);
    return found == changes_.end() || found->second <= kSteady;
  }

  // The witness holds as long as this word does. False: it changes all the time.
  bool add(const void* at, uint64_t now, Witness::Kind kind = Witness::Kind::word, PyObject* key = nullptr) {
    const WitnessPlace place(at, key);
    if (!is_steady(place)) return false;
    if (places_.emplace(place, now).second) made_->entries_.push_back({at, now, key, kind});
    return true;
  }
  bool word(const void* at) { return add(at, *static_cast<const uint64_t*>(at)); }
  bool class_of(PyObject* x) {
    // Only of these could __class__ be assigned.
    const bool may_change = (Py_TYPE(x)->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0 || PyModule_Check(x);
    return !may_change || word(&x->ob_type);
  }
  bool object_class(PyObject* x, bool kept) { return kept ? class_of(x) : word(&x->ob_type); }
  bool version(PyTypeObject* type) {
    static PyObject* const any = PyUnicode_InternFromString("__class__");
    _PyType_Lookup(type, any);  // gives it a version, if it has none
    const uint64_t now = version_of(type);
    return now != 0 && add(&type->tp_version_tag, now, Witness::Kind::half);
  }
  bool version(PyObject* dict) {
    const uint64_t now = version_of_dict(dict);
    return now != 0 && add(version_place(dict), now);
  }
  // Of an instance, whose class is known: where it has its dict. None: it may have one later.
  std::optional<PyObject*> dict_in(PyObject* x) {
    PyTypeObject* type = Py_TYPE(x);
    if (!may_have_dict(type)) return nullptr;
    if (type->tp_dictoffset < 0 && !has_managed_dict(type)) return std::nullopt;  // its place depends on the size
    PyObject* dict = dict_of(x);
    if (dict == nullptr || !word(dict_place_of(x))) return std::nullopt;
    return dict;
  }
  // What a dict has under a key, or that it has nothing: by its version, or, where other keys of it change, by looking. `kept` as above.
  bool in_dict(PyObject* dict, PyObject* key, PyObject* found, bool constant_key, bool* kept) {
    *kept = version(dict);
    if (*kept) return true;
    return constant_key && PyUnicode_CheckExact(key) && add(dict, word_of(found), Witness::Kind::item, key);
  }
  bool not_in_instance(PyObject* x, PyObject* name) {
    if (PyObject** values = own_values(x)) {
      const Py_ssize_t n = own_index(Py_TYPE(x), name);
      return word(own_values_word(x)) && (n < 0 ? word(own_names(Py_TYPE(x))) : values[n] == nullptr && word(values + n));
    }
    const std::optional<PyObject*> dict = dict_in(x);
    bool kept;
    return dict && (*dict == nullptr || in_dict(*dict, name, nullptr, true, &kept));
  }
  // Puts what was read; with `extra`, it is what the last operand says.
  bool found(const ReplayInstruction& i, PyObject* object, bool kept) {
    if (i.extra != 0) return look(i.operands.back()) == object;
    if (object != nullptr) learn(i.result, object, kept);
    return object != nullptr;
  }
  bool field(const ReplayInstruction& i, PyObject* const* place, bool or_none = false) {
    PyObject* now = *place == nullptr && or_none ? Py_None : *place;
    return word(place) && found(i, now, now == Py_None);
  }

  // Does the witness say of an instruction what it does? (Words that it was given before it turned out that it does not, do no harm.)
  bool covers(const ReplayInstruction& i) {
    if (i.op == ReplayOp::arguments) {
      note_arguments(i);
      return false;
    }
    if (i.op >= ReplayOp::call && i.op != ReplayOp::get_attribute) return false;
    for (const int32_t o : i.operands)
      if (look(o) == nullptr) return false;
    const auto x = [&](size_t n) { return look(i.operands[n]); };
    const bool kept = is_kept(i.operands[0]);
    switch (i.op) {
      case ReplayOp::type: return reinterpret_cast<PyObject*>(Py_TYPE(x(0))) == x(1) && object_class(x(0), kept);
      case ReplayOp::same: return x(0) == x(1);
      case ReplayOp::distinct: return x(0) != x(1);
      case ReplayOp::value:  // what is compared is immutable
        return x(0) == x(1) || (kept && same_value(x(0), x(1)));
      case ReplayOp::length:
        if (PyDict_Check(x(0)) ? !version(x(0)) : !is_tuple_or_list(x(0)) || !word(&reinterpret_cast<PyVarObject*>(x(0))->ob_size))
          return false;
        return length_of(x(0)) == PyLong_AsSsize_t(x(1));
      case ReplayOp::keys: return PyDict_CheckExact(x(0)) && has_keys(x(0), x(1)) && version(x(0));
      case ReplayOp::no_class_attribute: return _PyType_Lookup(type(x(0)), x(1)) == nullptr && version(type(x(0)));
      case ReplayOp::own_class_attribute: return own_class_attribute(x(0), x(1)) == x(2) && version(type(x(0)));
      case ReplayOp::no_own_class_attribute: return own_class_attribute(x(0), x(1)) == nullptr && version(type(x(0)));
      case ReplayOp::class_bases: return same_value(type(x(0))->tp_bases, x(1)) && version(type(x(0)));
      case ReplayOp::method:
        return has_method(x(0), x(1), x(2)) && object_class(x(0), kept) && version(Py_TYPE(x(0))) && not_in_instance(x(0), x(1));
      case ReplayOp::no_attribute:
        return _PyType_Lookup(Py_TYPE(x(0)), x(1)) == nullptr && has_no_attribute(x(0), x(1)) && object_class(x(0), kept) &&
               version(Py_TYPE(x(0))) && not_in_instance(x(0), x(1));
      case ReplayOp::no_own_attribute: return own_value(x(0), x(1)) == nullptr && object_class(x(0), kept) && not_in_instance(x(0), x(1));
      case ReplayOp::no_item: {
        bool unused;
        const bool absent = PyDict_GetItemWithError(x(0), x(1)) == nullptr && PyErr_Occurred() == nullptr;
        return absent && in_dict(x(0), x(1), nullptr, i.operands[1] < 0, &unused);
      }
      case ReplayOp::attribute: return attribute(i, x(0), x(1), kept);
      case ReplayOp::class_attribute: return version(type(x(0))) && found(i, _PyType_Lookup(type(x(0)), x(1)), true);
      case ReplayOp::item: return item(i, x(0), PyLong_AsSsize_t(x(1)), kept);
      case ReplayOp::dict_item: {
        PyObject* held = PyDict_GetItemWithError(x(0), x(1));
        bool stays;
        return held != nullptr && in_dict(x(0), x(1), held, i.operands[1] < 0, &stays) && found(i, held, stays);
      }
      case ReplayOp::cell: return field(i, &reinterpret_cast<PyCellObject*>(x(0))->ob_ref);
      case ReplayOp::code: return field(i, &reinterpret_cast<PyFunctionObject*>(x(0))->func_code);
      case ReplayOp::defaults: return field(i, &reinterpret_cast<PyFunctionObject*>(x(0))->func_defaults, true);
      case ReplayOp::keyword_defaults: return field(i, &reinterpret_cast<PyFunctionObject*>(x(0))->func_kwdefaults, true);
      case ReplayOp::closure: return field(i, &reinterpret_cast<PyFunctionObject*>(x(0))->func_closure, true);
      case ReplayOp::receiver: return field(i, &reinterpret_cast<PyMethodObject*>(x(0))->im_self);
      case ReplayOp::function: return field(i, &reinterpret_cast<PyMethodObject*>(x(0))->im_func);
      case ReplayOp::get_attribute: return own_dict(i, x(0), x(1), kept);
      default: return false;  // members, off_tape, leaf
    }
  }
  static PyTypeObject* type(PyObject* x) { return reinterpret_cast<PyTypeObject*>(x); }

  // Of a call by position with the same objects.
  void note_arguments(const ReplayInstruction& i) {
    const Py_ssize_t count = PyLong_AsSsize_t(look(i.operands[0]));
    for (Py_ssize_t n = 0; n < std::min(count, PyTuple_GET_SIZE(args_)); ++n) {
      PyObject* given = PyTuple_GET_ITEM(args_, n);
      const WitnessPlace place(nullptr, reinterpret_cast<const void*>(n));
      if (is_data(given) || !is_steady(place)) continue;
      places_.emplace(place, word_of(given));
      made_->arguments_.emplace_back(n, given);
      learn(static_cast<int32_t>(n), given, false);
    }
  }

  bool attribute(const ReplayInstruction& i, PyObject* x, PyObject* name, bool kept) {
    if (!object_class(x, kept) || !version(Py_TYPE(x))) return false;
    PyObject* of_class = _PyType_Lookup(Py_TYPE(x), name);
    if (of_class != nullptr && Py_TYPE(of_class) == &PyMemberDescr_Type) {
      const PyMemberDef* slot = reinterpret_cast<PyMemberDescrObject*>(of_class)->d_member;
      if (slot->type != T_OBJECT_EX || !PyObject_TypeCheck(x, PyDescr_TYPE(of_class))) return false;
      return field(i, reinterpret_cast<PyObject**>(reinterpret_cast<char*>(x) + slot->offset));
    }
    if (PyObject** values = own_values(x)) {
      const Py_ssize_t n = own_index(Py_TYPE(x), name);
      return n >= 0 && word(own_values_word(x)) && field(i, values + n);
    }
    const std::optional<PyObject*> dict = dict_in(x);
    if (!dict || *dict == nullptr) return false;
    PyObject* held = PyDict_GetItemWithError(*dict, name);
    bool stays;
    return held != nullptr && in_dict(*dict, name, held, i.operands[1] < 0, &stays) && found(i, held, stays);
  }

  bool item(const ReplayInstruction& i, PyObject* x, Py_ssize_t n, bool kept) {
    if (!is_tuple_or_list(x) || n < 0 || n >= Py_SIZE(x)) return false;
    if (PyTuple_Check(x) && kept) return found(i, PyTuple_GET_ITEM(x, n), true);
    if (!word(&reinterpret_cast<PyVarObject*>(x)->ob_size)) return false;
    if (PyTuple_Check(x)) return field(i, &reinterpret_cast<PyTupleObject*>(x)->ob_item[n]);
    return word(&reinterpret_cast<PyListObject*>(x)->ob_item) && field(i, &reinterpret_cast<PyListObject*>(x)->ob_item[n]);
  }

  // x.__dict__, which a descriptor of C gives.
  bool own_dict(const ReplayInstruction& i, PyObject* x, PyObject* name, bool kept) {
    if (!PyUnicode_Check(name) || PyUnicode_CompareWithASCIIString(name, "__dict__") != 0) return false;
    PyObject* of_class = _PyType_Lookup(Py_TYPE(x), name);
    if (of_class == nullptr || Py_TYPE(of_class) != &PyGetSetDescr_Type || !object_class(x, kept) || !version(Py_TYPE(x))) return false;
    const std::optional<PyObject*> dict = dict_in(x);
    return dict && *dict != nullptr && found(i, *dict, false);
  }

  // Which registers are still looked at.
  void give() {
    std::vector<bool> wanted(known_.size());
    const auto want = [&](int32_t operand) {
      if (operand >= 0) wanted[static_cast<size_t>(operand)] = true;
    };
    for (const ReplayInstruction* i : made_->rest_)
      for (const int32_t o : i->operands) want(o);
    for (int32_t at = frozen_.after; at >= 0; at = tree_.at(static_cast<size_t>(at)).next)
      for (const int32_t o : tree_.at(static_cast<size_t>(at)).operands) want(o);
    for (const auto& in : frozen_.inputs) want(in.number);
    for (const auto& v : frozen_.values) want(v.number);
    for (const auto& n : frozen_.numbers) want(n.number);
    for (const auto& leaf : frozen_.leaves) want(leaf.number);
    for (const auto& out : frozen_.outputs) {
      if (out.leaf) want(*out.leaf);
      if (out.same_as) want(*out.same_as);
    }
    for (size_t n = 0; n < known_.size(); ++n)
      if (wanted[n] && known_[n].object) made_->given_.push_back({static_cast<int32_t>(n), known_[n].object.ptr()});
  }

  const ReplayTree& tree_;
  const FrozenReplay& frozen_;
  PyObject* args_;
  const std::map<WitnessPlace, int>& changes_;
  std::vector<Known> known_;
  std::map<WitnessPlace, uint64_t> places_;
  std::shared_ptr<Witness> made_ = std::make_shared<Witness>();
};

void Witnesses::renew(const ReplayTree& tree, const FrozenReplay& frozen, PyObject* args) {
  if (!kDictsCountChanges || left_ == 0) return;
  if (newest_ == nullptr || newest_->hits < kWorthwhile) --left_;
  WitnessMaker maker(tree, frozen, args, changes_);
  newest_ = maker.make();
  bool settled = true;
  for (const auto& [place, now] : maker.places()) {
    const auto before = places_.find(place);
    if (before != places_.end() && before->second != now) settled &= ++changes_[place] <= kSteady;
  }
  places_ = maker.places();
  if (!settled) newest_ = WitnessMaker(tree, frozen, args, changes_).make();
  if (left_ == 0) newest_ = nullptr;
}

}  // namespace kiln::python
