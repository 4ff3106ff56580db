// Changing a tensor's dtype or its memory, not its values.
#include "eager/ops/ops.h"

namespace kiln::eager::ops {

const Operator& astype = define({
    .name = "astype",
    .doc =
        "x converted to dtype, always a copy. Floats to integers truncate and saturate, NaN gives 0; wide integers to narrow ones keep the "
        "low bits; anything but zero is True. Complex numbers become complex ones or bool, nothing else: a TypeError.",
    .parameters = {any("x"), {.name = "dtype", .kind = Parameter::Kind::dtype}},
    .body = [](BodyContext& c) { return c.b.cast(c.inputs[0], c.outputs[0].dtype); },
    .result = ResultType::given,
    .type =
        [](const Arguments& a) {
          check_castable("astype", a.tensor(0).dtype(), a.attr<DType>(0));
          return std::vector<TensorType>{{a.attr<DType>(0), a.tensor(0).shape()}};
        },
    .gradient = [](GradContext& c) { return Tensors{is_inexact(c.input_types[0].dtype) ? c.grad() : Tensor()}; },  // the tape casts
    .aliases = {"cast"},
    .method = true,
    .samples =
        [] {
          std::vector<Sample> samples;
          for (const DTypeInfo& t : kDTypes) {
            samples.push_back(tensors_of({{.shape = {17}, .values = special_values()}}, {t.dtype}));
            samples.push_back(shapes({{3, 37}}, {t.dtype}));
          }
          samples.push_back(shapes({{0, 2}}, {DType::F32}));
          return samples;
        }(),
    .reference = "x.astype(dtype)",
    .onnx = "Cast",
});

const Operator& copy = define({
    .name = "copy",
    .doc = "x in fresh, contiguous memory.",
    .parameters = {any("x")},
    .body = [](Builder&, Value x) { return x; },
    .gradient = [](GradContext& c) { return Tensors{c.grad()}; },
    .aliases = {"clone"},
    .method = true,
    .samples = unary_samples(),
    .reference = "numpy.copy(x)",
    .onnx = "Identity",
});

const Operator& contiguous = define({
    .name = "contiguous",
    .doc = "x itself if its elements lie in row-major order, else a copy.",
    .parameters = {any("x")},
    .compose =
        [](const Arguments& a) {
          const Tensor x = tensor_of(a.operands[0]);
          return Tensors{x.is_contiguous() ? x : op::copy(x)};
        },
    .method = true,
    .samples = {shapes({{3, 37}}), shapes({{}})},
    .reference = "numpy.ascontiguousarray(x).reshape(x.shape)",
    .onnx = "Identity",
});

}  // namespace kiln::eager::ops
