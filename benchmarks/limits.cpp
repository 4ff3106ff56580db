// The limits of this machine: f32 multiply-adds a second, and bytes a second when reading working sets of several sizes, and when copying
// them with ordinary and with non-temporal stores. Prints google-benchmark's JSON for benchmarks/run.py.
//   kiln_limits --threads=2 --benchmark_format=json
#include <benchmark/benchmark.h>
#include <immintrin.h>

#include <charconv>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace {

// Ten independent chains hide the latency of two multiply-add units on every CPU since Haswell.
#ifdef __AVX512F__
using Vector = __m512;
Vector broadcast(float x) { return _mm512_set1_ps(x); }
Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
#else
using Vector = __m256;
Vector broadcast(float x) { return _mm256_set1_ps(x); }
Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
#endif
constexpr int kChains = 10, kSteps = 1000, kLanes = sizeof(Vector) / sizeof(float);

void multiply_add(benchmark::State& state) {
  Vector sums[kChains];
  for (Vector& sum : sums) sum = broadcast(0.5f);
  const Vector scale = broadcast(0.999f), shift = broadcast(0.001f);
  for (auto _ : state) {
    for (int step = 0; step < kSteps; ++step) {
#pragma GCC unroll 10
      for (int i = 0; i < kChains; ++i) sums[i] = fma(sums[i], scale, shift);
    }
    for (Vector& sum : sums) benchmark::DoNotOptimize(sum);
  }
  const double operations = 2.0 * kLanes * kChains * kSteps * static_cast<double>(state.iterations());
  state.counters["flops"] = benchmark::Counter(operations, benchmark::Counter::kIsRate);
}

struct AlignedFloats {
  explicit AlignedFloats(int64_t count) : data(static_cast<float*>(std::aligned_alloc(64, count * sizeof(float)))) {
    for (int64_t i = 0; i < count; ++i) data.get()[i] = 1.0f;  // touches every page
  }
  struct Free {
    void operator()(float* p) const { std::free(p); }
  };
  std::unique_ptr<float, Free> data;
};

// Each thread copies its share; bytes counts what is read and what is written.
void copy(benchmark::State& state, int64_t bytes, bool streaming) {
  const int64_t count = bytes / 2 / static_cast<int64_t>(sizeof(float)) / state.threads() / 64 * 64;
  const AlignedFloats from(count), to(count);
  const float* source = from.data.get();
  float* target = to.data.get();
  for (auto _ : state) {
    if (streaming) {
      for (int64_t i = 0; i < count; i += 8) _mm256_stream_ps(target + i, _mm256_load_ps(source + i));
      _mm_sfence();
    } else {
      for (int64_t i = 0; i < count; i += 8) _mm256_store_ps(target + i, _mm256_load_ps(source + i));
    }
    benchmark::ClobberMemory();
  }
  const double moved = 2.0 * sizeof(float) * static_cast<double>(count) * static_cast<double>(state.iterations());
  state.counters["bytes"] = benchmark::Counter(moved, benchmark::Counter::kIsRate);
}

// Each thread adds up its share.
void read(benchmark::State& state, int64_t bytes) {
  const int64_t count = bytes / static_cast<int64_t>(sizeof(float)) / state.threads() / 64 * 64;
  const AlignedFloats from(count);
  const float* source = from.data.get();
  for (auto _ : state) {
    __m256 sums[8] = {};
    for (int64_t i = 0; i < count; i += 64)
#pragma GCC unroll 8
      for (int k = 0; k < 8; ++k) sums[k] = _mm256_add_ps(sums[k], _mm256_load_ps(source + i + 8 * k));
    for (__m256& sum : sums) benchmark::DoNotOptimize(sum);
  }
  const double moved = sizeof(float) * static_cast<double>(count) * static_cast<double>(state.iterations());
  state.counters["bytes"] = benchmark::Counter(moved, benchmark::Counter::kIsRate);
}

}  // namespace

int main(int count, char** arguments) {
  int threads = 1;
  for (int i = 1; i < count; ++i) {
    const std::string_view argument = arguments[i], option = "--threads=";
    if (argument.starts_with(option)) std::from_chars(argument.data() + option.size(), argument.data() + argument.size(), threads);
  }
  auto measured = [&](benchmark::internal::Benchmark* b) { b->Threads(threads)->UseRealTime()->MinTime(0.1)->Repetitions(7); };
  measured(benchmark::RegisterBenchmark("multiply_add", multiply_add));
  for (const int64_t bytes : {int64_t{1} << 18, int64_t{1} << 22, int64_t{1} << 25, int64_t{1} << 28}) {
    for (const bool streaming : {false, true})
      measured(benchmark::RegisterBenchmark((std::string(streaming ? "stream/" : "copy/") + std::to_string(bytes)).c_str(),
                                            [=](benchmark::State& state) { copy(state, bytes, streaming); }));
  }
  for (const int64_t bytes : {int64_t{1} << 18, int64_t{1} << 22, int64_t{1} << 24, int64_t{1} << 28})
    measured(benchmark::RegisterBenchmark(("read/" + std::to_string(bytes)).c_str(), [=](benchmark::State& state) { read(state, bytes); }));
  benchmark::Initialize(&count, arguments);
  benchmark::RunSpecifiedBenchmarks();
}
