// CUDA source, compiled for the host with an emulation of blocks and threads, against the interpreter, bit for bit.
// KILN_FUZZ_SEED and KILN_FUZZ_COUNT choose the random kernels.
#include <gtest/gtest.h>

#include <iostream>

#include "check.h"
#include "codegen/builder.h"
#include "codegen/environment.h"
#include "codegen/error.h"

namespace kiln::codegen::cuda {
namespace {

using testing::KernelCase;

constexpr int64_t kDefaultCount = 200;

std::vector<KernelCase> random_cases() {
  const bool one = environment_integer("KILN_FUZZ_SEED", 0, INT64_MAX).has_value();
  const auto first = static_cast<uint64_t>(environment_integer("KILN_FUZZ_SEED", 0, INT64_MAX).value_or(1));
  const int64_t count = environment_integer("KILN_FUZZ_COUNT", 1, INT64_MAX).value_or(one ? 1 : kDefaultCount);
  std::vector<KernelCase> cases;
  for (uint64_t seed = first; seed < first + static_cast<uint64_t>(count); ++seed) cases.push_back(codegen::testing::random_case(seed));
  return cases;
}

TEST(CudaEmulation, RandomKernelsGiveTheInterpretersBits) {
  for (const auto& d : testing::disagreements(random_cases())) ADD_FAILURE() << d.text;
}

// A kernel of one primitive, from a buffer per operand to one that takes the result; nullopt where the primitive does not take the dtypes.
std::optional<Kernel> kernel_of(const PrimInfo& prim, DType result, DType operand) {
  Kernel k;
  Node n{.kind = NodeKind::primitive, .prim = prim.prim, .dtype = result};
  for (uint32_t i = 0; i < prim.operands; ++i) {
    const DType t = prim.prim == Prim::select && i == 0 ? DType::Bool : operand;
    k.buffers.push_back({.dtype = t});
    k.nodes.push_back({.kind = NodeKind::load, .dtype = t, .slot = i});
    n.operands[i] = i;
  }
  k.nodes.push_back(n);
  k.buffers.push_back({.dtype = result, .written = true});
  k.stores.push_back({prim.operands, prim.operands});
  try {
    verify(k);
    return k;
  } catch (const Error&) { return std::nullopt; }
}

// Every primitive on every dtype it takes, over values where arithmetic has corners; one in three in rows that are no vectors.
std::vector<KernelCase> primitive_cases() {
  std::vector<KernelCase> cases;
  for (const PrimInfo& prim : kPrims)
    for (const DTypeInfo& result : kRealDTypes)
      for (const DTypeInfo& operand : kRealDTypes)
        if (const auto kernel = kernel_of(prim, result.dtype, operand.dtype)) {
          const KernelCase any = codegen::testing::case_of(*kernel, cases.size() + 1);
          cases.push_back(codegen::testing::rebuilt(any, *kernel, {2000 + static_cast<int64_t>(cases.size() % 3)}));
        }
  return cases;
}

TEST(CudaEmulation, EveryPrimitiveOnEveryDtypeGivesTheInterpretersBits) {
  const auto cases = primitive_cases();
  EXPECT_GT(cases.size(), 100u);
  for (const auto& d : testing::disagreements(cases)) ADD_FAILURE() << d.text;
}

// Reductions of several rounds of blocks, rows that are kept in shared memory and those that do not fit, and empty ones.
std::vector<KernelCase> long_cases() {
  std::vector<KernelCase> cases;
  const auto add = [&](const Kernel& kernel, const std::vector<int64_t>& extents) {
    cases.push_back(codegen::testing::rebuilt(codegen::testing::case_of(kernel, cases.size() + 1), kernel, extents));
  };
  for (const Reduction kind : {Reduction::lanes, Reduction::tree, Reduction::rows})
    for (const bool again : {false, true}) {
      Kernel k;
      k.reduction = kind;
      k.rank = 2;
      Builder b(k);
      const bool rows = kind == Reduction::rows;
      const Buffer whole{.dtype = DType::F32, .reduced = rows ? Stride::any : Stride::contiguous};
      const Buffer one{.dtype = DType::F32, .inner = rows ? Stride::contiguous : Stride::zero};
      const Value x = b.load(b.add_buffer(whole));
      // NaN and infinities would hide the order.
      const Value tame = b.select(b.lt(b.abs(x), 100), x, 1);
      const Value sum = b.reduce(Prim::add, tame);
      if (!again) {
        b.store(b.add_buffer(one), sum);
      } else {  // passes that read the row again, and a value made of it
        const Value y = b.abs(tame - sum) + 1;
        b.store(b.add_buffer(whole), y / b.reduce(Prim::add, y));
      }
      for (const int64_t n : {0, 1, 33, 1024, 1025, 4097, 9000, 12000, 33000, 70000}) {
        if (rows) add(k, {n, 3});
        else add(k, {2, n});
      }
    }
  return cases;
}

TEST(CudaEmulation, LongReductionsGiveTheInterpretersBits) {
  for (const auto& d : testing::disagreements(long_cases())) ADD_FAILURE() << d.text;
}

// -- Planted faults: each is a printed form put in the place of another -----------------------------------------------------------------

struct Fault {
  const char* name;
  Forms forms;
};
constexpr Fault kFaults[] = {
    {"max prints min", [](Prim p, DType r, DType o) { return form_of(p == Prim::max ? Prim::min : p, r, o); }},
    {"floor prints trunc", [](Prim p, DType r, DType o) { return form_of(p == Prim::floor ? Prim::trunc : p, r, o); }},
    {"le prints lt", [](Prim p, DType r, DType o) { return form_of(p == Prim::le ? Prim::lt : p, r, o); }},
    {"a quotient is a product with the reciprocal",
     [](Prim p, DType r, DType o) {
       return p == Prim::div && is_floating(o) ? std::string_view("__$dmul_rn($0, __$ddiv_rn(1, $1))") : form_of(p, r, o);
     }},
    {"minima of floats ignore NaN",
     [](Prim p, DType r, DType o) { return p == Prim::min && is_floating(o) ? std::string_view("$0 < $1 ? $0 : $1") : form_of(p, r, o); }},
    {"shifts by the width or more are left to the machine",
     [](Prim p, DType r, DType o) { return p == Prim::shl ? std::string_view("($T)(($U)$0 << (int)($1 % $W))") : form_of(p, r, o); }},
    {"a cast does not saturate",
     [](Prim p, DType r, DType o) {
       return p == Prim::cast && is_floating(o) && is_integer(r) ? std::string_view("($T)(i64)$0") : form_of(p, r, o);
     }},
};

TEST(CudaEmulation, FindsPlantedFaults) {
  std::vector<KernelCase> cases = primitive_cases();
  for (KernelCase& c : random_cases()) cases.push_back(std::move(c));
  for (const Fault& fault : kFaults) {
    const auto found = testing::found_fault(
        cases, [&](const Kernel& kernel, const Options& options) { return source(kernel, {.name = options.name, .forms = fault.forms}); });
    ASSERT_TRUE(found) << fault.name << " was not found";
    std::cout << fault.name << ": found by case " << found->index << " of " << cases.size() << "\n";
  }
}

// Faults of the loops: a piece of the text is another.
struct TextFault {
  const char *name, *from, *to;
};
constexpr TextFault kTextFaults[] = {
    {"lanes fold from their neighbours", "for (int h = 16; h > 0; h /= 2)", "for (int h = 1; h < 32; h *= 2)"},
    {"results are read before all are there", "if (writes) partial[slot] = a;\n  __syncthreads();", "if (writes) partial[slot] = a;"},
    {"the outcome is read before it is there", "partial[slot] = tree.result(identity);\n  __syncthreads();",
     "partial[slot] = tree.result(identity);"},
    {"a thread is missing where all meet", "for (i64 row = ", "if (threadIdx.x == 7) return;\n  for (i64 row = "},
    {"a tree is a sequence", "for (u64 n = ++count; n % 2 == 0; n /= 2)", "for (; depth > 0;)"},
};

TEST(CudaEmulation, FindsFaultsOfLoopsAndBarriers) {
  const std::vector<KernelCase> cases = long_cases();
  for (const TextFault& fault : kTextFaults) {
    const auto found = testing::found_fault(cases, [&](const Kernel& kernel, const Options& options) {
      std::string text = source(kernel, options);
      const size_t at = text.find(fault.from);
      return at == std::string::npos ? text : text.replace(at, std::string(fault.from).size(), fault.to);
    });
    ASSERT_TRUE(found) << fault.name << " was not found";
    std::cout << fault.name << ": " << found->text.substr(0, found->text.find('\n')) << "\n";
  }
}

}  // namespace
}  // namespace kiln::codegen::cuda
