// c = a b over a grid of slices: batch x rows x columns x parts of k. The grid follows from the shape alone. Parts of k (only where the
// result is small and k is long) are computed apart and summed pairwise.
#include <algorithm>

#include "codegen/contraction/gemm.h"
#include "codegen/contraction/pairwise.h"
#include "codegen/contraction/plans.h"
#include "codegen/contraction/shapes.h"
#include "codegen/contraction/tasks.h"

namespace kiln::codegen {
namespace {

constexpr double kFlopsPerSlice = 1e6;  // about 10 us
constexpr double kFewestFlops = 4e5;    // worth a hand-over to another thread,
constexpr int64_t kFewSlices = 4;       // so that small products have slices of that size, so many of them at most
constexpr int64_t kSlices = 16;         // enough for 16 threads; more only where blocks would outgrow the caches
constexpr int64_t kFewestColumns = 32;  // thinner slices read A too often
constexpr int64_t kFewestRows = 32;     // flatter slices pack B too often
constexpr int64_t kFewestDepth = 512;   // shorter parts of k cost more to sum than they bring

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// A dimension cut into equal parts of a multiple of `unit`; the last may be shorter.
struct Cut {
  int64_t extent = 0, part = 0, parts = 0;
  Cut(int64_t extent, int64_t wanted, int64_t unit) : extent(extent) {
    part = ceil_div(ceil_div(extent, wanted), unit) * unit;
    parts = ceil_div(extent, part);
  }
  int64_t begin(int64_t i) const { return i * part; }
  int64_t size(int64_t i) const { return std::min(part, extent - begin(i)); }
};

struct Grid {
  Cut columns, rows, depth;
};

Grid grid_for(const ContractionKey& key) {
  const auto small = std::min(kFewSlices, static_cast<int64_t>(flops(key) / kFewestFlops));
  const int64_t wanted = std::clamp<int64_t>(static_cast<int64_t>(flops(key) / kFlopsPerSlice), std::max<int64_t>(1, small), kSlices);
  const auto parts = [](int64_t wanted, int64_t most) { return std::clamp<int64_t>(wanted, 1, std::max<int64_t>(1, most)); };
  const bool long_sums = key.k >= 2 * kFewestDepth && key.k >= 4 * std::max(key.m, key.n);
  const int64_t most_columns = long_sums ? key.n / (2 * kFewestColumns) : ceil_div(key.n, kFewestColumns);
  const Cut columns(key.n, std::max(parts(ceil_div(wanted, key.batch), most_columns), ceil_div(key.n, kGemmColumns)), kFewestColumns);
  int64_t slices = key.batch * columns.parts;
  const Cut depth(key.k, long_sums ? parts(ceil_div(wanted, slices), key.k / kFewestDepth) : 1, 16);
  slices *= depth.parts;
  // Columns of B are packed once for each run of rows, so rows are cut only where a whole run more is wanted.
  const Cut rows(key.m, parts(wanted / slices, key.m / kFewestRows), 8);
  return {columns, rows, depth};
}

class MatmulPlan final : public ContractionPlan {
 public:
  explicit MatmulPlan(const ContractionKey& key) : key_(key), grid_(grid_for(key)) {}

  std::span<const Layout> input_layouts() const override { return std::span(kPlain).first(key_.bias ? 3 : 2); }
  std::span<const Layout> output_layouts() const override { return std::span(kPlain).first(1); }
  double flops() const override { return codegen::flops(key_); }
  size_t scratch_bytes() const override { return grid_.depth.parts > 1 ? grid_.depth.parts * elements() * sizeof(float) : 0; }

  void run(std::span<const void* const> inputs, std::span<void* const> outputs, void* scratch) const override {
    const float* const a = static_cast<const float*>(inputs[0]);
    const float* const b = static_cast<const float*>(inputs[1]);
    const float* const bias = key_.bias ? static_cast<const float*>(inputs[2]) : nullptr;
    float* const c = static_cast<float*>(outputs[0]);
    float* const parts = grid_.depth.parts > 1 ? static_cast<float*>(scratch) : c;

    run_tasks(slices(), [&](int64_t slice) {
      const int64_t column = slice % grid_.columns.parts, rest = slice / grid_.columns.parts;
      const int64_t row = rest % grid_.rows.parts, rest2 = rest / grid_.rows.parts;
      const int64_t part = rest2 % grid_.depth.parts, image = rest2 / grid_.depth.parts;
      const int64_t i = grid_.rows.begin(row), j = grid_.columns.begin(column), p = grid_.depth.begin(part);
      const Matrix whole_a = matrix(a + image * key_.m * key_.k, key_.m, key_.k, key_.transpose_a);
      const Matrix whole_b = matrix(b + image * key_.k * key_.n, key_.k, key_.n, key_.transpose_b);
      float* const target = parts + part * elements() + (image * key_.m + i) * key_.n + j;
      const Scratch packed(kGemmScratch);
      gemm(grid_.rows.size(row), grid_.columns.size(column), grid_.depth.size(part),
           {whole_a.at(i, p), whole_a.row_stride, whole_a.column_stride}, {whole_b.at(p, j), whole_b.row_stride, whole_b.column_stride},
           target, key_.n, packed.floats());
      if (bias != nullptr && grid_.depth.parts == 1) add_bias(target, grid_.rows.size(row), bias + j, grid_.columns.size(column));
    });

    if (grid_.depth.parts == 1) return;
    sum_pairwise(parts, grid_.depth.parts, elements(), c);
    if (bias != nullptr) add_bias(c, key_.batch * key_.m, bias, key_.n);
  }

  std::string describe() const override {
    return print(key_) + ": " + std::to_string(key_.batch) + " x " + std::to_string(grid_.rows.parts) + " x " +
           std::to_string(grid_.columns.parts) + " slices" +
           (grid_.depth.parts > 1 ? ", k in " + std::to_string(grid_.depth.parts) + " parts" : "");
  }

 private:
  static constexpr Layout kPlain[3] = {Layout::plain, Layout::plain, Layout::plain};

  static Matrix matrix(const float* data, int64_t rows, int64_t columns, bool transposed) {
    return transposed ? Matrix{data, 1, rows} : Matrix{data, columns, 1};
  }
  void add_bias(float* c, int64_t rows, const float* bias, int64_t columns) const {
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j) c[i * key_.n + j] += bias[j];
  }
  int64_t elements() const { return key_.batch * key_.m * key_.n; }
  int64_t slices() const { return key_.batch * grid_.rows.parts * grid_.columns.parts * grid_.depth.parts; }

  const ContractionKey key_;
  const Grid grid_;
};

}  // namespace

std::unique_ptr<const ContractionPlan> make_matmul_plan(const ContractionKey& key) { return std::make_unique<const MatmulPlan>(key); }

}  // namespace kiln::codegen
