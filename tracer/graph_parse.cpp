// Reads the text that print() writes. Text may come from a file: every name, number and reference is checked, and verify() has the last word.
#include <charconv>
#include <map>

#include "tracer/graph.h"

namespace kiln::tracer {
namespace {

class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  Graph run() {
    word("graph");
    word("storages");
    graph_.storages = static_cast<uint32_t>(integer());
    word("scalars");
    graph_.scalars = static_cast<uint32_t>(integer());
    for (skip(); !rest_.empty(); skip()) {
      if (accept("storage")) {
        result();
      } else if (accept("lends")) {
        word("storage");
        graph_.lent.push_back(static_cast<uint32_t>(integer()));
      } else {
        node();
      }
    }
    verify(graph_);
    return std::move(graph_);
  }

 private:
  [[noreturn]] void bad(const std::string& what) const {
    fail(ErrorCode::value, "graph text, line " + std::to_string(line_) + ": " + what + " at '" + std::string(rest_.substr(0, 24)) + "'");
  }

  // ---- words ----

  void skip() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\n')) {
      line_ += rest_[0] == '\n';
      rest_.remove_prefix(1);
    }
  }
  bool accept(std::string_view s) {
    skip();
    if (!rest_.starts_with(s)) return false;
    rest_.remove_prefix(s.size());
    return true;
  }
  void word(std::string_view s) {
    if (!accept(s)) bad("expected '" + std::string(s) + "'");
  }
  int64_t integer() {
    skip();
    int64_t v = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), v);
    if (error != std::errc()) bad("expected an integer");
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    return v;
  }
  std::string name() {
    skip();
    size_t n = 0;
    while (n < rest_.size() && (std::isalnum(static_cast<unsigned char>(rest_[n])) || rest_[n] == '_')) ++n;
    if (n == 0) bad("expected a name");
    const std::string s(rest_.substr(0, n));
    rest_.remove_prefix(n);
    return s;
  }
  std::optional<DType> dtype_named(std::string_view s) const {
    for (const DTypeInfo& d : kDTypes)
      if (d.short_name == s) return d.dtype;
    return std::nullopt;
  }

  Dim dim() {
    skip();
    return graph_.dims.parse(rest_);
  }
  Dim extent() {
    const Dim d = dim();
    if (d.is_constant() && d.constant() < 0) bad("a dimension is not negative");
    return d;
  }
  std::vector<Dim> dims(std::string_view open, std::string_view close) {
    std::vector<Dim> d;
    word(open);
    while (!accept(close)) {
      d.push_back(extent());
      if (!accept(",") && !rest_.starts_with(close)) bad("expected ',' or '" + std::string(close) + "'");
      if (d.size() > eager::kMaxRank) bad("too many dimensions");
    }
    return d;
  }
  std::vector<int64_t> integers() {
    std::vector<int64_t> v;
    word("(");
    while (!accept(")")) {
      v.push_back(integer());
      if (!accept(",") && !rest_.starts_with(")")) bad("expected ',' or ')'");
      if (v.size() > eager::kMaxRank) bad("too many numbers");
    }
    return v;
  }

  // ---- nodes ----

  struct Output {
    int64_t id;
    Type type;
    Layout layout;
  };

  Output output() {
    word("%");
    Output o{integer(), {}, Layout::plain};
    word(":");
    const std::string t = name();
    const auto dtype = dtype_named(t);
    if (!dtype) bad("unknown dtype '" + t + "'");
    o.type = {*dtype, dims("[", "]")};
    for (const Layout layout : {Layout::blocked16, Layout::images16})
      if (accept(codegen::name_of(layout))) o.layout = layout;
    return o;
  }

  ValueId reference() {
    word("%");
    const auto at = values_.find(integer());
    if (at == values_.end()) bad("a value that is not computed before");
    return at->second;
  }

  std::vector<Operand> operands() {
    std::vector<Operand> list;
    word("(");
    while (!accept(")")) {
      skip();
      if (accept("none")) {
        list.push_back({});
      } else if (accept("s")) {
        const auto number = static_cast<uint32_t>(integer());
        const DTypeKind kind = accept("f")   ? DTypeKind::floating
                               : accept("b") ? DTypeKind::boolean
                                             : (word("i"), DTypeKind::signed_integer);
        list.push_back(Operand::scalar(number, kind));
      } else {
        list.push_back(Operand::value(reference()));
      }
      if (!accept(",") && !rest_.starts_with(")")) bad("expected ',' or ')'");
    }
    return list;
  }

  eager::Attr attr() {
    skip();
    if (accept("none")) return std::monostate();
    if (accept("true")) return true;
    if (accept("false")) return false;
    if (accept("\"")) {
      const size_t end = rest_.find('"');
      if (end == std::string_view::npos) bad("a string without an end");
      std::string s(rest_.substr(0, end));
      rest_.remove_prefix(end + 1);
      return s;
    }
    if (rest_.starts_with("(")) {
      const std::vector<int64_t> v = integers();
      return eager::Dims(v.begin(), v.end());
    }
    for (const DTypeInfo& d : kDTypes)
      if (accept(d.short_name)) return d.dtype;
    const size_t end = rest_.find_first_of(",}");
    const std::string_view number = rest_.substr(0, end);
    if (number.find_first_of(".en") == std::string_view::npos) return integer();
    double v = 0;
    const auto [stop, error] = std::from_chars(number.data(), number.data() + number.size(), v);
    if (error != std::errc() || stop != number.data() + number.size()) bad("expected a number");
    rest_.remove_prefix(number.size());
    return v;
  }

  void attrs(Node& n) {
    if (!accept("{")) return;
    while (!accept("}")) {
      name();  // for people: attributes stand in the operator's order
      word("=");
      n.attrs.push_back(attr());
      if (!accept(",") && !rest_.starts_with("}")) bad("expected ',' or '}'");
    }
  }

  Window window() {
    Window w;
    word("offset");
    w.offset = dim();
    word("shape");
    w.shape = dims("(", ")");
    word("strides");
    w.strides = integers();
    return w;
  }

  void node() {
    std::vector<Output> outputs{output()};
    while (accept(",")) outputs.push_back(output());
    word("=");
    Node n;
    const std::string what = name();
    if (what == "input") {
      n.kind = NodeKind::input;
      word("storage");
      n.storage = static_cast<uint32_t>(integer());
    } else {
      n.operands = operands();
      if (what == "view" || what == "update") {
        n.kind = what == "view" ? NodeKind::view : NodeKind::update;
        n.window = window();
      } else if (what == "reorder") {
        n.kind = NodeKind::reorder;
      } else {
        n.op = eager::find_operator(what);
        if (n.op == nullptr || n.op->name != what) bad("there is no operator '" + what + "'");
        attrs(n);
      }
    }
    std::vector<Type> types;
    for (const Output& o : outputs) types.push_back(o.type);
    const ValueId first = graph_.add(std::move(n), std::move(types));
    for (uint32_t i = 0; i < outputs.size(); ++i) {
      graph_.values[first + i].layout = outputs[i].layout;
      if (!values_.emplace(outputs[i].id, first + i).second) bad("%" + std::to_string(outputs[i].id) + " is computed twice");
    }
  }

  void result() {
    const auto storage = static_cast<uint32_t>(integer());
    word("<-");
    graph_.results.push_back({storage, reference()});
  }

  std::string_view rest_;
  int line_ = 1;
  Graph graph_;
  std::map<int64_t, ValueId> values_;  // as the text numbers them
};

}  // namespace

Graph parse(std::string_view text) { return Parser(text).run(); }

}  // namespace kiln::tracer
