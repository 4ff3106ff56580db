// Rows that overlap (codegen/asmjit/overlap.h): which do, and that nobody can tell by the results.
#include "codegen/asmjit/overlap.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstring>

#include "codegen/asmjit/registers.h"
#include "codegen/builder.h"
#include "codegen/environment.h"
#include "codegen/math.h"

namespace kiln::codegen {
namespace {

// What a kernel of the last dimension's reductions is written with. Its buffers: x and y of whole rows, and one number a row of either kind.
struct Parts {
  Builder& b;
  Value x, of_row;
  uint32_t y, to_row;
  Value max(Value v) { return b.reduce(Prim::max, v); }
  Value sum(Value v) { return b.reduce(Prim::add, v); }
};

struct Body {
  const char* name;
  void (*write)(Parts&);
  DType dtype = DType::F32;
  bool overlaps = true;  // with AVX-512
};

Kernel kernel(const Body& body, int rank = 2) {
  Kernel k;
  k.rank = static_cast<uint8_t>(rank);
  k.reduction = Reduction::lanes;
  Builder b(k);
  const Buffer row{.dtype = body.dtype, .inner = Stride::contiguous, .reduced = Stride::contiguous};
  const Buffer number{.dtype = body.dtype, .inner = Stride::zero, .reduced = Stride::zero};
  const uint32_t x = b.add_buffer(row), y = b.add_buffer(row), from = b.add_buffer(number), to = b.add_buffer(number);
  Parts parts{b, b.load(x), b.load(from), y, to};
  body.write(parts);
  return k;
}

void softmax(Parts& p) {
  const Value e = exp(p.b, p.x - p.max(p.x));
  p.b.store(p.y, e / p.sum(e));
}
void softmax_and_its_sum(Parts& p) {
  const Value e = exp(p.b, p.x - p.max(p.x)), sum = p.sum(e);
  p.b.store(p.y, e / sum);
  p.b.store(p.to_row, sum + p.of_row);
}
void half_softmax(Parts& p) {
  const Value x = p.b.cast(p.x, DType::F32), e = exp(p.b, x - p.max(x));
  p.b.store(p.y, p.b.cast(e / p.sum(e), DType::F16));
}
void log_softmax(Parts& p) {
  const Value shifted = p.x - p.max(p.x);
  p.b.store(p.y, shifted - log(p.b, p.sum(exp(p.b, shifted))));
}
// The last loop reduces, and another pass follows.
void log_likelihood(Parts& p) {
  const Value shifted = p.x - p.max(p.x), log_probability = shifted - log(p.b, p.sum(exp(p.b, shifted)));
  p.b.store(p.to_row, p.b.neg(p.sum(p.b.select(p.b.eq(p.x, p.of_row), log_probability, 0))));
}
void sum_then_scale(Parts& p) { p.b.store(p.y, p.x * p.sum(tanh(p.b, p.x))); }  // two loops
void any_above(Parts& p) {                                                      // a bool is carried
  const Value high = p.b.reduce(Prim::bit_or, p.b.gt(p.x, p.of_row));
  p.b.store(p.y, p.b.select(high, p.x, p.sum(exp(p.b, p.x))) * p.sum(p.x));
}
void kept_by_the_first_loop(Parts& p) {  // and read by the last
  const Value e = exp(p.b, p.x), s = p.sum(exp(p.b, e - p.max(e)));
  p.b.store(p.y, e / s);
}
// By the last but one loop, long before its end: the last, a short one, must have read them by then.
void two_values_kept(Parts& p) {
  const Value polynomial = (((p.x * 0.25 + 1) * p.x + 2) * p.x + 3) * p.x, other = polynomial * 0.125;
  p.b.store(p.y, p.b.fma(polynomial, p.sum(exp(p.b, exp(p.b, exp(p.b, other)))), other));
}
void rms_norm(Parts& p) { p.b.store(p.y, p.x / p.b.sqrt(p.sum(p.x * p.x))); }  // waits for memory
void one_loop(Parts& p) { p.b.store(p.to_row, p.sum(exp(p.b, p.x))); }

constexpr Body kBodies[] = {
    {"softmax", softmax},
    {"softmax f64", softmax, DType::F64},
    {"softmax f16", half_softmax, DType::F16},
    {"softmax and its sum", softmax_and_its_sum},
    {"log-softmax", log_softmax},
    {"log-likelihood", log_likelihood},
    {"log-likelihood f64", log_likelihood, DType::F64},
    {"sum, then scale", sum_then_scale},
    {"any above", any_above},
    {"two values kept", two_values_kept},
    {"kept by the first loop", kept_by_the_first_loop, DType::F32, false},
    {"RMS norm", rms_norm, DType::F32, false},
    {"one loop", one_loop, DType::F32, false},
};

std::vector<Isa> isas() { return isa() == Isa::avx512 ? std::vector{Isa::avx512, Isa::avx2} : std::vector{Isa::avx2}; }

class OverlapTest : public ::testing::Test {
 protected:
  void SetUp() override { x64::check_allocations = true; }
  void TearDown() override { x64::overlap_always = false; }
  static std::string code(const Kernel& k, Isa isa, bool always) {
    x64::overlap_always = always;
    return asmjit_backend().text(k, isa, "asm");
  }
};

struct Memory {
  std::vector<std::byte> x, y, from, to;
  bool operator==(const Memory&) const = default;
};

void fill(std::vector<std::byte>& bytes, DType t) {
  const auto size = static_cast<size_t>(size_of(t));
  for (size_t i = 0; i * size < bytes.size(); ++i) {
    const double value = i % 97 == 50 ? -std::numeric_limits<double>::infinity() : static_cast<double>(i * 7919 % 64) / 8 - 3;
    if (t == DType::F64) std::memcpy(&bytes[i * size], &value, size);
    const auto narrow = static_cast<float>(value);
    if (t == DType::F32) std::memcpy(&bytes[i * size], &narrow, size);
    const auto half = static_cast<uint16_t>(0x3000 + i * 7919 % 4096);
    if (t == DType::F16) std::memcpy(&bytes[i * size], &half, size);
  }
}

constexpr int64_t kOuter[] = {2, 3};

// Rows are apart by one element more than they are long; the outer dimensions' order is not that of the memory.
Memory run(const Code& code, const Kernel& k, DType t, int64_t columns, bool in_place, int64_t calls) {
  const int64_t size = size_of(t), row = (columns + 1) * size, rows = kOuter[0] * kOuter[1];
  Memory m;
  m.x.resize(static_cast<size_t>(rows * row));
  m.from.resize(static_cast<size_t>(rows * size));
  fill(m.x, t);
  fill(m.from, t);
  m.y.resize(m.x.size());
  m.to.resize(m.from.size());
  void* pointers[] = {m.x.data(), in_place ? m.x.data() : m.y.data(), m.from.data(), m.to.data()};
  std::vector<int64_t> strides;
  for (int b = 0; b < 4; ++b) {
    const int64_t step = b < 2 ? row : size;
    if (k.rank == 3) strides.insert(strides.end(), {step, step * kOuter[0]});
    else strides.push_back(step);
    strides.push_back(b < 2 ? size : 0);
  }
  const std::vector<int64_t> extents = k.rank == 3 ? std::vector{kOuter[0], kOuter[1], columns} : std::vector{rows, columns};
  const Args args{pointers, strides.data(), extents.data(), nullptr, 0, nullptr, nullptr, code.self};
  for (int64_t p = 0; p < calls; ++p) EXPECT_EQ(code.function(&args, rows * p / calls, rows * (p + 1) / calls), 0u);
  return m;
}

TEST_F(OverlapTest, ChangesNoResult) {
  for (const Body& body : kBodies)
    for (int rank : {2, 3}) {
      const Kernel k = kernel(body, rank);
      verify(k);
      const auto oracle = interpreter_backend().compile(k, Isa::avx2);
      std::vector<std::shared_ptr<Code>> codes;
      for (Isa isa : isas())
        for (bool always : {false, true}) {
          x64::overlap_always = always;
          codes.push_back(asmjit_backend().compile(k, isa));
        }
      for (int64_t columns : {0, 1, 16, 31, 33, 64, 100, 4200})
        for (bool in_place : {false, true}) {
          const Memory want = run(*oracle, k, body.dtype, columns, in_place, 1);
          for (size_t c = 0; c < codes.size(); ++c)
            for (int64_t calls : {1, 4})
              EXPECT_EQ(run(*codes[c], k, body.dtype, columns, in_place, calls), want)
                  << body.name << ", code " << c << ", rank " << rank << ", " << columns << " columns, " << calls << " calls"
                  << (in_place ? ", in place" : "");
        }
    }
}

TEST_F(OverlapTest, WhereALoopTakesLongerThanMemory) {
  for (const Body& body : kBodies) {
    const Kernel k = kernel(body);
    x64::overlap_always = false;
    const Schedule s = schedule(k);
    x64::Program program;
    program.isa = Isa::avx512;
    x64::Vectors vectors(program);
    x64::Nodes nodes(k, vectors);
    const auto kept = x64::values_to_keep(k, s);
    EXPECT_EQ(x64::overlap(k, s, kept, Isa::avx512, nodes).has_value(), body.overlaps) << body.name;
    EXPECT_FALSE(x64::overlap(k, s, kept, Isa::avx2, nodes)) << body.name << ": sixteen registers are too few";
  }
}

// The division of one row among the exponentials of the next.
TEST_F(OverlapTest, IsOneLoop) {
  const auto steps_with_both = [](const std::string& text) {
    int found = 0;
    for (size_t at = 0; (at = text.find("; wide steps", at)) != std::string::npos; ++at) {
      const std::string steps = text.substr(at, text.find("; steps", at) - at);
      const size_t division = steps.find("vdivps"), add = steps.find("vfmadd");
      found += division < steps.rfind("vfmadd") && add < steps.rfind("vdivps") && steps.find("vdivps") != std::string::npos ? 1 : 0;
    }
    return found;
  };
  EXPECT_EQ(steps_with_both(code(kernel(kBodies[0]), Isa::avx512, false)), 1);
  EXPECT_EQ(steps_with_both(code(kernel(kBodies[0]), Isa::avx2, false)), 0);
}

// The last pass runs once before it has a row. Nothing that it has then may say where to load from: here that would be off limits.
TEST_F(OverlapTest, LoadsNothingForARowThatIsNotThere) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* forbidden = mmap(nullptr, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (bool gathers : {false, true}) {
    Kernel k;
    k.rank = 2;
    k.reduction = Reduction::lanes;
    Builder b(k);
    const Buffer row{.dtype = DType::F32, .inner = Stride::contiguous, .reduced = Stride::contiguous};
    const uint32_t x = b.add_buffer(row), y = b.add_buffer(row);
    const uint32_t table = b.add_buffer(gathers ? Buffer{.dtype = DType::F32, .inner = Stride::zero, .reduced = Stride::zero} : row);
    const Value sum = b.reduce(Prim::add, exp(b, b.load(x))), absent = b.lt(b.load(x) * 0.01 + sum, 0.5);
    const Value at = b.index(1) + b.cast(sum, DType::I64);
    b.store(y, gathers ? b.gather(table, at, absent, b.load(x)) : b.load(table, absent, b.load(x)));
    verify(k);
    std::vector<float> in(3 * 40, 1), out(3 * 40);
    void* pointers[] = {in.data(), out.data(), forbidden};
    const int64_t strides[] = {160, 4, 160, 4, 0, gathers ? 0 : 4}, extents[] = {3, 40};
    for (Isa isa : isas()) {
      x64::overlap_always = true;
      const auto code = asmjit_backend().compile(k, isa);
      const Args args{pointers, strides, extents, nullptr, 0, nullptr, nullptr, code->self};
      EXPECT_EQ(code->function(&args, 0, 3), 0u);
      EXPECT_EQ(out, in);
    }
  }
  munmap(forbidden, page);
}

}  // namespace
}  // namespace kiln::codegen
