// From the inline functions of <kiln/operators.h> to dispatch.
#include <kiln/detail/call.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>

#include "cpp/handle.h"

namespace kiln::detail {
namespace {

using Given = Argument::Kind;
using Wanted = eager::Parameter::Kind;

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

// What every call looks at of its operator, close together: an operator with its parameters is spread over many cache lines.
struct Signature {
  const eager::Operator* op;
  size_t outputs = 0;
  bool has_lists = false;  // parameters that are sequences of tensors
  std::vector<Given> expected;
};

const Signature& find(OperatorName& name) {
  const std::atomic_ref<const void*> kept(name.found);
  if (const void* found = kept.load(std::memory_order_acquire)) return *static_cast<const Signature*>(found);
  const eager::Operator* op = eager::find_operator(name.name);
  if (op == nullptr)
    fail(ErrorCode::type, std::string("this libkiln.so has no operator ") + name.name + ", which <kiln/operators.h> names");
  static std::mutex mutex;
  static auto& known = *std::make_unique<std::map<const eager::Operator*, Signature>>().release();  // for as long as programs call
  const std::scoped_lock lock(mutex);
  const auto [at, is_new] = known.try_emplace(op, Signature{op, static_cast<size_t>(op->outputs), false, {}});
  Signature& signature = at->second;
  if (is_new)
    for (const eager::Parameter& p : op->parameters) {
      signature.expected.push_back(expected(p.kind));
      signature.has_lists = signature.has_lists || p.kind == Wanted::tensors;
    }
  kept.store(&signature, std::memory_order_release);
  return signature;
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
  void add(const eager::Operator& op, size_t parameter, const Operand& given) {
    const eager::Operand* const o = new (first_ + count_) eager::Operand(borrowed(given));
    if (!o->present) refuse_nothing(op, op.parameters[parameter]);
    ++count_;
  }
  std::span<const eager::Operand> all() const { return {first_, count_}; }

 private:
  static void refuse_nothing(const eager::Operator& op, const eager::Parameter& p) {
    if (p.kind == Wanted::tensor)
      fail(ErrorCode::value, std::string(op.name) + ": argument '" + std::string(p.name) +
                                 "' is a kiln::Tensor that was made without a value and holds no tensor");
  }

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
  const Signature& signature = find(name);
  const eager::Operator& op = *signature.op;
  if (arguments.size() != signature.expected.size() || results.size() != signature.outputs) differ(op);
  Borrowed operands(signature.has_lists ? most_operands(arguments) : arguments.size());
  eager::Attrs attrs;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const Argument& a = arguments[i];
    if (a.kind != Given::none && a.kind != signature.expected[i]) differ(op);
    if (a.kind == Given::operand) {
      operands.add(op, i, *a.operand);
    } else if (a.kind == Given::tensors) {
      for (const Tensor& t : *a.tensors) operands.add(op, i, t);
    } else {
      attrs.push_back(attribute(op, op.parameters[i], a));
    }
  }
  if (results.size() == 1) {
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
