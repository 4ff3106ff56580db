// Integers. u8 lives zero-extended in 32-bit lanes and is cut back to 8 bits after whatever may exceed them.
#include <utility>

#include "codegen/asmjit/vectors.h"
#include "codegen/error.h"

namespace kiln::codegen::x64 {
namespace {

Op either(Op d, bool wide) { return static_cast<Op>(static_cast<int>(d) + (wide ? 1 : 0)); }  // the q twin follows

constexpr int kNotEqual = 4;  // vpcmpd predicate

}  // namespace

VReg Vectors::integer_unary(Prim prim, DType t, VReg a) {
  const bool wide = t == DType::I64;
  switch (prim) {
    case Prim::neg: return integer_binary(Prim::sub, t, literal(4, 0), a);
    case Prim::bit_not: return emit(Op::xor_bits, a, t == DType::U8 ? literal(4, 0xff) : ones());
    case Prim::abs: {
      if (t == DType::U8) return a;
      if (!wide || masks()) return emit(either(Op::abs_d, wide), a);
      const VReg sign = emit(Op::gt_q, literal(4, 0), a);
      return emit(Op::sub_q, emit(Op::xor_bits, a, sign), sign);
    }
    default: fail(ErrorCode::internal, "not a primitive of one integer");
  }
}

VReg Vectors::integer_binary(Prim prim, DType t, VReg a, VReg b) {
  if (info(prim).commutative && literal_of(a) != nullptr) std::swap(a, b);  // the second operand may come from memory
  const bool wide = t == DType::I64;
  const auto cut = [&](VReg r) { return t == DType::U8 ? emit(Op::and_bits, r, literal(4, 0xff)) : r; };
  switch (prim) {
    case Prim::add: return cut(emit(either(Op::add_d, wide), a, b));
    case Prim::sub: return cut(emit(either(Op::sub_d, wide), a, b));
    case Prim::mul: return wide ? multiply_q(a, b) : cut(emit(Op::mul_d, a, b));
    case Prim::min:
    case Prim::max: {
      const bool least = prim == Prim::min;
      if (!wide || masks()) return emit(either(least ? Op::min_d : Op::max_d, wide), a, b);
      return blend(true, emit(Op::gt_q, a, b), least ? a : b, least ? b : a);
    }
    case Prim::bit_and: return emit(Op::and_bits, a, b);
    case Prim::bit_or: return emit(Op::or_bits, a, b);
    case Prim::bit_xor: return emit(Op::xor_bits, a, b);
    // The hardware reads counts as unsigned too, and shifts everything out when they are over-wide. A u8 is over-wide earlier: then
    // its bits lie above the eighth or below the first.
    case Prim::shl: return cut(emit(either(Op::shlv_d, wide), a, b));
    case Prim::shr_logical: return emit(either(Op::shrv_d, wide), a, b);
    case Prim::shr:
      if (t == DType::U8) return emit(Op::shrv_d, a, b);
      if (wide && !masks()) return shift_right_signed_q(a, b);
      return emit(either(Op::sarv_d, wide), a, b);
    default: fail(ErrorCode::internal, "not a primitive of two integers");
  }
}

VReg Vectors::multiply_q(VReg a, VReg b) {
  if (masks()) return emit(Op::mul_q, a, b);
  // a * b mod 2^64 = low(a) low(b) + 2^32 (high(a) low(b) + low(a) high(b)).
  const VReg cross = emit(Op::add_q, emit(Op::mul_low_q, emit(Op::shr_q, a, kNoReg, kNoReg, 32), b),
                          emit(Op::mul_low_q, emit(Op::shr_q, b, kNoReg, kNoReg, 32), a));
  return emit(Op::add_q, emit(Op::mul_low_q, a, b), emit(Op::shl_q, cross, kNoReg, kNoReg, 32));
}

VReg Vectors::shift_right_signed_q(VReg a, VReg count) {
  const VReg sign = emit(Op::gt_q, literal(4, 0), a);  // flipping a negative number makes its sign bits zeros
  return emit(Op::xor_bits, emit(Op::shrv_q, emit(Op::xor_bits, a, sign), count), sign);
}

Lanes Vectors::divide(DType t, const Lanes& a, const Lanes& b) {
  if (t == DType::I64) {
    const bool uniform = a.r[0] == a.r[1] && b.r[0] == b.r[1];
    const VReg low = emit(Op::divide_q, a.r[0], b.r[0]);
    return {low, uniform ? low : emit(Op::divide_q, a.r[1], b.r[1])};
  }
  // Through floats that hold all operands exactly: the rounded quotient never reaches an integer that the exact one does not. INT_MIN / -1
  // overflows the conversion, which then gives INT_MIN.
  VReg quotient;
  if (t == DType::U8) {
    quotient = emit(Op::ps_to_d, emit(Op::div_ps, emit(Op::d_to_ps, a.r[0]), emit(Op::d_to_ps, b.r[0])));
  } else {
    const Lanes x = widen(Op::d_to_pd, a.r[0]), y = widen(Op::d_to_pd, b.r[0]);
    VReg half[2];
    const bool uniform = x.r[0] == x.r[1] && y.r[0] == y.r[1];
    for (int k = 0; k < 2; ++k) half[k] = k == 1 && uniform ? half[0] : emit(Op::pd_to_d, emit(Op::div_pd, x.r[k], y.r[k]));
    quotient = alike_ == Alike::first ? half[0] : emit(Op::join_halves, half[0], half[1]);
  }
  const VReg zero = literal(4, 0);
  if (masks()) return {blend(false, emit_mask(Op::cmp_d, b.r[0], zero, kNotEqual), zero, quotient), kNoReg};
  return {emit(Op::andnot_bits, emit(Op::eq_d, b.r[0], zero), quotient), kNoReg};
}

}  // namespace kiln::codegen::x64
