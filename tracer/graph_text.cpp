// Graphs as text: what as_text("graph") and KILN_DUMP show, and parse() (graph_parse.cpp) reads.
#include <sstream>

#include "tracer/attr_text.h"
#include "tracer/graph.h"

namespace kiln::tracer {
namespace {

std::string name(ValueId v) { return "%" + std::to_string(v); }

std::string join(const Graph& g, const std::vector<Dim>& dims) {
  std::string s;
  for (size_t i = 0; i < dims.size(); ++i) s += (i ? ", " : "") + g.dims.text(dims[i]);
  return s;
}

std::string type_text(const Graph& g, const Value& v) {
  std::string s = std::string(info(v.type.dtype).short_name) + "[" + join(g, v.type.shape) + "]";
  if (v.layout != Layout::plain) s += " " + std::string(name_of(v.layout));
  return s;
}

std::string operand_text(const Operand& o) {
  switch (o.kind) {
    case Operand::Kind::absent: return "none";
    case Operand::Kind::value: return name(o.id);
    case Operand::Kind::scalar:
      return "s" + std::to_string(o.id) + (o.scalar_kind == DTypeKind::floating ? "f" : o.scalar_kind == DTypeKind::boolean ? "b" : "i");
  }
  return {};
}

std::string attrs_text(const Node& n) {
  if (n.attrs.empty()) return {};
  std::string s = " {";
  size_t at = 0;
  for (const eager::Parameter& p : n.op->parameters) {
    if (p.is_operand() || at >= n.attrs.size()) continue;
    s += (at ? ", " : "") + std::string(p.name) + "=" + text(n.attrs[at]);
    ++at;
  }
  return s + "}";
}

std::string window_text(const Graph& g, const Window& w) {
  std::string s = " offset " + g.dims.text(w.offset) + " shape (" + join(g, w.shape) + ") strides (";
  for (size_t i = 0; i < w.strides.size(); ++i) s += (i ? ", " : "") + std::to_string(w.strides[i]);
  return s + ")";
}

std::string node_text(const Graph& g, const Node& n) {
  std::string operands;
  for (size_t i = 0; i < n.operands.size(); ++i) operands += (i ? ", " : "") + operand_text(n.operands[i]);
  switch (n.kind) {
    case NodeKind::input: return "input storage " + std::to_string(n.storage);
    case NodeKind::operation: return std::string(n.op->name) + "(" + operands + ")" + attrs_text(n);
    case NodeKind::view: return "view(" + operands + ")" + window_text(g, n.window);
    case NodeKind::update: return "update(" + operands + ")" + window_text(g, n.window);
    case NodeKind::reorder: return "reorder(" + operands + ")";
  }
  return {};
}

}  // namespace

std::string print(const Graph& g) {
  std::ostringstream out;
  out << "graph storages " << g.storages << " scalars " << g.scalars << "\n";
  for (const Node& n : g.nodes) {
    out << "  ";
    for (uint32_t i = 0; i < n.outputs; ++i)
      out << (i ? ", " : "") << name(n.first_output + i) << ": " << type_text(g, g.values[n.first_output + i]);
    out << " = " << node_text(g, n) << "\n";
  }
  for (const Result& r : g.results) out << "  storage " << r.storage << " <- " << name(r.value) << "\n";
  for (uint32_t s : g.lent) out << "  lends storage " << s << "\n";
  return out.str();
}

}  // namespace kiln::tracer
