// What must hold of a procedure before it is run, printed or saved. It may come from a file: nothing in it is taken for granted.
//
// These are the things that running relies on: references, counts and kinds. Whether shapes and dtypes fit is checked by the operators
// themselves, at each call of a run.
#include <algorithm>

#include "tracer/procedure.h"

namespace kiln::tracer {
namespace {

using eager::Attr;
using eager::Operator;
using eager::Parameter;
using eager::Scalar;

constexpr int kMaxTreeDepth = 64;

std::string number(size_t n) { return std::to_string(n); }
std::string counted(size_t n, const std::string& noun) { return number(n) + " " + noun + (n == 1 ? "" : "s"); }

bool valid(DType dtype) { return static_cast<int>(dtype) < kDTypeCount; }

// `what`, which message() completes, stands before everything that is wrong inside the calls of `body`.
template <class Name, class F>
void located(const Name& name, const F& body) {
  try {
    body();
  } catch (const Error& e) { fail(e.code(), std::string(name()) + ": " + e.what()); }
}

[[noreturn]] void bad(const std::string& what) { fail(ErrorCode::value, what); }

// The kinds of attributes that each kind of parameter takes, as front ends make them; None only where it is the default or means "all".
bool takes(const Parameter& p, const Attr& attr) {
  using Kind = Parameter::Kind;
  const bool integer = std::holds_alternative<int64_t>(attr), list = std::holds_alternative<eager::Dims>(attr);
  if (std::holds_alternative<std::monostate>(attr))
    return p.kind == Kind::axes || (p.has_default && std::holds_alternative<std::monostate>(p.default_value));
  switch (p.kind) {
    case Kind::boolean: return std::holds_alternative<bool>(attr);
    case Kind::integer: return integer;
    case Kind::number: return integer || std::holds_alternative<double>(attr);
    case Kind::dtype: return std::holds_alternative<DType>(attr) && valid(std::get<DType>(attr));
    case Kind::axes:
    case Kind::shape: return integer || list;
    case Kind::string: return std::holds_alternative<std::string>(attr);
    case Kind::tensor:
    case Kind::optional_tensor:
    case Kind::tensors: break;
  }
  return false;
}

class Verifier {
 public:
  Verifier(const Procedure& p, std::span<const StateEntry> state) : p_(p), state_(state) {}

  void run() {
    if (p_.registers() > UINT32_MAX) bad("too many registers");
    inputs();
    for (size_t i = 0; i < p_.types.size(); ++i) located([&] { return "register " + number(i); }, [&] { type(p_.types[i]); });
    if (p_.leaves.size() > p_.registers()) bad(number(p_.leaves.size()) + " leaves for " + counted(p_.registers(), "register"));
    for (size_t i = 0; i < p_.leaves.size(); ++i) located([&] { return "leaf " + number(i); }, [&] { leaf(p_.leaves[i], p_.types[i]); });
    next_ = p_.leaves.size();
    for (size_t i = 0; i < p_.calls.size(); ++i) located([&] { return name_of(i); }, [&] { call(p_.calls[i]); });
    if (next_ != p_.registers())
      bad("leaves and calls give " + counted(next_, "register") + ", types are given for " + number(p_.registers()));
    for (size_t i = 0; i < p_.constraints.size(); ++i)
      located([&] { return "constraint " + number(i); }, [&] { constraint(p_.constraints[i]); });
    located([] { return "arguments"; }, [&] { arguments(); });
    located([] { return "results"; }, [&] { tree(p_.results, p_.registers(), "register", 0); });
  }

 private:
  std::string name_of(size_t call) const {
    const Call& c = p_.calls[call];
    return "call " + number(call) + (c.op != nullptr ? " (" + std::string(c.op->name) + ")" : "");
  }

  // ---- types and dimensions ----

  void type(const SymbolicType& t) const {
    if (!valid(t.dtype)) bad("a dtype that does not exist");
    if (t.shape.size() > static_cast<size_t>(eager::kMaxRank))
      bad(counted(t.shape.size(), "dimension") + "; a tensor has at most " + number(eager::kMaxRank));
    for (Dim d : t.shape) {
      if (!p_.dims.holds(d)) bad("an extent is an expression that is not in the table of dimensions");
      if (d.is_constant() && d.constant() < 0) bad("the extent " + std::to_string(d.constant()) + " is negative");
    }
  }

  void known(Dim d) const {
    if (!p_.dims.holds(d)) bad("an expression that is not in the table of dimensions");
    if (!d.is_constant() && !known_[d.index()]) bad("'" + p_.dims.text(d) + "' does not follow from the inputs' shapes");
  }

  void inputs() {
    std::vector<std::string_view> names;
    names.reserve(p_.inputs.size());
    std::vector<bool> symbols(p_.dims.symbols().size());
    for (size_t i = 0; i < p_.inputs.size(); ++i) {
      const InputSpec& input = p_.inputs[i];
      located([&] { return "input " + number(i) + " ('" + input.name + "')"; },
              [&] {
                if (input.name.empty()) bad("it has no name");
                type(input.type);
                for (Dim d : input.type.shape) {
                  if (d.is_constant()) continue;
                  const auto symbol = p_.dims.symbol_number(d);
                  if (!symbol || p_.dims.symbols()[*symbol] == "_")
                    bad("the extent '" + p_.dims.text(d) + "' is neither a number nor a symbol");
                  symbols[*symbol] = true;
                }
              });
      names.push_back(input.name);
    }
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end()) bad("two inputs are called '" + std::string(*twice) + "'");
    known_ = p_.dims.known_from(symbols);
  }

  // ---- leaves ----

  void leaf(const Leaf& leaf, const SymbolicType& type) const {
    switch (leaf.kind) {
      case Leaf::Kind::input:
        if (leaf.index >= p_.inputs.size()) bad("input " + number(leaf.index) + " of " + number(p_.inputs.size()));
        if (p_.inputs[leaf.index].type != type) bad("its register has another type than input " + number(leaf.index));
        return;
      case Leaf::Kind::state:
        if (leaf.index >= state_.size()) bad("state entry " + number(leaf.index) + " of " + number(state_.size()));
        window(leaf, state_[leaf.index]);
        if (type.dtype != leaf.dtype || !std::equal(type.shape.begin(), type.shape.end(), leaf.shape.begin(), leaf.shape.end()))
          bad("its register has another type than the window");
        return;
    }
    bad("a kind of leaf that does not exist");
  }

  // The window's elements lie within the entry.
  void window(const Leaf& leaf, const StateEntry& entry) const {
    const auto outside = [&] [[noreturn]] () {
      bad("its window (offset " + std::to_string(leaf.offset) + ", shape " + to_string(leaf.shape) + ", strides " +
          to_string(leaf.strides) + ") does not lie within '" + entry.name + "', " +
          counted(static_cast<size_t>(entry.value.numel()), "element") + " long");
    };
    if (leaf.dtype != entry.value.dtype())
      bad("a window of " + std::string(valid(leaf.dtype) ? name_of_dtype(leaf.dtype) : "?") + " in '" + entry.name + "', which is " +
          std::string(name_of_dtype(entry.value.dtype())));
    if (leaf.shape.size() != leaf.strides.size()) bad("its shape and its strides are not equally long");
    int64_t elements = 1, first = leaf.offset, last = leaf.offset;  // the elements that are touched
    for (int64_t extent : leaf.shape) {
      if (extent < 0) bad("the extent " + std::to_string(extent) + " is negative");
      if (__builtin_mul_overflow(elements, std::max<int64_t>(extent, 1), &elements)) outside();
    }
    const bool nothing = leaf.shape.contains(0);
    for (int d = 0; d < leaf.shape.size() && !nothing; ++d) {
      int64_t step;
      int64_t& end = leaf.strides[d] < 0 ? first : last;
      if (__builtin_mul_overflow(leaf.shape[d] - 1, leaf.strides[d], &step) || __builtin_add_overflow(end, step, &end)) outside();
    }
    const int64_t length = entry.value.numel();
    if (first < 0 || (nothing ? last > length : last >= length)) outside();
  }

  static std::string_view name_of_dtype(DType t) { return kiln::name_of(t); }

  // ---- calls ----

  void register_before(Register r) const {
    if (r >= next_) bad("register " + number(r) + " is used where " + counted(next_, "register") + " are there");
  }

  void call(const Call& c) {
    for (size_t i = 0; i < c.operands.size(); ++i) located([&] { return "operand " + number(i); }, [&] { operand(c.operands[i]); });
    switch (c.kind) {
      case CallKind::call:
        check_operator(c);
        if (c.first_output != next_) bad("its results are register " + number(c.first_output) + " on; expected " + number(next_));
        next_ += static_cast<size_t>(c.op->outputs);
        break;
      case CallKind::in_place:
        check_operator(c);
        if (c.op->outputs != 1) bad("an operator with " + counted(static_cast<size_t>(c.op->outputs), "result") + " in place");
        located([] { return "destination"; }, [&] { register_before(c.destination); });
        break;
      case CallKind::write:
        if (c.op != nullptr) bad("a write has no operator");
        if (c.operands.size() != 1 || c.operands[0].kind == CallOperand::Kind::absent || !c.attrs.empty())
          bad("a write takes one operand and no attributes");
        located([] { return "destination"; }, [&] { register_before(c.destination); });
        break;
      default: bad("a kind of call that does not exist");
    }
    if (next_ > p_.registers()) bad("its results are more than the " + counted(p_.registers(), "register") + " that have types");
    for (size_t i = 0; i < c.numbers.size(); ++i)
      located([&] { return "symbolic number " + number(i); }, [&] { symbolic(c, c.numbers[i], i); });
  }

  void operand(const CallOperand& o) const {
    switch (o.kind) {
      case CallOperand::Kind::absent: return;
      case CallOperand::Kind::tensor: return register_before(o.tensor);
      case CallOperand::Kind::scalar:
        if (o.scalar.kind != DTypeKind::boolean && o.scalar.kind != DTypeKind::signed_integer && o.scalar.kind != DTypeKind::floating)
          bad("a kind of number that does not exist");
        if (o.scalar.kind == DTypeKind::boolean && (o.scalar.i & ~int64_t{1}) != 0) bad("a bool that is neither true nor false");
        return;
    }
    bad("a kind of operand that does not exist");
  }

  // Operands and attributes are as many, and of the kinds, that the operator has parameters for.
  void check_operator(const Call& c) const {
    if (c.op == nullptr) bad("it has no operator");
    const bool takes_numbers = c.op->body || c.op->compose;
    size_t operands = 0, attrs = 0;
    bool sequence = false;
    for (const Parameter& p : c.op->parameters) {
      const std::string name(p.name);
      if (!p.is_operand()) {
        if (attrs < c.attrs.size() && !takes(p, c.attrs[attrs]))
          bad("the attribute '" + name + "' is not of the kind that the operator takes");
        ++attrs;
      } else if (p.kind == Parameter::Kind::tensors) {
        sequence = true;
        for (const CallOperand& o : c.operands)
          if (o.kind != CallOperand::Kind::tensor) bad("'" + name + "' takes tensors alone");
      } else {
        if (operands < c.operands.size()) {
          const CallOperand::Kind kind = c.operands[operands].kind;
          if (kind == CallOperand::Kind::absent && p.kind == Parameter::Kind::tensor) bad("the operand '" + name + "' is missing");
          if (kind == CallOperand::Kind::scalar && !takes_numbers) bad("the operand '" + name + "' is a number; expected a tensor");
        }
        ++operands;
      }
    }
    if (!sequence && operands != c.operands.size())
      bad("it takes " + counted(operands, "operand") + "; " + number(c.operands.size()) + " are given");
    if (attrs != c.attrs.size()) bad("it takes " + counted(attrs, "attribute") + "; " + number(c.attrs.size()) + " are given");
  }

  // It replaces a constant of its own kind, and no other does.
  void symbolic(const Call& c, const SymbolicNumber& n, size_t index) const {
    known(n.dim);
    if (n.form > ScalarForm::ratio) bad("a form that does not exist");
    bool floating = false;
    switch (n.place) {
      case SymbolicNumber::Place::operand: {
        if (n.index >= c.operands.size() || n.element != 0) bad("there is no such operand");
        const CallOperand& o = c.operands[n.index];
        if (o.kind != CallOperand::Kind::scalar || o.scalar.kind == DTypeKind::boolean)
          bad("it stands for an operand that is not a number");
        floating = o.scalar.kind == DTypeKind::floating;
        break;
      }
      case SymbolicNumber::Place::attribute: {
        if (n.index >= c.attrs.size()) bad("there is no such attribute");
        const Attr& attr = c.attrs[n.index];
        const auto* list = std::get_if<eager::Dims>(&attr);
        floating = std::holds_alternative<double>(attr);
        if (list == nullptr && !floating && !std::holds_alternative<int64_t>(attr)) bad("it stands for an attribute that is not a number");
        if (n.element < 0 || n.element >= (list == nullptr ? 1 : list->size())) bad("there is no such element of the attribute");
        break;
      }
      default: bad("a place that does not exist");
    }
    if (floating != n.floating)
      bad(n.floating ? "a floating number in the place of an integer" : "an integer in the place of a floating number");
    for (size_t i = 0; i < index; ++i)
      if (c.numbers[i].place == n.place && c.numbers[i].index == n.index && c.numbers[i].element == n.element)
        bad("number " + number(i) + " stands in the same place");
  }

  void constraint(const Constraint& c) const {
    if (c.op > Constraint::Op::greater_equal) bad("a comparison that does not exist");
    known(c.left);
    known(c.right);
  }

  // ---- trees ----

  void arguments() {
    if (p_.arguments.kind == Tree::Kind::none) return;  // no front end: inputs are given by their order
    if (p_.arguments.kind != Tree::Kind::dict) bad("expected a dict of arguments by name");
    named_ = 0;
    tree(p_.arguments, p_.inputs.size(), "input", 0);
    if (named_ != p_.inputs.size()) bad("they name " + counted(named_, "input") + " of " + number(p_.inputs.size()));
  }

  // Tensors are below `count`. In named_: how many stood in order of their first appearance.
  void tree(const Tree& t, size_t count, const std::string& noun, int depth) {
    if (depth > kMaxTreeDepth) bad("nested deeper than " + number(kMaxTreeDepth));
    if (t.kind > Tree::Kind::dict) bad("a kind of value that does not exist");
    if (t.kind == Tree::Kind::boolean && (t.integer & ~int64_t{1}) != 0) bad("a bool that is neither true nor false");
    if (t.kind == Tree::Kind::tensor) {
      if (t.integer < 0 || static_cast<uint64_t>(t.integer) >= count) bad(noun + " " + std::to_string(t.integer) + " of " + number(count));
      if (noun == "input" && static_cast<size_t>(t.integer) > named_)
        bad("input " + std::to_string(t.integer) + " is named before " + number(named_));
      if (static_cast<size_t>(t.integer) == named_) ++named_;
    }
    const bool nested = t.kind == Tree::Kind::tuple || t.kind == Tree::Kind::list || t.kind == Tree::Kind::dict;
    if (!nested && !t.children.empty()) bad("a value with parts");
    if (t.keys.size() != (t.kind == Tree::Kind::dict ? t.children.size() : 0)) bad("keys and values of a dict are not equally many");
    if (!t.keys.empty()) {
      std::vector<std::string_view> keys(t.keys.begin(), t.keys.end());
      std::sort(keys.begin(), keys.end());
      const auto twice = std::adjacent_find(keys.begin(), keys.end());
      if (twice != keys.end()) bad("the key '" + std::string(*twice) + "' stands twice in a dict");
    }
    for (const Tree& child : t.children) tree(child, count, noun, depth + 1);
  }

  const Procedure& p_;
  const std::span<const StateEntry> state_;
  std::vector<bool> known_;  // per expression: it follows from the inputs' shapes
  size_t next_ = 0;          // registers that are assigned
  size_t named_ = 0;
};

}  // namespace

void verify(const Procedure& procedure, std::span<const StateEntry> state) { Verifier(procedure, state).run(); }

}  // namespace kiln::tracer
