// A program for one thread that runs it over and over: what does not change between the runs is made once.
#pragma once

#include <memory>
#include <span>

#include "eager/operator.h"

namespace kiln::tracer {

class RepeatedProgram {
 public:
  virtual ~RepeatedProgram() = default;
  // Where the next runs read and write, by the graph's storage number; whoever calls has given memory to results.
  virtual void bind(std::span<std::byte* const> memory) = 0;
  virtual void run(std::span<const eager::Scalar>) = 0;  // MXCSR as codegen/abi.h wants it
};

// What a Program may be besides.
class Repeatable {
 public:
  virtual ~Repeatable() = default;
  virtual std::unique_ptr<RepeatedProgram> repeated() const = 0;  // valid as long as this; null: it has nothing to gain
};

}  // namespace kiln::tracer
