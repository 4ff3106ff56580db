#include "tests/cpp/math/check.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdio>
#include <limits>
#include <mutex>
#include <random>
#include <stdexcept>

#include "codegen/thread_pool.h"

namespace kiln::codegen::testing {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

struct Format {
  int digits, min_exponent, max_exponent;  // as numeric_limits counts them
};
Format format_of(DType t) { return t == DType::F32 ? Format{24, -125, 128} : Format{53, -1021, 1024}; }

// A number of MPFR's, with bits enough that rounding to it does not show in the format's ulps.
class Number {
 public:
  Number(DType t, double v) {
    mpfr_init2(value_, t == DType::F32 ? 96 : 192);
    mpfr_set_d(value_, v, MPFR_RNDN);
  }
  ~Number() { mpfr_clear(value_); }
  Number(const Number&) = delete;
  operator mpfr_ptr() { return value_; }

 private:
  mpfr_t value_;
};

uint64_t mix(uint64_t i) {  // splitmix64 (Steele, Lea, Flood, OOPSLA'14): the i-th of a sequence of random words
  uint64_t z = (i + 1) * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

float of_exponents(uint32_t bits, int from, int to) {  // random sign and mantissa, an exponent in [from, to]
  const uint32_t exponent = static_cast<uint32_t>(127 + from) + (bits >> 23 & 0xff) * static_cast<uint32_t>(to - from + 1) / 256;
  return std::bit_cast<float>((bits & 0x807fffff) | exponent << 23);
}

// A quarter each: any bits; moderate numbers; x near 1 and y large; both of like magnitude.
void sample_pair(uint64_t i, float& x, float& y) {
  const uint64_t word = mix(i);
  const uint32_t high = static_cast<uint32_t>(word >> 32), low = static_cast<uint32_t>(word);
  switch (i & 3) {
    case 0: x = std::bit_cast<float>(high), y = std::bit_cast<float>(low); break;
    case 1: x = of_exponents(high, -6, 5), y = of_exponents(low, -6, 5); break;
    case 2: x = 1 + std::abs(of_exponents(high, -24, -2)) * (high >> 31 ? -1 : 1), y = of_exponents(low, -3, 26); break;
    default: {
      const int exponent = static_cast<int>(mix(i ^ 0x5555) % 250) - 125;
      x = of_exponents(high, exponent - 1, exponent + 1), y = of_exponents(low, exponent - 1, exponent + 1);
    }
  }
}

// As ulps(), in f32 and without branches: not a number, or too much, where infinities, NaN or signs would need a closer look.
double quick_ulps(double value, double exact) {
  const uint64_t differ = (std::bit_cast<uint64_t>(value) ^ std::bit_cast<uint64_t>(exact)) >> 63;
  const double size = std::abs(exact), least = std::numeric_limits<float>::min(), bounded = size < least ? least : size;
  constexpr uint64_t kSum = uint64_t{2 * 1023 + 23} << 52;  // of the exponent fields of an ulp's reciprocal and of the value
  const double per_ulp = std::bit_cast<double>(kSum - (std::bit_cast<uint64_t>(bounded) & uint64_t{0x7ff} << 52));
  return std::abs(value - exact) * per_ulp + static_cast<double>(static_cast<int32_t>(differ)) * 1e6;
}

}  // namespace

Evaluator::Evaluator(const Function& f, DType t, Backend& backend) {
  Builder b(kernel_);
  const uint32_t x = b.add_buffer({.dtype = t}), y = f.binary ? b.add_buffer({.dtype = t}) : 0, z = b.add_buffer({.dtype = t});
  b.store(z, f.unary ? f.unary(b, b.load(x)) : f.binary(b, b.load(x), b.load(y)));
  verify(kernel_);
  code_ = backend.compile(kernel_, isa());
  if (!code_) throw std::runtime_error(std::string(name_of(backend.kind())) + " does not cover " + f.name);
}

void Evaluator::operator()(const void* x, const void* y, void* z, int64_t count) const {
  std::vector<void*> pointers{const_cast<void*>(x)};
  if (kernel_.buffers.size() == 3) pointers.push_back(const_cast<void*>(y));
  pointers.push_back(z);
  const std::vector<int64_t> strides(3, size_of(kernel_.buffers[0].dtype));
  const Args args{pointers.data(), strides.data(), &count, nullptr, 0, nullptr, nullptr, code_->self};
  if (code_->function(&args, 0, block_count(kernel_, &count)) != 0) throw std::runtime_error("a kernel reported an error");
}

std::string Evaluator::fingerprint() const {
  uint64_t h = 0xcbf29ce484222325;  // FNV-1a
  for (char c : print(kernel_)) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  char text[9];
  std::snprintf(text, sizeof text, "%08x", static_cast<uint32_t>(h ^ h >> 32));
  return text;
}

double ulps(double value, double exact, DType t) {
  if (std::isnan(value) || std::isnan(exact)) return std::isnan(value) && std::isnan(exact) ? 0 : kInf;
  if ((value == 0 || exact == 0) && std::signbit(value) != std::signbit(exact)) return kInf;
  if (value == exact) return 0;
  const Format f = format_of(t);
  const double most = std::ldexp(1.0, f.max_exponent - 1) * 2;  // infinite for f64
  const double v = std::clamp(value, -most, most), e = std::clamp(exact, -most, most);
  if (v == e) return 0;
  const int field = static_cast<int>(std::bit_cast<uint64_t>(e) >> 52 & 0x7ff);
  const int exponent = std::max(field - 1022, f.min_exponent) - f.digits;  // of an ulp
  return std::abs(v - e) * std::bit_cast<double>(static_cast<uint64_t>(1023 - exponent) << 52);
}

double exact_ulps(const Function& f, double x, double y, double value, DType t) {
  Number exact(t, 0), mx(t, x), my(t, y), mv(t, value);
  f.exact(exact, mx, my);
  const Format format = format_of(t);
  if (std::isnan(value) || mpfr_nan_p(exact)) return std::isnan(value) && mpfr_nan_p(exact) ? 0 : kInf;
  const double least = t == DType::F64 && f.least ? f.least(x) : 0;
  if (least == 0 && (value == 0 || mpfr_zero_p(exact)) && std::signbit(value) != (mpfr_signbit(exact) != 0)) return kInf;
  Number most(t, 1);
  mpfr_mul_2si(most, most, format.max_exponent, MPFR_RNDN);
  for (mpfr_ptr v : {static_cast<mpfr_ptr>(exact), static_cast<mpfr_ptr>(mv)})
    if (mpfr_cmpabs(v, most) > 0) mpfr_copysign(v, most, v, MPFR_RNDN);
  const long lowest = least > 0 ? long{std::ilogb(least)} + 1 : format.min_exponent;  // beside a pole, infinity's INT_MAX + 1
  const long exponent = mpfr_zero_p(exact) ? lowest : std::max<long>(mpfr_get_exp(exact), lowest);
  mpfr_sub(mv, mv, exact, MPFR_RNDN);
  mpfr_mul_2si(mv, mv, format.digits - exponent, MPFR_RNDN);
  return std::abs(mpfr_get_d(mv, MPFR_RNDN));
}

Sweep sweep_f32(const Function& f, uint64_t stride, void (*progress)(double)) {
  constexpr int64_t kChunk = 1 << 14;
  const Evaluator kernel(f, DType::F32);
  const int64_t count = static_cast<int64_t>(((uint64_t{1} << 32) + stride - 1) / stride);
  std::mutex mutex;
  Sweep total{.inputs = static_cast<uint64_t>(count)};
  std::atomic<int64_t> done{0};
  parallel_for((count + kChunk - 1) / kChunk, 1, [&](int64_t first, int64_t last) {
    std::vector<float> x(kChunk), y(kChunk), z(kChunk);
    std::vector<double> wide_x(kChunk), wide_y(kChunk), wanted(kChunk), quick(kChunk);
    Sweep here;
    for (int64_t chunk = first; chunk < last; ++chunk) {
      const int64_t begin = chunk * kChunk, n = std::min(kChunk, count - begin);
      for (int64_t i = 0; i < n; ++i) {
        if (f.binary) {
          sample_pair(static_cast<uint64_t>(begin + i) * stride, x[i], y[i]);
        } else {
          x[i] = std::bit_cast<float>(static_cast<uint32_t>(static_cast<uint64_t>(begin + i) * stride));
        }
      }
      kernel(x.data(), y.data(), z.data(), n);
      for (int64_t i = 0; i < n; ++i) wide_x[i] = x[i], wide_y[i] = y[i];
      f.oracle(wide_x.data(), wide_y.data(), wanted.data(), kChunk);
      // Most results pass a test that vectorises; the others (NaN, infinity, zeros of the other sign, too far off) are looked at closely.
      for (int64_t i = 0; i < n; ++i) quick[i] = quick_ulps(z[i], wanted[i]);
      Worst chunk_worst;
      for (int64_t i = 0; i < n; ++i) {
        if (quick[i] <= chunk_worst.ulps) continue;
        double u = quick[i];
        if (!(u < f.most_ulps_f32() - 0.01)) u = ulps(z[i], wanted[i], DType::F32);
        if (u > f.most_ulps_f32() - 0.01) u = exact_ulps(f, wide_x[i], wide_y[i], z[i], DType::F32);
        chunk_worst.take({u, wide_x[i], wide_y[i]});
      }
      const int64_t probe = chunk % n;  // the oracle itself, once in a chunk
      const double off = exact_ulps(f, wide_x[probe], wide_y[probe], wanted[probe], DType::F32);
      if (std::isfinite(off)) here.oracle_ulps = std::max(here.oracle_ulps, off);
      if (chunk_worst.ulps > here.worst.ulps) {
        float at_x = static_cast<float>(chunk_worst.x), at_y = static_cast<float>(chunk_worst.y), value = 0;
        kernel(&at_x, &at_y, &value, 1);
        chunk_worst.ulps = exact_ulps(f, chunk_worst.x, chunk_worst.y, value, DType::F32);
        here.worst.take(chunk_worst);
      }
      const int64_t so_far = ++done;
      if (progress && so_far % 1024 == 0) progress(static_cast<double>(so_far) * kChunk / static_cast<double>(count));
    }
    const std::lock_guard lock(mutex);
    total.worst.take(here.worst);
    total.oracle_ulps = std::max(total.oracle_ulps, here.oracle_ulps);
  });
  return total;
}

namespace {

double sample_f64(const Function& f, std::mt19937_64& random) {
  const auto uniform = [&](double from, double to) { return std::uniform_real_distribution<double>(from, to)(random); };
  const double sign = random() % 2 ? 1 : -1;
  switch (random() % 8) {
    case 0: return sign * std::exp2(uniform(-1074, 1024));
    case 1: return uniform(-40, 40);
    case 2: return uniform(-2, 2);
    case 3: return uniform(-750, 750);
    case 4: return sign * std::exp2(-uniform(0, 54));
    case 5: return sign * std::exp2(uniform(-4, 60));
    case 6: return sign * (1 + std::exp2(-uniform(0, 54)) * (random() % 2 ? 1 : -1));
    default: {
      if (f.edges.empty()) return uniform(-10, 10);
      const double edge = f.edges[random() % f.edges.size()];
      return sign * edge * (1 + std::exp2(-uniform(1, 53)) * (random() % 2 ? 1 : -1));
    }
  }
}

}  // namespace

Sweep sweep_f64(const Function& f, int64_t samples) {
  const Evaluator kernel(f, DType::F64);
  const int64_t count = std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(samples) * f.samples));
  std::mt19937_64 random(1);
  std::vector<double> x(count), y(count), z(count);
  for (int64_t i = 0; i < count; ++i) x[i] = sample_f64(f, random), y[i] = sample_f64(f, random);
  kernel(x.data(), y.data(), z.data(), count);
  std::mutex mutex;
  Sweep total{.inputs = static_cast<uint64_t>(count)};
  parallel_for(count, 64, [&](int64_t begin, int64_t end) {
    Worst here;
    for (int64_t i = begin; i < end; ++i) here.take({exact_ulps(f, x[i], y[i], z[i], DType::F64), x[i], y[i]});
    const std::lock_guard lock(mutex);
    total.worst.take(here);
  });
  return total;
}

namespace {

template <class T>
std::vector<T> boundaries(const Function& f) {
  using Limits = std::numeric_limits<T>;
  std::vector<double> positive{0, 1, 2, 3, 0.5, 1.5, 10, 100, Limits::max(), Limits::infinity(), Limits::denorm_min(), Limits::min()};
  positive.insert(positive.end(), f.edges.begin(), f.edges.end());
  if (f.unary) {
    for (int e = Limits::min_exponent - Limits::digits; e < Limits::max_exponent; ++e) positive.push_back(std::ldexp(1.0, e));
    for (int k = 1; k < 200; ++k) positive.insert(positive.end(), {k * 0.34657359027997264, k * 1.5707963267948966, k * 0.5});
  }
  std::vector<T> all{Limits::quiet_NaN()};
  for (double v : positive)
    for (T x : {static_cast<T>(v), static_cast<T>(-v)})
      for (T toward : {-Limits::infinity(), x, Limits::infinity()}) all.push_back(std::nextafter(x, toward));
  return all;
}

template <class T>
void check_boundaries(const Function& f, DType t, std::vector<Wrong>& wrong) {
  std::vector<T> x = boundaries<T>(f), y(x.size());
  if (f.binary) {
    const std::vector<T> one = x;
    x.clear(), y.clear();
    for (T a : one)
      for (T b : one) x.push_back(a), y.push_back(b);
  }
  std::vector<T> z(x.size()), interpreted(x.size());
  const int64_t n = static_cast<int64_t>(x.size());
  Evaluator(f, t)(x.data(), y.data(), z.data(), n);
  Evaluator(f, t, interpreter_backend())(x.data(), y.data(), interpreted.data(), n);
  for (int64_t i = 0; i < n; ++i) {
    const bool same =
        std::bit_cast<std::array<std::byte, sizeof(T)>>(z[i]) == std::bit_cast<std::array<std::byte, sizeof(T)>>(interpreted[i]);
    const double u = same ? exact_ulps(f, x[i], y[i], z[i], t) : kInf;
    if (u > (t == DType::F32 ? f.most_ulps_f32() : f.most_ulps_f64())) wrong.push_back({t, {u, x[i], y[i]}});
  }
}

}  // namespace

std::vector<Wrong> check_boundaries(const Function& f) {
  std::vector<Wrong> wrong;
  check_boundaries<float>(f, DType::F32, wrong);
  check_boundaries<double>(f, DType::F64, wrong);
  return wrong;
}

}  // namespace kiln::codegen::testing
