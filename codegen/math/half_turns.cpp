// x / pi modulo 2 without the digits of 1 / pi that give even integers, nor those that come after the result's (Payne and Hanek, SIGNUM 1983).
// There are no branches and no tables in a kernel: all lanes take the same way, and digits are chosen by selects.
#include "codegen/math/half_turns.h"

#include <array>
#include <vector>

namespace kiln::codegen::math {
namespace {

Value is_odd(Builder& b, Value n) {
  const Value half = n * 0.5;
  return b.ne(b.round(half), half);
}

// f32: x = y 2^k with k of 0, 28, 56, 84 and |y| < 2^51, where y is an integer unless k is 0, and 2^k / pi modulo 2 in three parts. x has 24
// bits, so that products with the first two, of 29 bits, are exact in f64.
struct Parts {
  double least, scale;  // of x for this k; 2^-k
  double high, middle, low;
};
constexpr Parts kParts[] = {
    {0, 1, 0x1.45f306cp-2, 0x1.c9c882ap-30, 0x1.4fe13abe8fa9ap-60},
    {0x1p51, 0x1p-28, -0x1.1b1bbeap-1, -0x1.ac07b16p-30, 0x1.f47d4d377036ep-59},
    {0x1p79, 0x1p-56, 0x1.29fc276p-1, -0x1.05c1596p-30, -0x1.11f924eb53362p-60},
    {0x1p107, 0x1p-84, 0x1.7d1f534p-1, 0x1.bb81b6cp-30, 0x1.4acc9e21c821p-60},
};

Turns turns_of_single(Builder& b, Value x, double shift, double scale) {
  const Value size = b.abs(x);
  std::array<Value, 4> chosen;
  for (const Parts& parts : kParts) {
    const double values[] = {parts.scale * scale, parts.high, parts.middle, parts.low};
    for (size_t i = 0; i < 4; ++i) {
      const Value here = b.constant(DType::F64, values[i]);
      chosen[i] = parts.least == 0 ? here : b.select(b.ge(size, parts.least), here, chosen[i]);
    }
  }
  const Value y = b.cast(x, DType::F64) * chosen[0], most = y * chosen[1];
  // Neither the differences nor, where they are small, the sums round.
  const Value whole = b.round(most), left = most - whole;
  const Value n = b.round(b.fma(y, chosen[2], left) + shift);
  const Value fraction = b.fma(y, chosen[3], b.fma(y, chosen[2], left - (n - shift)));
  return {is_odd(b, whole + n), {fraction, Value()}};
}

// f64: 1 / pi in digits of 53 bits, digit i times 2^(53 i).
constexpr std::array kDigits{0x1.45f306dc9c882p-2, 0x1.4a7f09d5f47d4p-2, 0x1.a6ee06db14accp-2, 0x1.3c439041fe516p-2, 0x1.d5ef5de2b0db8p-4,
                             0x1.2371d2126e97p-3,  0x1.924bba82746p-9,   0x1.21cfe1deb1cbp-2,  0x1.29a73ee88235fp-1, 0x1.4baed1213a67p-2,
                             0x1.c09ad17df904ep-1, 0x1.91d639835339ep-2, 0x1.49c845f8bbdf9p-1, 0x1.41d8ffc4bffecp-3, 0x1.816603fbcbc46p-1,
                             0x1.6b414da3eda6cp-3, 0x1.fb3c9f2c26ddp-3,  0x1.e8c7ecd3cbfd4p-1, 0x1.6ba93dd63f5f2p-2, 0x1.f17b3d0739f78p-2,
                             0x1.4a525d4d7f6bep-2, 0x1.623f1aba10acp-1,  0x1.98237e3db5d5ep-2};
constexpr size_t kUsed = 5;  // digits that can matter to one x

// Digit j + i in place i, where bit k of j is set if bits[k] is.
std::array<Value, kUsed> digits_from(Builder& b, const std::array<Value, 5>& bits) {
  std::vector<Value> digits;
  for (double digit : kDigits) digits.push_back(b.constant(DType::F64, digit));
  for (size_t k = bits.size(); k-- > 0;) {
    const size_t step = size_t{1} << k, kept = kUsed + step - 1;
    for (size_t i = 0; i < kept && i + step < digits.size(); ++i) digits[i] = b.select(bits[k], digits[i + step], digits[i]);
    digits.resize(kept);
  }
  std::array<Value, kUsed> first;
  std::copy_n(digits.begin(), kUsed, first.begin());
  return first;
}

Value modulo_two(Builder& b, Value v) { return b.fma(b.round(v * 0.5), -2, v); }

Turns turns_of_double(Builder& b, Value x, double shift, double scale) {
  // x = y 2^(53 j) with y below 2^106; where j > 0, y is a multiple of 2, and so is its product with all digits before the j-th.
  const Value exponent = b.bit_and(b.shr(b.bitcast(x, DType::I64), 52), 0x7ff) - 1023;
  const Value groups = b.floor((b.cast(exponent, DType::F64) + 0.5) * (1.0 / 53)) - 1;
  const Value j = b.cast(b.select(b.lt(groups, 0), 0, groups), DType::I64);
  std::array<Value, 5> bits;
  for (size_t k = 0; k < bits.size(); ++k) bits[k] = b.ne(b.bit_and(j, double(1 << k)), 0);
  const std::array<Value, kUsed> digit = digits_from(b, bits);
  const Value y = x * b.bitcast(b.shl(1023 - j * 53, 52), DType::F64) * scale;

  // The products' sizes are at most 2^106, 2^53, 1, 2^-53 and 2^-106; of the first, what is even goes.
  const Double2 p0 = two_product(b, y, digit[0]), p1 = two_product(b, y * 0x1p-53, digit[1]), p2 = two_product(b, y * 0x1p-106, digit[2]),
                p3 = two_product(b, y * 0x1p-159, digit[3]);
  const Double2 first = two_sum(modulo_two(b, p0.hi), modulo_two(b, p0.lo));
  const Double2 large = two_sum(first.hi, modulo_two(b, p1.hi)), middle = two_sum(p1.lo, p2.hi);
  const Double2 sum = two_sum(large.hi, middle.hi);
  const Value n = b.round(sum.hi + shift);
  const Double2 small = two_sum(p2.lo, p3.hi), rest = two_sum(first.lo + (large.lo + middle.lo) + sum.lo, small.hi);
  const Double2 fraction = two_sum(sum.hi - (n - shift), rest.hi);
  return {is_odd(b, n), {fraction.hi, fraction.lo + (rest.lo + small.lo + (p3.lo + y * 0x1p-212 * digit[4]))}};
}

}  // namespace

Turns turns_of(Builder& b, Value x, double shift, bool quarters) {
  const double scale = quarters ? 2 : 1;
  return x.dtype() == DType::F32 ? turns_of_single(b, x, shift, scale) : turns_of_double(b, x, shift, scale);
}

}  // namespace kiln::codegen::math
