// An exported program: named procedures over one state. What kn.export makes and a .kiln file holds.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "jit/package/package.h"
#include "tracer/function_record.h"

namespace kiln::jit {

class Program {
 public:
  struct Entry {
    std::string name;
    tracer::Procedure procedure;
    std::shared_ptr<tracer::FunctionRecord> record;  // what running it did: programs, kernels
  };

  explicit Program(package::Package);
  static std::shared_ptr<Program> load(const std::string& path);  // errors as package::load has them
  void save(const std::string& path) const;                       // and package::save; the state is written as it is now

  const std::vector<Entry>& entries() const { return entries_; }
  const Entry& entry(std::string_view name) const;  // throws Error{index} naming those there are
  const std::vector<tracer::StateEntry>& state() const { return state_; }
  const eager::Tensor& state(std::string_view name) const;  // throws Error{index}

  // The results of an entry, in order. State that it writes is written: a training step trains. Throws Error{type, value} for inputs that do
  // not fit, before anything has run. Threads may run entries that write no state at once.
  std::vector<eager::Tensor> run(const Entry&, std::span<const eager::Tensor> inputs) const;

 private:
  std::vector<Entry> entries_;
  std::vector<tracer::StateEntry> state_;
};

}  // namespace kiln::jit
