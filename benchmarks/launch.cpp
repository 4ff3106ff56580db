// What one call costs when the data is small: relu(a*b+c)-d and a GELU on 1,000 f32, on every level from the machine code alone to a captured
// function of the C++ front, beside the same loop written by hand. Also both kernels on 4,096 elements in cache, one thread.
//   kiln_launch --benchmark_repetitions=20
#include <benchmark/benchmark.h>
#include <immintrin.h>
#include <kiln/kiln.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "codegen/builder.h"
#include "codegen/compiler.h"
#include "codegen/math.h"

namespace {

using kiln::DType;
namespace codegen = kiln::codegen;

constexpr int64_t kSmall = 1'000, kChunk = codegen::kChunk;

codegen::Kernel add() {
  codegen::Kernel k;
  codegen::Builder b(k);
  const codegen::Value x = b.load(b.add_buffer({.dtype = DType::F32})), y = b.load(b.add_buffer({.dtype = DType::F32}));
  const uint32_t out = b.add_buffer({.dtype = DType::F32});
  b.store(out, b.add(x, y));
  return k;
}

codegen::Kernel chain() {
  codegen::Kernel k;
  codegen::Builder b(k);
  codegen::Value x[4];
  for (codegen::Value& v : x) v = b.load(b.add_buffer({.dtype = DType::F32}));
  const uint32_t out = b.add_buffer({.dtype = DType::F32});
  b.store(out, b.sub(b.maximum(b.add(b.mul(x[0], x[1]), x[2]), 0), x[3]));
  return k;
}

codegen::Kernel gelu() {
  codegen::Kernel k;
  codegen::Builder b(k);
  const codegen::Value x = b.load(b.add_buffer({.dtype = DType::F32}));
  const uint32_t out = b.add_buffer({.dtype = DType::F32});
  b.store(out, x * 0.5 * (tanh(b, (x + x * x * x * 0.044715) * 0.7978845608) + 1.0));
  return k;
}

// A kernel with arrays of its own.
class Bound {
 public:
  Bound(codegen::Kernel kernel, int64_t n) : kernel_(codegen::get(kernel)), extent_(n) {
    for (size_t i = 0; i < kernel.buffers.size(); ++i) {
      arrays_.emplace_back(static_cast<float*>(std::aligned_alloc(64, static_cast<size_t>(n + 63) / 64 * 256)));
      for (int64_t j = 0; j < n; ++j) arrays_.back().get()[j] = static_cast<float>(j % 37) / 9 - 2;
      pointers_.push_back(arrays_.back().get());
      strides_.push_back(sizeof(float));
    }
  }
  codegen::CompiledKernel& kernel() const { return *kernel_; }
  codegen::Args args() const {
    codegen::Args args{};
    args.pointers = pointers_.data();
    args.strides = strides_.data();
    args.extents = &extent_;
    return args;
  }
  float* array(size_t i) const { return arrays_[i].get(); }

 private:
  struct Free {
    void operator()(float* p) const { std::free(p); }
  };
  std::shared_ptr<codegen::CompiledKernel> kernel_;
  std::vector<std::unique_ptr<float, Free>> arrays_;
  std::vector<void*> pointers_;
  std::vector<int64_t> strides_;
  int64_t extent_;
};

void by_hand(benchmark::State& state) {
  const Bound bound(chain(), kSmall);
  const float *a = bound.array(0), *b = bound.array(1), *c = bound.array(2), *d = bound.array(3);
  float* out = bound.array(4);
  for (auto _ : state) {
    for (int64_t i = 0; i < kSmall; ++i) out[i] = std::max(a[i] * b[i] + c[i], 0.0f) - d[i];
    benchmark::ClobberMemory();
  }
}

void code(benchmark::State& state, codegen::Kernel (*kernel)(), int64_t n) {
  const Bound bound(kernel(), n);
  const codegen::Args args = bound.args();
  const codegen::Code& code = bound.kernel().code();
  for (auto _ : state) code.function(&args, 0, 1);
  state.counters["elements"] = benchmark::Counter(static_cast<double>(n * state.iterations()), benchmark::Counter::kIsRate);
}

void launch(benchmark::State& state, codegen::Kernel (*kernel)(), int64_t n) {
  const Bound bound(kernel(), n);
  for (auto _ : state) codegen::launch(bound.kernel(), bound.args());
}

void captured_chain(benchmark::State& state) {
  const auto f = kiln::jit(
      [](const kiln::Tensor& a, const kiln::Tensor& b, const kiln::Tensor& c, const kiln::Tensor& d) { return kiln::relu(a * b + c) - d; });
  const kiln::Tensor a = kiln::linspace(-2, 2, kSmall), b = a + 1, c = a * 2, d = a * 3;
  for (auto _ : state) benchmark::DoNotOptimize(f(a, b, c, d));
}

void captured_gelu(benchmark::State& state) {
  const auto f = kiln::jit([](const kiln::Tensor& x) { return 0.5 * x * (1 + kiln::tanh(0.7978845608 * (x + 0.044715 * x * x * x))); });
  const kiln::Tensor x = kiln::linspace(-2, 2, kSmall);
  for (auto _ : state) benchmark::DoNotOptimize(f(x));
}

}  // namespace

int main(int count, char** arguments) {
  using benchmark::RegisterBenchmark;
  RegisterBenchmark("chain/1000/by_hand", by_hand);
  RegisterBenchmark("chain/1000/code", [](benchmark::State& s) { code(s, chain, kSmall); });
  RegisterBenchmark("chain/1000/launch", [](benchmark::State& s) { launch(s, chain, kSmall); });
  RegisterBenchmark("chain/1000/captured", captured_chain);
  RegisterBenchmark("add/8/launch", [](benchmark::State& s) { launch(s, add, 8); });
  RegisterBenchmark("gelu/1000/code", [](benchmark::State& s) { code(s, gelu, kSmall); });
  RegisterBenchmark("gelu/1000/launch", [](benchmark::State& s) { launch(s, gelu, kSmall); });
  RegisterBenchmark("gelu/1000/captured", captured_gelu);
  RegisterBenchmark("chain/4096/code", [](benchmark::State& s) { code(s, chain, kChunk); });
  RegisterBenchmark("gelu/4096/code", [](benchmark::State& s) { code(s, gelu, kChunk); });
  benchmark::Initialize(&count, arguments);
  benchmark::RunSpecifiedBenchmarks();
}
