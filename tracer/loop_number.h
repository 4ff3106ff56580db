// Python's numbers as a loop carries them: bool, int within 64 bits, float. What would leave them is not computed, so that whoever asked can
// have Python do it.
#pragma once

#include <cstdint>
#include <optional>

namespace kiln::tracer {

struct LoopNumber {
  enum class Kind : uint8_t { none, boolean, integer, floating } kind = Kind::none;
  union {
    int64_t i = 0;  // boolean, integer
    double f;
  };
  static LoopNumber boolean(bool v) { return {Kind::boolean, v}; }
  static LoopNumber integer(int64_t v) { return {Kind::integer, v}; }
  static LoopNumber floating(double v) {
    LoopNumber n{Kind::floating, 0};
    n.f = v;
    return n;
  }
  bool is_true() const { return kind == Kind::floating ? f != 0 : i != 0; }
  bool same_as(const LoopNumber& o) const { return kind == o.kind && i == o.i; }  // floats by their bits
};

enum class NumberOp : uint8_t {
  add,
  subtract,
  multiply,
  divide,
  floor_divide,
  remainder,
  less,
  less_equal,
  equal,
  not_equal,
  greater,
  greater_equal,
  positive,
  negative,
  logical_not,
  truth,
  to_float,
};

// As Python computes it, or nothing: an int beyond 64 bits, a division by zero, or what is not done here. One operand's operations ignore y.
std::optional<LoopNumber> compute(NumberOp, LoopNumber x, LoopNumber y);

}  // namespace kiln::tracer
