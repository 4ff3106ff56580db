#include "codegen/asmjit/vectors.h"

#include <algorithm>
#include <cstring>

#include "codegen/error.h"

namespace kiln::codegen::x64 {

int Vectors::open(const char* name, int depth) {
  program_.open(name, depth);
  section_ = static_cast<int>(program_.sections.size()) - 1;
  node_ = kNoNode;
  return section_;
}

Instruction& Vectors::push(Op op, RegClass result, bool has_result) {
  Instruction& i = program_.sections[static_cast<size_t>(section_)].code.emplace_back();
  i.op = op;
  i.node = node_;
  i.narrow = narrow_ && lane_by_lane(op);
  if (has_result) i.dst = program_.fresh(result);
  return i;
}

VReg Vectors::emit(Op op, VReg a, VReg b, VReg c, int imm) {
  Instruction& i = push(op, RegClass::vector, true);
  i.src = {a, b, c};
  i.imm = static_cast<uint8_t>(imm);
  return i.dst;
}

VReg Vectors::emit_masked(Op op, VReg mask, VReg a, VReg b, int imm) {
  Instruction& i = push(op, RegClass::vector, true);
  i.src = {a, b, kNoReg};
  i.mask = mask;
  i.imm = static_cast<uint8_t>(imm);
  return i.dst;
}

VReg Vectors::emit_mask(Op op, VReg a, VReg b, int imm, VReg under) {
  Instruction& i = push(op, RegClass::mask, true);
  i.src = {a, b, kNoReg};
  i.mask = under;
  i.imm = static_cast<uint8_t>(imm);
  return i.dst;
}

Memory Vectors::placed(Memory m) {
  if (!behind_) return m;
  check(m.place != Place::outer, "the index of a row that the walk has left");
  m.behind = m.place == Place::element || m.place == Place::strided || m.place == Place::uniform;
  if (m.behind && std::ranges::find(program_.behind, m.index) == program_.behind.end()) program_.behind.push_back(m.index);
  return m;
}

VReg Vectors::emit_load(Op op, const Memory& memory, RegClass result, VReg mask, VReg offsets, int imm, VReg more) {
  Instruction& i = push(op, result, true);
  i.memory = placed(memory);
  i.mask = mask;
  i.src = {offsets != kNoReg ? offsets : more, offsets != kNoReg ? more : kNoReg, kNoReg};
  i.imm = static_cast<uint8_t>(imm);
  return i.dst;
}

void Vectors::emit_store(Op op, const Memory& memory, VReg value, VReg mask, int imm) {
  Instruction& i = push(op, RegClass::vector, false);
  i.memory = placed(memory);
  i.mask = mask;
  i.src[0] = value;
  i.imm = static_cast<uint8_t>(imm);
}

VReg Vectors::literal(int bytes, uint64_t bits) {
  if (bytes == 8 && static_cast<uint32_t>(bits) == bits >> 32) bytes = 4;  // one register for all equal patterns
  if (bytes == 4) bits &= 0xffffffff;
  for (const Constant& c : program_.constants)
    if (c.bytes == bytes && c.bits() == bits) return c.reg;
  Constant c{program_.fresh(RegClass::vector), static_cast<uint8_t>(bytes), {}};
  std::memcpy(c.data.data(), &bits, sizeof bits);
  return add(c);
}

VReg Vectors::add(const Constant& c) {
  constant_of_.resize(program_.regs.size(), -1);
  constant_of_[c.reg] = static_cast<int32_t>(program_.constants.size());
  program_.constants.push_back(c);
  return c.reg;
}

VReg Vectors::literal_lanes(const std::array<uint8_t, 64>& data) {
  for (const Constant& c : program_.constants)
    if (c.bytes == program_.width() && c.data == data) return c.reg;
  return add({program_.fresh(RegClass::vector), static_cast<uint8_t>(program_.width()), data});
}

const Constant* Vectors::literal_of(VReg reg) const {
  return reg < constant_of_.size() && constant_of_[reg] >= 0 ? &program_.constants[static_cast<size_t>(constant_of_[reg])] : nullptr;
}

Lanes Vectors::constant(DType t, uint64_t bits) {
  if (t == DType::Bool) {
    const VReg lanes = literal(4, bits != 0 ? 0xffffffff : 0);
    if (!masks()) return {lanes, kNoReg};
    return {emit_mask(Op::cmp_d, lanes, literal(4, 0), 4), kNoReg};
  }
  if (size_of(t) == 8) {
    const VReg r = literal(8, bits);
    return {r, r};
  }
  return {literal(4, bits), kNoReg};
}

Lanes Vectors::fresh(DType t) {
  Lanes lanes;
  for (int k = 0; k < registers_of(t); ++k) lanes.r[k] = program_.fresh(class_of(t));
  return lanes;
}

void Vectors::assign(DType t, const Lanes& to, const Lanes& from) {
  for (int k = 0; k < registers_of(t); ++k) assign_one(to.r[k], from.r[k]);
}

void Vectors::accumulate(DType t, const Lanes& to, const Lanes& from) {
  auto& code = program_.sections[static_cast<size_t>(section_)].code;
  for (int k = 0; k < registers_of(t); ++k) {
    // The operation that made it can write to the accumulator itself, unless a later one still reads the old value.
    size_t at = code.size();
    bool old_value_read = false;
    while (at-- > 0 && code[at].dst != from.r[k])
      for (VReg r : code[at].src) old_value_read = old_value_read || r == to.r[k];
    if (at < code.size() && !old_value_read) code[at].dst = to.r[k];
    else assign_one(to.r[k], from.r[k]);
  }
}

void Vectors::assign_one(VReg to, VReg from) {
  Instruction& i = push(Op::move, RegClass::vector, false);
  i.dst = to;
  i.src[0] = from;
}

Lanes Vectors::primitive(Prim prim, DType result, DType operand, const Lanes& a, const Lanes& b, const Lanes& c) {
  const PrimInfo& about = info(prim);
  if (prim == Prim::select) return select(result, a.r[0], b, c);
  if (prim == Prim::cast) return cast(result, operand, a);
  if (about.gives_bool) return compare(prim, operand, a, b);
  if (operand == DType::Bool) return {prim == Prim::bit_not ? bool_not(a.r[0]) : bool_binary(prim, a.r[0], b.r[0]), kNoReg};
  if (prim == Prim::div && !is_floating(operand)) return divide(operand, a, b);

  const auto one = [&](int k) -> VReg {
    const bool f64 = operand == DType::F64;
    if (prim == Prim::unpack_f16) return emit(Op::ph_to_ps, words(masks() ? a.r[k] : emit(Op::and_bits, a.r[k], literal(4, 0xffff))));
    if (prim == Prim::pack_f16) return pack_f16(a.r[k], true);
    if (prim == Prim::bitcast) return is_floating(operand) ? canonical(f64, a.r[k]) : a.r[k];
    if (prim == Prim::fma) return emit(f64 ? Op::fma_pd : Op::fma_ps, a.r[k], b.r[k], c.r[k]);
    if (is_floating(operand)) return about.operands == 1 ? float_unary(prim, f64, a.r[k]) : float_binary(prim, f64, a.r[k], b.r[k]);
    return about.operands == 1 ? integer_unary(prim, operand, a.r[k]) : integer_binary(prim, operand, a.r[k], b.r[k]);
  };
  Lanes out{one(0), kNoReg};
  if (registers_of(operand) == 2) {
    const auto same = [](const Lanes& v) { return v.r[0] == v.r[1]; };
    const bool uniform = same(a) && same(b) && same(c);
    out.r[1] = uniform ? out.r[0] : one(1);
  }
  return out;
}

}  // namespace kiln::codegen::x64
