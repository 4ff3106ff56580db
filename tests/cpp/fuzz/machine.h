// Runs a program of the fuzzer: eagerly or as a segment, on a chosen back end, and keeps everything that could be seen of it.
#pragma once

#include <memory>

#include "codegen/backend.h"
#include "eager/tape.h"
#include "tests/cpp/fuzz/program.h"

namespace kiln::fuzz {

struct Setting {
  std::string name;
  codegen::Backend* backend = nullptr;
  bool segment = false;
  int threads = 1;
  bool simplified = true;  // or kernels as operators' bodies are written
};

// One thing that was seen: a tensor, or an error in its place.
struct Observation {
  std::string what;  // "t7", "gradient of t2", "step 4"
  std::string error;
  eager::TensorType type;
  std::vector<std::byte> bytes;
  bool requires_grad = false;
};
using Outcome = std::vector<Observation>;

// The pool of tensors while a program runs.
class Machine {
 public:
  Machine();  // sets the random generator to a fixed state
  void add(const Leaf&);
  void add(const Leaf&, eager::Tensor stands_for_it);
  bool apply(const Step&);  // false where it raised: then no output is there, and error() says why
  Outcome finish();         // reads what is still there: visible()
  std::vector<std::pair<std::string, eager::Tensor>> visible() const;

  bool has(TensorId id) const { return static_cast<size_t>(id) < pool_.size() && pool_[static_cast<size_t>(id)]; }
  const eager::Tensor& at(TensorId id) const { return pool_[static_cast<size_t>(id)]; }
  void forget(TensorId id) { pool_[static_cast<size_t>(id)] = {}; }
  const std::string& error() const { return error_; }

 private:
  void perform(const Step&);
  eager::Operand operand(const Ref&) const;
  const eager::Tensor& target(const Step&) const;
  void keep(TensorId, eager::Tensor);
  void observe(const std::string& what, const eager::Tensor&);

  std::vector<eager::Tensor> pool_;
  std::vector<std::pair<TensorId, eager::Tensor>> differentiated_;  // leaves with gradients: looked at even after they were dropped
  Outcome seen_;
  std::string error_;
  int step_ = 0;
};

Outcome run(const Program&, const Setting&);

// Empty if equal, else what differs first.
std::string difference(const Outcome& expected, const Outcome& found);

eager::Tensor tensor_of(const Leaf&);                // with its bytes; not yet requiring grad
std::vector<std::byte> dense(const eager::Tensor&);  // the elements in row-major order, without any kernel's help

// The program as calls, each with what it gives.
std::string describe(const Program&);

}  // namespace kiln::fuzz
