// The text of a kernel, and back. A line is a declaration, a node or a store; `;` begins a comment:
//
//   kernel rank=2 reduction=lanes clip=-1 scalars=1
//   b0: f32 inner=contiguous reduced=contiguous
//   b1: f32 inner=zero reduced=zero written
//   %0 = load f32 b0
//   %1 = const f32 0x40000000 ; 2
//   %2 = mul f32 %0 %1
//   %3 = reduce add f32 %2
//   store b1 %3
//
// Further nodes: `scalar f32 s0`, `index i64 d1`, `load f32 b0 %mask %otherwise`, `gather f32 b0 %offset` (with a mask or without), of a
// buffer that says `gathered`. parse() also takes a plain number as a constant.
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "codegen/error.h"
#include "codegen/kernel.h"
#include "codegen/scalar_types.h"

namespace kiln::codegen {
namespace {

constexpr std::array<std::string_view, 4> kReductionNames{"none", "lanes", "rows", "tree"};
constexpr std::array<std::string_view, 3> kStrideNames{"zero", "contiguous", "any"};

// -- Printing ---------------------------------------------------------------------------------------------------------------------------

template <class T>
std::string shortest(T value) {
  char text[40];
  return std::string(text, std::to_chars(text, text + sizeof text, value).ptr);
}

std::string hexadecimal(uint64_t value, int digits) {
  std::string text(static_cast<size_t>(digits), '0');
  for (size_t i = text.size(); i-- > 0; value >>= 4) text[i] = "0123456789abcdef"[value & 15];
  return "0x" + text;
}

std::string readable(DType type, uint64_t bits) {
  return with_type(type, [bits]<class T>(T value) -> std::string {
    // By its bits: what the verifier refuses is printed too, and a C++ bool must not hold it.
    if constexpr (std::is_same_v<T, bool>) return bits == 0 ? "false" : bits == 1 ? "true" : "neither false nor true";
    else if constexpr (kIsHalf<T>) return value.bits = static_cast<uint16_t>(bits), shortest(static_cast<float>(value));
    else return std::memcpy(&value, &bits, sizeof value), shortest(value);
  });
}

std::string print_node(const Node& node) {
  const std::string type(info(node.dtype).short_name);
  std::string text;
  switch (node.kind) {
    case NodeKind::constant:
      return "const " + type + " " + hexadecimal(node.bits, 2 * size_of(node.dtype)) + " ; " + readable(node.dtype, node.bits);
    case NodeKind::scalar: return "scalar " + type + " s" + shortest(node.slot);
    case NodeKind::index: return "index " + type + " d" + shortest(node.slot);
    case NodeKind::load: text = "load " + type + " b" + shortest(node.slot); break;
    case NodeKind::gather: text = "gather " + type + " b" + shortest(node.slot); break;
    case NodeKind::primitive: text = std::string(info(node.prim).name) + " " + type; break;
    case NodeKind::reduce: text = "reduce " + std::string(info(node.prim).name) + " " + type; break;
  }
  for (NodeId operand : node.operands)
    if (operand != kNoNode) text += " %" + shortest(operand);
  return text;
}

// -- Parsing ----------------------------------------------------------------------------------------------------------------------------

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Kernel run() {
    next_line();
    header();
    for (next_line(); !at_end(); next_line()) {
      if (peek() == 'b') buffer();
      else if (peek() == '%') node();
      else store();
      skip_blanks();
      if (!at_line_end()) error("expected the end of the line");
    }
    return std::move(kernel_);
  }

 private:
  [[noreturn]] void error(const std::string& what) const {
    size_t line = 1, start = 0;
    for (size_t i = 0; i < at_; ++i)
      if (text_[i] == '\n') ++line, start = i + 1;
    fail(ErrorCode::value, "kernel text, line " + shortest(line) + ", column " + shortest(at_ - start + 1) + ": " + what);
  }

  bool at_end() const { return at_ == text_.size(); }
  bool at_line_end() const { return at_end() || text_[at_] == '\n' || text_[at_] == ';'; }
  char peek() const { return at_end() ? '\0' : text_[at_]; }
  void skip_blanks() {
    while (!at_end() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r')) ++at_;
  }
  // To the first word of the next line that has one.
  void next_line() {
    for (skip_blanks(); !at_end() && at_line_end(); skip_blanks()) {
      while (!at_end() && text_[at_] != '\n') ++at_;
      if (!at_end()) ++at_;
    }
  }

  std::string_view word() {
    skip_blanks();
    const size_t begin = at_;
    while (!at_line_end() && std::string_view(" \t\r:=").find(text_[at_]) == std::string_view::npos) ++at_;
    return text_.substr(begin, at_ - begin);
  }
  void expect(std::string_view literal) {
    skip_blanks();
    if (text_.substr(at_, literal.size()) != literal) error("expected `" + std::string(literal) + "`");
    at_ += literal.size();
  }
  template <class T>
  T number() {
    T value{};
    const auto [end, status] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (status != std::errc{}) error("expected a number");
    at_ = static_cast<size_t>(end - text_.data());
    return value;
  }
  // The index of the word here in a table, through `name`.
  template <class Table, class Name>
  size_t choice(const char* what, const Table& table, Name name) {
    skip_blanks();
    const size_t begin = at_;
    const std::string_view found = word();
    for (size_t i = 0; i < table.size(); ++i)
      if (name(table[i]) == found) return i;
    at_ = begin;
    error(std::string("expected ") + what);
  }
  size_t choice(const char* what, std::span<const std::string_view> names) {
    return choice(what, names, [](std::string_view name) { return name; });
  }
  DType dtype() {
    return static_cast<DType>(choice("a dtype", kRealDTypes, [](const DTypeInfo& t) { return t.short_name; }));
  }
  Prim prim(const char* what) {
    return static_cast<Prim>(choice(what, kPrims, [](const PrimInfo& p) { return p.name; }));
  }
  NodeId operand() {
    expect("%");
    return number<NodeId>();
  }

  void header() {
    expect("kernel");
    expect("rank=");
    kernel_.rank = number<uint8_t>();
    expect("reduction=");
    kernel_.reduction = static_cast<Reduction>(choice("none, lanes, rows or tree", kReductionNames));
    expect("clip=");
    kernel_.clip = number<int8_t>();
    expect("scalars=");
    kernel_.scalars = number<uint32_t>();
    skip_blanks();
    if (!at_line_end()) error("expected the end of the line");
  }

  void buffer() {
    expect("b");
    if (number<size_t>() != kernel_.buffers.size()) error("expected buffer " + shortest(kernel_.buffers.size()));
    expect(":");
    Buffer b;
    b.dtype = dtype();
    expect("inner=");
    b.inner = static_cast<Stride>(choice("a kind of stride", kStrideNames));
    expect("reduced=");
    b.reduced = static_cast<Stride>(choice("a kind of stride", kStrideNames));
    skip_blanks();
    if (!at_line_end()) {
      b.gathered = peek() == 'g';
      b.written = !b.gathered;
      expect(b.gathered ? "gathered" : "written");
    }
    kernel_.buffers.push_back(b);
  }

  void node() {
    if (operand() != kernel_.nodes.size()) error("expected node " + shortest(kernel_.nodes.size()));
    expect("=");
    skip_blanks();
    Node n;
    const size_t begin = at_;
    const std::string_view kind = word();
    if (kind == "const") constant(n);
    else if (kind == "scalar") slot(n, NodeKind::scalar, "s");
    else if (kind == "index") slot(n, NodeKind::index, "d");
    else if (kind == "load") slot(n, NodeKind::load, "b");
    else if (kind == "gather") slot(n, NodeKind::gather, "b");
    else if (kind == "reduce") {
      n.kind = NodeKind::reduce;
      n.prim = prim("a primitive that combines");
      n.dtype = dtype();
    } else {
      at_ = begin;
      n.kind = NodeKind::primitive;
      n.prim = prim("a primitive, const, scalar, index, load, gather or reduce");
      n.dtype = dtype();
    }
    for (NodeId& id : n.operands) {
      skip_blanks();
      if (at_line_end()) break;
      id = operand();
    }
    kernel_.nodes.push_back(n);
  }

  void slot(Node& n, NodeKind kind, std::string_view letter) {
    n.kind = kind;
    n.dtype = dtype();
    expect(letter);
    n.slot = number<uint32_t>();
  }

  void constant(Node& n) {
    n.dtype = dtype();
    skip_blanks();
    if (text_.substr(at_, 2) == "0x") {
      at_ += 2;
      const auto [end, status] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), n.bits, 16);
      if (status != std::errc{}) error("expected a hexadecimal number");
      at_ = static_cast<size_t>(end - text_.data());
      return;
    }
    if (n.dtype == DType::Bool) {
      n.bits = choice("true or false", std::array<std::string_view, 2>{"false", "true"});
      return;
    }
    with_type(n.dtype, [&]<class T>(T value) {
      if constexpr (kIsHalf<T>) value = T(number<double>());
      else if constexpr (!std::is_same_v<T, bool>) value = number<T>();
      std::memcpy(&n.bits, &value, sizeof value);
    });
  }

  void store() {
    expect("store");
    expect("b");
    Store s;
    s.buffer = number<uint32_t>();
    s.value = operand();
    kernel_.stores.push_back(s);
  }

  std::string_view text_;
  size_t at_ = 0;
  Kernel kernel_;
};

}  // namespace

std::string print(const Kernel& kernel) {
  std::string text;
  const auto line = [&](std::initializer_list<std::string_view> parts) {
    for (std::string_view part : parts) text += part;
    text += '\n';
  };
  line({"kernel rank=", shortest(int{kernel.rank}), " reduction=", kReductionNames[static_cast<size_t>(kernel.reduction)],
        " clip=", shortest(int{kernel.clip}), " scalars=", shortest(kernel.scalars)});
  for (size_t i = 0; i < kernel.buffers.size(); ++i) {
    const Buffer& b = kernel.buffers[i];
    line({"b", shortest(i), ": ", info(b.dtype).short_name, " inner=", kStrideNames[static_cast<size_t>(b.inner)],
          " reduced=", kStrideNames[static_cast<size_t>(b.reduced)], b.written ? " written" : "", b.gathered ? " gathered" : ""});
  }
  for (size_t i = 0; i < kernel.nodes.size(); ++i) line({"%", shortest(i), " = ", print_node(kernel.nodes[i])});
  for (const Store& s : kernel.stores) line({"store b", shortest(s.buffer), " %", shortest(s.value)});
  return text;
}

Kernel parse(std::string_view text) { return Parser(text).run(); }

}  // namespace kiln::codegen
