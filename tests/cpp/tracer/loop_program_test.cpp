// Loops over programs: numbers as Python has them, storages that change places, ways that are known and ways that are not.
#include "tracer/loop_program.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace kiln {
namespace {

using tracer::compute;
using tracer::LoopNumber;
using tracer::LoopProgram;
using tracer::NumberOp;
using Kind = LoopProgram::Step::Kind;

constexpr int64_t kMost = std::numeric_limits<int64_t>::max(), kLeast = std::numeric_limits<int64_t>::min();

LoopNumber integer(int64_t v) { return LoopNumber::integer(v); }
LoopNumber floating(double v) { return LoopNumber::floating(v); }

void expect_integer(NumberOp op, int64_t x, int64_t y, std::optional<int64_t> wanted) {
  const auto got = compute(op, integer(x), integer(y));
  ASSERT_EQ(got.has_value(), wanted.has_value()) << x << " " << static_cast<int>(op) << " " << y;
  if (wanted) EXPECT_TRUE(got->same_as(integer(*wanted))) << x << " " << static_cast<int>(op) << " " << y << " gave " << got->i;
}

TEST(LoopNumber, IntegersAreExactOrNotComputed) {
  expect_integer(NumberOp::add, 2, 3, 5);
  expect_integer(NumberOp::add, kMost, 1, std::nullopt);
  expect_integer(NumberOp::subtract, kLeast, 1, std::nullopt);
  expect_integer(NumberOp::multiply, kMost, 2, std::nullopt);
  expect_integer(NumberOp::multiply, -3, 7, -21);
  for (const auto& [x, y, quotient, rest] :
       {std::array<int64_t, 4>{7, 2, 3, 1}, {-7, 2, -4, 1}, {7, -2, -4, -1}, {-7, -2, 3, -1}, {6, 3, 2, 0}}) {
    expect_integer(NumberOp::floor_divide, x, y, quotient);
    expect_integer(NumberOp::remainder, x, y, rest);
  }
  expect_integer(NumberOp::floor_divide, 1, 0, std::nullopt);
  expect_integer(NumberOp::floor_divide, kLeast, -1, std::nullopt);
  EXPECT_FALSE(compute(NumberOp::negative, integer(kLeast), {}));
}

TEST(LoopNumber, DivisionAndComparisonAreRoundedOnceOrNotDone) {
  EXPECT_TRUE(compute(NumberOp::divide, integer(1), integer(3))->same_as(floating(1.0 / 3.0)));
  EXPECT_FALSE(compute(NumberOp::divide, integer(1), integer(0)));
  EXPECT_FALSE(compute(NumberOp::divide, floating(1), floating(-0.0)));
  EXPECT_FALSE(compute(NumberOp::divide, integer((int64_t{1} << 53) + 1), integer(3)));
  EXPECT_FALSE(compute(NumberOp::less, integer((int64_t{1} << 53) + 1), floating(0x1p53)));  // equal as doubles
  EXPECT_TRUE(compute(NumberOp::less, integer(2), floating(2.5))->is_true());
  EXPECT_FALSE(compute(NumberOp::equal, floating(NAN), floating(NAN))->is_true());
  EXPECT_TRUE(compute(NumberOp::not_equal, floating(NAN), integer(1))->is_true());
}

TEST(LoopNumber, KindsAreThoseOfPython) {
  EXPECT_TRUE(compute(NumberOp::positive, LoopNumber::boolean(true), {})->same_as(integer(1)));
  EXPECT_TRUE(compute(NumberOp::add, LoopNumber::boolean(true), integer(1))->same_as(integer(2)));
  EXPECT_TRUE(compute(NumberOp::truth, floating(NAN), {})->same_as(LoopNumber::boolean(true)));
  EXPECT_FALSE(LoopNumber::boolean(true).same_as(integer(1)));
  EXPECT_FALSE(floating(0.0).same_as(floating(-0.0)));
  EXPECT_FALSE(compute(NumberOp::remainder, floating(5), floating(3)));  // left to Python
  EXPECT_FALSE(compute(NumberOp::add, {}, integer(1)));
}

TEST(LoopNumber, ElementsOfMemory) {
  const float f = 1.5F;
  const uint64_t large = uint64_t{1} << 63;
  EXPECT_TRUE(tracer::read_number(reinterpret_cast<const std::byte*>(&f), DType::F32)->same_as(floating(1.5)));
  EXPECT_FALSE(tracer::read_number(reinterpret_cast<const std::byte*>(&large), DType::U64));
  EXPECT_FALSE(tracer::read_number(reinterpret_cast<const std::byte*>(&large), DType::C64));
}

// out = a + b, of one int64 each.
class Adding final : public tracer::Program {
 public:
  void run(const tracer::Bindings& b) const override {
    ++runs;
    int64_t x, y;
    std::memcpy(&x, b.storages[0]->data(), sizeof x);
    std::memcpy(&y, b.storages[1]->data(), sizeof y);
    b.storages[2]->ensure_allocated();
    x = static_cast<int64_t>(static_cast<uint64_t>(x) + static_cast<uint64_t>(y));  // it is run until it is stopped
    std::memcpy(b.storages[2]->raw(), &x, sizeof x);
  }
  const tracer::ProgramInfo& info() const override { return info_; }
  std::string text(std::string_view) const override { return ""; }
  size_t bytes() const override { return 0; }
  mutable int runs = 0;

 private:
  tracer::ProgramInfo info_;
};

eager::Ref<eager::Storage> holding(int64_t v) {
  auto s = eager::Storage::allocate(sizeof v);
  std::memcpy(s->raw(), &v, sizeof v);
  return s;
}
int64_t content(const LoopProgram::Held& h) {
  int64_t v;
  std::memcpy(&v, h.storage->raw(), sizeof v);
  return v;
}

// a, b = b, a + b; n += 1 while n < end: registers a 0, b 1, n 2, end 3, the sum 4, the comparison 5.
LoopProgram fibonacci(std::shared_ptr<Adding> adding) {
  LoopProgram p;
  p.registers = 6;
  p.changing = {0, 1, 2};
  LoopProgram::Segment s;
  s.program = std::move(adding);
  s.slots = 3;
  s.inputs = {{0, 0}, {1, 1}};
  s.made = {{2, 8}};
  s.outputs = {{4, 2}};
  p.segments.push_back(s);
  p.steps.resize(5);
  p.steps[0] = {.kind = Kind::pass, .next = 1};
  p.steps[1] = {.kind = Kind::number, .next = 2, .segment = 0, .op = NumberOp::less, .result = 5, .x = {2, {}}, .y = {3, {}}};
  p.steps[2] = {.kind = Kind::check, .next = 3, .otherwise = 4, .x = {5, {}}, .y = {std::nullopt, LoopNumber::boolean(true)}};
  p.steps[3] = {.kind = Kind::number, .next = -1, .op = NumberOp::add, .result = 5, .x = {2, {}}, .y = {std::nullopt, integer(1)}};
  p.steps[4] = {.kind = Kind::leave};
  LoopProgram::Step back{.kind = Kind::back};
  back.moves = {{1, {}}, {4, {}}, {5, {}}};
  p.steps[3].next = static_cast<int32_t>(p.steps.size());
  p.steps.push_back(back);
  p.shorten();
  return p;
}

std::vector<LoopProgram::Held> start(int64_t end) {
  std::vector<LoopProgram::Held> held(6);
  held[0].storage = holding(0);
  held[1].storage = holding(1);
  held[2].number = integer(0);
  held[3].number = integer(end);
  return held;
}

bool never() { return false; }
LoopProgram::End run(const LoopProgram& p, std::vector<LoopProgram::Held>& held, const std::function<bool()>& interrupted = never) {
  int64_t iterations = 0;
  return p.run(held, interrupted, &iterations);
}

TEST(LoopProgram, StoragesChangePlacesAndInputsAreLeftAlone) {
  const auto adding = std::make_shared<Adding>();
  const LoopProgram p = fibonacci(adding);
  for (const int64_t turns : {0, 1, 2, 3, 50}) {
    auto held = start(turns);
    const auto first = held[0].storage, second = held[1].storage;
    adding->runs = 0;
    EXPECT_EQ(run(p, held), LoopProgram::End::left);
    int64_t a = 0, b = 1;
    for (int64_t n = 0; n < turns; ++n) a = std::exchange(b, a + b);
    EXPECT_EQ(content(held[0]), a);
    EXPECT_EQ(content(held[1]), b);
    EXPECT_TRUE(held[2].number.same_as(integer(turns)));
    EXPECT_EQ(adding->runs, turns + 1);  // the iteration that leaves is begun
    EXPECT_EQ(content({first, {}}), 0);
    EXPECT_EQ(content({second, {}}), 1);
  }
}

TEST(LoopProgram, WhatIsNotKnownEndsBeforeTheIteration) {
  LoopProgram p = fibonacci(std::make_shared<Adding>());
  p.steps[4].kind = Kind::unknown;
  auto held = start(3);
  EXPECT_EQ(run(p, held), LoopProgram::End::unknown);
  EXPECT_EQ(content(held[0]), 2);
  EXPECT_TRUE(held[2].number.same_as(integer(3)));
}

TEST(LoopProgram, NumbersOutOfRangeEndBeforeTheIteration) {
  const LoopProgram p = fibonacci(std::make_shared<Adding>());
  auto held = start(kMost);
  held[2].number = integer(kMost - 2);
  held[3].number = floating(INFINITY);  // beyond 2^53 an int and a float are not compared here
  EXPECT_EQ(run(p, held), LoopProgram::End::out_of_range);
  EXPECT_TRUE(held[2].number.same_as(integer(kMost - 2)));
  EXPECT_EQ(content(held[0]), 0);
}

TEST(LoopProgram, TensorsThatWereOneMustStayOne) {
  LoopProgram p = fibonacci(std::make_shared<Adding>());
  p.segments[0].inputs = {{0, 0}, {1, 0}, {1, 1}};  // as if both had been in one storage when the program was made
  auto held = start(5);
  EXPECT_EQ(run(p, held), LoopProgram::End::declined);
  EXPECT_EQ(content(held[1]), 1);
}

TEST(LoopProgram, LongLoopsAreInterrupted) {
  const LoopProgram p = fibonacci(std::make_shared<Adding>());
  auto held = start(kMost);
  int asked = 0;
  EXPECT_EQ(run(p, held, [&] { return ++asked == 3; }), LoopProgram::End::interrupted);
  EXPECT_EQ(asked, 3);
  EXPECT_GT(held[2].number.i, 0);
}

}  // namespace
}  // namespace kiln
