#include "tracer/procedure.h"

#include "eager/tape.h"
#include "tracer/recorder.h"

namespace kiln::tracer {
namespace {

using eager::Operand;
using eager::Tensor;

constexpr std::array<std::string_view, 6> kComparisons{"==", "!=", "<", "<=", ">", ">="};

bool holds(Constraint::Op op, int64_t a, int64_t b) {
  switch (op) {
    case Constraint::Op::equal: return a == b;
    case Constraint::Op::not_equal: return a != b;
    case Constraint::Op::less: return a < b;
    case Constraint::Op::less_equal: return a <= b;
    case Constraint::Op::greater: return a > b;
    case Constraint::Op::greater_equal: return a >= b;
  }
  return false;
}

[[noreturn]] void misfit(ErrorCode code, const Procedure& p, const InputSpec& input, const Tensor& given, const std::string& why) {
  fail(code, "input '" + input.name + "': expected " + text(p.dims, input.type) + ", got " +
                 to_string(eager::TensorType{given.dtype(), given.shape()}) + why);
}

void refuse_gradients(const Procedure& p, std::span<const Tensor> inputs) {
  if (!eager::grad_enabled()) return;
  for (size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i].requires_grad())
      fail(ErrorCode::runtime, "input '" + p.inputs[i].name +
                                   "' requires grad, and results of a program are off the tape: export the gradient (" +
                                   "value_and_grad of the function) as an entry, or call with detach() or under no_grad()");
}

// The calls of one run. Symbolic numbers are worked out first; a tensor is let go of after its last use.
class Run {
 public:
  Run(const Procedure& p, std::span<const StateEntry> state, std::span<const Tensor> inputs)
      : p_(p), symbols_(bind_inputs(p, inputs)), tensors_(p.registers()), last_use_(last_uses(p)) {
    for (size_t r = 0; r < p.leaves.size(); ++r) tensors_[r] = leaf(p.leaves[r], state, inputs);
  }

  void calls() {
    for (size_t i = 0; i < p_.calls.size(); ++i) {
      make(p_.calls[i]);
      for (const CallOperand& o : p_.calls[i].operands)
        if (o.kind == CallOperand::Kind::tensor && last_use_[o.tensor] == i) tensors_[o.tensor] = Tensor();
    }
  }

  void collect(const Tree& tree, std::vector<Tensor>& results) {
    if (tree.kind == Tree::Kind::tensor) results.push_back(tensors_[static_cast<size_t>(tree.integer)]);
    for (const Tree& child : tree.children) collect(child, results);
  }

 private:
  static Tensor leaf(const Leaf& l, std::span<const StateEntry> state, std::span<const Tensor> inputs) {
    if (l.kind == Leaf::Kind::input) return eager::detach(inputs[l.index]);
    eager::Storage& storage = state[l.index].value.storage();
    return Tensor::view(eager::Ref<eager::Storage>(&storage), l.offset, l.shape, l.strides, l.dtype);
  }

  static constexpr size_t kAlways = ~size_t{0};
  static void keep(const Tree& tree, std::vector<size_t>& last) {
    if (tree.kind == Tree::Kind::tensor) last[static_cast<size_t>(tree.integer)] = kAlways;
    for (const Tree& child : tree.children) keep(child, last);
  }
  static std::vector<size_t> last_uses(const Procedure& p) {
    std::vector<size_t> last(p.registers(), kAlways);
    for (size_t i = 0; i < p.calls.size(); ++i) {
      for (const CallOperand& o : p.calls[i].operands)
        if (o.kind == CallOperand::Kind::tensor) last[o.tensor] = i;
      if (p.calls[i].kind != CallKind::call) last[p.calls[i].destination] = kAlways;
    }
    for (size_t r = 0; r < p.leaves.size(); ++r) last[r] = kAlways;
    keep(p.results, last);
    return last;
  }

  int64_t value(Dim d) const { return p_.dims.evaluate(d, symbols_); }
  double floating(const SymbolicNumber& n) const {
    const auto v = static_cast<double>(value(n.dim));
    switch (n.form) {
      case ScalarForm::product: return n.factor * v;
      case ScalarForm::quotient: return n.factor / v;
      case ScalarForm::ratio: return v / n.factor;
    }
    return v;
  }

  void override_attribute(eager::Attr& attr, const SymbolicNumber& n) const {
    if (auto* list = std::get_if<eager::Dims>(&attr)) (*list)[n.element] = value(n.dim);
    else if (n.floating) attr = floating(n);
    else attr = value(n.dim);
  }

  void make(const Call& call) {
    std::vector<Operand> operands;
    for (const CallOperand& o : call.operands) {
      switch (o.kind) {
        case CallOperand::Kind::absent: operands.emplace_back(); break;
        case CallOperand::Kind::tensor: operands.emplace_back(tensors_[o.tensor]); break;
        case CallOperand::Kind::scalar: operands.emplace_back(o.scalar); break;
      }
    }
    std::optional<eager::Attrs> overridden;
    for (const SymbolicNumber& n : call.numbers) {
      if (n.place == SymbolicNumber::Place::operand) {
        operands[n.index].scalar = n.floating ? eager::Scalar(floating(n)) : eager::Scalar(value(n.dim));
      } else {
        if (!overridden) overridden = call.attrs;
        override_attribute((*overridden)[n.index], n);
      }
    }
    const eager::Attrs& attrs = overridden ? *overridden : call.attrs;
    switch (call.kind) {
      case CallKind::call: eager::call(*call.op, operands, attrs, &tensors_[call.first_output]); break;
      case CallKind::in_place: eager::call_in_place(*call.op, operands, attrs, tensors_[call.destination]); break;
      case CallKind::write: eager::write(tensors_[call.destination], operands[0]); break;
    }
  }

  const Procedure& p_;
  const std::vector<int64_t> symbols_;
  std::vector<Tensor> tensors_;
  const std::vector<size_t> last_use_;
};

}  // namespace

std::string_view symbol_of(Constraint::Op op) { return kComparisons[static_cast<size_t>(op)]; }

std::string text(const DimTable& dims, const SymbolicType& type) {
  std::string s(name_of(type.dtype));
  s += "(";
  for (size_t d = 0; d < type.shape.size(); ++d) s += (d ? ", " : "") + dims.text(type.shape[d]);
  return s + (type.shape.size() == 1 ? ",)" : ")");
}

std::string text(const DimTable& dims, const Constraint& c) {
  return dims.text(c.left) + " " + std::string(symbol_of(c.op)) + " " + dims.text(c.right);
}

std::vector<int64_t> bind_inputs(const Procedure& p, std::span<const Tensor> inputs) {
  if (inputs.size() != p.inputs.size())
    fail(ErrorCode::type, "expected " + std::to_string(p.inputs.size()) + " tensors, got " + std::to_string(inputs.size()));
  std::vector<int64_t> values(p.dims.symbols().size(), 0);
  std::vector<const InputSpec*> given_by(values.size(), nullptr);
  std::vector<Dim> symbols;
  DimTable dims = p.dims;
  for (const std::string& name : p.dims.symbols()) symbols.push_back(dims.symbol(name));
  for (size_t i = 0; i < inputs.size(); ++i) {
    const InputSpec& spec = p.inputs[i];
    const Tensor& t = inputs[i];
    if (t.dtype() != spec.type.dtype) misfit(ErrorCode::type, p, spec, t, "; convert it with astype");
    if (t.rank() != static_cast<int>(spec.type.shape.size())) misfit(ErrorCode::value, p, spec, t, "");
    for (int d = 0; d < t.rank(); ++d) {
      const Dim expected = spec.type.shape[static_cast<size_t>(d)];
      const int64_t extent = t.shape()[d];
      if (expected.is_constant()) {
        if (extent != expected.constant()) misfit(ErrorCode::value, p, spec, t, ": dimension " + std::to_string(d) + " differs");
        continue;
      }
      const auto at = static_cast<size_t>(std::find(symbols.begin(), symbols.end(), expected) - symbols.begin());
      if (given_by[at] && values[at] != extent)
        misfit(ErrorCode::value, p, spec, t,
               ": " + p.dims.symbols()[at] + " is " + std::to_string(values[at]) + " in input '" + given_by[at]->name + "'");
      given_by[at] = &spec;
      values[at] = extent;
    }
  }
  for (const Constraint& c : p.constraints) {
    if (holds(c.op, p.dims.evaluate(c.left, values), p.dims.evaluate(c.right, values))) continue;
    std::string message = "these shapes break the constraint " + text(p.dims, c);
    if (!c.where.empty()) message += ", which the source compared at " + c.where;
    for (size_t s = 0; s < values.size(); ++s)
      if (given_by[s]) message += (s ? ", " : ": ") + p.dims.symbols()[s] + " = " + std::to_string(values[s]);
    fail(ErrorCode::value, message + "; export the function again for such shapes");
  }
  return values;
}

bool Procedure::writes_state(uint32_t entry) const {
  // Which registers may look at the entry's storage: its leaves, and what views of them give.
  std::vector<bool> aliases(registers(), false);
  for (size_t r = 0; r < leaves.size(); ++r) aliases[r] = leaves[r].kind == Leaf::Kind::state && leaves[r].index == entry;
  for (const Call& call : calls) {
    if (call.kind != CallKind::call) {
      if (aliases[call.destination]) return true;
      continue;
    }
    if (!call.op->view && !call.op->compose) continue;  // others make storages of their own
    bool any = false;
    for (const CallOperand& o : call.operands) any |= o.kind == CallOperand::Kind::tensor && aliases[o.tensor];
    for (int i = 0; i < call.op->outputs; ++i) aliases[call.first_output + static_cast<Register>(i)] = any;
  }
  return false;
}

std::vector<Tensor> run(const Procedure& p, std::span<const StateEntry> state, std::span<const Tensor> inputs,
                        const std::shared_ptr<FunctionRecord>& record) {
  Run run(p, state, inputs);
  refuse_gradients(p, inputs);
  const eager::NoGrad off_the_tape;
  std::vector<Tensor> results;
  SegmentScope scope(record);
  run.calls();
  run.collect(p.results, results);
  scope.end(eager::FlushReason::function_end);
  return results;
}

}  // namespace kiln::tracer
