// copy_to: what a write looks like as a value. Graphs hold it; users write x[...] = v.
#include "eager/operator.h"
#include "eager/promotion.h"

namespace kiln::eager {
namespace {

Parameter required(Parameter p) {
  p.has_default = false;
  return p;
}

const Operator& copy_to = define({
    .name = "copy_to",
    .doc = "x cast to dtype and broadcast to shape, as an assignment to a tensor of that dtype and shape stores it.",
    .parameters = {unpromoted(any("x")), required(dtype_or_none()), shape("shape")},
    .body = [](Builder&, Value x) { return x; },  // results are cast to the type rule's dtype
    .result = ResultType::given,
    .type =
        [](const Arguments& a) {
          if (a.operands[0].is_tensor()) check_castable("copy_to", a.tensor(0).dtype(), a.attr<DType>(0));
          return std::vector{TensorType{a.attr<DType>(0), a.attr<Dims>(1)}};
        },
    .samples = {shapes({{3}}, {Attr(DType::F32), Attr(Dims{2, 3})})},
    .reference = "numpy.broadcast_to(x, shape).astype(dtype)",
});

}  // namespace
}  // namespace kiln::eager
