// Where an extreme is: the first position that equals it.
#include "eager/ops/ops.h"

namespace kiln::eager::ops {
namespace {

// The least index whose element is the extreme. A NaN is the extreme of any elements that hold one.
Tensor first_position(const Tensor& x, const Op& extreme, int axis, bool keepdims) {
  const int64_t n = x.shape()[axis];
  if (n == 0)
    fail(ErrorCode::value,
         "the position of an extreme of no elements: axis " + std::to_string(axis) + " of shape " + to_string(x.shape()) + " is empty");
  Tensor hit = op::equal(x, extreme(x, Dims{axis}, true));
  if (kiln::is_floating(x.dtype())) hit = op::logical_or(hit, op::isnan(x));
  Dims along = Dims::filled(x.rank(), 1);
  along[axis] = n;
  const Tensor positions = op::reshape(op::sequence(n, 0, 1, DType::I64), along);
  return op::min(op::where(hit, positions, n), Dims{axis}, keepdims);
}

Operator position(std::string_view name, std::string_view doc, const Op& extreme, std::string_view onnx, std::string_view reference) {
  return {
      .name = name,
      .doc = doc,
      .parameters = {ordered("x"), axis_or_none(), flag("keepdims", false)},
      .compose =
          [&extreme](const Arguments& a) {
            const Tensor x = tensor_of(a.operands[0]);
            const bool keepdims = a.attr<bool>(1);
            if (!a.attr_is_none(0)) return Tensors{first_position(x, extreme, normalize_axis(a.attr<int64_t>(0), x.rank()), keepdims)};
            const Tensor found = first_position(op::reshape(x, Dims{-1}), extreme, 0, false);
            return Tensors{keepdims ? op::reshape(found, Dims::filled(x.rank(), 1)) : found};
          },
      .method = true,
      .samples = {specials(), shapes({{3, 37}}, {int64_t{1}, false}), shapes({{3, 37}}, {int64_t{0}, true}), shapes({{2, 3, 5}}),
                  floats({1, 3, 3, -2, -2}), shapes({{0, 3}}, {int64_t{1}, false})},
      .reference = reference,
      .onnx = onnx,
  };
}

}  // namespace

const Operator& argmax =
    define(position("argmax",
                    "The first position of the greatest element along axis (None: of the flattened tensor), int64; of the "
                    "first NaN if there is one. Of no elements: a ValueError.",
                    op::max, "ArgMax", "numpy.argmax(x, axis=axis, keepdims=keepdims)"));
const Operator& argmin =
    define(position("argmin",
                    "The first position of the least element along axis (None: of the flattened tensor), int64; of the first "
                    "NaN if there is one. Of no elements: a ValueError.",
                    op::min, "ArgMin", "numpy.argmin(x, axis=axis, keepdims=keepdims)"));

}  // namespace kiln::eager::ops
