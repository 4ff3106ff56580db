// The C++ type of each dtype: for code that reads and writes elements one at a time.
#pragma once

#include <cstdint>

#include "codegen/dtype.h"
#include "codegen/half.h"

namespace kiln {

// Calls f with a value of the dtype's C++ type; not of a complex dtype, whose elements are two numbers.
template <class F>
constexpr decltype(auto) with_type(DType t, F&& f) {
  switch (t) {
    case DType::Bool: return f(bool{});
    case DType::U8: return f(uint8_t{});
    case DType::U16: return f(uint16_t{});
    case DType::U32: return f(uint32_t{});
    case DType::U64: return f(uint64_t{});
    case DType::I8: return f(int8_t{});
    case DType::I16: return f(int16_t{});
    case DType::I32: return f(int32_t{});
    case DType::I64: return f(int64_t{});
    case DType::F16: return f(Float16{});
    case DType::BF16: return f(BFloat16{});
    case DType::F32: return f(float{});
    case DType::F64:
    case DType::C64:
    case DType::C128: break;
  }
  return f(double{});
}

}  // namespace kiln
