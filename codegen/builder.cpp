#include "codegen/builder.h"

#include <bit>
#include <cmath>
#include <string>

#include "codegen/complex.h"
#include "codegen/error.h"
#include "codegen/interpreter/primitives.h"
#include "codegen/simplify/simplify.h"

namespace kiln::codegen {
namespace {

uint64_t float_bits(DType t, double value) {
  if (is_half(t)) return interpreter::evaluate(Prim::cast, t, DType::F64, std::bit_cast<uint64_t>(value));
  return t == DType::F32 ? std::bit_cast<uint32_t>(static_cast<float>(value)) : std::bit_cast<uint64_t>(value);
}

// A C++ number as a dtype's bits. Numbers that the dtype cannot hold are a mistake of the body's author, save for rounding of floats.
uint64_t number_bits(DType t, double value) {
  if (is_floating(t)) return interpreter::canonical_bits(t, float_bits(t, value));
  const uint64_t bits = interpreter::evaluate(Prim::cast, t, DType::F64, std::bit_cast<uint64_t>(value));
  const uint64_t back = interpreter::evaluate(Prim::cast, DType::F64, t, bits);
  check(std::bit_cast<double>(back) == value, "a number that its dtype cannot hold");
  return bits;
}

// An operand as a value, given the dtype of the operand beside it.
Value resolve(Builder& b, const Operand& operand, DType t) { return operand.value ? operand.value : b.constant(t, operand.number); }

DType dtype_of(std::initializer_list<const Operand*> operands) {
  for (const Operand* operand : operands)
    if (operand->value) return operand->value.dtype();
  fail(ErrorCode::internal, "a primitive of numbers alone: give one operand as a Value");
}

}  // namespace

DType Value::dtype() const { return builder_->dtype(id_); }

size_t Builder::NodeHash::operator()(const Node& n) const {
  uint64_t h = static_cast<uint64_t>(n.kind) | static_cast<uint64_t>(n.prim) << 8 | static_cast<uint64_t>(n.dtype) << 16 |
               static_cast<uint64_t>(n.slot) << 32;
  for (uint64_t part : {static_cast<uint64_t>(n.operands[0]) << 32 | n.operands[1], static_cast<uint64_t>(n.operands[2]), n.bits})
    h = (h ^ (h >> 29) ^ part) * 0x9e3779b97f4a7c15u;
  return static_cast<size_t>(h ^ (h >> 32));
}

Builder::Builder(Kernel& kernel, Simplify simplify) : kernel_(kernel), simplify_(simplify) {
  for (NodeId id = 0; id < kernel.nodes.size(); ++id) known_.emplace(kernel.nodes[id], id);
}

Value Builder::push(const Node& node) {
  const auto [at, is_new] = known_.try_emplace(node, static_cast<NodeId>(kernel_.nodes.size()));
  if (is_new) kernel_.nodes.push_back(node);
  return {this, at->second};
}

Value Builder::constant_bits(DType t, uint64_t bits) {
  check(!is_complex(t), "a complex constant is two real ones");
  return push({.kind = NodeKind::constant, .dtype = t, .bits = interpreter::canonical_bits(t, bits)});
}
Value Builder::constant(DType t, double value) {
  if (is_complex(t)) return complex(constant(real_of(t), value), constant(real_of(t), 0));
  return constant_bits(t, number_bits(t, value));
}

Value Builder::complex(Value re, Value im) {
  check(re.dtype() == im.dtype() && (re.dtype() == DType::F32 || re.dtype() == DType::F64), "parts of a complex value: two f32 or two f64");
  pairs_.push_back({re.id(), im.id()});
  return {this, kPairs + static_cast<NodeId>(pairs_.size() - 1)};
}
Value Builder::real(Value z) { return is_pair(z.id()) ? Value(this, pair(z.id()).re) : z; }
Value Builder::imag(Value z) { return is_pair(z.id()) ? Value(this, pair(z.id()).im) : constant(z.dtype(), 0); }

Value Builder::scalar(uint32_t slot, DType t) {
  kernel_.scalars = std::max(kernel_.scalars, slot + 1);
  return push({.kind = NodeKind::scalar, .dtype = t, .slot = slot});
}

Value Builder::index(int dim) { return push({.kind = NodeKind::index, .dtype = DType::I64, .slot = static_cast<uint32_t>(dim)}); }

Buffer& Builder::buffer(uint32_t slot) {
  check(slot < kernel_.buffers.size(), "a buffer that the kernel does not have");
  return kernel_.buffers[slot];
}

Value Builder::load(uint32_t slot) { return push({.kind = NodeKind::load, .dtype = buffer(slot).dtype, .slot = slot}); }
Value Builder::load(uint32_t slot, Value mask, Value otherwise) {
  return push({.kind = NodeKind::load, .dtype = buffer(slot).dtype, .slot = slot, .operands = {mask.id(), otherwise.id(), kNoNode}});
}

Value Builder::gather(uint32_t slot, Value offset) {
  buffer(slot).gathered = true;
  return push({.kind = NodeKind::gather, .dtype = buffer(slot).dtype, .slot = slot, .operands = {offset.id(), kNoNode, kNoNode}});
}
Value Builder::gather(uint32_t slot, Value offset, Value mask, Value otherwise) {
  buffer(slot).gathered = true;
  return push({.kind = NodeKind::gather, .dtype = buffer(slot).dtype, .slot = slot, .operands = {offset.id(), mask.id(), otherwise.id()}});
}

uint32_t Builder::add_buffer(Buffer added) {
  kernel_.buffers.push_back(added);
  return static_cast<uint32_t>(kernel_.buffers.size() - 1);
}

void Builder::store(uint32_t slot, Value value) {
  buffer(slot).written = true;
  kernel_.stores.push_back({slot, value.id()});
}

Value Builder::primitive(Prim prim, DType result, std::span<const Value> operands) {
  check(operands.size() == info(prim).operands, "a primitive with a wrong number of operands");
  if (is_pair(operands.back().id())) return complex_primitive(*this, prim, operands);
  Node n{.kind = NodeKind::primitive, .prim = prim, .dtype = result};
  bool constant = true;
  uint64_t bits[3] = {};
  int i = 0;
  for (Value v : operands) {
    const Node& from = node(v.id());
    constant = constant && from.kind == NodeKind::constant;
    bits[i] = from.bits;
    n.operands[i++] = v.id();
  }
  if (!constant) {
    const std::optional<Value> simpler = simplify_ == Simplify::yes ? simplify(*this, n) : std::nullopt;
    return simpler ? *simpler : push(n);
  }
  return constant_bits(result, interpreter::evaluate(prim, result, operands.back().dtype(), bits[0], bits[1], bits[2]));
}

Value Builder::binary(Prim prim, Operand a, Operand b) {
  const DType t = dtype_of({&a, &b});
  const Value x = resolve(*this, a, t), y = resolve(*this, b, t);
  check(x.dtype() == y.dtype(), "operands of different dtypes");
  check(is_complex(t) || takes(prim, t), "an operand of a dtype that the primitive does not take");
  return primitive(prim, result_dtype(prim, t), {x, y});
}

Value Builder::unary(Prim prim, Value x) {
  check(is_complex(x.dtype()) || takes(prim, x.dtype()), "an operand of a dtype that the primitive does not take");
  return primitive(prim, x.dtype(), {x});
}

Value Builder::add(Operand a, Operand b) { return binary(Prim::add, a, b); }
Value Builder::sub(Operand a, Operand b) { return binary(Prim::sub, a, b); }
Value Builder::mul(Operand a, Operand b) { return binary(Prim::mul, a, b); }
Value Builder::div(Operand a, Operand b) { return binary(Prim::div, a, b); }
Value Builder::minimum(Operand a, Operand b) { return binary(Prim::min, a, b); }
Value Builder::maximum(Operand a, Operand b) { return binary(Prim::max, a, b); }
Value Builder::fma(Operand a, Operand b, Operand c) {
  const DType t = dtype_of({&a, &b, &c});
  const Value x = resolve(*this, a, t), y = resolve(*this, b, t), z = resolve(*this, c, t);
  check(x.dtype() == t && y.dtype() == t && z.dtype() == t && takes(Prim::fma, t), "fma of operands of different dtypes, or not of floats");
  return primitive(Prim::fma, t, {x, y, z});
}
Value Builder::neg(Value x) { return unary(Prim::neg, x); }
Value Builder::abs(Value x) { return unary(Prim::abs, x); }
Value Builder::sqrt(Value x) { return unary(Prim::sqrt, x); }
Value Builder::floor(Value x) { return unary(Prim::floor, x); }
Value Builder::ceil(Value x) { return unary(Prim::ceil, x); }
Value Builder::trunc(Value x) { return unary(Prim::trunc, x); }
Value Builder::round(Value x) { return unary(Prim::round, x); }
Value Builder::bit_and(Operand a, Operand b) { return binary(Prim::bit_and, a, b); }
Value Builder::bit_or(Operand a, Operand b) { return binary(Prim::bit_or, a, b); }
Value Builder::bit_xor(Operand a, Operand b) { return binary(Prim::bit_xor, a, b); }
Value Builder::bit_not(Value x) { return unary(Prim::bit_not, x); }
Value Builder::shl(Operand a, Operand b) { return binary(Prim::shl, a, b); }
Value Builder::shr(Operand a, Operand b) { return binary(Prim::shr, a, b); }
Value Builder::shr_logical(Operand a, Operand b) { return binary(Prim::shr_logical, a, b); }
Value Builder::eq(Operand a, Operand b) { return binary(Prim::eq, a, b); }
Value Builder::ne(Operand a, Operand b) { return binary(Prim::ne, a, b); }
Value Builder::lt(Operand a, Operand b) { return binary(Prim::lt, a, b); }
Value Builder::le(Operand a, Operand b) { return binary(Prim::le, a, b); }
Value Builder::gt(Operand a, Operand b) { return binary(Prim::gt, a, b); }
Value Builder::ge(Operand a, Operand b) { return binary(Prim::ge, a, b); }

Value Builder::select(Value condition, Operand then, Operand otherwise) {
  const DType t = dtype_of({&then, &otherwise});
  const Value x = resolve(*this, then, t), y = resolve(*this, otherwise, t);
  check(condition.dtype() == DType::Bool && x.dtype() == y.dtype(), "select needs a bool condition and two values of one dtype");
  return primitive(Prim::select, t, {condition, x, y});
}

Value Builder::cast(Value x, DType t) {
  if (x.dtype() == t) return x;
  if (is_complex(t)) return complex(cast(real(x), real_of(t)), is_complex(x.dtype()) ? cast(imag(x), real_of(t)) : constant(real_of(t), 0));
  if (is_complex(x.dtype())) {
    check(t == DType::Bool, "a complex value has no real dtype: take a part of it");
    return bit_or(cast(real(x), t), cast(imag(x), t));
  }
  if (is_half(t) && x.dtype() == DType::F32) {  // a half that was widened, back again
    const Node& from = node(x.id());
    if (from.kind == NodeKind::primitive && from.prim == Prim::cast && node(from.operands[0]).dtype == t) return {this, from.operands[0]};
  }
  return primitive(Prim::cast, t, {x});
}
Value Builder::bitcast(Value x, DType t) { return x.dtype() == t ? x : primitive(Prim::bitcast, t, {x}); }
Value Builder::unpack_f16(Value bits) { return primitive(Prim::unpack_f16, DType::F32, {bits}); }
Value Builder::pack_f16(Value x) { return primitive(Prim::pack_f16, DType::I32, {x}); }

Value Builder::reduce(Prim combine, Value x) {
  if (is_complex(x.dtype())) {
    check(combine == Prim::add, "only sums go part by part");
    return complex(reduce(combine, real(x)), reduce(combine, imag(x)));
  }
  check(can_combine(combine) && takes(combine, x.dtype()), "a primitive that cannot combine values of this dtype");
  return push({.kind = NodeKind::reduce, .prim = combine, .dtype = x.dtype(), .operands = {x.id(), kNoNode, kNoNode}});
}

}  // namespace kiln::codegen
