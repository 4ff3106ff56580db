// Operators: each is ONE definition, in one file of eager/ops/, from which everything else is derived: the eager kernel, traced nodes,
// code in every back end, gradient, bindings, stubs, docs and parametrised tests.
//
//   const Operator& softplus = define({
//       .name = "softplus",
//       .doc = "log(1 + exp(x)) without overflow.",
//       .parameters = {floating("x")},
//       .body = [](Builder& b, Value x) { return b.maximum(x, 0) + log1p(b, exp(b, -b.abs(x))); },
//       .gradient = [](GradContext& c) { return Tensors{mul(c.grad(), sigmoid(c.input(0)))}; },
//       .saves = {.inputs = 0b1},
//       .samples = {floats({-100, -1, -0.0, 0.5, 100})},
//       .reference = "numpy.logaddexp(0, x)",
//   });
#pragma once

#include <complex>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "codegen/builder.h"
#include "codegen/contraction/contraction.h"
#include "codegen/primitive.h"
#include "eager/tensor.h"

namespace kiln::eager {

using codegen::Builder;
using codegen::DTypeSet;
using codegen::Prim;
using codegen::Value;
using Tensors = std::vector<Tensor>;

// A Python number: it has a kind but no width, so it never widens a tensor's dtype within its kind. A complex one is a tensor of no dimension
// to all that lies behind dispatch, which makes it one (settle_numbers), of the dtype that its call's operands meet in.
struct Scalar {
  DTypeKind kind = DTypeKind::floating;
  union {
    double f = 0;  // of complex numbers the real part
    int64_t i;     // bool and integers
  };
  double imaginary = 0;
  Scalar() = default;
  Scalar(double v) : kind(DTypeKind::floating), f(v) {}                                                    // NOLINT: implicit by design
  Scalar(int64_t v) : kind(DTypeKind::signed_integer), i(v) {}                                             // NOLINT
  Scalar(int v) : Scalar(static_cast<int64_t>(v)) {}                                                       // NOLINT
  Scalar(bool v) : kind(DTypeKind::boolean), i(v) {}                                                       // NOLINT
  Scalar(std::complex<double> v) : kind(DTypeKind::complex_floating), f(v.real()), imaginary(v.imag()) {}  // NOLINT
  double as_double() const { return kind == DTypeKind::floating || kind == DTypeKind::complex_floating ? f : static_cast<double>(i); }
  uint64_t bits_as(DType) const;  // the kernel's 8-byte scalar, of a real dtype; saturates and rounds as `cast` does
};

// An operand: a tensor, a number, or (for optional parameters) nothing.
struct Operand {
  Tensor tensor;
  Scalar scalar;
  bool present = false;
  Operand() = default;
  Operand(Tensor t) : tensor(std::move(t)), present(static_cast<bool>(tensor)) {}  // NOLINT: implicit by design
  Operand(Scalar s) : scalar(s), present(true) {}                                  // NOLINT
  Operand(double v) : Operand(Scalar(v)) {}                                        // NOLINT
  Operand(int v) : Operand(Scalar(v)) {}                                           // NOLINT
  bool is_tensor() const { return static_cast<bool>(tensor); }
  bool is_scalar() const { return present && !tensor; }
};

// An attribute: an argument that is not a tensor. Part of every cache key (numbers that only feed arithmetic are operands instead).
using Attr = std::variant<std::monostate, bool, int64_t, double, DType, Dims, std::string>;
using Attrs = std::vector<Attr>;

struct Parameter {
  enum class Kind : uint8_t { tensor, optional_tensor, tensors, boolean, integer, number, dtype, axes, shape, string };
  std::string_view name;
  Kind kind = Kind::tensor;
  DTypeSet accepts = codegen::kAny;  // dtypes of a tensor operand, after promotion where it promotes (bool * f32 is numeric)
  bool promotes = true;              // takes part in dtype promotion (`where`'s condition does not); otherwise a body sees the
                                     // operand in its own dtype, a number as f64, i64 or bool
  bool has_default = false;
  Attr default_value;      // also monostate: Python's None
  std::string_view alias;  // torch's name for it ("dim" for "axis")
  bool is_operand() const { return kind <= Kind::tensors; }
};
// Makers: tensor parameters by what they accept, attributes with defaults.
Parameter any(std::string_view name);
Parameter ordered(std::string_view name);   // anything but complex numbers
Parameter numeric(std::string_view name);   // integers, floating and complex numbers
Parameter real(std::string_view name);      // integers and floating numbers
Parameter inexact(std::string_view name);   // floating and complex numbers; integers and bool are promoted to the default floating dtype
Parameter floating(std::string_view name);  // floating numbers; the same
Parameter integral(std::string_view name);  // integers and bool
Parameter boolean_tensor(std::string_view name);
Parameter optional(Parameter);
Parameter unpromoted(Parameter);
Parameter axes(std::string_view name = "axis");  // int, tuple or None (the default): all axes
Parameter flag(std::string_view name, bool default_value);
Parameter integer(std::string_view name);
Parameter integer(std::string_view name, int64_t default_value);
Parameter shape(std::string_view name);
Parameter ints(std::string_view name, Dims default_value);  // int or tuple
Parameter dtype_or_none(std::string_view name = "dtype");
Parameter number(std::string_view name);  // int or float, kept as int64_t or double
Parameter number(std::string_view name, Attr default_value);
Parameter text(std::string_view name, std::string default_value);
Parameter tensors(std::string_view name);  // a sequence of tensors: all operands of the call, in order

struct Arguments {  // an operator call: operands and attributes, each in parameter order
  std::span<const Operand> operands;
  const Attrs& attrs;
  const Tensor& tensor(int i) const { return operands[i].tensor; }
  template <class T>
  const T& attr(int i) const {
    return std::get<T>(attrs[i]);
  }
  bool attr_is_none(int i) const { return std::holds_alternative<std::monostate>(attrs[i]); }
};

// ---- how an operator is computed: exactly one of these is given -----------------------------------------------------

// Pointwise: inputs are broadcast, promoted (where they promote) and cast; the body sees one element of each.
struct BodyContext {
  Builder& b;
  std::span<const Value> inputs;  // an absent optional operand is an empty Value
  const Attrs& attrs;
  std::span<const TensorType> outputs;
  std::function<Value(int axis)> index;  // i64 position along an axis of the output
};
class Body {
 public:
  Body() = default;
  template <class F>
  Body(F f) {  // NOLINT: lambdas over (Builder&, Value...) or (BodyContext&), giving a Value or a vector of them
    if constexpr (std::is_invocable_v<F, BodyContext&>) {
      body_ = [f](BodyContext& c) { return wrap(f(c)); };
      takes_context_ = true;
    } else if constexpr (std::is_invocable_v<F, Builder&, Value>) {
      body_ = [f](BodyContext& c) { return wrap(f(c.b, c.inputs[0])); };
    } else if constexpr (std::is_invocable_v<F, Builder&, Value, Value>) {
      body_ = [f](BodyContext& c) { return wrap(f(c.b, c.inputs[0], c.inputs[1])); };
    } else {
      body_ = [f](BodyContext& c) { return wrap(f(c.b, c.inputs[0], c.inputs[1], c.inputs[2])); };
    }
  }
  explicit operator bool() const { return static_cast<bool>(body_); }
  bool takes_context() const { return takes_context_; }  // may depend on the result's shape or the position in it
  std::vector<Value> operator()(BodyContext& c) const { return body_(c); }

 private:
  static std::vector<Value> wrap(Value v) { return {v}; }
  static std::vector<Value> wrap(std::vector<Value> v) { return v; }
  std::function<std::vector<Value>(BodyContext&)> body_;
  bool takes_context_ = false;
};

// Affine: a kernel whose loads and stores are affine in an iteration space of its own (pooling windows). See lowering.h.
class AffineContext;
using AffineRule = std::function<void(AffineContext&)>;

// View: the result is a strided view of operand 0's storage; costs no work.
struct ViewMap {
  int64_t offset = 0;  // elements, absolute in the storage
  Dims shape, strides;
};
using ViewRule = std::function<ViewMap(const Arguments&)>;  // may throw Error; `reshape` of an awkward view is a composition

// Composition: made of other operators, called through dispatch.
using ComposeRule = std::function<Tensors(const Arguments&)>;

// Contraction: a plan of codegen/contraction, a function of types alone. Operands are made contiguous; optional bias last.
struct OperandType {
  enum class Kind : uint8_t { absent, scalar, tensor } kind = Kind::absent;
  TensorType type;                              // tensors
  DTypeKind scalar_kind = DTypeKind::floating;  // scalars
  bool operator==(const OperandType&) const = default;
};
using ContractionRule = std::function<codegen::ContractionKey(std::span<const OperandType>, const Attrs&)>;

// Routine: library code for what is no loop over independent elements (scans, sorts, searches, gathers, scatters). Operands come dense
// (row-major), promoted where they promote; outputs are dense memory of their types, apart from the operands. May call the pool, cuts its work
// by shape alone, and calls no operators. In graphs a step of its own.
using Routine = std::function<void(const Arguments&, std::span<const Tensor> outputs)>;

// A routine that moves elements of operand 0 to where operand 1, int64, says along the axis of attribute 0: fusion draws it as a load at a
// computed position (gather_map() of lowering.h), with what its users do; alone it stays a routine.
enum class Gather : uint8_t {
  none,
  rows,   // the indices' dimensions stand in the axis' place
  along,  // the indices have operand 0's rank; the axis' extent is theirs
};

// Promotion: the array API standard for tensors; beside a floating tensor, integers and bool take its dtype. See promotion.h.
DType promote(DType, DType);
DType default_dtype();          // of floating results without a floating tensor
void set_default_dtype(DType);  // f32 at first; throws Error{type} unless floating

// ---- types, gradients, tests --------------------------------------------------------------------------------------

// Result dtype of a body or reduction. Shapes of these follow from broadcasting or the axes.
// A reduction casts its operand to the result's dtype before it combines (so `all` reduces x != 0).
enum class ResultType : uint8_t {
  promoted,     // the operands' common dtype
  boolean,      // comparisons
  real,         // the dtype of the parts of the operands' common one
  complex,      // the complex dtype whose parts hold the common one
  accumulated,  // sums: bool and signed integers -> i64, unsigned -> u64, floats as the operand (or the dtype attribute where there is one)
  given,        // the operator's `type` rule says
};
using TypeRule = std::function<std::vector<TensorType>(const Arguments&)>;

class GradContext {
 public:
  const Arguments& arguments;       // operands are present only where saved, but their TensorType always is (input_type)
  std::span<const Tensor> grads;    // per output; an empty Tensor where no gradient came
  std::span<const Tensor> outputs;  // only where saved
  std::span<const TensorType> input_types;
  std::span<const bool> needed;  // per operand: is its gradient wanted?
  const Tensor& grad() const { return grads[0]; }
  const Tensor& input(int i) const { return arguments.operands[i].tensor; }
  const Operand& operand(int i) const { return arguments.operands[i]; }
  const Tensor& output(int i = 0) const { return outputs[i]; }
};
// One gradient per operand (an empty Tensor for none). Shapes may still be broadcast: the tape sums them to the operand's own.
using GradientRule = std::function<Tensors(GradContext&)>;
struct Saves {
  uint32_t inputs = 0, outputs = 0;  // bit i: operand / output i is needed by the gradient. Scalars are always kept.
};

// One call for tests: operands as nested generators, attributes by value. `operands` name how each is filled.
struct SampleTensor {
  Dims shape;
  std::vector<double> values;  // empty: drawn from `low`..`high` by the test's generator
  double low = -2, high = 2;
  std::optional<DType> dtype;  // nullopt: every dtype the parameter accepts
};
struct Sample {
  std::vector<std::variant<SampleTensor, Scalar>> operands;
  Attrs attrs;  // empty: the defaults
};
Sample floats(std::vector<double> values);                  // one 1-d operand
Sample shapes(std::vector<Dims> shapes, Attrs attrs = {});  // random operands of these shapes

struct Operator {
  std::string_view name;
  int version = 1;
  std::string_view doc;
  std::vector<Parameter> parameters;
  int outputs = 1;

  Body body;
  std::optional<Prim> reduction;  // parameters: x, axis, keepdims (, dtype)
  AffineRule affine;
  ViewRule view;
  ComposeRule compose;
  ComposeRule complex;  // instead, where an operand is complex and the operator does not go part by part as real ones do
  ContractionRule contraction;
  Routine routine;
  Gather gather = Gather::none;

  ResultType result = ResultType::promoted;
  TypeRule type;          // for ResultType::given and for affine, contraction and routine operators
  GradientRule gradient;  // none: not differentiable (a composition: through its parts)
  Saves saves;
  // Of complex operands. true: the gradient rule, written for real ones, multiplies by the complex derivative, which the tape conjugates:
  // gradients are PyTorch's, d/dRe + i d/dIm of a real loss. false: the rule gives just that itself.
  bool holomorphic = true;
  std::function<void(const Arguments&)> raises_on_data;  // looks at operand data at the call, even when deferred; throws Error
  bool shape_from_data = false;                          // the result's shape depends on data: never deferred
  bool random = false;  // draws from the generator: dispatch puts two numbers, (key, call index), before the operator's own
                        // operands; `parameters` do not list them, the body sees them as i64

  std::vector<std::string_view> output_names;  // of the results, where there are several and they have names
  std::vector<std::string_view> aliases;
  bool method = false;  // also a method of tensors, under every name
  std::vector<Sample> samples;
  std::string_view reference;  // a NumPy expression over the parameters' names
  std::string_view onnx;       // the ONNX operator of the same meaning, where there is one
  uint32_t id = 0;             // dense, in registration order
  bool flat = false;           // can_be_flat() of flat.h, worked out once
};

// Registers an operator; the name and aliases must be new. Returns the one lasting instance.
const Operator& define(Operator);
const Operator* find_operator(std::string_view name_or_alias);
std::span<const Operator* const> all_operators();  // sorted by name

}  // namespace kiln::eager
