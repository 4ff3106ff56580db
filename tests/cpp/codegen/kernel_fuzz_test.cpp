// Random kernels on every back end against the interpreter, bit for bit, in memory that ends where a page may not be touched.
// KILN_FUZZ_SEED runs one seed (or starts there, with KILN_FUZZ_COUNT); KILN_FUZZ_COUNT says how many follow.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <iostream>

#include "codegen/asmjit/overlap.h"
#include "codegen/asmjit/pointwise.h"
#include "codegen/asmjit/registers.h"
#include "codegen/backend.h"
#include "codegen/builder.h"
#include "codegen/environment.h"
#include "codegen/legalise.h"
#include "random_kernel.h"

namespace kiln::codegen {
namespace {

using testing::Coverage;
using testing::KernelCase;

constexpr int64_t kDefaultCount = 400;

// Memory with a forbidden page on either side; contents can be put against either.
class Guarded {
 public:
  explicit Guarded(size_t bytes) : page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))), bytes_((bytes + page_ - 1) / page_ * page_ + page_) {
    base_ = static_cast<std::byte*>(mmap(nullptr, bytes_ + 2 * page_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    EXPECT_EQ(mprotect(base_ + page_, bytes_, PROT_READ | PROT_WRITE), 0);
  }
  ~Guarded() { munmap(base_, bytes_ + 2 * page_); }
  Guarded(const Guarded&) = delete;
  std::byte* place(size_t bytes, bool at_end) const { return base_ + page_ + (at_end ? bytes_ - bytes : 0); }
  size_t capacity() const { return bytes_; }

 private:
  const size_t page_, bytes_;
  std::byte* base_ = nullptr;
};

// One back end and ISA.
struct Runner {
  std::string name;
  Backend* backend;
  Isa isa;
};

class Machine {
 public:
  // What memory holds after the kernel has run; nullopt where the back end does not cover it.
  std::optional<std::vector<std::vector<std::byte>>> run(const Runner& runner, const KernelCase& c) {
    const auto code = runner.backend->compile(c.kernel, runner.isa);
    if (!code) return std::nullopt;
    std::vector<std::byte*> arenas;
    for (size_t i = 0; i < c.arenas.size(); ++i) {
      while (guarded_.size() <= i) guarded_.push_back(std::make_unique<Guarded>(1 << 20));
      if (guarded_[i]->capacity() < c.arenas[i].size()) guarded_[i] = std::make_unique<Guarded>(c.arenas[i].size());
      arenas.push_back(guarded_[i]->place(c.arenas[i].size(), (c.seed + i) % 3 != 0));
      if (!c.arenas[i].empty()) std::memcpy(arenas[i], c.arenas[i].data(), c.arenas[i].size());
    }
    std::vector<void*> pointers;
    std::vector<int64_t> strides;
    for (const auto& b : c.buffers) {
      pointers.push_back(arenas[b.arena] + b.offset);
      strides.insert(strides.end(), b.strides.begin(), b.strides.end());
    }
    const Args args{pointers.data(), strides.data(), c.extents.data(), c.scalars.data(), c.clip_total, nullptr, nullptr, code->self};
    for (size_t i = 0; i + 1 < c.cuts.size(); ++i) EXPECT_EQ(code->function(&args, c.cuts[i], c.cuts[i + 1]), 0u);
    std::vector<std::vector<std::byte>> out;
    for (size_t i = 0; i < arenas.size(); ++i) out.emplace_back(arenas[i], arenas[i] + c.arenas[i].size());
    return out;
  }

 private:
  std::vector<std::unique_ptr<Guarded>> guarded_;
};

Machine& machine() {
  static Machine machine;
  return machine;
}

const Runner kOracle{"interpreter", &interpreter_backend(), Isa::avx2};

std::vector<Isa> isas() { return isa() == Isa::avx512 ? std::vector{Isa::avx512, Isa::avx2} : std::vector{Isa::avx2}; }

// The interpreter, on kernels that went through the rewriting that AsmJit's go through.
class Legalised final : public Backend {
 public:
  BackendKind kind() const override { return BackendKind::interpreter; }
  std::shared_ptr<Code> compile(const Kernel& kernel, Isa isa) override {
    const Kernel legal = legalise(kernel);
    verify(legal);
    return interpreter_backend().compile(legal, isa);
  }
};

std::vector<Runner> runners() {
  static Legalised legalised;
  std::vector<Runner> all{{"legalised", &legalised, Isa::avx2}};
  Backend* llvm = llvm_backend();
  for (Isa i : isas()) {
    const std::string suffix = i == Isa::avx512 ? " avx512" : " avx2";
    all.push_back({"asmjit" + suffix, &asmjit_backend(), i});
    if (llvm != nullptr) all.push_back({"llvm" + suffix, llvm, i});
  }
  return all;
}

std::string hex(const std::byte* at, size_t bytes) {
  std::string out = "0x";
  for (size_t i = bytes; i-- > 0;) {
    constexpr char kDigits[] = "0123456789abcdef";
    out += kDigits[std::to_integer<int>(at[i]) >> 4];
    out += kDigits[std::to_integer<int>(at[i]) & 15];
  }
  return out;
}

// Empty if equal, else the first element that differs.
std::string difference(const KernelCase& c, const std::vector<std::vector<std::byte>>& want,
                       const std::vector<std::vector<std::byte>>& have) {
  for (size_t i = 0; i < want.size(); ++i) {
    const auto [w, h] = std::mismatch(want[i].begin(), want[i].end(), have[i].begin());
    if (w == want[i].end()) continue;
    const auto byte = static_cast<size_t>(w - want[i].begin());
    size_t size = 1;
    for (size_t b = 0; b < c.buffers.size(); ++b)
      if (c.buffers[b].arena == i) size = static_cast<size_t>(size_of(c.kernel.buffers[b].dtype));
    const size_t at = byte / size * size;
    return "arena " + std::to_string(i) + ", byte " + std::to_string(at) + ": interpreter " + hex(&want[i][at], size) + ", here " +
           hex(&have[i][at], size);
  }
  return {};
}

// Empty if the runner agrees with the interpreter or does not cover the kernel.
std::string disagreement(const Runner& runner, const KernelCase& c, bool* covered = nullptr) {
  const auto have = machine().run(runner, c);
  if (covered != nullptr) *covered = have.has_value();
  if (!have) return {};
  return difference(c, *machine().run(kOracle, c), *have);
}

// Smaller cases that still disagree: fewer stores, nodes replaced by constants, smaller extents.
KernelCase shrink(const Runner& runner, KernelCase c) {
  const auto attempt = [&](const Kernel& kernel, const std::vector<int64_t>& extents) {
    try {
      const KernelCase smaller = testing::rebuilt(c, kernel, extents);
      if (disagreement(runner, smaller).empty()) return false;
      c = smaller;
      return true;
    } catch (const Error&) { return false; }
  };
  for (bool smaller = true; smaller;) {
    smaller = false;
    for (size_t s = 0; s < c.kernel.stores.size() && c.kernel.stores.size() > 1; ++s) {
      Kernel k = c.kernel;
      k.buffers[k.stores[s].buffer].written = false;
      k.stores.erase(k.stores.begin() + static_cast<std::ptrdiff_t>(s));
      smaller = attempt(k, c.extents) || smaller;
    }
    for (size_t n = c.kernel.nodes.size(); n-- > 0;) {
      const Node node = c.kernel.nodes[n];
      if (node.kind == NodeKind::constant) continue;
      Kernel k = c.kernel;
      k.nodes[n] = {.kind = NodeKind::constant, .dtype = node.dtype, .bits = 0};
      smaller = attempt(k, c.extents) || smaller;
    }
    for (size_t d = 0; d < c.extents.size(); ++d)
      for (int64_t to : {int64_t{1}, c.extents[d] / 2, c.extents[d] - 1}) {
        if (to < 1 || to >= c.extents[d]) continue;
        std::vector<int64_t> extents = c.extents;
        extents[d] = to;
        if (attempt(c.kernel, extents)) {
          smaller = true;
          break;
        }
      }
  }
  return c;
}

void report(const Runner& runner, const KernelCase& c, const std::string& what) {
  const KernelCase small = shrink(runner, c);
  std::string text = runner.name + " differs: " + what + "\n" + c.describe() + "\nshrunk:\n" + small.describe() +
                     disagreement(runner, small) + "\nagain: KILN_FUZZ_SEED=" + std::to_string(c.seed) + " KILN_FUZZ_COUNT=1\n";
  if (environment_integer("KILN_FUZZ_ASM", 0, 1).value_or(0) != 0) text += runner.backend->text(small.kernel, runner.isa, "asm");
  ADD_FAILURE() << text;
}

uint64_t first_seed() { return static_cast<uint64_t>(environment_integer("KILN_FUZZ_SEED", 0, INT64_MAX).value_or(1)); }
int64_t count() {
  const bool one = environment_integer("KILN_FUZZ_SEED", 0, INT64_MAX).has_value();
  return environment_integer("KILN_FUZZ_COUNT", 1, INT64_MAX).value_or(one ? 1 : kDefaultCount);
}

TEST(KernelFuzz, BackEndsAgreeWithTheInterpreter) {
  x64::check_allocations = true;
  const std::vector<Runner> all = runners();
  std::map<std::string, int64_t> covered;
  Coverage coverage;
  int failures = 0;
  for (uint64_t seed = first_seed(); seed < first_seed() + static_cast<uint64_t>(count()) && failures < 3; ++seed) {
    const KernelCase c = testing::random_case(seed);
    x64::streaming_threshold = seed % 2 == 0 ? 1 : INT64_MAX;  // both of the loops that a pointwise kernel has
    x64::overlap_always = seed / 2 % 2 == 0;
    coverage.count(c);
    const auto want = *machine().run(kOracle, c);
    for (const Runner& runner : all) {
      const auto have = machine().run(runner, c);
      if (!have) continue;
      ++covered[runner.name];
      const std::string what = difference(c, want, *have);
      if (what.empty()) continue;
      report(runner, c, what);
      ++failures;
      break;
    }
  }
  std::cout << coverage.table();
  for (const auto& [name, n] : covered) std::cout << name << " ran " << n << " of " << count() << "\n";
  for (const Runner& runner : all) EXPECT_EQ(covered[runner.name], count()) << runner.name << " does not cover every kernel";
  if (count() < kDefaultCount) return;
  for (const char* group : {"primitive", "dtype", "stored dtype", "reduced dtype", "reduction", "combine", "leaf", "load stride",
                            "gather stride", "store stride", "aliasing"})
    EXPECT_EQ(coverage.rare(group), std::vector<std::string>{}) << "of group " << group << " in fewer than one case in a hundred";
}

constexpr int64_t kElements = 50;

// Loads (or gathers, each element at its offset) `step` bytes apart where an index is below a bound.
void read_below_a_bound(const Guarded& guarded, DType dtype, Stride stride, Reduction reduction, bool gathers) {
  const bool reduces = reduction != Reduction::none;
  const int64_t size = size_of(dtype), step = stride == Stride::any ? 3 * size : stride == Stride::zero ? 0 : size;
  const Stride inner = gathers ? Stride::zero : stride;
  Kernel k;
  k.reduction = reduction;
  Builder b(k);
  const uint32_t from = b.add_buffer({.dtype = dtype, .inner = inner, .reduced = reduces ? inner : Stride::zero});
  const uint32_t to = b.add_buffer({.dtype = dtype, .inner = reduces ? Stride::zero : Stride::contiguous});
  const Value exists = b.lt(b.index(0), b.scalar(k.scalars++, DType::I64)), otherwise = b.constant(dtype, 1);
  const Value loaded =
      gathers ? b.gather(from, b.index(0) * static_cast<double>(step / size), exists, otherwise) : b.load(from, exists, otherwise);
  const DType computed = is_half(dtype) ? DType::F32 : dtype;
  b.store(to, reduces ? b.cast(b.reduce(Prim::max, b.cast(loaded, computed)), dtype) : loaded);

  const auto run = [&](const Code& code, int64_t bound) {
    const int64_t bytes = bound > 0 ? (bound - 1) * step + size : 0;
    std::byte* memory = guarded.place(static_cast<size_t>(bytes), true);
    std::fill(memory, memory + bytes, std::byte{1});
    std::vector<std::byte> out(static_cast<size_t>(kElements * size));
    void* pointers[] = {memory, out.data()};
    const int64_t strides[] = {gathers ? 0 : step, reduces ? 0 : size}, extents[] = {kElements};
    const uint64_t scalars[] = {static_cast<uint64_t>(bound)};
    const Args args{pointers, strides, extents, scalars, 0, nullptr, nullptr, code.self};
    EXPECT_EQ(code.function(&args, 0, 1), 0u);
    return out;
  };
  const auto oracle = kOracle.backend->compile(k, kOracle.isa);
  for (const Runner& runner : runners()) {
    const auto code = runner.backend->compile(k, runner.isa);
    ASSERT_NE(code, nullptr);
    for (int64_t bound : {0, 1, 5, 16, 17, 40})
      EXPECT_EQ(run(*code, bound), run(*oracle, bound)) << runner.name << " bound " << bound << "\n" << print(k);
  }
}

// Elements whose mask is false lie on the forbidden page here: loading one would end the test.
TEST(KernelFuzz, MaskedOffMemoryIsNotTouched) {
  const Guarded guarded(1 << 16);
  for (const DType dtype : {DType::Bool, DType::I8, DType::U16, DType::U32, DType::F32, DType::I64})  // each way that memory is read
    for (Stride stride : {Stride::contiguous, Stride::any, Stride::zero})
      for (Reduction reduction : {Reduction::none, Reduction::lanes, Reduction::tree})
        for (const bool gathers : {false, true})
          if (stride != Stride::zero || (reduction == Reduction::none && !gathers))  // a reduction would read one element or none
            read_below_a_bound(guarded, dtype, stride, reduction, gathers);
}

// The elements that a row's last step lacks would be gathered from the forbidden page.
TEST(KernelFuzz, NothingBeyondARowIsGathered) {
  const Guarded guarded(1 << 16);
  for (const DType dtype : {DType::Bool, DType::U16, DType::F32, DType::I64}) {
    Kernel k;
    Builder b(k);
    const uint32_t from = b.add_buffer({.dtype = dtype, .inner = Stride::zero}), to = b.add_buffer({.dtype = dtype});
    b.store(to, b.gather(from, b.index(0)));
    const auto bytes = static_cast<size_t>(kElements * size_of(dtype));
    std::byte* memory = guarded.place(bytes, true);
    std::fill_n(memory, bytes, std::byte{1});
    for (const Runner& runner : runners()) {
      const auto code = runner.backend->compile(k, runner.isa);
      ASSERT_NE(code, nullptr);
      std::vector<std::byte> out(bytes);
      void* pointers[] = {memory, out.data()};
      const int64_t strides[] = {0, size_of(dtype)}, extents[] = {kElements};
      const Args args{pointers, strides, extents, nullptr, 0, nullptr, nullptr, code->self};
      EXPECT_EQ(code->function(&args, 0, 1), 0u);
      EXPECT_EQ(out, std::vector<std::byte>(memory, memory + bytes)) << runner.name;
    }
  }
}

// A back end with a fault: it compiles another kernel than it was given.
class Faulty final : public Backend {
 public:
  explicit Faulty(void (*fault)(Kernel&)) : fault_(fault) {}
  BackendKind kind() const override { return BackendKind::asmjit; }
  std::shared_ptr<Code> compile(const Kernel& kernel, Isa isa) override {
    Kernel wrong = kernel;
    fault_(wrong);
    return asmjit_backend().compile(wrong, isa);
  }

 private:
  void (*fault_)(Kernel&);
};

void swap_prim(Kernel& k, Prim from, Prim to) {
  for (Node& n : k.nodes)
    if ((n.kind == NodeKind::primitive || n.kind == NodeKind::reduce) && n.prim == from && n.dtype != DType::Bool) n.prim = to;
}

TEST(KernelFuzz, FindsPlantedFaults) {
  struct Fault {
    const char* name;
    void (*plant)(Kernel&);
  };
  constexpr Fault kFaults[] = {
      {"max computes min", [](Kernel& k) { swap_prim(k, Prim::max, Prim::min); }},
      {"floor computes trunc", [](Kernel& k) { swap_prim(k, Prim::floor, Prim::trunc); }},
      {"le computes lt",
       [](Kernel& k) {
         for (Node& n : k.nodes)
           if (n.kind == NodeKind::primitive && n.prim == Prim::le) n.prim = Prim::lt;
       }},
      {"logical shift keeps the sign", [](Kernel& k) { swap_prim(k, Prim::shr_logical, Prim::shr); }},
      {"a constant is off by its lowest bit",
       [](Kernel& k) {
         for (Node& n : k.nodes)
           if (n.kind == NodeKind::constant) n.bits ^= 1;
       }},
  };
  for (const Fault& fault : kFaults) {
    Faulty faulty(fault.plant);
    const Runner runner{fault.name, &faulty, isas().front()};
    int64_t seed = 1;
    while (seed <= kDefaultCount && disagreement(runner, testing::random_case(static_cast<uint64_t>(seed))).empty()) ++seed;
    EXPECT_LE(seed, kDefaultCount) << fault.name << " was not found";
    std::cout << fault.name << ": found at seed " << seed << "\n";
  }
}

}  // namespace
}  // namespace kiln::codegen
