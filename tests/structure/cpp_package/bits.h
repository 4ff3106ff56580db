// What the expressions of test_cpp_package.py are about, and their bits in hexadecimal, a line each.
#pragma once

#include <kiln/kiln.h>

#include <cstdio>

inline void print(const kiln::Tensor& t) {
  const auto write = [](const auto& values) {
    for (const auto v : values)
      for (size_t i = 0; i < sizeof v; ++i) std::printf("%02x", reinterpret_cast<const unsigned char*>(&v)[i]);
  };
  switch (t.dtype()) {
    case kiln::DType::F32: write(t.to_vector<float>()); break;
    case kiln::DType::I64: write(t.to_vector<int64_t>()); break;
    case kiln::DType::Bool: write(kiln::astype(t, kiln::DType::U8).to_vector<uint8_t>()); break;
    default: std::printf("a dtype that print() does not know"); break;
  }
  std::puts("");
}

struct Inputs {
  kiln::Tensor x, y, image, kernel, bias;
};
inline Inputs draw() {
  using kiln::random_normal;
  kiln::manual_seed(5);
  return {random_normal({50, 7}), random_normal({50, 7}), random_normal({2, 3, 9, 9}), random_normal({4, 3, 3, 3}), random_normal(4)};
}
