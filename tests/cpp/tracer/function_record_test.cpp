// What a function leaves behind when it goes.
#include "tracer/function_record.h"

#include <gtest/gtest.h>

namespace kiln::tracer {
namespace {

struct CountingProgram final : Program {
  void run(const Bindings&) const override {}
  const ProgramInfo& info() const override { return info_; }
  std::string text(std::string_view) const override { return {}; }
  size_t bytes() const override { return 0; }
  void forsake() const override { ++forsaken; }
  mutable int forsaken = 0;
  ProgramInfo info_;
};

TEST(FunctionRecord, AFunctionThatDiesForsakesItsPrograms) {
  const auto program = std::make_shared<CountingProgram>(), other = std::make_shared<CountingProgram>();
  {
    FunctionRecord record("f");
    record.note_run(program, eager::FlushReason::function_end, 0);
    record.note_run(program, eager::FlushReason::function_end, 0);
    EXPECT_EQ(0, program->forsaken);
  }
  EXPECT_EQ(1, program->forsaken);
  EXPECT_EQ(0, other->forsaken);
}

TEST(FunctionRecord, SoDoesOneThatForgetsThem) {
  const auto program = std::make_shared<CountingProgram>();
  FunctionRecord record("f");
  record.note_run(program, eager::FlushReason::function_end, 0);
  record.clear();
  EXPECT_EQ(1, program->forsaken);
}

}  // namespace
}  // namespace kiln::tracer
