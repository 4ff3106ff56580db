#include "eager/ops/ops.h"

#include <algorithm>
#include <cmath>

namespace kiln::eager::ops {

Tensor as(const Tensor& x, DType t) { return x.dtype() == t ? x : op::astype(x, t); }

Tensor tensor_of(const Operand& x) { return x.is_tensor() ? x.tensor : op::full(Dims{}, x, default_dtype_of(x)); }

Tensor floating_tensor(const Arguments& a, int i) {
  const Tensor x = tensor_of(a.operands[i]);
  return as(x, floating_of(x.dtype()));
}

Tensor inexact_tensor(const Arguments& a, int i) {
  const Tensor x = tensor_of(a.operands[i]);
  return as(x, inexact_of(x.dtype()));
}

DType dtype_attr(const Arguments& a, int i, DType otherwise) { return a.attr_is_none(i) ? otherwise : a.attr<DType>(i); }

DType default_dtype_of(const Operand& x) { return x.is_tensor() ? x.tensor.dtype() : dtype_of_number(x.scalar.kind); }

bool is_inexact(const Operand& x) { return x.is_tensor() ? kiln::is_inexact(x.tensor.dtype()) : x.scalar.kind == DTypeKind::floating; }
bool is_complex(const Operand& x) { return x.is_tensor() && kiln::is_complex(x.tensor.dtype()); }

Body real_or_complex(Value (*of_real)(Builder&, Value), Value (*of_complex)(Builder&, Value)) {
  return [=](Builder& b, Value x) { return kiln::is_complex(x.dtype()) ? of_complex(b, x) : of_real(b, x); };
}

Parameter integers(std::string_view name) {
  Parameter p = numeric(name);
  p.accepts = codegen::kInts;
  return p;
}

Parameter axis_or_none() {
  Parameter p = integer("axis");
  p.has_default = true;
  p.default_value = std::monostate();
  return p;
}

int axis_of(const Arguments& a) { return normalize_axis(a.attr<int64_t>(0), tensor_of(a.operands[0]).rank()); }

Dims rows_shape(const Dims& x, int axis, const Dims& indices) {
  Dims shape(x.begin(), x.begin() + axis);
  for (int64_t extent : indices) shape.push_back(extent);
  for (int d = axis + 1; d < x.size(); ++d) shape.push_back(x[d]);
  return shape;
}

codegen::Lines lines_of(const Dims& shape, int axis) {
  codegen::Lines l{.n = shape[axis]};
  for (int d = 0; d < shape.size(); ++d) {
    if (d < axis) l.outer *= shape[d];
    if (d > axis) l.inner *= shape[d];
  }
  return l;
}

Tensor part_of(const Tensor& x, int axis, int64_t start, int64_t stop) {
  Dims starts = Dims::filled(axis + 1, 0), stops(x.shape().begin(), x.shape().begin() + axis + 1);
  starts[axis] = start;
  stops[axis] = stop;
  return op::slice(x, starts, stops);
}

Tensor shifted(const Tensor& x, int axis, int64_t by, int64_t fill) {
  const int64_t n = x.shape()[axis], kept = std::max<int64_t>(0, n - std::abs(by));
  Dims before = Dims::filled(x.rank(), 0), after = before;
  (by > 0 ? before : after)[axis] = n - kept;
  return op::pad(part_of(x, axis, by > 0 ? 0 : n - kept, by > 0 ? kept : n), before, after, Attr(fill));
}

Tensor positions_along(const Dims& shape, int axis) {
  Dims along = Dims::filled(shape.size(), 1);
  along[axis] = shape[axis];
  return op::broadcast_to(op::reshape(op::sequence(shape[axis], 0, 1, DType::I64), along), shape);
}

Scalar scalar_of(const Attr& attr) {
  return std::holds_alternative<int64_t>(attr) ? Scalar(std::get<int64_t>(attr)) : Scalar(std::get<double>(attr));
}

double number_of(const Attr& attr) { return scalar_of(attr).as_double(); }

Dims dims_of(const Attr& attr) {
  if (const int64_t* one = std::get_if<int64_t>(&attr)) return {*one};
  return std::get<Dims>(attr);
}

Pair pair_of(const Attr& attr, const char* name) {
  const Dims given = dims_of(attr);
  if (given.empty() || given.size() > 2) fail(ErrorCode::value, std::string(name) + " takes one or two numbers, not " + to_string(given));
  return {{given[0], given.back()}};
}

Dims axes_of(const Attr& attr, int rank) {
  Dims axes;
  if (std::holds_alternative<std::monostate>(attr)) {
    for (int i = 0; i < rank; ++i) axes.push_back(i);
    return axes;
  }
  for (int64_t given : dims_of(attr)) {
    const int axis = normalize_axis(given, rank);
    if (axes.contains(axis)) fail(ErrorCode::value, "axis " + std::to_string(axis) + " is given twice in " + to_string(dims_of(attr)));
    axes.push_back(axis);
  }
  std::sort(axes.begin(), axes.end());
  return axes;
}

Dims reduced_shape(const Dims& shape, const Dims& axes, bool keepdims) {
  Dims result;
  for (int i = 0; i < shape.size(); ++i) {
    if (!axes.contains(i)) {
      result.push_back(shape[i]);
    } else if (keepdims) {
      result.push_back(1);
    }
  }
  return result;
}

int64_t axes_count(const Dims& shape, const Dims& axes) {
  int64_t n = 1;
  for (int64_t axis : axes) n *= shape[static_cast<int>(axis)];
  return n;
}

Tensor with_axes(const Tensor& reduced, const Attr& attr, bool keepdims, int rank) {
  const Dims axes = axes_of(attr, rank);
  if (keepdims || axes.empty()) return reduced;
  Dims shape;
  for (int i = 0, from = 0; i < rank; ++i) shape.push_back(axes.contains(i) ? 1 : reduced.shape()[from++]);
  return op::reshape(reduced, shape);
}

std::vector<double> special_values() {
  return {-0.0, 0.0, 1, -1, 0.5, -2.5, 3, 1e-45, -4.9e-324, 1.2e-38, 3.4e38, -1.7e308, 88, -104, kInf, -kInf, kNaN};
}

Sample tensors_of(std::vector<SampleTensor> operands, Attrs attrs) {
  Sample sample;
  for (SampleTensor& t : operands) sample.operands.emplace_back(std::move(t));
  sample.attrs = std::move(attrs);
  return sample;
}

SampleTensor indices_of(Dims shape, std::vector<double> values) {
  return {.shape = shape, .values = std::move(values), .dtype = DType::I64};
}

namespace {
Dims row(const std::vector<double>& v) { return {static_cast<int64_t>(v.size())}; }
Dims column(const std::vector<double>& v) { return {static_cast<int64_t>(v.size()), 1}; }
std::vector<double> extremes(DType t) {
  const double width = 8 * size_of(t), most = std::ldexp(1.0, static_cast<int>(width) - (kiln::is_signed(t) ? 1 : 0));
  const double below = size_of(t) == 8 ? std::nextafter(most, 0) : most - 1;  // doubles hold no more
  if (kiln::is_signed(t)) return {-most, size_of(t) == 8 ? -most : 1 - most, -7, -1, 0, 1, 3, width - 1, width, below};
  return {0, 1, width - 1, width, std::floor(below / 2), most / 2, below};
}
}  // namespace

Sample specials() { return floats(special_values()); }

Sample special_pairs() {
  const std::vector<double> v = special_values();
  return tensors_of({{.shape = column(v), .values = v}, {.shape = row(v), .values = v}});
}

Sample integer_extremes(DType t) {
  const std::vector<double> v = extremes(t);
  return tensors_of({{.shape = row(v), .values = v, .dtype = t}});
}

Sample integer_extreme_pairs(DType t) {
  const std::vector<double> v = extremes(t);
  return tensors_of({{.shape = column(v), .values = v, .dtype = t}, {.shape = row(v), .values = v, .dtype = t}});
}

std::vector<Sample> unary_samples() { return {specials(), shapes({{3, 37}}), shapes({{}}), shapes({{0, 4}})}; }

std::vector<Sample> binary_samples() {
  Sample number = shapes({{3, 5}});
  number.operands.emplace_back(Scalar(3));
  return {special_pairs(), shapes({{3, 37}, {3, 37}}), shapes({{4, 1, 5}, {3, 1}}), shapes({{}, {0, 2}}), number};
}

}  // namespace kiln::eager::ops
