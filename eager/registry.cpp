// The table of all operators, and the small words that definitions are written in: parameters, samples, numbers.
#include <algorithm>
#include <bit>
#include <deque>
#include <mutex>
#include <shared_mutex>

#include "codegen/interpreter/primitives.h"
#include "eager/flat.h"

namespace kiln::eager {
namespace {

struct Registry {
  std::shared_mutex mutex;
  std::deque<Operator> operators;  // by id; addresses last
  std::map<std::string_view, const Operator*> by_name, by_any_name;
  std::vector<const Operator*> sorted;
};

Registry& registry() {  // operators are defined while static objects are made, in any order
  static Registry registry;
  return registry;
}

void check_definition(const Operator& op) {
  const std::string name(op.name);
  const int ways = (op.body ? 1 : 0) + (op.reduction ? 1 : 0) + (op.affine ? 1 : 0) + (op.view ? 1 : 0) + (op.compose ? 1 : 0) +
                   (op.contraction ? 1 : 0) + (op.routine ? 1 : 0);
  if (ways != 1) fail(ErrorCode::internal, name + ": an operator is computed in exactly one way, not " + std::to_string(ways));
  if (op.gather != Gather::none && !op.routine) fail(ErrorCode::internal, name + ": a gather is a routine");
  if ((op.affine || op.contraction || op.routine || op.result == ResultType::given) && !op.compose && !op.type)
    fail(ErrorCode::internal, name + ": its result type needs a rule");
}

}  // namespace

const Operator& define(Operator definition) {
  check_definition(definition);
  Registry& r = registry();
  std::unique_lock lock(r.mutex);
  definition.id = static_cast<uint32_t>(r.operators.size());
  definition.flat = can_be_flat(definition);
  const Operator& op = r.operators.emplace_back(std::move(definition));
  std::vector<std::string_view> names = op.aliases;
  names.push_back(op.name);
  for (std::string_view name : names)
    if (!r.by_any_name.emplace(name, &op).second) fail(ErrorCode::internal, "two operators are called " + std::string(name));
  r.by_name.emplace(op.name, &op);
  r.sorted.clear();
  for (const auto& [name, each] : r.by_name) r.sorted.push_back(each);
  return op;
}

const Operator* find_operator(std::string_view name) {
  Registry& r = registry();
  std::shared_lock lock(r.mutex);
  const auto at = r.by_any_name.find(name);
  return at == r.by_any_name.end() ? nullptr : at->second;
}

std::span<const Operator* const> all_operators() {
  Registry& r = registry();
  std::shared_lock lock(r.mutex);
  return r.sorted;
}

namespace {

using Kind = Parameter::Kind;

Parameter tensor_parameter(std::string_view name, DTypeSet accepts) { return {.name = name, .accepts = accepts}; }
Parameter attribute(std::string_view name, Kind kind) { return {.name = name, .kind = kind}; }
Parameter attribute(std::string_view name, Kind kind, Attr default_value) {
  return {.name = name, .kind = kind, .has_default = true, .default_value = std::move(default_value)};
}

}  // namespace

Parameter any(std::string_view name) { return tensor_parameter(name, codegen::kAny); }
Parameter ordered(std::string_view name) { return tensor_parameter(name, codegen::kReals); }
Parameter numeric(std::string_view name) { return tensor_parameter(name, static_cast<DTypeSet>(codegen::kNumbers | codegen::kComplexes)); }
Parameter real(std::string_view name) { return tensor_parameter(name, codegen::kNumbers); }
Parameter inexact(std::string_view name) { return tensor_parameter(name, codegen::kInexact); }
Parameter floating(std::string_view name) { return tensor_parameter(name, codegen::kFloats); }
Parameter integral(std::string_view name) { return tensor_parameter(name, codegen::kIntegral); }
Parameter boolean_tensor(std::string_view name) { return tensor_parameter(name, codegen::kBools); }
Parameter tensors(std::string_view name) { return {.name = name, .kind = Kind::tensors}; }
Parameter optional(Parameter p) {
  p.kind = Kind::optional_tensor;
  p.has_default = true;
  return p;
}
Parameter unpromoted(Parameter p) {
  p.promotes = false;
  return p;
}
Parameter axes(std::string_view name) {
  Parameter p = attribute(name, Kind::axes, std::monostate{});
  if (name == "axis") p.alias = "dim";
  return p;
}
Parameter flag(std::string_view name, bool default_value) {
  Parameter p = attribute(name, Kind::boolean, default_value);
  if (name == "keepdims") p.alias = "keepdim";
  return p;
}
Parameter integer(std::string_view name) {
  Parameter p = attribute(name, Kind::integer);
  if (name == "axis") p.alias = "dim";
  return p;
}
Parameter integer(std::string_view name, int64_t default_value) {
  Parameter p = integer(name);
  p.has_default = true;
  p.default_value = default_value;
  return p;
}
Parameter shape(std::string_view name) { return attribute(name, Kind::shape); }
Parameter ints(std::string_view name, Dims default_value) { return attribute(name, Kind::shape, default_value); }
Parameter dtype_or_none(std::string_view name) { return attribute(name, Kind::dtype, std::monostate{}); }
Parameter number(std::string_view name) { return attribute(name, Kind::number); }
Parameter number(std::string_view name, Attr default_value) { return attribute(name, Kind::number, std::move(default_value)); }
Parameter text(std::string_view name, std::string default_value) { return attribute(name, Kind::string, std::move(default_value)); }

Sample floats(std::vector<double> values) {
  SampleTensor tensor;
  tensor.shape = {static_cast<int64_t>(values.size())};
  tensor.values = std::move(values);
  return {.operands = {tensor}};
}

Sample shapes(std::vector<Dims> shapes, Attrs attrs) {
  Sample sample;
  for (const Dims& shape : shapes) sample.operands.push_back(SampleTensor{.shape = shape});
  sample.attrs = std::move(attrs);
  return sample;
}

uint64_t Scalar::bits_as(DType dtype) const {
  namespace prims = codegen::interpreter;
  const bool floating = kind == DTypeKind::floating || kind == DTypeKind::complex_floating;
  const DType from = floating ? DType::F64 : DType::I64;
  const uint64_t bits = floating ? std::bit_cast<uint64_t>(f) : static_cast<uint64_t>(i);
  if (dtype == from) return prims::canonical_bits(dtype, bits);
  if (floating && dtype == DType::F32 && f == static_cast<float>(f))
    return std::bit_cast<uint32_t>(static_cast<float>(f));  // exact: most are
  return prims::evaluate(codegen::Prim::cast, dtype, from, bits);
}

}  // namespace kiln::eager
