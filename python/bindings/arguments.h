// From Python's arguments to an operator's: one binder for every signature, so that operators bring no binding of their own.
#pragma once

#include <pybind11/pybind11.h>

#include <string>
#include <vector>

#include "eager/operator.h"
#include "python/bindings/errors.h"

namespace kiln::python {

// What a number operator (`t + x`) takes beside a tensor: tensors, numbers, NumPy arrays and scalars. false: not one of these (and the
// slot answers NotImplemented). Throws for a number that has no Kiln equivalent.
bool infix_operand(PyObject*, eager::Operand&);

// A number without a dtype of its own (Python's bool, int, float). false: not one. int beyond 64 bits: OverflowError.
bool number_from_python(PyObject*, eager::Scalar&);

py::object attribute_object(const eager::Attr&);  // in Python's words

struct BoundArguments {
  std::vector<eager::Operand> operands;
  eager::Attrs attrs;
};

class Signature {
 public:
  explicit Signature(const eager::Operator&);

  // Vectorcall's arguments, bound: positions, then keywords or their aliases, then defaults. A `shape` or `axes` parameter also takes its
  // integers one by one (x.reshape(2, 3)). Errors: TypeError naming the operator, the parameter, what was expected and what was given.
  BoundArguments bind(PyObject* const* arguments, size_t positional, PyObject* keywords) const;

  std::string text() const;  // "(x, axis=None, keepdims=False)"

 private:
  struct Keyword {
    PyObject* name;  // interned
    int parameter;
  };
  int parameter_named(PyObject* keyword) const;
  const eager::Operator& op_;
  std::vector<Keyword> keywords_;
};

}  // namespace kiln::python
