// A loop whose iterations are one small program and steps that machine code has (codegen/kernel_loop.h): compiled as a whole. Everything that is
// handed on stays where it is, and places change.
#pragma once

#include "tracer/loop_run.h"
#include "tracer/repeated_program.h"

namespace kiln::tracer {

class CompiledLoop {
 public:
  // For numbers of the kinds that registers hold now. Null: it cannot be compiled.
  static std::shared_ptr<const CompiledLoop> make(const LoopProgram&, std::span<const LoopProgram::Held>);
  std::string text(std::string_view what) const { return code_->text(what); }

 private:
  friend class LoopCompiler;
  friend class CompiledRun;
  using Register = LoopProgram::Register;

  struct Home {  // a place with memory of its own
    uint32_t place;
    Register number;
    int64_t bytes, offset;  // in the memory of a run
    bool carried;           // it begins with what the register holds
  };
  struct Outside {
    uint32_t place;
    Register number;
  };
  std::unique_ptr<const LoopedProgram> code_;
  std::vector<int32_t> origins_;         // by the code's steps: the program's
  std::vector<LoopNumber::Kind> kinds_;  // by register: of the number that it holds; none: it holds none
  std::vector<Register> given_;          // numbers that there are before
  std::vector<Home> homes_;
  std::vector<Outside> outside_;
  std::vector<uint32_t> place_of_;  // by register; Repeatable::kNowhere: none
  uint32_t places_ = 0, words_ = 0;
  int64_t bytes_ = 0;
};

std::unique_ptr<LoopRun> compiled_run(const CompiledLoop&, const LoopProgram&, std::span<LoopProgram::Held>);  // null: not of these

}  // namespace kiln::tracer
