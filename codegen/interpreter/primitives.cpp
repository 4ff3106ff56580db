#include "codegen/interpreter/primitives.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "codegen/error.h"
#include "codegen/scalar_types.h"

namespace kiln::codegen::interpreter {
namespace {

template <class T>
constexpr bool kFloat = std::is_floating_point_v<T> || kIsHalf<T>;
template <class T>
constexpr bool kBool = std::is_same_v<T, bool>;
template <class T>
constexpr bool kInt = !kFloat<T> && !kBool<T>;

template <class T>
using Unsigned = std::make_unsigned_t<T>;
// What integers are computed in: unsigned, so that they wrap, and no narrower than int, to which C++ would promote them.
template <class T>
using Word = std::conditional_t<(sizeof(T) < sizeof(unsigned)), unsigned, Unsigned<T>>;
template <class T>
constexpr int kWidth = 8 * sizeof(T);

template <class T>
constexpr T kNaN = std::numeric_limits<T>::quiet_NaN();  // positive, no payload: the canonical one

// -- One function a primitive.  ---------------------------------------------

template <class T>
T add(T a, T b) {
  if constexpr (kFloat<T>) return a + b;
  else return static_cast<T>(static_cast<Word<T>>(a) + static_cast<Word<T>>(b));
}
template <class T>
T sub(T a, T b) {
  if constexpr (kFloat<T>) return a - b;
  else return static_cast<T>(static_cast<Word<T>>(a) - static_cast<Word<T>>(b));
}
template <class T>
T mul(T a, T b) {
  if constexpr (kFloat<T>) return a * b;
  else return static_cast<T>(static_cast<Word<T>>(a) * static_cast<Word<T>>(b));
}
template <class T>
T neg(T a) {
  if constexpr (kFloat<T>) return -a;
  else return sub(T{0}, a);
}
template <class T>
T div(T a, T b) {
  if constexpr (kFloat<T>) return a / b;
  else if (b == 0) return 0;
  else if (std::is_signed_v<T> && b == static_cast<T>(-1)) return neg(a);  // INT_MIN / -1 wraps to INT_MIN
  else return static_cast<T>(a / b);
}
template <class T>
T min(T a, T b) {
  if constexpr (kFloat<T>) {
    if (a != a || b != b) return kNaN<T>;
    if (a == b) return std::signbit(a) ? a : b;
  }
  return a < b ? a : b;
}
template <class T>
T max(T a, T b) {
  if constexpr (kFloat<T>) {
    if (a != a || b != b) return kNaN<T>;
    if (a == b) return std::signbit(a) ? b : a;
  }
  return a < b ? b : a;
}
template <class T>
T fma(T a, T b, T c) {
  return std::fma(a, b, c);
}
template <class T>
T abs(T a) {
  if constexpr (kFloat<T>) return std::fabs(a);
  else if constexpr (std::is_signed_v<T>) return a < 0 ? neg(a) : a;
  else return a;
}
template <class T>
T sqrt(T a) {
  return std::sqrt(a);
}
template <class T>
T floor(T a) {
  return std::floor(a);
}
template <class T>
T ceil(T a) {
  return std::ceil(a);
}
template <class T>
T trunc(T a) {
  return std::trunc(a);
}
template <class T>
T round(T a) {
  return std::nearbyint(a);
}  // half to even: the rounding mode is the default

template <class T>
T bit_and(T a, T b) {
  return static_cast<T>(a & b);
}
template <class T>
T bit_or(T a, T b) {
  return static_cast<T>(a | b);
}
template <class T>
T bit_xor(T a, T b) {
  return static_cast<T>(a ^ b);
}
template <class T>
T bit_not(T a) {
  if constexpr (kBool<T>) return !a;
  else return static_cast<T>(~a);
}
template <class T>
T shl(T a, T count) {
  const auto n = static_cast<Unsigned<T>>(count);
  return n >= kWidth<T> ? T{0} : static_cast<T>(static_cast<Word<T>>(a) << n);
}
template <class T>
T shr_logical(T a, T count) {
  const auto n = static_cast<Unsigned<T>>(count);
  return n >= kWidth<T> ? T{0} : static_cast<T>(static_cast<Unsigned<T>>(a) >> n);
}
template <class T>
T shr(T a, T count) {
  if constexpr (!std::is_signed_v<T>) return shr_logical(a, count);
  else {
    const auto n = static_cast<Unsigned<T>>(count);
    return static_cast<T>(a >> (n >= kWidth<T> ? kWidth<T> - 1 : static_cast<int>(n)));
  }
}

template <class T>
bool eq(T a, T b) {
  return a == b;
}
template <class T>
bool ne(T a, T b) {
  return a != b;
}
template <class T>
bool lt(T a, T b) {
  return a < b;
}
template <class T>
bool le(T a, T b) {
  return a <= b;
}
template <class T>
bool gt(T a, T b) {
  return a > b;
}
template <class T>
bool ge(T a, T b) {
  return a >= b;
}

template <class To, class From>
To cast(From a) {
  if constexpr (kIsHalf<From>) return cast<To>(static_cast<float>(a));
  else if constexpr (kIsHalf<To>) return To(a);
  else if constexpr (kBool<To>) return a != From{0};  // NaN is not 0
  else if constexpr (kFloat<From> && kInt<To>) {
    // 2^width is exact in both float types, the largest integer may not be.
    constexpr From above = static_cast<From>(std::numeric_limits<To>::max() / 2 + 1) * From{2};
    if (a != a) return 0;
    if (a >= above) return std::numeric_limits<To>::max();
    if (a <= static_cast<From>(std::numeric_limits<To>::min())) return std::numeric_limits<To>::min();
    return static_cast<To>(a);
  } else {
    return static_cast<To>(a);
  }
}

template <class T>
T canonical(T a) {
  if constexpr (kIsHalf<T>) {
    if (a.is_nan()) a.bits = T::kNaN;
    return a;
  } else if constexpr (kFloat<T>) return a != a ? kNaN<T> : a;
  else return a;
}

float unpack_f16(int32_t a) {
  Float16 half;
  half.bits = static_cast<uint16_t>(a);
  return static_cast<float>(half);
}
int32_t pack_f16(float a) { return Float16(a).bits; }

template <class To, class From>
To bitcast(From a) {
  return std::bit_cast<To>(canonical(a));
}

// -- Over arrays ------------------------------------------------------------------------------------------------------------------------

template <class R, class T, R (*f)(T)>
void unary(void* out, const void* a, const void*, const void*, int64_t n) {
  for (int64_t i = 0; i < n; ++i) static_cast<R*>(out)[i] = f(static_cast<const T*>(a)[i]);
}
template <class R, class T, R (*f)(T, T)>
void binary(void* out, const void* a, const void* b, const void*, int64_t n) {
  for (int64_t i = 0; i < n; ++i) static_cast<R*>(out)[i] = f(static_cast<const T*>(a)[i], static_cast<const T*>(b)[i]);
}
template <class T>
void ternary_fma(void* out, const void* a, const void* b, const void* c, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    static_cast<T*>(out)[i] = fma(static_cast<const T*>(a)[i], static_cast<const T*>(b)[i], static_cast<const T*>(c)[i]);
}
template <class T>
void ternary_select(void* out, const void* condition, const void* then, const void* otherwise, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    static_cast<T*>(out)[i] = (static_cast<const bool*>(condition)[i] ? static_cast<const T*>(then) : static_cast<const T*>(otherwise))[i];
}

// clang-format off: a table
template <class T>
Apply computing(Prim p) {
  switch (p) {
    case Prim::add: if constexpr (!kBool<T>) return binary<T, T, add<T>>; break;
    case Prim::sub: if constexpr (!kBool<T>) return binary<T, T, sub<T>>; break;
    case Prim::mul: if constexpr (!kBool<T>) return binary<T, T, mul<T>>; break;
    case Prim::div: if constexpr (!kBool<T>) return binary<T, T, div<T>>; break;
    case Prim::min: return binary<T, T, min<T>>;
    case Prim::max: return binary<T, T, max<T>>;
    case Prim::fma: if constexpr (kFloat<T>) return ternary_fma<T>; break;
    case Prim::neg: if constexpr (!kBool<T>) return unary<T, T, neg<T>>; break;
    case Prim::abs: if constexpr (!kBool<T>) return unary<T, T, abs<T>>; break;
    case Prim::sqrt: if constexpr (kFloat<T>) return unary<T, T, sqrt<T>>; break;
    case Prim::floor: if constexpr (kFloat<T>) return unary<T, T, floor<T>>; break;
    case Prim::ceil: if constexpr (kFloat<T>) return unary<T, T, ceil<T>>; break;
    case Prim::trunc: if constexpr (kFloat<T>) return unary<T, T, trunc<T>>; break;
    case Prim::round: if constexpr (kFloat<T>) return unary<T, T, round<T>>; break;
    case Prim::bit_and: if constexpr (!kFloat<T>) return binary<T, T, bit_and<T>>; break;
    case Prim::bit_or: if constexpr (!kFloat<T>) return binary<T, T, bit_or<T>>; break;
    case Prim::bit_xor: if constexpr (!kFloat<T>) return binary<T, T, bit_xor<T>>; break;
    case Prim::bit_not: if constexpr (!kFloat<T>) return unary<T, T, bit_not<T>>; break;
    case Prim::shl: if constexpr (kInt<T>) return binary<T, T, shl<T>>; break;
    case Prim::shr: if constexpr (kInt<T>) return binary<T, T, shr<T>>; break;
    case Prim::shr_logical: if constexpr (kInt<T>) return binary<T, T, shr_logical<T>>; break;
    case Prim::eq: return binary<bool, T, eq<T>>;
    case Prim::ne: return binary<bool, T, ne<T>>;
    case Prim::lt: return binary<bool, T, lt<T>>;
    case Prim::le: return binary<bool, T, le<T>>;
    case Prim::gt: return binary<bool, T, gt<T>>;
    case Prim::ge: return binary<bool, T, ge<T>>;
    default: break;
  }
  return nullptr;
}
// clang-format on

template <class T>
Apply apply_to(Prim p, DType result) {
  switch (p) {
    case Prim::select: return ternary_select<T>;
    case Prim::cast: return with_type(result, [](auto to) -> Apply { return unary<decltype(to), T, cast<decltype(to), T>>; });
    case Prim::bitcast:
      return with_type(result, [](auto to) -> Apply {
        using To = decltype(to);
        if constexpr (sizeof(To) == sizeof(T) && sizeof(T) >= 2 && kFloat<To> != kFloat<T>) return unary<To, T, bitcast<To, T>>;
        else return nullptr;
      });
    case Prim::unpack_f16:
      if constexpr (std::is_same_v<T, int32_t>) return unary<float, int32_t, unpack_f16>;
      else return nullptr;
    case Prim::pack_f16:
      if constexpr (std::is_same_v<T, float>) return unary<int32_t, float, pack_f16>;
      else return nullptr;
    default: break;
  }
  if constexpr (kIsHalf<T>) return nullptr;  // formats of memory
  else return computing<T>(p);
}

// An array of one element of any dtype.
struct Cell {
  explicit Cell(uint64_t bits) { std::memcpy(bytes, &bits, sizeof bits); }
  uint64_t bits() const {
    uint64_t value;
    std::memcpy(&value, bytes, sizeof value);
    return value;
  }
  alignas(8) std::byte bytes[8];
};

}  // namespace

Apply apply_of(Prim p, DType result, DType operand) {
  return with_type(operand, [&](auto t) { return apply_to<decltype(t)>(p, result); });
}

uint64_t evaluate(Prim p, DType result, DType operand, uint64_t a, uint64_t b, uint64_t c) {
  const Apply apply = apply_of(p, result, operand);
  check(apply != nullptr, "a primitive on a dtype it does not take");
  Cell out(0);
  apply(out.bytes, Cell(a).bytes, Cell(b).bytes, Cell(c).bytes, 1);
  return out.bits();
}

void canonicalise(DType t, void* values, int64_t n) {
  if (t == DType::F16) unary<Float16, Float16, canonical<Float16>>(values, values, nullptr, nullptr, n);
  if (t == DType::BF16) unary<BFloat16, BFloat16, canonical<BFloat16>>(values, values, nullptr, nullptr, n);
  if (t == DType::F32) unary<float, float, canonical<float>>(values, values, nullptr, nullptr, n);
  if (t == DType::F64) unary<double, double, canonical<double>>(values, values, nullptr, nullptr, n);
}

uint64_t canonical_bits(DType t, uint64_t bits) {
  Cell cell(bits);
  canonicalise(t, cell.bytes, 1);
  return cell.bits();
}

}  // namespace kiln::codegen::interpreter
