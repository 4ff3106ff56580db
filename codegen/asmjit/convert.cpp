// Conversions. The hardware's float to integer conversions give INT_MIN for whatever does not fit; the table asks for saturation, and
// zero for NaN.
#include <bit>

#include "codegen/asmjit/vectors.h"
#include "codegen/error.h"

namespace kiln::codegen::x64 {
namespace {

constexpr int kEvenDwords = 0x88, kMiddleQwordsSwapped = 0xd8;

constexpr uint64_t bits_of(bool f64, double v) { return f64 ? std::bit_cast<uint64_t>(v) : std::bit_cast<uint32_t>(static_cast<float>(v)); }

}  // namespace

Lanes Vectors::widen(Op op, VReg a) {
  const VReg low = emit(op, a);
  return {low, alike_ != Alike::none || literal_of(a) != nullptr ? low : emit(op, emit(Op::high_half, a))};
}

Lanes Vectors::narrow_by(Op op, const Lanes& a) {
  const VReg low = emit(op, a.r[0]);
  if (alike_ == Alike::first) return {low, kNoReg};
  return {emit(Op::join_halves, low, a.r[0] == a.r[1] ? low : emit(op, a.r[1])), kNoReg};
}

VReg Vectors::narrow(const Lanes& a) {
  if (masks()) return narrow_by(Op::narrow_q_d, a).r[0];
  return emit(Op::permute_q, emit(Op::shuffle_ps, a.r[0], a.r[1], kNoReg, kEvenDwords), kNoReg, kNoReg, kMiddleQwordsSwapped);
}

// Packing (AVX2) saturates, which changes no value below 2^16.
VReg Vectors::words(VReg a) { return masks() ? emit(Op::narrow_d_w, a) : emit(Op::pack_d_w, a, emit(Op::high_half, a)); }

VReg Vectors::pack_f16(VReg a, bool may_be_nan) { return emit(Op::zext_w_d, emit(Op::ps_to_ph, may_be_nan ? canonical(false, a) : a)); }

Lanes Vectors::cast(DType to, DType from, const Lanes& a) {
  if (to == from) return a;
  if (from == DType::Bool) return cast_bool(to, a);
  if (to == DType::Bool) return cast_to_bool(from, a);
  if (is_floating(from) && is_floating(to)) {
    if (to == DType::F64) return widen(Op::ps_to_pd, a.r[0]);
    return narrow_by(Op::pd_to_ps, a);
  }
  if (is_floating(from)) {
    const bool f64 = from == DType::F64;
    if (to == DType::I64) return float_to_i64(f64, a);
    return to == DType::U8 ? float_to_u8(f64, a) : float_to_i32(f64, a);
  }
  if (is_floating(to)) {
    if (from == DType::I64) return i64_to_float(to == DType::F64, a);
    return to == DType::F64 ? widen(Op::d_to_pd, a.r[0]) : Lanes{emit(Op::d_to_ps, a.r[0]), kNoReg};
  }
  if (to == DType::I64) return widen(from == DType::I32 ? Op::sext_d_q : Op::zext_d_q, a.r[0]);
  const VReg low = from == DType::I64 ? narrow(a) : a.r[0];
  return {to == DType::I32 ? low : emit(Op::and_bits, low, literal(4, to == DType::U8 ? 0xff : 0xffff)), kNoReg};
}

Lanes Vectors::cast_to_bool(DType from, const Lanes& a) { return compare(Prim::ne, from, a, constant(from, 0)); }

Lanes Vectors::cast_bool(DType to, const Lanes& a) {
  const uint64_t one = is_floating(to) ? bits_of(to == DType::F64, 1.0) : 1;
  return select(to, a.r[0], constant(to, one), constant(to, 0));
}

Lanes Vectors::float_to_i32(bool f64, const Lanes& a) {
  const Lanes limit = constant(f64 ? DType::F64 : DType::F32, bits_of(f64, 0x1p31));
  const DType from = f64 ? DType::F64 : DType::F32;
  const VReg number = compare(Prim::eq, from, a, a).r[0];
  const VReg above = compare(Prim::ge, from, a, limit).r[0];
  const VReg whole = f64 ? narrow_by(Op::pd_to_d, a).r[0] : emit(Op::ps_to_d, a.r[0]);
  const VReg saturated = blend(false, above, whole, literal(4, 0x7fffffff));
  return {blend(false, number, literal(4, 0), saturated), kNoReg};
}

Lanes Vectors::float_to_i64(bool f64, const Lanes& a) {
  const VReg limit = f64 ? literal(8, bits_of(true, 0x1p63)) : literal(4, bits_of(false, 0x1p63));
  Lanes out;
  const DType from = f64 ? DType::F64 : DType::F32;
  const VReg number = compare(Prim::eq, from, a, a).r[0];
  const VReg above = compare(Prim::ge, from, a, {limit, limit}).r[0];
  for (int k = 0; k < 2; ++k) {
    if (k == 1 && alike_ != Alike::none) return {out.r[0], out.r[0]};
    const VReg x = f64 || k == 0 ? a.r[k] : emit(Op::high_half, a.r[0]);
    const VReg whole = emit(masks() ? (f64 ? Op::pd_to_q : Op::ps_to_q) : (f64 ? Op::scalar_pd_to_q : Op::scalar_ps_to_q), x);
    const VReg saturated = blend(true, half_mask(above, k), whole, literal(8, 0x7fffffffffffffff));
    out.r[k] = blend(true, half_mask(number, k), literal(4, 0), saturated);
  }
  return out;
}

Lanes Vectors::float_to_u8(bool f64, const Lanes& a) {
  VReg whole[2];
  const int registers = f64 && a.r[0] != a.r[1] ? 2 : 1;
  for (int k = 0; k < registers; ++k) {
    const VReg most = literal(f64 ? 8 : 4, bits_of(f64, 255));
    // The second operand comes through where the first is a NaN: 0.
    const VReg clamped = emit(f64 ? Op::min_pd : Op::min_ps, emit(f64 ? Op::max_pd : Op::max_ps, a.r[k], literal(4, 0)), most);
    whole[k] = emit(f64 ? Op::pd_to_d : Op::ps_to_d, clamped);
  }
  return {f64 && alike_ != Alike::first ? emit(Op::join_halves, whole[0], whole[registers - 1]) : whole[0], kNoReg};
}

Lanes Vectors::i64_to_float(bool f64, const Lanes& a) {
  VReg out[2];
  for (int k = 0; k < 2; ++k)
    out[k] = k == 1 && a.r[0] == a.r[1] ? out[0] : f64 ? q_to_pd(a.r[k]) : emit(masks() ? Op::q_to_ps : Op::scalar_q_to_ps, a.r[k]);
  if (f64) return {out[0], out[1]};
  return {alike_ == Alike::first ? out[0] : emit(Op::join_halves, out[0], out[1]), kNoReg};
}

VReg Vectors::q_to_pd(VReg a) {
  if (masks()) return emit(Op::q_to_pd, a);
  // Each 32-bit half is put into the significand of a power of two, exactly: 2^52 + low, and 2^84 + 2^32 (high + 2^31). Taking the powers
  // from the upper one is exact, so that the last addition alone rounds.
  const VReg low = emit(Op::or_bits, emit(Op::and_bits, a, literal(8, 0xffffffff)), literal(8, bits_of(true, 0x1p52)));
  const VReg high = emit(Op::xor_bits, emit(Op::shr_q, a, kNoReg, kNoReg, 32), literal(8, bits_of(true, 0x1p84) | 0x80000000));
  return emit(Op::add_pd, emit(Op::sub_pd, high, literal(8, bits_of(true, 0x1p84 + 0x1p63 + 0x1p52))), low);
}

}  // namespace kiln::codegen::x64
