// Convolutions' plans beside oneDNN's direct form and the machine's multiply-add limit (kiln_limits):
//   kiln_contractions --benchmark_filter=conv2d --threads=2
// `flops` counts the definition's multiplications, so a plan that avoids some of them may pass the limit. `error` is the root of the mean
// square error of its results, of which the root of the mean square is 1, for random operands and at most 16 images.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "codegen/allocator.h"
#include "codegen/contraction/plans.h"
#include "codegen/thread_pool.h"

namespace {

using namespace kiln::codegen;

struct Shape {
  const char* name;
  int64_t images, in, size, out, kernel, padding;
};
constexpr Shape kShapes[] = {
    {"mnist_conv1", 64, 1, 28, 32, 3, 0},   {"mnist_conv2", 64, 32, 26, 64, 3, 0},    {"lenet_conv1", 64, 1, 28, 6, 5, 2},
    {"lenet_conv2", 64, 6, 14, 16, 5, 0},   {"small_channels", 64, 16, 28, 32, 3, 1}, {"few_images", 2, 64, 56, 64, 3, 1},
    {"small_images", 64, 64, 7, 128, 3, 1},
};

class Floats {
 public:
  explicit Floats(int64_t count) : count_(count), data_(static_cast<float*>(allocate(count * sizeof(float)))) {
    std::normal_distribution<float> normal;
    std::mt19937 random(static_cast<unsigned>(count));
    for (float& v : span()) v = normal(random);
  }
  ~Floats() { deallocate(data_, count_ * sizeof(float)); }
  Floats(const Floats&) = delete;
  float* data() const { return data_; }
  std::span<float> span() const { return {data_, static_cast<size_t>(count_)}; }

 private:
  int64_t count_;
  float* data_;
};

// A contraction's two inputs and its output, with what the plan needs.
struct Operands {
  explicit Operands(const ContractionKey& key)
      : x({key.images, key.in_channels, key.in_height, key.in_width}),
        y({key.images, key.out_channels, key.in_height + 2 * key.padding[0] - key.kernel_height + 1,
           key.in_width + 2 * key.padding[1] - key.kernel_width + 1}),
        w({key.out_channels, key.in_channels, key.kernel_height, key.kernel_width}) {
    switch (key.kind) {
      case ContractionKind::conv2d_data: shapes = {y, w, x}; break;
      case ContractionKind::conv2d_weights: shapes = {x, y, w}; break;
      default: shapes = {x, w, y};
    }
    for (const auto& s : shapes) arrays.push_back(std::make_unique<Floats>(s[0] * s[1] * s[2] * s[3]));
  }
  using Extents = std::array<int64_t, 4>;
  Extents x, y, w;
  std::array<Extents, 3> shapes;
  std::vector<std::unique_ptr<Floats>> arrays;
};

using Plan = std::shared_ptr<const ContractionPlan>;
Plan plan_for(const ContractionKey& key, bool direct) { return direct ? Plan(make_convolution_plan(key)) : contraction_plan(key); }

void run(const ContractionPlan& plan, const Operands& o) {
  const Floats scratch(static_cast<int64_t>(plan.scratch_bytes() / sizeof(float)) + 1);
  const void* const inputs[] = {o.arrays[0]->data(), o.arrays[1]->data()};
  void* const outputs[] = {o.arrays[2]->data()};
  plan.run(inputs, outputs, scratch.data());
}

double relative_error(ContractionKey key, bool direct) {
  key.images = std::min<int64_t>(key.images, 16);
  const Plan plan = plan_for(key, direct);
  const Operands plain(key), laid_out(key);
  const auto move = [&](size_t i, Layout layout, bool inward) {
    const auto& from = inward ? plain : laid_out;
    const auto& to = inward ? laid_out : plain;
    reorder(from.arrays[i]->data(), inward ? Layout::plain : layout, to.arrays[i]->data(), inward ? layout : Layout::plain,
            plain.shapes[i]);
  };
  std::vector<std::vector<double>> exact;
  for (const auto& a : plain.arrays) exact.emplace_back(a->span().begin(), a->span().end());
  for (size_t i : {0, 1}) move(i, plan->input_layouts()[i], true);
  run(*plan, laid_out);
  move(2, plan->output_layouts()[0], false);
  key.dtype = kiln::DType::F64;
  const void* const inputs[] = {exact[0].data(), exact[1].data()};
  void* const outputs[] = {exact[2].data()};
  contraction_plan(key)->run(inputs, outputs, nullptr);
  double errors = 0, squares = 0;
  for (size_t i = 0; i < exact[2].size(); ++i) {
    errors += std::pow(plain.arrays[2]->span()[i] - exact[2][i], 2);
    squares += std::pow(exact[2][i], 2);
  }
  return std::sqrt(errors / squares);
}

void measure(benchmark::State& state, const ContractionKey& key, bool direct) {
  const Plan plan = plan_for(key, direct);
  const Operands operands(key);
  const Floats scratch(static_cast<int64_t>(plan->scratch_bytes() / sizeof(float)) + 1);
  const void* const inputs[] = {operands.arrays[0]->data(), operands.arrays[1]->data()};
  void* const outputs[] = {operands.arrays[2]->data()};
  for (auto _ : state) plan->run(inputs, outputs, scratch.data());
  state.counters["flops"] = benchmark::Counter(plan->flops(), benchmark::Counter::kIsIterationInvariantRate);
  static std::map<std::string, double> errors;  // by plan: a benchmark runs more than once
  const auto [error, added] = errors.try_emplace(plan->describe(), 0);
  if (added) error->second = relative_error(key, direct);
  state.counters["error"] = error->second;
  state.SetLabel(plan->describe());
}

}  // namespace

int main(int argc, char** argv) {
  constexpr const char* kThreads = "--threads=";
  for (int i = 1; i < argc; ++i)
    if (std::strncmp(argv[i], kThreads, std::strlen(kThreads)) == 0) set_num_threads(std::atoi(argv[i] + std::strlen(kThreads)));
  for (const Shape& s : kShapes)
    for (const auto& [kind, name] : {std::pair{ContractionKind::conv2d, "conv2d"},
                                     {ContractionKind::conv2d_data, "conv2d_data"},
                                     {ContractionKind::conv2d_weights, "conv2d_weights"}})
      for (const bool direct : {false, true}) {
        ContractionKey key{.kind = kind};
        key.images = s.images, key.in_channels = s.in, key.in_height = key.in_width = s.size;
        key.out_channels = s.out, key.kernel_height = key.kernel_width = s.kernel, key.padding = {s.padding, s.padding};
        const std::string label = std::string(s.name) + "/" + name + (direct ? "/direct" : "/plan");
        benchmark::RegisterBenchmark(label.c_str(), [key, direct](benchmark::State& state) { measure(state, key, direct); })
            ->UseRealTime()
            ->Unit(benchmark::kMillisecond);
      }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
