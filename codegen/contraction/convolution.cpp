// Convolutions by oneDNN. The work is cut into slices of whole images; where there are few images, each is also cut along the
// channels of the result. Weights are reordered once a run into what the primitive prefers, by group of channels. Activations
// stay in the plan's layouts where oneDNN has a fast kernel for them, else each slice reorders its own part and back.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <vector>

#include "codegen/contraction/dnnl.h"
#include "codegen/contraction/pairwise.h"
#include "codegen/contraction/plans.h"
#include "codegen/contraction/shapes.h"
#include "codegen/contraction/tasks.h"

namespace kiln::codegen {
namespace {

constexpr double kFlopsPerSlice = 2e6;       // about 20 us on one thread
constexpr int64_t kSlices = 16;              // enough for 16 threads
constexpr double kFlopsPerLargeSlice = 1e8;  // large work is cut finer, for more threads
constexpr int64_t kMostSlices = 64;
constexpr int64_t kWeightSlices = 8;               // of conv2d_weights: each holds a partial result
constexpr double kPartialBytes = 32 << 20;         // and all of them together at most so much
constexpr int64_t kChannelUnit = 16;               // a group of channels is a multiple of this
constexpr double kParallelReorderBytes = 1 << 18;  // weights beyond this are reordered in pieces
constexpr int64_t kPieceChannels = 64;             // of so many output channels: a multiple of oneDNN's usual blocks

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// How one activation or weight array of a slice gets from its place in the plan's operands to the primitive's layout.
struct Transfer {
  dnnl::Primitive reorder;  // empty where both are the same
  int64_t bytes = 0;        // in the primitive's layout

  // `inward`: from the operand to the primitive.
  Transfer() = default;
  Transfer(const_dnnl_memory_desc_t operand, const_dnnl_memory_desc_t primitive, bool inward)
      : bytes(static_cast<int64_t>(dnnl::bytes(primitive))) {
    if (dnnl::same(operand, primitive)) return;
    reorder = dnnl::Primitive(inward ? dnnl::reorder(operand, primitive) : dnnl::reorder(primitive, operand));
  }
  size_t buffer_bytes() const { return reorder ? aligned(bytes) : 0; }
  void run(const void* from, void* to) const {
    const Scratch scratch(reorder.scratch_bytes());
    const dnnl::Argument arguments[] = {{DNNL_ARG_FROM, const_cast<void*>(from)}, {DNNL_ARG_TO, to}};
    reorder.run(arguments, scratch.data());
  }
};

// What differs between the three kinds: which operand is which, in oneDNN's words.
struct Roles {
  int input, weights, output;  // x, w, y or their gradients
  int bias;
};
Roles roles(ContractionKind kind) {
  switch (kind) {
    case ContractionKind::conv2d_data: return {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST, 0};
    case ContractionKind::conv2d_weights: return {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_BIAS};
    default: return {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_BIAS};
  }
}

Layout layout_for(int64_t channels) { return channels % kChannelUnit == 0 ? Layout::blocked16 : Layout::plain; }

// One slice's shape and the primitives that run it. A plan has two at most: most slices, and the last.
class SliceKernel {
 public:
  // A slice of `images` images with `in` of the input channels or `out` of the output channels.
  SliceKernel(const ContractionKey& key, int64_t images, int64_t in, int64_t out) : kind_(key.kind) {
    const auto [height, width] = output_extents(key);
    const Roles role = roles(key.kind);
    const dnnl::Descriptor x = dnnl::describe_activation({images, in, key.in_height, key.in_width}, layout_for(key.in_channels));
    const dnnl::Descriptor y = dnnl::describe_activation({images, out, height, width}, layout_for(key.out_channels));

    dnnl::PrimitiveDescriptor direct = describe(key, x.get(), y.get(), in, out);
    if (direct == nullptr || !is_fast(key, direct)) {
      const dnnl::Descriptor any_x = dnnl::describe({images, in, key.in_height, key.in_width}, dnnl_format_tag_any);
      const dnnl::Descriptor any_y = dnnl::describe({images, out, height, width}, dnnl_format_tag_any);
      dnnl::PrimitiveDescriptor free = describe(key, any_x.get(), any_y.get(), in, out);
      if (free != nullptr && (direct == nullptr || is_fast(key, free))) direct = std::move(free);
    }
    convolution_ = dnnl::Primitive(std::move(direct));
    const auto& chosen = convolution_.descriptor();
    input_ = Transfer(x.get(), dnnl::layout_of(chosen, role.input), kind_ != ContractionKind::conv2d_data);
    output_ = Transfer(y.get(), dnnl::layout_of(chosen, role.output), kind_ != ContractionKind::conv2d);
    weight_bytes_ = aligned(dnnl::bytes(weight_layout()));
  }

  const_dnnl_memory_desc_t weight_layout() const { return dnnl::layout_of(convolution_.descriptor(), roles(kind_).weights); }
  size_t weight_bytes() const { return weight_bytes_; }
  std::string implementation() const {
    return dnnl::implementation(convolution_.descriptor()) + (input_.reorder || output_.reorder ? ", reordered inside" : "");
  }

  // Pointers to the slice's parts of x (dx), packed w (dw), bias (dbias) or null, y (dy).
  void run(float* x, void* w, float* bias, float* y) const {
    const Roles role = roles(kind_);
    const size_t scratchpad = aligned(convolution_.scratch_bytes());
    const Scratch scratch(scratchpad + input_.buffer_bytes() + output_.buffer_bytes());
    char* const inside = static_cast<char*>(scratch.data()) + scratchpad;
    void* const inner_x = input_.reorder ? inside : static_cast<void*>(x);
    void* const inner_y = output_.reorder ? inside + input_.buffer_bytes() : static_cast<void*>(y);

    if (input_.reorder && kind_ != ContractionKind::conv2d_data) input_.run(x, inner_x);
    if (output_.reorder && kind_ != ContractionKind::conv2d) output_.run(y, inner_y);
    const dnnl::Argument arguments[] = {{role.input, inner_x}, {role.weights, w}, {role.output, inner_y}, {role.bias, bias}};
    convolution_.run(std::span(arguments).first(bias != nullptr ? 4 : 3), scratch.data());
    if (input_.reorder && kind_ == ContractionKind::conv2d_data) input_.run(inner_x, x);
    if (output_.reorder && kind_ == ContractionKind::conv2d) output_.run(inner_y, y);
  }

 private:
  static dnnl::PrimitiveDescriptor describe(const ContractionKey& key, const_dnnl_memory_desc_t x, const_dnnl_memory_desc_t y, int64_t in,
                                            int64_t out) {
    const dnnl::Descriptor w = dnnl::describe({out, in, key.kernel_height, key.kernel_width}, dnnl_format_tag_any);
    const dnnl::Descriptor bias = key.bias ? dnnl::describe({out}, dnnl_a) : nullptr;
    dnnl::Geometry geometry{key.stride, key.dilation, key.padding, {}};
    const auto outputs = output_extents(key);
    for (int axis = 0; axis < 2; ++axis) {  // oneDNN wants the padding that is used, which may be less than what was given, or negative
      const int64_t kernel = axis == 0 ? key.kernel_height : key.kernel_width, extent = axis == 0 ? key.in_height : key.in_width;
      geometry.padding_after[axis] =
          (outputs[axis] - 1) * key.stride[axis] + key.dilation[axis] * (kernel - 1) + 1 - extent - key.padding[axis];
    }
    switch (key.kind) {
      case ContractionKind::conv2d_data: return dnnl::convolution_data(x, w.get(), y, geometry);
      case ContractionKind::conv2d_weights: return dnnl::convolution_weights(x, w.get(), bias.get(), y, geometry);
      default: return dnnl::convolution(x, w.get(), bias.get(), y, geometry);
    }
  }

  // Whether it is worth taking as it is rather than reordering to layouts of oneDNN's choice. Plain loops and im2col are not, except that a
  // data gradient to one or few channels wastes most of a blocked kernel.
  static bool is_fast(const ContractionKey& key, const dnnl::PrimitiveDescriptor& descriptor) {
    const std::string name = dnnl::implementation(descriptor);
    if (name.starts_with("ref")) return false;
    if (name.find("gemm") == std::string::npos) return true;
    return key.kind == ContractionKind::conv2d_data && key.in_channels < kChannelUnit / 2;
  }

  ContractionKind kind_;
  dnnl::Primitive convolution_;
  Transfer input_, output_;
  size_t weight_bytes_ = 0;
};

// Weights of one group of channels between plain [O, I, KH, KW] and a primitive's layout, in equal pieces if that is much work.
class WeightPacking {
 public:
  // The group has out x in channels of the key's; `packs` for weights, otherwise it unpacks their gradient.
  WeightPacking(const ContractionKey& key, int64_t out, int64_t in, const SliceKernel& slice, bool packs) : packs_(packs) {
    const int64_t kernel = key.kernel_height * key.kernel_width;
    const auto bytes = static_cast<double>(out * in * kernel * 4);
    const auto describe_plain = [&](int64_t channels) {
      return dnnl::describe_strided({channels, in, key.kernel_height, key.kernel_width},
                                    {key.in_channels * kernel, kernel, key.kernel_width, 1});
    };
    const auto part = [&](int64_t channels, int64_t first) {
      return dnnl::part_of(slice.weight_layout(), {channels, in, key.kernel_height, key.kernel_width}, {first, 0, 0, 0});
    };
    int64_t piece = out;
    if (bytes > kParallelReorderBytes && out % kPieceChannels == 0 && part(kPieceChannels, 0) != nullptr) piece = kPieceChannels;
    const dnnl::Descriptor plain = describe_plain(piece), packed = part(piece, 0);
    reorder_ = dnnl::Primitive(packs ? dnnl::reorder(plain.get(), packed.get()) : dnnl::reorder(packed.get(), plain.get()));
    for (int64_t o = 0; o < out; o += piece) pieces_.push_back({o * key.in_channels * kernel, dnnl::offset(part(piece, o).get())});
  }

  int64_t pieces() const { return static_cast<int64_t>(pieces_.size()); }
  void run(int64_t piece, float* plain, float* packed) const {
    const auto [plain_offset, packed_offset] = pieces_[piece];
    const Scratch scratch(reorder_.scratch_bytes());
    void* const a = plain + plain_offset;
    void* const b = packed + packed_offset;
    const dnnl::Argument arguments[] = {{DNNL_ARG_FROM, packs_ ? a : b}, {DNNL_ARG_TO, packs_ ? b : a}};
    reorder_.run(arguments, scratch.data());
  }

 private:
  struct Offsets {
    int64_t plain, packed;  // in elements
  };
  bool packs_;
  dnnl::Primitive reorder_;
  std::vector<Offsets> pieces_;
};

// The cut of a convolution by shape.
struct Cut {
  int64_t images_per_slice, image_slices;
  int64_t channels_per_group, groups;  // of the result's channels; more than one group only with one image a slice
};

int64_t result_channels(const ContractionKey& key) { return key.kind == ContractionKind::conv2d_data ? key.in_channels : key.out_channels; }

Cut cut_of(const ContractionKey& key) {
  const double work = flops(key);
  int64_t wanted = std::clamp<int64_t>(static_cast<int64_t>(work / kFlopsPerSlice), 1, kSlices);
  wanted = std::max(wanted, std::min<int64_t>(static_cast<int64_t>(work / kFlopsPerLargeSlice), kMostSlices));
  wanted = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(wanted)));  // two threads, or four, get equal shares
  int64_t image_slices = std::min(wanted, key.images);
  if (key.kind == ContractionKind::conv2d_weights) {
    const auto partial = static_cast<double>(key.out_channels * key.in_channels * key.kernel_height * key.kernel_width * 4);
    image_slices = std::min(image_slices, std::clamp<int64_t>(static_cast<int64_t>(kPartialBytes / partial), 2, kWeightSlices));
  }
  const int64_t per_slice = ceil_div(key.images, image_slices);
  const int64_t channels = result_channels(key);
  int64_t per_group = channels;
  if (per_slice == 1) {
    const int64_t groups = std::clamp<int64_t>(wanted / key.images, 1, std::max<int64_t>(1, channels / (2 * kChannelUnit)));
    per_group = std::min(channels, ceil_div(ceil_div(channels, groups), kChannelUnit) * kChannelUnit);
  }
  return {per_slice, ceil_div(key.images, per_slice), per_group, ceil_div(channels, per_group)};
}

class ConvolutionPlan final : public ContractionPlan {
 public:
  explicit ConvolutionPlan(const ContractionKey& key)
      : key_(key), cut_(cut_of(key)), kernel_(slice_kernel(cut_.images_per_slice, cut_.channels_per_group)) {
    // The last image slice shares the weights of the others, so it must like the same layout of them; else all slices become equal.
    if (const int64_t rest = key.images % cut_.images_per_slice; rest != 0) {
      last_ = std::make_unique<const SliceKernel>(slice_kernel(rest, cut_.channels_per_group));
      if (!dnnl::same(last_->weight_layout(), kernel_.weight_layout())) {
        last_.reset();
        while (key.images % cut_.images_per_slice != 0) --cut_.images_per_slice;
        cut_.image_slices = key.images / cut_.images_per_slice;
        kernel_ = slice_kernel(cut_.images_per_slice, cut_.channels_per_group);
      }
    }
    packing_.push_back(packing(kernel_, cut_.channels_per_group));
    if (const int64_t rest = result_channels(key) % cut_.channels_per_group; rest != 0) {
      last_ = std::make_unique<const SliceKernel>(slice_kernel(1, rest));
      packing_.push_back(packing(*last_, rest));
    }
    weight_bytes_ = static_cast<int64_t>(kernel_.weight_bytes()) * (cut_.groups - 1) +
                    static_cast<int64_t>(packing_.size() > 1 ? last_->weight_bytes() : kernel_.weight_bytes());
    const Layout x = layout_for(key.in_channels), y = layout_for(key.out_channels);
    switch (key.kind) {
      case ContractionKind::conv2d_data: inputs_ = {y, Layout::plain}, outputs_ = {x}; break;
      case ContractionKind::conv2d_weights: inputs_ = {x, y}, outputs_ = {Layout::plain}; break;
      default: inputs_ = {x, Layout::plain}, outputs_ = {y};
    }
    if (key.bias && key.kind != ContractionKind::conv2d_data) (is_weights() ? outputs_ : inputs_).push_back(Layout::plain);
  }

  std::span<const Layout> input_layouts() const override { return inputs_; }
  std::span<const Layout> output_layouts() const override { return outputs_; }
  double flops() const override { return codegen::flops(key_); }
  size_t scratch_bytes() const override { return is_weights() ? part_bytes() * cut_.image_slices : weight_bytes_; }

  void run(std::span<const void* const> inputs, std::span<void* const> outputs, void* scratch) const override {
    const auto in = [&](size_t i) { return i < inputs.size() ? static_cast<float*>(const_cast<void*>(inputs[i])) : nullptr; };
    const auto out = [&](size_t i) { return i < outputs.size() ? static_cast<float*>(outputs[i]) : nullptr; };
    char* const base = static_cast<char*>(scratch);
    switch (key_.kind) {
      case ContractionKind::conv2d_data: pack(in(1), base); return run_slices(out(0), base, nullptr, in(0));
      case ContractionKind::conv2d_weights: {
        run_slices(in(0), base, key_.bias ? reinterpret_cast<float*>(base + weight_bytes_) : nullptr, in(1));
        auto* const parts = static_cast<float*>(scratch);
        sum_pairwise(parts, cut_.image_slices, part_bytes() / static_cast<int64_t>(sizeof(float)), parts);
        pack(out(0), base);
        if (key_.bias) std::memcpy(out(1), base + weight_bytes_, key_.out_channels * sizeof(float));
        return;
      }
      default: pack(in(1), base); return run_slices(in(0), base, key_.bias ? in(2) : nullptr, out(0));
    }
  }

  std::string describe() const override {
    return print(key_) + ": " + std::to_string(cut_.image_slices) + (cut_.groups > 1 ? " x " + std::to_string(cut_.groups) : "") +
           " slices of oneDNN " + kernel_.implementation();
  }

 private:
  bool is_weights() const { return key_.kind == ContractionKind::conv2d_weights; }
  // A partial result of conv2d_weights: dw in the primitive's layout, then dbias.
  int64_t part_bytes() const { return weight_bytes_ + static_cast<int64_t>(key_.bias ? aligned(key_.out_channels * sizeof(float)) : 0); }

  SliceKernel slice_kernel(int64_t images, int64_t channels) const {
    return key_.kind == ContractionKind::conv2d_data ? SliceKernel(key_, images, channels, key_.out_channels)
                                                     : SliceKernel(key_, images, key_.in_channels, channels);
  }
  WeightPacking packing(const SliceKernel& slice, int64_t channels) const {
    return key_.kind == ContractionKind::conv2d_data ? WeightPacking(key_, key_.out_channels, channels, slice, true)
                                                     : WeightPacking(key_, channels, key_.in_channels, slice, !is_weights());
  }

  // All groups of weights into (or, for their gradient, out of) the primitives' layouts.
  void pack(float* plain, char* packed) const {
    const int64_t pieces = packing_[0].pieces();
    const int64_t kernel = key_.kernel_height * key_.kernel_width;
    const int64_t per_channel = key_.kind == ContractionKind::conv2d_data ? kernel : key_.in_channels * kernel;
    const int64_t rest = packing_.size() > 1 ? packing_[1].pieces() : pieces;
    run_tasks((cut_.groups - 1) * pieces + rest, [&](int64_t task) {
      const int64_t group = std::min(task / pieces, cut_.groups - 1);
      const WeightPacking& packing = group == cut_.groups - 1 ? packing_.back() : packing_[0];
      packing.run(task - group * pieces, plain + group * cut_.channels_per_group * per_channel,
                  reinterpret_cast<float*>(packed + group * static_cast<int64_t>(kernel_.weight_bytes())));
    });
  }

  // `weights` and `bias` are partial results for conv2d_weights, one after the other, else the same for all slices.
  void run_slices(float* x, char* weights, float* bias, float* y) const {
    const auto [height, width] = output_extents(key_);
    const int64_t x_image = key_.in_channels * key_.in_height * key_.in_width, y_image = key_.out_channels * height * width;
    const bool cuts_x = key_.kind == ContractionKind::conv2d_data;  // else groups are of y's channels
    const int64_t x_group = cuts_x ? cut_.channels_per_group * key_.in_height * key_.in_width : 0;
    const int64_t y_group = cuts_x ? 0 : cut_.channels_per_group * height * width;
    const int64_t part = is_weights() ? part_bytes() : 0;
    run_tasks(cut_.image_slices * cut_.groups, [&](int64_t task) {
      const int64_t slice = task / cut_.groups, group = task % cut_.groups;
      const bool is_last = last_ != nullptr && (cut_.groups > 1 ? group == cut_.groups - 1 : slice == cut_.image_slices - 1);
      const SliceKernel& kernel = is_last ? *last_ : kernel_;
      const int64_t image = slice * cut_.images_per_slice;
      char* const w = weights + slice * part + group * static_cast<int64_t>(kernel_.weight_bytes());
      float* const b =
          bias == nullptr ? nullptr : bias + slice * part / static_cast<int64_t>(sizeof(float)) + group * cut_.channels_per_group;
      kernel.run(x + image * x_image + group * x_group, w, b, y + image * y_image + group * y_group);
    });
  }

  const ContractionKey key_;
  Cut cut_;
  SliceKernel kernel_;
  std::unique_ptr<const SliceKernel> last_;  // the last image slice or the last group of channels, where it is smaller
  std::vector<WeightPacking> packing_;       // of kernel_'s groups, and of last_'s
  int64_t weight_bytes_ = 0;                 // of all groups, packed
  std::vector<Layout> inputs_, outputs_;
};

}  // namespace

std::unique_ptr<const ContractionPlan> make_convolution_plan(const ContractionKey& key) {
  return std::make_unique<const ConvolutionPlan>(key);
}

}  // namespace kiln::codegen
