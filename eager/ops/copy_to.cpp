// copy_to: what a write looks like as a value. Graphs hold it; users write x[...] = v.
#include "eager/operator.h"

namespace kiln::eager {
namespace {

const Operator& copy_to = define({
    .name = "copy_to",
    .doc = "x cast to dtype and broadcast to shape, as an assignment to a tensor of that dtype and shape stores it.",
    .parameters = {unpromoted(any("x")), shape("shape"), dtype_or_none()},
    .body = [](BodyContext& c) { return c.b.cast(c.inputs[0], c.outputs[0].dtype); },
    .result = ResultType::given,
    .type = [](const Arguments& a) { return std::vector{TensorType{a.attr_is_none(1) ? a.tensor(0).dtype() : a.attr<DType>(1), a.attr<Dims>(0)}}; },
    .samples = {shapes({{3}}, {Attr(Dims{2, 3}), Attr(DType::F32)})},
    .reference = "numpy.broadcast_to(x, shape).astype(dtype)",
});

}  // namespace
}  // namespace kiln::eager
