// The LLVM back end against the interpreter, bit for bit, under both instruction sets: every primitive on every dtype, every kind of
// access and tail, every kind of reduction. (The kernel fuzzer holds it to random combinations of these.)
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <random>
#include <thread>

#include "codegen/backend.h"
#include "codegen/builder.h"
#include "codegen/cpu_cache.h"

namespace kiln::codegen {
namespace {

constexpr std::array kAllTypes{DType::Bool, DType::U8, DType::I32, DType::I64, DType::F32, DType::F64};

Backend& llvm() {
  std::string why;
  Backend* backend = llvm_backend(&why);
  if (!backend) throw std::runtime_error(why);
  return *backend;
}

std::vector<Isa> runnable_isas() {
  std::vector<Isa> all{Isa::avx2};
  if (isa() == Isa::avx512) all.push_back(Isa::avx512);
  return all;
}

// Values where arithmetic has corners, and ordinary ones.
uint64_t random_element(DType t, std::mt19937_64& random) {
  static const std::array<double, 24> corners{0.0,
                                              -0.0,
                                              1,
                                              -1,
                                              0.5,
                                              -0.5,
                                              1.5,
                                              2.5,
                                              -2.5,
                                              3,
                                              1e-40,
                                              -1e-310,
                                              1e30,
                                              -1e300,
                                              255,
                                              255.5,
                                              256,
                                              -129,
                                              2147483647,
                                              2147483648.0,
                                              -2147483649.0,
                                              9223372036854775807.0,
                                              -9223372036854775808.0,
                                              1e10};
  const uint64_t bits = random();
  const auto as = [](auto value) {
    uint64_t raw = 0;
    std::memcpy(&raw, &value, sizeof value);
    return raw;
  };
  const double corner = corners[bits % corners.size()];
  switch (random() % 4) {
    case 0:
      if (t == DType::F32) return as(static_cast<float>(corner));
      if (t == DType::F64) return as(corner);
      return t == DType::Bool ? bits & 1 : uint64_t{1} << (bits % 64);
    case 1:  // any bits: NaNs with payloads, infinities, extreme integers
      if (t == DType::Bool) return bits % 3;
      if (bits % 8 == 0)
        return t == DType::F32 ? 0x7f800000u | (bits >> 8) : t == DType::F64 ? 0x7ff0000000000000u | (bits >> 8) : ~uint64_t{0};
      return bits;
    case 2: return is_floating(t) ? random_element(t == DType::F32 ? DType::I32 : DType::I64, random) : bits % 64;
    default:
      if (t == DType::F32) return as(static_cast<float>(static_cast<int64_t>(bits) * 0x1p-60));
      if (t == DType::F64) return as(static_cast<double>(static_cast<int64_t>(bits) * 0x1p-60));
      return t == DType::Bool ? bits & 1 : bits % 16;
  }
}

// Memory for a kernel's buffers: dense in the dimensions along which a buffer varies, with gaps or backwards where its strides are `any`.
class Memory {
 public:
  Memory(const Kernel& kernel, std::vector<int64_t> extents, uint64_t seed, int64_t misalignment = 0)
      : kernel_(kernel), extents_(std::move(extents)) {
    std::mt19937_64 random(seed);
    for (uint32_t i = 0; i < kernel.scalars; ++i) scalars_.push_back(random_element(kAllTypes[random() % 6], random));
    for (const Buffer& buffer : kernel.buffers) {
      const int64_t size = size_of(buffer.dtype);
      int64_t step = size, lowest = 0, highest = 0;
      std::vector<int64_t> strides(kernel.rank);
      for (int d = kernel.rank - 1; d >= 0; --d) {
        const Stride kind = d == kernel.rank - 1 ? buffer.inner : d == kernel.reduced_dim() ? buffer.reduced : Stride::any;
        if (kind == Stride::zero) continue;
        strides[d] = step;
        if (kind == Stride::any && d >= kernel.rank - 2) strides[d] = step * (random() % 2 ? 3 : -2);
        if (kind == Stride::any && d < kernel.rank - 2 && !buffer.written && random() % 4 == 0) strides[d] = 0;
        const int64_t reach = strides[d] * std::max<int64_t>(0, extents_[d] - 1);
        (reach < 0 ? lowest : highest) += reach;
        step = std::max(step, std::abs(strides[d]) * std::max<int64_t>(1, extents_[d]));
      }
      strides_.insert(strides_.end(), strides.begin(), strides.end());
      auto& bytes = storage_.emplace_back(highest - lowest + (1 + misalignment) * size);
      for (size_t at = 0; at + size <= bytes.size(); at += size) {
        const uint64_t element = random_element(buffer.dtype, random);
        std::memcpy(&bytes[at], &element, size);
      }
      offsets_.push_back(-lowest + misalignment * size);
    }
  }

  void run(const Code& code, int64_t clip_total = 0) {
    std::vector<void*> pointers;
    for (size_t i = 0; i < storage_.size(); ++i) pointers.push_back(storage_[i].data() + offsets_[i]);
    uint32_t error = 0;
    const Args args{pointers.data(), strides_.data(), extents_.data(), scalars_.data(), clip_total, nullptr, &error, code.self};
    const int64_t blocks = block_count(kernel_, extents_.data());
    const int64_t middle = blocks / 2;  // two calls, as threads would make
    ASSERT_EQ(code.function(&args, 0, middle), 0u);
    ASSERT_EQ(code.function(&args, middle, blocks), 0u);
  }

  // Everything, so that a write beside a buffer's elements shows as well.
  std::vector<std::vector<char>> contents() const {
    std::vector<std::vector<char>> all;
    for (size_t i = 0; i < storage_.size(); ++i) all.emplace_back(storage_[i].begin(), storage_[i].end());
    return all;
  }

 private:
  struct alignas(64) Aligned {
    char block[64];
  };
  class Bytes {
   public:
    explicit Bytes(size_t n) : blocks_((n + 63) / 64 + 1) {}
    char* data() { return blocks_[0].block; }
    size_t size() const { return blocks_.size() * 64; }
    char& operator[](size_t i) { return data()[i]; }
    const char* begin() const { return blocks_[0].block; }
    const char* end() const { return begin() + size(); }

   private:
    std::vector<Aligned> blocks_;
  };
  const Kernel& kernel_;
  std::vector<int64_t> extents_, strides_;
  std::vector<uint64_t> scalars_;
  std::vector<Bytes> storage_;
  std::vector<int64_t> offsets_;
};

void expect_same_bits(const Kernel& kernel, const std::vector<std::vector<int64_t>>& shapes, int64_t clip_total = 0,
                      int64_t misalignment = 0) {
  verify(kernel);
  const auto oracle = interpreter_backend().compile(kernel, isa());
  for (Isa isa : runnable_isas()) {
    const auto code = llvm().compile(kernel, isa);
    ASSERT_NE(code, nullptr) << print(kernel);
    for (const auto& shape : shapes) {
      Memory expected(kernel, shape, 1 + shape.back(), misalignment);
      Memory actual = expected;
      expected.run(*oracle, clip_total);
      actual.run(*code, clip_total);
      const auto want = expected.contents(), got = actual.contents();
      for (size_t i = 0; i < want.size(); ++i) {
        const auto [w, g] = std::mismatch(want[i].begin(), want[i].end(), got[i].begin());
        ASSERT_EQ(w, want[i].end()) << (isa == Isa::avx2 ? "avx2" : "avx512") << ", extents " << ::testing::PrintToString(shape)
                                    << ", buffer " << i << ", byte " << w - want[i].begin() << "\n"
                                    << print(kernel);
      }
    }
  }
}

Buffer buffer(DType t, Stride inner = Stride::contiguous, Stride reduced = Stride::zero) { return {t, false, inner, reduced}; }

const std::vector<std::vector<int64_t>> kRows{{1}, {7}, {16}, {31}, {64}, {133}, {4096}, {9001}};

TEST(Llvm, EveryPrimitiveOnEveryDtype) {
  for (const PrimInfo& prim : kPrims)
    for (DType t : kAllTypes) {
      if (!takes(prim.prim, t)) continue;
      Kernel kernel;
      Builder b(kernel);
      std::vector<Value> operands;
      for (int i = 0; i < prim.operands; ++i) {
        const bool condition = prim.prim == Prim::select && i == 0;
        operands.push_back(b.load(b.add_buffer(buffer(condition ? DType::Bool : t))));
      }
      const auto make = [&](DType result) { b.store(b.add_buffer(buffer(result)), b.primitive(prim.prim, result, operands)); };
      if (prim.prim == Prim::cast) {
        for (DType to : kAllTypes)
          if (to != t) make(to);
      } else if (prim.prim == Prim::bitcast) {
        if (size_of(t) < 4) continue;
        make(t == DType::F32 ? DType::I32 : t == DType::I32 ? DType::F32 : t == DType::F64 ? DType::I64 : DType::F64);
      } else {
        make(result_dtype(prim.prim, t));
      }
      expect_same_bits(kernel, kRows);
    }
}

// Bounds of either sign of zero, and operands that LLVM knows to be no NaN where the other is a signalling one.
TEST(Llvm, ExtremaKeepNaNsAndSignedZeros) {
  for (DType t : {DType::F32, DType::F64}) {
    Kernel kernel;
    kernel.rank = 2;
    Builder b(kernel);
    const Value x = b.load(b.add_buffer(buffer(t))), row = b.load(b.add_buffer(buffer(t, Stride::zero)));
    const Value flag = b.cast(b.load(b.add_buffer(buffer(DType::Bool))), t);
    for (double bound : {0.0, -0.0, 1.0, -2.0})
      for (Value v : {x, row}) {
        b.store(b.add_buffer(buffer(t)), b.maximum(v, bound));
        b.store(b.add_buffer(buffer(t)), b.minimum(bound, v));
      }
    b.store(b.add_buffer(buffer(t)), b.maximum(x, flag));
    b.store(b.add_buffer(buffer(t)), b.minimum(b.neg(flag), row));
    expect_same_bits(kernel, {{40, 133}, {300, 1}});
  }
}

TEST(Llvm, EveryAccess) {
  for (DType t : kAllTypes)
    for (Stride from : {Stride::zero, Stride::contiguous, Stride::any})
      for (Stride to : {Stride::contiguous, Stride::any})
        for (bool masked : {false, true}) {
          Kernel kernel;
          kernel.rank = 3;
          Builder b(kernel);
          const uint32_t source = b.add_buffer(buffer(t, from));
          Value v = masked ? b.load(source, b.lt(b.bit_and(b.index(2), b.index(1)), 3), b.constant(t, 1)) : b.load(source);
          b.store(b.add_buffer(buffer(t, to)), v);
          expect_same_bits(kernel, {{2, 3, 1}, {3, 5, 29}, {1, 2, 64}, {2, 1, 5000}});
        }
}

TEST(Llvm, UniformValuesAreHoistedToWhereTheyBelong) {
  Kernel kernel;
  kernel.rank = 3;
  Builder b(kernel);
  Value per_call = b.scalar(0, DType::F32) * b.scalar(1, DType::F32) + 1;
  Value per_row =
      b.load(b.add_buffer(buffer(DType::F32, Stride::zero)), b.gt(b.index(0), b.index(1)), b.constant(DType::F32, 2)) / per_call;
  b.store(b.add_buffer(buffer(DType::F32)), b.load(b.add_buffer(buffer(DType::F32))) - per_row);
  b.store(b.add_buffer(buffer(DType::I64)), b.index(2) * 100 + b.index(1) * 10 + b.index(0));
  b.store(b.add_buffer(buffer(DType::F32)), per_call);
  expect_same_bits(kernel, {{4, 3, 17}, {2, 2, 6000}, {7, 1, 1}});
}

// What is built inside a loop, before the loop is closed, must not be folded by what is known of the counter so far.
TEST(Llvm, CountersAreZeroAtFirst) {
  for (const Reduction reduction : {Reduction::none, Reduction::lanes, Reduction::tree}) {
    Kernel kernel;
    kernel.reduction = reduction;
    Builder b(kernel);
    Value x = b.cast(b.cast(b.index(0), DType::Bool), DType::F64);
    if (reduction != Reduction::none) x = x + b.reduce(Prim::add, x);
    const Stride along = reduction == Reduction::none ? Stride::zero : Stride::contiguous;
    b.store(b.add_buffer({.dtype = DType::F64, .reduced = along}), x);
    expect_same_bits(kernel, {{1}, {3}, {8}, {17}, {64}, {1000}});
  }
}

// One pass that stores before its loop what the loop's values were computed from.
TEST(Llvm, WhatIsStoredBeforeALoopWasReadBefore) {
  Kernel kernel;
  kernel.reduction = Reduction::lanes;
  Builder b(kernel);
  const uint32_t once = b.add_buffer({.dtype = DType::F32, .inner = Stride::zero});
  const Value before = b.load(once);
  const Value x = b.load(b.add_buffer({.dtype = DType::F32, .reduced = Stride::contiguous}));
  b.store(once, b.constant(DType::F32, 7));
  b.store(b.add_buffer({.dtype = DType::F32, .reduced = Stride::contiguous}), x + before);
  expect_same_bits(kernel, {{1}, {5}, {33}, {1000}});
}

TEST(Llvm, ResultsBeyondTheCacheAreStreamed) {
  Kernel kernel;
  Builder b(kernel);
  b.store(b.add_buffer(buffer(DType::F64)), b.cast(b.index(0), DType::F64) + b.scalar(0, DType::F64));
  const int64_t elements = std::min<int64_t>(last_level_cache_bytes(), 64 << 20) / 8 + 1001;  // enough on most machines
  for (int64_t misalignment : {0, 1}) expect_same_bits(kernel, {{elements}}, 0, misalignment);
}

// A combine and a dtype for each reduction kind, with a light and a heavy body, before and after it.
void reduce(Reduction kind, Prim combine, DType t, Stride stride, bool heavy) {
  Kernel kernel;
  kernel.rank = 3;
  kernel.reduction = kind;
  Builder b(kernel);
  const Stride inner = kind == Reduction::rows ? Stride::contiguous : stride;
  Value x = b.load(b.add_buffer(buffer(t, inner, stride)));
  if (heavy && t != DType::Bool)
    for (int i = 1; i < 16; ++i) x = b.select(b.gt(x, i), x - 1, x + b.cast(b.index(0), t));
  Value total = b.reduce(combine, x);
  b.store(b.add_buffer(buffer(t, kind == Reduction::rows ? Stride::contiguous : Stride::zero)), total);
  Value again = b.reduce(Prim::max, b.select(b.eq(x, total), x, total));
  b.store(b.add_buffer(buffer(t, inner, stride)), b.select(b.lt(x, again), x, total));
  b.store(b.add_buffer(buffer(t, kind == Reduction::rows ? Stride::any : Stride::zero)), again);
  if (kind == Reduction::rows)
    expect_same_bits(kernel, {{2, 0, 3}, {2, 1, 70}, {3, 5, 33}, {1, 64, 128}, {2, 65, 17}, {1, 700, 40}, {1, 3, 4100}});
  else expect_same_bits(kernel, {{2, 3, 0}, {3, 2, 1}, {2, 2, 31}, {5, 2, 64}, {2, 2, 133}, {1, 1, 4096}, {1, 2, 4100}, {1, 1, 30000}});
}

TEST(Llvm, Reductions) {
  for (Reduction kind : {Reduction::lanes, Reduction::rows, Reduction::tree})
    for (DType t : kAllTypes)
      for (Prim combine : {Prim::add, Prim::mul, Prim::min, Prim::max, Prim::bit_and, Prim::bit_or}) {
        if (!accepts(info(combine).accepts, t)) continue;
        reduce(kind, combine, t, Stride::contiguous, false);
        if (combine == Prim::add) reduce(kind, combine, t, Stride::any, true);
      }
}

TEST(Llvm, ClippedReductionsEndWhereTheElementsDo) {
  for (Reduction kind : {Reduction::lanes, Reduction::rows}) {
    Kernel kernel;
    kernel.rank = 3;
    kernel.reduction = kind;
    kernel.clip = 0;
    Builder b(kernel);
    Value x = b.load(b.add_buffer(buffer(DType::F32, Stride::contiguous, Stride::contiguous)));
    b.store(b.add_buffer(buffer(DType::F32, kind == Reduction::rows ? Stride::contiguous : Stride::zero)), b.reduce(Prim::add, x));
    expect_same_bits(
        kernel, kind == Reduction::rows ? std::vector<std::vector<int64_t>>{{3, 50, 20}} : std::vector<std::vector<int64_t>>{{3, 20, 50}},
        119);
  }
}

TEST(Llvm, SoftmaxIsOneKernelOfThreePasses) {
  Kernel kernel;
  kernel.rank = 2;
  kernel.reduction = Reduction::lanes;
  Builder b(kernel);
  Value x = b.load(b.add_buffer(buffer(DType::F32, Stride::contiguous, Stride::contiguous)));
  Value shifted = x - b.reduce(Prim::max, x);
  Value e = b.fma(shifted, shifted, 1);
  b.store(b.add_buffer(buffer(DType::F32, Stride::contiguous, Stride::contiguous)), e / b.reduce(Prim::add, e));
  expect_same_bits(kernel, {{5, 10}, {3, 1024}, {2, 5001}});
}

TEST(Llvm, CodeIsFreedWhileOthersCompile) {
  Kernel kernel;
  Builder b(kernel);
  b.store(b.add_buffer(buffer(DType::F32)), b.load(b.add_buffer(buffer(DType::F32))) + 1);
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        const auto code = llvm().compile(kernel, isa());
        Memory memory(kernel, {100}, 1);
        memory.run(*code);
      }
    });
  for (std::thread& t : threads) t.join();
}

// NaNs are made canonical where they are stored or seen as bits; where none can come up, nothing is done.
TEST(Llvm, NothingIsDoneAboutNaNsThatCannotBe) {
  const auto text = [](bool clamped) {
    Kernel kernel;
    Builder b(kernel);
    const Value x = b.load(b.add_buffer({}));
    const Value y = clamped ? b.select(b.lt(x, 1), x, 1) : x * 2.0;
    b.store(b.add_buffer({.dtype = DType::I32}), b.bitcast(y, DType::I32));
    b.store(b.add_buffer({}), y);
    return llvm().text(kernel, Isa::avx512, "llvm");
  };
  EXPECT_NE(text(false).find("fcmp uno"), std::string::npos);
  EXPECT_EQ(text(true).find("fcmp uno"), std::string::npos) << text(true);
}

TEST(Llvm, ShowsItsText) {
  Kernel kernel;
  Builder b(kernel);
  b.store(b.add_buffer(buffer(DType::F32)), b.load(b.add_buffer(buffer(DType::F32))) * 3);
  EXPECT_NE(llvm().text(kernel, Isa::avx512, "llvm").find("fmul <16 x float>"), std::string::npos);
  EXPECT_NE(llvm().text(kernel, Isa::avx512, "asm").find("zmm"), std::string::npos);
  const std::string narrow = llvm().text(kernel, Isa::avx2, "asm");
  EXPECT_NE(narrow.find("ymm"), std::string::npos);
  EXPECT_EQ(narrow.find("zmm"), std::string::npos);
  EXPECT_EQ(llvm().text(kernel, Isa::avx2, "cuda"), "");
}

}  // namespace
}  // namespace kiln::codegen
