#include "codegen/cuda/forms.h"

#include <array>
#include <bit>
#include <charconv>
#include <iterator>
#include <vector>

#include "codegen/error.h"

namespace kiln::codegen::cuda {
namespace {

// -- Dtypes -----------------------------------------------------------------------------------------------------------------------------

struct Type {
  DType dtype;
  std::string_view name;
  std::string_view bits;    // the unsigned integer of the same width
  std::string_view word;    // and the one that integers are computed in, so that they wrap: no narrower than C++ promotes to
  std::string_view limits;  // what saturate() takes: the first float above its values, its largest and its smallest value
};
constexpr std::array<Type, kRealDTypeCount> kTypes{{
    {DType::Bool, "bool", "u8", "u32", ""},
    {DType::U8, "u8", "u8", "u32", "256, 255, 0"},
    {DType::U16, "u16", "u16", "u32", "65536, 65535, 0"},
    {DType::U32, "u32", "u32", "u32", "4294967296ull, 4294967295u, 0"},
    {DType::U64, "u64", "u64", "u64", "18446744073709551616.0, 18446744073709551615ull, 0"},
    {DType::I8, "i8", "u8", "u32", "128, 127, -128"},
    {DType::I16, "i16", "u16", "u32", "32768, 32767, -32768"},
    {DType::I32, "i32", "u32", "u32", "2147483648u, 2147483647, -2147483647 - 1"},
    {DType::I64, "i64", "u64", "u64", "9223372036854775808ull, 9223372036854775807ll, -9223372036854775807ll - 1"},
    {DType::F16, "u16", "u16", "u32", ""},  // of kernels that went through legalise_halves() neither is left
    {DType::BF16, "u16", "u16", "u32", ""},
    {DType::F32, "f32", "u32", "u32", ""},
    {DType::F64, "f64", "u64", "u64", ""},
}};
const Type& type(DType t) { return kTypes[static_cast<size_t>(t)]; }

// -- Primitives -------------------------------------------------------------------------------------------------------------------------

std::string_view cast_form(DType result, DType operand) {
  if (result == DType::Bool) return "$0 != 0";
  if (is_floating(operand) && is_integer(result)) return "saturate<$T, $A>($0, $L)";
  return "($T)$0";
}

std::string_view bitcast_form(DType result) {
  if (is_floating(result)) return result == DType::F32 ? "__int_as_float((i32)$0)" : "__longlong_as_double((i64)$0)";
  return size_of(result) == 4 ? "($T)__float_as_int(canonical_f32($0))" : "($T)__double_as_longlong(canonical_f64($0))";
}

}  // namespace

// Arithmetic on floats is spelled as intrinsics that round to nearest and are never contracted, so that no compiler option matters.
std::string_view form_of(Prim p, DType result, DType operand) {
  const bool floating = is_floating(operand), boolean = operand == DType::Bool, without_sign = is_unsigned(operand);
  switch (p) {
    case Prim::add: return floating ? "__$dadd_rn($0, $1)" : "($T)(($U)$0 + ($U)$1)";
    case Prim::sub: return floating ? "__$dsub_rn($0, $1)" : "($T)(($U)$0 - ($U)$1)";
    case Prim::mul: return floating ? "__$dmul_rn($0, $1)" : "($T)(($U)$0 * ($U)$1)";
    case Prim::div: return floating ? "__$ddiv_rn($0, $1)" : without_sign ? "$1 == 0 ? ($T)0 : ($T)($0 / $1)" : "divide<$T, $U>($0, $1)";
    case Prim::min: return floating ? "minimum_$T($0, $1)" : "$0 < $1 ? $0 : $1";
    case Prim::max: return floating ? "maximum_$T($0, $1)" : "$0 < $1 ? $1 : $0";
    case Prim::fma: return "__fma$s_rn($0, $1, $2)";
    case Prim::neg: return floating ? "-$0" : "($T)(($U)0 - ($U)$0)";
    case Prim::abs: return floating ? "fabs$s($0)" : without_sign ? "$0" : "$0 < 0 ? ($T)(($U)0 - ($U)$0) : $0";
    case Prim::sqrt: return "__$dsqrt_rn($0)";
    case Prim::floor: return "floor$s($0)";
    case Prim::ceil: return "ceil$s($0)";
    case Prim::trunc: return "trunc$s($0)";
    case Prim::round: return "rint$s($0)";
    case Prim::bit_and: return "($T)($0 & $1)";
    case Prim::bit_or: return "($T)($0 | $1)";
    case Prim::bit_xor: return "($T)($0 ^ $1)";
    case Prim::bit_not: return boolean ? "!$0" : "($T)~$0";
    case Prim::shl: return "($U)$1 >= $W ? ($T)0 : ($T)(($U)$0 << ($U)$1)";
    case Prim::shr:
      if (without_sign) return form_of(Prim::shr_logical, result, operand);
      return "($T)($0 >> (($U)$1 >= $W ? $W - 1 : (int)$1))";
    case Prim::shr_logical: return "($U)$1 >= $W ? ($T)0 : ($T)(($B)$0 >> ($U)$1)";
    case Prim::eq: return "$0 == $1";
    case Prim::ne: return "$0 != $1";
    case Prim::lt: return "$0 < $1";
    case Prim::le: return "$0 <= $1";
    case Prim::gt: return "$0 > $1";
    case Prim::ge: return "$0 >= $1";
    case Prim::select: return "$0 ? $1 : $2";
    case Prim::cast: return cast_form(result, operand);
    case Prim::bitcast: return bitcast_form(result);
    case Prim::unpack_f16: return "unpack_f16($0)";
    case Prim::pack_f16: return "pack_f16($0)";
  }
  fail(ErrorCode::internal, "unknown primitive");
}

std::string filled(std::string_view form, DType result, DType operand, std::string_view a, std::string_view b, std::string_view c) {
  const bool single = operand == DType::F32;
  std::string out;
  for (size_t i = 0; i < form.size(); ++i) {
    if (form[i] != '$') {
      out += form[i];
      continue;
    }
    switch (form[++i]) {
      case '0': out += a; break;
      case '1': out += b; break;
      case '2': out += c; break;
      case 'T': out += type(result).name; break;
      case 'A': out += type(operand).name; break;
      case 'U': out += type(operand).word; break;
      case 'B': out += type(operand).bits; break;
      case 'L': out += type(result).limits; break;
      case 'W': out += std::to_string(8 * size_of(operand)); break;
      case 'd': out += single ? 'f' : 'd'; break;
      case 's': out += single ? "f" : ""; break;
      default: fail(ErrorCode::internal, "a printed form with an unknown placeholder");
    }
  }
  return out;
}

std::string_view type_name(DType t) { return type(t).name; }

// -- Values -----------------------------------------------------------------------------------------------------------------------------

namespace {

std::string hexadecimal(uint64_t bits, int digits) {
  std::string text(static_cast<size_t>(digits), '0');
  for (size_t i = text.size(); i-- > 0; bits >>= 4) text[i] = "0123456789abcdef"[bits & 15];
  return "0x" + text;
}

// As bits, so that the text means one value whatever reads it; the number stands beside it for people.
template <class T>
std::string float_constant(std::string_view from_bits, uint64_t bits, T value) {
  char text[32];
  const char* end = std::to_chars(text, text + sizeof text, value).ptr;
  return std::string(from_bits) + "(" + hexadecimal(bits, 2 * sizeof(T)) + ") /* " + std::string(text, static_cast<size_t>(end - text)) +
         " */";
}

}  // namespace

std::string constant(DType t, uint64_t bits) {
  switch (t) {
    case DType::Bool: return bits != 0 ? "true" : "false";
    case DType::F32: return float_constant("__int_as_float", bits, std::bit_cast<float>(static_cast<uint32_t>(bits)));
    case DType::F64: return float_constant("__longlong_as_double", bits, std::bit_cast<double>(bits));
    default: return filled("($T)$0", t, t, hexadecimal(bits, 2 * size_of(t)) + (size_of(t) == 8 ? "ull" : "u"));
  }
}

std::string from_word(DType t, std::string_view word) {
  switch (t) {
    case DType::Bool: return filled("($0 & 255) != 0", t, t, word);
    case DType::F32: return filled("__int_as_float((i32)$0)", t, t, word);
    case DType::F64: return filled("__longlong_as_double((i64)$0)", t, t, word);
    default: return filled("($T)$0", t, t, word);
  }
}

std::string canonical(DType t, std::string_view value) { return filled(is_floating(t) ? "canonical_$T($0)" : "$0", t, t, value); }

// -- Helpers ----------------------------------------------------------------------------------------------------------------------------

namespace {

constexpr std::string_view kTypedefs =
    "typedef unsigned char u8;\n"
    "typedef unsigned short u16;\n"
    "typedef signed char i8;\n"
    "typedef short i16;\n"
    "typedef int i32;\n"
    "typedef unsigned u32;\n"
    "typedef long long i64;\n"
    "typedef unsigned long long u64;\n"
    "typedef float f32;\n"
    "typedef double f64;\n";

// Each may call those before it. `minimum` and `maximum` of equal numbers differ in the sign of zero alone, which is one bit.
struct Helper {
  std::string_view name, text;
};
constexpr Helper kHelpers[] = {
    {"canonical_f32", "static __device__ f32 canonical_f32(f32 a) { return a == a ? a : __int_as_float(0x7fc00000); }\n"},
    {"canonical_f64", "static __device__ f64 canonical_f64(f64 a) { return a == a ? a : __longlong_as_double(0x7ff8000000000000); }\n"},
    // By integers: the type and its intrinsics want a header. The exponent is read with f32's bias, then corrected, so that denormals come
    // out right; rounding adds half of what is cut off, less one where the number is even, and below 2^-14 lets an addition do that.
    {"unpack_f16",
     "static __device__ f32 unpack_f16(i32 a) {\n"
     "  const u32 magnitude = (u32)a & 0x7fffu, sign = ((u32)a & 0x8000u) << 16;\n"
     "  const u32 bits = magnitude >= 0x7c00u ? magnitude << 13 | 0x7f800000u\n"
     "                                        : (u32)__float_as_int(__fmul_rn(__int_as_float((i32)(magnitude << 13)), 0x1p112f));\n"
     "  return __int_as_float((i32)(bits | sign));\n"
     "}\n"},
    {"pack_f16",
     "static __device__ i32 pack_f16(f32 a) {\n"
     "  const u32 bits = (u32)__float_as_int(a), magnitude = bits & 0x7fffffffu, sign = bits >> 16 & 0x8000u;\n"
     "  if (magnitude > 0x7f800000u) return 0x7e00;\n"
     "  if (magnitude >= 0x47800000u) return (i32)(0x7c00u | sign);\n"
     "  if (magnitude < 0x38800000u) return (i32)((u32)__float_as_int(__fadd_rn(__int_as_float((i32)magnitude), 0.5f)) - 0x3f000000u | "
     "sign);\n"
     "  return (i32)((magnitude + (magnitude >> 13 & 1u) + 0xfffu >> 13) - (112u << 10) | sign);\n"
     "}\n"},
    {"minimum_f32",
     "static __device__ f32 minimum_f32(f32 a, f32 b) {\n"
     "  return a < b ? a : b < a ? b : a == b ? __int_as_float(__float_as_int(a) | __float_as_int(b)) : __int_as_float(0x7fc00000);\n"
     "}\n"},
    {"minimum_f64",
     "static __device__ f64 minimum_f64(f64 a, f64 b) {\n"
     "  return a < b    ? a\n"
     "         : b < a  ? b\n"
     "         : a == b ? __longlong_as_double(__double_as_longlong(a) | __double_as_longlong(b))\n"
     "                  : __longlong_as_double(0x7ff8000000000000);\n"
     "}\n"},
    {"maximum_f32",
     "static __device__ f32 maximum_f32(f32 a, f32 b) {\n"
     "  return a < b ? b : b < a ? a : a == b ? __int_as_float(__float_as_int(a) & __float_as_int(b)) : __int_as_float(0x7fc00000);\n"
     "}\n"},
    {"maximum_f64",
     "static __device__ f64 maximum_f64(f64 a, f64 b) {\n"
     "  return a < b    ? b\n"
     "         : b < a  ? a\n"
     "         : a == b ? __longlong_as_double(__double_as_longlong(a) & __double_as_longlong(b))\n"
     "                  : __longlong_as_double(0x7ff8000000000000);\n"
     "}\n"},
    {"divide",
     "template <class T, class U>\n"
     "static __device__ T divide(T a, T b) {\n"
     "  return b == 0 ? (T)0 : b == -1 ? (T)((U)0 - (U)a) : (T)(a / b);\n"
     "}\n"},
    {"saturate",
     "template <class To, class From>\n"
     "static __device__ To saturate(From a, From above, To most, To least) {\n"
     "  return a != a ? (To)0 : a >= above ? most : a <= (From)least ? least : (To)a;\n"
     "}\n"},
    // Indices are rarely beyond 32 bits, and dividing those is several times as fast.
    {"quotient", "static __device__ i64 quotient(i64 a, i64 b) { return ((a | b) >> 32) == 0 ? (i64)((u32)a / (u32)b) : a / b; }\n"},
    {"least", "static __device__ i64 least(i64 a, i64 b) { return a < b ? a : b; }\n"},
    // Vectors of neighbouring elements, moved as one word of 1, 2, 4, 8 or 16 bytes.
    {"move_vector",
     "template <int bytes> struct Word;\n"
     "template <> struct Word<1> { typedef u8 type; };\n"
     "template <> struct Word<2> { typedef unsigned short type; };\n"
     "template <> struct Word<4> { typedef u32 type; };\n"
     "template <> struct Word<8> { typedef uint2 type; };\n"
     "template <> struct Word<16> { typedef uint4 type; };\n"
     "template <int bytes>\n"
     "static __device__ void move_vector(void* to, const void* from) {\n"
     "  *(typename Word<bytes>::type*)to = *(const typename Word<bytes>::type*)from;\n"
     "}\n"},
    {"down",
     "template <class T>\n"
     "static __device__ T down(T a, int lanes) {\n"
     "  return (T)__shfl_down_sync(0xffffffffu, a, lanes);\n"
     "}\n"},
    {"first_lane",
     "template <class T>\n"
     "static __device__ T first_lane(T a) {\n"
     "  return (T)__shfl_sync(0xffffffffu, a, 0);\n"
     "}\n"},
    // The canonical folds of a warp: of its lanes in halves, and of neighbours, where only the first n lanes hold something.
    {"fold_halves",
     "template <class T, T (*combine)(T, T)>\n"
     "static __device__ T fold_halves(T a) {\n"
     "  for (int h = 16; h > 0; h /= 2) a = combine(a, down(a, h));\n"
     "  return a;\n"
     "}\n"},
    {"fold_neighbours",
     "template <class T, T (*combine)(T, T)>\n"
     "static __device__ T fold_neighbours(T a, int lane, int n) {\n"
     "  for (int h = 1; h < 32; h *= 2) {\n"
     "    const T other = down(a, h);\n"
     "    if (lane % (2 * h) == 0 && lane + h < n) a = combine(a, other);\n"
     "  }\n"
     "  return a;\n"
     "}\n"},
    // A binary counter of partial results, as in codegen/kernel.h: TREE as a stream.
    {"Tree",
     "template <class T, T (*combine)(T, T), int levels>\n"
     "struct Tree {\n"
     "  T partial[levels];\n"
     "  u64 count;\n"
     "  int depth;\n"
     "  __device__ Tree() : count(0), depth(0) {}\n"
     "  __device__ void push(T a) {\n"
     "    for (u64 n = ++count; n % 2 == 0; n /= 2) a = combine(partial[--depth], a);\n"
     "    partial[depth++] = a;\n"
     "  }\n"
     "  __device__ T result(T identity) {\n"
     "    if (depth == 0) return identity;\n"
     "    T a = partial[depth - 1];\n"
     "    for (int i = depth - 2; i >= 0; --i) a = combine(partial[i], a);\n"
     "    return a;\n"
     "  }\n"
     "};\n"},
    // Where several threads of a block hold a block's result each: one of them puts n, `step` apart, on its tree; and all get the outcome.
    {"collect",
     "template <class T, class Tree>\n"
     "static __device__ void collect(Tree& tree, T a, T* partial, int slot, bool writes, bool pushes, int step, i64 n) {\n"
     "  if (writes) partial[slot] = a;\n"
     "  __syncthreads();\n"
     "  if (pushes)\n"
     "    for (int i = 0; i < n; ++i) tree.push(partial[slot + i * step]);\n"
     "  __syncthreads();\n"
     "}\n"},
    {"spread",
     "template <class T, class Tree>\n"
     "static __device__ T spread(Tree& tree, T identity, T* partial, int slot, bool pushed) {\n"
     "  if (pushed) partial[slot] = tree.result(identity);\n"
     "  __syncthreads();\n"
     "  const T a = partial[slot];\n"
     "  __syncthreads();\n"
     "  return a;\n"
     "}\n"},
};

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

// `name` followed by its arguments, not as the end of a longer name.
bool calls(std::string_view text, std::string_view name) {
  for (size_t at = text.find(name); at != std::string_view::npos; at = text.find(name, at + 1)) {
    const size_t end = at + name.size();
    if (end < text.size() && (text[end] == '(' || text[end] == '<') && (at == 0 || !is_word(text[at - 1]))) return true;
  }
  return false;
}

}  // namespace

std::string prelude(std::string_view body) {
  std::vector<std::string_view> used;
  std::string needing(body);
  for (size_t i = std::size(kHelpers); i-- > 0;)
    if (calls(needing, kHelpers[i].name)) {
      used.push_back(kHelpers[i].text);
      needing += kHelpers[i].text;
    }
  std::string out(kTypedefs);
  for (size_t i = used.size(); i-- > 0;) (out += '\n') += used[i];
  return out;
}

}  // namespace kiln::codegen::cuda
