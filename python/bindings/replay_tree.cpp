#include "python/bindings/replay_frozen.h"
#include "python/bindings/replay_loop.h"

namespace kiln::python {

namespace {

bool alike(const ReplayInstruction& a, const ReplayInstruction& b) {
  if (a.op != b.op || a.extra != b.extra || a.result != b.result || a.operands != b.operands) return false;
  return a.loop == nullptr || *a.loop == *b.loop;
}

// After these, another recording may have gone another way: what they find depends on the call.
bool may_fail(ReplayOp op) { return op < ReplayOp::call || op == ReplayOp::loop; }

}  // namespace

ReplayTree::~ReplayTree() { clear(); }

void ReplayTree::clear() {
  instructions_.clear();
  roots_.clear();
  frozen_.clear();
  std::deque<PyObject*> constants;
  constants.swap(constants_);
  for (PyObject* c : constants) Py_DECREF(c);
}

void ReplayTree::add_frozen(std::shared_ptr<const FrozenReplay> made) {
  constexpr size_t kKept = 4;
  --freezes_left_;
  frozen_.insert(frozen_.begin(), std::move(made));
  if (frozen_.size() <= kKept) return;
  if (frozen_.back()->hits > 100) ++freezes_left_;
  frozen_.pop_back();
}

int ReplayTree::traverse(visitproc visit, void* arg) const {
  for (PyObject* c : constants_) Py_VISIT(c);
  return 0;
}

int32_t ReplayTree::add_constant(PyObject* o) {
  constants_.push_back(Py_NewRef(o));
  return ~static_cast<int32_t>(constants_.size() - 1);
}

size_t ReplayTree::add(const std::vector<ReplayInstruction>& recording) {
  const std::function<void(const ReplayInstruction&)> count = [&](const ReplayInstruction& i) {
    registers_ = std::max(registers_, i.result + 1);
    for (int32_t operand : i.operands) registers_ = std::max(registers_, operand + 1);
    if (i.loop == nullptr) return;
    for (int32_t r : i.loop->changing) registers_ = std::max(registers_, r + 1);
    for (const ReplayInstruction& inside : i.loop->body) count(inside);
  };
  for (const ReplayInstruction& i : recording) count(i);
  // Where the new one parts from what is there: `link` is what will lead to its first own instruction.
  size_t shared = 0;
  int32_t* link = nullptr;
  int32_t at = roots_.empty() ? -1 : roots_.back();
  while (at >= 0 && shared < recording.size()) {
    ReplayInstruction& known = instructions_[static_cast<size_t>(at)];
    if (alike(known, recording[shared])) {
      ++shared;
      link = &known.next;
      at = known.next;
    } else if (may_fail(known.op)) {
      link = &known.otherwise;
      at = known.otherwise;
    } else {
      shared = 0;
      link = nullptr;
      break;
    }
  }
  if (shared == recording.size()) return shared;
  const auto first = static_cast<int32_t>(instructions_.size());
  for (size_t i = shared; i < recording.size(); ++i) {
    ReplayInstruction& made = instructions_.emplace_back(recording[i]);
    for (size_t n = 0; n < std::min(made.operands.size(), std::size(made.fixed)); ++n)
      if (made.operands[n] < 0) made.fixed[n] = constant(made.operands[n]);
    made.next = i + 1 < recording.size() ? static_cast<int32_t>(instructions_.size()) : -1;
  }
  if (link != nullptr) {
    *link = first;
  } else {
    roots_.push_back(first);
  }
  return shared;
}

}  // namespace kiln::python
