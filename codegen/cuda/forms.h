// How each primitive, constant and dtype is written in CUDA C.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "codegen/primitive.h"

namespace kiln::codegen::cuda {

// The printed form of a primitive: $0 $1 $2 are its operands, names without side effects. $T is the result's type, $A the operands',
// $U the unsigned integer as wide as they are, $W their width in bits; $d is `f` or `d` and $s `f` or nothing, after f32 or f64, as CUDA's
// intrinsics and the math functions of C have it. `operand` is the dtype of the operands (select: of the last two).
using Forms = std::string_view (*)(Prim, DType result, DType operand);
std::string_view form_of(Prim, DType result, DType operand);

// A form with everything filled in.
std::string filled(std::string_view form, DType result, DType operand, std::string_view a, std::string_view b = {},
                   std::string_view c = {});

std::string_view type_name(DType);               // f32, i64, bool, ...
std::string constant(DType, uint64_t bits);      // as an expression
std::string from_word(DType, std::string_view);  // a 64-bit word's low bytes read as the dtype
std::string canonical(DType, std::string_view);  // with any NaN as the canonical one: what a store writes

// Typedefs and those helper functions that `body` calls, with what these call in turn.
std::string prelude(std::string_view body);

}  // namespace kiln::codegen::cuda
