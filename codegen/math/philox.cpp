// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC'11) on 32-bit words held in i64.
#include <array>

#include "codegen/error.h"
#include "codegen/math.h"

namespace kiln::codegen {
namespace {

constexpr double kMultiplier[2] = {0xD2511F53, 0xCD9E8D57};
constexpr double kWeyl[2] = {0x9E3779B9, 0xBB67AE85};
constexpr int kRounds = 10;

Value low(Builder& b, Value x) { return b.bit_and(x, double{0xffffffff}); }
Value high(Builder& b, Value x) { return b.shr_logical(x, 32); }

}  // namespace

Value philox(Builder& b, Value counter, Value call, Value key, int lane) {
  check(lane >= 0 && lane < 4, "a Philox block has four words");
  std::array<Value, 4> c{low(b, counter), high(b, counter), low(b, call), high(b, call)};
  std::array<Value, 2> k{low(b, key), high(b, key)};
  for (int round = 0; round < kRounds; ++round) {
    const Value p0 = c[0] * kMultiplier[0], p1 = c[2] * kMultiplier[1];  // 64-bit products of 32-bit words
    c = {b.bit_xor(b.bit_xor(high(b, p1), c[1]), k[0]), low(b, p1), b.bit_xor(b.bit_xor(high(b, p0), c[3]), k[1]), low(b, p0)};
    k = {low(b, k[0] + kWeyl[0]), low(b, k[1] + kWeyl[1])};
  }
  return c[static_cast<size_t>(lane)];
}

}  // namespace kiln::codegen
