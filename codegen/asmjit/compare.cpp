// Comparisons, booleans and selection.
#include <utility>

#include "codegen/asmjit/vectors.h"
#include "codegen/error.h"

namespace kiln::codegen::x64 {
namespace {

// Predicates of cmpps (ordered ones are quiet) and of vpcmpd.
struct Predicate {
  Prim prim;
  uint8_t floating, integer;
};
constexpr Predicate kPredicates[] = {{Prim::eq, 0x00, 0}, {Prim::ne, 0x04, 4}, {Prim::lt, 0x11, 1},
                                     {Prim::le, 0x12, 2}, {Prim::gt, 0x1e, 6}, {Prim::ge, 0x1d, 5}};
constexpr int kOpposite = 0x04;  // turns a predicate of floats into the one that is true where it is false

const Predicate& predicate(Prim prim) {
  for (const Predicate& p : kPredicates)
    if (p.prim == prim) return p;
  fail(ErrorCode::internal, "not a comparison");
}

}  // namespace

VReg Vectors::compare_one(Comparison c, DType t, VReg a, VReg b, VReg under) {
  const bool wide = size_of(t) == 8;
  const Predicate& p = predicate(c.prim);
  if (is_floating(t)) {
    const Op op = wide ? Op::cmp_pd : Op::cmp_ps;
    const int imm = c.opposite ? p.floating ^ kOpposite : p.floating;
    return masks() ? emit_mask(op, a, b, imm, under) : emit(op, a, b, kNoReg, imm);
  }
  if (masks()) return emit_mask(wide ? Op::cmp_q : Op::cmp_d, a, b, p.integer, under);
  const Op greater = wide ? Op::gt_q : Op::gt_d, equal = wide ? Op::eq_q : Op::eq_d;
  switch (c.prim) {
    case Prim::eq: return emit(equal, a, b);
    case Prim::ne: return bool_not(emit(equal, a, b));
    case Prim::gt: return emit(greater, a, b);
    case Prim::lt: return emit(greater, b, a);
    case Prim::le: return bool_not(emit(greater, a, b));
    case Prim::ge: return bool_not(emit(greater, b, a));
    default: fail(ErrorCode::internal, "not a comparison");
  }
}

Lanes Vectors::compare(Prim prim, DType t, const Lanes& a, const Lanes& b) {
  if (t == DType::Bool) return {bool_binary(prim, a.r[0], b.r[0]), kNoReg};
  const VReg low = compare_one({prim}, t, a.r[0], b.r[0]);
  if (registers_of(t) == 1) return {low, kNoReg};
  if (masks() && alike_ == Alike::first) return {low, kNoReg};
  const bool uniform = a.r[0] == a.r[1] && b.r[0] == b.r[1];
  return {join_bools(low, uniform ? low : compare_one({prim}, t, a.r[1], b.r[1])), kNoReg};
}

Lanes Vectors::compare_under(Comparison c, DType t, const Lanes& a, const Lanes& b, const Lanes& under) {
  return {compare_one(c, t, a.r[0], b.r[0], under.r[0]), kNoReg};
}

VReg Vectors::bool_binary(Prim prim, VReg a, VReg b) {
  switch (prim) {
    case Prim::bit_and:
    case Prim::min: return bool_and(a, b);
    case Prim::bit_or:
    case Prim::max: return bool_or(a, b);
    case Prim::bit_xor:
    case Prim::ne: return masks() ? emit_mask(Op::mask_xor, a, b) : emit(Op::xor_bits, a, b);
    case Prim::eq: return masks() ? emit_mask(Op::mask_xnor, a, b) : bool_not(emit(Op::xor_bits, a, b));
    case Prim::lt: return masks() ? emit_mask(Op::mask_andnot, a, b) : emit(Op::andnot_bits, a, b);  // not a, and b
    case Prim::gt: return bool_binary(Prim::lt, b, a);
    case Prim::le: return bool_or(bool_not(a), b);
    case Prim::ge: return bool_or(a, bool_not(b));
    default: fail(ErrorCode::internal, "not a primitive of two bools");
  }
}

VReg Vectors::bool_and(VReg a, VReg b) { return masks() ? emit_mask(Op::mask_and, a, b) : emit(Op::and_bits, a, b); }
VReg Vectors::bool_or(VReg a, VReg b) { return masks() ? emit_mask(Op::mask_or, a, b) : emit(Op::or_bits, a, b); }
VReg Vectors::bool_not(VReg a) { return masks() ? emit_mask(Op::mask_not, a) : emit(Op::xor_bits, a, ones()); }

VReg Vectors::join_bools(VReg low, VReg high) {
  if (masks()) return emit_mask(Op::mask_join, high, low);
  return narrow({low, high});
}

VReg Vectors::mask_of_half(VReg mask, int bytes, int half) {
  if (mask == kNoReg || (bytes < 8 && half == 0)) return mask;
  return bytes == 8 || masks() ? half_mask(mask, half) : emit(Op::high_half, mask);
}

VReg Vectors::half_mask(VReg mask, int half) {
  if (masks()) return half == 0 ? mask : emit_mask(Op::mask_high, mask);
  return emit(Op::sext_d_q, half == 0 ? mask : emit(Op::high_half, mask));
}

VReg Vectors::blend(bool wide, VReg mask, VReg otherwise, VReg then) {
  return emit_masked(wide ? Op::blend_pd : Op::blend_ps, mask, otherwise, then);
}

Lanes Vectors::select(DType t, VReg condition, const Lanes& then, const Lanes& otherwise) {
  if (t == DType::Bool && masks())
    return {bool_or(bool_and(condition, then.r[0]), emit_mask(Op::mask_andnot, condition, otherwise.r[0])), kNoReg};
  if (registers_of(t) == 1) return {blend(false, condition, otherwise.r[0], then.r[0]), kNoReg};
  Lanes out;
  for (int k = 0; k < 2; ++k)
    out.r[k] = k == 1 && alike_ != Alike::none ? out.r[0] : blend(true, half_mask(condition, k), otherwise.r[k], then.r[k]);
  return out;
}

}  // namespace kiln::codegen::x64
