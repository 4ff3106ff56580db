// Primitives over lanes: each turned into a few machine operations, with the bits that primitive.h asks for.
//
// A value is one step's elements (Program::lanes() of them). u8 and u16 are held in 32-bit lanes, zero-extended; u16 is
// loaded, stored and converted to and from i32, no more (kernels have been through codegen/legalise.h). bool is a mask register under
// AVX-512, and 32-bit lanes of 0 or -1 under AVX2. 8-byte dtypes take two registers: the lower half of the elements, then the upper.
#pragma once

#include "codegen/asmjit/machine.h"
#include "codegen/kernel.h"

namespace kiln::codegen::x64 {

struct Lanes {
  VReg r[2] = {kNoReg, kNoReg};
};

// Of the lanes of a value, beforehand.
enum class Alike : uint8_t {
  none,   // nothing is known
  all,    // all are the same: of 8-byte elements one register stands for both halves
  first,  // likewise, and nobody looks at others than the first one
};

struct Comparison {
  Prim prim = Prim::eq;
  bool opposite = false;  // of floats alone: not a < b, which is true where either is a NaN
};

constexpr int registers_of(DType t) { return size_of(t) == 8 ? 2 : 1; }

class Vectors {
 public:
  explicit Vectors(Program& program) : program_(program) {}

  Program& program() const { return program_; }
  bool masks() const { return program_.isa == Isa::avx512; }  // bool lives in mask registers
  int lanes() const { return program_.lanes(); }
  RegClass class_of(DType t) const { return t == DType::Bool && masks() ? RegClass::mask : RegClass::vector; }

  int open(const char* name, int depth);   // a new section, where everything goes from now on
  void at_node(NodeId id) { node_ = id; }  // whom the next operations are for
  // How the next values' lanes are. narrow: of the first lane alone, primitives take no more than the shortest registers.
  void alike(Alike a, bool narrow = false) { alike_ = a, narrow_ = narrow; }
  void behind(bool b) { behind_ = b; }  // do the next ones address the row that the walk has left (Memory::behind)

  Lanes constant(DType, uint64_t bits);
  Lanes primitive(Prim, DType result, DType operand, const Lanes& a, const Lanes& b, const Lanes& c);
  Lanes fresh(DType);  // registers that assign() sets
  void assign(DType, const Lanes& to, const Lanes& from);
  void accumulate(DType, const Lanes& to, const Lanes& from);  // assign a value that was made for this and is read by nothing else

  // Memory. `offset` counts elements from the step's first. `mask` (a bool value or kNoReg) says which lanes' memory may be touched; the
  // others load as zeros.
  // `moved`: elements by which all addresses are moved, in the first lane (kNoReg: none).
  Lanes load(DType, Stride, uint32_t buffer, int offset, VReg mask, VReg moved = kNoReg);
  Lanes gather(DType, Stride, uint32_t buffer, int offset, VReg mask, const Lanes& offsets);  // each element moved by its own, i64
  void store(DType, Stride, uint32_t buffer, int offset, VReg mask, Lanes value, bool may_be_nan);
  void store_first(DType, uint32_t buffer, Lanes value);  // the first lane alone
  Lanes scalar(DType, uint32_t slot);
  Lanes index(Place, uint32_t dimension, int offset);  // i64
  VReg tail_mask(int offset, int most);                // bool: lanes that exist in a partial step, `most` at most
  VReg lane_numbers();                                 // 0, 1, ... in 64-bit lanes
  VReg lane_offsets(uint32_t buffer);                  // for strided access: the byte offset of each 64-bit lane

  // Reductions. lane_form: bool as 32-bit lanes in every ISA, where lanes can be permuted.
  Lanes lane_form(DType, const Lanes&);
  Lanes from_lane_form(DType, const Lanes&);
  Lanes combine_lane_form(Prim, DType, const Lanes& a, const Lanes& b);
  Lanes exchange(DType, const Lanes&, int distance);  // lane i takes lane i ^ distance (a power of two)
  Lanes broadcast_first(DType, const Lanes&);         // of lane form
  Lanes load_kept(DType, int slot, int offset);       // see keep.h
  void store_kept(DType, int slot, int offset, const Lanes&);
  Lanes load_partial(DType, int32_t offset);  // a partial result, in whole registers
  void store_partial(DType, int32_t offset, const Lanes&);
  int partial_bytes(DType t) const { return t == DType::Bool && masks() ? 64 : registers_of(t) * program_.width(); }

  VReg pack_f16(VReg, bool may_be_nan);

  VReg bool_and(VReg a, VReg b);
  // Of dtypes in one register. `under`: a bool where the result may be true, of AVX-512 alone; none: everywhere.
  Lanes compare_under(Comparison, DType, const Lanes& a, const Lanes& b, const Lanes& under);
  Lanes select(DType, VReg condition, const Lanes& then, const Lanes& otherwise);
  Lanes scale(DType, const Lanes& value, const Lanes& exponent);  // floats: value 2^exponent, for whole exponents; of AVX-512 alone
  Lanes pick(bool lesser, DType, const Lanes& first, const Lanes& second);  // floats: first < (>) second ? first : second

 private:
  // One operation.
  VReg emit(Op, VReg a, VReg b = kNoReg, VReg c = kNoReg, int imm = 0);
  VReg emit_masked(Op, VReg mask, VReg a, VReg b = kNoReg, int imm = 0);
  VReg emit_mask(Op, VReg a, VReg b = kNoReg, int imm = 0, VReg under = kNoReg);  // gives a mask register
  VReg emit_load(Op, const Memory&, RegClass, VReg mask = kNoReg, VReg offsets = kNoReg, int imm = 0, VReg more = kNoReg);
  void emit_store(Op, const Memory&, VReg value, VReg mask = kNoReg, int imm = 0);
  void assign_one(VReg to, VReg from);
  VReg literal(int bytes, uint64_t bits);
  VReg literal_lanes(const std::array<uint8_t, 64>& data);
  VReg add(const Constant&);
  const Constant* literal_of(VReg) const;
  VReg ones() { return literal(4, 0xffffffff); }
  Instruction& push(Op, RegClass, bool has_result);
  Memory placed(Memory);  // behind or not

  // float.cpp
  VReg float_unary(Prim, bool f64, VReg a);
  VReg float_binary(Prim, bool f64, VReg a, VReg b);
  VReg float_min_max(Prim, bool f64, VReg a, VReg b);
  VReg canonical(bool f64, VReg a);
  // integer.cpp
  VReg integer_unary(Prim, DType, VReg a);
  VReg integer_binary(Prim, DType, VReg a, VReg b);
  VReg multiply_q(VReg a, VReg b);
  VReg shift_right_signed_q(VReg a, VReg count);
  Lanes divide(DType, const Lanes& a, const Lanes& b);
  // compare.cpp
  Lanes compare(Prim, DType, const Lanes& a, const Lanes& b);
  VReg compare_one(Comparison, DType, VReg a, VReg b, VReg under = kNoReg);
  VReg bool_binary(Prim, VReg a, VReg b);
  VReg bool_or(VReg a, VReg b);
  VReg bool_not(VReg a);
  VReg join_bools(VReg low, VReg high);               // of 64-bit lanes
  VReg half_mask(VReg mask, int half);                // for the 64-bit lanes of one half
  VReg mask_of_half(VReg mask, int bytes, int half);  // likewise, with half a register of narrower elements beside them; of none, none
  VReg is_unordered(bool f64, VReg a);
  VReg blend(bool wide, VReg mask, VReg otherwise, VReg then);
  // convert.cpp
  Lanes cast(DType to, DType from, const Lanes& a);
  Lanes cast_to_bool(DType from, const Lanes& a);
  Lanes cast_bool(DType to, const Lanes& a);
  Lanes float_to_i32(bool f64, const Lanes& a);
  Lanes float_to_i64(bool f64, const Lanes& a);
  Lanes float_to_u8(bool f64, const Lanes& a);
  Lanes i64_to_float(bool f64, const Lanes& a);
  VReg q_to_pd(VReg a);
  Lanes narrow_by(Op, const Lanes& a);  // 64-bit lanes, each half by this operation, to 32-bit ones
  VReg narrow(const Lanes& a);          // 64-bit lanes to 32-bit ones
  VReg words(VReg a);                   // 32-bit lanes below 2^16 (AVX2) to 16-bit ones
  Lanes widen(Op, VReg a);

  Program& program_;
  int section_ = 0;
  NodeId node_ = kNoNode;
  bool behind_ = false;
  Alike alike_ = Alike::none;
  bool narrow_ = false;
  std::vector<int32_t> constant_of_;  // by virtual register, as far as there are constants: which one it is, or -1
  std::vector<std::pair<uint32_t, VReg>> lane_offsets_;
};

}  // namespace kiln::codegen::x64
