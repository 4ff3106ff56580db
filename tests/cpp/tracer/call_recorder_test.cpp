// Notes of a function's calls on tensors without values.
#include "tracer/call_recorder.h"

#include "tests/cpp/eager/tensors.h"

namespace kiln::testing {
namespace {

using tracer::CallRecorder;

const Op multiply{"multiply"}, exp_{"exp"}, mean{"mean"}, slice{"slice"};

std::vector<std::string> names(const CallRecorder& r) {
  std::vector<std::string> found;
  for (const CallRecorder::Noted& c : r.calls()) found.emplace_back(c.op ? c.op->name : "write");
  return found;
}

TEST(CallRecorder, NotesCompositionsByTheirParts) {
  CallRecorder r;
  const Tensor x = r.add_input({DType::F32, {4}}), w = counting({4});
  r.start();
  const Tensor y = mean(multiply(x, w));
  const CallRecorder::Use result = r.use(y);
  r.stop();
  const std::vector<std::string> calls = names(r);
  EXPECT_EQ(calls.front(), "multiply");
  EXPECT_EQ(std::count(calls.begin(), calls.end(), "mean"), 0);
  EXPECT_EQ(r.calls().back().outputs.back(), result.number);
  ASSERT_EQ(r.outside().size(), 1u);
  EXPECT_TRUE(r.outside()[0].second.same_as(w));
  EXPECT_EQ(y.shape(), Dims{});
}

TEST(CallRecorder, TellsUsesOnTheTapeFromOthers) {
  CallRecorder r;
  const Tensor x = r.add_input({DType::F32, {4}});
  set_requires_grad(x, true);
  r.start();
  exp_(x);
  exp_(detach(x));
  {
    const NoGrad off;
    exp_(x);
  }
  r.stop();
  std::vector<std::pair<CallRecorder::Number, bool>> uses;
  for (const CallRecorder::Noted& c : r.calls()) {
    const auto use = std::get<CallRecorder::Use>(c.operands[0]);
    uses.emplace_back(use.number, use.on_tape);
  }
  const CallRecorder::Number number = uses[0].first;
  EXPECT_EQ(uses, (decltype(uses){{number, true}, {number, false}, {number, false}}));
}

TEST(CallRecorder, RefusesWhatNeedsValues) {
  CallRecorder r;
  const Tensor x = r.add_input({DType::F32, {4}});
  r.start();
  expect_error(ErrorCode::runtime, "runs once for all samples, without their values", [&] { x.data(); });
  r.stop();
  EXPECT_NE(r.failure().find("without their values"), std::string::npos);
}

TEST(CallRecorder, NotesWritesToItsOwnAndRefusesOthers) {
  CallRecorder r;
  const Tensor x = r.add_input({DType::F32, {4}}), w = counting({4});
  r.start();
  write(slice(exp_(x), Dims{0}, Dims{2}), Scalar(1));
  expect_error(ErrorCode::runtime, "that was there before is written in place", [&] { write(w, x); });
  r.stop();
  EXPECT_EQ(names(r), (std::vector<std::string>{"exp", "slice", "write"}));
  EXPECT_EQ(values(w), (Numbers{0, 1, 2, 3}));
}

TEST(CallRecorder, Nests) {
  CallRecorder outer, inner;
  const Tensor x = outer.add_input({DType::F32, {4}}), y = inner.add_input({DType::F32, {4}});
  outer.start();
  exp_(x);
  inner.start();
  multiply(x, y);
  inner.stop();
  exp_(x);
  outer.stop();
  EXPECT_EQ(names(inner), (std::vector<std::string>{"multiply"}));
  EXPECT_EQ(names(outer), (std::vector<std::string>{"exp", "exp"}));
  EXPECT_EQ(eager::current_recorder(), nullptr);
}

}  // namespace
}  // namespace kiln::testing
