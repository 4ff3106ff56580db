#include "codegen/llvm/expressions.h"

#include <algorithm>
#include <cmath>

#include <llvm/IR/Constants.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/Module.h>
#include <llvm/IR/PatternMatch.h>

#include "codegen/error.h"

namespace kiln::codegen::llvm_ir {
namespace {

using llvm::Align;
using llvm::IRBuilderBase;
using llvm::Type;
using llvm::Value;
namespace Intrinsic = llvm::Intrinsic;

Type* widen(Type* scalar, int width) { return width == 1 ? scalar : llvm::FixedVectorType::get(scalar, width); }

int width_of(const Value* v) {
  const auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(v->getType());
  return vector ? static_cast<int>(vector->getNumElements()) : 1;
}

Type* register_type(IRBuilderBase& b, DType t, int width) {
  if (t == DType::Bool) return widen(b.getInt1Ty(), width);
  if (is_integer(t)) return widen(b.getIntNTy(static_cast<unsigned>(8 * size_of(t))), width);
  return widen(t == DType::F32 ? b.getFloatTy() : b.getDoubleTy(), width);
}

Value* integer(Value* like, uint64_t bits) { return llvm::ConstantInt::get(like->getType(), bits); }
Value* real(Value* like, double value) { return llvm::ConstantFP::get(like->getType(), value); }
Value* is_nan(IRBuilderBase& b, Value* x) { return b.CreateFCmpUNO(x, x); }

Value* canonical_nan(IRBuilderBase& b, Value* x) { return b.CreateSelect(is_nan(b, x), llvm::ConstantFP::getQNaN(x->getType()), x); }

// Truncates, x/0 = 0 and INT_MIN/-1 = INT_MIN. Divided as floats wherever those are exact, since there is no vector integer division:
// with |x| < 2^32 a quotient in f64 is off by less than 2^-21/|y|, and misses no integer by less than 1/|y|. The same holds of 8 and 16
// bits in f32.
Value* divide(IRBuilderBase& b, DType t, Value* x, Value* y) {
  const bool with_sign = is_signed(t);
  Value* by_zero = b.CreateICmpEQ(y, integer(y, 0));
  Value* guarded = by_zero;
  if (with_sign) {
    Value* lowest = integer(x, uint64_t{1} << (8 * size_of(t) - 1));
    Value* wraps = b.CreateAnd(b.CreateICmpEQ(x, lowest), b.CreateICmpEQ(y, llvm::Constant::getAllOnesValue(y->getType())));
    guarded = b.CreateOr(guarded, wraps);
  }
  y = b.CreateSelect(guarded, integer(y, 1), y);
  Value* quotient;
  if (size_of(t) == 8) {
    quotient = with_sign ? b.CreateSDiv(x, y) : b.CreateUDiv(x, y);
  } else {
    Type* type = register_type(b, size_of(t) == 4 ? DType::F64 : DType::F32, width_of(x));
    const auto real = [&](Value* v) { return with_sign ? b.CreateSIToFP(v, type) : b.CreateUIToFP(v, type); };
    Value* exact = b.CreateFDiv(real(x), real(y));
    Type* word = register_type(b, DType::I32, width_of(x));
    quotient = t == DType::U32 ? b.CreateFPToUI(exact, word) : b.CreateFPToSI(exact, word);
    quotient = b.CreateTrunc(quotient, x->getType());
  }
  return b.CreateSelect(by_zero, integer(x, 0), quotient);
}

Value* shift(IRBuilderBase& b, Prim p, DType t, Value* x, Value* count) {
  const int width = 8 * size_of(t);
  if (p == Prim::shr && is_signed(t)) return b.CreateAShr(x, b.CreateBinaryIntrinsic(Intrinsic::umin, count, integer(count, width - 1)));
  // A lane shifted too far is poison, which select drops with the arm it does not take.
  Value* shifted = p == Prim::shl ? b.CreateShl(x, count) : b.CreateLShr(x, count);
  return b.CreateSelect(b.CreateICmpULT(count, integer(count, width)), shifted, integer(x, 0));
}

// Truncates toward zero and saturates; NaN gives 0. The conversion is poison out of range, where another arm is taken.
Value* saturate(IRBuilderBase& b, Value* x, DType to) {
  const int bits = 8 * size_of(to);
  const double high = std::ldexp(1.0, is_signed(to) ? bits - 1 : bits);
  const double low = is_signed(to) ? -high : 0.0;
  Type* result = register_type(b, to, width_of(x));
  Value* value = nullptr;
  if (bits < 32) value = b.CreateTrunc(b.CreateFPToSI(x, register_type(b, DType::I32, width_of(x))), result);
  else value = is_signed(to) ? b.CreateFPToSI(x, result) : b.CreateFPToUI(x, result);
  const uint64_t greatest = ~uint64_t{0} >> (64 - bits + (is_signed(to) ? 1 : 0));
  value = b.CreateSelect(is_nan(b, x), integer(value, 0), value);
  value = b.CreateSelect(b.CreateFCmpOLT(x, real(x, low)), integer(value, is_signed(to) ? greatest + 1 : 0), value);
  return b.CreateSelect(b.CreateFCmpOGE(x, real(x, high)), integer(value, greatest), value);
}

Value* cast(IRBuilderBase& b, Value* x, DType from, DType to) {
  if (from == to) return x;
  Type* result = register_type(b, to, width_of(x));
  if (to == DType::Bool) return is_floating(from) ? b.CreateFCmpUNE(x, real(x, 0)) : b.CreateICmpNE(x, integer(x, 0));
  if (is_floating(from)) {
    if (!is_floating(to)) return saturate(b, x, to);
    return to == DType::F64 ? b.CreateFPExt(x, result) : b.CreateFPTrunc(x, result);
  }
  if (is_floating(to)) return is_signed(from) ? b.CreateSIToFP(x, result) : b.CreateUIToFP(x, result);
  return is_signed(from) ? b.CreateSExtOrTrunc(x, result) : b.CreateZExtOrTrunc(x, result);
}

Value* compare(IRBuilderBase& b, Prim p, DType t, Value* x, Value* y) {
  using P = llvm::CmpInst::Predicate;
  struct Row {
    P floating, with_sign, without_sign;
  };
  const Row row = p == Prim::eq   ? Row{P::FCMP_OEQ, P::ICMP_EQ, P::ICMP_EQ}
                  : p == Prim::ne ? Row{P::FCMP_UNE, P::ICMP_NE, P::ICMP_NE}
                  : p == Prim::lt ? Row{P::FCMP_OLT, P::ICMP_SLT, P::ICMP_ULT}
                  : p == Prim::le ? Row{P::FCMP_OLE, P::ICMP_SLE, P::ICMP_ULE}
                  : p == Prim::gt ? Row{P::FCMP_OGT, P::ICMP_SGT, P::ICMP_UGT}
                                  : Row{P::FCMP_OGE, P::ICMP_SGE, P::ICMP_UGE};
  return b.CreateCmp(is_floating(t) ? row.floating : is_signed(t) ? row.with_sign : row.without_sign, x, y);
}

// Not llvm.minimum and llvm.maximum: LLVM 19 loses a signalling NaN in them under AVX-512. `pick` is one
// instruction; it gives its second operand if the two are equal or not ordered.
Value* float_extremum(IRBuilderBase& b, bool greatest, Value* x, Value* y) {
  const auto pick = [&](Value* u, Value* v) { return b.CreateSelect(greatest ? b.CreateFCmpOGT(u, v) : b.CreateFCmpOLT(u, v), u, v); };
  if (llvm::isa<llvm::Constant>(x)) std::swap(x, y);
  const llvm::APFloat* bound = nullptr;
  if (llvm::PatternMatch::match(y, llvm::PatternMatch::m_APFloat(bound)) && !bound->isNaN()) {
    Value* nearest = pick(y, x);
    const bool other_zero_counts = bound->isZero() && bound->isNegative() != greatest;  // max(-0, +0) and min(+0, -0) are the bound
    if (!other_zero_counts) return nearest;
    if (greatest) return b.CreateFAdd(nearest, real(x, 0.0));  // -0 to +0, all else as it is
  }
  // Whichever comes first, the results are alike, but for zeros of two signs: the bits tell which one it is.
  Type* bits = register_type(b, x->getType()->getScalarType()->isFloatTy() ? DType::I32 : DType::I64, width_of(x));
  Value* one = b.CreateBitCast(pick(x, y), bits);
  Value* other = b.CreateBitCast(pick(y, x), bits);
  Value* merged = b.CreateBitCast(greatest ? b.CreateAnd(one, other) : b.CreateOr(one, other), x->getType());
  return b.CreateSelect(b.CreateFCmpUNO(x, y), llvm::ConstantFP::getQNaN(x->getType()), merged);
}

Value* extremum(IRBuilderBase& b, bool greatest, DType t, Value* x, Value* y) {
  if (t == DType::Bool) return greatest ? b.CreateOr(x, y) : b.CreateAnd(x, y);
  if (is_floating(t)) return float_extremum(b, greatest, x, y);
  if (is_signed(t)) return b.CreateBinaryIntrinsic(greatest ? Intrinsic::smax : Intrinsic::smin, x, y);
  return b.CreateBinaryIntrinsic(greatest ? Intrinsic::umax : Intrinsic::umin, x, y);
}

// What a masked-off scalar load reads instead of its element.
Value* readable_zeros(IRBuilderBase& b) {
  llvm::Module& module = *b.GetInsertBlock()->getModule();
  if (auto* known = module.getNamedGlobal("zeros")) return known;
  return new llvm::GlobalVariable(module, b.getInt64Ty(), true, llvm::GlobalValue::PrivateLinkage, b.getInt64(0), "zeros");
}

Type* memory_type(IRBuilderBase& b, DType t, int width) { return register_type(b, t == DType::Bool ? DType::U8 : t, width); }

Value* to_memory(IRBuilderBase& b, DType t, Value* v) {
  return t == DType::Bool ? b.CreateZExt(v, register_type(b, DType::U8, width_of(v))) : v;
}
Value* from_memory(IRBuilderBase& b, DType t, Value* v) { return t == DType::Bool ? b.CreateICmpNE(v, integer(v, 0)) : v; }

Value* address_of_lane(IRBuilderBase& b, const Access& a, int lane) {
  Value* bytes = b.CreateMul(a.step, b.getInt64(static_cast<uint64_t>(lane)));
  if (a.offsets) bytes = b.CreateAdd(bytes, b.CreateExtractElement(a.offsets, lane));
  return b.CreateGEP(b.getInt8Ty(), a.address, bytes);
}

// One element after the other, without branches: a masked-off one is read elsewhere. Without a mask this is three times as fast as a
// gather instruction on Zen 4, and no slower on others.
Value* load_each(IRBuilderBase& b, const Access& a, Value* mask) {
  Type* element = memory_type(b, a.dtype, 1);
  Value* strip = llvm::PoisonValue::get(memory_type(b, a.dtype, a.width));
  for (int lane = 0; lane < a.width; ++lane) {
    Value* address = address_of_lane(b, a, lane);
    if (mask) address = b.CreateSelect(b.CreateExtractElement(mask, lane), address, readable_zeros(b));
    strip = b.CreateInsertElement(strip, b.CreateAlignedLoad(element, address, Align(size_of(a.dtype))), lane);
  }
  return strip;
}

Value* gather(IRBuilderBase& b, const Access& a, Value* mask, Value* otherwise) {
  Value* lanes = b.CreateStepVector(register_type(b, DType::I64, a.width));
  Value* bytes = b.CreateMul(lanes, b.CreateVectorSplat(a.width, a.step));
  if (a.offsets) bytes = b.CreateAdd(bytes, a.offsets);
  Value* addresses = b.CreateGEP(b.getInt8Ty(), a.address, bytes);
  return b.CreateMaskedGather(memory_type(b, a.dtype, a.width), addresses, Align(size_of(a.dtype)), mask, otherwise);
}

}  // namespace

Value* constant(IRBuilderBase& b, DType t, uint64_t bits, int width) {
  llvm::Constant* scalar = nullptr;
  switch (t) {
    case DType::Bool: scalar = b.getInt1((bits & 0xff) != 0); break;
    case DType::F32:
      scalar = llvm::ConstantFP::get(b.getContext(), llvm::APFloat(llvm::APFloat::IEEEsingle(), llvm::APInt(32, bits & ~0u)));
      break;
    case DType::F64:
      scalar = llvm::ConstantFP::get(b.getContext(), llvm::APFloat(llvm::APFloat::IEEEdouble(), llvm::APInt(64, bits)));
      break;
    default: scalar = llvm::ConstantInt::get(register_type(b, t, 1), bits);
  }
  return width == 1 ? scalar : llvm::ConstantVector::getSplat(llvm::ElementCount::getFixed(width), scalar);
}

Value* primitive(IRBuilderBase& b, Prim p, DType from, DType to, std::span<Value* const> v, bool may_be_nan) {
  const bool f = is_floating(from);
  const auto like = [&](Type* scalar) { return widen(scalar, width_of(v[0])); };
  switch (p) {
    case Prim::add: return f ? b.CreateFAdd(v[0], v[1]) : b.CreateAdd(v[0], v[1]);
    case Prim::sub: return f ? b.CreateFSub(v[0], v[1]) : b.CreateSub(v[0], v[1]);
    case Prim::mul: return f ? b.CreateFMul(v[0], v[1]) : b.CreateMul(v[0], v[1]);
    case Prim::div: return f ? b.CreateFDiv(v[0], v[1]) : divide(b, from, v[0], v[1]);
    case Prim::min: return extremum(b, false, from, v[0], v[1]);
    case Prim::max: return extremum(b, true, from, v[0], v[1]);
    case Prim::fma: return b.CreateIntrinsic(Intrinsic::fma, {v[0]->getType()}, {v[0], v[1], v[2]});
    case Prim::neg: return f ? b.CreateFNeg(v[0]) : b.CreateNeg(v[0]);
    case Prim::abs:
      if (f) return b.CreateUnaryIntrinsic(Intrinsic::fabs, v[0]);
      return is_signed(from) ? b.CreateBinaryIntrinsic(Intrinsic::abs, v[0], b.getFalse()) : v[0];
    case Prim::sqrt: return b.CreateUnaryIntrinsic(Intrinsic::sqrt, v[0]);
    case Prim::floor: return b.CreateUnaryIntrinsic(Intrinsic::floor, v[0]);
    case Prim::ceil: return b.CreateUnaryIntrinsic(Intrinsic::ceil, v[0]);
    case Prim::trunc: return b.CreateUnaryIntrinsic(Intrinsic::trunc, v[0]);
    case Prim::round: return b.CreateUnaryIntrinsic(Intrinsic::roundeven, v[0]);
    case Prim::bit_and: return b.CreateAnd(v[0], v[1]);
    case Prim::bit_or: return b.CreateOr(v[0], v[1]);
    case Prim::bit_xor: return b.CreateXor(v[0], v[1]);
    case Prim::bit_not: return b.CreateNot(v[0]);
    case Prim::shl:
    case Prim::shr:
    case Prim::shr_logical: return shift(b, p, from, v[0], v[1]);
    case Prim::eq:
    case Prim::ne:
    case Prim::lt:
    case Prim::le:
    case Prim::gt:
    case Prim::ge: return compare(b, p, from, v[0], v[1]);
    case Prim::select: return b.CreateSelect(v[0], v[1], v[2]);
    case Prim::cast: return cast(b, v[0], from, to);
    case Prim::bitcast: return b.CreateBitCast(f && may_be_nan ? canonical_nan(b, v[0]) : v[0], register_type(b, to, width_of(v[0])));
    case Prim::unpack_f16: {
      Value* bits = b.CreateTrunc(v[0], like(b.getInt16Ty()));
      return b.CreateFPExt(b.CreateBitCast(bits, like(b.getHalfTy())), like(b.getFloatTy()));
    }
    case Prim::pack_f16: {
      Value* half = b.CreateFPTrunc(may_be_nan ? canonical_nan(b, v[0]) : v[0], like(b.getHalfTy()));
      return b.CreateZExt(b.CreateBitCast(half, like(b.getInt16Ty())), like(b.getInt32Ty()));
    }
  }
  llvm_unreachable("a closed enum");
}

Value* first_lanes(IRBuilderBase& b, Value* count, int width) {
  Type* lane = width <= 16 ? b.getInt32Ty() : b.getInt8Ty();  // wide strips hold bytes
  Value* bounded = b.CreateBinaryIntrinsic(Intrinsic::smin, count, integer(count, width));
  return b.CreateICmpULT(b.CreateStepVector(widen(lane, width)), b.CreateVectorSplat(width, b.CreateTrunc(bounded, lane)));
}

Value* read(IRBuilderBase& b, DType t, int width, Value* address) {
  return from_memory(b, t, b.CreateAlignedLoad(memory_type(b, t, width), address, Align(size_of(t))));
}

void write(IRBuilderBase& b, DType t, Value* value, Value* address) {
  b.CreateAlignedStore(to_memory(b, t, value), address, Align(size_of(t)));
}

bool has_masked_form(Isa isa, DType t) { return isa == Isa::avx512 || size_of(t) >= 4; }

Value* load(IRBuilderBase& b, const Access& a, Value* mask, Value* otherwise) {
  if (!mask && (a.contiguous || a.width == 1)) return read(b, a.dtype, a.width, a.address);
  if (a.width == 1) return b.CreateSelect(mask, read(b, a.dtype, 1, b.CreateSelect(mask, a.address, readable_zeros(b))), otherwise);
  const bool by_instruction = mask && (a.contiguous ? has_masked_form(a.isa, a.dtype) : a.isa == Isa::avx512 && size_of(a.dtype) >= 4);
  if (!by_instruction) {
    Value* v = from_memory(b, a.dtype, load_each(b, a, mask));
    return otherwise ? b.CreateSelect(mask, v, otherwise) : v;
  }
  Type* type = memory_type(b, a.dtype, a.width);
  Value* passed = otherwise ? to_memory(b, a.dtype, otherwise) : llvm::Constant::getNullValue(type);
  Value* v = a.contiguous ? b.CreateMaskedLoad(type, a.address, Align(size_of(a.dtype)), mask, passed) : gather(b, a, mask, passed);
  return from_memory(b, a.dtype, v);
}

void store(IRBuilderBase& b, const Access& a, Value* value, Value* mask, bool may_be_nan, bool streaming) {
  check(!mask || (a.contiguous && has_masked_form(a.isa, a.dtype)), "a strip is masked only where its stores can be");
  const Align align(size_of(a.dtype));
  if (is_floating(a.dtype) && may_be_nan) value = canonical_nan(b, value);
  value = to_memory(b, a.dtype, value);
  if (mask) {
    b.CreateMaskedStore(value, a.address, align, mask);
  } else if (streaming) {
    auto* stored = b.CreateAlignedStore(value, a.address, Align(std::min(64, a.width * size_of(a.dtype))));
    stored->setMetadata(llvm::LLVMContext::MD_nontemporal, llvm::MDNode::get(b.getContext(), llvm::ConstantAsMetadata::get(b.getInt32(1))));
  } else if (a.contiguous || a.width == 1) {
    b.CreateAlignedStore(value, a.address, align);
  } else {
    for (int lane = 0; lane < a.width; ++lane)
      b.CreateAlignedStore(b.CreateExtractElement(value, lane), address_of_lane(b, a, lane), align);
  }
}

}  // namespace kiln::codegen::llvm_ir
