// CUDA source through NVRTC, which needs no GPU: it compiles for every architecture that is asked for, and what arithmetic comes out.
// KILN_CUDA_EXHAUSTIVE=1 compiles each kernel for all architectures; else they take turns.
#include <gtest/gtest.h>

#include "../codegen/random_kernel.h"
#include "codegen/builder.h"
#include "codegen/cuda/nvrtc.h"
#include "codegen/cuda/source.h"
#include "codegen/environment.h"
#include "codegen/error.h"
#include "ptx.h"

namespace kiln::codegen::cuda {
namespace {

constexpr int kArchitectures[] = {80, 90, 100};
constexpr int64_t kDefaultCount = 120;

TEST(CudaNvrtc, RandomKernelsCompileToUncontractedArithmetic) {
  const auto first = static_cast<uint64_t>(environment_integer("KILN_FUZZ_SEED", 0, INT64_MAX).value_or(1));
  const auto count = static_cast<uint64_t>(environment_integer("KILN_FUZZ_COUNT", 1, INT64_MAX).value_or(kDefaultCount));
  const bool all = environment_integer("KILN_CUDA_EXHAUSTIVE", 0, 1).value_or(0) != 0;
  for (size_t i = 0; i < std::size(kArchitectures); ++i) {
    std::vector<Kernel> kernels;
    for (uint64_t seed = first; seed < first + count; ++seed)
      if (all || seed % std::size(kArchitectures) == i) kernels.push_back(codegen::testing::random_case(seed).kernel);
    EXPECT_EQ(testing::wrong_programs(kernels, kArchitectures[i]), "");
  }
}

Kernel multiply_add(bool fused) {
  Kernel k;
  Builder b(k);
  Value in[3];
  for (Value& v : in) v = b.load(b.add_buffer({.dtype = DType::F32}));
  const uint32_t to = b.add_buffer({.dtype = DType::F32});
  b.store(to, fused ? b.fma(in[0], in[1], in[2]) : in[0] * in[1] + in[2]);
  return k;
}

TEST(CudaNvrtc, OnlyTheKernelsOwnFmaIsFused) {
  const std::string apart = compile(source(multiply_add(false)), 90).ptx, fused = compile(source(multiply_add(true)), 90).ptx;
  EXPECT_NE(apart.find("mul.rn.f32"), std::string::npos);
  EXPECT_NE(apart.find("add.rn.f32"), std::string::npos);
  EXPECT_EQ(apart.find("fma"), std::string::npos);
  EXPECT_NE(fused.find("fma.rn.f32"), std::string::npos);
  // The check itself sees a fused product where the kernel has none.
  EXPECT_NE(testing::wrong_arithmetic(fused, multiply_add(false)), "");
}

TEST(CudaNvrtc, AFaultInOneOfManyKernelsIsFound) {
  const std::vector<Kernel> kernels{multiply_add(true), multiply_add(true), multiply_add(false), multiply_add(true)};
  EXPECT_EQ(testing::wrong_programs(kernels, 90), "");
  const auto fault = [](Prim p, DType r, DType o) { return p == Prim::add ? std::string_view("__fmaf_rn($0, $0, $1)") : form_of(p, r, o); };
  const std::string wrong = testing::wrong_programs(kernels, 90, fault);
  EXPECT_NE(wrong.find("sm_90: \tfma.rn.f32"), std::string::npos) << wrong;
  EXPECT_NE(wrong.find(print(multiply_add(false))), std::string::npos) << wrong;
}

TEST(CudaNvrtc, VectorsOfSixteenBytesAreMovedAsOne) {
  const std::string ptx = compile(source(multiply_add(false)), 90).ptx;
  EXPECT_NE(ptx.find("ld.global.v4"), std::string::npos) << ptx;
  EXPECT_NE(ptx.find("st.global.v4"), std::string::npos) << ptx;
}

// A sum over `inputs` buffers in as many dimensions as there can be. (Of f64, of which a vector's loop holds the fewest elements: NVRTC takes
// seconds over more.)
Kernel sum_of(int inputs) {
  Kernel k;
  k.rank = kMaxKernelRank;
  Builder b(k);
  Value sum = b.load(b.add_buffer({.dtype = DType::F64}));
  for (int i = 1; i < inputs; ++i) sum = sum + b.load(b.add_buffer({.dtype = DType::F64}));
  b.store(b.add_buffer({.dtype = DType::F64}), sum);
  return k;
}

TEST(CudaNvrtc, ManyBuffersAreParametersUpToALimitThatIsSaid) {
  EXPECT_NE(compile(source(sum_of(60)), 80).cubin, "");  // beyond the 4 KiB that older drivers take
  try {
    source(sum_of(600));
    FAIL() << "printed";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_implemented);
    EXPECT_NE(std::string(error.what()).find("601 buffers"), std::string::npos) << error.what();
  }
}

TEST(CudaNvrtc, RefusedSourceIsAnErrorWithTheCompilersWords) {
  try {
    compile("extern \"C\" __global__ void f() { undeclared(); }", 90);
    FAIL() << "compiled";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::runtime);
    EXPECT_NE(std::string(error.what()).find("undeclared"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("sm_90"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace kiln::codegen::cuda
