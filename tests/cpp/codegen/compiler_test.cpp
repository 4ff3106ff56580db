// Kernels in use: the cache, forced back ends, launches on the pool, floating-point state, threads and fork.
#include "codegen/compiler.h"

#include <sys/wait.h>
#include <unistd.h>
#include <xmmintrin.h>

#include <cmath>
#include <cstdlib>
#include <numeric>
#include <thread>

#include "codegen/backend_setting.h"
#include "codegen/builder.h"
#include "codegen/error.h"
#include "codegen/heat_queue.h"
#include "codegen/math.h"
#include "codegen/thread_pool.h"
#include "codegen/tier_up.h"
#include "codegen/trial.h"
#include "codegen/tunables.h"

namespace kiln::codegen {
namespace {

// out = f(x); `tag` makes kernels that no other test has.
Kernel affine(double tag) {
  Kernel kernel;
  Builder b(kernel);
  const Value x = b.load(b.add_buffer({DType::F32}));
  b.store(b.add_buffer({DType::F32}), b.fma(x, tag, 1));
  return kernel;
}

void launch_over(CompiledKernel& kernel, const std::vector<float>& x, std::vector<float>& y) {
  y.resize(x.size());
  void* pointers[] = {const_cast<float*>(x.data()), y.data()};
  const int64_t strides[] = {4, 4}, extents[] = {static_cast<int64_t>(x.size())};
  launch(kernel, {.pointers = pointers, .strides = strides, .extents = extents});
}

struct Compiler : ::testing::Test {
  std::optional<BackendKind> before = forced_backend();
  ~Compiler() override { force_backend(before); }
};

TEST_F(Compiler, OneInstanceForEqualKernels) {
  const auto first = get(affine(2)), again = get(affine(2)), other = get(affine(3));
  EXPECT_EQ(first, again);
  EXPECT_NE(first, other);
  EXPECT_EQ(first->hash, hash(affine(2)));
}

// A softmax keeps its row's exponentials between its passes: of a row longer than any memory it asks for that, and touches nothing.
TEST_F(Compiler, AKernelThatRunsOutOfMemorySaysSo) {
  force_backend(BackendKind::asmjit);
  Kernel k;
  k.reduction = Reduction::lanes;
  Builder b(k);
  const Value x = b.load(b.add_buffer({.dtype = DType::F32, .reduced = Stride::contiguous}));
  const Value e = exp(b, x - b.reduce(Prim::max, x));
  b.store(b.add_buffer({.dtype = DType::F32, .reduced = Stride::contiguous}), e / b.reduce(Prim::add, e));
  const auto kernel = get(k);
  float in[] = {1, 1, 1, 1}, out[4] = {};
  void* pointers[] = {in, out};
  const int64_t strides[] = {4, 4};
  for (const int64_t extent : {int64_t{1} << 59, int64_t{4}}) {
    const Args args{.pointers = pointers, .strides = strides, .extents = &extent};
    try {
      launch(*kernel, args);
      EXPECT_EQ(extent, 4);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::memory);
      EXPECT_NE(extent, 4);
      EXPECT_EQ(out[0], 0);
    }
  }
  EXPECT_EQ(out[3], 0.25f);
}

TEST_F(Compiler, LaunchesTogetherMayBeEmpty) {
  for (const BackendKind kind : {BackendKind::interpreter, BackendKind::asmjit}) {
    force_backend(kind);
    const auto kernel = get(affine(2));
    float x[] = {1, 2, 3}, y[] = {0, 0, 0};
    void* first[] = {x, y};
    void* nothing[] = {nullptr, nullptr};
    void* last[] = {x + 2, y + 2};
    const int64_t strides[] = {4, 4}, two[] = {2}, none[] = {0}, one[] = {1};
    std::array launches{Args{.pointers = first, .strides = strides, .extents = two},
                        Args{.pointers = nothing, .strides = strides, .extents = none},
                        Args{.pointers = last, .strides = strides, .extents = one}};
    launch(*kernel, launches);
    EXPECT_EQ((std::array{y[0], y[1], y[2]}), (std::array{3.0f, 5.0f, 7.0f}));
  }
}

// A back end that compiles for the narrowest vectors there are, whatever is asked.
class Narrow final : public Backend {
 public:
  BackendKind kind() const override { return BackendKind::asmjit; }
  std::shared_ptr<Code> compile(const Kernel& k, Isa) override {
    ++compiled;
    return asmjit_backend().compile(k, Isa::avx2);
  }
  int compiled = 0;
};

TEST_F(Compiler, ABackEndOfTheCallersOwnHasItsOwnInstances) {
  static Narrow narrow;
  force_backend(BackendKind::asmjit);
  const auto built_in = get(affine(4));
  const uint32_t setting = backend_setting();
  {
    const BackendInstead instead(narrow);
    EXPECT_NE(setting, backend_setting());
    EXPECT_NE(built_in, get(affine(4)));
    EXPECT_EQ(get(affine(4)), get(affine(4)));
    EXPECT_EQ(1, narrow.compiled);
  }
  EXPECT_EQ(setting, backend_setting());
  EXPECT_EQ(built_in, get(affine(4)));
}

TEST_F(Compiler, EachSettingHasItsOwnInstance) {
  force_backend(std::nullopt);
  const auto automatic = get(affine(2));
  force_backend(BackendKind::interpreter);
  const auto interpreted = get(affine(2));
  EXPECT_NE(automatic, interpreted);
  EXPECT_EQ(BackendKind::interpreter, interpreted->code().backend);
  EXPECT_EQ(interpreted, get(affine(2)));
}

TEST_F(Compiler, CountsWhatRan) {
  force_backend(BackendKind::interpreter);
  const KernelCounters start = counters();
  auto kernel = get(affine(17));
  const size_t interpreter = static_cast<size_t>(BackendKind::interpreter);
  std::vector<float> x(10, 2.0f), y;
  for (int i = 0; i < 3; ++i) launch_over(*kernel, x, y);
  EXPECT_EQ(35.0f, y[9]);
  EXPECT_EQ(3u, kernel->launches());
  EXPECT_EQ(3u, kernel->launches_by_backend[interpreter]);
  EXPECT_EQ(start.compiles[interpreter] + 1, counters().compiles[interpreter]);
  EXPECT_EQ(start.kernels + 1, counters().kernels);
  kernel.reset();
  clear_kernel_cache();
  EXPECT_EQ(start.launches[interpreter] + 3, counters().launches[interpreter]) << "launches outlive their kernels";
  EXPECT_NE(nullptr, get(affine(17)));
}

TEST_F(Compiler, RefusesInvalidKernels) {
  Kernel kernel = affine(2);
  kernel.nodes[0].slot = 5;
  EXPECT_THROW(get(kernel), Error);
}

TEST_F(Compiler, RunsTheSameOnOneThreadAndMany) {
  const int threads = num_threads();
  Kernel kernel;
  Builder b(kernel);
  const Value x = b.load(b.add_buffer({DType::F32}));
  b.store(b.add_buffer({DType::F32}), tanh(b, x) * exp(b, x));
  std::vector<float> in(300'000), one, many;
  for (size_t i = 0; i < in.size(); ++i) in[i] = std::sin(static_cast<float>(i));
  const auto compiled = get(kernel);
  set_num_threads(1);
  launch_over(*compiled, in, one);
  set_num_threads(3);
  launch_over(*compiled, in, many);
  set_num_threads(threads);
  EXPECT_EQ(0, std::memcmp(one.data(), many.data(), one.size() * sizeof(float)));
}

TEST_F(Compiler, EmptySpacesRunNothing) {
  const auto kernel = get(affine(2));
  std::vector<float> none, y;
  const uint64_t before = kernel->launches();
  launch_over(*kernel, none, y);
  EXPECT_EQ(before, kernel->launches());
}

// Kernels see denormals and round to nearest whatever the caller left in MXCSR, and the caller gets it back, on every thread.
TEST_F(Compiler, ForeignFloatingPointStateIsSetAside) {
  const auto kernel = get(affine(1));
  std::vector<float> x(200'000, 0x1p-140f), y;
  Kernel halving;
  Builder b(halving);
  const Value v = b.load(b.add_buffer({DType::F32}));
  b.store(b.add_buffer({DType::F32}), v * 0.5);
  const auto half = get(halving);
  const unsigned flush_and_round_up = 0x1f80 | 0x8040 | 0x4000;
  const unsigned before = _mm_getcsr();
  _mm_setcsr(flush_and_round_up);
  launch_over(*half, x, y);
  const unsigned after = _mm_getcsr();
  _mm_setcsr(before);
  EXPECT_EQ(flush_and_round_up, after & ~0x3fu);
  for (float out : y) ASSERT_EQ(0x1p-141f, out);
}

// Threads of the pool do not inherit the state of whoever started them, nor does the caller bring its own along.
TEST_F(Compiler, PoolBodiesSeeTheDefaultFloatingPointState) {
  const int threads = num_threads();
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040);
  set_num_threads(1);
  set_num_threads(4);
  std::atomic<int> foreign{0};
  parallel_for(4000, 1, [&](int64_t, int64_t) { foreign += (_mm_getcsr() & ~0x3fu) != 0x1f80; });
  _mm_setcsr(before);
  set_num_threads(threads);
  EXPECT_EQ(0, foreign);
}

TEST_F(Compiler, ThreadsShareTheCache) {
  std::vector<std::shared_ptr<CompiledKernel>> got(8);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < got.size(); ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const auto kernel = get(affine(100 + i));
        std::vector<float> x(100, 1.0f), y;
        launch_over(*kernel, x, y);
        ASSERT_EQ(static_cast<float>(101 + i), y[50]);
        if (i == 7) got[t] = kernel;
      }
    });
  for (std::thread& t : threads) t.join();
  for (const auto& kernel : got) EXPECT_EQ(got[0], kernel);
}

// Launches until nothing is undecided about the kernel any more.
void run_until_settled(CompiledKernel& kernel) {
  std::vector<float> x(100, 1.0f), y;
  for (int i = 0; i < 100 && kernel.tier != Tier::settled; ++i) {
    for (int64_t n = 0; n <= value(Tunable::tier_up_launches); ++n) launch_over(kernel, x, y);
    wait_for_compiles();
  }
}

TEST_F(Compiler, HotKernelsTryBothCodesAndKeepOne) {
  if (llvm_backend() == nullptr) GTEST_SKIP() << "no LLVM library here";
  force_backend(std::nullopt);
  const auto kernel = get(affine(41));
  EXPECT_EQ(Tier::heating, kernel->tier);
  EXPECT_EQ(BackendKind::asmjit, kernel->code().backend);
  std::vector<float> x(100, 1.0f), y;
  for (int64_t i = 0; i < value(Tunable::tier_up_launches); ++i) launch_over(*kernel, x, y);
  wait_for_compiles();
  EXPECT_EQ(Tier::trial, kernel->tier);
  const auto launches = [&](BackendKind kind) { return kernel->launches_by_backend[static_cast<size_t>(kind)].load(); };
  const uint64_t first_tier = launches(BackendKind::asmjit);
  uint64_t tried = 0;
  for (; tried < 2 * Trial::kShortSamples && kernel->tier != Tier::settled; ++tried) {
    launch_over(*kernel, x, y);
    ASSERT_EQ(42.0f, y[0]);
  }
  EXPECT_EQ(Tier::settled, kernel->tier);
  EXPECT_GE(tried, uint64_t{2 * Trial::kSamples});
  EXPECT_EQ(tried / 2, launches(BackendKind::llvm));
  EXPECT_EQ(first_tier + tried / 2, launches(BackendKind::asmjit));
  EXPECT_GT(kernel->ratio, 0);
  EXPECT_EQ(kernel->ratio >= Trial::kMargin ? BackendKind::llvm : BackendKind::asmjit, kernel->code().backend);
  EXPECT_NE(std::string::npos, kernel->describe_code().find("LLVM's")) << kernel->describe_code();
}

// The compiler thread is kept from working while the test looks at what waits for it.
struct CompilerHeldUp : Compiler {
  CompilerHeldUp() {
    force_backend(std::nullopt);
    wait_for_compiles();
    hold = std::unique_lock(compile_gate());
  }
  std::shared_ptr<CompiledKernel> queued(double tag, int64_t heat) {
    auto kernel = std::make_shared<CompiledKernel>(affine(tag));
    kernel->swap_in(asmjit_backend().compile(kernel->kernel, isa()));
    kernel->tier = Tier::heating;
    kernel->heat = heat;
    queue_if_hot(*kernel);
    return kernel;
  }
  void release() {
    hold.unlock();
    wait_for_compiles();
  }
  std::unique_lock<std::shared_mutex> hold;
};

TEST_F(CompilerHeldUp, KernelsThatNobodyHoldsAreNotCompiled) {
  if (llvm_backend() == nullptr) GTEST_SKIP() << "no LLVM library here";
  const KernelCounters before = counters();
  const int64_t hot = value(Tunable::tier_up_launches);
  auto first = queued(500, hot), gone = queued(501, hot), kept = queued(502, hot), cancelled = queued(503, hot);
  gone.reset();
  cancel_compile(*cancelled);
  EXPECT_EQ(Tier::heating, cancelled->tier);
  release();
  const KernelCounters after = counters();
  const size_t llvm = static_cast<size_t>(BackendKind::llvm);
  EXPECT_EQ(before.compiles[llvm] + 2, after.compiles[llvm]);
  EXPECT_EQ(before.cancelled + 2, after.cancelled);
  EXPECT_EQ(Tier::trial, kept->tier);
  EXPECT_EQ(Tier::heating, cancelled->tier) << "and it can grow hot again:";
  std::vector<float> x(100, 1.0f), y;
  for (int64_t i = 0; i < hot; ++i) launch_over(*cancelled, x, y);
  wait_for_compiles();
  EXPECT_EQ(Tier::trial, cancelled->tier);
}

TEST_F(Compiler, TheHottestKernelIsTakenFirst) {
  HeatQueue queue;
  std::vector<std::shared_ptr<CompiledKernel>> kernels;
  for (const int64_t heat : {3, 9, 1, 7}) {
    kernels.push_back(std::make_shared<CompiledKernel>(affine(static_cast<double>(heat))));
    kernels.back()->heat = heat;
    queue.push(kernels.back());
  }
  uint64_t gone = 0;
  EXPECT_EQ(kernels[1], queue.take_hottest(gone));
  kernels[2]->heat = 8;  // it grew hot while it waited
  EXPECT_EQ(kernels[2], queue.take_hottest(gone));
  queue.push(kernels[3]);  // a second time
  kernels[0].reset();
  EXPECT_EQ(kernels[3], queue.take_hottest(gone));
  EXPECT_EQ(1u, gone);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(nullptr, queue.take_hottest(gone));
}

// What is launched from several threads during a trial has the same bits, and one verdict.
TEST_F(Compiler, ThreadsShareATrial) {
  if (llvm_backend() == nullptr) GTEST_SKIP() << "no LLVM library here";
  force_backend(std::nullopt);
  const auto kernel = get(affine(43));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      std::vector<float> x(100, 1.0f), y;
      for (int i = 0; i < 3000; ++i) {
        launch_over(*kernel, x, y);
        ASSERT_EQ(44.0f, y[99]);
      }
    });
  for (std::thread& t : threads) t.join();
  run_until_settled(*kernel);
  EXPECT_EQ(Tier::settled, kernel->tier);
}

TEST_F(Compiler, KernelsHaveNames) {
  EXPECT_EQ(0u, get(affine(44), "mul + add, relu")->name.find("kiln_mul_add_relu_"));
  const auto unnamed = get(affine(45));
  EXPECT_EQ(0u, unnamed->name.find("kiln_fma_"));
  char hash[17];
  std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(unnamed->hash));
  EXPECT_TRUE(unnamed->name.ends_with(hash));
  std::string many;
  for (int i = 0; i < 300; ++i) many += "multiply + ";
  EXPECT_LT(name_of(affine(1), 0, many).size(), 120u);
  EXPECT_EQ("kiln_fma_0000000000000000", name_of(affine(2), 0, "+ ?"));
}

TEST_F(Compiler, WorksInAForkedChild) {
  std::vector<float> x(200'000, 1.0f), y;
  force_backend(std::nullopt);
  for (int i = 0; i < 20; ++i) launch_over(*get(affine(300 + i)), x, y);  // some may be on their way to LLVM
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    for (int i = 0; i < 20; ++i) launch_over(*get(affine(320 + i)), x, y);
    wait_for_compiles();
    launch_over(*get(affine(301)), x, y);
    _exit(y.back() == 302.0f ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(child, waitpid(child, &status, 0));
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  wait_for_compiles();
}

// A process that ends while kernels are being compiled ends at once and cleanly.
TEST_F(Compiler, ExitStopsTheBackgroundThread) {
  force_backend(std::nullopt);
  const int64_t launches = value(Tunable::tier_up_launches);
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    set_value(Tunable::tier_up_launches, 0);
    for (int i = 0; i < 30; ++i) get(affine(400 + i));
    std::exit(0);
  }
  int status = -1;
  ASSERT_EQ(child, waitpid(child, &status, 0));
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(launches, value(Tunable::tier_up_launches));
}

TEST(Tunables, KnowTheirRange) {
  EXPECT_THROW(set_value(Tunable::parallel_work, 0), Error);
  const int64_t before = value(Tunable::parallel_work);
  set_value(Tunable::parallel_work, 12345);
  EXPECT_EQ(12345, value(Tunable::parallel_work));
  set_value(Tunable::parallel_work, before);
}

}  // namespace
}  // namespace kiln::codegen
