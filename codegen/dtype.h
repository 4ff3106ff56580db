// Scalar types. A dtype is data, never a template parameter of a kernel: one table describes them all.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace kiln {

enum class DType : uint8_t { Bool, U8, U16, U32, U64, I8, I16, I32, I64, F16, BF16, F32, F64, C64, C128 };

inline constexpr int kDTypeCount = 15;
inline constexpr int kRealDTypeCount = 13;  // all before the complex ones

enum class DTypeKind : uint8_t { boolean, unsigned_integer, signed_integer, floating, complex_floating };

struct DTypeInfo {
  DType dtype;
  std::string_view name;        // as NumPy spells it
  std::string_view short_name;  // as kernel text spells it
  DTypeKind kind;
  uint8_t bytes;
};

inline constexpr std::array<DTypeInfo, kDTypeCount> kDTypes{{
    {DType::Bool, "bool", "bool", DTypeKind::boolean, 1},
    {DType::U8, "uint8", "u8", DTypeKind::unsigned_integer, 1},
    {DType::U16, "uint16", "u16", DTypeKind::unsigned_integer, 2},
    {DType::U32, "uint32", "u32", DTypeKind::unsigned_integer, 4},
    {DType::U64, "uint64", "u64", DTypeKind::unsigned_integer, 8},
    {DType::I8, "int8", "i8", DTypeKind::signed_integer, 1},
    {DType::I16, "int16", "i16", DTypeKind::signed_integer, 2},
    {DType::I32, "int32", "i32", DTypeKind::signed_integer, 4},
    {DType::I64, "int64", "i64", DTypeKind::signed_integer, 8},
    {DType::F16, "float16", "f16", DTypeKind::floating, 2},
    {DType::BF16, "bfloat16", "bf16", DTypeKind::floating, 2},
    {DType::F32, "float32", "f32", DTypeKind::floating, 4},
    {DType::F64, "float64", "f64", DTypeKind::floating, 8},
    {DType::C64, "complex64", "c64", DTypeKind::complex_floating, 8},  // two floats, real and imaginary part, as C and NumPy lay them out
    {DType::C128, "complex128", "c128", DTypeKind::complex_floating, 16},
}};
// Those of one number: all that a kernel's nodes and buffers have. A complex value is two of them (complex.h).
inline constexpr std::span<const DTypeInfo, kRealDTypeCount> kRealDTypes{kDTypes.data(), kRealDTypeCount};

constexpr const DTypeInfo& info(DType t) { return kDTypes[static_cast<size_t>(t)]; }
constexpr int size_of(DType t) { return info(t).bytes; }
constexpr std::string_view name_of(DType t) { return info(t).name; }
constexpr bool is_floating(DType t) { return info(t).kind == DTypeKind::floating; }
constexpr bool is_complex(DType t) { return info(t).kind == DTypeKind::complex_floating; }
constexpr bool is_inexact(DType t) { return is_floating(t) || is_complex(t); }
constexpr bool is_half(DType t) { return is_floating(t) && info(t).bytes == 2; }
constexpr bool is_integer(DType t) { return info(t).kind == DTypeKind::signed_integer || info(t).kind == DTypeKind::unsigned_integer; }
constexpr bool is_signed(DType t) { return is_floating(t) || is_complex(t) || info(t).kind == DTypeKind::signed_integer; }
constexpr bool is_unsigned(DType t) { return info(t).kind == DTypeKind::unsigned_integer; }

// What operators compute in: f16 and bf16 are formats of memory, computed in f32 and rounded after every operator.
constexpr DType compute_dtype(DType t) { return is_half(t) ? DType::F32 : t; }

// The integer of so many bytes (1, 2, 4, 8), with or without sign.
constexpr DType integer_of(int bytes, bool with_sign) {
  for (const DTypeInfo& t : kDTypes)
    if (t.bytes == bytes && t.kind == (with_sign ? DTypeKind::signed_integer : DTypeKind::unsigned_integer)) return t.dtype;
  return DType::Bool;
}
// The dtype of a complex dtype's parts, and the complex dtype of such parts; a real dtype is its own, what is not f64 makes c64.
constexpr DType real_of(DType t) { return t == DType::C64 ? DType::F32 : t == DType::C128 ? DType::F64 : t; }
constexpr DType complex_of(DType t) { return is_complex(t) ? t : t == DType::F64 ? DType::C128 : DType::C64; }
constexpr int parts_of(DType t) { return is_complex(t) ? 2 : 1; }

// As what the bits of a float are read or moved: the signed integer of its size. Other dtypes are their own. Not of a complex dtype, whose parts are
// moved one by one.
constexpr DType bits_of(DType t) { return is_floating(t) ? integer_of(size_of(t), true) : t; }

static_assert(
    [] {
      for (int i = 0; i < kDTypeCount; ++i)
        if (static_cast<int>(kDTypes[i].dtype) != i) return false;
      return true;
    }(),
    "kDTypes is in the order of DType");

}  // namespace kiln
