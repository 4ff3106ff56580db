#include "codegen/primitive.h"

#include <bit>
#include <limits>
#include <type_traits>

#include "codegen/error.h"
#include "codegen/scalar_types.h"

namespace kiln::codegen {
namespace {

template <class T>
uint64_t identity(Prim p) {
  using Limits = std::numeric_limits<T>;
  constexpr bool floating = std::is_floating_point_v<T>;
  T value{};
  switch (p) {
    case Prim::add:
      value = floating ? static_cast<T>(-0.0) : T{0};  // 0.0 + -0.0 would lose the sign of an element
      break;
    case Prim::mul: value = T{1}; break;
    case Prim::min: value = floating ? Limits::infinity() : Limits::max(); break;
    case Prim::max: value = floating ? static_cast<T>(-Limits::infinity()) : Limits::lowest(); break;
    case Prim::bit_or: value = T{0}; break;
    case Prim::bit_and:
      if constexpr (std::is_same_v<T, bool>) value = true;
      else if constexpr (!floating) value = static_cast<T>(~T{0});
      break;
    default: check(false, "this primitive cannot combine");
  }
  if constexpr (sizeof(T) == 8) return std::bit_cast<uint64_t>(value);
  else if constexpr (sizeof(T) == 4) return std::bit_cast<uint32_t>(value);
  else if constexpr (sizeof(T) == 2) return std::bit_cast<uint16_t>(value);
  else return std::bit_cast<uint8_t>(value);
}

}  // namespace

uint64_t identity_bits(Prim p, DType t) {
  if (t == DType::Bool) return p == Prim::min || p == Prim::bit_and || p == Prim::mul;
  check(!is_half(t), "reductions are not in f16 or bf16, but in f32");
  return with_type(t, [p]<class T>(T) -> uint64_t {
    if constexpr (kIsHalf<T>) return 0;
    else return identity<T>(p);
  });
}

}  // namespace kiln::codegen
