// Loads and stores of one step's elements, and the permutations of reductions.
#include <bit>
#include <cstring>

#include "codegen/asmjit/vectors.h"
#include "codegen/error.h"

namespace kiln::codegen::x64 {

namespace {

Op broadcast_of(int bytes) {
  switch (bytes) {
    case 8: return Op::load_broadcast_q;
    case 4: return Op::load_broadcast_d;
    case 2: return Op::broadcast_word;
    default: return Op::broadcast_byte;
  }
}

Memory step_memory(DType t, Stride stride, uint32_t buffer, int offset) {
  const Place place = stride == Stride::contiguous ? Place::element : stride == Stride::any ? Place::strided : Place::uniform;
  return {place, static_cast<uint8_t>(size_of(t)), static_cast<uint16_t>(buffer), offset};
}

}  // namespace

Lanes Vectors::load(DType t, Stride stride, uint32_t buffer, int offset, VReg mask, VReg moved) {
  const int bytes = size_of(t);
  const auto at = [&](int half) {
    Memory m = step_memory(t, stride, buffer, offset + half * lanes() / 2);
    m.moved = moved != kNoReg;
    return m;
  };
  const auto read = [&](Op op, int half, VReg under = kNoReg, VReg offsets = kNoReg, int imm = 0) {
    return emit_load(op, at(half), RegClass::vector, under, offsets, imm, moved);
  };
  const auto from_bytes = [&](VReg r) { return t == DType::Bool ? cast_to_bool(DType::U8, {r}) : Lanes{r}; };

  if (stride == Stride::zero) {
    const VReg all = mask != kNoReg ? read(Op::broadcast_if, 0, mask, kNoReg, bytes) : read(broadcast_of(bytes), 0);
    return bytes == 8 ? Lanes{all, all} : from_bytes(all);
  }
  if (stride == Stride::any && bytes < 4) return from_bytes(read(Op::lanes_load, 0, mask, kNoReg, bytes));
  if (stride == Stride::any) {
    const VReg offsets = lane_offsets(buffer);
    VReg half[2];
    for (int k = 0; k < 2; ++k) half[k] = read(bytes == 8 ? Op::gather_q : Op::gather_d, k, mask_of_half(mask, bytes, k), offsets);
    return bytes == 8 ? Lanes{half[0], half[1]} : Lanes{emit(Op::join_halves, half[0], half[1])};
  }
  if (bytes == 2) {
    if (mask == kNoReg) return {read(Op::load_w, 0)};
    return {masks() ? read(Op::load_w_masked, 0, mask) : read(Op::lanes_load, 0, mask, kNoReg, bytes)};
  }
  if (bytes == 1) {
    if (mask == kNoReg) {
      if (t == DType::U8 || !masks()) return from_bytes(read(Op::load_b, 0));
      const VReg raw = read(Op::load_bits_b, 0);
      return {emit_mask(Op::test_b, raw, raw)};
    }
    if (!masks()) return from_bytes(read(Op::lanes_load, 0, mask, kNoReg, bytes));
    if (t == DType::U8) return {read(Op::load_b_masked, 0, mask)};
    const VReg raw = read(Op::load_bits_b_masked, 0, mask);
    return {emit_mask(Op::test_b, raw, raw)};
  }
  Lanes out;
  for (int k = 0; k < registers_of(t); ++k) {
    if (mask == kNoReg) out.r[k] = read(Op::load, k);
    else if (bytes == 4) out.r[k] = read(Op::load_d_masked, k, mask);
    else out.r[k] = read(Op::load_q_masked, k, half_mask(mask, k));
  }
  return out;
}

Lanes Vectors::gather(DType t, Stride stride, uint32_t buffer, int offset, VReg mask, const Lanes& offsets) {
  const int bytes = size_of(t), shift = std::countr_zero(static_cast<unsigned>(bytes));
  // What a lane adds to the address of the first: nothing, elements, or bytes.
  const VReg apart = stride == Stride::contiguous ? lane_numbers() : stride == Stride::any ? lane_offsets(buffer) : kNoReg;
  const int scale = stride == Stride::any ? 0 : shift;
  VReg own[2];
  for (int k = 0; k < 2; ++k) {
    own[k] = offsets.r[k];
    if (scale == 0 && shift > 0) own[k] = emit(Op::shlv_q, own[k], literal(8, static_cast<uint64_t>(shift)));
    if (apart != kNoReg) own[k] = emit(Op::add_q, own[k], apart);
  }
  const auto at = [&](int half) { return step_memory(t, stride, buffer, offset + half * lanes() / 2); };
  Lanes half;
  const Op op = bytes == 8 ? Op::gather_at_q : bytes == 4 ? Op::gather_at_d : Op::lanes_load_at;
  for (int k = 0; k < 2; ++k) half.r[k] = emit_load(op, at(k), RegClass::vector, mask_of_half(mask, bytes, k), own[k], scale);
  if (bytes == 8) return half;
  const VReg whole = emit(Op::join_halves, half.r[0], half.r[1]);
  return t == DType::Bool ? cast_to_bool(DType::U8, {whole}) : Lanes{whole};
}

void Vectors::store(DType t, Stride stride, uint32_t buffer, int offset, VReg mask, Lanes value, bool may_be_nan) {
  const int bytes = size_of(t);
  const auto at = [&](int half) { return step_memory(t, stride, buffer, offset + half * lanes() / 2); };
  if (is_floating(t) && may_be_nan) {
    const bool uniform = value.r[0] == value.r[1];
    value.r[0] = canonical(bytes == 8, value.r[0]);
    if (bytes == 8) value.r[1] = uniform ? value.r[0] : canonical(true, value.r[1]);
  }
  if (t == DType::Bool && masks() && stride == Stride::contiguous) {
    const VReg raw = emit_masked(Op::mask_to_b, value.r[0], literal(4, 0x01010101));
    emit_store(mask == kNoReg ? Op::store_b : Op::store_b_masked, at(0), raw, mask);
    return;
  }
  if (t == DType::Bool) value = cast_bool(DType::I32, value);

  if (stride != Stride::contiguous || (bytes < 4 && mask != kNoReg && !masks())) {
    for (int k = 0; k < registers_of(t); ++k)
      emit_store(Op::lanes_store, at(k), value.r[k], mask == kNoReg || bytes != 8 ? mask : half_mask(mask, k), bytes);
    return;
  }
  if (bytes < 4) {
    VReg raw = bytes == 2 || !masks() ? words(value.r[0]) : emit(Op::narrow_d_b, value.r[0]);
    if (bytes == 1 && !masks()) raw = emit(Op::pack_w_b, raw, raw);
    if (bytes == 1) emit_store(mask == kNoReg ? Op::store_b : Op::store_b_masked, at(0), raw, mask);
    else emit_store(mask == kNoReg ? Op::store_w : Op::store_w_masked, at(0), raw, mask);
    return;
  }
  for (int k = 0; k < registers_of(t); ++k) {
    if (mask == kNoReg) emit_store(Op::store, at(k), value.r[k]);
    else if (bytes == 4) emit_store(Op::store_d_masked, at(k), value.r[k], mask);
    else emit_store(Op::store_q_masked, at(k), value.r[k], half_mask(mask, k));
  }
}

void Vectors::store_first(DType t, uint32_t buffer, Lanes value) {
  if (is_floating(t)) value.r[0] = canonical(t == DType::F64, value.r[0]);
  if (t == DType::Bool) value = cast_bool(DType::I32, value);
  emit_store(Op::store_one, {Place::uniform, static_cast<uint8_t>(size_of(t)), static_cast<uint16_t>(buffer), 0}, value.r[0], kNoReg,
             size_of(t));
}

Lanes Vectors::scalar(DType t, uint32_t slot) {
  const Memory at{Place::scalar, 0, static_cast<uint16_t>(slot), 0};
  if (size_of(t) == 8) {
    const VReg all = emit_load(Op::load_broadcast_q, at, RegClass::vector);
    return {all, all};
  }
  const VReg all = emit_load(broadcast_of(size_of(t)), at, RegClass::vector);
  return t == DType::Bool ? compare(Prim::ne, DType::U8, {all}, constant(DType::U8, 0)) : Lanes{all};
}

Lanes Vectors::index(Place place, uint32_t dimension, int offset) {
  if (place == Place::outer) {
    const VReg all = emit_load(Op::broadcast_general, {place, 0, static_cast<uint16_t>(dimension), 0}, RegClass::vector);
    return {all, all};
  }
  Lanes out;
  for (int k = 0; k < 2; ++k) {
    const Memory from{Place::inner, 0, 0, offset + k * lanes() / 2};
    out.r[k] = emit(Op::add_q, emit_load(Op::broadcast_general, from, RegClass::vector), lane_numbers());
  }
  return out;
}

VReg Vectors::tail_mask(int offset, int most) {
  return emit_load(Op::tail_mask, {Place::none, 0, 0, offset}, class_of(DType::Bool), kNoReg, kNoReg, most);
}

VReg Vectors::lane_numbers() {
  std::array<uint8_t, 64> data{};
  for (int64_t i = 0; i < lanes() / 2; ++i) std::memcpy(&data[static_cast<size_t>(8 * i)], &i, sizeof i);
  return literal_lanes(data);
}

VReg Vectors::lane_offsets(uint32_t buffer) {
  for (const auto& [known, offsets] : lane_offsets_)
    if (known == buffer) return offsets;
  const VReg stride = emit_load(Op::broadcast_general, {Place::stride, 0, static_cast<uint16_t>(buffer), 0}, RegClass::vector);
  lane_offsets_.emplace_back(buffer, multiply_q(stride, lane_numbers()));
  return lane_offsets_.back().second;
}

Lanes Vectors::lane_form(DType t, const Lanes& value) {
  if (t != DType::Bool || !masks()) return value;
  return {emit(Op::mask_to_d, value.r[0])};
}

Lanes Vectors::from_lane_form(DType t, const Lanes& value) {
  if (t != DType::Bool || !masks()) return value;
  return compare(Prim::ne, DType::I32, value, constant(DType::I32, 0));
}

Lanes Vectors::combine_lane_form(Prim prim, DType t, const Lanes& a, const Lanes& b) {
  if (t == DType::Bool) {
    const bool both = prim == Prim::min || prim == Prim::bit_and;
    return {emit(both ? Op::and_bits : Op::or_bits, a.r[0], b.r[0])};
  }
  return primitive(prim, t, t, a, b, {});
}

Lanes Vectors::exchange(DType t, const Lanes& value, int distance) {
  const bool wide = registers_of(t) == 2;
  if (wide && distance == lanes() / 2) return {value.r[1], value.r[0]};
  const int bytes = distance * (wide ? 8 : 4);
  const auto one = [&](VReg r) {
    switch (bytes) {
      case 32: return emit(Op::swap_128, r, r, kNoReg, 0x4e);                // 256-bit halves of a zmm register
      case 16: return emit(Op::swap_128, r, r, kNoReg, masks() ? 0xb1 : 1);  // neighbouring 128-bit lanes
      case 8: return emit(Op::permute_ps, r, kNoReg, kNoReg, 0x4e);
      default: return emit(Op::permute_ps, r, kNoReg, kNoReg, 0xb1);
    }
  };
  return {one(value.r[0]), wide ? one(value.r[1]) : kNoReg};
}

Lanes Vectors::broadcast_first(DType t, const Lanes& value) {
  if (alike_ == Alike::first) return {value.r[0], registers_of(t) == 2 ? value.r[0] : kNoReg};
  if (registers_of(t) == 1) return {emit(Op::broadcast_d, value.r[0])};
  const VReg all = emit(Op::broadcast_q, value.r[0]);
  return {all, all};
}

namespace {

Memory kept_at(DType t, int slot, int offset, int half, int lanes) {
  const auto bytes = static_cast<uint8_t>(4 * registers_of(t));  // u8 as it lies in registers
  return {Place::kept, bytes, static_cast<uint16_t>(slot), offset + half * lanes / 2};
}

}  // namespace

Lanes Vectors::load_kept(DType t, int slot, int offset) {
  Lanes out;
  for (int k = 0; k < registers_of(t); ++k) out.r[k] = emit_load(Op::load, kept_at(t, slot, offset, k, lanes()), RegClass::vector);
  return out;
}

void Vectors::store_kept(DType t, int slot, int offset, const Lanes& value) {
  for (int k = 0; k < registers_of(t); ++k) emit_store(Op::store, kept_at(t, slot, offset, k, lanes()), value.r[k]);
}

Lanes Vectors::load_partial(DType t, int32_t offset) {
  Lanes out;
  const bool mask = class_of(t) == RegClass::mask;
  for (int k = 0; k < registers_of(t); ++k)
    out.r[k] = emit_load(mask ? Op::load_mask : Op::load, {Place::partial, 0, 0, offset + k * program_.width()}, class_of(t));
  return out;
}

void Vectors::store_partial(DType t, int32_t offset, const Lanes& value) {
  const bool mask = class_of(t) == RegClass::mask;
  for (int k = 0; k < registers_of(t); ++k)
    emit_store(mask ? Op::store_mask : Op::store, {Place::partial, 0, 0, offset + k * program_.width()}, value.r[k]);
}

}  // namespace kiln::codegen::x64
