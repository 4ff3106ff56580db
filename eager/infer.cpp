// Result types: what a call gives, or the error a user should see, from types and attributes alone.
#include <algorithm>

#include "eager/compute.h"
#include "eager/promotion.h"

namespace kiln::eager {
namespace {

[[noreturn]] void complain(const Operator& op, ErrorCode code, const std::string& what) { fail(code, std::string(op.name) + ": " + what); }

Dims broadcast_operands(const Operator& op, const Arguments& a) {
  Dims shape;
  for (const Operand& o : a.operands) {
    if (!o.is_tensor()) continue;
    try {
      shape = broadcast(shape, o.tensor.shape());
    } catch (const Error&) {  // name the operands as they were given, all of them
      std::string shapes;
      int count = 0, seen = 0;
      for (const Operand& each : a.operands) count += each.is_tensor();
      for (const Operand& each : a.operands)
        if (each.is_tensor()) shapes += (seen++ == 0 ? "" : seen == count ? " and " : ", ") + to_string(each.tensor.shape());
      complain(op, ErrorCode::value, "shapes " + shapes + " do not broadcast");
    }
  }
  return shape;
}

// Where a reduction or another operator has a dtype parameter that is not None, its value.
std::optional<DType> dtype_attribute(const Operator& op, const Attrs& attrs) {
  size_t i = 0;
  for (const Parameter& p : op.parameters) {
    if (p.is_operand()) continue;
    if (const DType* dtype = p.kind == Parameter::Kind::dtype ? std::get_if<DType>(&attrs[i]) : nullptr) return *dtype;
    ++i;
  }
  return std::nullopt;
}

DType result_dtype(const Operator& op, const Attrs& attrs, DType common) {
  switch (op.result) {
    case ResultType::promoted: return common;
    case ResultType::real: return real_of(common);
    case ResultType::complex: return complex_of(common);
    case ResultType::boolean: return DType::Bool;
    case ResultType::accumulated:
      if (const auto dtype = dtype_attribute(op, attrs)) return *dtype;
      return is_inexact(common) ? common : is_unsigned(common) ? DType::U64 : DType::I64;
    case ResultType::given: break;
  }
  fail(ErrorCode::internal, std::string(op.name) + ": its result type needs a rule");
}

bool has_identity(codegen::Prim prim) { return prim != codegen::Prim::min && prim != codegen::Prim::max; }

std::vector<TensorType> infer_reduction(const Operator& op, const Arguments& a, DType common) {
  const Dims& shape = a.tensor(0).shape();
  const bool keepdims = a.attr<bool>(1);
  Dims result = shape;
  bool empty = false;
  std::string reduced;
  try {
    for (const ReductionShape& step : reduction_steps(shape, a.attrs[0], keepdims)) {
      for (int d = step.first + step.count; d-- > step.first;) {
        if (shape[d] == 0) empty = true, reduced = std::to_string(d);
        if (keepdims) result[d] = 1;
        else result.erase(d);
      }
    }
  } catch (const Error& e) { complain(op, e.code(), e.what()); }
  if (empty && !has_identity(*op.reduction) && product(result) != 0)
    complain(op, ErrorCode::value,
             "axis " + reduced + " of a tensor of shape " + to_string(shape) + " has no elements, and " + std::string(op.name) +
                 " of nothing is not defined");
  const DType dtype = result_dtype(op, a.attrs, common);
  check_castable(op.name, common, dtype);
  if (!codegen::accepts(codegen::info(*op.reduction).accepts, real_of(dtype)))
    complain(op, ErrorCode::type, "results of dtype " + std::string(name_of(dtype)) + " cannot be combined; any() and all() are for bool");
  return {{dtype, result}};
}

}  // namespace

// Operands are there where they must be; attributes are as many as there are parameters for them.
void check_arguments(const Operator& op, const Arguments& a) {
  const bool takes_numbers = op.body || op.compose;
  const size_t hidden = static_cast<size_t>(hidden_operands(op));
  size_t operands = hidden, attrs = 0;
  bool sequence = false;
  for (const Parameter& p : op.parameters) {
    if (!p.is_operand()) {
      ++attrs;
    } else if (p.kind == Parameter::Kind::tensors) {
      sequence = true;
    } else {
      if (operands < a.operands.size() && !a.operands[operands].present && p.kind == Parameter::Kind::tensor)
        complain(op, ErrorCode::type, "missing argument '" + std::string(p.name) + "'");
      if (operands < a.operands.size() && !takes_numbers && a.operands[operands].is_scalar())
        complain(op, ErrorCode::type, std::string(p.name) + " is a number; expected a tensor");
      ++operands;
    }
  }
  if (sequence) {
    for (size_t i = hidden; i < a.operands.size(); ++i)
      if (!a.operands[i].is_tensor()) complain(op, ErrorCode::type, name_of_operand(op, static_cast<int>(i)) + " is not a tensor");
  } else if (operands != a.operands.size()) {
    complain(op, ErrorCode::type,
             "takes " + std::to_string(operands - hidden) + " operands, " + std::to_string(a.operands.size() - hidden) + " were given");
  }
  if (attrs != a.attrs.size())
    complain(op, ErrorCode::type, "takes " + std::to_string(attrs) + " attributes, " + std::to_string(a.attrs.size()) + " were given");
}

void check_dtypes(const Operator& op, const Arguments& a) {
  std::vector<OperandType> operands;
  for (const Operand& o : a.operands) operands.push_back(type_of(o));
  operand_dtypes(op, operands);
}

std::vector<TensorType> infer(const Operator& op, const Arguments& a) {
  check_arguments(op, a);
  if (op.view) {
    const ViewMap map = op.view(a);
    return {{a.tensor(0).dtype(), map.shape}};
  }
  std::vector<TensorType> types;
  if (op.body || op.reduction) {
    std::vector<OperandType> operands;
    operands.reserve(a.operands.size());
    for (const Operand& o : a.operands) operands.push_back(type_of(o));
    std::vector<DType> dtypes(operands.size());
    const DType common = promote_operands(op, operands, dtypes.data());
    if (op.result == ResultType::given) {
      types = op.type(a);
      for (size_t i = 0; op.body && i < operands.size(); ++i)  // a body reads operands by broadcasting, whoever says the result's shape
        if (a.operands[i].is_tensor() && !broadcastable_to(a.operands[i].tensor.shape(), types[0].shape))
          complain(op, ErrorCode::value,
                   name_of_operand(op, static_cast<int>(i)) + " of shape " + to_string(a.operands[i].tensor.shape()) +
                       " does not broadcast to the result's shape " + to_string(types[0].shape));
    } else if (op.reduction) {
      types = infer_reduction(op, a, common);
    } else {
      types.assign(static_cast<size_t>(op.outputs), {result_dtype(op, a.attrs, common), broadcast_operands(op, a)});
    }
  } else {
    if (op.routine) check_dtypes(op, a);
    types = op.type(a);
  }
  check(types.size() == static_cast<size_t>(op.outputs), "an operator's type rule gives one type for each output");
  return types;
}

}  // namespace kiln::eager
