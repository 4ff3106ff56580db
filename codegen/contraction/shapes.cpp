#include "codegen/contraction/shapes.h"

#include <initializer_list>

#include "codegen/error.h"

namespace kiln::codegen {
namespace {

std::string list(std::initializer_list<int64_t> extents) {
  std::string text = "[";
  for (const int64_t extent : extents) text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
  return text + "]";
}

std::string list(const std::array<int64_t, 2>& pair) { return list({pair[0], pair[1]}); }

std::string input_shape(const ContractionKey& key) { return list({key.images, key.in_channels, key.in_height, key.in_width}); }
std::string weight_shape(const ContractionKey& key) {
  return list({key.out_channels, key.in_channels, key.kernel_height, key.kernel_width});
}

std::string_view name_of(ContractionKind kind) {
  switch (kind) {
    case ContractionKind::matmul: return "matmul";
    case ContractionKind::conv2d: return "conv2d";
    case ContractionKind::conv2d_data: return "conv2d_data";
    case ContractionKind::conv2d_weights: return "conv2d_weights";
  }
  return "";
}

std::string operands(const ContractionKey& key) {
  if (is_convolution(key.kind)) return "input " + input_shape(key) + " and weight " + weight_shape(key);
  if (key.batch != 1) return list({key.batch, key.m, key.k}) + " and " + list({key.batch, key.k, key.n});
  return list({key.m, key.k}) + " and " + list({key.k, key.n});
}

[[noreturn]] void reject(const ContractionKey& key, const std::string& why) {
  fail(ErrorCode::value, std::string(name_of(key.kind)) + " of " + operands(key) + ": " + why);
}

// No array may have more elements than an index can count, whatever its dtype.
void require_countable(const ContractionKey& key, std::initializer_list<int64_t> extents) {
  double elements = 1;
  for (const int64_t extent : extents) {
    if (extent < 0) reject(key, "an extent is negative");
    elements *= static_cast<double>(extent);
  }
  if (elements > 0x1p59) reject(key, "an operand would have more elements than memory can hold");
}

int64_t extent_of(const ContractionKey& key, int axis) {
  const int64_t in = axis == 0 ? key.in_height : key.in_width, kernel = axis == 0 ? key.kernel_height : key.kernel_width;
  return in + 2 * key.padding[axis] - (key.dilation[axis] * (kernel - 1) + 1);
}

}  // namespace

bool is_convolution(ContractionKind kind) { return kind != ContractionKind::matmul; }

std::array<int64_t, 2> output_extents(const ContractionKey& key) {
  return {extent_of(key, 0) / key.stride[0] + 1, extent_of(key, 1) / key.stride[1] + 1};
}

void validate(const ContractionKey& key) {
  if (key.dtype == DType::Bool) fail(ErrorCode::type, std::string(name_of(key.kind)) + " takes numbers, not bool");
  if (!is_convolution(key.kind)) {
    require_countable(key, {key.batch, key.m, key.k});
    require_countable(key, {key.batch, key.k, key.n});
    require_countable(key, {key.batch, key.m, key.n});
    return;
  }
  require_countable(key, {key.images, key.in_channels, key.in_height, key.in_width});
  require_countable(key, {key.out_channels, key.in_channels, key.kernel_height, key.kernel_width});
  constexpr int64_t kMost = int64_t{1} << 30;  // of a setting, so that extents below cannot overflow
  for (int axis = 0; axis < 2; ++axis) {
    if (key.stride[axis] < 1 || key.stride[axis] > kMost) reject(key, "stride " + list(key.stride) + " must be at least 1");
    if (key.dilation[axis] < 1 || key.dilation[axis] > kMost) reject(key, "dilation " + list(key.dilation) + " must be at least 1");
    if (key.padding[axis] < 0 || key.padding[axis] > kMost) reject(key, "padding " + list(key.padding) + " must be at least 0");
    if ((axis == 0 ? key.kernel_height : key.kernel_width) < 1) reject(key, "the kernel has no elements");
    if ((axis == 0 ? key.in_height : key.in_width) > kMost) reject(key, "an image is too large");
    if ((axis == 0 ? key.kernel_height : key.kernel_width) > kMost) reject(key, "the kernel is too large");
    if (extent_of(key, axis) < 0)
      reject(key, "the kernel, " + list({key.kernel_height, key.kernel_width}) + " with dilation " + list(key.dilation) +
                      ", is larger than the padded input, " +
                      list({key.in_height + 2 * key.padding[0], key.in_width + 2 * key.padding[1]}));
  }
  const auto [height, width] = output_extents(key);
  require_countable(key, {key.images, key.out_channels, height, width});
}

bool is_empty(const ContractionKey& key) {
  if (!is_convolution(key.kind)) return key.batch == 0 || key.m == 0 || key.n == 0 || key.k == 0;
  return key.images == 0 || key.in_channels == 0 || key.in_height == 0 || key.in_width == 0 || key.out_channels == 0;
}

double flops(const ContractionKey& key) {
  if (!is_convolution(key.kind))
    return 2.0 * static_cast<double>(key.batch) * static_cast<double>(key.m) * static_cast<double>(key.n) * static_cast<double>(key.k);
  const auto [height, width] = output_extents(key);
  return 2.0 * static_cast<double>(key.images * key.out_channels) * static_cast<double>(height * width) *
         static_cast<double>(key.in_channels * key.kernel_height * key.kernel_width);
}

std::string print(const ContractionKey& key) {
  std::string text = std::string(name_of(key.kind)) + " " + std::string(kiln::name_of(key.dtype)) + " " + operands(key);
  if (!is_convolution(key.kind)) {
    if (key.transpose_a || key.transpose_b)
      text += std::string(", transposed ") + (key.transpose_a ? "a" : "") + (key.transpose_b ? "b" : "");
  } else {
    if (key.stride != std::array<int64_t, 2>{1, 1}) text += ", stride " + list(key.stride);
    if (key.padding != std::array<int64_t, 2>{0, 0}) text += ", padding " + list(key.padding);
    if (key.dilation != std::array<int64_t, 2>{1, 1}) text += ", dilation " + list(key.dilation);
  }
  return text + (key.bias ? ", bias" : "");
}

}  // namespace kiln::codegen
