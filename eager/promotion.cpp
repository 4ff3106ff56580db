#include "eager/promotion.h"

#include <algorithm>
#include <atomic>

#include "eager/lowering.h"

namespace kiln::eager {
namespace {

std::atomic<DType> default_floating{DType::F32};

std::string_view describe(DTypeSet set) {
  if (set == codegen::kReals) return "anything but complex numbers";
  static constexpr std::array<std::string_view, 16> kNames{"nothing",
                                                           "bool",
                                                           "integers",
                                                           "integers or bool",
                                                           "floating numbers",
                                                           "floating numbers or bool",
                                                           "integers or floating numbers",
                                                           "anything but complex numbers",
                                                           "complex numbers",
                                                           "complex numbers or bool",
                                                           "integers or complex numbers",
                                                           "integers, complex numbers or bool",
                                                           "floating or complex numbers",
                                                           "floating or complex numbers or bool",
                                                           "numbers",
                                                           "any dtype"};
  return kNames[set];
}

}  // namespace

DType default_dtype() { return default_floating.load(std::memory_order_relaxed); }

void set_default_dtype(DType dtype) {
  if (!is_floating(dtype)) fail(ErrorCode::type, "the default dtype is a floating one, not " + std::string(name_of(dtype)));
  default_floating = dtype;
}

void check_castable(std::string_view op, DType from, DType to) {
  if (is_complex(from) && !is_complex(to) && to != DType::Bool)
    fail(ErrorCode::type, std::string(op) + ": " + std::string(name_of(from)) + " does not become " + std::string(name_of(to)) +
                              ", which would lose the imaginary parts: take real(x), imag(x) or abs(x)");
}

DTypeKind kind_of(DType dtype) { return info(dtype).kind; }

std::optional<DType> common_dtype(DType a, DType b) {
  if (a == b || b == DType::Bool) return a;
  if (a == DType::Bool) return b;
  if (is_complex(a) || is_complex(b)) {
    const DType x = complex_of(a), y = complex_of(b);  // of integers and narrow floats the narrower one
    return size_of(x) > size_of(y) ? x : y;
  }
  if (is_floating(a) != is_floating(b)) return is_floating(a) ? a : b;
  if (is_half(a) && is_half(b)) return DType::F32;  // neither holds the other's values
  if (is_floating(a) || is_signed(a) == is_signed(b)) return size_of(a) > size_of(b) ? a : b;
  const DType with = is_signed(a) ? a : b, without = is_signed(a) ? b : a;
  if (size_of(with) > size_of(without)) return with;
  if (size_of(without) == 8) return std::nullopt;  // no integer holds both
  return integer_of(2 * size_of(without), true);
}

std::string no_common_dtype(DType a, DType b) {
  const DType with = is_signed(a) ? a : b;
  return std::string(name_of(a)) + " and " + std::string(name_of(b)) +
         " have no common dtype, as no integer holds the values of both: convert one of them, for example with astype(" +
         std::string(name_of(with)) + ") or astype(float64)";
}

DType promote(DType a, DType b) {
  if (const auto common = common_dtype(a, b)) return *common;
  fail(ErrorCode::type, no_common_dtype(a, b));
}

DType dtype_of_number(DTypeKind kind) {
  switch (kind) {
    case DTypeKind::boolean: return DType::Bool;
    case DTypeKind::unsigned_integer:
    case DTypeKind::signed_integer: return DType::I64;
    case DTypeKind::floating: return default_dtype();
    case DTypeKind::complex_floating: return complex_of(default_dtype());
  }
  return DType::Bool;
}

DType promote(DType tensor, DTypeKind number) {
  const auto rank = [](DTypeKind kind) {
    return kind == DTypeKind::boolean ? 0 : kind == DTypeKind::floating ? 2 : kind == DTypeKind::complex_floating ? 3 : 1;
  };
  if (number == DTypeKind::complex_floating && is_floating(tensor)) return complex_of(tensor);
  return rank(number) > rank(kind_of(tensor)) ? dtype_of_number(number) : tensor;
}

const Parameter* parameter_of(const Operator& op, int operand) {
  operand -= hidden_operands(op);
  if (operand < 0) return nullptr;
  for (const Parameter& p : op.parameters) {
    if (!p.is_operand()) continue;
    if (p.kind == Parameter::Kind::tensors || operand-- == 0) return &p;
  }
  fail(ErrorCode::type, std::string(op.name) + ": too many operands");
}

std::string name_of_operand(const Operator& op, int operand) {
  const Parameter* p = parameter_of(op, operand);
  if (p == nullptr) return "the generator's state";
  std::string name(p->name);
  if (p->kind == Parameter::Kind::tensors) name += '[' + std::to_string(operand) + ']';
  return name;
}

OperandType type_of(const Operand& operand) {
  OperandType type;
  if (operand.is_tensor()) {
    type.kind = OperandType::Kind::tensor;
    type.type = {operand.tensor.dtype(), operand.tensor.shape()};
  } else if (operand.present) {
    type.kind = OperandType::Kind::scalar;
    type.scalar_kind = operand.scalar.kind;
  }
  return type;
}

namespace {

// An operand's dtype where it does not promote: a number keeps its full precision.
DType own_dtype(const OperandType& o) {
  if (o.kind == OperandType::Kind::tensor) return o.type.dtype;
  if (o.scalar_kind == DTypeKind::complex_floating) return DType::C128;
  return o.scalar_kind == DTypeKind::floating ? DType::F64 : dtype_of_number(o.scalar_kind);
}

// What is neither integer nor bool is what an operator wants that takes nothing else: integers and bool are promoted.
bool wants_inexact(DTypeSet set) { return set == codegen::kFloats || set == codegen::kInexact; }

DType accepted(const Operator& op, int operand, DTypeSet set, DType dtype, DType own) {
  if (codegen::accepts(set, dtype)) return dtype;
  if (wants_inexact(set) && !is_inexact(dtype)) return default_dtype();
  fail(ErrorCode::type, std::string(op.name) + ": " + name_of_operand(op, operand) + " is " + std::string(name_of(own)) + "; expected " +
                            std::string(describe(set)));
}

}  // namespace

DType promote_operands(const Operator& op, std::span<const OperandType> operands, DType* dtypes) {
  using Kind = OperandType::Kind;
  const int count = static_cast<int>(operands.size());
  std::optional<DType> tensors;
  std::optional<DTypeKind> numbers;
  DTypeSet common_set = codegen::kAny;
  for (int i = 0; i < count; ++i) {
    const Parameter* p = parameter_of(op, i);
    const OperandType& o = operands[i];
    if (p == nullptr || !p->promotes || o.kind == Kind::absent) continue;
    common_set = static_cast<DTypeSet>(common_set & p->accepts);
    if (o.kind == Kind::tensor) {
      const auto both = common_dtype(tensors.value_or(o.type.dtype), o.type.dtype);
      if (!both) fail(ErrorCode::type, std::string(op.name) + ": " + no_common_dtype(*tensors, o.type.dtype));
      tensors = both;
    }
    if (o.kind == Kind::scalar) numbers = numbers ? std::max(*numbers, o.scalar_kind) : o.scalar_kind;
  }
  DType common = DType::F32;
  if (tensors) common = numbers ? promote(*tensors, *numbers) : *tensors;
  else if (numbers) common = dtype_of_number(*numbers);
  if (wants_inexact(common_set) && !is_inexact(common)) common = default_dtype();

  for (int i = 0; i < count; ++i) {
    const Parameter* p = parameter_of(op, i);
    const OperandType& o = operands[i];
    dtypes[i] = common;
    if (o.kind == Kind::absent) continue;
    const DType own = p == nullptr ? DType::I64 : own_dtype(o);
    dtypes[i] = p == nullptr ? own : accepted(op, i, p->accepts, p->promotes ? common : own, own);
  }
  return common;
}

std::vector<DType> operand_dtypes(const Operator& op, std::span<const OperandType> operands) {
  std::vector<DType> dtypes(operands.size());
  promote_operands(op, operands, dtypes.data());
  return dtypes;
}

}  // namespace kiln::eager
