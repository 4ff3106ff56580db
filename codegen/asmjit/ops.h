// The machine operations that kernels are lowered to: one closed list for AVX2 and AVX-512, and what register allocation has to
// know of each. How an operation is encoded is the emitter's business alone.
//
// A vector register holds Isa's full width: 16 (AVX-512) or 8 (AVX2) lanes of 32 bits, or half as many of 64. Suffixes: d q are 32- and
// 64-bit integers, ps pd ph floats of 32, 64 and 16 bits, b and w bytes and 16-bit words.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace kiln::codegen::x64 {

enum class Op : uint8_t {
  move,
  // Arithmetic on floats.
  add_ps,
  add_pd,
  sub_ps,
  sub_pd,
  mul_ps,
  mul_pd,
  div_ps,
  div_pd,
  min_ps,
  min_pd,
  max_ps,
  max_pd,
  sqrt_ps,
  sqrt_pd,
  round_ps,
  round_pd,
  fma_ps,
  fma_pd,
  scale_ps,  // the first times two to the power of the second (AVX-512)
  scale_pd,
  // Bits.
  and_bits,
  or_bits,
  xor_bits,
  andnot_bits,
  ternary_bits,
  // Integers.
  add_d,
  add_q,
  sub_d,
  sub_q,
  mul_d,
  mul_q,
  mul_low_q,
  min_d,
  min_q,
  max_d,
  max_q,
  abs_d,
  abs_q,
  shlv_d,
  shlv_q,
  shrv_d,
  shrv_q,
  sarv_d,
  sarv_q,
  shl_q,
  shr_q,
  // Comparisons; AVX-512 gives a mask register, AVX2 lanes of 0 or -1.
  cmp_ps,
  cmp_pd,
  cmp_d,
  cmp_q,
  eq_d,
  eq_q,
  gt_d,
  gt_q,
  test_b,
  // mask ? second : first.
  blend_ps,
  blend_pd,
  // The first source where the second is of a class that the third names (AVX-512), else the second.
  fix_up_ps,
  fix_up_pd,
  // Conversions; half registers on the narrow side.
  ps_to_pd,
  pd_to_ps,
  d_to_ps,
  d_to_pd,
  q_to_ps,
  q_to_pd,
  ps_to_d,
  pd_to_d,
  ps_to_q,
  pd_to_q,
  zext_d_q,
  sext_d_q,
  narrow_q_d,
  narrow_d_b,
  narrow_d_w,
  zext_w_d,
  ph_to_ps,
  ps_to_ph,
  // Permutations.
  high_half,
  join_halves,
  swap_128,
  permute_ps,
  permute_q,
  shuffle_ps,
  pack_d_w,
  pack_w_b,
  broadcast_d,
  broadcast_q,
  // Mask registers (AVX-512).
  mask_and,
  mask_or,
  mask_xor,
  mask_xnor,
  mask_andnot,
  mask_not,
  mask_high,
  mask_join,
  mask_to_d,
  mask_to_b,
  // Memory.
  load,
  load_d_masked,
  load_q_masked,
  load_b,
  load_b_masked,
  load_w,
  load_w_masked,
  load_bits_b,
  load_bits_b_masked,
  load_broadcast_d,
  load_broadcast_q,
  load_mask,
  store,
  store_d_masked,
  store_q_masked,
  store_b,
  store_b_masked,
  store_w,
  store_w_masked,
  store_one,
  store_mask,
  // Short sequences of instructions.
  tail_mask,          // a mask of the lanes that exist, counted from element `memory.offset` of the step
  broadcast_general,  // a general register or an 8-byte slot in every 64-bit lane
  broadcast_byte,     // a byte of memory in every 32-bit lane
  broadcast_word,     // 16 bits likewise
  broadcast_if,       // the element in every lane if the mask has any lane, else zeros; touches no memory then. imm: bytes
  gather_d,
  gather_q,  // half a register / a register of elements at run-time stride; sources: byte offsets, used under a mask
  gather_at_d,
  gather_at_q,    // likewise, each element at an offset of its own; sources: 64-bit offsets, times 1 << imm bytes
  lanes_load_at,  // half a register, one element of 1 or 2 bytes after the other
  lanes_load,     // one element after the other, where the mask (optional) is set, else zeros. imm: bytes
  lanes_store,    // likewise
  divide_q,       // lane by lane
  scalar_q_to_ps,
  scalar_ps_to_q,
  scalar_pd_to_q,  // lane by lane: AVX2 has no such conversions
};
inline constexpr int kOpCount = static_cast<int>(Op::scalar_pd_to_q) + 1;

struct OpInfo {
  Op op;
  std::string_view name;
  uint8_t element = 0;       // not 0: the last source may come from memory; AVX-512 can also broadcast an element of so many bytes
  uint8_t dst_shrink = 1;    // operand widths: the full width divided by this, at least 16 bytes
  uint8_t first_shrink = 1;  // of all sources but the last
  uint8_t last_shrink = 1;
  bool tied = false;        // the destination is also the first source
  bool early = false;       // the destination is written before the sources are read
  uint8_t temporaries = 0;  // vector registers used inside
};

inline constexpr std::array kOps = {
    OpInfo{Op::move, "move"},
    OpInfo{Op::add_ps, "add_ps", 4},
    OpInfo{Op::add_pd, "add_pd", 8},
    OpInfo{Op::sub_ps, "sub_ps", 4},
    OpInfo{Op::sub_pd, "sub_pd", 8},
    OpInfo{Op::mul_ps, "mul_ps", 4},
    OpInfo{Op::mul_pd, "mul_pd", 8},
    OpInfo{Op::div_ps, "div_ps", 4},
    OpInfo{Op::div_pd, "div_pd", 8},
    OpInfo{Op::min_ps, "min_ps", 4},
    OpInfo{Op::min_pd, "min_pd", 8},
    OpInfo{Op::max_ps, "max_ps", 4},
    OpInfo{Op::max_pd, "max_pd", 8},
    OpInfo{Op::sqrt_ps, "sqrt_ps", 4},
    OpInfo{Op::sqrt_pd, "sqrt_pd", 8},
    OpInfo{Op::round_ps, "round_ps", 4},
    OpInfo{Op::round_pd, "round_pd", 8},
    OpInfo{Op::fma_ps, "fma_ps", 4},
    OpInfo{Op::fma_pd, "fma_pd", 8},
    OpInfo{Op::scale_ps, "scale_ps", 4},
    OpInfo{Op::scale_pd, "scale_pd", 8},
    OpInfo{Op::and_bits, "and", 4},
    OpInfo{Op::or_bits, "or", 4},
    OpInfo{Op::xor_bits, "xor", 4},
    OpInfo{Op::andnot_bits, "andnot", 4},
    OpInfo{.op = Op::ternary_bits, .name = "ternary", .element = 4, .tied = true},
    OpInfo{Op::add_d, "add_d", 4},
    OpInfo{Op::add_q, "add_q", 8},
    OpInfo{Op::sub_d, "sub_d", 4},
    OpInfo{Op::sub_q, "sub_q", 8},
    OpInfo{Op::mul_d, "mul_d", 4},
    OpInfo{Op::mul_q, "mul_q", 8},
    OpInfo{Op::mul_low_q, "mul_low_q", 8},
    OpInfo{Op::min_d, "min_d", 4},
    OpInfo{Op::min_q, "min_q", 8},
    OpInfo{Op::max_d, "max_d", 4},
    OpInfo{Op::max_q, "max_q", 8},
    OpInfo{Op::abs_d, "abs_d", 4},
    OpInfo{Op::abs_q, "abs_q", 8},
    OpInfo{Op::shlv_d, "shlv_d", 4},
    OpInfo{Op::shlv_q, "shlv_q", 8},
    OpInfo{Op::shrv_d, "shrv_d", 4},
    OpInfo{Op::shrv_q, "shrv_q", 8},
    OpInfo{Op::sarv_d, "sarv_d", 4},
    OpInfo{Op::sarv_q, "sarv_q", 8},
    OpInfo{Op::shl_q, "shl_q"},
    OpInfo{Op::shr_q, "shr_q"},
    OpInfo{Op::cmp_ps, "cmp_ps", 4},
    OpInfo{Op::cmp_pd, "cmp_pd", 8},
    OpInfo{Op::cmp_d, "cmp_d", 4},
    OpInfo{Op::cmp_q, "cmp_q", 8},
    OpInfo{Op::eq_d, "eq_d", 4},
    OpInfo{Op::eq_q, "eq_q", 8},
    OpInfo{Op::gt_d, "gt_d", 4},
    OpInfo{Op::gt_q, "gt_q", 8},
    OpInfo{.op = Op::test_b, .name = "test_b", .first_shrink = 4, .last_shrink = 4},
    OpInfo{Op::blend_ps, "blend_ps", 4},
    OpInfo{Op::blend_pd, "blend_pd", 8},
    OpInfo{.op = Op::fix_up_ps, .name = "fix_up_ps", .element = 4, .tied = true},
    OpInfo{.op = Op::fix_up_pd, .name = "fix_up_pd", .element = 8, .tied = true},
    OpInfo{.op = Op::ps_to_pd, .name = "ps_to_pd", .last_shrink = 2},
    OpInfo{.op = Op::pd_to_ps, .name = "pd_to_ps", .dst_shrink = 2},
    OpInfo{.op = Op::d_to_ps, .name = "d_to_ps"},
    OpInfo{.op = Op::d_to_pd, .name = "d_to_pd", .last_shrink = 2},
    OpInfo{.op = Op::q_to_ps, .name = "q_to_ps", .dst_shrink = 2},
    OpInfo{.op = Op::q_to_pd, .name = "q_to_pd"},
    OpInfo{.op = Op::ps_to_d, .name = "ps_to_d"},
    OpInfo{.op = Op::pd_to_d, .name = "pd_to_d", .dst_shrink = 2},
    OpInfo{.op = Op::ps_to_q, .name = "ps_to_q", .last_shrink = 2},
    OpInfo{.op = Op::pd_to_q, .name = "pd_to_q"},
    OpInfo{.op = Op::zext_d_q, .name = "zext_d_q", .last_shrink = 2},
    OpInfo{.op = Op::sext_d_q, .name = "sext_d_q", .last_shrink = 2},
    OpInfo{.op = Op::narrow_q_d, .name = "narrow_q_d", .dst_shrink = 2},
    OpInfo{.op = Op::narrow_d_b, .name = "narrow_d_b", .dst_shrink = 4},
    OpInfo{.op = Op::narrow_d_w, .name = "narrow_d_w", .dst_shrink = 2},
    OpInfo{.op = Op::zext_w_d, .name = "zext_w_d", .last_shrink = 2},
    OpInfo{.op = Op::ph_to_ps, .name = "ph_to_ps", .last_shrink = 2},
    OpInfo{.op = Op::ps_to_ph, .name = "ps_to_ph", .dst_shrink = 2},
    OpInfo{.op = Op::high_half, .name = "high_half", .dst_shrink = 2},
    OpInfo{.op = Op::join_halves, .name = "join_halves", .last_shrink = 2},
    OpInfo{.op = Op::swap_128, .name = "swap_128"},
    OpInfo{.op = Op::permute_ps, .name = "permute_ps"},
    OpInfo{.op = Op::permute_q, .name = "permute_q"},
    OpInfo{.op = Op::shuffle_ps, .name = "shuffle_ps"},
    OpInfo{.op = Op::pack_d_w, .name = "pack_d_w", .dst_shrink = 2, .first_shrink = 2, .last_shrink = 2},
    OpInfo{.op = Op::pack_w_b, .name = "pack_w_b", .dst_shrink = 2, .first_shrink = 2, .last_shrink = 2},
    OpInfo{.op = Op::broadcast_d, .name = "broadcast_d", .last_shrink = 16},
    OpInfo{.op = Op::broadcast_q, .name = "broadcast_q", .last_shrink = 16},
    OpInfo{.op = Op::mask_and, .name = "mask_and"},
    OpInfo{.op = Op::mask_or, .name = "mask_or"},
    OpInfo{.op = Op::mask_xor, .name = "mask_xor"},
    OpInfo{.op = Op::mask_xnor, .name = "mask_xnor"},
    OpInfo{.op = Op::mask_andnot, .name = "mask_andnot"},
    OpInfo{.op = Op::mask_not, .name = "mask_not"},
    OpInfo{.op = Op::mask_high, .name = "mask_high"},
    OpInfo{.op = Op::mask_join, .name = "mask_join"},
    OpInfo{.op = Op::mask_to_d, .name = "mask_to_d"},
    OpInfo{.op = Op::mask_to_b, .name = "mask_to_b", .dst_shrink = 4},
    OpInfo{.op = Op::load, .name = "load"},
    OpInfo{.op = Op::load_d_masked, .name = "load_d_masked"},
    OpInfo{.op = Op::load_q_masked, .name = "load_q_masked"},
    OpInfo{.op = Op::load_b, .name = "load_b"},
    OpInfo{.op = Op::load_b_masked, .name = "load_b_masked"},
    OpInfo{.op = Op::load_w, .name = "load_w"},
    OpInfo{.op = Op::load_w_masked, .name = "load_w_masked"},
    OpInfo{.op = Op::load_bits_b, .name = "load_bits_b", .dst_shrink = 4},
    OpInfo{.op = Op::load_bits_b_masked, .name = "load_bits_b_masked", .dst_shrink = 4},
    OpInfo{.op = Op::load_broadcast_d, .name = "load_broadcast_d"},
    OpInfo{.op = Op::load_broadcast_q, .name = "load_broadcast_q"},
    OpInfo{.op = Op::load_mask, .name = "load_mask"},
    OpInfo{.op = Op::store, .name = "store"},
    OpInfo{.op = Op::store_d_masked, .name = "store_d_masked"},
    OpInfo{.op = Op::store_q_masked, .name = "store_q_masked"},
    OpInfo{.op = Op::store_b, .name = "store_b", .last_shrink = 4},
    OpInfo{.op = Op::store_b_masked, .name = "store_b_masked", .last_shrink = 4},
    OpInfo{.op = Op::store_w, .name = "store_w", .last_shrink = 2},
    OpInfo{.op = Op::store_w_masked, .name = "store_w_masked", .last_shrink = 2},
    OpInfo{.op = Op::store_one, .name = "store_one", .last_shrink = 16},
    OpInfo{.op = Op::store_mask, .name = "store_mask"},
    OpInfo{.op = Op::tail_mask, .name = "tail_mask"},
    OpInfo{.op = Op::broadcast_general, .name = "broadcast_general"},
    OpInfo{.op = Op::broadcast_byte, .name = "broadcast_byte"},
    OpInfo{.op = Op::broadcast_word, .name = "broadcast_word"},
    OpInfo{.op = Op::broadcast_if, .name = "broadcast_if", .early = true},
    OpInfo{.op = Op::gather_d, .name = "gather_d", .dst_shrink = 2, .early = true, .temporaries = 1},
    OpInfo{.op = Op::gather_q, .name = "gather_q", .early = true, .temporaries = 1},
    OpInfo{.op = Op::gather_at_d, .name = "gather_at_d", .dst_shrink = 2, .early = true, .temporaries = 1},
    OpInfo{.op = Op::gather_at_q, .name = "gather_at_q", .early = true, .temporaries = 1},
    OpInfo{.op = Op::lanes_load_at, .name = "lanes_load_at", .dst_shrink = 2, .early = true},
    OpInfo{.op = Op::lanes_load, .name = "lanes_load", .early = true},
    OpInfo{.op = Op::lanes_store, .name = "lanes_store", .temporaries = 1},
    OpInfo{.op = Op::divide_q, .name = "divide_q"},
    OpInfo{.op = Op::scalar_q_to_ps, .name = "scalar_q_to_ps", .dst_shrink = 2},
    OpInfo{.op = Op::scalar_ps_to_q, .name = "scalar_ps_to_q", .last_shrink = 2},
    OpInfo{.op = Op::scalar_pd_to_q, .name = "scalar_pd_to_q"},
};

// Does each lane of the result come from that lane of the sources, and from nothing else?
constexpr bool lane_by_lane(Op op) { return op < Op::high_half; }

constexpr const OpInfo& info(Op op) { return kOps[static_cast<size_t>(op)]; }

static_assert(
    [] {
      if (kOps.size() != kOpCount) return false;
      for (int i = 0; i < kOpCount; ++i)
        if (static_cast<int>(kOps[i].op) != i) return false;
      return true;
    }(),
    "kOps is in the order of Op");

}  // namespace kiln::codegen::x64
