#include "tests/cpp/fuzz/program.h"

#include <algorithm>

#include "tests/cpp/fuzz/values.h"

namespace kiln::fuzz {
namespace {

std::string text_of(const Scalar& s) {
  switch (s.kind) {
    case DTypeKind::boolean: return s.i != 0 ? "true" : "false";
    case DTypeKind::floating: {
      char text[40];
      std::snprintf(text, sizeof text, "%.17g", s.f);
      return std::string_view(text).find_first_of(".en") == std::string_view::npos ? std::string(text) + ".0" : text;
    }
    default: return std::to_string(s.i);
  }
}

std::string text_of(const Ref& r) {
  if (const auto* id = std::get_if<TensorId>(&r)) return "t" + std::to_string(*id);
  if (const auto* s = std::get_if<Scalar>(&r)) return text_of(*s);
  return "none";
}

std::string text_of(const Attr& a) {
  struct Text {
    std::string operator()(std::monostate) const { return "none"; }
    std::string operator()(bool b) const { return b ? "true" : "false"; }
    std::string operator()(int64_t i) const { return std::to_string(i); }
    std::string operator()(double f) const { return text_of(Scalar(f)); }
    std::string operator()(DType t) const { return std::string(name_of(t)); }
    std::string operator()(const Dims& d) const { return eager::to_string(d); }
    std::string operator()(const std::string& s) const { return '"' + s + '"'; }
  };
  return std::visit(Text{}, a);
}

std::string call_text(const Step& s) {
  std::string text = std::string(s.op->name) + "(";
  const char* comma = "";
  for (const Ref& r : s.operands) text += comma + text_of(r), comma = ", ";
  for (const Attr& a : s.attrs) text += comma + text_of(a), comma = ", ";
  return text + ")";
}

bool names(const Step& s, TensorId id) {
  return s.target == id || std::ranges::any_of(s.operands, [&](const Ref& r) {
           const auto* operand = std::get_if<TensorId>(&r);
           return operand != nullptr && *operand == id;
         });
}

}  // namespace

std::string to_string(const Step& s) {
  const std::string target = "t" + std::to_string(s.target);
  std::string text;
  switch (s.kind) {
    case Step::Kind::call:
      for (TensorId id : s.outputs) text += (text.empty() ? "t" : ", t") + std::to_string(id);
      text += " = " + call_text(s);
      break;
    case Step::Kind::in_place: text = target + " <- " + call_text(s); break;
    case Step::Kind::write: text = target + "[...] = " + text_of(s.operands[0]); break;
    case Step::Kind::drop: text = "drop " + target; break;
    case Step::Kind::read: text = "read " + target; break;
    case Step::Kind::backward: text = target + ".backward(" + text_of(s.operands[0]) + ")"; break;
    case Step::Kind::gradient: text = "t" + std::to_string(s.outputs[0]) + " = " + target + ".grad"; break;
  }
  return s.no_grad ? text + "  under no_grad" : text;
}

Program without(const Program& p, size_t step) {
  Program result = p;
  result.steps.clear();
  std::vector<TensorId> gone;
  for (size_t i = 0; i < p.steps.size(); ++i) {
    const Step& s = p.steps[i];
    if (i == step || std::ranges::any_of(gone, [&](TensorId id) { return names(s, id); })) {
      gone.insert(gone.end(), s.outputs.begin(), s.outputs.end());
    } else {
      result.steps.push_back(s);
    }
  }
  return result;
}

Program without_unused_leaves(const Program& p) {
  Program result = p;
  std::erase_if(result.leaves,
                [&](const Leaf& leaf) { return std::ranges::none_of(p.steps, [&](const Step& s) { return names(s, leaf.id); }); });
  return result;
}

Program with_other_numbers(const Program& p, uint64_t seed) {
  Program result = p;
  Random random(seed);
  for (Leaf& leaf : result.leaves)
    if (leaf.redrawable) leaf.bytes = random_bytes(random, leaf.shape, leaf.dtype, -2, 2);
  for (Step& s : result.steps) {
    if (s.op != nullptr && !s.op->body) continue;  // a number may say how large a result is, as repeat's does
    for (Ref& r : s.operands)
      if (auto* scalar = std::get_if<Scalar>(&r)) *scalar = random_scalar(random, scalar->kind);
  }
  return result;
}

}  // namespace kiln::fuzz
