// The closed table of scalar primitives: everything a kernel can compute on one element.
//
// Every primitive is total: each input of its dtypes has one stated result, the same bits in every back end. The
// interpreter (interpreter/) is the living definition; the rules below are what it implements.
//   - add sub mul div sqrt fma on floats: IEEE 754, round to nearest even, denormals kept, never contracted.
//   - Integers wrap (two's complement). div truncates toward zero; x/0 = 0; INT_MIN/-1 = INT_MIN. abs(INT_MIN) = INT_MIN.
//   - min, max on floats are IEEE 754-2019 minimum and maximum: NaN if either is NaN, and -0 < +0.
//   - Shift counts are read as unsigned: shl and shr_logical by >= width give 0, shr by >= width gives the sign
//     (on unsigned dtypes shr is logical).
//   - round rounds half to even. Comparisons with NaN are false, ne is true. neg and abs touch the sign bit only.
//   - cast float -> int truncates toward zero and saturates, NaN gives 0; to bool is x != 0 (NaN gives true); bool -> number is 0 or 1;
//     int -> int keeps the low bits (a wider one sign-extends what is signed); int -> float and f64 -> f32 round to nearest even.
//   - bitcast between a float and an integer of its size (f32 <-> i32, u32; f64 <-> i64, u64); from a float, NaN first becomes the canonical NaN.
//   - f16 and bf16 are formats of memory: they are loaded, stored, selected and converted, nothing else. Conversions to them round once, to
//     nearest even, from any dtype; denormals are kept, what is too large becomes infinite. bitcast f16, bf16 <-> i16, u16.
//   - unpack_f16 reads the f16 in the low 16 bits of an i32 as f32; pack_f16 rounds f32 to an f16 and gives its bits, zeros above them, NaN
//     the canonical one. Processors have instructions for both that no flush-to-zero mode changes, so conversions become these.
//   - A NaN's sign and payload are not visible inside a kernel. A store of a float writes any NaN as the canonical
//     quiet NaN (0x7fc00000, 0x7ff8000000000000, 0x7e00 of f16, 0x7fc0 of bf16).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "codegen/dtype.h"

namespace kiln::codegen {

enum class Prim : uint8_t {
  add,
  sub,
  mul,
  div,
  min,
  max,
  fma,
  neg,
  abs,
  sqrt,
  floor,
  ceil,
  trunc,
  round,
  bit_and,
  bit_or,
  bit_xor,
  bit_not,
  shl,
  shr,
  shr_logical,
  eq,
  ne,
  lt,
  le,
  gt,
  ge,
  select,
  cast,
  bitcast,
  unpack_f16,
  pack_f16,
};

// Which dtypes a primitive takes, as a set of kinds.
enum DTypeSet : uint8_t {
  kBools = 1,
  kInts = 2,
  kFloats = 4,
  kNumbers = kInts | kFloats,
  kIntegral = kBools | kInts,
  kReals = kBools | kInts | kFloats,
  kComplexes = 8,  // no primitive's; operators' (eager/operator.h)
  kInexact = kFloats | kComplexes,
  kAny = kReals | kComplexes,
};

struct PrimInfo {
  Prim prim;
  std::string_view name;
  uint8_t operands;
  DTypeSet accepts;  // of every operand (select: of the last two; its first is bool)
  bool gives_bool;   // comparisons; for others see result_dtype()
  bool commutative;
};

inline constexpr std::array kPrims = {
    PrimInfo{Prim::add, "add", 2, kNumbers, false, true},
    PrimInfo{Prim::sub, "sub", 2, kNumbers, false, false},
    PrimInfo{Prim::mul, "mul", 2, kNumbers, false, true},
    PrimInfo{Prim::div, "div", 2, kNumbers, false, false},
    PrimInfo{Prim::min, "min", 2, kReals, false, true},
    PrimInfo{Prim::max, "max", 2, kReals, false, true},
    PrimInfo{Prim::fma, "fma", 3, kFloats, false, false},
    PrimInfo{Prim::neg, "neg", 1, kNumbers, false, false},
    PrimInfo{Prim::abs, "abs", 1, kNumbers, false, false},
    PrimInfo{Prim::sqrt, "sqrt", 1, kFloats, false, false},
    PrimInfo{Prim::floor, "floor", 1, kFloats, false, false},
    PrimInfo{Prim::ceil, "ceil", 1, kFloats, false, false},
    PrimInfo{Prim::trunc, "trunc", 1, kFloats, false, false},
    PrimInfo{Prim::round, "round", 1, kFloats, false, false},
    PrimInfo{Prim::bit_and, "bit_and", 2, kIntegral, false, true},
    PrimInfo{Prim::bit_or, "bit_or", 2, kIntegral, false, true},
    PrimInfo{Prim::bit_xor, "bit_xor", 2, kIntegral, false, true},
    PrimInfo{Prim::bit_not, "bit_not", 1, kIntegral, false, false},
    PrimInfo{Prim::shl, "shl", 2, kInts, false, false},
    PrimInfo{Prim::shr, "shr", 2, kInts, false, false},
    PrimInfo{Prim::shr_logical, "shr_logical", 2, kInts, false, false},
    PrimInfo{Prim::eq, "eq", 2, kReals, true, true},
    PrimInfo{Prim::ne, "ne", 2, kReals, true, true},
    PrimInfo{Prim::lt, "lt", 2, kReals, true, false},
    PrimInfo{Prim::le, "le", 2, kReals, true, false},
    PrimInfo{Prim::gt, "gt", 2, kReals, true, false},
    PrimInfo{Prim::ge, "ge", 2, kReals, true, false},
    PrimInfo{Prim::select, "select", 3, kReals, false, false},
    PrimInfo{Prim::cast, "cast", 1, kReals, false, false},
    PrimInfo{Prim::bitcast, "bitcast", 1, kNumbers, false, false},
    PrimInfo{Prim::unpack_f16, "unpack_f16", 1, kInts, false, false},
    PrimInfo{Prim::pack_f16, "pack_f16", 1, kFloats, false, false},
};
inline constexpr int kPrimCount = static_cast<int>(kPrims.size());

constexpr const PrimInfo& info(Prim p) { return kPrims[static_cast<size_t>(p)]; }

constexpr bool accepts(DTypeSet set, DType t) {
  return (set & (t == DType::Bool ? kBools : is_floating(t) ? kFloats : is_complex(t) ? kComplexes : kInts)) != 0;
}

// Does a primitive take operands of this dtype?
constexpr bool takes(Prim p, DType t) {
  if (p == Prim::unpack_f16) return t == DType::I32;
  if (p == Prim::pack_f16) return t == DType::F32;
  return accepts(info(p).accepts, t) && (!is_half(t) || p == Prim::select || p == Prim::cast || p == Prim::bitcast);
}

// Of a primitive over operands of dtype t (select: its last two). cast and bitcast: the node says.
constexpr DType result_dtype(Prim p, DType t) {
  if (p == Prim::unpack_f16) return DType::F32;
  if (p == Prim::pack_f16) return DType::I32;
  return info(p).gives_bool ? DType::Bool : t;
}

static_assert(
    [] {
      for (int i = 0; i < kPrimCount; ++i)
        if (static_cast<int>(kPrims[i].prim) != i) return false;
      return true;
    }(),
    "kPrims is in the order of Prim");

// Primitives a reduction may combine with: add mul min max (numbers and bool for min, max) bit_and bit_or (bool, ints).
constexpr bool can_combine(Prim p) {
  return p == Prim::add || p == Prim::mul || p == Prim::min || p == Prim::max || p == Prim::bit_and || p == Prim::bit_or;
}

// The bits of e with combine(e, x) = x for every x: -0.0 for a float sum. Needs can_combine(p).
uint64_t identity_bits(Prim p, DType t);

}  // namespace kiln::codegen
