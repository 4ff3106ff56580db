// The AsmJit back end's own parts: what the fuzzer, which sees results alone, cannot tell apart.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "codegen/asmjit/copies.h"
#include "codegen/asmjit/interleave.h"
#include "codegen/asmjit/machine.h"
#include "codegen/asmjit/pointwise.h"
#include "codegen/asmjit/registers.h"
#include "codegen/backend.h"
#include "codegen/builder.h"
#include "codegen/math.h"
#include "tests/cpp/codegen/run_kernel.h"

namespace kiln::codegen {
namespace {

using x64::Allocation;
using x64::Op;
using x64::Program;
using x64::RegClass;
using x64::Step;
using x64::VReg;

uint32_t add_array(Builder& b, DType t = DType::F32) { return b.add_buffer({.dtype = t}); }

Kernel gelu() {
  Kernel k;
  Builder b(k);
  const Value x = b.load(add_array(b));
  b.store(add_array(b), x * 0.5 * (tanh(b, (x + x * x * x * 0.044715) * 0.7978845608) + 1.0));
  return k;
}

// n values that are all alive at once, then summed: more than there are registers.
Program crowded(Isa isa, int n) {
  Program p;
  p.isa = isa;
  p.sections.push_back({"crowded", 1, {}});
  auto& code = p.sections[0].code;
  std::vector<VReg> values;
  for (int i = 0; i < n; ++i) {
    code.push_back({.op = Op::load, .dst = p.fresh(RegClass::vector), .memory = {x64::Place::element, 4, 0, i}});
    values.push_back(code.back().dst);
  }
  while (values.size() > 1) {
    const VReg sum = p.fresh(RegClass::vector);
    code.push_back({.op = Op::fma_ps, .dst = sum, .src = {values[0], values[1], values.back()}});
    values.erase(values.begin(), values.begin() + 2);
    values.push_back(sum);
  }
  code.push_back({.op = Op::store, .src = {values[0], x64::kNoReg, x64::kNoReg}, .memory = {x64::Place::element, 4, 1, 0}});
  return p;
}

TEST(AsmjitRegisters, SpillWhatDoesNotFitAndStayRight) {
  for (Isa isa : {Isa::avx2, Isa::avx512})
    for (int n : {2, 15, 16, 17, 31, 32, 33, 80}) {
      const Program p = crowded(isa, n);
      Allocation a;
      x64::allocate(p, a);
      EXPECT_EQ(x64::check_allocation(p, a), "");
      EXPECT_EQ(a.slots > 0, n > x64::vector_registers(isa)) << n;
    }
}

TEST(AsmjitRegisters, TheCheckerSeesEveryWrongRegister) {
  const Program p = crowded(Isa::avx2, 24);
  Allocation right;
  x64::allocate(p, right);
  int wrong = 0, seen = 0;
  for (size_t s = 0; s < right.sections[0].size(); ++s)
    for (int operand = 0; operand < 4; ++operand) {
      Allocation a = right;
      Step& step = a.sections[0][s];
      uint8_t& reg = operand == 3 ? step.dst : step.src[operand];
      if (reg == x64::kNowhere) continue;
      reg = static_cast<uint8_t>((reg + 1) % 16);
      ++wrong;
      if (!x64::check_allocation(p, a).empty()) ++seen;
    }
  EXPECT_GE(wrong, 100);
  EXPECT_EQ(seen, wrong);
}

// n loads, each stored at once.
Program copier(Isa isa, int n) {
  Program p;
  p.isa = isa;
  p.sections.push_back({"copier", 1, {}});
  auto& code = p.sections[0].code;
  for (int i = 0; i < n; ++i) {
    const VReg v = p.fresh(RegClass::vector);
    code.push_back({.op = Op::load, .dst = v, .memory = {x64::Place::element, 4, 0, i}});
    code.push_back({.op = Op::store, .src = {v, x64::kNoReg, x64::kNoReg}, .memory = {x64::Place::element, 4, 1, i}});
  }
  return p;
}

// Allocated, checked, and with each copy written down.
x64::WrittenOut written_out(const Program& p) {
  Allocation a;
  x64::allocate(p, a);
  EXPECT_EQ(x64::check_allocation(p, a), "");
  return x64::write_out(p, a);
}

TEST(AsmjitCopies, StepsGoSideBySideEachOnItsOwnElements) {
  Program p = copier(Isa::avx512, 1);
  p.sections[0].copies = 3;
  p.sections.push_back({.name = "one step", .depth = 1, .again = 0});
  const auto [all, allocation] = written_out(p);
  const auto& code = all.sections[0].code;
  ASSERT_EQ(code.size(), 6u);
  std::set<VReg> values;
  std::set<uint8_t> registers;
  for (size_t c = 0; c < 3; ++c) {
    EXPECT_EQ(code[c].op, Op::load);
    EXPECT_EQ(code[c].memory.offset, static_cast<int>(16 * c));
    EXPECT_EQ(code[3 + c].op, Op::store);
    EXPECT_EQ(code[3 + c].src[0], code[c].dst);
    EXPECT_EQ(code[3 + c].memory.offset, static_cast<int>(16 * c));
    values.insert(code[c].dst);
    registers.insert(allocation.sections[0][c].dst);
  }
  EXPECT_EQ(values.size(), 3u);
  EXPECT_EQ(registers.size(), 3u);
  ASSERT_EQ(all.sections[1].code.size(), 2u) << "run again, a section is one step";
  EXPECT_FALSE(values.contains(all.sections[1].code[0].dst)) << "locals belong to one section";
  EXPECT_EQ(allocation.sections[1][0].dst, allocation.sections[0][0].dst);
}

TEST(AsmjitCopies, WhatComesFromOutsideIsShared) {
  Program p;
  p.isa = Isa::avx2;
  const VReg scale = p.fresh(RegClass::vector), x = p.fresh(RegClass::vector), y = p.fresh(RegClass::vector);
  p.sections.push_back({"row", 1, {{.op = Op::load_broadcast_d, .dst = scale, .memory = {x64::Place::uniform, 4, 1, 0}}}});
  p.sections.push_back({.name = "steps",
                        .depth = 2,
                        .code = {{.op = Op::load, .dst = x, .memory = {x64::Place::element, 4, 0, 0}},
                                 {.op = Op::load_broadcast_d, .dst = y, .memory = {x64::Place::uniform, 4, 2, 0}},
                                 {.op = Op::fma_ps, .dst = p.fresh(RegClass::vector), .src = {x, scale, y}}},
                        .copies = 2});
  const auto all = written_out(p).program;
  const auto& code = all.sections[1].code;
  ASSERT_EQ(code.size(), 6u);
  EXPECT_EQ(code[1].memory.offset, 8);
  EXPECT_EQ(code[3].memory.offset, 0) << "the same element for every step";
  for (size_t c : {4u, 5u}) {
    EXPECT_EQ(code[c].src[1], scale);
    EXPECT_EQ(code[c].src[0], code[c - 4].dst);
    EXPECT_EQ(code[c].src[2], code[c - 2].dst);
  }
}

// What no register is left for is loaded once for all copies, into a register of none of them.
TEST(AsmjitCopies, LiteralsAreLoadedOnceForAll) {
  for (Isa isa : {Isa::avx2, Isa::avx512}) {
    Program p;
    p.isa = isa;
    p.sections.push_back({.name = "steps", .depth = 3, .copies = 4});
    auto& code = p.sections[0].code;
    VReg x = p.fresh(RegClass::vector);
    code.push_back({.op = Op::load, .dst = x, .memory = {x64::Place::element, 4, 0, 0}});
    for (int i = 0; i < 40; ++i) {
      const VReg literal = p.fresh(RegClass::vector), next = p.fresh(RegClass::vector);
      p.constants.push_back({literal, 4, {static_cast<uint8_t>(i + 1)}});
      code.push_back({.op = Op::sub_ps, .dst = next, .src = {literal, x, x64::kNoReg}});  // the first operand cannot come from memory
      x = next;
    }
    code.push_back({.op = Op::store, .src = {x, x64::kNoReg, x64::kNoReg}, .memory = {x64::Place::element, 4, 1, 0}});
    const auto [all, allocation] = written_out(p);
    EXPECT_EQ(all.sections[0].code.size(), 4 * code.size());
    const auto loads = std::ranges::count(allocation.sections[0], Step::Kind::load, &Step::kind);
    EXPECT_GT(loads, 0);
    EXPECT_LE(loads, 40);
  }
}

TEST(AsmjitCopies, AsManyCopiesAsFitTheRegisters) {
  EXPECT_EQ(x64::copies_that_fit(copier(Isa::avx512, 1), 0), 4);
  for (Isa isa : {Isa::avx2, Isa::avx512})
    for (int n = 1; n < 40; ++n) {
      const int copies = x64::copies_that_fit(crowded(isa, n), 0);
      EXPECT_GE(copies, 1);
      if (copies > 1) { EXPECT_LE(copies * n, x64::vector_registers(isa)); }
    }
  EXPECT_EQ(x64::copies_that_fit(copier(Isa::avx512, 200), 0), 1) << "long code is not made longer";
}

// Steps of n values that are all alive at once, and a tail that is to be made of them.
Program step_and_tail(int n, VReg* mask) {
  Program p = crowded(Isa::avx512, n);
  *mask = p.fresh(RegClass::mask);
  p.sections.push_back({"tail", 1, {{.op = Op::tail_mask, .imm = 16, .dst = *mask}}});
  return p;
}

TEST(AsmjitMasked, ATailIsItsStepUnderAMaskInTheSameRegisters) {
  for (int copies : {1, 2})
    for (int n : {2, 20, 40}) {  // 40 spill
      VReg mask;
      Program p = step_and_tail(n, &mask);
      p.sections[0].copies = copies;
      ASSERT_TRUE(x64::runs_under_mask(p, 0));
      p.sections[1].again = 0, p.sections[1].under = mask;
      Allocation a;
      x64::allocate(p, a);
      EXPECT_EQ(x64::check_allocation(p, a), "") << n;
      const auto all = x64::write_out(p, a);
      const auto &step = p.sections[0].code, &tail = all.program.sections[1].code;
      ASSERT_EQ(tail.size(), step.size() + 1);
      for (size_t k = 0; k < step.size(); ++k) {
        const bool memory = step[k].memory.place != x64::Place::none;
        const Op masked = step[k].op == Op::load ? Op::load_d_masked : Op::store_d_masked;
        EXPECT_EQ(tail[k + 1].op, memory ? masked : step[k].op);
        EXPECT_EQ(tail[k + 1].mask, memory ? mask : x64::kNoReg);
        if (step[k].dst != x64::kNoReg) { EXPECT_NE(tail[k + 1].dst, step[k].dst) << "locals belong to one section"; }
      }
      const auto& steps = all.allocation.sections[1];
      ASSERT_EQ(steps.size(), a.sections[0].size() + 1);
      for (size_t k = 0; k < a.sections[0].size(); ++k) {
        EXPECT_EQ(steps[k + 1].dst, a.sections[0][k].dst);
        EXPECT_EQ(steps[k + 1].src, a.sections[0][k].src);
      }
      auto wrong = all;
      wrong.allocation.sections[1][0].dst = x64::kLastMask;
      EXPECT_NE(x64::check_allocation(wrong.program, wrong.allocation), "") << "a mask in another register than the one that is read";
    }
}

TEST(AsmjitMasked, WhatAMaskedInstructionDoesNotTakeIsLoweredAnew) {
  const auto masks = [](Isa isa, const x64::Instruction& i) {
    Program p;
    p.isa = isa;
    p.sections.push_back({"steps", 1, {i}});
    return x64::runs_under_mask(p, 0);
  };
  EXPECT_TRUE(masks(Isa::avx512, {.op = Op::load, .dst = 0, .memory = {x64::Place::element, 4, 0, 0}}));
  EXPECT_TRUE(masks(Isa::avx512, {.op = Op::load_b, .dst = 0, .memory = {x64::Place::element, 1, 0, 0}}));
  EXPECT_FALSE(masks(Isa::avx2, {.op = Op::load, .dst = 0, .memory = {x64::Place::element, 4, 0, 0}})) << "masks are lanes there";
  EXPECT_FALSE(masks(Isa::avx512, {.op = Op::load, .dst = 0, .memory = {x64::Place::element, 8, 0, 0}})) << "two masks of half a register";
  EXPECT_FALSE(masks(Isa::avx512, {.op = Op::gather_d, .dst = 0, .memory = {x64::Place::strided, 4, 0, 0}}));
  EXPECT_FALSE(masks(Isa::avx512, {.op = Op::load_d_masked, .dst = 0, .mask = 1, .memory = {x64::Place::element, 4, 0, 0}}));
}

TEST(AsmjitInterleave, TwoStretchesAdvanceEvenly) {
  // Three of one stretch and six of another, after one that is neither's; the instructions' numbers say which.
  x64::Section section;
  for (uint8_t imm : {99, 0, 1, 2, 10, 11, 12, 13, 14, 15}) section.code.push_back({.op = Op::add_ps, .imm = imm});
  x64::riffle(section, 1, 4);
  std::vector<int> order;
  for (const x64::Instruction& i : section.code) order.push_back(i.imm);
  EXPECT_EQ(order, (std::vector<int>{99, 0, 10, 11, 1, 12, 13, 2, 14, 15}));
  x64::riffle(section, 10, 10);  // nothing
  x64::riffle(section, 4, 10);   // a second stretch of nothing
  EXPECT_EQ(section.code.size(), 10u);
  EXPECT_EQ(section.code[4].imm, 1);
}

// A GELU's registers: two steps and more go side by side in either instruction set.
TEST(AsmjitCopies, AGeluRunsSeveralSteps) {
  for (Isa isa : {Isa::avx2, Isa::avx512}) {
    const std::string text = asmjit_backend().text(gelu(), isa, "asm");
    const std::string steps = text.substr(text.find("; steps"), text.find("; tail") - text.find("; steps"));
    size_t divisions = 0;
    for (size_t at = 0; (at = steps.find("vdivps", at)) != std::string::npos; ++at) ++divisions;
    EXPECT_GE(divisions, 2u);
  }
}

TEST(AsmjitListing, NamesNodesAndSections) {
  const std::string text = asmjit_backend().text(gelu(), Isa::avx2, "asm");
  EXPECT_NE(text.find("vfmadd"), std::string::npos);
  EXPECT_NE(text.find("load f32"), std::string::npos);
  EXPECT_NE(text.find("; tail"), std::string::npos);
  EXPECT_EQ(text.find("zmm"), std::string::npos) << "AVX2 code has AVX-512 registers";
  EXPECT_NE(asmjit_backend().text(gelu(), Isa::avx512, "asm").find("zmm"), std::string::npos);
  EXPECT_EQ(asmjit_backend().text(gelu(), Isa::avx2, "llvm"), "");
}

// A row's value is the same in all lanes: of f64, which has two registers, one is computed; halves are joined where a vector reads it. Where registers
// are long, one lane is computed, and spread where a vector reads it.
TEST(AsmjitListing, SingleValuesAreComputedInOneRegister) {
  const auto kernel = [](bool beside_a_vector) {
    Kernel k;
    Builder b(k);
    k.reduction = Reduction::lanes;
    const Value x = b.cast(b.load(b.add_buffer({.dtype = DType::F32, .inner = Stride::zero})), DType::F64);
    const Value y = b.cast(b.select(b.lt(x, 1.0), b.primitive(Prim::fma, DType::F64, {x, x, x}), x), DType::F32);
    b.store(b.add_buffer({.dtype = DType::F32, .inner = Stride::zero}), y);
    if (!beside_a_vector) return k;
    const Value v = b.load(b.add_buffer({.dtype = DType::F32, .reduced = Stride::contiguous}));
    b.store(b.add_buffer({.dtype = DType::F32, .reduced = Stride::contiguous}), v * y);
    return k;
  };
  const auto count = [](const std::string& text, std::string_view word) {
    int n = 0;
    for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++n;
    return n;
  };
  for (const Isa isa : {Isa::avx2, Isa::avx512}) {
    const std::string alone = asmjit_backend().text(kernel(false), isa, "asm"), beside = asmjit_backend().text(kernel(true), isa, "asm");
    for (const std::string* text : {&alone, &beside}) {
      EXPECT_EQ(count(*text, "vfmadd"), 1) << *text;
      EXPECT_EQ(count(*text, "vcvtps2pd"), 1) << *text;
      EXPECT_EQ(count(*text, "vcvtpd2ps"), 1) << *text;
    }
    const bool narrow = isa == Isa::avx512;
    EXPECT_EQ(count(alone, "vinsertf"), 0) << alone;
    EXPECT_EQ(count(beside, "vinsertf"), narrow ? 0 : 1) << beside;
    for (const std::string* text : {&alone, &beside}) EXPECT_EQ(count(*text, "vcvtpd2ps xmm0, xmm0"), narrow ? 1 : 0) << *text;
    EXPECT_EQ(count(beside, "cast f32"), count(alone, "cast f32") + 1) << beside;  // what brings it to all lanes
  }
}

// A mask is looked at in all lanes before memory is touched: the lanes beyond a single value's first must not hold what converting it left there.
TEST(AsmjitCode, ASingleElementIsReadUnderItsOwnMaskAlone) {
  Kernel k;
  Builder b(k);
  k.reduction = Reduction::lanes;
  const Value x = b.load(b.add_buffer({.dtype = DType::F64, .inner = Stride::zero}));
  const uint32_t forbidden = b.add_buffer({.dtype = DType::F32, .inner = Stride::zero});
  const Value small = b.lt(b.cast(x * x, DType::F32), 1.0);  // of zeros in the other lanes, too
  b.store(b.add_buffer({.dtype = DType::F32, .inner = Stride::zero}), b.load(forbidden, small, b.constant(DType::F32, 7)));
  verify(k);
  const double four = 4;
  for (const Isa isa : {Isa::avx2, Isa::avx512}) {
    if (isa > codegen::isa()) continue;
    float result = 0;
    void* pointers[] = {const_cast<double*>(&four), nullptr, &result};
    const int64_t strides[] = {0, 0, 0}, extents[] = {1};
    const auto code = asmjit_backend().compile(k, isa);
    const Args args{pointers, strides, extents, nullptr, 0, nullptr, nullptr, code->self};
    EXPECT_EQ(code->function(&args, 0, 1), 0u);
    EXPECT_EQ(result, 7);
  }
}

TEST(AsmjitCode, ManyKernelsComeAndGo) {
  const size_t bytes = asmjit_backend().compile(gelu(), isa())->bytes;
  std::vector<std::shared_ptr<Code>> alive;
  for (int i = 0; i < 400; ++i) {
    alive.push_back(asmjit_backend().compile(gelu(), isa()));
    EXPECT_EQ(alive.back()->bytes, bytes);
    if (i % 3 == 0) alive.erase(alive.begin() + i % static_cast<int>(alive.size()));
  }
  std::vector<float> in(100), out(100), want(100);
  std::iota(in.begin(), in.end(), -50.f);
  void* pointers[] = {in.data(), want.data()};
  const int64_t strides[] = {4, 4}, extents[] = {100};
  const auto oracle = interpreter_backend().compile(gelu(), isa());
  const Args args{pointers, strides, extents, nullptr, 0, nullptr, nullptr, oracle->self};
  oracle->function(&args, 0, 1);
  for (size_t i = 0; i < alive.size(); i += 20) {
    pointers[1] = out.data();
    alive[i]->function(&args, 0, 1);
    EXPECT_EQ(out, want);
  }
}

// Parent and child each compile over what the other may still be running.
TEST(AsmjitCode, ForkedProcessesHaveCodeOfTheirOwn) {
  const auto scale = [](int factor) {
    Kernel k;
    Builder b(k);
    const Value x = b.load(add_array(b));
    b.store(add_array(b), x * static_cast<double>(factor));
    return asmjit_backend().compile(k, isa());
  };
  const auto right = [](const Code& code, int factor) {
    float in = 3, out = 0;
    void* pointers[] = {&in, &out};
    const int64_t strides[] = {4, 4}, extents[] = {1};
    const Args args{pointers, strides, extents, nullptr, 0, nullptr, nullptr, code.self};
    code.function(&args, 0, 1);
    return out == 3.f * static_cast<float>(factor);
  };
  std::vector<std::shared_ptr<Code>> before;
  for (int i = 0; i < 50; ++i) before.push_back(scale(i));
  const auto go_on = [&](int base) {
    bool all = true;
    for (int i = 0; i < 50; i += 2) before[static_cast<size_t>(i)] = scale(base + i);  // frees the old code, and writes new
    for (int i = 0; i < 50; ++i) all = right(*before[static_cast<size_t>(i)], i % 2 == 0 ? base + i : i) && all;
    return all;
  };
  int wait_for_parent[2];
  ASSERT_EQ(pipe(wait_for_parent), 0);
  const pid_t child = fork();
  if (child == 0) {
    char byte;
    const bool told = read(wait_for_parent[0], &byte, 1) == 1;  // the parent has overwritten what it could
    _exit(told && go_on(1000) ? 0 : 1);
  }
  EXPECT_TRUE(go_on(2000));
  ASSERT_EQ(write(wait_for_parent[1], "", 1), 1);
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(right(*before[1], 1));
  close(wait_for_parent[0]);
  close(wait_for_parent[1]);
}

// Streaming stores need aligned rows; others go the ordinary way, with the same values.
TEST(AsmjitCode, StreamsAlignedAndUnalignedRows) {
  const int64_t before = x64::streaming_threshold;
  x64::streaming_threshold = 1;
  const auto code = asmjit_backend().compile(gelu(), isa());
  x64::streaming_threshold = before;
  alignas(64) float in[300], out[300], want[300];
  std::iota(std::begin(in), std::end(in), -150.f);
  const auto oracle = interpreter_backend().compile(gelu(), isa());
  for (int64_t shift : {0, 1, 8, 16}) {
    void* pointers[] = {in, want};
    const int64_t strides[] = {4, 4}, extents[] = {280};
    std::fill(std::begin(out), std::end(out), 7.f);
    const Args want_args{pointers, strides, extents, nullptr, 0, nullptr, nullptr, oracle->self};
    oracle->function(&want_args, 0, 1);
    pointers[1] = out + shift;
    code->function(&want_args, 0, 1);
    EXPECT_TRUE(std::equal(want, want + 280, out + shift));
    EXPECT_EQ(out[280 + shift], 7.f);
  }
}

// A page that may be touched, before one that may not.
class Guarded {
 public:
  Guarded() : page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))) {
    void* const at = mmap(nullptr, 2 * page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(at, MAP_FAILED);
    base_ = static_cast<char*>(at);
    EXPECT_EQ(mprotect(base_ + page_, page_, PROT_NONE), 0);
  }
  ~Guarded() { munmap(base_, 2 * page_); }
  Guarded(const Guarded&) = delete;
  float* last(int64_t count) const { return reinterpret_cast<float*>(base_ + page_) - count; }

 private:
  size_t page_;
  char* base_;
};

// The places between are neither written nor, behind the last one, read.
TEST(AsmjitStrides, EveryOtherElementAndNoneBehindTheLast) {
  Kernel k;
  Builder b(k);
  const uint32_t x = b.add_buffer({.dtype = DType::F32, .inner = Stride::any}),
                 y = b.add_buffer({.dtype = DType::F32, .inner = Stride::any});
  b.store(y, b.load(x) * 2.0);
  const Guarded from, to;
  for (int64_t stride : {2, 3, 1, -2})
    for (int64_t n = 1; n <= 70; ++n) {
      const int64_t step = std::abs(stride), reach = step * (n - 1) + 1;
      float *const source = from.last(reach), *const target = to.last(reach);
      for (int64_t i = 0; i < reach; ++i) source[i] = static_cast<float>(i + 1), target[i] = -1;
      const int64_t first = stride < 0 ? reach - 1 : 0, bytes = stride * static_cast<int64_t>(sizeof(float));
      ASSERT_TRUE(testing::run_kernel(asmjit_backend(), k, {{n}}, {{source + first, {bytes}}, {target + first, {bytes}}}));
      for (int64_t i = 0; i < reach; ++i)
        ASSERT_EQ(target[i], i % step == 0 ? 2 * static_cast<float>(i + 1) : -1)
            << "element " << i << " of " << reach << ", stride " << stride;
    }
}

}  // namespace
}  // namespace kiln::codegen
