// Contractions as tests put them: problems, random operands, a plan run on plain arrays, and the same in double precision.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "codegen/allocator.h"
#include "codegen/contraction/contraction.h"
#include "codegen/error.h"
#include "codegen/thread_pool.h"

namespace kiln::codegen::testing {

using Floats = std::vector<float>;

// What an operand looks like: [N, C, H, W] for activations; a matrix or weights have only their element count.
struct Operand {
  int64_t elements;
  std::array<int64_t, 4> nchw{};
};

struct Problem {
  ContractionKey key;
  std::vector<Operand> inputs, outputs;
};

inline Problem matmul(int64_t m, int64_t n, int64_t k, bool ta = false, bool tb = false, bool bias = false, int64_t batch = 1) {
  Problem p;
  p.key = {.kind = ContractionKind::matmul, .bias = bias, .transpose_a = ta, .transpose_b = tb, .batch = batch, .m = m, .n = n, .k = k};
  p.inputs = {{batch * m * k}, {batch * k * n}};
  if (bias) p.inputs.push_back({n});
  p.outputs = {{batch * m * n}};
  return p;
}

struct Convolution {
  int64_t images, in, height, width, out, kernel_height, kernel_width;
  int64_t stride = 1, padding = 0, dilation = 1;
};

inline Problem convolution(ContractionKind kind, const Convolution& c, bool bias = true) {
  Problem p;
  p.key = {.kind = kind, .bias = bias && kind != ContractionKind::conv2d_data};
  p.key.images = c.images, p.key.in_channels = c.in, p.key.in_height = c.height, p.key.in_width = c.width;
  p.key.out_channels = c.out, p.key.kernel_height = c.kernel_height, p.key.kernel_width = c.kernel_width;
  p.key.stride = {c.stride, c.stride}, p.key.padding = {c.padding, c.padding}, p.key.dilation = {c.dilation, c.dilation};
  const auto extent = [&](int64_t in, int64_t kernel) { return (in + 2 * c.padding - c.dilation * (kernel - 1) - 1) / c.stride + 1; };
  const int64_t h = extent(c.height, c.kernel_height), w = extent(c.width, c.kernel_width);
  const Operand x{c.images * c.in * c.height * c.width, {c.images, c.in, c.height, c.width}},
      y{c.images * c.out * h * w, {c.images, c.out, h, w}};
  const Operand weights{c.out * c.in * c.kernel_height * c.kernel_width}, vector{c.out};
  switch (kind) {
    case ContractionKind::conv2d_data: p.inputs = {y, weights}, p.outputs = {x}; break;
    case ContractionKind::conv2d_weights: p.inputs = {x, y}, p.outputs = {weights}; break;
    default: p.inputs = {x, weights}, p.outputs = {y};
  }
  if (p.key.bias) (kind == ContractionKind::conv2d_weights ? p.outputs : p.inputs).push_back(vector);
  return p;
}

inline Floats random_floats(int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  Floats values(count);
  for (float& v : values) v = uniform(random);
  return values;
}

inline std::vector<Floats> random_inputs(const Problem& p) {
  std::vector<Floats> inputs;
  for (size_t i = 0; i < p.inputs.size(); ++i) inputs.push_back(random_floats(p.inputs[i].elements, static_cast<unsigned>(i + 1)));
  return inputs;
}

class Aligned {
 public:
  explicit Aligned(size_t bytes) : data(allocate(bytes)), bytes_(bytes) {
    std::memset(data, 0xff, bytes);
  }  // NaN: nothing may be left unwritten
  ~Aligned() { deallocate(data, bytes_); }
  Aligned(const Aligned&) = delete;
  void* const data;

 private:
  size_t bytes_;
};

// Runs the plan on plain operands, reordering to and from its layouts as eager code does.
inline std::vector<Floats> run(const Problem& p, const std::vector<Floats>& plain_inputs,
                               std::shared_ptr<const ContractionPlan> plan = nullptr) {
  if (!plan) plan = contraction_plan(p.key);
  EXPECT_EQ(plan->input_layouts().size(), p.inputs.size());
  EXPECT_EQ(plan->output_layouts().size(), p.outputs.size());
  std::vector<std::unique_ptr<Aligned>> memory;
  const auto array = [&](int64_t elements) { return memory.emplace_back(std::make_unique<Aligned>(elements * sizeof(float)))->data; };
  std::vector<const void*> inputs;
  std::vector<void*> outputs;
  for (size_t i = 0; i < p.inputs.size(); ++i) {
    void* const data = array(p.inputs[i].elements);
    if (const Layout layout = plan->input_layouts()[i]; layout != Layout::plain)
      reorder(plain_inputs[i].data(), Layout::plain, static_cast<float*>(data), layout, p.inputs[i].nchw);
    else std::copy(plain_inputs[i].begin(), plain_inputs[i].end(), static_cast<float*>(data));
    inputs.push_back(data);
  }
  for (const Operand& operand : p.outputs) outputs.push_back(array(operand.elements));
  const Aligned scratch(plan->scratch_bytes());
  plan->run(inputs, outputs, scratch.data);
  std::vector<Floats> results;
  for (size_t i = 0; i < p.outputs.size(); ++i) {
    Floats& result = results.emplace_back(p.outputs[i].elements);
    if (const Layout layout = plan->output_layouts()[i]; layout != Layout::plain)
      reorder(static_cast<const float*>(outputs[i]), layout, result.data(), Layout::plain, p.outputs[i].nchw);
    else if (!result.empty()) std::memcpy(result.data(), outputs[i], result.size() * sizeof(float));
  }
  return results;
}

// The same in double precision, on inputs mapped by `map`.
template <class Map>
std::vector<std::vector<double>> run_in_double(Problem p, const std::vector<Floats>& plain_inputs, Map map) {
  p.key.dtype = DType::F64;
  std::vector<std::vector<double>> inputs, results;
  std::vector<const void*> in;
  std::vector<void*> out;
  for (const Floats& values : plain_inputs) {
    std::vector<double>& mapped = inputs.emplace_back();
    for (const float v : values) mapped.push_back(map(static_cast<double>(v)));
  }
  for (const Operand& operand : p.outputs) results.emplace_back(operand.elements);
  for (const auto& values : inputs) in.push_back(values.data());
  for (auto& values : results) out.push_back(values.data());
  contraction_plan(p.key)->run(in, out, nullptr);
  return results;
}

// The error of a sum of `terms` products grows like the root of their number, relative to the sum of absolute values.
inline void expect_close_to_double(const Problem& p, std::shared_ptr<const ContractionPlan> plan = nullptr) {
  if (!plan) plan = contraction_plan(p.key);
  const std::vector<Floats> inputs = random_inputs(p);
  const auto results = run(p, inputs, plan);
  const auto exact = run_in_double(p, inputs, [](double v) { return v; });
  const auto scale = run_in_double(p, inputs, [](double v) { return std::abs(v); });
  const std::string what = plan->describe();
  for (size_t o = 0; o < results.size(); ++o)
    for (size_t i = 0; i < results[o].size(); ++i)
      ASSERT_NEAR(results[o][i], exact[o][i], 1e-6 * (scale[o][i] + 1)) << what << ", output " << o << " element " << i;
}

inline bool same_bits(const std::vector<Floats>& a, const std::vector<Floats>& b) {
  for (size_t i = 0; i < a.size(); ++i)
    if (std::memcmp(a[i].data(), b[i].data(), a[i].size() * sizeof(float)) != 0) return false;
  return true;
}

class Contraction : public ::testing::Test {
 protected:
  void TearDown() override { set_num_threads(before_); }
  const int before_ = num_threads();
};

// f32 convolutions need oneDNN, which a machine may lack.
class ConvolutionByDnnl : public Contraction {
 protected:
  void SetUp() override {
    try {
      contraction_plan(convolution(ContractionKind::conv2d, {1, 1, 3, 3, 1, 3, 3}).key);
    } catch (const Error& e) {
      ASSERT_EQ(e.code(), ErrorCode::runtime);
      ASSERT_NE(std::string(e.what()).find("onednn-cpu-gomp"), std::string::npos);
      GTEST_SKIP() << e.what();
    }
  }
};

inline constexpr ContractionKind kConvolutions[] = {ContractionKind::conv2d, ContractionKind::conv2d_data, ContractionKind::conv2d_weights};

}  // namespace kiln::codegen::testing
