// The math functions of codegen/math.h beside what they should give: in double precision for f32, in many bits for f64 and for close calls.
#pragma once

#include <mpfr.h>

#include <cstddef>
#include <span>
#include <vector>

#include "codegen/math.h"

namespace kiln::codegen::testing {

// out[i] = f(x[i], y[i]) to at least 48 bits where the result is a normal f32; y is not read by functions of one argument. `count` is a
// multiple of 4.
using Oracle = void (*)(const double* x, const double* y, double* out, size_t count);
// The value rounded to the result's precision. Infinite at a pole, as C99 Annex F has it.
using Exact = void (*)(mpfr_ptr result, mpfr_srcptr x, mpfr_srcptr y);

struct Function {
  const char* name;
  Value (*unary)(Builder&, Value) = nullptr;
  Value (*binary)(Builder&, Value, Value) = nullptr;  // exactly one of the two
  Oracle oracle = nullptr;
  Exact exact = nullptr;
  double samples = 1;  // of f64 inputs, relative to other functions: MPFR takes its time over some
  double f64_bound = 2;
  // f64 where larger terms cancel to a result near zero: its ulp is not below that of least(x), if there is such a function.
  double (*least)(double x) = nullptr;
  std::vector<double> edges;  // positive numbers at which something changes: an algorithm's thresholds, zeros, overflow
  int arguments() const { return unary ? 1 : 2; }
  double most_ulps_f32() const { return unary ? 2 : 3; }
  double most_ulps_f64() const { return f64_bound; }
};
std::span<const Function> functions();

}  // namespace kiln::codegen::testing
