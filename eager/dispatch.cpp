#include "eager/dispatch.h"

#include <algorithm>
#include <cstring>

#include "eager/compute.h"
#include "eager/flat.h"
#include "eager/generator.h"
#include "eager/promotion.h"
#include "eager/tape.h"

namespace kiln::eager {
namespace {

constexpr std::array<std::string_view, 17> kFlushReasons{
    "the captured function ended",
    "an exception left the captured function",
    "item() needs a value",
    "bool() of a tensor needs a value",
    "NumPy, DLPack or the buffer protocol needs the values",
    "data() or to_vector() needs the values",
    "a tensor was printed",
    "an operator that raises on data must see it",
    "a result's shape depends on data",
    "memory shared with someone outside is read or written",
    "someone outside is about to write",
    "another thread needs a value",
    "too much was pending",
    "the process forks",
    "the function yields or awaits",
    "a debugger or tracer is active",
    "something not foreseen needs a value",
};
static_assert(static_cast<size_t>(FlushReason::unsupported) + 1 == kFlushReasons.size());

[[gnu::tls_model("initial-exec")]] constinit thread_local Recorder* recorder = nullptr;
[[gnu::tls_model("initial-exec")]] constinit thread_local CallObserver* observer = nullptr;
[[gnu::tls_model("initial-exec")]] constinit thread_local DataReads* data_reads = nullptr;
std::optional<Look> overlooked;  // a test's fault

// Takes the observer away while a call is taken apart, and hands it what to tell of the whole.
class Hidden {
 public:
  Hidden() : observer_(std::exchange(observer, nullptr)) {}
  ~Hidden() { observer = observer_; }
  Hidden(const Hidden&) = delete;
  explicit operator bool() const { return observer_ != nullptr; }
  CallObserver* operator->() const { return observer_; }

 private:
  CallObserver* observer_;
};

bool on_tape(std::span<const Operand> operands) {
  for (const Operand& o : operands)
    if (o.tensor && o.tensor.requires_grad()) return grad_enabled();
  return false;
}

// The check materialises what it reads (FlushReason::data_check), so that labels already there flush nothing.
void check_data(const Operator& op, const Arguments& a) {
  if (!op.raises_on_data || (recorder != nullptr && recorder->types_only())) return;
  if (data_reads == nullptr) return op.raises_on_data(a);
  const int others = data_reads->others;
  const size_t checked = data_reads->checked.size();
  op.raises_on_data(a);
  if (data_reads->checked.size() > checked) data_reads->others = others;  // it has said what it looked for
  if (overlooked == Look::check) data_reads->checked.resize(checked);
}

bool some_complex(std::span<const Operand> operands) {
  return std::any_of(operands.begin(), operands.end(), [](const Operand& o) { return o.tensor && is_complex(o.tensor.dtype()); });
}

void compose(const Operator& op, const ComposeRule& rule, const Arguments& a, Tensor* outputs) {
  check_arguments(op, a);
  if (some_complex(a.operands)) check_dtypes(op, a);  // parts that take no complex numbers would complain in their own names
  if (op.shape_from_data) {
    if (recorder != nullptr && recorder->types_only()) recorder->flush(FlushReason::shape_from_data);  // refused, whatever is known by now
    for (const Operand& o : a.operands)
      if (o.is_tensor()) materialise(o.tensor, FlushReason::shape_from_data);
  }
  check_data(op, a);
  std::optional<NoGrad> own_gradient;  // one rule for the whole, rather than its parts'
  if (op.gradient) own_gradient.emplace();
  Tensors results = rule(a);
  check(results.size() == static_cast<size_t>(op.outputs), "a composition gives one tensor for each output");
  std::move(results.begin(), results.end(), outputs);
}

bool is_complex_number(const Operand& o) { return o.is_scalar() && o.scalar.kind == DTypeKind::complex_floating; }

// Complex numbers become tensors, of the dtype that they and the tensors beside them meet in, or that the call asks for: what lies behind has
// real numbers alone.
std::vector<Operand> settle_numbers(std::span<const Operand> operands, const Attrs& attrs) {
  DType common = DType::Bool;
  for (const Operand& o : operands)
    if (o.is_tensor() && is_inexact(o.tensor.dtype())) common = promote(common, o.tensor.dtype());
  for (const Attr& attr : attrs)
    if (const DType* asked = std::get_if<DType>(&attr); asked != nullptr && is_complex(*asked)) common = *asked;
  const DType dtype = promote(common, DTypeKind::complex_floating), part = real_of(dtype);
  std::vector<Operand> settled(operands.begin(), operands.end());
  for (Operand& o : settled) {
    if (!is_complex_number(o)) continue;
    const Tensor number = Tensor::empty({}, dtype);
    std::byte* const bytes = number.storage().data_for_write();
    const uint64_t re = Scalar(o.scalar.f).bits_as(part), im = Scalar(o.scalar.imaginary).bits_as(part);
    std::memcpy(bytes, &re, static_cast<size_t>(size_of(part)));
    std::memcpy(bytes + size_of(part), &im, static_cast<size_t>(size_of(part)));
    o = Operand(number);
  }
  return settled;
}
bool any_complex_number(std::span<const Operand> operands) { return std::any_of(operands.begin(), operands.end(), is_complex_number); }

// The long way of call().
void dispatch(const Operator& op, std::span<const Operand> operands, const Attrs& attrs, Tensor* outputs) {
  std::vector<Operand> drawn;
  if (op.random) {
    const GeneratorState state = next_call();
    drawn = {Operand(Scalar(state.key)), Operand(Scalar(state.call))};
    drawn.insert(drawn.end(), operands.begin(), operands.end());
    operands = drawn;
  }
  const Arguments a{operands, attrs};
  const auto count = static_cast<size_t>(op.outputs);
  std::fill_n(outputs, count, Tensor());
  if (op.complex && some_complex(operands)) {
    if (!op.compose) infer(op, a);  // the errors that all others get
    compose(op, op.complex, a, outputs);
  } else if (op.compose) {
    compose(op, op.compose, a, outputs);
  } else if (op.view) {
    check_arguments(op, a);
    outputs[0] = compute_view(op, a);
  } else {
    const std::vector<TensorType> types = infer(op, a);
    if (recorder != nullptr && attrs.empty() && op.flat) keep_flat_dtype(flat_call(op, operands), types[0].dtype);
    check_data(op, a);
    if (recorder != nullptr && op.contraction && !recorder->types_only()) require_library(op, a);
    if (recorder == nullptr || !recorder->record(op, a, types, outputs)) compute(op, a, types, outputs);
  }
  if (op.gradient && on_tape(operands)) attach(op, a, {outputs, count});
}

// The short ways beside a recorder.
bool record_flat(const Operator& op, std::span<const Operand> operands, const Attrs& attrs, Tensor& output) {
  if (op.flat && recorder->record_again(op, operands, output)) return true;
  const FlatCall flat = flat_call(op, operands);
  const std::optional<DType> dtype = flat_dtype(flat);
  if (!dtype) return false;
  const Arguments a{operands, attrs};
  const TensorType type{*dtype, flat.first->shape()};
  if (!recorder->record(op, a, {&type, 1}, &output)) compute(op, a, {&type, 1}, &output);
  return true;
}

void dispatch_observed(const Operator& op, std::span<const Operand> operands, const Attrs& attrs, Tensor* outputs) {
  const std::span<const Tensor> results(outputs, static_cast<size_t>(op.outputs));
  if (op.compose && !op.gradient) {
    CallObserver* const whole = observer;
    whole->begin_composition(op, operands, attrs);
    try {
      dispatch(op, operands, attrs, outputs);
    } catch (...) {
      whole->abandon_composition();
      throw;
    }
    return whole->end_composition(results);
  }
  const Hidden parts;
  dispatch(op, operands, attrs, outputs);
  parts->called(op, operands, attrs, results);
}

// ---- in place -------------------------------------------------------------------------------------------------------

bool castable(DType from, DType to) {
  const auto rank = [](DType t) { return t == DType::Bool ? 0 : is_complex(t) ? 3 : is_floating(t) ? 2 : 1; };
  return rank(from) <= rank(to);
}

bool overlaps_itself(const Tensor& t) {
  for (int d = 0; d < t.rank(); ++d)
    if (t.shape()[d] > 1 && t.strides()[d] == 0) return true;
  return false;
}

void check_destination(const Operator& op, const Tensor& destination) {
  const auto refuse = [&](ErrorCode code, const char* why) { fail(code, std::string(op.name) + ": " + why); };
  if (!destination.storage().writable()) refuse(ErrorCode::value, "assignment destination is read-only");
  if (overlaps_itself(destination))
    refuse(ErrorCode::value, "assignment destination is a broadcast view: several of its elements are one in memory");
  if (!grad_enabled()) return;
  const Tensor base = destination.impl()->base ? Tensor(destination.impl()->base) : destination;
  for (const Tensor* t : {&destination, &base})
    if (t->requires_grad() && t->is_leaf())
      refuse(ErrorCode::runtime,
             "a leaf tensor that requires grad (or a view of one) cannot be written in place; do it under no_grad(), or write to a copy");
}

void check_result(const Operator& op, const TensorType& result, const Tensor& destination) {
  if (!castable(result.dtype, destination.dtype()))
    fail(ErrorCode::type, std::string(op.name) + ": cannot cast " + std::string(name_of(result.dtype)) + " to " +
                              std::string(name_of(destination.dtype())) +
                              " in place; cast explicitly, or write x = x ... to make a new tensor");
  if (!broadcastable_to(result.shape, destination.shape()))
    fail(ErrorCode::value, std::string(op.name) + ": a result of shape " + to_string(result.shape) + " does not fit into shape " +
                               to_string(destination.shape()) + " in place");
}

// The bytes a tensor can reach, relative to its storage: [first, last).
std::pair<int64_t, int64_t> reach(const Tensor& t) {
  int64_t first = t.offset(), last = t.offset();
  for (int d = 0; d < t.rank(); ++d) {
    const int64_t step = (t.shape()[d] - 1) * t.strides()[d];
    (step < 0 ? first : last) += step;
  }
  return {first * size_of(t.dtype()), (last + 1) * size_of(t.dtype())};
}

// May a kernel read `source` element by element while it writes `destination`?
bool safe_to_read(const Tensor& source, const Tensor& destination) {
  if (&source.storage() != &destination.storage()) return true;
  if (source.offset() == destination.offset() && source.shape() == destination.shape() && source.strides() == destination.strides())
    return true;
  if (source.numel() == 0 || destination.numel() == 0) return true;
  const auto [a, b] = reach(source);
  const auto [c, d] = reach(destination);
  return b <= c || d <= a;
}

bool safe_to_read(std::span<const Operand> operands, const Tensor& destination) {
  return std::all_of(operands.begin(), operands.end(),
                     [&](const Operand& o) { return !o.is_tensor() || safe_to_read(o.tensor, destination); });
}

// destination <- op(a) for a body, straight into place.
void compute_into(const Operator& op, const Arguments& a, const Tensor& destination) {
  for (const Operand& o : a.operands)
    if (o.is_tensor()) o.tensor.data();  // runs what is pending there
  destination.storage().data_for_write();
  Tensor output = destination;
  if (a.attrs.empty() && compute_flat(op, a.operands, output)) return;
  const TensorType type{destination.dtype(), destination.shape()};
  compute_pointwise(op, a, {&type, 1}, &output);
}

void write_value(const Tensor& destination, const Operand& source) {
  if (recorder != nullptr && recorder->record_write(destination, source)) {
    destination.storage().bump_version();
    return;
  }
  static const Attrs none;
  if (safe_to_read({&source, 1}, destination)) return compute_into(assignment(), {{&source, 1}, none}, destination);
  Tensor copy = Tensor::empty(source.tensor.shape(), source.tensor.dtype());
  copy_into(copy, source);
  const Operand copied(std::move(copy));
  compute_into(assignment(), {{&copied, 1}, none}, destination);
}

}  // namespace

std::string_view describe(FlushReason reason) { return kFlushReasons[static_cast<size_t>(reason)]; }

Recorder* current_recorder() { return recorder; }
void set_recorder(Recorder* r) { recorder = r; }
WatchedReads::WatchedReads() : before_(std::exchange(data_reads, &reads)) {}
WatchedReads::~WatchedReads() { data_reads = before_; }
void note_checked(const Tensor& of, int64_t first, int64_t last) {
  if (data_reads != nullptr) data_reads->checked.push_back({of, first, last});
}
void plant_look_fault(std::optional<Look> kind) { overlooked = kind; }
CallObserver* set_call_observer(CallObserver* o) { return std::exchange(observer, o); }

void materialise(const Tensor& t, FlushReason reason) {
  if (data_reads != nullptr && overlooked != Look::value) ++data_reads->others;
  if (t.storage().pending_writes()) t.storage().run_pending(reason);
}

void call(const Operator& op, std::span<const Operand> operands, const Attrs& attrs, Tensor* outputs) {
  if (attrs.empty() && (recorder == nullptr || observer == nullptr)) {
    Tensor result;
    if (recorder == nullptr ? compute_flat(op, operands, result) : record_flat(op, operands, attrs, result)) {
      outputs[0] = std::move(result);
      if (op.gradient && on_tape(operands)) attach(op, {operands, attrs}, {outputs, 1});
      return;
    }
  }
  if (any_complex_number(operands)) return call(op, settle_numbers(operands, attrs), attrs, outputs);
  if (observer == nullptr) return dispatch(op, operands, attrs, outputs);
  dispatch_observed(op, operands, attrs, outputs);
}

void call_in_place(const Operator& op, std::span<const Operand> operands, const Attrs& attrs, const Tensor& destination) {
  check(op.outputs == 1, "an operator with several outputs has no in-place form");
  if (any_complex_number(operands)) return call_in_place(op, settle_numbers(operands, attrs), attrs, destination);
  check_destination(op, destination);
  const Arguments a{operands, attrs};
  if (op.compose || op.view || op.random || (op.complex && some_complex(operands))) {  // what it is made of is known only when it has run
    Tensor result;
    call(op, operands, attrs, &result);
    check_result(op, {result.dtype(), result.shape()}, destination);
    return write(destination, result);
  }
  const std::vector<TensorType> types = infer(op, a);
  check_result(op, types[0], destination);
  InPlace history(op, a, types[0], destination);
  const bool direct = recorder == nullptr && op.body && !op.body.takes_context() && !op.raises_on_data &&
                      safe_to_read(operands, destination) &&
                      (op.result != ResultType::given || types[0].dtype == destination.dtype());  // a cast of a cast takes two stores
  {
    const Hidden parts;
    if (direct) {
      compute_into(op, a, destination);
    } else {
      const NoGrad no_grad;
      Tensor result;
      call(op, operands, attrs, &result);
      write_value(destination, result);
    }
    if (parts) parts->called_in_place(op, operands, attrs, destination);
  }
  history.written();
}

void write(const Tensor& destination, const Operand& source) {
  if (is_complex_number(source)) {
    const Operand both[] = {destination, source};
    return write(destination, settle_numbers(both, {})[1]);
  }
  const Operator& op = assignment();
  check_destination(op, destination);
  if (source.is_tensor()) check_castable(op.name, source.tensor.dtype(), destination.dtype());
  const TensorType type{destination.dtype(), source.is_tensor() ? source.tensor.shape() : Dims()};
  check_result(op, type, destination);
  static const Attrs none;
  InPlace history(op, {{&source, 1}, none}, type, destination);
  {
    const Hidden parts;
    write_value(destination, source);
    if (parts) parts->wrote(destination, source);
  }
  history.written();
}

// ---- handles ----------------------------------------------------------------------------------------------------------

const Operator& Op::definition() const {
  const Operator* known = definition_.load(std::memory_order_acquire);
  if (!known) {
    known = find_operator(name_);
    if (!known) fail(ErrorCode::internal, std::string("there is no operator called ") + name_);
    definition_.store(known, std::memory_order_release);
  }
  return *known;
}

namespace {

[[noreturn]] void wrong_attribute(const Operator& op, const Parameter& p) {
  fail(ErrorCode::type, std::string(op.name) + ": wrong kind of value for '" + std::string(p.name) + "'");
}

// An argument as the attribute that a parameter asks for.
Attr as_attribute(const Operator& op, const Parameter& p, const Argument& argument) {
  if (const Attr* attr = std::get_if<Attr>(&argument)) return *attr;
  const Operand& o = std::get<Operand>(argument);
  if (!o.present) return std::monostate{};
  if (!o.is_scalar()) wrong_attribute(op, p);
  const Scalar s = o.scalar;
  using Kind = Parameter::Kind;
  if (p.kind == Kind::number && s.kind == DTypeKind::floating) return s.f;
  if (s.kind == DTypeKind::floating || s.kind == DTypeKind::complex_floating) wrong_attribute(op, p);
  if (p.kind == Kind::boolean) return s.i != 0;
  if (p.kind == Kind::shape) return Dims{s.i};
  if (p.kind == Kind::number || p.kind == Kind::integer || p.kind == Kind::axes) return s.i;
  wrong_attribute(op, p);
}

Operand as_operand(const Operator& op, const Parameter& p, const Argument& argument) {
  if (const Operand* operand = std::get_if<Operand>(&argument)) return *operand;
  const Attr& attr = std::get<Attr>(argument);
  if (std::holds_alternative<std::monostate>(attr)) return {};
  if (const bool* b = std::get_if<bool>(&attr)) return Scalar(*b);
  if (const int64_t* i = std::get_if<int64_t>(&attr)) return Scalar(*i);
  if (const double* f = std::get_if<double>(&attr)) return Scalar(*f);
  wrong_attribute(op, p);
}

}  // namespace

Tensors Op::invoke(std::span<const Argument> list) const {
  const Operator& op = definition();
  std::vector<Operand> operands;
  Attrs attrs;
  size_t at = 0;
  for (const Parameter& p : op.parameters) {
    if (p.kind == Parameter::Kind::tensors) {
      while (at < list.size() && std::holds_alternative<Operand>(list[at]) && std::get<Operand>(list[at]).is_tensor())
        operands.push_back(std::get<Operand>(list[at++]));
    } else if (at == list.size()) {
      if (!p.has_default) fail(ErrorCode::type, std::string(op.name) + ": missing argument '" + std::string(p.name) + "'");
      if (p.is_operand()) operands.emplace_back();
      else attrs.push_back(p.default_value);
    } else if (p.is_operand()) {
      operands.push_back(as_operand(op, p, list[at++]));
    } else {
      attrs.push_back(as_attribute(op, p, list[at++]));
    }
  }
  if (at < list.size()) fail(ErrorCode::type, std::string(op.name) + ": too many arguments");
  Tensors outputs(static_cast<size_t>(op.outputs));
  call(op, operands, attrs, outputs.data());
  return outputs;
}

}  // namespace kiln::eager
