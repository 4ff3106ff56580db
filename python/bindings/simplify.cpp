// The rules of simplification as data, and the interpreter's primitives, for the tests that prove the ones and hold their models against the
// other. Nothing of the package uses these.
#include "codegen/simplify/simplify.h"

#include <pybind11/stl.h>

#include "codegen/interpreter/primitives.h"
#include "python/bindings/modules.h"

namespace kiln::python {
namespace {

using codegen::Instance;
using codegen::Rule;

py::dict instance_of(const Rule& rule, const Instance& instance) {
  py::dict constants;  // by the leaves' names
  for (const auto* side : {&rule.pattern, &rule.result})
    for (uint8_t i = 0; i < side->count; ++i) {
      const codegen::Term& t = side->terms[i];
      if (!t.is_leaf || static_cast<int>(t.leaf) < codegen::kVariables) continue;
      const DType dtype = codegen::term_dtype(*side, i, instance);
      const std::string_view name = codegen::kLeafNames[static_cast<size_t>(t.leaf)];
      constants[py::make_tuple(name, name_of(dtype))] = codegen::leaf_bits(t.leaf, dtype, instance.constant);
    }
  py::dict d;
  d["operand"] = name_of(instance.operand);
  d["inner"] = name_of(instance.inner);
  d["result"] = name_of(instance.result);
  d["constants"] = constants;
  return d;
}

// What the matcher takes for granted, as one more rule.
py::dict commutation(const codegen::PrimInfo& p) {
  const std::string name(p.name), more = p.operands == 3 ? ", z)" : ")";
  py::list all;
  for (const DTypeInfo& t : kRealDTypes) {
    const DType result = codegen::result_dtype(p.prim, t.dtype);
    if (codegen::interpreter::apply_of(p.prim, result, t.dtype) == nullptr) continue;
    py::dict d;
    d["operand"] = t.name;
    d["inner"] = t.name;
    d["result"] = name_of(result);
    d["constants"] = py::dict();
    all.append(d);
  }
  py::dict d;
  d["pattern"] = name + "(x, y" + more;
  d["result"] = name + "(y, x" + more;
  d["condition"] = "always";
  d["why"] = "patterns match either way round";
  d["instances"] = all;
  return d;
}

py::list rules() {
  py::list list;
  for (const Rule& rule : codegen::simplification_rules()) {
    py::list all;
    for (const Instance& instance : codegen::instances(rule)) all.append(instance_of(rule, instance));
    py::dict d;
    d["pattern"] = rule.pattern.text;
    d["result"] = rule.result.text;
    d["condition"] = codegen::kConditionNames[static_cast<size_t>(rule.when)];
    d["why"] = rule.why;
    d["instances"] = all;
    list.append(d);
  }
  for (const codegen::PrimInfo& p : codegen::kPrims)
    if (codegen::commutes(p.prim)) list.append(commutation(p));
  return list;
}

DType dtype_named(const std::string& name) {
  for (const DTypeInfo& t : kRealDTypes)
    if (t.name == name) return t.dtype;
  throw py::value_error("no dtype is called '" + name + "'");
}

using Numbers = std::vector<uint64_t>;

Numbers evaluate(const std::string& name, const std::string& result, const std::string& operand, const Numbers& a, const Numbers& b,
                 const Numbers& c) {
  const auto prim = std::ranges::find(codegen::kPrims, std::string_view(name), &codegen::PrimInfo::name);
  if (prim == codegen::kPrims.end()) throw py::value_error("no primitive is called '" + name + "'");
  const DType to = dtype_named(result), from = dtype_named(operand);
  if (codegen::interpreter::apply_of(prim->prim, to, from) == nullptr) throw py::type_error(name + " does not take " + operand);
  if (b.size() != a.size() || c.size() != a.size()) throw py::value_error("a, b and c differ in length");
  Numbers out;
  for (size_t i = 0; i < a.size(); ++i)
    out.push_back(codegen::interpreter::canonical_bits(to, codegen::interpreter::evaluate(prim->prim, to, from, a[i], b[i], c[i])));
  return out;
}

}  // namespace

void bind_simplify(py::module_& m) {
  m.def("simplification_rules", &rules,
        "Each rule: its two sides, its condition, and all dtypes and constants for which that holds; and that commutative primitives are.");
  m.def("evaluate_primitive", &evaluate, py::arg("primitive"), py::arg("result"), py::arg("operand"), py::arg("a"), py::arg("b"),
        py::arg("c"), "The interpreter's primitive on bits, element by element; NaN comes out canonical.");
}

}  // namespace kiln::python
