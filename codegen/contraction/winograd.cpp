// Convolutions with 3 x 3 kernels by Winograd's minimal filtering, on our own matrix kernel. The work is cut into chunks of tiles by shape:
// a chunk's tiles are transformed, multiplied and transformed back while they are in the second-level cache. Chains over channels (over
// tiles, for the weights' gradient) are in one order, so both instruction sets give the same bits.
//
// What is finite by the definition may overflow here only where it nearly does there; and an infinity comes out as NaN. So where a result is
// not finite, the whole contraction is run again by the definition, and has its infinities.
#include "codegen/contraction/winograd.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <mutex>
#include <vector>

#include "codegen/backend.h"
#include "codegen/contraction/gemm.h"
#include "codegen/contraction/pairwise.h"
#include "codegen/contraction/plans.h"
#include "codegen/contraction/shapes.h"
#include "codegen/contraction/tasks.h"
#include "codegen/error.h"

namespace kiln::codegen {
namespace {

constexpr int64_t kBlock = 16;              // channels of a vector, and of a block of the layout
constexpr int64_t kPanel = 32;              // result channels come in multiples of this: a matrix kernel's widest panel
constexpr int64_t kMostWeights = 8192;      // in x out channels: 16 matrices of them stay in the second-level cache
constexpr int64_t kChunkBytes = 384 << 10;  // of a chunk's transformed tiles
constexpr int64_t kMostTiles = 64;          // of a chunk
constexpr int64_t kFewestTiles = 32;        // in all; fewer are not worth transforming weights for
constexpr int64_t kPad = 16;                // floats between matrices, so that their rows do not share cache sets
constexpr int64_t kTilesPerPart = 512;      // of the weights' gradient: each part is a partial result
constexpr int64_t kMostParts = 8;
constexpr double kTransformFlops = 160;  // what transforming a tile costs for each channel, in flops of the matrix kernel

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t round_up(int64_t a, int64_t unit) { return ceil_div(a, unit) * unit; }

// The convolution that is computed: of `in` channels to `out` channels, 2 x 2 outputs a tile. The data gradient is one of dy with the
// filters turned around; the weights' gradient has the forward convolution's tiles.
struct Form {
  int64_t images, in, out;
  int64_t height, width;          // of what is read
  int64_t out_height, out_width;  // of what is written (or of dy)
  std::array<int64_t, 2> padding;
  int64_t tile_rows() const { return ceil_div(out_height, 2); }
  int64_t tile_columns() const { return ceil_div(out_width, 2); }
  int64_t tiles() const { return images * tile_rows() * tile_columns(); }
};

Form form_of(const ContractionKey& key) {
  const auto [height, width] = output_extents(key);
  if (key.kind == ContractionKind::conv2d_data)
    return {key.images, key.out_channels, key.in_channels, height,
            width,      key.in_height,    key.in_width,    {2 - key.padding[0], 2 - key.padding[1]}};
  return {key.images, key.in_channels, key.out_channels, key.in_height, key.in_width, height, width, key.padding};
}

// A run of tiles side by side.
struct Run {
  int64_t image, row, column, count;
};
template <class Visit>
void for_each_run(const Form& f, int64_t begin, int64_t end, const Visit& visit) {
  for (int64_t t = begin; t < end;) {
    const int64_t row = t / f.tile_columns(), column = t % f.tile_columns();
    const int64_t count = std::min(f.tile_columns() - column, end - t);
    visit(Run{row / f.tile_rows(), row % f.tile_rows(), column, count}, t - begin);
    t += count;
  }
}

// Pixels of one block of channels of one image.
struct Plane {
  float* pixels;
  int64_t height, width;
  float* at(int64_t y, int64_t x) const { return pixels + (y * width + x) * kBlock; }
};

// The tiles of a run whose pixels [first, first + extent) all exist, as [begin, end) within it.
struct Inside {
  int64_t begin, end;
  Inside(const Run& run, int64_t padding_rows, int64_t padding_columns, int64_t extent, const Plane& p) {
    const int64_t y = 2 * run.row - padding_rows, x = 2 * run.column - padding_columns;
    begin = x < 0 ? std::min(run.count, ceil_div(-x, 2)) : 0;
    end = std::clamp<int64_t>((p.width - extent - x) >= 0 ? (p.width - extent - x) / 2 + 1 : 0, begin, run.count);
    if (y < 0 || y + extent > p.height) begin = end = run.count;
  }
};

// Transforms a run's tiles of extent x extent pixels; those that reach beyond the image one by one, from a copy with zeros around it.
template <class Transform>
void transform_run(const Run& run, const std::array<int64_t, 2>& padding, int64_t extent, const Plane& p, float* out, int64_t out_step,
                   int64_t matrix, const Transform& transform) {
  const Inside inside(run, padding[0], padding[1], extent, p);
  const int64_t y = 2 * run.row - padding[0];
  const auto x_of = [&](int64_t t) { return 2 * (run.column + t) - padding[1]; };
  const auto at_edge = [&](int64_t t) {
    alignas(64) float copy[4 * 4 * kBlock] = {};
    const int64_t x = x_of(t);
    for (int64_t i = std::max<int64_t>(0, -y); i < std::min(extent, p.height - y); ++i)
      if (const int64_t from = std::max<int64_t>(0, -x), to = std::min(extent, p.width - x); from < to)
        std::memcpy(copy + (i * extent + from) * kBlock, p.at(y + i, x + from), (to - from) * kBlock * sizeof(float));
    transform(WinogradTransforms::Image{copy, extent * kBlock, 0, 1, out + t * out_step, out_step, matrix});
  };
  for (int64_t t = 0; t < inside.begin; ++t) at_edge(t);
  if (inside.begin < inside.end)
    transform(WinogradTransforms::Image{p.at(y, x_of(inside.begin)), p.width * kBlock, 2 * kBlock, inside.end - inside.begin,
                                        out + inside.begin * out_step, out_step, matrix});
  for (int64_t t = inside.end; t < run.count; ++t) at_edge(t);
}

class WinogradPlan final : public ContractionPlan {
 public:
  explicit WinogradPlan(const ContractionKey& key)
      : key_(key),
        form_(form_of(key)),
        transforms_(isa() == Isa::avx512 ? avx512_winograd_transforms() : avx2_winograd_transforms()),
        kernel_(isa() == Isa::avx512 ? avx512_tile_kernel() : avx2_tile_kernel()) {
    const int64_t per_tile = kWinogradMatrices * (form_.in + form_.out) * static_cast<int64_t>(sizeof(float));
    chunk_ = std::clamp<int64_t>(kChunkBytes / per_tile / 8 * 8, 16, kMostTiles);
    chunks_ = ceil_div(form_.tiles(), chunk_);
    in_matrix_ = chunk_ * form_.in + kPad;
    out_matrix_ = chunk_ * form_.out + kPad;
    if (is_weights())
      while (parts_ < kMostParts && form_.tiles() / (2 * parts_) >= kTilesPerPart) parts_ *= 2;
    chunks_per_part_ = ceil_div(chunks_, parts_);
    parts_ = ceil_div(chunks_, chunks_per_part_);
    inputs_ = {Layout::blocked16, is_weights() ? Layout::blocked16 : Layout::plain};
    outputs_ = {is_weights() ? Layout::plain : Layout::blocked16};
    if (key.bias && key.kind != ContractionKind::conv2d_data) (is_weights() ? outputs_ : inputs_).push_back(Layout::plain);
  }

  std::span<const Layout> input_layouts() const override { return inputs_; }
  std::span<const Layout> output_layouts() const override { return outputs_; }
  double flops() const override { return codegen::flops(key_); }
  size_t scratch_bytes() const override { return (is_weights() ? parts_ * part_floats() : weight_floats()) * sizeof(float); }

  void run(std::span<const void* const> inputs, std::span<void* const> outputs, void* scratch) const override {
    const auto in = [&](size_t i) { return i < inputs.size() ? static_cast<float*>(const_cast<void*>(inputs[i])) : nullptr; };
    const auto out = [&](size_t i) { return i < outputs.size() ? static_cast<float*>(outputs[i]) : nullptr; };
    auto* const memory = static_cast<float*>(scratch);
    const bool finite = is_weights() ? run_weights(in(0), in(1), out(0), key_.bias ? out(1) : nullptr, memory)
                                     : run_images(in(0), in(1), key_.bias ? in(2) : nullptr, out(0), memory);
    if (!finite) run_definition(inputs, outputs);
  }

  std::string describe() const override {
    return print(key_) + ": " + std::to_string(is_weights() ? parts_ : chunks_) + " slices of Winograd " +
           (is_weights() ? "F(3x3, 2x2)" : "F(2x2, 3x3)");
  }

 private:
  bool is_weights() const { return key_.kind == ContractionKind::conv2d_weights; }
  int64_t weight_matrix() const { return form_.in * form_.out; }
  int64_t weight_floats() const { return kWinogradMatrices * weight_matrix(); }
  int64_t part_floats() const { return weight_floats() + (key_.bias ? round_up(form_.out, kBlock) : 0); }
  Plane input_plane(float* data, int64_t image, int64_t block) const {
    return {data + (image * form_.in / kBlock + block) * form_.height * form_.width * kBlock, form_.height, form_.width};
  }
  Plane output_plane(float* data, int64_t image, int64_t block) const {
    return {data + (image * form_.out / kBlock + block) * form_.out_height * form_.out_width * kBlock, form_.out_height, form_.out_width};
  }

  // ---- y from x, dx from dy ----

  bool run_images(float* x, const float* w, const float* bias, float* y, float* packed) const {
    pack_weights(w, packed);
    std::atomic<bool> finite{true};
    run_tasks(chunks_, [&](int64_t chunk) {
      const int64_t begin = chunk * chunk_, end = std::min(begin + chunk_, form_.tiles());
      const Scratch memory((in_matrix_ + out_matrix_) * kWinogradMatrices * sizeof(float));
      float* const tiles = memory.floats();
      float* const products = tiles + kWinogradMatrices * in_matrix_;
      transform_patches(x, begin, end, tiles);
      for (int m = 0; m < kWinogradMatrices; ++m)
        multiply(end - begin, tiles + m * in_matrix_, packed + m * weight_matrix(), products + m * out_matrix_);
      if (!transform_results(products, bias, y, begin, end)) finite.store(false, std::memory_order_relaxed);
    });
    return finite;
  }

  // products[tile, out] = tiles[tile, in] weights[in, out], whose columns are packed in panels.
  void multiply(int64_t tiles, const float* a, const float* panels, float* c) const {
    for (int64_t j = 0; j < form_.out; j += kernel_.columns)
      for (int64_t i = 0; i < tiles; i += kernel_.rows) {
        const int64_t rows = std::min<int64_t>(kernel_.rows, tiles - i);
        kernel_.by_rows[rows - 1](form_.in, a + i * form_.in, form_.in, 1, panels + j * form_.in, c + i * form_.out + j, form_.out, false);
      }
  }

  void transform_patches(float* x, int64_t begin, int64_t end, float* tiles) const {
    for_each_run(form_, begin, end, [&](const Run& run, int64_t at) {
      for (int64_t block = 0; block < form_.in / kBlock; ++block)
        transform_run(run, form_.padding, 4, input_plane(x, run.image, block), tiles + at * form_.in + block * kBlock, form_.in, in_matrix_,
                      transforms_.patches);
    });
  }

  bool transform_results(const float* products, const float* bias, float* y, int64_t begin, int64_t end) const {
    bool finite = true;
    for_each_run(form_, begin, end, [&](const Run& run, int64_t at) {
      for (int64_t block = 0; block < form_.out / kBlock; ++block) {
        const Plane p = output_plane(y, run.image, block);
        const float* const from = products + at * form_.out + block * kBlock;
        const float* const b = bias != nullptr ? bias + block * kBlock : nullptr;
        const bool row_fits = 2 * run.row + 2 <= p.height;
        const int64_t whole = row_fits ? std::min(run.count, p.width / 2 - run.column) : 0;
        finite &=
            transforms_.results({from, form_.out, out_matrix_, b, p.at(2 * run.row, 2 * run.column), p.width * kBlock, 2 * kBlock, whole});
        for (int64_t t = whole; t < run.count; ++t) {
          alignas(64) float tile[2 * 2 * kBlock];
          finite &= transforms_.results({from + t * form_.out, 0, out_matrix_, b, tile, 2 * kBlock, 0, 1});
          const int64_t column = 2 * (run.column + t), columns = std::min<int64_t>(2, p.width - column);
          for (int64_t i = 0; i < std::min<int64_t>(2, p.height - 2 * run.row); ++i)
            std::memcpy(p.at(2 * run.row + i, column), tile + i * 2 * kBlock, columns * kBlock * sizeof(float));
        }
      }
    });
    return finite;
  }

  // The filters' transforms as 16 matrices [in, out], the columns of each in panels of the matrix kernel's width.
  void pack_weights(const float* w, float* packed) const {
    const bool turned = key_.kind == ContractionKind::conv2d_data;
    const int64_t in_stride = turned ? key_.in_channels * 9 : 9, out_stride = turned ? 9 : key_.in_channels * 9;
    run_tasks(form_.out / kBlock, [&](int64_t block) {
      const int64_t j = block * kBlock;
      float* const panel = packed + j / kernel_.columns * kernel_.columns * form_.in + j % kernel_.columns;
      for (int64_t i = 0; i < form_.in; ++i) {
        alignas(64) float taps[9 * kBlock];
        for (int64_t lane = 0; lane < kBlock; ++lane) {
          const float* const filter = w + i * in_stride + (j + lane) * out_stride;
          for (int64_t tap = 0; tap < 9; ++tap) taps[tap * kBlock + lane] = filter[turned ? 8 - tap : tap];
        }
        transforms_.filter(taps, panel + i * kernel_.columns, weight_matrix());
      }
    });
  }

  // ---- dw from x and dy ----

  bool run_weights(float* x, float* dy, float* dw, float* dbias, float* parts) const {
    run_tasks(parts_, [&](int64_t part) {
      float* const sums = parts + part * part_floats();
      float* const bias_sum = dbias != nullptr ? sums + weight_floats() : nullptr;
      if (bias_sum != nullptr) std::fill_n(bias_sum, form_.out, 0.0f);
      const Scratch memory((in_matrix_ + out_matrix_) * kWinogradMatrices * sizeof(float));
      float* const patches = memory.floats();
      float* const gradients = patches + kWinogradMatrices * in_matrix_;
      const int64_t first = part * chunks_per_part_, last = std::min(first + chunks_per_part_, chunks_);
      for (int64_t chunk = first; chunk < last; ++chunk) {
        const int64_t begin = chunk * chunk_, end = std::min(begin + chunk_, form_.tiles());
        transform_patches(x, begin, end, patches);
        transform_gradients(dy, begin, end, gradients, bias_sum);
        for (int m = 0; m < kWinogradMatrices; ++m)
          accumulate(end - begin, patches + m * in_matrix_, gradients + m * out_matrix_, sums + m * weight_matrix(), chunk > first);
      }
    });
    sum_pairwise(parts, parts_, part_floats(), parts);
    if (dbias != nullptr) std::memcpy(dbias, parts + weight_floats(), form_.out * sizeof(float));
    return unpack_gradient(parts, dw);
  }

  // sums[in, out] (+)= the sum over tiles of patches[tile, in] gradients[tile, out]; gradients are in panels [chunk][columns].
  void accumulate(int64_t tiles, const float* patches, const float* gradients, float* sums, bool continues) const {
    for (int64_t j = 0; j < form_.out; j += kernel_.columns)
      for (int64_t i = 0; i < form_.in; i += kernel_.rows) {
        const int64_t rows = std::min<int64_t>(kernel_.rows, form_.in - i);
        kernel_.by_rows[rows - 1](tiles, patches + i, 1, form_.in, gradients + j * chunk_, sums + i * form_.out + j, form_.out, continues);
      }
  }

  void transform_gradients(float* dy, int64_t begin, int64_t end, float* gradients, float* bias_sum) const {
    for_each_run(form_, begin, end, [&](const Run& run, int64_t at) {
      for (int64_t block = 0; block < form_.out / kBlock; ++block) {
        const int64_t j = block * kBlock;
        float* const panel = gradients + j / kernel_.columns * kernel_.columns * chunk_ + j % kernel_.columns;
        float* const sum = bias_sum != nullptr ? bias_sum + j : nullptr;
        transform_run(run, {0, 0}, 2, output_plane(dy, run.image, block), panel + at * kernel_.columns, kernel_.columns, out_matrix_,
                      [&](const WinogradTransforms::Image& image) { transforms_.gradients(image, sum); });
      }
    });
  }

  bool unpack_gradient(const float* sums, float* dw) const {
    std::atomic<bool> finite{true};
    run_tasks(form_.out / kBlock, [&](int64_t block) {
      const int64_t j = block * kBlock;
      float poison = 0;  // 0 times a value is 0, or NaN where the value is not finite
      for (int64_t i = 0; i < form_.in; ++i) {
        alignas(64) float taps[9 * kBlock];
        transforms_.filter_gradient(sums + i * form_.out + j, weight_matrix(), taps);
        for (int64_t lane = 0; lane < kBlock; ++lane)
          for (int64_t tap = 0; tap < 9; ++tap) {
            dw[((j + lane) * form_.in + i) * 9 + tap] = taps[tap * kBlock + lane];
            poison += taps[tap * kBlock + lane] * 0.0f;
          }
      }
      if (poison != 0) finite.store(false, std::memory_order_relaxed);
    });
    return finite;
  }

  // ---- where that overflows ----

  void run_definition(std::span<const void* const> inputs, std::span<void* const> outputs) const {
    std::call_once(made_, [&] { definition_ = make_convolution_plan(key_); });
    check(std::ranges::equal(definition_->input_layouts(), inputs_) && std::ranges::equal(definition_->output_layouts(), outputs_),
          "two plans of one convolution have different layouts");
    const Scratch scratch(definition_->scratch_bytes());
    definition_->run(inputs, outputs, scratch.data());
  }

  const ContractionKey key_;
  const Form form_;
  const WinogradTransforms& transforms_;
  const TileKernel& kernel_;
  int64_t chunk_ = 0, chunks_ = 0;           // tiles of a chunk, and how many
  int64_t in_matrix_ = 0, out_matrix_ = 0;   // floats from one of a chunk's matrices to the next
  int64_t parts_ = 1, chunks_per_part_ = 0;  // of the weights' gradient
  std::vector<Layout> inputs_, outputs_;
  mutable std::once_flag made_;
  mutable std::unique_ptr<const ContractionPlan> definition_;
};

}  // namespace

bool winograd_pays(const ContractionKey& key) {
  constexpr std::array<int64_t, 2> kOne{1, 1};
  if (key.kernel_height != 3 || key.kernel_width != 3 || key.stride != kOne || key.dilation != kOne) return false;
  if (key.padding[0] > 2 || key.padding[1] > 2) return false;  // the data gradient's would be negative
  if (key.in_channels % kBlock != 0 || key.out_channels % kBlock != 0) return false;
  const Form f = form_of(key);
  if (f.out % kPanel != 0 || f.in * f.out > kMostWeights || f.tiles() < kFewestTiles) return false;
  const double products = 2.0 * static_cast<double>(f.tiles() * kWinogradMatrices) * static_cast<double>(f.in * f.out);
  return products + kTransformFlops * static_cast<double>(f.tiles() * (f.in + f.out)) < flops(key);
}

std::unique_ptr<const ContractionPlan> make_winograd_plan(const ContractionKey& key) { return std::make_unique<const WinogradPlan>(key); }

}  // namespace kiln::codegen
