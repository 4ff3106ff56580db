// How far a math function's kernel is from the true values, in units in the last place (ulp) of the true value's binade.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "codegen/backend.h"
#include "tests/cpp/math/reference.h"

namespace kiln::codegen::testing {

// f as a kernel, z[i] = f(x[i], y[i]), compiled once.
class Evaluator {
 public:
  Evaluator(const Function&, DType, Backend& = asmjit_backend());
  void operator()(const void* x, const void* y, void* z, int64_t count) const;
  std::string fingerprint() const;  // of the kernel: other digits, other code

 private:
  Kernel kernel_;
  std::shared_ptr<Code> code_;
};

// |value - exact| in ulps: of `exact`'s binade, of the least denormal's at least. Infinity counts as the power of two that the largest
// number would round to. Infinite where only one is NaN, or where a zero has the other's opposite sign.
double ulps(double value, double exact, DType);
double exact_ulps(const Function&, double x, double y, double value, DType);  // with MPFR

struct Worst {
  double ulps = 0, x = 0, y = 0;
  void take(const Worst& other) {
    if (other.ulps > ulps) *this = other;
  }
};

struct Sweep {
  Worst worst;  // measured with MPFR
  uint64_t inputs = 0;
  double oracle_ulps = 0;  // the oracle's own greatest error where it was held against MPFR, in ulps of the dtype
};

// f32, one argument: every stride-th of the 2^32 inputs. Two arguments: 2^32 / stride pairs, the same every time (see sample_pair).
// All of the pool's threads. `progress` is called now and then with the share done.
Sweep sweep_f32(const Function&, uint64_t stride, void (*progress)(double done) = nullptr);
// f64: numbers of all magnitudes, of moderate ones, and around the function's edges.
Sweep sweep_f64(const Function&, int64_t samples);
// Signed zeros, denormals, powers of two, infinities, NaN, edges, multiples of pi/2 and ln 2, all with their neighbours; of two arguments,
// each with each. In both formats; only results that are off by more than the function's bound are returned.
struct Wrong {
  DType dtype;
  Worst at;
};
std::vector<Wrong> check_boundaries(const Function&);

}  // namespace kiln::codegen::testing
