// Sorting, and searching what is sorted. The order of floats: -0.0 and 0.0 are equal, NaN is greater than everything.
#include "eager/ops/ops.h"

namespace kiln::eager::ops {
namespace {

std::vector<Sample> sort_samples() {
  const Attr no = false, yes = true;
  return {specials(),
          tensors_of({{.shape = {8}, .values = {3, 1, 2, 1, 3, 0, 1, 0}, .dtype = DType::I64}}),
          shapes({{3, 37}}, {int64_t{-1}, no, yes}),
          shapes({{37, 3}}, {int64_t{0}, no, yes}),
          shapes({{2, 300}}, {int64_t{1}, no, yes}),
          shapes({{3, 37}}, {int64_t{-1}, no, no}),
          shapes({{3, 0}}, {int64_t{0}, no, yes}),
          tensors_of({{.shape = {3, 5}, .values = {5, 1, 4, 2, 3, 9, 8, 7, 6, 5, -1, -2, -3, -4, -5}}}, {int64_t{1}, yes, yes})};
}

std::vector<Sample> topk_samples() {
  return {shapes({{3, 37}}, {int64_t{5}, int64_t{-1}, true}), shapes({{37, 3}}, {int64_t{1}, int64_t{0}, false}),
          shapes({{2, 300}}, {int64_t{7}, int64_t{-1}, true}), shapes({{3, 7}}, {int64_t{0}, int64_t{1}, true}),
          shapes({{3, 7}}, {int64_t{7}, int64_t{1}, true})};
}

Operator searching(std::string_view name, std::string_view doc) {
  return {
      .name = name,
      .doc = doc,
      .parameters = {ordered("x1"), ordered("x2"), text("side", "left")},
  };
}

bool right_of(const Attr& side) {
  const std::string& word = std::get<std::string>(side);
  if (word != "left" && word != "right") fail(ErrorCode::value, "searchsorted: side is 'left' or 'right', not '" + word + "'");
  return word == "right";
}

std::vector<Sample> search_samples() {
  const SampleTensor sorted{.shape = {6}, .values = {-1, 0, 1, 1, 3, 7}};
  return {tensors_of({sorted, {.shape = {2, 4}, .values = {-2, -1, 0.5, 1, 2, 3, 7, 8}}}),
          tensors_of({sorted, {.shape = {2, 4}, .values = {-2, -1, 0.5, 1, 2, 3, 7, 8}}}, {std::string("right")}),
          tensors_of({sorted, {.shape = {}, .values = {1}}}), tensors_of({{.shape = {0}}, {.shape = {3}}})};
}

}  // namespace

const Operator& argsort = define({
    .name = "argsort",
    .doc =
        "The positions, int64, in which x's elements along axis are in order: the least first, or the greatest if descending. Equals keep "
        "their order (always: stable changes nothing). NaN counts as greater than everything.",
    .parameters = {ordered("x"), integer("axis", -1), flag("descending", false), flag("stable", true)},
    .routine =
        [](const Arguments& a, std::span<const Tensor> y) {
          const Tensor& x = a.tensor(0);
          codegen::sort_positions(x.dtype(), lines_of(x.shape(), axis_of(a)), a.attr<bool>(1), x.data(),
                                  reinterpret_cast<int64_t*>(y[0].data()));
        },
    .type =
        [](const Arguments& a) {
          axis_of(a);  // throws unless it is one
          return std::vector<TensorType>{{DType::I64, a.tensor(0).shape()}};
        },
    .method = true,
    .samples = sort_samples(),
    .reference = "numpy.flip(x.shape[axis] - 1 - numpy.argsort(numpy.flip(x, axis), axis=axis, kind='stable'), axis) if descending else "
                 "numpy.argsort(x, axis=axis, kind='stable')",
});

const Operator& sort = define({
    .name = "sort",
    .doc =
        "x with its elements along axis in order: the least first, or the greatest if descending. Equals keep their order (always: stable "
        "changes nothing). NaN counts as greater than everything.",
    .parameters = {ordered("x"), integer("axis", -1), flag("descending", false), flag("stable", true)},
    .compose =
        [](const Arguments& a) {
          const Tensor x = tensor_of(a.operands[0]);
          return Tensors{op::gather_along(x, op::argsort(x, a.attrs[0], a.attrs[1], a.attrs[2]), a.attrs[0])};
        },
    .method = true,
    .samples = sort_samples(),
    .reference = "numpy.sort(x, axis=axis) if not descending else numpy.flip(numpy.sort(x, axis=axis), axis)",
});

const Operator& topk_positions = define({
    .name = "topk_positions",
    .doc =
        "The positions, int64, of the k greatest elements of x along axis, or of the least if not largest, in order: what topk is made of.",
    .parameters = {ordered("x"), integer("k"), integer("axis", -1), flag("largest", true)},
    .routine =
        [](const Arguments& a, std::span<const Tensor> y) {
          const Tensor& x = a.tensor(0);
          codegen::first_positions(x.dtype(), lines_of(x.shape(), normalize_axis(a.attr<int64_t>(1), x.rank())), a.attr<int64_t>(0),
                                   a.attr<bool>(2), x.data(), reinterpret_cast<int64_t*>(y[0].data()));
        },
    .type =
        [](const Arguments& a) {
          const int axis = normalize_axis(a.attr<int64_t>(1), a.tensor(0).rank());
          const int64_t k = a.attr<int64_t>(0);
          Dims shape = a.tensor(0).shape();
          if (k < 0 || k > shape[axis])
            fail(ErrorCode::value, "topk: k is " + std::to_string(k) + ", axis " + std::to_string(axis) + " of shape " + to_string(shape) +
                                       " has " + std::to_string(shape[axis]) + " elements");
          shape[axis] = k;
          return std::vector<TensorType>{{DType::I64, shape}};
        },
    .samples = topk_samples(),
    .reference = "(numpy.flip(x.shape[axis] - 1 - numpy.argsort(numpy.flip(x, axis), axis=axis, kind='stable'), axis) if largest else "
                 "numpy.argsort(x, axis=axis, kind='stable')).take(numpy.arange(k), axis)",
});

const Operator& topk = define({
    .name = "topk",
    .doc =
        "The k greatest elements of x along axis, or the least if not largest, in order, and their positions (int64). Of equals the first "
        "come first. NaN counts as greater than everything.",
    .parameters = {ordered("x"), integer("k"), integer("axis", -1), flag("largest", true)},
    .outputs = 2,
    .compose =
        [](const Arguments& a) {
          const Tensor x = tensor_of(a.operands[0]), positions = op::topk_positions(x, a.attrs[0], a.attrs[1], a.attrs[2]);
          return Tensors{op::gather_along(x, positions, a.attrs[1]), positions};
        },
    .output_names = {"values", "indices"},
    .method = true,
    .samples = topk_samples(),
    .reference =
        "(lambda order: (numpy.take_along_axis(x, order, axis), order))((numpy.flip(x.shape[axis] - 1 - numpy.argsort(numpy.flip(x, "
        "axis), axis=axis, kind='stable'), axis) if largest else numpy.argsort(x, axis=axis, kind='stable')).take(numpy.arange(k), "
        "axis))",
});

const Operator& search = define([] {
  Operator op = searching("search",
                          "For each element of x2 the position, int64, in sorted x1 (of one dimension) before which it belongs: "
                          "before its equals, or after them if side is 'right'. What searchsorted is made of.");
  op.routine = [](const Arguments& a, std::span<const Tensor> y) {
    const Tensor &sorted = a.tensor(0), &x = a.tensor(1);
    codegen::search_sorted(sorted.dtype(), sorted.data(), sorted.numel(), x.data(), x.numel(), right_of(a.attrs[0]),
                           reinterpret_cast<int64_t*>(y[0].data()));
  };
  op.type = [](const Arguments& a) {
    right_of(a.attrs[0]);  // throws unless it is a side
    if (a.tensor(0).rank() != 1) fail(ErrorCode::value, "searchsorted: x1 has one dimension, not shape " + to_string(a.tensor(0).shape()));
    return std::vector<TensorType>{{DType::I64, a.tensor(1).shape()}};
  };
  op.samples = search_samples();
  op.reference = "numpy.searchsorted(x1, x2, side)";
  return op;
}());

const Operator& searchsorted = define([] {
  Operator op =
      searching("searchsorted",
                "For each element of x2 the position, int64, in x1 (of one dimension, sorted) before which it belongs: before its "
                "equals, or after them if side is 'right'. sorter: positions that sort x1, as argsort gives them.");
  op.parameters.push_back(optional(unpromoted(integers("sorter"))));
  op.compose = [](const Arguments& a) {
    const Tensor sorted = tensor_of(a.operands[0]), x = tensor_of(a.operands[1]);
    return Tensors{op::search(a.operands[2].present ? op::take(sorted, a.operands[2], 0) : sorted, x, a.attrs[0])};
  };
  op.samples = search_samples();
  op.samples.push_back(tensors_of({{.shape = {4}, .values = {7, 1, 3, 0}},
                                   {.shape = {3}, .values = {0, 2, 9}},
                                   {.shape = {4}, .values = {3, 1, 2, 0}, .dtype = DType::I64}}));
  op.reference = "numpy.searchsorted(x1, x2, side, sorter)";
  return op;
}());

}  // namespace kiln::eager::ops
