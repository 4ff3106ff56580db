#include "codegen/math.h"

namespace kiln::codegen {
namespace {

Value bits(Builder& b, Value x) { return b.bitcast(x, bits_of(x.dtype())); }

}  // namespace

Value is_negative(Builder& b, Value x) { return b.lt(bits(b, x), 0); }

Value with_sign_of(Builder& b, Value x, Value sign) {
  const Value mask = b.constant_bits(bits_of(x.dtype()), uint64_t{1} << (8 * size_of(x.dtype()) - 1));
  return b.bitcast(b.bit_or(b.bit_and(bits(b, x), b.bit_not(mask)), b.bit_and(bits(b, sign), mask)), x.dtype());
}

}  // namespace kiln::codegen
