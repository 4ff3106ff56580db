// Tensors from and to plain numbers, for tests that state values.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "eager/dispatch.h"
#include "eager/tape.h"

namespace kiln::testing {

using namespace eager;  // NOLINT: tests speak the room's words

inline Tensor tensor(const Dims& shape, const std::vector<double>& values, DType dtype = DType::F32) {
  const Tensor t = Tensor::empty(shape, dtype);
  for (int64_t i = 0; i < t.numel(); ++i) {
    std::byte* const element = t.data() + i * size_of(dtype);
    const uint64_t bits = Scalar(values[static_cast<size_t>(i) % values.size()]).bits_as(real_of(dtype));
    std::memset(element, 0, static_cast<size_t>(size_of(dtype)));  // a complex number's second part
    std::memcpy(element, &bits, static_cast<size_t>(size_of(real_of(dtype))));
  }
  return t;
}

inline Tensor counting(const Dims& shape, DType dtype = DType::F32) {
  std::vector<double> values(static_cast<size_t>(std::max<int64_t>(product(shape), 1)));
  std::iota(values.begin(), values.end(), 0.0);
  return tensor(shape, values, dtype);
}

inline Tensor leaf(const Tensor& t) {
  t.autograd().requires_grad = true;
  return t;
}

// The elements in row-major order.
inline std::vector<double> values(const Tensor& t) {
  const NoGrad no_grad;
  const Tensor wide = Tensor::empty(t.shape(), DType::F64);
  write(wide, t);
  const auto* data = reinterpret_cast<const double*>(wide.data());
  return {data, data + wide.numel()};
}

inline std::vector<double> gradient(const Tensor& t) { return t.autograd().grad ? values(*t.autograd().grad) : std::vector<double>{}; }

using Numbers = std::vector<double>;

template <class Call>
void expect_error(ErrorCode code, const std::string& part, Call&& call) {
  try {
    call();
    ADD_FAILURE() << "no error, expected: " << part;
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what() << "\nexpected: " << part;
  }
}

}  // namespace kiln::testing
