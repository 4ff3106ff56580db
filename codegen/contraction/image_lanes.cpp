// Plans on the kernels of image_lanes.h. One form serves y = conv(x, w) and dx = conv^T(dy, w): an element of the result at row p sums over
// taps k0, k0 + step, ... of the kernel, whose pixels lie a fixed step apart. Columns whose sums have the same taps are computed side by side.
// Work is cut by shape: y and dx into runs of rows; dw by channels, and where those are few, into parts of the rows that are summed pairwise.
#include "codegen/contraction/image_lanes.h"

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <numeric>
#include <vector>

#include "codegen/backend.h"
#include "codegen/contraction/pairwise.h"
#include "codegen/contraction/plans.h"
#include "codegen/contraction/shapes.h"
#include "codegen/contraction/tasks.h"

namespace kiln::codegen {
namespace {

constexpr double kFlopsPerSlice = 1e6;  // about 10 us on one thread
constexpr int64_t kMostSlices = 64;
constexpr int64_t kLongestChain = 4096;                     // terms of a lane's sum in one part of dw: longer chains lose digits
constexpr int64_t kMostParts = 64;                          // of dw
constexpr int64_t kBandBytes = 64 << 10;                    // of dy's rows that a task of dw runs over while they are near
constexpr int64_t kPackedFloats = 1 << 14;                  // of weights, worth a hand-over to another thread
constexpr int64_t kMostKernel = 32, kMostExtent = 1 << 16;  // rows or columns; larger ones are left to oneDNN

// What image_lanes_pay() weighs, in units of a multiply-add at full speed.
constexpr int64_t kFirstChannels = 4;  // of the images that a network is given, whose gradient nobody wants
constexpr double kOverhead = 0.15;     // of these kernels over a direct form whose lanes are full
constexpr double kFlopsPerByte = 8;    // of changing an array's layout

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// [0, extent) in equal parts of at most `most`.
struct Split {
  int64_t extent, parts;
  Split(int64_t extent, int64_t most) : extent(extent), parts(ceil_div(extent, most)) {}
  int64_t begin(int64_t i) const { return i * extent / parts; }
  int64_t size(int64_t i) const { return begin(i + 1) - begin(i); }
};

// Along one axis, what each position of the result sums: taps first_tap + i * tap_step meet inputs first + i * input_step, for i < count.
struct Terms {
  int64_t first_tap = 0, first = 0, count = 0;
};
struct Axis {
  int64_t taps, tap_step, input_step;
  int64_t position_step, position_input;  // positions so far apart have inputs so far apart, where their taps are the same
  std::vector<Terms> positions;
};

Axis axis_of(const ContractionKey& key, int a) {
  const bool data = key.kind == ContractionKind::conv2d_data;
  const int64_t x = a == 0 ? key.in_height : key.in_width, y = output_extents(key)[a];
  const int64_t stride = key.stride[a], padding = key.padding[a], dilation = key.dilation[a];
  const int64_t common = std::gcd(stride, dilation);
  Axis axis{.taps = a == 0 ? key.kernel_height : key.kernel_width,
            .tap_step = data ? stride / common : 1,
            .input_step = data ? -dilation / common : dilation,
            .position_step = data ? stride : 1,
            .position_input = data ? 1 : stride,
            .positions = std::vector<Terms>(data ? x : y)};
  for (int64_t p = 0; p < std::ssize(axis.positions); ++p)
    for (int64_t k = 0; k < axis.taps; ++k) {
      const int64_t scaled = data ? p + padding - k * dilation : p * stride - padding + k * dilation;
      if (scaled < 0 || (data && scaled % stride != 0)) continue;
      const int64_t input = data ? scaled / stride : scaled;
      if (input >= (data ? y : x)) continue;
      Terms& t = axis.positions[p];
      if (t.count++ == 0) t.first_tap = k, t.first = input;
    }
  return axis;
}

// Columns first, first + step, ... of the result, all of which sum the same taps.
struct ColumnTile {
  int64_t first, count;
};
std::vector<ColumnTile> column_tiles(const Axis& axis, int64_t most) {
  std::vector<ColumnTile> tiles;
  const auto extent = std::ssize(axis.positions);
  for (int64_t residue = 0; residue < std::min<int64_t>(axis.position_step, extent); ++residue)
    for (int64_t p = residue; p < extent;) {
      const auto same_taps = [&](int64_t q) {
        const Terms &a = axis.positions[p], &b = axis.positions[q];
        return a.first_tap == b.first_tap && a.count == b.count;
      };
      int64_t run = 1;
      while (p + run * axis.position_step < extent && same_taps(p + run * axis.position_step)) ++run;
      const Split split(run, most);
      for (int64_t i = 0; i < split.parts; ++i) tiles.push_back({p + split.begin(i) * axis.position_step, split.size(i)});
      p += run * axis.position_step;
    }
  return tiles;
}

int64_t slices_of(const ContractionKey& key) {
  const int64_t wanted = std::clamp<int64_t>(static_cast<int64_t>(flops(key) / kFlopsPerSlice), 1, kMostSlices);
  return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(wanted)));  // two threads, or four, get equal shares
}

const ImageLaneKernels& kernels() { return isa() == Isa::avx512 ? avx512_image_lane_kernels() : avx2_image_lane_kernels(); }

// What both plans below are. Activations are [N / 16, C, H, W, 16].
class ImageLanesPlan : public ContractionPlan {
 public:
  explicit ImageLanesPlan(const ContractionKey& key) : key_(key), blocks_(key.images / kImageLanes) {}
  std::span<const Layout> input_layouts() const override { return inputs_; }
  std::span<const Layout> output_layouts() const override { return outputs_; }
  double flops() const override { return codegen::flops(key_); }

 protected:
  std::string describe_slices(int64_t slices) const {
    return print(key_) + ": " + std::to_string(slices) + " slices with images on the lanes";
  }

  const ContractionKey key_;
  const int64_t blocks_;
  const ImageLaneKernels& kernels_ = kernels();
  std::vector<Layout> inputs_, outputs_;
};

// ---- y from x, dx from dy ----

class SumsPlan final : public ImageLanesPlan {
 public:
  explicit SumsPlan(const ContractionKey& key)
      : ImageLanesPlan(key),
        rows_(axis_of(key, 0)),
        columns_(axis_of(key, 1)),
        tiles_(column_tiles(columns_, kernels_.sums_columns)),
        channels_(is_data() ? key.in_channels : key.out_channels, kernels_.sums_channels),
        summed_(is_data() ? key.out_channels : key.in_channels) {
    const auto [height, width] = output_extents(key);
    in_height_ = is_data() ? height : key.in_height, in_width_ = is_data() ? width : key.in_width;
    slices_ = std::min(slices_of(key), blocks_ * std::ssize(rows_.positions));
    inputs_ = {Layout::images16, Layout::plain};
    outputs_ = {Layout::images16};
    if (key.bias && !is_data()) inputs_.push_back(Layout::plain);
  }

  size_t scratch_bytes() const override { return packed_floats() * sizeof(float); }
  std::string describe() const override { return describe_slices(slices_); }

  void run(std::span<const void* const> inputs, std::span<void* const> outputs, void* scratch) const override {
    const auto* const pixels = static_cast<const float*>(inputs[0]);
    const auto* const bias = inputs.size() > 2 ? static_cast<const float*>(inputs[2]) : nullptr;
    auto* const packed = static_cast<float*>(scratch);
    pack(static_cast<const float*>(inputs[1]), packed);
    const int64_t all = blocks_ * std::ssize(rows_.positions);
    run_tasks(slices_, [&](int64_t slice) {
      for (int64_t row = slice * all / slices_; row < (slice + 1) * all / slices_; ++row)
        run_row(row, pixels, packed, bias, static_cast<float*>(outputs[0]));
    });
  }

 private:
  bool is_data() const { return key_.kind == ContractionKind::conv2d_data; }
  int64_t places() const { return summed_ * rows_.taps * columns_.taps; }
  int64_t packed_floats() const { return places() * channels_.extent; }

  // Weights as [tile of channels][summed channel][tap row][tap column][channel of the tile].
  void pack(const float* w, float* packed) const {
    const int64_t taps = rows_.taps * columns_.taps;
    const int64_t from_channel = is_data() ? taps : summed_ * taps, from_summed = is_data() ? channels_.extent * taps : taps;
    const int64_t grain = packed_floats() < kPackedFloats ? channels_.parts : 1;
    parallel_for(channels_.parts, grain, [&](int64_t begin, int64_t end) noexcept {
      for (int64_t tile = begin; tile < end; ++tile) {
        const float* const from = w + channels_.begin(tile) * from_channel;
        float* to = packed + channels_.begin(tile) * places();
        for (int64_t c = 0; c < summed_; ++c)
          for (int64_t t = 0; t < taps; ++t)
            for (int64_t o = 0; o < channels_.size(tile); ++o) *to++ = from[o * from_channel + c * from_summed + t];
      }
    });
  }

  // Row `row` of all blocks' rows of the result.
  void run_row(int64_t row, const float* pixels, const float* packed, const float* bias, float* out) const {
    const auto height = std::ssize(rows_.positions), width = std::ssize(columns_.positions);
    const int64_t block = row / height, h = row % height;
    const Terms& r = rows_.positions[h];
    const int64_t in_row = in_width_ * kImageLanes, in_plane = in_height_ * in_row;
    const int64_t out_row = width * kImageLanes, out_plane = height * out_row;
    const float* const from = pixels + block * summed_ * in_plane + r.first * in_row;
    float* const to = out + block * channels_.extent * out_plane + h * out_row;

    ImageLaneKernels::Sums t{};
    t.channels = summed_, t.rows = r.count;
    t.channel = in_plane, t.row = rows_.input_step * in_row, t.tap = columns_.input_step * kImageLanes;
    t.column = columns_.position_input * kImageLanes;
    t.out_channel = out_plane, t.out_column = columns_.position_step * kImageLanes;
    for (int64_t tile = 0; tile < channels_.parts; ++tile) {
      const int64_t first = channels_.begin(tile), size = channels_.size(tile);
      t.weight_channel = rows_.taps * columns_.taps * size;
      t.weight_row = rows_.tap_step * columns_.taps * size, t.weight_tap = columns_.tap_step * size;
      t.bias = bias != nullptr ? bias + first : nullptr;
      const float* const weights = packed + first * places() + r.first_tap * columns_.taps * size;
      for (const ColumnTile& c : tiles_) {
        const Terms& s = columns_.positions[c.first];
        t.taps = s.count;
        t.pixels = from + s.first * kImageLanes;
        t.weights = weights + s.first_tap * size;
        t.out = to + first * out_plane + c.first * kImageLanes;
        kernels_.sums[size - 1][c.count - 1](t);
      }
    }
  }

  const Axis rows_, columns_;
  const std::vector<ColumnTile> tiles_;
  const Split channels_;  // of the result, in tiles
  const int64_t summed_;  // channels
  int64_t in_height_ = 0, in_width_ = 0, slices_ = 0;
};

// ---- dw from x and dy ----

// x's lanes are added in halves: 0 + 8, 1 + 9, ...; then their quarters, and so on.
float sum_of_lanes(const float* lanes) {
  const __m256 eight = _mm256_add_ps(_mm256_loadu_ps(lanes), _mm256_loadu_ps(lanes + 8));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

class GradientsPlan final : public ImageLanesPlan {
 public:
  explicit GradientsPlan(const ContractionKey& key)
      : ImageLanesPlan(key),
        height_(output_extents(key)[0]),
        width_(output_extents(key)[1]),
        rows_(reach(key, 0)),
        columns_(reach(key, 1)),
        channels_(key.out_channels, kernels_.gradient_channels),
        taps_(key.kernel_width, kernels_.gradient_taps) {
    const int64_t by_work = ceil_div(slices_of(key), channels_.parts * key.in_channels);
    const int64_t by_length = ceil_div(blocks_ * height_ * width_, kLongestChain);
    parts_ = std::min({std::max(by_work, by_length), kMostParts, blocks_ * height_});
    inputs_ = {Layout::images16, Layout::images16};
    outputs_ = {Layout::plain};
    if (key.bias) outputs_.push_back(Layout::plain);
  }

  size_t scratch_bytes() const override { return parts_ * part_floats() * sizeof(float); }
  std::string describe() const override { return describe_slices(parts_ * channels_.parts * key_.in_channels); }

  void run(std::span<const void* const> inputs, std::span<void* const> outputs, void* scratch) const override {
    auto* const parts = static_cast<float*>(scratch);
    const int64_t per_part = channels_.parts * key_.in_channels;
    run_tasks(parts_ * per_part, [&](int64_t task) {
      const int64_t part = task / per_part, channel = task % per_part / channels_.parts, tile = task % channels_.parts;
      Task t{static_cast<const float*>(inputs[0]) + channel * x_plane(), static_cast<const float*>(inputs[1]), tile, channel,
             parts + part * part_floats()};
      run_task(t, part * blocks_ * height_ / parts_, (part + 1) * blocks_ * height_ / parts_);
    });
    sum_pairwise(parts, parts_, part_floats(), parts);
    std::memcpy(outputs[0], parts, weight_floats() * sizeof(float));
    if (key_.bias) std::memcpy(outputs[1], parts + weight_floats(), key_.out_channels * sizeof(float));
  }

 private:
  // The positions of y that have a term with this tap, as [begin, end).
  struct Reach {
    int64_t begin, end;
  };
  static std::vector<Reach> reach(const ContractionKey& key, int a) {
    const int64_t in = a == 0 ? key.in_height : key.in_width, out = output_extents(key)[a];
    std::vector<Reach> taps(a == 0 ? key.kernel_height : key.kernel_width);
    for (int64_t k = 0; k < std::ssize(taps); ++k) {
      const int64_t at = k * key.dilation[a] - key.padding[a];  // the input of position 0
      const int64_t end = in - at > 0 ? std::min(out, ceil_div(in - at, key.stride[a])) : 0;
      taps[k] = {std::min(end, at < 0 ? ceil_div(-at, key.stride[a]) : 0), end};
    }
    return taps;
  }

  struct Task {
    const float *x, *dy;  // x at its channel
    int64_t tile, channel;
    float* part;
  };

  int64_t x_plane() const { return key_.in_height * key_.in_width * kImageLanes; }
  int64_t dy_plane() const { return height_ * width_ * kImageLanes; }
  int64_t kernel() const { return key_.kernel_height * key_.kernel_width; }
  int64_t weight_floats() const { return key_.out_channels * key_.in_channels * kernel(); }
  int64_t part_floats() const { return weight_floats() + (key_.bias ? key_.out_channels : 0); }

  // One tile of dy's channels with one channel of x, over rows [begin, end) of all blocks' rows of y.
  void run_task(const Task& t, int64_t begin, int64_t end) const {
    const int64_t first = channels_.begin(t.tile), size = channels_.size(t.tile);
    const Scratch memory((size * kernel() + size) * kImageLanes * sizeof(float));
    float* const sums = memory.floats();  // [channel of the tile][tap row][tap column][lane], and [channel][lane] of the bias
    float* const bias_sums = sums + size * kernel() * kImageLanes;
    std::fill_n(sums, (size * kernel() + size) * kImageLanes, 0.0f);

    const int64_t band = std::max<int64_t>(1, kBandBytes / (size * width_ * kImageLanes * static_cast<int64_t>(sizeof(float))));
    for (int64_t row = begin; row < end;) {
      const int64_t block = row / height_, h = row % height_;
      const int64_t rows = std::min({band, height_ - h, end - row});
      const float* const x = t.x + block * key_.in_channels * x_plane();
      const float* const dy = t.dy + (block * key_.out_channels + first) * dy_plane();
      for (int64_t k = 0; k < key_.kernel_height; ++k)
        run_band(x, dy, std::max(h, rows_[k].begin), std::min(h + rows, rows_[k].end), k, size, sums + k * key_.kernel_width * kImageLanes);
      if (key_.bias && t.channel == 0) add_bias(dy + h * width_ * kImageLanes, rows, size, bias_sums);
      row += rows;
    }
    for (int64_t o = 0; o < size; ++o) {
      float* const dw = t.part + ((first + o) * key_.in_channels + t.channel) * kernel();
      for (int64_t i = 0; i < kernel(); ++i) dw[i] = sum_of_lanes(sums + (o * kernel() + i) * kImageLanes);
      if (key_.bias && t.channel == 0) t.part[weight_floats() + first + o] = sum_of_lanes(bias_sums + o * kImageLanes);
    }
  }

  // Tap row k over y's rows [begin, end), which all have a term with it. Tap columns run side by side where all of them have terms, and
  // singly over the rest.
  void run_band(const float* x, const float* dy, int64_t begin, int64_t end, int64_t k, int64_t size, float* sums) const {
    if (begin >= end) return;
    const int64_t x_row = key_.in_width * kImageLanes, dy_row = width_ * kImageLanes;
    const auto run = [&](int64_t tap, int64_t count, int64_t from, int64_t to) {
      if (from >= to) return;
      ImageLaneKernels::Gradients g{};
      g.rows = end - begin, g.columns = to - from;
      g.x = x + (begin * key_.stride[0] - key_.padding[0] + k * key_.dilation[0]) * x_row +
            (from * key_.stride[1] - key_.padding[1] + tap * key_.dilation[1]) * kImageLanes;
      g.x_row = key_.stride[0] * x_row, g.x_column = key_.stride[1] * kImageLanes, g.x_tap = key_.dilation[1] * kImageLanes;
      g.dy = dy + begin * dy_row + from * kImageLanes;
      g.dy_channel = dy_plane(), g.dy_row = dy_row;
      g.sums = sums + tap * kImageLanes, g.sums_channel = kernel() * kImageLanes;
      kernels_.gradients[size - 1][count - 1](g);
    };
    for (int64_t i = 0; i < taps_.parts; ++i) {
      const int64_t tap = taps_.begin(i), count = taps_.size(i);
      Reach common{0, width_};
      for (int64_t s = tap; s < tap + count; ++s)
        common = {std::max(common.begin, columns_[s].begin), std::min(common.end, columns_[s].end)};
      common.end = std::max(common.begin, common.end);
      run(tap, count, common.begin, common.end);
      for (int64_t s = tap; s < tap + count; ++s) {
        const Reach& r = columns_[s];
        if (common.begin == common.end) {
          run(s, 1, r.begin, r.end);
        } else {
          run(s, 1, r.begin, common.begin);
          run(s, 1, common.end, r.end);
        }
      }
    }
  }

  // dbias is the gradient of a weight whose pixels are all 1.
  void add_bias(const float* dy, int64_t rows, int64_t size, float* sums) const {
    alignas(64) static constexpr auto kOnes = [] {
      std::array<float, kImageLanes> ones{};
      ones.fill(1.0f);
      return ones;
    }();
    ImageLaneKernels::Gradients g{};
    g.rows = rows, g.columns = width_, g.x = kOnes.data();
    g.dy = dy, g.dy_channel = dy_plane(), g.dy_row = width_ * kImageLanes;
    g.sums = sums, g.sums_channel = kImageLanes;
    kernels_.gradients[size - 1][0](g);
  }

  const int64_t height_, width_;             // of y
  const std::vector<Reach> rows_, columns_;  // by tap
  const Split channels_;                     // of dy, in tiles
  const Split taps_;                         // of a row of the kernel, in tiles
  int64_t parts_ = 1;
};

}  // namespace

std::unique_ptr<const ContractionPlan> make_image_lanes_plan(const ContractionKey& key) {
  if (key.kind == ContractionKind::conv2d_weights) return std::make_unique<const GradientsPlan>(key);
  return std::make_unique<const SumsPlan>(key);
}

// The direct form has y's channels on the lanes, and x's for dx: what idles there is weighed against changing the layout of the arrays whose
// channels would have filled them, once on the way forward and once back.
bool image_lanes_pay(const ContractionKey& key) {
  const auto [height, width] = output_extents(key);
  if (key.images % kImageLanes != 0 || std::max(key.kernel_height, key.kernel_width) > kMostKernel) return false;
  if (std::max({key.in_height, key.in_width, height, width}) > kMostExtent) return false;
  const auto full = [](int64_t channels) { return channels % kImageLanes == 0; };
  const auto idle = [](int64_t channels) {
    return static_cast<double>(ceil_div(channels, kImageLanes) * kImageLanes) / static_cast<double>(channels) - 1;
  };
  const bool first = key.in_channels <= kFirstChannels;
  const double wasted = 2 * idle(key.out_channels) + (first ? 0 : idle(key.in_channels));
  const double contractions = first ? 2 : 3;
  const auto x = static_cast<double>(full(key.in_channels) ? key.in_channels * key.in_height * key.in_width : 0);
  const auto y = static_cast<double>(full(key.out_channels) ? key.out_channels * height * width : 0);
  const double moved = 2 * 2 * sizeof(float) * static_cast<double>(key.images) * (x + y);
  return flops(key) * (wasted - kOverhead * contractions) > kFlopsPerByte * moved;
}

}  // namespace kiln::codegen
