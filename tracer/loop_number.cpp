#include "tracer/loop_number.h"

#include <cmath>

namespace kiln::tracer {
namespace {

using Kind = LoopNumber::Kind;
constexpr int64_t kExact = int64_t{1} << 53;  // integers up to here are doubles

template <class T>
std::optional<LoopNumber> compared(NumberOp op, T x, T y) {
  switch (op) {
    case NumberOp::less: return LoopNumber::boolean(x < y);
    case NumberOp::less_equal: return LoopNumber::boolean(x <= y);
    case NumberOp::equal: return LoopNumber::boolean(x == y);
    case NumberOp::not_equal: return LoopNumber::boolean(x != y);
    case NumberOp::greater: return LoopNumber::boolean(x > y);
    case NumberOp::greater_equal: return LoopNumber::boolean(x >= y);
    default: return std::nullopt;
  }
}

std::optional<LoopNumber> of_integers(NumberOp op, int64_t x, int64_t y) {
  int64_t out = 0;
  switch (op) {
    case NumberOp::add: return __builtin_add_overflow(x, y, &out) ? std::nullopt : std::optional(LoopNumber::integer(out));
    case NumberOp::subtract: return __builtin_sub_overflow(x, y, &out) ? std::nullopt : std::optional(LoopNumber::integer(out));
    case NumberOp::multiply: return __builtin_mul_overflow(x, y, &out) ? std::nullopt : std::optional(LoopNumber::integer(out));
    case NumberOp::divide:  // the quotient of two doubles is rounded once, as Python's is
      if (y == 0 || x > kExact || x < -kExact || y > kExact || y < -kExact) return std::nullopt;
      return LoopNumber::floating(static_cast<double>(x) / static_cast<double>(y));
    case NumberOp::floor_divide:
    case NumberOp::remainder: {
      if (y == 0 || y == -1) return std::nullopt;  // the smallest integer by -1 is beyond 64 bits
      const int64_t quotient = x / y, rest = x % y;
      const bool down = rest != 0 && (rest < 0) != (y < 0);
      return LoopNumber::integer(op == NumberOp::floor_divide ? quotient - (down ? 1 : 0) : rest + (down ? y : 0));
    }
    default: return compared(op, x, y);
  }
}

std::optional<LoopNumber> of_doubles(NumberOp op, double x, double y) {
  switch (op) {
    case NumberOp::add: return LoopNumber::floating(x + y);
    case NumberOp::subtract: return LoopNumber::floating(x - y);
    case NumberOp::multiply: return LoopNumber::floating(x * y);
    case NumberOp::divide: return y == 0 ? std::nullopt : std::optional(LoopNumber::floating(x / y));
    default: return compared(op, x, y);
  }
}

std::optional<LoopNumber> of_one(NumberOp op, LoopNumber x) {
  const bool floating = x.kind == Kind::floating;
  switch (op) {
    case NumberOp::positive: return floating ? x : LoopNumber::integer(x.i);
    case NumberOp::negative:
      if (floating) return LoopNumber::floating(-x.f);
      return of_integers(NumberOp::subtract, 0, x.i);
    case NumberOp::logical_not: return LoopNumber::boolean(!x.is_true());
    case NumberOp::truth: return LoopNumber::boolean(x.is_true());
    case NumberOp::to_float: return floating ? x : LoopNumber::floating(static_cast<double>(x.i));
    default: return std::nullopt;
  }
}

}  // namespace

std::optional<LoopNumber> compute(NumberOp op, LoopNumber x, LoopNumber y) {
  if (x.kind == Kind::none) return std::nullopt;
  if (op >= NumberOp::positive) return of_one(op, x);
  if (y.kind == Kind::none) return std::nullopt;
  if (x.kind != Kind::floating && y.kind != Kind::floating) return of_integers(op, x.i, y.i);
  // Python compares an int with a float exactly; as doubles that is so for ints that are doubles.
  for (LoopNumber* n : {&x, &y}) {
    if (n->kind == Kind::floating) continue;
    if (n->i > kExact || n->i < -kExact) return std::nullopt;
    *n = LoopNumber::floating(static_cast<double>(n->i));
  }
  return of_doubles(op, x.f, y.f);
}

}  // namespace kiln::tracer
