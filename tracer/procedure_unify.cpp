#include "tracer/procedure_unify.h"

#include "tracer/dim_fit.h"

namespace kiln::tracer {
namespace {

// Any number of a call as something to compare: the same place in every recording.
template <class T, class F>
std::vector<T> gather(const std::vector<Recording>& recordings, F at) {
  std::vector<T> values;
  for (const Recording& r : recordings) values.push_back(at(r));
  return values;
}

template <class T>
bool all_equal(const std::vector<T>& values) {
  return std::adjacent_find(values.begin(), values.end(), std::not_equal_to<>()) == values.end();
}

bool same_bits(double a, double b) { return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b); }

class Unifier {
 public:
  Unifier(std::vector<Recording> recordings, DimTable dims, std::vector<InputSpec> inputs)
      : recordings_(std::move(recordings)),
        fit_(std::move(dims), gather<std::vector<int64_t>>(recordings_, [](const Recording& r) { return r.symbol_values; })) {
    result_ = recordings_[0].procedure;
    result_.inputs = std::move(inputs);
  }

  Procedure run() {
    escapes();
    same_structure();
    size_t typed = 0;
    for (; typed < result_.leaves.size(); ++typed) type(typed);
    for (size_t i = 0; i < result_.calls.size(); ++i) {
      call(i);
      const Call& c = result_.calls[i];
      if (c.kind == CallKind::call)
        for (int k = 0; k < c.op->outputs; ++k) type(typed++);
    }
    events();
    result_.dims = fit_.dims();
    return std::move(result_);
  }

 private:
  std::string symbols_at(const Recording& r) const {
    std::string s;
    for (size_t i = 0; i < r.symbol_values.size(); ++i)
      s += (i ? ", " : "") + fit_.dims().symbols()[i] + " = " + std::to_string(r.symbol_values[i]);
    return s;
  }
  std::string at_line(const std::string& where) const { return where.empty() ? "" : where + ": "; }

  [[noreturn]] void differs(const Recording& other, const std::string& where, const std::string& how) const {
    fail(ErrorCode::value, at_line(where) + "what the function does depends on its inputs' shapes: with " + symbols_at(recordings_[0]) +
                               " and with " + symbols_at(other) + ", " + how + "; export it for fixed shapes, or write it without");
  }
  [[noreturn]] void unexpressed(const std::string& where, const std::string& what, const std::vector<double>& values) const {
    std::string message = at_line(where) + what + " depends on the inputs' shapes in a way that no expression was found for:";
    for (size_t k = 0; k < recordings_.size(); ++k)
      message += (k ? ", " : " ") + std::to_string(values[k]) + " with " + symbols_at(recordings_[k]);
    fail(ErrorCode::value, message + "; compute it with operators from tensors, or export for fixed shapes");
  }

  static std::string name_of(const Call& c) { return c.op ? std::string(c.op->name) : "a write"; }

  void same_structure() const {
    for (const Recording& r : recordings_) {
      const Procedure& p = r.procedure;
      for (size_t i = 0; i < std::min(p.calls.size(), result_.calls.size()); ++i) {
        const Call &a = result_.calls[i], &b = p.calls[i];
        if (a.kind != b.kind || a.op != b.op) differs(r, b.where, "call " + std::to_string(i) + " is " + name_of(a) + " and " + name_of(b));
        bool same = a.destination == b.destination && a.first_output == b.first_output && a.operands.size() == b.operands.size() &&
                    a.attrs.size() == b.attrs.size();
        for (size_t k = 0; same && k < a.operands.size(); ++k)
          same = a.operands[k].kind == b.operands[k].kind && a.operands[k].tensor == b.operands[k].tensor &&
                 a.operands[k].scalar.kind == b.operands[k].scalar.kind;
        for (size_t k = 0; same && k < a.attrs.size(); ++k) same = a.attrs[k].index() == b.attrs[k].index();
        if (!same) differs(r, b.where, name_of(a) + " takes other arguments");
      }
      if (p.calls.size() != result_.calls.size()) {
        const auto& longer = p.calls.size() > result_.calls.size() ? p.calls : result_.calls;
        differs(r, longer[std::min(p.calls.size(), result_.calls.size())].where,
                "it makes " + std::to_string(result_.calls.size()) + " and " + std::to_string(p.calls.size()) + " operator calls");
      }
      check(p.leaves.size() == result_.leaves.size() && p.types.size() == result_.types.size(),
            "recordings of one function differ in state");
    }
  }

  std::vector<double> as_doubles(const std::vector<int64_t>& values) const { return {values.begin(), values.end()}; }

  void type(size_t r) {
    SymbolicType& t = result_.types[r];
    const Leaf* leaf = r < result_.leaves.size() ? &result_.leaves[r] : nullptr;
    if (leaf && leaf->kind == Leaf::Kind::input) {
      t = result_.inputs[leaf->index].type;
      return;
    }
    for (size_t d = 0; d < t.shape.size(); ++d) {
      const auto values = gather<int64_t>(recordings_, [&](const Recording& rec) { return rec.procedure.types[r].shape[d].constant(); });
      t.shape[d] = fit_.integer(values).value_or(unknown());
      if (t.shape[d] != unknown_) fit_.remember(t.shape[d], values);
    }
  }
  Dim unknown() {
    if (unknown_ == Dim(0)) unknown_ = fit_.dims().symbol("_");
    return unknown_;
  }

  void integer(Call& c, SymbolicNumber place, const std::vector<int64_t>& values) {
    if (all_equal(values)) return;
    const std::optional<Dim> d = fit_.integer(values);
    if (!d) unexpressed(c.where, "a number that " + name_of(c) + " takes", as_doubles(values));
    place.dim = *d;
    c.numbers.push_back(place);
  }
  void floating(Call& c, SymbolicNumber place, const std::vector<double>& values) {
    if (std::all_of(values.begin(), values.end(), [&](double v) { return same_bits(v, values[0]); })) return;
    const std::optional<FloatFit> f = fit_.floating(values);
    if (!f) unexpressed(c.where, "a number that " + name_of(c) + " takes", values);
    place.floating = true;
    place.dim = f->dim;
    place.form = f->form;
    place.factor = f->factor;
    c.numbers.push_back(place);
  }

  void call(size_t i) {
    Call& c = result_.calls[i];
    const auto other = [i](const Recording& r) -> const Call& { return r.procedure.calls[i]; };
    for (uint32_t k = 0; k < c.operands.size(); ++k) {
      if (c.operands[k].kind != CallOperand::Kind::scalar) continue;
      const SymbolicNumber place{.place = SymbolicNumber::Place::operand, .index = k};
      if (c.operands[k].scalar.kind == DTypeKind::floating)
        floating(c, place, gather<double>(recordings_, [&](const Recording& r) { return other(r).operands[k].scalar.f; }));
      else integer(c, place, gather<int64_t>(recordings_, [&](const Recording& r) { return other(r).operands[k].scalar.i; }));
    }
    for (uint32_t k = 0; k < c.attrs.size(); ++k) attribute(c, k, other);
  }

  template <class F>
  void attribute(Call& c, uint32_t k, F other) {
    const auto at = [&](const Recording& r) -> const eager::Attr& { return other(r).attrs[k]; };
    SymbolicNumber place{.place = SymbolicNumber::Place::attribute, .index = k};
    if (std::holds_alternative<int64_t>(c.attrs[k])) {
      integer(c, place, gather<int64_t>(recordings_, [&](const Recording& r) { return std::get<int64_t>(at(r)); }));
    } else if (std::holds_alternative<double>(c.attrs[k])) {
      floating(c, place, gather<double>(recordings_, [&](const Recording& r) { return std::get<double>(at(r)); }));
    } else if (const auto* list = std::get_if<eager::Dims>(&c.attrs[k])) {
      for (const Recording& r : recordings_)
        if (std::get<eager::Dims>(at(r)).size() != list->size()) differs(r, c.where, name_of(c) + " takes lists of other lengths");
      for (int e = 0; e < list->size(); ++e) {
        place.element = e;
        integer(c, place, gather<int64_t>(recordings_, [&](const Recording& r) { return std::get<eager::Dims>(at(r))[e]; }));
      }
    } else {
      for (const Recording& r : recordings_)
        if (at(r) != c.attrs[k]) differs(r, c.where, name_of(c) + " takes other arguments");
    }
  }

  // Numbers that got away are told first: whatever else differs may come of them.
  void escapes() {
    const auto& first = recordings_[0].events;
    for (const Recording& r : recordings_) {
      for (size_t i = 0; i < std::min(first.size(), r.events.size()); ++i) {
        if (first[i].kind != ShapeEvent::Kind::escape || r.events[i].kind != first[i].kind) continue;
        if (first[i].left == r.events[i].left) continue;
        fail(ErrorCode::value, at_line(first[i].where) + first[i].what + " turns a number that depends on the inputs' shapes (with " +
                                   symbols_at(recordings_[0]) + " and with " + symbols_at(r) +
                                   ") into one that cannot be followed; take it from .shape, and keep to + - * // and comparisons");
      }
    }
  }

  void events() {
    const auto& first = recordings_[0].events;
    for (const Recording& r : recordings_) {
      const size_t both = std::min(first.size(), r.events.size());
      for (size_t i = 0; i < both; ++i)
        if (first[i].kind != r.events[i].kind || first[i].op != r.events[i].op || first[i].where != r.events[i].where)
          differs(r, first[i].where, "comparisons come out differently");
      if (first.size() != r.events.size()) differs(r, both ? first[both - 1].where : "", "it compares shapes a different number of times");
    }
    for (size_t i = 0; i < first.size(); ++i) {
      const auto left = gather<int64_t>(recordings_, [i](const Recording& r) { return r.events[i].left; });
      const auto right = gather<int64_t>(recordings_, [i](const Recording& r) { return r.events[i].right; });
      if (all_equal(left) && all_equal(right)) continue;
      const std::optional<Dim> a = fit_.integer(left), b = fit_.integer(right);
      if (!a || !b) unexpressed(first[i].where, "a number that is compared", as_doubles(a ? right : left));
      const Constraint c{first[i].op, *a, *b, first[i].where};
      if (std::find(result_.constraints.begin(), result_.constraints.end(), c) == result_.constraints.end())
        result_.constraints.push_back(c);
    }
  }
  std::vector<Recording> recordings_;
  DimFit fit_;
  Dim unknown_ = 0;
  Procedure result_;
};

}  // namespace

Procedure unify(std::vector<Recording> recordings, DimTable dims, std::vector<InputSpec> inputs) {
  check(!recordings.empty(), "nothing was recorded");
  return Unifier(std::move(recordings), std::move(dims), std::move(inputs)).run();
}

}  // namespace kiln::tracer
