// a + b, a += b, a < b, -a, a @ b ...: from the type's slots straight to dispatch.
#include "eager/dispatch.h"
#include "python/bindings/arguments.h"
#include "python/bindings/auto.h"
#include "python/bindings/tensor_type.h"

namespace kiln::python {
namespace {

using eager::Operand;
using eager::Tensor;

// The operators behind Python's, by slot. `in_place` is 0 where Python has none.
struct Infix {
  const char* name;
  int slot, in_place;
};
constexpr Infix kInfix[] = {
    {"add", Py_nb_add, Py_nb_inplace_add},
    {"subtract", Py_nb_subtract, Py_nb_inplace_subtract},
    {"multiply", Py_nb_multiply, Py_nb_inplace_multiply},
    {"divide", Py_nb_true_divide, Py_nb_inplace_true_divide},
    {"floor_divide", Py_nb_floor_divide, Py_nb_inplace_floor_divide},
    {"remainder", Py_nb_remainder, Py_nb_inplace_remainder},
    {"matmul", Py_nb_matrix_multiply, Py_nb_inplace_matrix_multiply},
    {"bitwise_and", Py_nb_and, Py_nb_inplace_and},
    {"bitwise_or", Py_nb_or, Py_nb_inplace_or},
    {"bitwise_xor", Py_nb_xor, Py_nb_inplace_xor},
    {"bitwise_left_shift", Py_nb_lshift, Py_nb_inplace_lshift},
    {"bitwise_right_shift", Py_nb_rshift, Py_nb_inplace_rshift},
};
constexpr int kInfixCount = std::size(kInfix);
struct Prefix {
  const char* name;
  int slot;
};
constexpr Prefix kPrefix[] = {
    {"negative", Py_nb_negative}, {"positive", Py_nb_positive}, {"abs", Py_nb_absolute}, {"bitwise_invert", Py_nb_invert}};
constexpr int kPrefixCount = std::size(kPrefix);
constexpr const char* kComparisons[] = {"less", "less_equal", "equal", "not_equal", "greater", "greater_equal"};  // Py_LT .. Py_GE
// Looked up at first use, when every operator is registered; nullptr where Kiln has no such operator.
template <int i>
const eager::Operator* infix() {
  static const eager::Operator* const found = eager::find_operator(kInfix[i].name);
  return found;
}
template <int i>
const eager::Operator* prefix() {
  static const eager::Operator* const found = eager::find_operator(kPrefix[i].name);
  return found;
}
const eager::Operator* power() {
  static const eager::Operator* const found = eager::find_operator("pow");
  return found;
}
const eager::Operator* comparison(int which) {
  static const std::array<const eager::Operator*, 6> found = [] {
    std::array<const eager::Operator*, 6> all;
    for (int i = 0; i < 6; ++i) all[i] = eager::find_operator(kComparisons[i]);
    return all;
  }();
  return found[which];
}

const eager::Attrs kNoAttributes;

bool heavy(const Operand (&operands)[2]) {
  int64_t elements = 0;
  for (const Operand& o : operands)
    if (o.is_tensor()) elements += o.tensor.numel();
  return elements >= kElementsWorthUnlocking;
}

PyObject* binary(const eager::Operator* op, PyObject* a, PyObject* b) {
  return guarded([&]() -> PyObject* {
    Operand operands[2];
    if (op == nullptr || !infix_operand(a, operands[0]) || !infix_operand(b, operands[1])) Py_RETURN_NOTIMPLEMENTED;
    arrive();
    Tensor result;
    {
      Unlocked unlocked(heavy(operands));
      eager::call(*op, operands, kNoAttributes, &result);
    }
    return wrap(std::move(result));
  });
}

PyObject* binary_in_place(const eager::Operator* op, PyObject* self, PyObject* other) {
  return guarded([&]() -> PyObject* {
    Operand operands[2];
    if (op == nullptr || !infix_operand(self, operands[0]) || !infix_operand(other, operands[1])) Py_RETURN_NOTIMPLEMENTED;
    arrive();
    {
      Unlocked unlocked(heavy(operands));
      eager::call_in_place(*op, operands, kNoAttributes, unwrap(self));
    }
    return Py_NewRef(self);
  });
}

PyObject* unary(const eager::Operator* op, PyObject* self) {
  return guarded([&]() -> PyObject* {
    if (op == nullptr) Py_RETURN_NOTIMPLEMENTED;
    arrive();
    const Operand operands[1] = {unwrap(self)};
    Tensor result;
    {
      Unlocked unlocked(operands[0].tensor.numel() >= kElementsWorthUnlocking);
      eager::call(*op, operands, kNoAttributes, &result);
    }
    return wrap(std::move(result));
  });
}

template <int i>
PyObject* infix_slot(PyObject* a, PyObject* b) {
  return binary(infix<i>(), a, b);
}
template <int i>
PyObject* infix_in_place_slot(PyObject* a, PyObject* b) {
  return binary_in_place(infix<i>(), a, b);
}
template <int i>
PyObject* prefix_slot(PyObject* a) {
  return unary(prefix<i>(), a);
}

PyObject* power_slot(PyObject* a, PyObject* b, PyObject* modulus) {
  if (modulus != Py_None) Py_RETURN_NOTIMPLEMENTED;
  return binary(power(), a, b);
}
PyObject* power_in_place_slot(PyObject* a, PyObject* b, PyObject*) { return binary_in_place(power(), a, b); }

PyObject* compare_slot(PyObject* a, PyObject* b, int which) { return binary(comparison(which), a, b); }

template <size_t... i>
void add_infix(Slots& slots, std::index_sequence<i...>) {
  (slots.push_back({kInfix[i].slot, reinterpret_cast<void*>(infix_slot<i>)}), ...);
  (slots.push_back({kInfix[i].in_place, reinterpret_cast<void*>(infix_in_place_slot<i>)}), ...);
}
template <size_t... i>
void add_prefix(Slots& slots, std::index_sequence<i...>) {
  (slots.push_back({kPrefix[i].slot, reinterpret_cast<void*>(prefix_slot<i>)}), ...);
}

}  // namespace

void add_number_slots(Slots& slots) {
  add_infix(slots, std::make_index_sequence<kInfixCount>());
  add_prefix(slots, std::make_index_sequence<kPrefixCount>());
  slots.push_back({Py_nb_power, reinterpret_cast<void*>(power_slot)});
  slots.push_back({Py_nb_inplace_power, reinterpret_cast<void*>(power_in_place_slot)});
  slots.push_back({Py_tp_richcompare, reinterpret_cast<void*>(compare_slot)});
}

}  // namespace kiln::python
