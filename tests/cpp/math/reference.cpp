// f32's oracle is glibc's vector math library, four doubles at a time with errors below 4 of their ulps, 2^-27 of an f32's; MPFR has the last
// word wherever a result looks wrong, and for the worst ones. (libmvec: sysdeps/x86_64/fpu in glibc, names as the vector ABI has them.)
#include "tests/cpp/math/reference.h"

#include <immintrin.h>

#include <algorithm>
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

void logaddexp_lanes(const double* x, const double* y, double* out, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const double distance = x[i] == y[i] ? 0 : std::abs(x[i] - y[i]);
    out[i] = (x[i] > y[i] || x[i] != x[i] ? x[i] : y[i]) + std::log1p(std::exp(-distance));
  }
}
void exact_logaddexp(mpfr_ptr result, mpfr_srcptr x, mpfr_srcptr y) {
  if (mpfr_equal_p(x, y) && mpfr_inf_p(x)) {
    mpfr_set(result, x, MPFR_RNDN);
    return;
  }
  mpfr_sub(result, x, y, MPFR_RNDN);  // max + log1p(exp(-|x - y|)), in bits enough for sums that cancel
  mpfr_abs(result, result, MPFR_RNDN);
  mpfr_neg(result, result, MPFR_RNDN);
  mpfr_exp(result, result, MPFR_RNDN);
  mpfr_log1p(result, result, MPFR_RNDN);
  mpfr_add(result, result, mpfr_cmp(x, y) > 0 || mpfr_nan_p(x) ? x : y, MPFR_RNDN);
}

// x / 2 erfc(-x / sqrt 2), which does not cancel; its limits where x is infinite.
__m256d gelu_lanes(__m256d x) {
  const __m256d half = _mm256_mul_pd(_mm256_max_pd(_mm256_set1_pd(-100), x), _mm256_set1_pd(0.5));
  return _mm256_mul_pd(half, _ZGVdN4v_erfc(_mm256_mul_pd(x, _mm256_set1_pd(-M_SQRT1_2))));
}
void exact_gelu(mpfr_ptr result, mpfr_srcptr x, mpfr_srcptr) {
  if (mpfr_inf_p(x)) {
    mpfr_sgn(x) > 0 ? mpfr_set_inf(result, 1) : mpfr_set_zero(result, -1);
    return;
  }
  mpfr_sqrt_ui(result, 2, MPFR_RNDN);
  mpfr_div(result, x, result, MPFR_RNDN);
  mpfr_neg(result, result, MPFR_RNDN);
  mpfr_erfc(result, result, MPFR_RNDN);
  mpfr_mul(result, result, x, MPFR_RNDN);
  mpfr_div_2ui(result, result, 1, MPFR_RNDN);
}
// x / (1 + e^-v) with v = 2 sqrt(2 / pi) (x + 0.044715 x^3)
__m256d gelu_tanh_lanes(__m256d x) {
  const __m256d linear = _mm256_set1_pd(-1.5957691216057308), cubic = _mm256_set1_pd(-1.5957691216057308 * 0.044715);
  const __m256d bounded = _mm256_max_pd(_mm256_set1_pd(-50), x);
  const __m256d minus_v = _mm256_mul_pd(bounded, _mm256_add_pd(linear, _mm256_mul_pd(cubic, _mm256_mul_pd(bounded, bounded))));
  return _mm256_div_pd(bounded, _mm256_add_pd(_mm256_set1_pd(1), _ZGVdN4v_exp(minus_v)));
}
void exact_gelu_tanh(mpfr_ptr result, mpfr_srcptr x, mpfr_srcptr) {
  if (mpfr_inf_p(x)) {
    mpfr_sgn(x) > 0 ? mpfr_set_inf(result, 1) : mpfr_set_zero(result, -1);
    return;
  }
  mpfr_t factor;
  mpfr_init2(factor, mpfr_get_prec(result));
  mpfr_set_str(factor, "0.044715", 10, MPFR_RNDN);
  mpfr_sqr(result, x, MPFR_RNDN);
  mpfr_mul(result, result, factor, MPFR_RNDN);
  mpfr_add_ui(result, result, 1, MPFR_RNDN);
  mpfr_mul(result, result, x, MPFR_RNDN);
  mpfr_const_pi(factor, MPFR_RNDN);
  mpfr_ui_div(factor, 8, factor, MPFR_RNDN);
  mpfr_sqrt(factor, factor, MPFR_RNDN);  // 2 sqrt(2 / pi)
  mpfr_mul(result, result, factor, MPFR_RNDN);
  mpfr_clear(factor);
  mpfr_neg(result, result, MPFR_RNDN);
  mpfr_exp(result, result, MPFR_RNDN);
  mpfr_add_ui(result, result, 1, MPFR_RNDN);
  mpfr_div(result, x, result, MPFR_RNDN);
}

void lgamma_lanes(const double* x, const double*, double* out, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    int sign;
    out[i] = lgamma_r(x[i], &sign);
  }
}
void exact_lgamma(mpfr_ptr result, mpfr_srcptr x, mpfr_srcptr) {
  int sign;
  mpfr_lgamma(result, &sign, x, MPFR_RNDN);
}

// Up to 12 by digamma(x) = digamma(x + 1) - 1 / x, then the asymptotic series; negative x by reflection. Near the zeros MPFR is asked.
void digamma_lanes(const double* x, const double*, double* out, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    double mirrored = 0, y = x[i];
    if (y == 0 || y == HUGE_VAL) {
      out[i] = y == 0 ? -std::copysign(HUGE_VAL, y) : y;
      continue;
    }
    if (y < 0) {
      const double f = y - std::nearbyint(y);
      mirrored = f == 0 ? NAN : -M_PI * std::cos(M_PI * f) / std::sin(M_PI * f);
      y = 1 - y;
    }
    double steps = 0;
    for (; y < 12; ++y) steps += 1 / y;
    const double z = 1 / (y * y);
    const double series = z * (1. / 12 - z * (1. / 120 - z * (1. / 252 - z * (1. / 240 - z * (1. / 132 - z * (691. / 32760))))));
    out[i] = std::log(y) - 0.5 / y - series - steps + mirrored;
  }
}
void exact_digamma(mpfr_ptr result, mpfr_srcptr x, mpfr_srcptr) {
  if (mpfr_zero_p(x)) {
    mpfr_set_inf(result, mpfr_signbit(x) ? 1 : -1);
  } else {
    mpfr_digamma(result, x, MPFR_RNDN);
  }
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
// Where the reduction changes its digits, and the numbers nearest to multiples of pi / 2 (f32: 16367173 * 2^72, f64: Kahan's).
const std::vector<double> kTurnEdges{0x1p-13,
                                     0x1p-27,
                                     0.7853981633974483,
                                     1.5707963267948966,
                                     3.141592653589793,
                                     4.71238898038469,
                                     0x1p32,
                                     0x1p64,
                                     0x1p96,
                                     0x1p106,
                                     0x1p159,
                                     0x1p477,
                                     0x1p953,
                                     0x1.f37c0ap95,
                                     6381956970095103 * 0x1p797,
                                     0x1.5fdbbe9bba775p-1 * 0x1p32,
                                     1e22};
const std::vector<double> kHyperbolicEdges{0x1p-13, 0x1p-27, 20, 40, 89.41598629223294, 90, 710.4758600739439, 711, 0.34657359027997264};
const std::vector<double> kLogarithmEdges{2. / 3, 4. / 3, 1. / 3, 1, 0.5, 1.4142135623730951, 0x1p64, 0x1p512};

Function one(const char* name, Value (*body)(Builder&, Value), Oracle oracle, Exact exact, std::vector<double> edges) {
  return {.name = name, .unary = body, .oracle = oracle, .exact = exact, .edges = std::move(edges)};
}
Function two(const char* name, Value (*body)(Builder&, Value, Value), Oracle oracle, Exact exact, std::vector<double> edges) {
  return {.name = name, .binary = body, .oracle = oracle, .exact = exact, .edges = std::move(edges)};
}

Function sampled(double share, Function f) {
  f.samples = share;
  return f;
}
Function cancelling(double (*least)(double), Function f, double bound = 2) {
  f.least = least, f.f64_bound = bound;
  return f;
}

// Reflection subtracts terms of about this size from each other.
double least_of_lgamma(double x) {
  int sign;
  return x < 0 ? std::max(1.0, lgamma_r(-x, &sign)) : 0;
}
double least_of_digamma(double x) { return std::max(1.0, x < 0 ? std::log(-x) : 0); }
double half(double) { return 0.5; }

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
      one("sin", sin, lanes<_ZGVdN4v_sin>, mpfr<mpfr_sin>, kTurnEdges),
      one("cos", cos, lanes<_ZGVdN4v_cos>, mpfr<mpfr_cos>, kTurnEdges),
      one("tan", tan, lanes<_ZGVdN4v_tan>, mpfr<mpfr_tan>, kTurnEdges),
      one("asin", asin, lanes<_ZGVdN4v_asin>, mpfr<mpfr_asin>, {0.5, 1}),
      one("acos", acos, lanes<_ZGVdN4v_acos>, mpfr<mpfr_acos>, {0.5, 1}),
      one("atan", atan, lanes<_ZGVdN4v_atan>, mpfr<mpfr_atan>, {1, 0.4142135623730951, 2.414213562373095}),
      one("sinh", sinh, lanes<_ZGVdN4v_sinh>, mpfr<mpfr_sinh>, kHyperbolicEdges),
      one("cosh", cosh, lanes<_ZGVdN4v_cosh>, mpfr<mpfr_cosh>, kHyperbolicEdges),
      one("asinh", asinh, lanes<_ZGVdN4v_asinh>, mpfr<mpfr_asinh>, {1, 0x1p13, 0x1p28}),
      one("acosh", acosh, lanes<_ZGVdN4v_acosh>, mpfr<mpfr_acosh>, {1, 0x1p13, 0x1p28}),
      one("atanh", atanh, lanes<_ZGVdN4v_atanh>, mpfr<mpfr_atanh>, {0.5, 1}),
      one("erf", erf, lanes<_ZGVdN4v_erf>, mpfr<mpfr_erf>, {1, 4, 6, 2.5}),
      one("erfc", erfc, lanes<_ZGVdN4v_erfc>, mpfr<mpfr_erfc>, {0.5, 1, 10.05, 10.5, 26.54, 27.23, 27.7}),
      cancelling(least_of_lgamma, sampled(0.02, one("lgamma", lgamma, lgamma_lanes, exact_lgamma,
                                                    {0.5, 1, 1.5, 2, 2.5, 3.5, 8.5, 2.4570247382208, 2.7476826467274}))),
      cancelling(least_of_digamma,
                 sampled(0.02, one("digamma", digamma, digamma_lanes, exact_digamma,
                                   {1.4616321449683623, 0.5040830082644554, 1, 2, 10, 1.5734984731623904})),
                 8),
      one("gelu", gelu, lanes<gelu_lanes>, exact_gelu, {0.75, 14.16, 14.8, 38.5, 39.2}),
      one("gelu_tanh", gelu_tanh, lanes<gelu_tanh_lanes>, exact_gelu_tanh, {10.2, 12, 21.4, 24}),
      one("sigmoid", sigmoid, lanes<sigmoid_lanes>, exact_sigmoid, kExponentialEdges),
      one("softplus", softplus, lanes<softplus_lanes>, exact_softplus, kExponentialEdges),
      one("rsqrt", rsqrt, lanes<rsqrt_lanes>, exact_rsqrt, {4, 9}),
      one("cbrt", cbrt, lanes<_ZGVdN4v_cbrt>, mpfr<mpfr_cbrt>, {8, 27}),
      cancelling(half, two("logaddexp", logaddexp, logaddexp_lanes, exact_logaddexp, {0.6931471805599453, 1, 88, 104, 745})),
      two("atan2", atan2, lanes<_ZGVdN4vv_atan2>, mpfr<mpfr_atan2>, {1, 2, 3, 100}),
      two("hypot", hypot, lanes<_ZGVdN4vv_hypot>, mpfr<mpfr_hypot>, {1, 3, 4, 0x1p500, 0x1p-450}),
      two("pow", pow, lanes<_ZGVdN4vv_pow>, mpfr<mpfr_pow>, {1, 2, 0.5, 3, 127, 149, 1023, 1074, 0x1p23, 0x1p24, 0x1p52, 0x1p53}),
  };
  return all;
}

}  // namespace kiln::codegen::testing
