// From the inline functions of <kiln/operators.h> to dispatch.
#include <kiln/detail/call.h>

#include <array>
#include <atomic>

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

eager::Operand required(const eager::Operator& op, const eager::Parameter& p, const Operand& given) {
  eager::Operand o = operand(given);
  if (!o.present && p.kind == Wanted::tensor)
    fail(ErrorCode::value, std::string(op.name) + ": argument '" + std::string(p.name) +
                               "' is a kiln::Tensor that was made without a value and holds no tensor");
  return o;
}

}  // namespace

void run(OperatorName& name, std::span<const Argument> arguments, std::span<Tensor> results) {
  constexpr size_t kFew = 4;  // operands that need no memory of their own
  const eager::Operator& op = find(name);
  if (arguments.size() != op.parameters.size() || results.size() != static_cast<size_t>(op.outputs)) differ(op);
  std::array<eager::Operand, kFew> few;
  std::vector<eager::Operand> many;
  size_t count = 0;
  const auto add = [&](eager::Operand o) {
    if (count < kFew) {
      few[count++] = std::move(o);
      return;
    }
    if (many.empty()) many.assign(few.begin(), few.end());
    many.push_back(std::move(o));
    ++count;
  };
  eager::Attrs attrs;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const eager::Parameter& p = op.parameters[i];
    const Argument& a = arguments[i];
    if (a.kind != Given::none && a.kind != expected(p.kind)) differ(op);
    if (a.kind == Given::tensors) {
      for (const Tensor& t : *a.tensors) add(required(op, p, t));
    } else if (a.kind == Given::operand) {
      add(required(op, p, *a.operand));
    } else {
      attrs.push_back(attribute(op, p, a));
    }
  }
  const std::span<const eager::Operand> operands = many.empty() ? std::span<const eager::Operand>(few.data(), count) : many;
  if (op.outputs == 1) {
    eager::Tensor result;
    eager::call(op, operands, attrs, &result);
    results[0] = Access::handle(result);
    return;
  }
  eager::Tensors made(results.size());
  eager::call(op, operands, attrs, made.data());
  for (size_t i = 0; i < made.size(); ++i) results[i] = Access::handle(made[i]);
}

}  // namespace kiln::detail
