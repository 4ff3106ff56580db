// Writes <kiln/operators.h> from the table of operators: one inline function for each name, with typed parameters, defaults and the
// operator's own words. The build runs it whenever the library has changed; the file is touched only where it differs.
//
//   kiln_operators_header FILE
#include <algorithm>
#include <cctype>
#include <charconv>
#include <fstream>
#include <iostream>
#include <sstream>

#include "eager/operator.h"

namespace kiln {
namespace {

using eager::Attr;
using eager::Operator;
using eager::Parameter;
using Kind = Parameter::Kind;

// Names that C++ keeps for itself get an underscore.
constexpr std::string_view kReserved[] = {"and",    "auto",     "bool",   "case",     "char",   "class",    "const", "default",  "delete",
                                          "do",     "double",   "else",   "enum",     "false",  "float",    "for",   "if",       "int",
                                          "long",   "new",      "not",    "operator", "or",     "this",     "true",  "register", "short",
                                          "signed", "sizeof",   "static", "struct",   "switch", "template", "throw", "try",      "typename",
                                          "union",  "unsigned", "using",  "void",     "while",  "xor"};
std::string identifier(std::string_view name) {
  const bool reserved = std::find(std::begin(kReserved), std::end(kReserved), name) != std::end(kReserved);
  return std::string(name) + (reserved ? "_" : "");
}

struct Type {
  std::string_view plain, optional;  // where None is (not) its default
};
Type type_of(Kind kind) {
  switch (kind) {
    case Kind::tensor:
    case Kind::optional_tensor: return {"const Operand&", "const Operand&"};
    case Kind::tensors: return {"const std::vector<Tensor>&", "const std::vector<Tensor>&"};
    case Kind::boolean: return {"bool", "std::optional<bool>"};
    case Kind::integer: return {"int64_t", "std::optional<int64_t>"};
    case Kind::number: return {"Number", "std::optional<Number>"};
    case Kind::dtype: return {"DType", "std::optional<DType>"};
    case Kind::axes: return {"const Axes&", "const Axes&"};
    case Kind::shape: return {"const Shape&", "const std::optional<Shape>&"};
    case Kind::string: return {"std::string_view", "std::optional<std::string_view>"};
  }
  return {};
}

bool has_default(const Parameter& p) { return p.has_default || p.kind == Kind::optional_tensor; }
bool is_none(const Parameter& p) { return has_default(p) && std::holds_alternative<std::monostate>(p.default_value); }

std::string literal(const Parameter& p) {
  struct Write {
    std::string operator()(std::monostate) const { return "std::nullopt"; }
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(int64_t v) const { return std::to_string(v); }
    std::string operator()(double v) const {
      char text[32];
      std::string s(text, std::to_chars(text, text + sizeof text, v).ptr);
      return s.find_first_of(".einf") == std::string::npos ? s + ".0" : s;
    }
    std::string operator()(DType v) const {
      if (v == DType::Bool) return "DType::Bool";
      std::string name(info(v).short_name);  // the other enumerators are these, in capitals
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::toupper(c); });
      return "DType::" + name;
    }
    std::string operator()(const eager::Dims& v) const {
      std::string s = "{";
      for (int64_t extent : v) s += (s.size() > 1 ? ", " : "") + std::to_string(extent);
      return s + "}";
    }
    std::string operator()(const std::string& v) const { return '"' + v + '"'; }
  };
  return p.kind == Kind::optional_tensor || p.kind == Kind::tensor ? "{}" : std::visit(Write{}, p.default_value);
}

// "const Operand& x, const Axes& axis = std::nullopt": C++ wants defaults on the last parameters only.
std::string parameter_list(const Operator& op) {
  size_t first_default = op.parameters.size();
  while (first_default > 0 && has_default(op.parameters[first_default - 1])) --first_default;
  std::string list;
  for (size_t i = 0; i < op.parameters.size(); ++i) {
    const Parameter& p = op.parameters[i];
    const Type type = type_of(p.kind);
    list += (i > 0 ? ", " : "") + std::string(is_none(p) ? type.optional : type.plain) + ' ' + identifier(p.name);
    if (i >= first_default) list += " = " + literal(p);
  }
  return list;
}

std::string argument_list(const Operator& op) {
  std::string list;
  for (const Parameter& p : op.parameters) list += (list.empty() ? "" : ", ") + identifier(p.name);
  return list;
}

void write_comment(std::ostream& out, std::string_view text) {
  constexpr size_t kWidth = 136;
  while (!text.empty()) {
    size_t end = text.size() <= kWidth ? text.size() : text.rfind(' ', kWidth);
    if (end == std::string_view::npos) end = text.size();
    out << "// " << text.substr(0, end) << '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

void write_functions(std::ostream& out, const Operator& op) {
  const std::string result = op.outputs == 1 ? "Tensor" : "std::array<Tensor, " + std::to_string(op.outputs) + ">";
  const std::string call = op.outputs == 1 ? "call" : "call_all<" + std::to_string(op.outputs) + ">";
  out << '\n';
  write_comment(out, op.doc);
  out << "inline " << result << ' ' << identifier(op.name) << '(' << parameter_list(op) << ") {\n"
      << "  static constinit detail::OperatorName operator_name{\"" << op.name << "\"};\n"
      << "  return detail::" << call << "(operator_name, " << argument_list(op) << ");\n}\n";
  for (std::string_view alias : op.aliases)
    out << "inline " << result << ' ' << identifier(alias) << '(' << parameter_list(op) << ") { return " << identifier(op.name) << '('
        << argument_list(op) << "); }  // the same\n";
}

std::string header() {
  std::ostringstream out;
  out << "// Every operator as a function. Written by the build from the operators' definitions in eager/ops/; do not edit.\n"
         "#pragma once\n\n#include <kiln/detail/call.h>\n\nnamespace kiln {\n";
  for (const Operator* op : eager::all_operators()) write_functions(out, *op);
  out << "\n}  // namespace kiln\n";
  return out.str();
}

std::string content_of(const char* path) {
  std::ostringstream content;
  content << std::ifstream(path).rdbuf();
  return content.str();
}

}  // namespace
}  // namespace kiln

int main(int count, char** arguments) {
  if (count != 2) {
    std::cerr << "usage: kiln_operators_header FILE\n";
    return 2;
  }
  const std::string text = kiln::header();
  if (kiln::content_of(arguments[1]) == text) return 0;
  std::ofstream out(arguments[1]);
  out << text;
  return out.flush() ? 0 : 1;
}
