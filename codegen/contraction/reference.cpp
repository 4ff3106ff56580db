#include "codegen/contraction/reference.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "codegen/contraction/shapes.h"
#include "codegen/error.h"
#include "codegen/thread_pool.h"

namespace kiln::codegen {
namespace {

template <class T>
T multiply_add(T a, T b, T sum) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::fma(a, b, sum);
  } else {  // unsigned arithmetic wraps; 64 bits hold every product's low bits
    return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b) + static_cast<uint64_t>(sum));
  }
}

template <class T>
T add(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return a + b;
  else return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}

template <class T>
void matmul(const ContractionKey& key, const T* a, const T* b, const T* bias, T* c) {
  parallel_for(key.batch * key.m, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t image = row / key.m, i = row % key.m;
      const T* const a_image = a + image * key.m * key.k;
      const T* const b_image = b + image * key.k * key.n;
      T* const c_row = c + row * key.n;
      std::fill_n(c_row, key.n, T{0});
      for (int64_t p = 0; p < key.k; ++p) {  // outside j, so that each sum runs over k in order while rows of b are read in order
        const T x = key.transpose_a ? a_image[p * key.m + i] : a_image[i * key.k + p];
        for (int64_t j = 0; j < key.n; ++j)
          c_row[j] = multiply_add(x, key.transpose_b ? b_image[j * key.k + p] : b_image[p * key.n + j], c_row[j]);
      }
      if (bias != nullptr)
        for (int64_t j = 0; j < key.n; ++j) c_row[j] = add(c_row[j], bias[j]);
    }
  });
}

// Where kernel row (or column) r touches the input for output position y; -1 where that is padding.
int64_t input_position(const ContractionKey& key, int axis, int64_t y, int64_t r) {
  const int64_t at = y * key.stride[axis] - key.padding[axis] + r * key.dilation[axis];
  return at >= 0 && at < (axis == 0 ? key.in_height : key.in_width) ? at : -1;
}

// The output position whose kernel row (or column) r touches input position x; -1 where there is none.
int64_t output_position(const ContractionKey& key, int axis, int64_t extent, int64_t x, int64_t r) {
  const int64_t scaled = x + key.padding[axis] - r * key.dilation[axis];
  if (scaled < 0 || scaled % key.stride[axis] != 0) return -1;
  return scaled / key.stride[axis] < extent ? scaled / key.stride[axis] : -1;
}

template <class T>
void conv2d(const ContractionKey& key, const T* x, const T* w, const T* bias, T* y) {
  const auto [height, width] = output_extents(key);
  const int64_t plane = key.in_height * key.in_width, kernel = key.kernel_height * key.kernel_width;
  parallel_for(key.images * key.out_channels, 1, [&, height = height, width = width](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t image = task / key.out_channels, o = task % key.out_channels;
      for (int64_t h = 0; h < height; ++h)
        for (int64_t v = 0; v < width; ++v) {
          T sum{0};
          for (int64_t c = 0; c < key.in_channels; ++c)
            for (int64_t r = 0; r < key.kernel_height; ++r) {
              const int64_t row = input_position(key, 0, h, r);
              for (int64_t s = 0; row >= 0 && s < key.kernel_width; ++s) {
                const int64_t column = input_position(key, 1, v, s);
                if (column < 0) continue;
                sum = multiply_add(x[(image * key.in_channels + c) * plane + row * key.in_width + column],
                                   w[(o * key.in_channels + c) * kernel + r * key.kernel_width + s], sum);
              }
            }
          y[(task * height + h) * width + v] = bias != nullptr ? add(sum, bias[o]) : sum;
        }
    }
  });
}

template <class T>
void conv2d_data(const ContractionKey& key, const T* dy, const T* w, T* dx) {
  const auto [height, width] = output_extents(key);
  const int64_t kernel = key.kernel_height * key.kernel_width;
  parallel_for(key.images * key.in_channels, 1, [&, height = height, width = width](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t image = task / key.in_channels, c = task % key.in_channels;
      for (int64_t row = 0; row < key.in_height; ++row)
        for (int64_t column = 0; column < key.in_width; ++column) {
          T sum{0};
          for (int64_t o = 0; o < key.out_channels; ++o)
            for (int64_t r = 0; r < key.kernel_height; ++r) {
              const int64_t h = output_position(key, 0, height, row, r);
              for (int64_t s = 0; h >= 0 && s < key.kernel_width; ++s) {
                const int64_t v = output_position(key, 1, width, column, s);
                if (v < 0) continue;
                sum = multiply_add(dy[((image * key.out_channels + o) * height + h) * width + v],
                                   w[(o * key.in_channels + c) * kernel + r * key.kernel_width + s], sum);
              }
            }
          dx[(task * key.in_height + row) * key.in_width + column] = sum;
        }
    }
  });
}

template <class T>
void conv2d_weights(const ContractionKey& key, const T* x, const T* dy, T* dw, T* dbias) {
  const auto [height, width] = output_extents(key);
  const int64_t plane = key.in_height * key.in_width;
  parallel_for(key.out_channels, 1, [&, height = height, width = width](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      const auto gradient = [&](int64_t image, int64_t h, int64_t v) {
        return dy[((image * key.out_channels + o) * height + h) * width + v];
      };
      T* out = dw + o * key.in_channels * key.kernel_height * key.kernel_width;
      for (int64_t c = 0; c < key.in_channels; ++c)
        for (int64_t r = 0; r < key.kernel_height; ++r)
          for (int64_t s = 0; s < key.kernel_width; ++s) {
            T sum{0};
            for (int64_t image = 0; image < key.images; ++image)
              for (int64_t h = 0; h < height; ++h) {
                const int64_t row = input_position(key, 0, h, r);
                for (int64_t v = 0; row >= 0 && v < width; ++v) {
                  const int64_t column = input_position(key, 1, v, s);
                  if (column < 0) continue;
                  sum = multiply_add(x[(image * key.in_channels + c) * plane + row * key.in_width + column], gradient(image, h, v), sum);
                }
              }
            *out++ = sum;
          }
      if (dbias == nullptr) continue;
      T sum{0};
      for (int64_t image = 0; image < key.images; ++image)
        for (int64_t h = 0; h < height; ++h)
          for (int64_t v = 0; v < width; ++v) sum = add(sum, gradient(image, h, v));
      dbias[o] = sum;
    }
  });
}

template <class T>
void run(const ContractionKey& key, std::span<const void* const> inputs, std::span<void* const> outputs) {
  const auto in = [&](size_t i) { return i < inputs.size() ? static_cast<const T*>(inputs[i]) : nullptr; };
  const auto out = [&](size_t i) { return i < outputs.size() ? static_cast<T*>(outputs[i]) : nullptr; };
  switch (key.kind) {
    case ContractionKind::matmul: return matmul(key, in(0), in(1), in(2), out(0));
    case ContractionKind::conv2d: return conv2d(key, in(0), in(1), in(2), out(0));
    case ContractionKind::conv2d_data: return conv2d_data(key, in(0), in(1), out(0));
    case ContractionKind::conv2d_weights: return conv2d_weights(key, in(0), in(1), out(0), out(1));
  }
}

}  // namespace

void reference_contraction(const ContractionKey& key, std::span<const void* const> inputs, std::span<void* const> outputs) {
  switch (key.dtype) {
    case DType::U8: return run<uint8_t>(key, inputs, outputs);
    case DType::U16: return run<uint16_t>(key, inputs, outputs);
    case DType::U32: return run<uint32_t>(key, inputs, outputs);
    case DType::U64: return run<uint64_t>(key, inputs, outputs);
    case DType::I8: return run<int8_t>(key, inputs, outputs);
    case DType::I16: return run<int16_t>(key, inputs, outputs);
    case DType::I32: return run<int32_t>(key, inputs, outputs);
    case DType::I64: return run<int64_t>(key, inputs, outputs);
    case DType::F32: return run<float>(key, inputs, outputs);
    case DType::F64: return run<double>(key, inputs, outputs);
    case DType::F16:
    case DType::BF16:
    case DType::C64:
    case DType::C128:
    case DType::Bool: fail(ErrorCode::type, "contractions take numbers that are computed in, not " + std::string(name_of(key.dtype)));
  }
}

}  // namespace kiln::codegen
