#include <algorithm>

#include "jit/package/graph.h"
#include "jit/package/graph_words.h"
#include "jit/package/json_reader.h"

namespace kiln::jit::package {
namespace {

using namespace tracer;
using eager::Attr;
using eager::Dims;
using eager::Operator;
using eager::Scalar;

// What a state entry becomes, beside its bytes.
constexpr size_t kStateObjects = sizeof(StateEntry) + sizeof(eager::TensorImpl) + sizeof(eager::Storage) + 128;
// An expression in its table: itself, as a key of the map that finds it, its text there and here.
constexpr size_t kExpressionObjects = 288;

class Reader {
 public:
  Reader(std::string_view text, Budget& budget) : json_(text, budget) {}

  GraphContents run() {
    GraphContents graph;
    json_.open('{');
    json_.key("operators");
    json_.list(operators_, [&](const Operator*& op) { op = read_operator(); });
    for (size_t i = 1; i < operators_.size(); ++i)
      if (operators_[i - 1]->name >= operators_[i]->name) json_.bad("the operators are not in the order of their names");
    json_.key("state");
    json_.list(graph.state, [&](StateType& s) {
      json_.budget().charge(kStateObjects);
      json_.open('{');
      json_.key("name");
      s.name = json_.text();
      json_.key("dtype");
      s.dtype = dtype();
      json_.key("shape");
      s.shape = dims();
      json_.close('}');
    });
    json_.key("entries");
    json_.list(graph.entries, [&](Entry& entry) {
      json_.open('{');
      json_.key("name");
      entry.name = json_.text();
      procedure(entry.procedure);
      json_.close('}');
    });
    json_.close('}');
    json_.end();
    return graph;
  }

 private:
  // ---- words and numbers ----

  template <size_t N>
  size_t word(const std::array<std::string_view, N>& words, std::string_view found) {
    const auto at = std::find(words.begin(), words.end(), found);
    if (at != words.end()) return static_cast<size_t>(at - words.begin());
    std::string all;
    for (const std::string_view w : words) all += (all.empty() ? "" : ", ") + std::string(w);
    json_.bad("'" + std::string(found.substr(0, 40)) + "' is none of " + all);
  }
  template <class E, size_t N>
  E word(const std::array<std::string_view, N>& words) {
    return static_cast<E>(word(words, json_.text()));
  }

  uint32_t index() {
    const int64_t v = json_.integer();
    if (v < 0 || v > UINT32_MAX) json_.bad(std::to_string(v) + " is not an index");
    return static_cast<uint32_t>(v);
  }

  DType dtype() {
    static constexpr auto kNames = [] {
      std::array<std::string_view, kDTypeCount> names;
      for (size_t i = 0; i < names.size(); ++i) names[i] = kDTypes[i].name;
      return names;
    }();
    return word<DType>(kNames);
  }

  Dims dims() {
    Dims out;
    json_.open('[');
    while (json_.more(']')) {
      if (out.size() == eager::kMaxRank) json_.bad("more than " + std::to_string(eager::kMaxRank) + " numbers in a list of extents");
      out.push_back(json_.integer());
    }
    json_.close(']');
    return out;
  }

  // The one key of an object that says by it what it is.
  template <class F>
  auto tagged(const F& value) {
    json_.open('{');
    const std::string tag = json_.any_key();
    auto result = value(tag);
    json_.close('}');
    return result;
  }
  [[noreturn]] void unknown(const std::string& tag, const char* expected) {
    json_.bad("'" + tag.substr(0, 40) + "' is not a key of " + expected);
  }

  // ---- operators ----

  const Operator* read_operator() {
    json_.open('{');
    json_.key("name");
    const std::string name = json_.text();
    json_.key("version");
    const int64_t version = json_.integer();
    json_.close('}');
    const Operator* op = eager::find_operator(name);
    if (op == nullptr || op->name != name)
      json_.bad("it calls the operator '" + name.substr(0, 80) + "' (version " + std::to_string(version) + "), which Kiln " + KILN_VERSION +
                " does not have; load it with a Kiln that has it");
    if (op->version != version)
      json_.bad("it calls version " + std::to_string(version) + " of the operator '" + name + "'; Kiln " + KILN_VERSION + " has version " +
                std::to_string(op->version) + ". Load it with the Kiln that saved it, or export it again");
    return op;
  }

  const Operator* listed_operator() {
    const std::string name = json_.text();
    const auto at =
        std::lower_bound(operators_.begin(), operators_.end(), name, [](const Operator* a, const std::string& b) { return a->name < b; });
    if (at == operators_.end() || (*at)->name != name)
      json_.bad("the operator '" + name.substr(0, 80) + "' is not in the list of operators");
    return *at;
  }

  // ---- dimensions ----

  // All expressions, parts before what is made of them. Each must read as the very expression that stood at its place.
  void expressions(DimTable& dims) {
    known_.clear();
    json_.open('[');
    for (size_t i = 0; json_.more(']'); ++i) {
      if (i == kMaxExpressions) json_.bad("more than " + std::to_string(kMaxExpressions) + " expressions");
      json_.budget().charge(kExpressionObjects);
      std::string text = json_.text();
      if (text.size() > kMaxExpressionText) json_.bad("an expression of more than " + std::to_string(kMaxExpressionText) + " characters");
      std::string_view rest = text;
      Dim d;
      try {
        d = dims.parse(rest);
      } catch (const Error& e) { json_.bad(e.what()); }
      if (!rest.empty() || d.is_constant() || d.index() != i || dims.size() != i + 1 || dims.text(d) != text)
        json_.bad("'" + text.substr(0, 80) + "' is not an expression in its simplest form, made of those before it");
      if (dims.symbols().size() > kMaxSymbols) json_.bad("more than " + std::to_string(kMaxSymbols) + " symbols");
      known_.emplace(std::move(text), d);
    }
    json_.close(']');
  }

  Dim dim() {
    if (json_.peek() == '0') return json_.integer();
    const std::string text = json_.text();
    const auto at = known_.find(text);
    if (at == known_.end()) json_.bad("'" + text.substr(0, 80) + "' is not in the list of expressions");
    return at->second;
  }

  void type(SymbolicType& t) {
    json_.key("dtype");
    t.dtype = dtype();
    json_.key("shape");
    json_.list(t.shape, [&](Dim& d) { d = dim(); });
  }

  // ---- procedures ----

  template <class T, class F>
  void listing(std::string_view name, std::vector<T>& out, const F& each) {
    json_.key(name);
    json_.list(out, [&](T& element) {
      json_.open('{');
      each(element);
      json_.close('}');
    });
  }

  void procedure(Procedure& p) {
    json_.key("dims");
    expressions(p.dims);
    listing("inputs", p.inputs, [&](InputSpec& input) {
      json_.key("name");
      input.name = json_.text();
      type(input.type);
    });
    listing("leaves", p.leaves, [&](Leaf& l) { leaf(l); });
    listing("calls", p.calls, [&](Call& c) { call(c); });
    listing("constraints", p.constraints, [&](Constraint& c) {
      json_.key("left");
      c.left = dim();
      json_.key("op");
      c.op = word<Constraint::Op>(kComparisons);
      json_.key("right");
      c.right = dim();
      json_.key("where");
      c.where = json_.text();
    });
    listing("registers", p.types, [&](SymbolicType& t) { type(t); });
    json_.key("arguments");
    tree(p.arguments, 0);
    json_.key("results");
    tree(p.results, 0);
  }

  void leaf(Leaf& l) {
    l.kind = static_cast<Leaf::Kind>(word(kLeafKinds, json_.any_key()));
    l.index = index();
    if (l.kind == Leaf::Kind::input) return;
    json_.key("dtype");
    l.dtype = dtype();
    json_.key("offset");
    l.offset = json_.integer();
    json_.key("shape");
    l.shape = dims();
    json_.key("strides");
    l.strides = dims();
  }

  // ---- calls ----

  void call(Call& c) {
    json_.key("kind");
    c.kind = word<CallKind>(kCallKinds);
    json_.key("op");
    if (json_.peek() == 'n') json_.null();
    else c.op = listed_operator();
    json_.key("operands");
    json_.list(c.operands, [&](CallOperand& o) { operand(o); });
    json_.key("attrs");
    json_.list(c.attrs, [&](Attr& a) { a = attr(); });
    json_.key("numbers");
    json_.list(c.numbers, [&](SymbolicNumber& n) { symbolic(n); });
    json_.key(c.kind == CallKind::call ? "output" : "destination");
    (c.kind == CallKind::call ? c.first_output : c.destination) = index();
    json_.key("where");
    c.where = json_.text();
  }

  Scalar scalar() {
    if (json_.peek() == '0') return json_.is_integer() ? Scalar(json_.integer()) : Scalar(json_.floating());
    return json_.boolean();
  }

  void operand(CallOperand& o) {
    switch (json_.peek()) {
      case 'n': return json_.null();
      case '{':
        o = tagged([&](const std::string& tag) -> CallOperand {
          if (tag == "tensor") return {.kind = CallOperand::Kind::tensor, .tensor = index()};
          if (tag == "float") return {.kind = CallOperand::Kind::scalar, .scalar = json_.named_floating()};
          unknown(tag, "an operand");
        });
        return;
      default: o = {.kind = CallOperand::Kind::scalar, .scalar = scalar()};
    }
  }

  Attr attr() {
    switch (json_.peek()) {
      case 'n': json_.null(); return {};
      case '"': return json_.text();
      case '[': return dims();
      case '{':
        return tagged([&](const std::string& tag) -> Attr {
          if (tag == "dtype") return dtype();
          if (tag == "float") return json_.named_floating();
          unknown(tag, "an attribute");
        });
      default: break;
    }
    const Scalar s = scalar();
    if (s.kind == DTypeKind::floating) return s.f;
    if (s.kind == DTypeKind::boolean) return s.i != 0;
    return s.i;
  }

  void symbolic(SymbolicNumber& n) {
    json_.open('{');
    json_.key("place");
    n.place = word<SymbolicNumber::Place>(kPlaces);
    json_.key("index");
    n.index = index();
    json_.key("element");
    const int64_t element = json_.integer();
    if (element < 0 || element >= eager::kMaxRank) json_.bad(std::to_string(element) + " is not an element of a list");
    n.element = static_cast<int32_t>(element);
    json_.key("dim");
    n.dim = dim();
    json_.key("floating");
    n.floating = json_.boolean();
    json_.key("form");
    n.form = word<ScalarForm>(kScalarForms);
    json_.key("factor");
    n.factor = json_.floating();
    json_.close('}');
  }

  // ---- trees ----

  void tree(Tree& t, int depth) {
    if (depth > kMaxTreeDepth) json_.bad("nested deeper than " + std::to_string(kMaxTreeDepth));
    switch (json_.peek()) {
      case 'n': return json_.null();
      case '"':
        t.kind = Tree::Kind::text;
        t.text = json_.text();
        return;
      case '[': return children(t, Tree::Kind::list, depth);
      case '{':
        json_.open('{');
        branch(t, json_.any_key(), depth);
        return json_.close('}');
      default: break;
    }
    const Scalar s = scalar();
    t.kind = s.kind == DTypeKind::floating  ? Tree::Kind::floating
             : s.kind == DTypeKind::boolean ? Tree::Kind::boolean
                                            : Tree::Kind::integer;
    if (s.kind == DTypeKind::floating) t.floating = s.f;
    else t.integer = s.i;
  }

  void children(Tree& t, Tree::Kind kind, int depth) {
    t.kind = kind;
    json_.list(t.children, [&](Tree& child) { tree(child, depth + 1); });
  }

  // A value that is an object with one key, which says what it is.
  void branch(Tree& t, const std::string& tag, int depth) {
    if (tag == "tensor") {
      t.kind = Tree::Kind::tensor;
      t.integer = index();
    } else if (tag == "float") {
      t.kind = Tree::Kind::floating;
      t.floating = json_.named_floating();
    } else if (tag == "tuple") {
      children(t, Tree::Kind::tuple, depth);
    } else if (tag == "dict") {
      t.kind = Tree::Kind::dict;
      json_.open('{');
      const size_t n = json_.count();
      json_.budget().charge(n, sizeof(Tree) + sizeof(std::string) + sizeof(std::string_view));  // verify() sorts the keys
      t.keys.reserve(n);
      t.children.reserve(n);
      while (json_.more('}')) {
        t.keys.push_back(json_.any_key());
        tree(t.children.emplace_back(), depth + 1);
      }
      json_.close('}');
    } else {
      unknown(tag, "a value");
    }
  }

  JsonReader json_;
  std::vector<const Operator*> operators_;  // by name
  std::map<std::string, Dim> known_;        // the present procedure's expressions by their text
};

}  // namespace

GraphContents read_graph(std::string_view text, Budget& budget) { return Reader(text, budget).run(); }

}  // namespace kiln::jit::package
