// Elementwise comparisons and tests: bool results, no gradients.
#include "eager/ops/ops.h"

namespace kiln::eager::ops {
namespace {

Operator comparison(Parameter (*operand)(std::string_view), std::string_view name, std::string_view doc, Prim prim,
                    std::vector<std::string_view> aliases, std::string_view onnx, std::string_view reference) {
  return {
      .name = name,
      .doc = doc,
      .parameters = {operand("x1"), operand("x2")},
      .body = [prim](Builder& b, Value x, Value y) { return b.primitive(prim, DType::Bool, {x, y}); },
      .result = ResultType::boolean,
      .aliases = std::move(aliases),
      .method = true,
      .samples = binary_samples(),
      .reference = reference,
      .onnx = onnx,
  };
}

// A test of floats, which integers all pass or all fail; of complex numbers of both parts or of either.
Operator float_test(std::string_view name, std::string_view doc, bool of_integers, Value (*test)(Builder&, Value), std::string_view onnx,
                    std::string_view reference) {
  return {
      .name = name,
      .doc = doc,
      .parameters = {any("x")},
      .body =
          [=](Builder& b, Value x) {
            if (!is_inexact(x.dtype())) return b.constant(DType::Bool, of_integers);
            const Value real = test(b, b.real(x));
            if (!is_complex(x.dtype())) return real;
            return b.primitive(of_integers ? Prim::bit_and : Prim::bit_or, DType::Bool, {real, test(b, b.imag(x))});
          },
      .result = ResultType::boolean,
      .method = true,
      .samples = unary_samples(),
      .reference = reference,
      .onnx = onnx,
  };
}

}  // namespace

const Operator& equal =
    define(comparison(any, "equal", "x1 == x2, elementwise; false where either is NaN.", Prim::eq, {"eq"}, "Equal", "numpy.equal(x1, x2)"));
const Operator& not_equal = define(
    comparison(any, "not_equal", "x1 != x2, elementwise; true where either is NaN.", Prim::ne, {"ne"}, "", "numpy.not_equal(x1, x2)"));
const Operator& less =
    define(comparison(ordered, "less", "x1 < x2, elementwise; false where either is NaN.", Prim::lt, {"lt"}, "Less", "numpy.less(x1, x2)"));
const Operator& less_equal = define(comparison(ordered, "less_equal", "x1 <= x2, elementwise; false where either is NaN.", Prim::le, {"le"},
                                               "LessOrEqual", "numpy.less_equal(x1, x2)"));
const Operator& greater = define(comparison(ordered, "greater", "x1 > x2, elementwise; false where either is NaN.", Prim::gt, {"gt"},
                                            "Greater", "numpy.greater(x1, x2)"));
const Operator& greater_equal = define(comparison(ordered, "greater_equal", "x1 >= x2, elementwise; false where either is NaN.", Prim::ge,
                                                  {"ge"}, "GreaterOrEqual", "numpy.greater_equal(x1, x2)"));

const Operator& isnan = define(
    float_test("isnan", "Where x is not a number.", false, [](Builder& b, Value x) { return b.ne(x, x); }, "IsNaN", "numpy.isnan(x)"));
const Operator& isinf = define(float_test(
    "isinf", "Where x is infinite, of either sign.", false, [](Builder& b, Value x) { return b.eq(b.abs(x), kInf); }, "IsInf",
    "numpy.isinf(x)"));
const Operator& isfinite = define(float_test(
    "isfinite", "Where x is neither infinite nor NaN.", true, [](Builder& b, Value x) { return b.lt(b.abs(x), kInf); }, "",
    "numpy.isfinite(x)"));

}  // namespace kiln::eager::ops
