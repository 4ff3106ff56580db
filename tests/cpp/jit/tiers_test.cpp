// What the tiers do for a captured function: explain() knows whose code runs, and nothing is compiled for a function that is gone.
#include <gtest/gtest.h>

#include <cstring>
#include <latch>
#include <mutex>
#include <thread>

#include "codegen/tier_up.h"
#include "codegen/trial.h"
#include "codegen/tunables.h"
#include "eager/dispatch.h"
#include "tracer/explain.h"
#include "tracer/recorder.h"

namespace kiln {
namespace {

using codegen::BackendKind;
using codegen::Tunable;
using eager::Op;
using eager::Tensor;

const Op add{"add"}, mul{"multiply"}, tanh_{"tanh"};

struct Tiers : ::testing::Test {
  Tiers() {
    codegen::force_backend(std::nullopt);
    codegen::set_value(Tunable::tier_up_launches, 5);
    codegen::wait_for_compiles();
  }
  ~Tiers() override {
    codegen::set_value(Tunable::tier_up_launches, launches);
    codegen::force_backend(backend);
  }
  // Runs tanh(x) + x + x ... as a captured function would; each number of terms has a kernel of its own.
  void run(const std::shared_ptr<tracer::FunctionRecord>& record, int terms) {
    tracer::SegmentScope scope(record);
    Tensor y = tanh_(x);
    for (int i = 0; i < terms; ++i) y = add(y, mul(y, x));
    scope.end(eager::FlushReason::function_end);
  }
  const Tensor x = [] {
    Tensor t = Tensor::empty({64}, DType::F32);
    std::memset(t.data(), 0, 64 * sizeof(float));
    return t;
  }();
  const std::optional<BackendKind> backend = codegen::forced_backend();
  const int64_t launches = codegen::value(Tunable::tier_up_launches);
};

TEST_F(Tiers, AFunctionThatDiesTakesItsKernelsOutOfTheQueue) {
  if (codegen::llvm_backend() == nullptr) GTEST_SKIP() << "no LLVM library here";
  auto record = std::make_shared<tracer::FunctionRecord>("f");
  run(record, 3);
  const codegen::KernelCounters before = codegen::counters();
  {
    // The compiler can begin nothing. Held by another thread, for a program takes the gate under its recorder's lock and never the reverse.
    std::latch held(1), done(1);
    const std::jthread holder([&] {
      const std::unique_lock hold(codegen::compile_gate());
      held.count_down();
      done.wait();
    });
    held.wait();
    for (int i = 0; i < 10; ++i) run(record, 3);
    EXPECT_NE(std::string::npos, tracer::explain(*record).find("waits for LLVM")) << tracer::explain(*record);
    record.reset();
    done.count_down();
  }
  codegen::wait_for_compiles();
  const codegen::KernelCounters after = codegen::counters();
  const size_t llvm = static_cast<size_t>(BackendKind::llvm);
  EXPECT_EQ(before.compiles[llvm], after.compiles[llvm]);
  EXPECT_EQ(before.cancelled + 1, after.cancelled);
}

TEST_F(Tiers, ExplainSaysWhoseCodeRunsAndWhy) {
  if (codegen::llvm_backend() == nullptr) GTEST_SKIP() << "no LLVM library here";
  const auto record = std::make_shared<tracer::FunctionRecord>("f");
  run(record, 5);
  EXPECT_NE(std::string::npos, tracer::explain(*record).find("AsmJit's code, 1 of 5 on its way to LLVM")) << tracer::explain(*record);
  for (int i = 0; i < 5; ++i) run(record, 5);
  codegen::wait_for_compiles();
  EXPECT_NE(std::string::npos, tracer::explain(*record).find("AsmJit's and LLVM's code in turn")) << tracer::explain(*record);
  for (int i = 0; i < 2 * codegen::Trial::kShortSamples; ++i) run(record, 5);
  const std::string settled = tracer::explain(*record);
  EXPECT_TRUE(settled.find(" times as fast") != std::string::npos || settled.find(" times as long") != std::string::npos) << settled;
}

}  // namespace
}  // namespace kiln
