// Kernels that one piece of code runs again and again: against the same runs one by one, and the steps between them against C++.
#include "codegen/kernel_loop.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "random_kernel.h"
#include "run_kernel.h"

namespace kiln::codegen {
namespace {

using Step = KernelLoop::Step;
using Kind = Step::Kind;
using testing::KernelCase;

constexpr int64_t kMost = std::numeric_limits<int64_t>::max(), kLeast = std::numeric_limits<int64_t>::min();

std::vector<Isa> isas() { return isa() == Isa::avx512 ? std::vector{Isa::avx2, Isa::avx512} : std::vector{Isa::avx2}; }

KernelLoop::Value number(uint32_t n) { return {n, 0}; }
KernelLoop::Value constant(int64_t v) { return {std::nullopt, v}; }
KernelLoop::Value constant(double v) { return {std::nullopt, std::bit_cast<int64_t>(v)}; }

Step end() { return {}; }
Step back(std::vector<std::pair<uint32_t, uint32_t>> places, std::vector<std::pair<uint32_t, KernelLoop::Value>> numbers = {}) {
  Step s;
  s.kind = Kind::back;
  s.places = std::move(places);
  s.numbers = std::move(numbers);
  return s;
}
Step check(uint32_t n, int64_t is, int32_t next, int32_t otherwise) {
  Step s;
  s.kind = Kind::check;
  s.next = next;
  s.otherwise = otherwise;
  s.x = number(n);
  s.y = constant(is);
  return s;
}
Step compute(Kind kind, uint32_t result, DType dtype, KernelLoop::Value x, KernelLoop::Value y, int32_t next) {
  Step s;
  s.kind = kind;
  s.next = next;
  s.result = result;
  s.dtype = dtype;
  s.x = x;
  s.y = y;
  return s;
}
Step look(Kind kind, uint32_t result, DType dtype, uint32_t place, int64_t offset, int32_t next) {
  Step s;
  s.kind = kind;
  s.next = next;
  s.result = result;
  s.dtype = dtype;
  s.place = place;
  s.offset = offset;
  return s;
}

// A loop with memory to run in. What is not covered is not run.
struct Loop {
  KernelLoop loop;
  std::vector<int64_t> extents, strides;
  std::vector<std::byte*> places;
  std::vector<int64_t> numbers;
  int64_t clip_total = 0;
  std::vector<uint64_t> scalars;

  bool run(Isa isa, int64_t most) {
    const auto code = compile_loop(loop, isa);
    if (code == nullptr) return false;
    std::vector<void*> pointers;
    for (const auto& b : loop.buffers) pointers.push_back(places[b.place] + b.offset);
    KernelLoopArgs args{};
    args.args.pointers = pointers.data();
    args.args.strides = strides.data();
    args.args.extents = extents.data();
    args.args.scalars = scalars.data();
    args.args.clip_total = clip_total;
    args.places = places.data();
    args.numbers = numbers.data();
    args.left = most;
    EXPECT_EQ(code->function(&args.args, 0, block_count(loop.kernel, extents.data())), 0u);
    left = args.left;
    ended = args.ended;
    return true;
  }
  int64_t left = 0, ended = 0;
};

// Memory for the kernel below.
struct Sums {
  int64_t a = 0, b = 1, sum = 0;
  bool below = false;
  std::vector<std::byte*> places() {
    const auto at = [](auto& v) { return reinterpret_cast<std::byte*>(&v); };
    return {at(a), at(b), at(sum), at(below)};
  }
};

// A kernel of a few single values: out = a + b, and whether that is below 100.
Loop adding(Sums& memory) {
  Loop l;
  l.places = memory.places();
  l.loop.kernel = parse(R"(kernel rank=1 reduction=lanes clip=-1 scalars=0
b0: i64 inner=zero reduced=zero
b1: i64 inner=zero reduced=zero
b2: i64 inner=zero reduced=zero written
b3: bool inner=zero reduced=zero written
%0 = load i64 b0
%1 = load i64 b1
%2 = add i64 %0 %1
%3 = const i64 0x0000000000000064
%4 = lt bool %2 %3
store b2 %2
store b3 %4
)");
  for (uint32_t b = 0; b < 4; ++b) l.loop.buffers.push_back({b, 0});
  l.extents = {1};
  l.strides = {0, 0, 0, 0};
  return l;
}

TEST(KernelLoop, PlacesGoRoundAndNumbersCount) {
  for (const Isa isa : isas()) {
    Sums memory;
    Loop l = adding(memory);
    l.numbers = {0, 0};
    // while (below = a + b < 100): a, b, turns = b, a + b, turns + 1
    l.loop.steps = {look(Kind::truth, 1, DType::Bool, 3, 0, 1), check(1, 1, 2, 4),
                    compute(Kind::add, 1, DType::I64, number(0), constant(int64_t{1}), 3), back({{0, 1}, {1, 2}, {2, 0}}, {{0, number(1)}}),
                    end()};
    ASSERT_TRUE(l.run(isa, 1000));
    EXPECT_EQ(l.ended, 4);
    EXPECT_EQ(l.numbers[0], 10);
    EXPECT_EQ(1000 - l.left, 10);
    const auto at = [&](size_t place) {
      int64_t v;
      std::memcpy(&v, l.places[place], sizeof v);
      return v;
    };
    EXPECT_EQ(at(0), 55);
    EXPECT_EQ(at(1), 89);
    EXPECT_EQ(at(2), 144);
  }
}

TEST(KernelLoop, GoesOnWhereItStopped) {
  for (const Isa isa : isas()) {
    Sums memory;
    Loop l = adding(memory);
    l.numbers = {0, 0};
    l.loop.steps = {look(Kind::truth, 1, DType::Bool, 3, 0, 1), check(1, 1, 2, 3), back({{0, 1}, {1, 2}, {2, 0}}), end()};
    for (int n = 0; n < 10; ++n) {
      ASSERT_TRUE(l.run(isa, 1));
      EXPECT_EQ(l.ended, 2);
      EXPECT_EQ(l.left, 0);
    }
    ASSERT_TRUE(l.run(isa, 1));
    EXPECT_EQ(l.ended, 3);
    EXPECT_EQ(l.left, 1);
  }
}

// One run of one step, whose result is number 2.
std::optional<int64_t> computed(Isa isa, Kind kind, DType dtype, KernelLoop::Value x, KernelLoop::Value y) {
  Sums memory;
  Loop l = adding(memory);
  l.numbers = {x.constant, y.constant, 0};
  if (x.number) x.number = 0;
  if (y.number) y.number = 1;
  l.loop.steps = {compute(kind, 2, dtype, x, y, 1), end()};
  EXPECT_TRUE(l.run(isa, 1));
  if (l.ended == 0) return std::nullopt;
  return l.numbers[2];
}

TEST(KernelLoop, IntegersAreExactOrEndTheRun) {
  const int64_t values[] = {0, 1, -1, 2, 7, -13, int64_t{1} << 31, -(int64_t{1} << 40), kMost, kLeast};
  for (const Isa isa : isas())
    for (const int64_t a : values)
      for (const int64_t b : values)
        for (const auto x : {number(0), KernelLoop::Value{}}) {
          KernelLoop::Value u = x, v = constant(b);
          u.constant = a;
          const auto same = [&](Kind kind, std::optional<int64_t> wanted) {
            EXPECT_EQ(computed(isa, kind, DType::I64, u, v), wanted) << a << " " << b << " " << static_cast<int>(kind);
          };
          int64_t r;
          same(Kind::add, __builtin_add_overflow(a, b, &r) ? std::nullopt : std::optional(r));
          same(Kind::subtract, __builtin_sub_overflow(a, b, &r) ? std::nullopt : std::optional(r));
          same(Kind::multiply, __builtin_mul_overflow(a, b, &r) ? std::nullopt : std::optional(r));
          same(Kind::less, a < b);
          same(Kind::less_equal, a <= b);
          same(Kind::equal, a == b);
          same(Kind::not_equal, a != b);
          same(Kind::greater, a > b);
          same(Kind::greater_equal, a >= b);
        }
}

TEST(KernelLoop, FloatsAsCppHasThem) {
  const double values[] = {0.0, -0.0, 1.5, -2.25, 1e300, -1e300, 5e-324, HUGE_VAL, -HUGE_VAL, NAN};
  for (const Isa isa : isas())
    for (const double a : values)
      for (const double b : values) {
        KernelLoop::Value x = number(0);
        x.constant = std::bit_cast<int64_t>(a);
        const auto gives = [&](Kind kind, double wanted) {
          const double got = std::bit_cast<double>(*computed(isa, kind, DType::F64, x, constant(b)));
          if (std::isnan(wanted)) EXPECT_TRUE(std::isnan(got));
          else EXPECT_EQ(std::bit_cast<int64_t>(got), std::bit_cast<int64_t>(wanted)) << a << " " << b;
        };
        const auto says = [&](Kind kind, bool wanted) {
          EXPECT_EQ(computed(isa, kind, DType::F64, x, constant(b)), std::optional<int64_t>(wanted))
              << a << " " << b << " " << static_cast<int>(kind);
        };
        gives(Kind::add, a + b);
        gives(Kind::subtract, a - b);
        gives(Kind::multiply, a * b);
        says(Kind::less, a < b);
        says(Kind::less_equal, a <= b);
        says(Kind::equal, a == b);
        says(Kind::not_equal, a != b);
        says(Kind::greater, a > b);
        says(Kind::greater_equal, a >= b);
      }
}

TEST(KernelLoop, ElementsOfPlaces) {
  for (const Isa isa : isas()) {
    struct {
      float f = 1.5F;
      int32_t i = -7;
      int64_t l = int64_t{1} << 40;
      double d = -0.1;
      bool b = true, off = false;
    } m;
    Sums memory;
    Loop l = adding(memory);
    l.places.push_back(reinterpret_cast<std::byte*>(&m));
    l.numbers.assign(6, -1);
    const auto at = [&](const void* p) { return static_cast<const std::byte*>(p) - reinterpret_cast<const std::byte*>(&m); };
    l.loop.steps = {look(Kind::item, 0, DType::F32, 4, at(&m.f), 1),
                    look(Kind::item, 1, DType::I32, 4, at(&m.i), 2),
                    look(Kind::item, 2, DType::I64, 4, at(&m.l), 3),
                    look(Kind::item, 3, DType::F64, 4, at(&m.d), 4),
                    look(Kind::truth, 4, DType::Bool, 4, at(&m.b), 5),
                    look(Kind::item, 5, DType::Bool, 4, at(&m.off), 6),
                    end()};
    ASSERT_TRUE(l.run(isa, 1));
    EXPECT_EQ(std::bit_cast<double>(l.numbers[0]), 1.5);
    EXPECT_EQ(l.numbers[1], -7);
    EXPECT_EQ(l.numbers[2], int64_t{1} << 40);
    EXPECT_EQ(std::bit_cast<double>(l.numbers[3]), -0.1);
    EXPECT_EQ(l.numbers[4], 1);
    EXPECT_EQ(l.numbers[5], 0);
  }
}

// Which places change theirs: those of one size, at random.
std::vector<std::pair<uint32_t, uint32_t>> permutation(const KernelCase& c, std::mt19937_64& random) {
  std::vector<std::pair<uint32_t, uint32_t>> moves;
  std::map<size_t, std::vector<uint32_t>> by_size;
  for (uint32_t n = 0; n < c.arenas.size(); ++n) by_size[c.arenas[n].size()].push_back(n);
  for (auto& [size, places] : by_size) {
    std::vector<uint32_t> from = places;
    std::shuffle(from.begin(), from.end(), random);
    for (size_t n = 0; n < places.size(); ++n)
      if (places[n] != from[n]) moves.emplace_back(places[n], from[n]);
  }
  return moves;
}

using Arenas = std::vector<std::vector<std::byte>>;

Loop loop_over(const KernelCase& c, Arenas& memory) {
  Loop l;
  l.loop.kernel = c.kernel;
  l.extents = c.extents;
  l.scalars = c.scalars;
  l.clip_total = c.clip_total;
  for (const auto& b : c.buffers) {
    l.loop.buffers.push_back({b.arena, b.offset});
    l.strides.insert(l.strides.end(), b.strides.begin(), b.strides.end());
  }
  for (auto& arena : memory) l.places.push_back(arena.data());
  return l;
}

void compare_runs(uint64_t seed, Isa isa) {
  std::mt19937_64 random(seed);
  const KernelCase c = testing::random_case(seed);
  const int64_t blocks = block_count(c.kernel, c.extents.data());
  const auto code = asmjit_backend().compile(c.kernel, isa);
  if (blocks == 0 || code == nullptr) return;
  const auto moves = permutation(c, random);
  const int64_t times = 1 + static_cast<int64_t>(random() % 4);

  Arenas one_by_one = c.arenas;
  Loop plain = loop_over(c, one_by_one);
  for (int64_t n = 0; n < times; ++n) {
    std::vector<void*> pointers;
    for (const auto& b : c.buffers) pointers.push_back(plain.places[b.arena] + b.offset);
    const Args args{pointers.data(), plain.strides.data(), c.extents.data(), c.scalars.data(), c.clip_total, nullptr, nullptr, code->self};
    ASSERT_EQ(code->function(&args, 0, blocks), 0u);
    auto places = plain.places;
    for (const auto& [to, from] : moves) places[to] = plain.places[from];
    plain.places = places;
  }

  Arenas together = c.arenas;
  Loop l = loop_over(c, together);
  l.loop.steps = {back(moves)};
  ASSERT_TRUE(l.run(isa, times)) << c.describe();
  for (size_t n = 0; n < c.arenas.size(); ++n) {
    EXPECT_EQ(together[n], one_by_one[n]) << "seed " << seed << ", memory " << n << ", " << times << " times\n" << c.describe();
  }
}

TEST(KernelLoop, RandomKernelsRunAsOneByOne) {
  for (const Isa isa : isas())
    for (uint64_t seed = 1; seed <= 1500; ++seed) {
      compare_runs(seed, isa);
      if (HasFailure()) return;
    }
}

TEST(KernelLoop, KnownScalarsChangeNoBit) {
  int simpler = 0;
  for (uint64_t seed = 1; seed <= 1500; ++seed) {
    const KernelCase c = testing::case_of(testing::random_case(seed).kernel, seed);
    std::vector<ScalarSource> sources;
    for (const uint64_t s : c.scalars) sources.push_back({s});
    const Kernel known = without_scalars(c.kernel, sources);
    verify(known);
    EXPECT_EQ(known.scalars, 0u);
    simpler += known.nodes.size() < c.kernel.nodes.size();
    const auto run = [&](const Kernel& kernel) {
      Arenas memory = c.arenas;
      std::vector<testing::Array> arrays;
      for (const auto& b : c.buffers) arrays.push_back({memory[b.arena].data() + b.offset, b.strides});
      EXPECT_TRUE(testing::run_kernel(interpreter_backend(), kernel, {c.extents, c.scalars, c.clip_total}, arrays));
      return memory;
    };
    ASSERT_EQ(run(c.kernel), run(known)) << "seed " << seed << "\n" << c.describe() << print(known);
  }
  EXPECT_GT(simpler, 100);
}

}  // namespace
}  // namespace kiln::codegen
