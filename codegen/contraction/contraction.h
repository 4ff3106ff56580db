// Contractions: matrix product and 2-d convolution with its gradients, run by one PLAN per (operation, shapes, dtype, ISA).
//
// A plan names the physical layouts of the large operands and cuts the work into slices by shape alone, run on our pool; partial sums are
// added pairwise. Eager code gives plain operands and the plan's user reorders into the plan's
// layouts and back; compiled code may cancel inverse reorders, so both run the very same calls on the same bits. Thread count never changes a result.
//
// f32 products run on our own kernel (gemm.h): each element is one chain of fused multiply-adds over k, the same bits on every instruction set.
// f32 convolutions are single-threaded oneDNN calls, one a slice (oneDNN is opened lazily: KILN_DNNL, or set_dnnl_path, or the loader's path;
// where it is missing, Error{runtime} names the package `onednn-cpu-gomp`); with 3 x 3 kernels and channels enough, Winograd's minimal
// filtering on our kernel (winograd.h); with channels too few to fill vectors, a kernel that has images on the lanes (image_lanes.h). Which,
// follows from the shape. Other dtypes run on plain loops, in the order stated in reference.h.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "codegen/dtype.h"

namespace kiln::codegen {

// Physical layout of an activation [N, C, H, W]: plain (row-major); for C a multiple of 16, blocked16, [N, C/16, H, W, 16]
// (oneDNN's nChw16c, also used under AVX2 so that layouts do not depend on the machine where possible); or, for N a multiple of 16,
// images16, [N/16, C, H, W, 16].
enum class Layout : uint8_t { plain, blocked16, images16 };
constexpr std::string_view name_of(Layout layout) {
  return layout == Layout::plain ? "plain" : layout == Layout::blocked16 ? "blocked16" : "images16";
}
inline constexpr int64_t kLayoutBlock = 16;  // what the split axis of a layout is a multiple of
// The axis that is split into its blocks and, as the last dimension of the memory, the 16 of a block. -1 for plain.
constexpr int split_axis(Layout layout) { return layout == Layout::blocked16 ? 1 : layout == Layout::images16 ? 0 : -1; }

enum class ContractionKind : uint8_t {
  matmul,          // c[m,n] = a[m,k] b[k,n] (+ bias[n]); batched over `batch`
  conv2d,          // y = x * w (+ bias)
  conv2d_data,     // dx from dy, w
  conv2d_weights,  // dw (and dbias) from x, dy
};

struct ContractionKey {
  ContractionKind kind = ContractionKind::matmul;
  DType dtype = DType::F32;
  bool bias = false;
  bool transpose_a = false, transpose_b = false;                     // matmul: the operand's memory is [k,m] / [n,k], row-major
  int64_t batch = 1, m = 0, n = 0, k = 0;                            // matmul
  int64_t images = 0, in_channels = 0, in_height = 0, in_width = 0;  // conv2d*, groups = 1
  int64_t out_channels = 0, kernel_height = 0, kernel_width = 0;
  std::array<int64_t, 2> stride{1, 1}, padding{0, 0}, dilation{1, 1};
  bool operator==(const ContractionKey&) const = default;
};

// Operands by kind, in order:
//   matmul          inputs a, b, (bias)      outputs c
//   conv2d          inputs x, w, (bias)      outputs y
//   conv2d_data     inputs dy, w             outputs dx
//   conv2d_weights  inputs x, dy             outputs dw, (dbias)
class ContractionPlan {
 public:
  virtual ~ContractionPlan() = default;
  virtual std::span<const Layout> input_layouts() const = 0;  // weights, bias, matrices: plain
  virtual std::span<const Layout> output_layouts() const = 0;
  virtual size_t scratch_bytes() const = 0;  // 64-byte aligned scratch the run needs
  virtual double flops() const = 0;
  virtual void run(std::span<const void* const> inputs, std::span<void* const> outputs, void* scratch) const = 0;
  virtual std::string describe() const = 0;  // "conv2d 64x32x26x26 ... : 8 slices of oneDNN brgconv:avx512_core"
};

// The process's plan for a key; made once (0.2 to 0.7 ms), cached. Thread-safe. Errors: Error{value} for shapes that do not fit.
std::shared_ptr<const ContractionPlan> contraction_plan(const ContractionKey&);

// Throws the Error{runtime} that running this contraction would throw for want of a library. Cheap: for calls that are put off.
void require_library(const ContractionKey&);

// Reorders a dense [N, C, H, W] f32 activation between plain and another layout, on the pool. The split axis is a multiple of 16.
void reorder(const float* source, Layout from, float* destination, Layout to, std::array<int64_t, 4> nchw);

void set_dnnl_path(const std::string& path);  // before the first f32 contraction

}  // namespace kiln::codegen
