// Which instruction each machine operation is, in VEX (AVX2) and EVEX (AVX-512) form. Operations without one are sequences of
// their own in emitter.cpp.
#pragma once

#include <asmjit/x86.h>

#include "codegen/asmjit/ops.h"

namespace kiln::codegen::x64 {

struct Encoding {
  Op op;
  asmjit::InstId avx2, avx512;
  int16_t imm = kNone;

  static constexpr int16_t kNone = -1, kOwn = -2;  // no immediate; the instruction's own
  explicit operator bool() const { return (avx2 | avx512) != 0; }
};
extern const std::array<Encoding, kOpCount> encodings;  // [operation]

// A plain encoding, or one that is false.
inline const Encoding& encoding_of(Op op) { return encodings[static_cast<size_t>(op)]; }

}  // namespace kiln::codegen::x64
