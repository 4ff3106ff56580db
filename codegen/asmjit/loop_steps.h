// What follows a run of a kernel that is run again and again (kernel_loop.h): the steps as instructions. Between two runs no register is in use
// but those of values that are computed once a call.
#pragma once

#include "codegen/asmjit/emitter.h"
#include "codegen/kernel_loop.h"

namespace kiln::codegen::x64 {

class LoopSteps {
 public:
  LoopSteps(const KernelLoop& loop, Emitter& e) : loop_(loop), e_(e), a_(e.a) {}
  void emit(const Label& again);

  // Do the steps' conversions find the first vector register free?
  static bool covers(const KernelLoop&, const Allocation&);

 private:
  using Step = KernelLoop::Step;

  void step(size_t at);
  void item(const Step&);
  void integer(const Step&, const Label& overflow);
  void floating(const Step&);
  void compare(const Step&);
  void range(const Step&, size_t at);
  void check(const Step&);
  void back(size_t at);
  void exchange(const Step&);
  void end(size_t at);
  void load(const Gp& to, const KernelLoop::Value&);
  void go_to(int32_t at, size_t from);  // nothing where it is what follows
  Mem number(uint32_t n) const;
  static Mem place(uint32_t p);

  const KernelLoop& loop_;
  Emitter& e_;
  asmjit::x86::Emitter& a_;
  std::vector<Label> labels_;
  std::vector<std::pair<Label, size_t>> exits_;  // behind the steps: where one ends the run, and which
  Label again_;
};

}  // namespace kiln::codegen::x64
