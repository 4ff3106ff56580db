// From the inline functions of <kiln/operators.h> to dispatch.
#include <kiln/detail/call.h>

#include <atomic>
#include <memory>

#include "cpp/handle.h"

namespace kiln::detail {
namespace {

using Given = Argument::Kind;
using Wanted = eager::Parameter::Kind;

const eager::Operator& find(OperatorName& op) {
  const std::atomic_ref<const void*> kept(op.found);
  if (const void* found = kept.load(std::memory_order_acquire)) return *static_cast<const eager::Operator*>(found);
  const eager::Operator* found = eager::find_operator(op.name);
  if (found == nullptr)
    fail(ErrorCode::type, std::string("this libkiln.so has no operator ") + op.name + ", which <kiln/operators.h> names");
  kept.store(found, std::memory_order_release);
  return *found;
}

[[noreturn]] void differ(const eager::Operator& op) {
  fail(ErrorCode::type,
       std::string(op.name) + ": <kiln/operators.h> and libkiln.so are of different versions and disagree about its parameters");
}

eager::Attr number(const Number& n, Wanted wanted, const eager::Operator& op) {
  if (n.kind() != Number::Kind::floating) return n.as_integer();
  if (wanted != Wanted::number) differ(op);
  return n.as_double();
}

eager::Attr attribute(const eager::Operator& op, const eager::Parameter& p, const Argument& a) {
  switch (a.kind) {
    case Given::none: return std::monostate();
    case Given::boolean: return a.boolean;
    case Given::number: return number(a.number, p.kind, op);
    case Given::dtype: return a.dtype;
    case Given::integers: return dims(*a.integers);
    case Given::text: return std::string(a.text);
    case Given::operand:
    case Given::tensors: break;
  }
  differ(op);
}

// What kind of argument the generated function of a parameter passes, where it is not left out.
Given expected(Wanted kind) {
  switch (kind) {
    case Wanted::tensor:
    case Wanted::optional_tensor: return Given::operand;
    case Wanted::tensors: return Given::tensors;
    case Wanted::boolean: return Given::boolean;
    case Wanted::integer:
    case Wanted::number: return Given::number;
    case Wanted::dtype: return Given::dtype;
    case Wanted::axes:
    case Wanted::shape: return Given::integers;
    case Wanted::string: return Given::text;
  }
  return Given::none;
}

// The operands of a call. The caller's tensors outlive it, so that they are borrowed, and nothing here is ever destroyed: counting references
// would take longer than the rest of this function.
class Borrowed {
 public:
  explicit Borrowed(size_t most) {
    void* memory = few_;
    if (most > kFew) {
      many_ = std::make_unique_for_overwrite<std::byte[]>(most * sizeof(eager::Operand));
      memory = many_.get();
    }
    first_ = static_cast<eager::Operand*>(memory);
  }
  void add(const eager::Operator& op, const eager::Parameter& p, const Operand& given) {
    const eager::Operand* const o = new (first_ + count_) eager::Operand(borrowed(given));
    if (!o->present && p.kind == Wanted::tensor)
      fail(ErrorCode::value, std::string(op.name) + ": argument '" + std::string(p.name) +
                                 "' is a kiln::Tensor that was made without a value and holds no tensor");
    ++count_;
  }
  std::span<const eager::Operand> all() const { return {first_, count_}; }

 private:
  static constexpr size_t kFew = 4;  // that need no memory of their own
  alignas(eager::Operand) std::byte few_[kFew * sizeof(eager::Operand)];
  std::unique_ptr<std::byte[]> many_;
  eager::Operand* first_;
  size_t count_ = 0;
};

size_t most_operands(std::span<const Argument> arguments) {
  size_t most = arguments.size();
  for (const Argument& a : arguments)
    if (a.kind == Given::tensors) most += a.tensors->size();
  return most;
}

}  // namespace

void run(OperatorName& name, std::span<const Argument> arguments, std::span<Tensor> results) {
  const eager::Operator& op = find(name);
  if (arguments.size() != op.parameters.size() || results.size() != static_cast<size_t>(op.outputs)) differ(op);
  Borrowed operands(most_operands(arguments));
  eager::Attrs attrs;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const eager::Parameter& p = op.parameters[i];
    const Argument& a = arguments[i];
    if (a.kind != Given::none && a.kind != expected(p.kind)) differ(op);
    if (a.kind == Given::tensors) {
      for (const Tensor& t : *a.tensors) operands.add(op, p, t);
    } else if (a.kind == Given::operand) {
      operands.add(op, p, *a.operand);
    } else {
      attrs.push_back(attribute(op, p, a));
    }
  }
  if (op.outputs == 1) {
    eager::Tensor result;
    eager::call(op, operands.all(), attrs, &result);
    results[0] = Access::handle(std::move(result));
    return;
  }
  eager::Tensors made(results.size());
  eager::call(op, operands.all(), attrs, made.data());
  for (size_t i = 0; i < made.size(); ++i) results[i] = Access::handle(std::move(made[i]));
}

}  // namespace kiln::detail
