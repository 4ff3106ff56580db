// Rounding to whole numbers. Integers are whole already and come back unchanged.
#include "eager/ops/ops.h"

namespace kiln::eager::ops {
namespace {

Operator rounding(std::string_view name, std::string_view doc, Prim prim, std::string_view onnx, std::string_view reference) {
  return {
      .name = name,
      .doc = doc,
      .parameters = {real("x")},
      .body = [prim](Builder& b, Value x) { return kiln::is_floating(x.dtype()) ? b.primitive(prim, x.dtype(), {x}) : x; },
      .gradient = [](GradContext& c) { return Tensors{op::multiply(c.grad(), 0)}; },
      .method = true,
      .samples = {specials(), floats({0.5, 1.5, 2.5, -0.5, -1.5, 0.49999997, 8388607.5, -4503599627370495.5}), shapes({{3, 37}}),
                  shapes({{0, 4}})},
      .reference = reference,
      .onnx = onnx,
  };
}

}  // namespace

const Operator& floor = define(
    rounding("floor", "The greatest whole number not above x. Its gradient is 0.", Prim::floor, "Floor", "numpy.floor(x).astype(x.dtype)"));
const Operator& ceil =
    define(rounding("ceil", "The least whole number not below x. Its gradient is 0.", Prim::ceil, "Ceil", "numpy.ceil(x).astype(x.dtype)"));
const Operator& trunc =
    define(rounding("trunc", "x without its fraction. Its gradient is 0.", Prim::trunc, "", "numpy.trunc(x).astype(x.dtype)"));
const Operator& round = define(rounding("round", "The nearest whole number, halves to even. Its gradient is 0.", Prim::round, "Round",
                                        "numpy.rint(x).astype(x.dtype)"));

}  // namespace kiln::eager::ops
