// What operator definitions share: handles to call other operators by, small rules about axes and dtypes, values that samples try.
//
// A definition lives in one file of this folder and is complete there; nothing outside lists operators. Bodies are written over
// primitives and codegen/math.h (codegen::exp and friends); compositions and gradients call operators through `op::`.
#pragma once

#include <limits>

#include "codegen/complex_math.h"
#include "codegen/math.h"
#include "codegen/routines/routines.h"
#include "eager/dispatch.h"
#include "eager/promotion.h"

namespace kiln::eager::ops {

// Handles resolve at first use, so definitions may refer to each other in any order.
namespace op {
inline const Op abs{"abs"}, add{"add"}, argsort{"argsort"}, astype{"astype"}, avg_pool2d{"avg_pool2d"},
    avg_pool2d_backward{"avg_pool2d_backward"}, bounded_index{"bounded_index"}, broadcast_to{"broadcast_to"}, complex{"complex"},
    concat{"concat"}, conj{"conj"}, conv2d{"conv2d"}, conv2d_data{"conv2d_data"}, conv2d_weights{"conv2d_weights"}, copy{"copy"},
    cos{"cos"}, cosh{"cosh"}, digamma{"digamma"}, divide{"divide"}, equal{"equal"}, erf{"erf"}, exp{"exp"}, expand_dims{"expand_dims"},
    flatnonzero{"flatnonzero"}, flip{"flip"}, float_power{"float_power"}, floor_divide{"floor_divide"}, full{"full"},
    gather_along{"gather_along"}, gather_rows{"gather_rows"}, greater{"greater"}, greater_equal{"greater_equal"}, imag{"imag"},
    integer_power{"integer_power"}, isfinite{"isfinite"}, isnan{"isnan"}, join{"join"}, less{"less"}, less_equal{"less_equal"},
    linear_recurrence{"linear_recurrence"}, log{"log"}, log_softmax{"log_softmax"}, logical_and{"logical_and"}, logical_or{"logical_or"},
    masked_select{"masked_select"}, matmul{"matmul"}, matmul_batched{"matmul_batched"}, matrix_transpose{"matrix_transpose"}, max{"max"},
    max_pool2d_backward{"max_pool2d_backward"}, max_pool2d_tiles{"max_pool2d_tiles"}, maximum{"maximum"}, mean{"mean"}, min{"min"},
    moveaxis{"moveaxis"}, multiply{"multiply"}, negative{"negative"}, nll_loss{"nll_loss"}, not_equal{"not_equal"}, pad{"pad"},
    permute_dims{"permute_dims"}, pow{"pow"}, prod{"prod"}, random_bits{"random_bits"}, random_uniform{"random_uniform"}, real{"real"},
    reciprocal{"reciprocal"}, relu_backward{"relu_backward"}, remainder{"remainder"}, reshape{"reshape"}, rsqrt{"rsqrt"},
    scan_along{"scan_along"}, scatter_along{"scatter_along"}, scatter_rows{"scatter_rows"}, search{"search"}, sequence{"sequence"},
    sigmoid{"sigmoid"}, sign{"sign"}, signbit{"signbit"}, sin{"sin"}, sinh{"sinh"}, slice{"slice"}, softmax{"softmax"}, sort{"sort"},
    sqrt{"sqrt"}, square{"square"}, squeeze{"squeeze"}, stack{"stack"}, subtract{"subtract"}, sum{"sum"}, swapaxes{"swapaxes"},
    take{"take"}, take_along_axis{"take_along_axis"}, tanh{"tanh"}, topk_positions{"topk_positions"}, tril{"tril"}, triu{"triu"},
    unslice{"unslice"}, var{"var"}, view{"view"}, where{"where"};
}  // namespace op

// ---- dtypes and operands --------------------------------------------------------------------------------------------

inline DType floating_of(DType t) { return kiln::is_floating(t) ? t : default_dtype(); }
inline DType inexact_of(DType t) { return kiln::is_inexact(t) ? t : default_dtype(); }
Tensor as(const Tensor&, DType);                             // the tensor itself if it already has that dtype
Tensor tensor_of(const Operand&);                            // a number becomes a 0-d tensor of its default dtype
Tensor floating_tensor(const Arguments&, int i);             // operand i for compositions that compute in floats
Tensor inexact_tensor(const Arguments&, int i);              // in floats or complex numbers
DType dtype_attr(const Arguments&, int i, DType otherwise);  // a dtype_or_none attribute
DType default_dtype_of(const Operand&);                      // a tensor's own; bool, i64 or the default floating dtype for numbers
bool is_inexact(const Operand&);
bool is_complex(const Operand&);
using kiln::is_complex;
using kiln::is_inexact;

// A body of two functions, one for real values and one for complex ones.
Body real_or_complex(Value (*of_real)(Builder&, Value), Value (*of_complex)(Builder&, Value));

Parameter integers(std::string_view name);  // a tensor of integers, not bool

// ---- axes -----------------------------------------------------------------------------------------------------------

Parameter axis_or_none();       // one axis; None: of the flattened tensor
int axis_of(const Arguments&);  // attribute 0, an axis of operand 0, in [0, rank); throws Error{index}
Scalar scalar_of(const Attr&);  // an int or a float
double number_of(const Attr&);  // the same as a double
Dims dims_of(const Attr&);      // an int or a tuple
struct Pair {                   // one number for each of two image axes
  std::array<int64_t, 2> values;
  int64_t operator[](int i) const { return values[i]; }
  int64_t least() const { return std::min(values[0], values[1]); }
  bool operator==(const Pair&) const = default;
};
Pair pair_of(const Attr&, const char* name);  // an int (both) or a tuple of one or two; throws Error{value}
Dims axes_of(const Attr&, int rank);          // None, an int or a tuple: sorted axes, each in [0, rank); throws Error{index, value}
Dims reduced_shape(const Dims& shape, const Dims& axes, bool keepdims);
int64_t axes_count(const Dims& shape, const Dims& axes);  // elements reduced into one
// A reduction's result (or its gradient), given back the axes it lost: broadcasts against the reduced operand.
Tensor with_axes(const Tensor& reduced, const Attr& axes, bool keepdims, int rank);

Dims rows_shape(const Dims& shape, int axis, const Dims& indices);  // with the indices' own shape in the axis' place

// An array as codegen's routines see it, along an axis in [0, rank).
codegen::Lines lines_of(const Dims& shape, int axis);
// x moved along an axis by `by` elements, towards its end if positive; `fill` where nothing has moved to.
Tensor shifted(const Tensor& x, int axis, int64_t by, int64_t fill);
Tensor part_of(const Tensor& x, int axis, int64_t start, int64_t stop);  // x[..., start:stop, ...]
Tensor positions_along(const Dims& shape, int axis);  // int64: each element's position along the axis, broadcast to shape

// ---- integers as data (indices.cpp) -----------------------------------------------------------------------------------

// What a shape is to follow from: an integer tensor's elements in row-major order, after what is pending on it has run.
std::vector<int64_t> counts_of(const Tensor&);
// Throws Error{index} unless every index is in [-extent, extent), naming the first that is not and the axis.
void check_indices(const Tensor& indices, int64_t extent, int axis);

// ---- samples --------------------------------------------------------------------------------------------------------

inline constexpr double kInf = std::numeric_limits<double>::infinity();
inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
// Signed zeros, denormals of both widths, extremes, infinities, NaN.
std::vector<double> special_values();
Sample specials();               // them in one operand
Sample special_pairs();          // each with each, in two operands
Sample integer_extremes(DType);  // least, greatest, and around zero, in one operand
Sample integer_extreme_pairs(DType);
Sample tensors_of(std::vector<SampleTensor>, Attrs attrs = {});
SampleTensor indices_of(Dims shape, std::vector<double> values);  // int64
std::vector<Sample> unary_samples();                              // specials, a matrix, a 0-d and a zero-size tensor
std::vector<Sample> binary_samples();                             // the same for two operands, with broadcasting and with a number

}  // namespace kiln::eager::ops
