// Calling operators. Every call, eager or traced, from C++ or a front end, forward or backward, passes through here:
// types are checked, then the call is computed or handed to the thread's recorder, then it is put on the autograd tape.
#pragma once

#include <optional>

#include "eager/operator.h"

namespace kiln::eager {

// Why deferred work ran: what explain() shows. One table: kFlushReasons (dispatch.cpp).
enum class FlushReason : uint8_t {
  function_end,
  exception,
  item,
  boolean,
  numpy,
  values,
  repr,
  data_check,
  shape_from_data,
  shared_storage,
  foreign_write,
  other_thread,
  limit,
  fork,
  yield,
  debugger,
  unsupported,
};
std::string_view describe(FlushReason);

// Installed by the tracer for the current thread: sees each operator instead of the kernels.
class Recorder {
 public:
  virtual ~Recorder() = default;
  // Takes the call (outputs: `types.size()` tensors on pending storages), or returns false: run it now.
  virtual bool record(const Operator&, const Arguments&, std::span<const TensorType> types, Tensor* outputs) = 0;
  // The same for an operator without attributes whose one output's type the operands' types decide (can_be_flat), where the recorder knows that
  // type from a call like this; false: infer it.
  virtual bool record_again(const Operator&, std::span<const Operand>, Tensor&) { return false; }
  // destination <- source (broadcast, cast): an in-place write. false: do it now.
  virtual bool record_write(const Tensor& destination, const Operand& source) = 0;
  virtual void flush(FlushReason) = 0;
  // Only types are followed and no value will ever be there, so checks of data are left to the run.
  virtual bool types_only() const { return false; }
};
Recorder* current_recorder();
void set_recorder(Recorder*);  // per thread; nullptr: eager

// Sees the calls that code outside dispatch makes, each after it has happened. A composition without a gradient rule is told
// twice, as a whole and, between its begin and its end, in parts, whose intermediate results the tape may hold on to. What other operators
// do inside is not told. Works only beside a recorder; exporting is made of it.
class CallObserver {
 public:
  virtual ~CallObserver() = default;
  virtual void called(const Operator&, std::span<const Operand>, const Attrs&, std::span<const Tensor> outputs) = 0;
  virtual void called_in_place(const Operator&, std::span<const Operand>, const Attrs&, const Tensor& destination) = 0;
  virtual void wrote(const Tensor& destination, const Operand& source) = 0;
  virtual void begin_composition(const Operator&, std::span<const Operand>, const Attrs&) = 0;
  virtual void end_composition(std::span<const Tensor> outputs) = 0;
  virtual void abandon_composition() = 0;  // it threw
};
CallObserver* set_call_observer(CallObserver*);  // per thread; returns the one before

// Which values of tensors were looked at outside of kernels, where somebody asks: whoever runs what came of it again, on other values, has
// to look again.
struct DataReads {
  // A check of an operator (Operator::raises_on_data): all elements were integers in [first, last].
  struct Checked {
    Tensor of;
    int64_t first, last;
  };
  std::vector<Checked> checked;
  int others = 0;  // looks that decided anything else: a number, an index, a shape
};
class WatchedReads {  // those of this thread, while this is there and none inside it
 public:
  WatchedReads();
  ~WatchedReads();
  WatchedReads(const WatchedReads&) = delete;
  DataReads reads;

 private:
  DataReads* before_;
};
void note_checked(const Tensor&, int64_t first, int64_t last);  // by raises_on_data, once it has found nothing
enum class Look : uint8_t { check, value };                     // DataReads::checked, and others
void plant_look_fault(std::optional<Look>);                     // for tests: looks of this kind are not noted, in any thread

// Before a tensor's bytes are looked at: notes that they are, and runs what is deferred on its storage, for a reason that explain() shows.
void materialise(const Tensor&, FlushReason);

// Checks, computes or records, and differentiates one call. `outputs` has op.outputs entries.
void call(const Operator&, std::span<const Operand> operands, const Attrs&, Tensor* outputs);
// In place: destination <- op(operands...), for x += y. dtype must be castable within its kind (Error{type}); writing a leaf that requires grad is Error{runtime}.
void call_in_place(const Operator&, std::span<const Operand> operands, const Attrs&, const Tensor& destination);
// destination <- source, broadcast; x[...] = v.
void write(const Tensor& destination, const Operand& source);

// Computes a call now, without tape or recorder: what eager mode runs, and what an executor uses for a node it does not compile. An output
// that is already there (of its stated type, any strides) is written, an empty one is made.
void compute(const Operator&, const Arguments&, std::span<const TensorType>, Tensor* outputs);

std::vector<TensorType> infer(const Operator&, const Arguments&);  // result types; throws Error naming argument, shapes, dtypes

// An argument in parameter order: tensors, numbers and attributes mixed, as a C++ caller writes them.
using Argument = std::variant<Operand, Attr>;

// A handle to an operator by name, resolved at first use: `const Op mul{"mul"};  mul(a, b)`.
class Op {
 public:
  constexpr explicit Op(const char* name) : name_(name) {}
  template <class... A>
  Tensor operator()(const A&... arguments) const {
    const Argument list[] = {argument(arguments)...};
    return invoke(list)[0];
  }
  template <class... A>
  Tensors all(const A&... arguments) const {  // operators with several outputs
    const Argument list[] = {argument(arguments)...};
    return invoke(list);
  }
  const Operator& definition() const;

 private:
  template <class T>
  static Argument argument(const T& v) {
    if constexpr (std::is_same_v<T, Argument>) {
      return v;
    } else if constexpr (std::is_same_v<T, Attr> || std::is_same_v<T, Dims> || std::is_same_v<T, DType> ||
                         std::is_same_v<T, std::monostate> || std::is_same_v<T, bool> || std::is_same_v<T, std::string>) {
      return Attr(v);
    } else if constexpr (std::is_integral_v<T>) {
      return Operand(Scalar(static_cast<int64_t>(v)));
    } else {
      return Operand(v);  // a number lands on an attribute if the parameter is one
    }
  }
  Tensors invoke(std::span<const Argument>) const;
  const char* name_;
  mutable std::atomic<const Operator*> definition_{nullptr};
};

}  // namespace kiln::eager
