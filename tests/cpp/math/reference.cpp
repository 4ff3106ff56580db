// f32's oracle is glibc's vector math library, four doubles at a time with errors below 4 of their ulps, 2^-27 of an f32's; MPFR has the last
// word wherever a result looks wrong, and for the worst ones. (libmvec: sysdeps/x86_64/fpu in glibc, names as the vector ABI has them.)
#include "tests/cpp/math/reference.h"

#include <immintrin.h>

#include <cmath>

extern "C" {
__m256d _ZGVdN4v_exp(__m256d);
__m256d _ZGVdN4v_exp2(__m256d);
__m256d _ZGVdN4v_expm1(__m256d);
__m256d _ZGVdN4v_log(__m256d);
__m256d _ZGVdN4v_log2(__m256d);
__m256d _ZGVdN4v_log10(__m256d);
__m256d _ZGVdN4v_log1p(__m256d);
__m256d _ZGVdN4v_tanh(__m256d);
__m256d _ZGVdN4v_erf(__m256d);
__m256d _ZGVdN4v_erfc(__m256d);
__m256d _ZGVdN4v_cbrt(__m256d);
__m256d _ZGVdN4v_sin(__m256d);
__m256d _ZGVdN4v_cos(__m256d);
__m256d _ZGVdN4v_tan(__m256d);
__m256d _ZGVdN4v_asin(__m256d);
__m256d _ZGVdN4v_acos(__m256d);
__m256d _ZGVdN4v_atan(__m256d);
__m256d _ZGVdN4v_sinh(__m256d);
__m256d _ZGVdN4v_cosh(__m256d);
__m256d _ZGVdN4v_asinh(__m256d);
__m256d _ZGVdN4v_acosh(__m256d);
__m256d _ZGVdN4v_atanh(__m256d);
__m256d _ZGVdN4vv_pow(__m256d, __m256d);
__m256d _ZGVdN4vv_atan2(__m256d, __m256d);
__m256d _ZGVdN4vv_hypot(__m256d, __m256d);
}

namespace kiln::codegen::testing {
namespace {

template <__m256d (*F)(__m256d)>
void lanes(const double* x, const double*, double* out, size_t count) {
  for (size_t i = 0; i < count; i += 4) _mm256_storeu_pd(out + i, F(_mm256_loadu_pd(x + i)));
}
template <__m256d (*F)(__m256d, __m256d)>
void lanes(const double* x, const double* y, double* out, size_t count) {
  for (size_t i = 0; i < count; i += 4) _mm256_storeu_pd(out + i, F(_mm256_loadu_pd(x + i), _mm256_loadu_pd(y + i)));
}

template <int (*F)(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t)>
void mpfr(mpfr_ptr result, mpfr_srcptr x, mpfr_srcptr) {
  F(result, x, MPFR_RNDN);
}
template <int (*F)(mpfr_ptr, mpfr_srcptr, mpfr_srcptr, mpfr_rnd_t)>
void mpfr(mpfr_ptr result, mpfr_srcptr x, mpfr_srcptr y) {
  F(result, x, y, MPFR_RNDN);
}

// 1 / (1 + e^-x), which in MPFR's range neither overflows nor cancels.
__m256d sigmoid_lanes(__m256d x) {
  const __m256d one = _mm256_set1_pd(1);
  return _mm256_div_pd(one, _mm256_add_pd(one, _ZGVdN4v_exp(_mm256_sub_pd(_mm256_setzero_pd(), x))));
}
void exact_sigmoid(mpfr_ptr result, mpfr_srcptr x, mpfr_srcptr) {
  mpfr_neg(result, x, MPFR_RNDN);
  mpfr_exp(result, result, MPFR_RNDN);
  mpfr_add_ui(result, result, 1, MPFR_RNDN);
  mpfr_ui_div(result, 1, result, MPFR_RNDN);
}

__m256d negative_size(__m256d x) { return _mm256_or_pd(x, _mm256_set1_pd(-0.0)); }

__m256d softplus_lanes(__m256d x) {
  return _mm256_add_pd(_mm256_max_pd(_mm256_setzero_pd(), x),
                       _ZGVdN4v_log1p(_ZGVdN4v_exp(negative_size(x))));  // NaN is max's second operand
}
void exact_softplus(mpfr_ptr result, mpfr_srcptr x, mpfr_srcptr) {
  mpfr_exp(result, x, MPFR_RNDN);
  if (mpfr_inf_p(result) && mpfr_number_p(x)) {
    mpfr_set(result, x, MPFR_RNDN);
  } else {
    mpfr_log1p(result, result, MPFR_RNDN);
  }
}

__m256d rsqrt_lanes(__m256d x) { return _mm256_div_pd(_mm256_set1_pd(1), _mm256_sqrt_pd(x)); }
void exact_rsqrt(mpfr_ptr result, mpfr_srcptr x, mpfr_srcptr) {
  mpfr_sqrt(result, x, MPFR_RNDN);
  mpfr_ui_div(result, 1, result, MPFR_RNDN);
}

// Where exp and its kin begin to overflow, to give denormals, and to give zero; in both formats.
const std::vector<double> kExponentialEdges{88.72283905206835,
                                            709.782712893384,
                                            87.33654475055310,
                                            103.97207708399180,
                                            103.27892990343184,
                                            708.3964185322641,
                                            745.1332191019412,
                                            744.4400719213812,
                                            104,
                                            746,
                                            89,
                                            710,
                                            18,
                                            38,
                                            17.33};
const std::vector<double> kLogarithmEdges{2. / 3, 4. / 3, 1. / 3, 1, 0.5, 1.4142135623730951, 0x1p64, 0x1p512};

Function one(const char* name, Value (*body)(Builder&, Value), Oracle oracle, Exact exact, std::vector<double> edges) {
  return {.name = name, .unary = body, .oracle = oracle, .exact = exact, .edges = std::move(edges)};
}
Function two(const char* name, Value (*body)(Builder&, Value, Value), Oracle oracle, Exact exact, std::vector<double> edges) {
  return {.name = name, .binary = body, .oracle = oracle, .exact = exact, .edges = std::move(edges)};
}

}  // namespace

std::span<const Function> functions() {
  static const std::vector<Function> all{
      one("exp", exp, lanes<_ZGVdN4v_exp>, mpfr<mpfr_exp>, kExponentialEdges),
      one("exp2", exp2, lanes<_ZGVdN4v_exp2>, mpfr<mpfr_exp2>, {126, 127, 128, 149, 150, 151, 1022, 1023, 1024, 1074, 1075, 1076}),
      one("expm1", expm1, lanes<_ZGVdN4v_expm1>, mpfr<mpfr_expm1>, kExponentialEdges),
      one("log", log, lanes<_ZGVdN4v_log>, mpfr<mpfr_log>, kLogarithmEdges),
      one("log2", log2, lanes<_ZGVdN4v_log2>, mpfr<mpfr_log2>, kLogarithmEdges),
      one("log10", log10, lanes<_ZGVdN4v_log10>, mpfr<mpfr_log10>, kLogarithmEdges),
      one("log1p", log1p, lanes<_ZGVdN4v_log1p>, mpfr<mpfr_log1p>, kLogarithmEdges),
      one("tanh", tanh, lanes<_ZGVdN4v_tanh>, mpfr<mpfr_tanh>, {0.55, 10, 22, 9.01, 19.06}),
      one("erf", erf, lanes<_ZGVdN4v_erf>, mpfr<mpfr_erf>, {1, 4, 6, 2.5}),
      one("sigmoid", sigmoid, lanes<sigmoid_lanes>, exact_sigmoid, kExponentialEdges),
      one("softplus", softplus, lanes<softplus_lanes>, exact_softplus, kExponentialEdges),
      one("rsqrt", rsqrt, lanes<rsqrt_lanes>, exact_rsqrt, {4, 9}),
      one("cbrt", cbrt, lanes<_ZGVdN4v_cbrt>, mpfr<mpfr_cbrt>, {8, 27}),
      two("pow", pow, lanes<_ZGVdN4vv_pow>, mpfr<mpfr_pow>, {1, 2, 0.5, 3, 127, 149, 1023, 1074, 0x1p23, 0x1p24, 0x1p52, 0x1p53}),
  };
  return all;
}

}  // namespace kiln::codegen::testing
