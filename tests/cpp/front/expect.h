// What these tests share: errors by code and words, and tensors compared by their bits.
#pragma once

#include <gtest/gtest.h>
#include <kiln/kiln.h>

#include <cstring>

namespace kiln::testing {

template <class F>
void expect_error(ErrorCode code, const std::string& words, F&& f) {
  try {
    f();
    ADD_FAILURE() << "no error; expected: " << words;
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    EXPECT_NE(std::string(e.what()).find(words), std::string::npos) << e.what();
  }
}

inline bool same_bits(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) return false;
  const Tensor x = contiguous(a.detach()), y = contiguous(b.detach());
  switch (x.dtype()) {
    case DType::F32: return std::memcmp(x.data<float>(), y.data<float>(), x.numel() * sizeof(float)) == 0;
    case DType::F64: return std::memcmp(x.data<double>(), y.data<double>(), x.numel() * sizeof(double)) == 0;
    default: return !any(x != y).item<bool>();
  }
  return false;
}

}  // namespace kiln::testing
