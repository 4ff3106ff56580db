// Which dtype operands meet in: the array API standard (2024.12) for tensors. What it leaves open is decided so: an integer or bool tensor
// beside a floating one takes the floating one's dtype (a count never widens f32 to f64), bool gives way to any number.
// Python numbers are weak: they raise a tensor to their kind, never to a width. uint64 beside a signed
// integer has no common dtype (NumPy's float64 would lose bits of both).
#pragma once

#include "eager/operator.h"

namespace kiln::eager {

// The common dtype of tensors; nullopt of uint64 and a signed integer. promote() throws Error{type} then.
std::optional<DType> common_dtype(DType, DType);
DType promote(DType tensor, DTypeKind number);
DType dtype_of_number(DTypeKind);  // a Python number's own: bool, i64, default_dtype()
DTypeKind kind_of(DType);
// Throws Error{type} where a cast would lose imaginary parts: complex numbers become bool (not zero) or complex ones, nothing else.
void check_castable(std::string_view op, DType from, DType to);

// How many operands dispatch itself puts before an operator's own: the two numbers of a random operator.
constexpr int hidden_operands(const Operator& op) { return op.random ? 2 : 0; }
// The parameter an operand belongs to: attributes have no operand, a sequence of tensors has many. Null for hidden operands.
const Parameter* parameter_of(const Operator&, int operand);
// "x", or "arrays[2]": how messages name an operand.
std::string name_of_operand(const Operator&, int operand);

OperandType type_of(const Operand&);

// The dtypes that operands are cast to before a body, written to dtypes[operands.size()]. Returns the common dtype of those that promote.
// Throws Error{type} naming the operator, the argument and what it takes.
DType promote_operands(const Operator&, std::span<const OperandType>, DType* dtypes);

}  // namespace kiln::eager
