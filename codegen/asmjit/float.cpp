// Floats. AVX's own minimum and maximum return their second operand when the operands are unordered or both zero; the IEEE 754-2019
// operations are built from two of them, one in each order, which then differ in exactly those cases.
#include <bit>
#include <cstring>

#include "codegen/asmjit/vectors.h"
#include "codegen/error.h"

namespace kiln::codegen::x64 {
namespace {

constexpr int kUnordered = 3;                                         // cmpps predicates (Intel SDM, CMPPD)
constexpr int kNearestEven = 8, kFloor = 9, kCeil = 10, kTrunc = 11;  // roundps, without raising inexact

Op either(Op ps, bool f64) { return static_cast<Op>(static_cast<int>(ps) + (f64 ? 1 : 0)); }  // the pd twin follows

}  // namespace

VReg Vectors::float_unary(Prim prim, bool f64, VReg a) {
  const int bytes = f64 ? 8 : 4;
  const uint64_t sign = f64 ? uint64_t{1} << 63 : uint64_t{1} << 31;
  switch (prim) {
    case Prim::neg: return emit(Op::xor_bits, a, literal(bytes, sign));
    case Prim::abs: return emit(Op::and_bits, a, literal(bytes, sign - 1));
    case Prim::sqrt: return emit(either(Op::sqrt_ps, f64), a);
    case Prim::floor: return emit(either(Op::round_ps, f64), a, kNoReg, kNoReg, kFloor);
    case Prim::ceil: return emit(either(Op::round_ps, f64), a, kNoReg, kNoReg, kCeil);
    case Prim::trunc: return emit(either(Op::round_ps, f64), a, kNoReg, kNoReg, kTrunc);
    case Prim::round: return emit(either(Op::round_ps, f64), a, kNoReg, kNoReg, kNearestEven);
    default: fail(ErrorCode::internal, "not a primitive of one float");
  }
}

VReg Vectors::float_binary(Prim prim, bool f64, VReg a, VReg b) {
  if (info(prim).commutative && literal_of(a) != nullptr) std::swap(a, b);  // the second operand may come from memory
  switch (prim) {
    case Prim::add: return emit(either(Op::add_ps, f64), a, b);
    case Prim::sub: return emit(either(Op::sub_ps, f64), a, b);
    case Prim::mul: return emit(either(Op::mul_ps, f64), a, b);
    case Prim::div: return emit(either(Op::div_ps, f64), a, b);
    case Prim::min:
    case Prim::max: return float_min_max(prim, f64, a, b);
    default: fail(ErrorCode::internal, "not a primitive of two floats");
  }
}

VReg Vectors::float_min_max(Prim prim, bool f64, VReg a, VReg b) {
  const Op op = either(prim == Prim::min ? Op::min_ps : Op::max_ps, f64);
  if (const Constant* c = literal_of(b)) {
    // c is b and not a NaN: with x second a NaN comes through, and of two zeros x is chosen. That is wrong for max(-0, +0) and
    // min(+0, -0) alone.
    uint64_t bits = 0;
    std::memcpy(&bits, c->data.data(), c->bytes);
    if (f64 && c->bytes == 4) bits |= bits << 32;
    const double value = f64 ? std::bit_cast<double>(bits) : std::bit_cast<float>(static_cast<uint32_t>(bits));
    if (value == value && !(prim == Prim::min && value == 0 && bits != 0)) {
      const VReg chosen = emit(op, b, a);
      return prim == Prim::max && bits == 0 ? emit(either(Op::add_ps, f64), chosen, b) : chosen;  // -0 + +0 is +0; all else stays
    }
  }
  const VReg one = emit(op, a, b);
  const VReg other = emit(op, b, a);
  // NaN | anything is a NaN, and equal values stay as they are. Zeros: -0 | +0 = -0 is the minimum; the maximum needs -0 & +0 in the sign.
  if (prim == Prim::min) return emit(Op::or_bits, one, other);
  if (masks()) {
    constexpr int kAndWhereSet = 0xd4;  // f(one, other, sign) = sign ? one & other : one | other
    return emit(Op::ternary_bits, one, other, literal(f64 ? 8 : 4, f64 ? uint64_t{1} << 63 : uint64_t{1} << 31), kAndWhereSet);
  }
  // The difference is -0 where the signs of zeros differ (and -0 - -0 = +0), +0 where the values agree; a NaN stays one.
  const VReg difference = emit(Op::xor_bits, one, other);
  return emit(either(Op::sub_ps, f64), emit(Op::or_bits, one, difference), difference);
}

Lanes Vectors::scale(DType t, const Lanes& value, const Lanes& exponent) {
  Lanes out;
  for (int k = 0; k < registers_of(t); ++k)
    out.r[k] = k == 1 && alike_ != Alike::none ? out.r[0] : emit(either(Op::scale_ps, t == DType::F64), value.r[k], exponent.r[k]);
  return out;
}

Lanes Vectors::pick(bool lesser, DType t, const Lanes& first, const Lanes& second) {
  const Op op = either(lesser ? Op::min_ps : Op::max_ps, t == DType::F64);
  Lanes out;
  for (int k = 0; k < registers_of(t); ++k) out.r[k] = k == 1 && alike_ != Alike::none ? out.r[0] : emit(op, first.r[k], second.r[k]);
  return out;
}

VReg Vectors::is_unordered(bool f64, VReg a) {
  const Op op = either(Op::cmp_ps, f64);
  return masks() ? emit_mask(op, a, a, kUnordered) : emit(op, a, a, kNoReg, kUnordered);
}

VReg Vectors::canonical(bool f64, VReg a) {
  const VReg nan = f64 ? literal(8, 0x7ff8000000000000) : literal(4, 0x7fc00000);
  if (masks()) {
    // By class of the second source, 4 bits each, quiet and signalling NaNs lowest: 0 keeps the destination, 1 takes the source (Intel SDM,
    // VFIXUPIMMPS).
    constexpr uint64_t kKeepForNans = 0x11111100;
    return emit(either(Op::fix_up_ps, f64), nan, a, literal(4, kKeepForNans));
  }
  return blend(f64, is_unordered(f64, a), a, nan);
}

}  // namespace kiln::codegen::x64
