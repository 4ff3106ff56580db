#include <algorithm>

#include "jit/package/graph.h"
#include "jit/package/graph_words.h"
#include "jit/package/json_writer.h"

namespace kiln::jit::package {
namespace {

using namespace tracer;
using eager::Attr;
using eager::Dims;
using eager::Operator;
using eager::Scalar;

class Writer {
 public:
  std::string run(const std::vector<Entry>& entries, const std::vector<StateType>& state) {
    json_.open('{');
    listing("operators", operators(entries), [&](const Operator* op) {
      field("name").text(op->name);
      field("version").integer(op->version);
    });
    listing("state", state, [&](const StateType& s) {
      field("name").text(s.name);
      field("dtype").text(name_of(s.dtype));
      field("shape").integers({s.shape.begin(), s.shape.end()});
    });
    listing("entries", entries, [&](const Entry& entry) {
      field("name").text(entry.name);
      try {
        procedure(entry.procedure);
      } catch (const Error& e) { fail(e.code(), "entry '" + entry.name + "': " + e.what()); }
    });
    json_.line();
    json_.close('}');
    return json_.str() + "\n";
  }

 private:
  JsonWriter& field(std::string_view name) {
    json_.key(name);
    return json_;
  }

  // "name": [ an object a line ]
  template <class Range, class F>
  void listing(std::string_view name, const Range& range, const F& each) {
    json_.line();
    json_.key(name);
    json_.open('[');
    for (const auto& element : range) {
      json_.line();
      json_.open('{');
      each(element);
      json_.close('}');
    }
    json_.close(']');
  }

  // Those that are called, by name.
  static std::vector<const Operator*> operators(const std::vector<Entry>& entries) {
    std::vector<const Operator*> all;
    for (const Entry& entry : entries)
      for (const Call& c : entry.procedure.calls)
        if (c.op != nullptr) all.push_back(c.op);
    std::sort(all.begin(), all.end(), [](const Operator* a, const Operator* b) { return a->name < b->name; });
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
  }

  void procedure(const Procedure& p) {
    dims_ = p.dims.texts(kMaxExpressionText);
    json_.line();
    field("dims");
    json_.open('[');
    for (const std::string& text : dims_) json_.text(text);
    json_.close(']');
    listing("inputs", p.inputs, [&](const InputSpec& input) {
      field("name").text(input.name);
      type(input.type);
    });
    listing("leaves", p.leaves, [&](const Leaf& l) { leaf(l); });
    listing("calls", p.calls, [&](const Call& c) { call(c); });
    listing("constraints", p.constraints, [&](const Constraint& c) {
      dim(field("left"), c.left);
      field("op").text(kComparisons[static_cast<size_t>(c.op)]);
      dim(field("right"), c.right);
      field("where").text(c.where);
    });
    listing("registers", p.types, [&](const SymbolicType& t) { type(t); });
    json_.line();
    tree(field("arguments"), p.arguments);
    json_.line();
    tree(field("results"), p.results);
  }

  void dim(JsonWriter& json, Dim d) {
    if (d.is_constant()) json.integer(d.constant());
    else json.text(dims_[d.index()]);
  }

  void type(const SymbolicType& t) {
    field("dtype").text(name_of(t.dtype));
    field("shape").open('[');
    for (Dim d : t.shape) dim(json_, d);
    json_.close(']');
  }

  void leaf(const Leaf& l) {
    field(kLeafKinds[static_cast<size_t>(l.kind)]).integer(l.index);
    if (l.kind == Leaf::Kind::input) return;
    field("dtype").text(name_of(l.dtype));
    field("offset").integer(l.offset);
    field("shape").integers({l.shape.begin(), l.shape.end()});
    field("strides").integers({l.strides.begin(), l.strides.end()});
  }

  // ---- calls ----

  void call(const Call& c) {
    field("kind").text(kCallKinds[static_cast<size_t>(c.kind)]);
    if (c.op != nullptr) field("op").text(c.op->name);
    else field("op").word("null");
    field("operands").open('[');
    for (const CallOperand& o : c.operands) operand(o);
    json_.close(']');
    field("attrs").open('[');
    for (const Attr& a : c.attrs) attr(a);
    json_.close(']');
    field("numbers").open('[');
    for (const SymbolicNumber& n : c.numbers) symbolic(n);
    json_.close(']');
    if (c.kind == CallKind::call) field("output").integer(c.first_output);
    else field("destination").integer(c.destination);
    field("where").text(c.where);
  }

  void tensor(int64_t number) {
    json_.open('{');
    field("tensor").integer(number);
    json_.close('}');
  }

  void operand(const CallOperand& o) {
    switch (o.kind) {
      case CallOperand::Kind::absent: return json_.word("null");
      case CallOperand::Kind::tensor: return tensor(o.tensor);
      case CallOperand::Kind::scalar: break;
    }
    const Scalar& s = o.scalar;
    if (s.kind == DTypeKind::floating) json_.floating(s.f);
    else if (s.kind == DTypeKind::boolean) json_.word(s.i != 0 ? "true" : "false");
    else json_.integer(s.i);
  }

  void attr(const Attr& a) {
    struct Visitor {
      Writer& w;
      void operator()(std::monostate) const { w.json_.word("null"); }
      void operator()(bool v) const { w.json_.word(v ? "true" : "false"); }
      void operator()(int64_t v) const { w.json_.integer(v); }
      void operator()(double v) const { w.json_.floating(v); }
      void operator()(const Dims& v) const { w.json_.integers({v.begin(), v.end()}); }
      void operator()(const std::string& v) const { w.json_.text(v); }
      void operator()(DType v) const {
        w.json_.open('{');
        w.field("dtype").text(name_of(v));
        w.json_.close('}');
      }
    };
    std::visit(Visitor{*this}, a);
  }

  void symbolic(const SymbolicNumber& n) {
    json_.open('{');
    field("place").text(kPlaces[static_cast<size_t>(n.place)]);
    field("index").integer(n.index);
    field("element").integer(n.element);
    dim(field("dim"), n.dim);
    field("floating").word(n.floating ? "true" : "false");
    field("form").text(kScalarForms[static_cast<size_t>(n.form)]);
    field("factor").floating(n.factor);
    json_.close('}');
  }

  // ---- trees ----

  void tree(JsonWriter& json, const Tree& t) {
    switch (t.kind) {
      case Tree::Kind::none: return json.word("null");
      case Tree::Kind::boolean: return json.word(t.integer != 0 ? "true" : "false");
      case Tree::Kind::integer: return json.integer(t.integer);
      case Tree::Kind::floating: return json.floating(t.floating);
      case Tree::Kind::text: return json.text(t.text);
      case Tree::Kind::tensor: return tensor(t.integer);
      case Tree::Kind::tuple:
        json.open('{');
        children(field("tuple"), t);
        return json.close('}');
      case Tree::Kind::list: return children(json, t);
      case Tree::Kind::dict:
        json.open('{');
        field("dict").open('{');
        for (size_t i = 0; i < t.keys.size(); ++i) tree(field(t.keys[i]), t.children[i]);
        json.close('}');
        return json.close('}');
    }
  }

  void children(JsonWriter& json, const Tree& t) {
    json.open('[');
    for (const Tree& child : t.children) tree(json, child);
    json.close(']');
  }

  JsonWriter json_;
  std::vector<std::string> dims_;  // texts of the procedure's expressions
};

}  // namespace

std::string write_graph(const std::vector<Entry>& entries, const std::vector<StateType>& state) { return Writer().run(entries, state); }

}  // namespace kiln::jit::package
