// Procedures as text, for people:
//
//   inputs
//     %0 x: float32(batch, 1, 28, 28)
//   state
//     %1 fc.weight: float32(128, 9216)
//   calls
//     %2: float32(batch, 9216) = reshape(%0) {shape=(batch, 9216)}        model.py:12
//     %3 *= 0.9                                                           train.py:30
//   results %2
//   constraints batch <= 64
#include <sstream>

#include "tracer/attr_text.h"
#include "tracer/procedure.h"

namespace kiln::tracer {
namespace {

constexpr size_t kWhereColumn = 96;

std::string name(Register r) { return std::string("%").append(std::to_string(r)); }  // operator+ draws a false warning from GCC 12

class Printer {
 public:
  Printer(const Procedure& p, std::span<const StateEntry> state) : p_(p), state_(state) {}

  std::string run() {
    leaves(Leaf::Kind::input, "inputs");
    leaves(Leaf::Kind::state, "state");
    out_ << "calls\n";
    for (const Call& c : p_.calls) call(c);
    out_ << "results " << tree(p_.results) << "\n";
    for (const Constraint& c : p_.constraints) line("constraint " + text(p_.dims, c), c.where);
    return std::move(out_).str();
  }

 private:
  void line(std::string s, const std::string& where) {
    if (!where.empty()) s += std::string(s.size() < kWhereColumn ? kWhereColumn - s.size() : 2, ' ') + where;
    out_ << s << "\n";
  }

  void leaves(Leaf::Kind kind, const char* title) {
    bool first = true;
    for (Register r = 0; r < p_.leaves.size(); ++r) {
      const Leaf& l = p_.leaves[r];
      if (l.kind != kind) continue;
      if (first) out_ << title << "\n";
      first = false;
      const bool input = kind == Leaf::Kind::input;
      std::string s = "  " + name(r) + " " + (input ? p_.inputs[l.index].name : state_[l.index].name) + ": " + text(p_.dims, p_.types[r]);
      if (!input && (l.offset != 0 || l.strides != eager::contiguous_strides(l.shape)))
        s += " offset " + std::to_string(l.offset) + " strides " + eager::to_string(l.strides);
      if (!input && p_.writes_state(l.index)) s += ", written";
      out_ << s << "\n";
    }
  }

  const SymbolicNumber* symbolic(const Call& c, SymbolicNumber::Place place, size_t index, int element) const {
    for (const SymbolicNumber& n : c.numbers)
      if (n.place == place && n.index == index && n.element == element) return &n;
    return nullptr;
  }
  std::string number(const SymbolicNumber& n) const {
    const std::string dim = p_.dims.text(n.dim);
    if (!n.floating) return dim;
    const std::string factor = text(eager::Attr(n.factor));
    switch (n.form) {
      case ScalarForm::product: return factor + " * " + dim;
      case ScalarForm::quotient: return factor + " / " + dim;
      case ScalarForm::ratio: return dim + " / " + factor;
    }
    return dim;
  }

  std::string operand(const Call& c, size_t i) const {
    const CallOperand& o = c.operands[i];
    switch (o.kind) {
      case CallOperand::Kind::absent: return "none";
      case CallOperand::Kind::tensor: return name(o.tensor);
      case CallOperand::Kind::scalar: break;
    }
    if (const SymbolicNumber* n = symbolic(c, SymbolicNumber::Place::operand, i, 0)) return number(*n);
    return o.scalar.kind == DTypeKind::floating  ? text(eager::Attr(o.scalar.f))
           : o.scalar.kind == DTypeKind::boolean ? text(eager::Attr(o.scalar.i != 0))
                                                 : text(eager::Attr(o.scalar.i));
  }
  std::string attribute(const Call& c, size_t i) const {
    const auto* list = std::get_if<eager::Dims>(&c.attrs[i]);
    if (list == nullptr) {
      const SymbolicNumber* n = symbolic(c, SymbolicNumber::Place::attribute, i, 0);
      return n ? number(*n) : text(c.attrs[i]);
    }
    std::string s = "(";
    for (int e = 0; e < list->size(); ++e) {
      const SymbolicNumber* n = symbolic(c, SymbolicNumber::Place::attribute, i, e);
      s += (e ? ", " : "") + (n ? number(*n) : std::to_string((*list)[e]));
    }
    return s + (list->size() == 1 ? ",)" : ")");
  }

  void call(const Call& c) {
    std::string s = "  ";
    if (c.kind == CallKind::call) {
      for (int i = 0; i < c.op->outputs; ++i) {
        const Register r = c.first_output + static_cast<Register>(i);
        s += (i ? ", " : "") + name(r) + ": " + text(p_.dims, p_.types[r]);
      }
      s += " = ";
    } else {
      s += name(c.destination) + " <- ";
    }
    if (c.op == nullptr) return line(s + operand(c, 0), c.where);
    s += std::string(c.op->name) + "(";
    for (size_t i = 0; i < c.operands.size(); ++i) s += (i ? ", " : "") + operand(c, i);
    s += ")";
    std::string attributes;
    size_t at = 0;
    for (const eager::Parameter& p : c.op->parameters) {
      if (p.is_operand() || at >= c.attrs.size()) continue;
      if (!p.has_default || c.attrs[at] != p.default_value)
        attributes += (attributes.empty() ? "" : ", ") + std::string(p.name) + "=" + attribute(c, at);
      ++at;
    }
    if (!attributes.empty()) s += " {" + attributes + "}";
    line(s, c.where);
  }

  std::string tree(const Tree& t) const {
    switch (t.kind) {
      case Tree::Kind::none: return "none";
      case Tree::Kind::boolean: return t.integer ? "true" : "false";
      case Tree::Kind::integer: return std::to_string(t.integer);
      case Tree::Kind::floating: return text(eager::Attr(t.floating));
      case Tree::Kind::text: return text(eager::Attr(t.text));
      case Tree::Kind::tensor: return name(static_cast<Register>(t.integer));
      case Tree::Kind::tuple:
      case Tree::Kind::list:
      case Tree::Kind::dict: break;
    }
    std::string s;
    for (size_t i = 0; i < t.children.size(); ++i)
      s += (i ? ", " : "") + (t.kind == Tree::Kind::dict ? t.keys[i] + ": " : "") + tree(t.children[i]);
    return t.kind == Tree::Kind::tuple ? "(" + s + ")" : t.kind == Tree::Kind::list ? "[" + s + "]" : "{" + s + "}";
  }

  const Procedure& p_;
  const std::span<const StateEntry> state_;
  std::ostringstream out_;
};

}  // namespace

std::string print(const Procedure& p, std::span<const StateEntry> state) { return Printer(p, state).run(); }

}  // namespace kiln::tracer
