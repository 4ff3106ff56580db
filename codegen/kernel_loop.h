// A kernel that is run again and again by one piece of machine code: after each run the steps decide, by what it stored and by numbers that they
// compute, whether there is another one and what it reads.
//
// Memory is a list of places, each of which a run finds an address for. Kernels' buffers lie in places, and a step may let places change their
// addresses: what a run stored is what the next one loads, and nothing is copied. Numbers are 64-bit words beside them: bools as 0 and 1, integers, f64.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "codegen/abi.h"
#include "codegen/backend.h"
#include "codegen/kernel.h"

namespace kiln::codegen {

struct KernelLoop {
  struct Value {  // a number, or a constant
    std::optional<uint32_t> number;
    int64_t constant = 0;  // the word
  };
  struct Step {
    enum class Kind : uint8_t {
      // result <- of `place`, the element at byte `offset`: as a number (f32 as the f64 that it is), or whether it is not zero. Of Bool, I32, I64,
      // F32 and F64; whether of Bool alone.
      item,
      truth,
      // result <- x op y, of two integers or two f64. An integer that overflows ends the run here.
      add,
      subtract,
      multiply,
      less,
      less_equal,
      equal,
      not_equal,
      greater,
      greater_equal,
      range,  // is the integer x in [first, last]? Else the run ends here
      check,  // the word x is the word y: to `next`, otherwise to `otherwise`
      back,   // hands on and runs the kernel again, or ends here if that was often enough
      end,    // ends the run here
    } kind = Kind::end;
    int32_t next = -1, otherwise = -1;
    uint32_t result = 0, place = 0;
    int64_t offset = 0;
    DType dtype = DType::I64;  // of the element; of the operands: I64 or F64
    Value x, y;
    int64_t first = 0, last = 0;
    std::vector<std::pair<uint32_t, uint32_t>> places;  // back: place, and whose address it has from now on; together a permutation
    std::vector<std::pair<uint32_t, Value>> numbers;    // back: number, and what it becomes; one after the other
  };
  // kNumbers: not in a place, but among the numbers.
  static constexpr uint32_t kNumbers = ~0U;
  struct BufferPlace {
    uint32_t place;
    int64_t offset;  // bytes
  };

  Kernel kernel;
  std::vector<BufferPlace> buffers;  // by the kernel's buffers
  std::vector<Step> steps;           // begins at 0
};

// What the code is called with. args.pointers is writable, and says where buffers lie at first.
struct KernelLoopArgs {
  Args args;
  std::byte** places;
  int64_t* numbers;
  int64_t left;   // counts down: how many more runs there may be that a `back` begins
  int64_t ended;  // the step
};

// A function of (KernelLoopArgs*, 0, the kernel's blocks). Null: it is not covered; the AsmJit back end alone has it.
std::shared_ptr<Code> compile_loop(const KernelLoop&, Isa);
std::string loop_text(const KernelLoop&, Isa);  // the listing, or nothing

// What becomes of a kernel's scalar: its 8 bytes, or a single element of a buffer that is added behind the others, cast to its dtype.
struct ScalarSource {
  std::optional<uint64_t> known;
  DType element = DType::I64;
};
// The kernel without scalars, simplified.
Kernel without_scalars(const Kernel&, std::span<const ScalarSource>);

}  // namespace kiln::codegen
