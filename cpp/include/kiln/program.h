// Exported programs: what kn.export makes in Python and program.save() writes, run without Python.
//
//   const kiln::Program model = kiln::load("model.kiln");
//   kiln::Tensor y = model(x);                              // the only entry, with one result
//   kiln::Tensor loss = program["train"](images, labels);   // one of several; its state is trained
#pragma once

#include <kiln/tensor.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

namespace detail {
class LoadedProgram;
}

class Program;

// What an entry takes: a tensor of this dtype and shape. Extents are numbers or names of dimensions that may vary ("batch").
struct InputSpec {
  std::string name;
  DType dtype;
  std::vector<std::string> shape;
};

// One function of a program. Holds on to the program.
class Entry {
 public:
  const std::string& name() const { return name_; }
  std::vector<InputSpec> inputs() const;

  // The results, in the order in which the exported function's hold them. Error{type, value} where an input does not fit, before anything has
  // run; state and inputs that the function writes in place are written.
  std::vector<Tensor> run(std::span<const Tensor> inputs) const;
  std::vector<Tensor> run(std::initializer_list<Tensor> inputs) const { return run(std::span(inputs.begin(), inputs.size())); }

  // The one result; Error{value} where there are more or none.
  template <std::convertible_to<Tensor>... T>
  Tensor operator()(const T&... inputs) const {
    return only(run({Tensor(inputs)...}));
  }

  std::string text() const;     // its operator calls, for people
  std::string explain() const;  // what running it did: programs, kernels, what compiling cost

 private:
  friend class Program;
  Entry(std::shared_ptr<const detail::LoadedProgram> program, std::string name) : program_(std::move(program)), name_(std::move(name)) {}
  Tensor only(std::vector<Tensor> results) const;
  std::shared_ptr<const detail::LoadedProgram> program_;
  std::string name_;
};

class Program {
 public:
  std::vector<std::string> entries() const;
  Entry operator[](std::string_view entry) const;  // Error{index} names those that are there
  template <std::convertible_to<Tensor>... T>
  Tensor operator()(const T&... inputs) const {
    return only()(inputs...);
  }
  Entry only() const;  // the only entry; Error{value} where there are several

  std::vector<std::string> state_names() const;
  Tensor state(std::string_view name) const;  // shares the program's memory; Error{index}

  void save(const std::string& path) const;  // with the state as it is now; whole or not at all

 private:
  friend Program load(const std::string& path);
  explicit Program(std::shared_ptr<const detail::LoadedProgram> program) : program_(std::move(program)) {}
  std::shared_ptr<const detail::LoadedProgram> program_;
};

// Error{io}: no such file, or one that is cut short or damaged; Error{value}: not a program, or one of a newer Kiln. Nothing in the file is
// executed, and everything is checked.
Program load(const std::string& path);

}  // namespace kiln
