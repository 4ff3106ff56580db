// Builds kernel expressions with operators: `b.maximum(x, 0) + log1p(b, x)`. Equal nodes are made once (hash-consing), constants fold by
// the interpreter's own rules, and expressions are simplified where that keeps every bit (simplify/). dtypes must agree, except that a C++
// number adapts to the other operand's dtype. Complex values are pairs of real ones: complex.h.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "codegen/kernel.h"

namespace kiln::codegen {

class Builder;

class Value {
 public:
  Value() = default;
  Value(Builder* builder, NodeId id) : builder_(builder), id_(id) {}
  NodeId id() const { return id_; }
  Builder& builder() const { return *builder_; }
  DType dtype() const;
  explicit operator bool() const { return builder_ != nullptr; }

 private:
  Builder* builder_ = nullptr;
  NodeId id_ = kNoNode;
};

// An operand given as a value or as a C++ number, which takes the dtype of the operand beside it.
struct Operand {
  Operand(Value v) : value(v) {}    // NOLINT: implicit by design
  Operand(double v) : number(v) {}  // NOLINT
  Operand(int v) : number(v) {}     // NOLINT
  Value value;
  double number = 0;
};

class Builder {
 public:
  enum class Simplify : bool { no, yes };
  explicit Builder(Kernel& kernel, Simplify = Simplify::yes);  // goes on from the kernel's own nodes
  Builder(const Builder&) = delete;

  Kernel& kernel() { return kernel_; }
  const Node& node(NodeId id) const { return kernel_.nodes[id]; }

  // Leaves.
  Value constant(DType, double value);
  Value constant_bits(DType, uint64_t bits);
  Value scalar(uint32_t slot, DType);  // grows Kernel::scalars
  Value index(int dim);                // i64
  Value load(uint32_t buffer);
  Value load(uint32_t buffer, Value mask, Value otherwise);
  Value gather(uint32_t buffer, Value offset);  // marks the buffer gathered
  Value gather(uint32_t buffer, Value offset, Value mask, Value otherwise);
  uint32_t add_buffer(Buffer);
  void store(uint32_t buffer, Value);  // marks the buffer written

  // Complex values: two of f32 make one of c64, two of f64 one of c128. They have ids of their own and are no nodes of the kernel.
  Value complex(Value re, Value im);
  Value real(Value);  // a part; a real value's are itself and zero
  Value imag(Value);
  DType dtype(NodeId id) const { return is_pair(id) ? complex_of(node(pair(id).re).dtype) : node(id).dtype; }

  // Primitives; see primitive.h for meanings. At least one operand is a Value.
  Value primitive(Prim, DType result, std::span<const Value> operands);
  Value primitive(Prim p, DType result, std::initializer_list<Value> operands) { return primitive(p, result, std::span(operands)); }
  Value add(Operand, Operand);
  Value sub(Operand, Operand);
  Value mul(Operand, Operand);
  Value div(Operand, Operand);
  Value minimum(Operand, Operand);
  Value maximum(Operand, Operand);
  Value fma(Operand a, Operand b, Operand c);  // a * b + c, rounded once
  Value neg(Value);
  Value abs(Value);
  Value sqrt(Value);
  Value floor(Value);
  Value ceil(Value);
  Value trunc(Value);
  Value round(Value);
  Value bit_and(Operand, Operand);
  Value bit_or(Operand, Operand);
  Value bit_xor(Operand, Operand);
  Value bit_not(Value);
  Value shl(Operand, Operand);
  Value shr(Operand, Operand);
  Value shr_logical(Operand, Operand);
  Value eq(Operand, Operand);
  Value ne(Operand, Operand);
  Value lt(Operand, Operand);
  Value le(Operand, Operand);
  Value gt(Operand, Operand);
  Value ge(Operand, Operand);
  Value select(Value condition, Operand then, Operand otherwise);
  Value cast(Value, DType);  // the value itself if it already has that dtype
  Value bitcast(Value, DType);
  Value unpack_f16(Value bits);  // i32 -> f32
  Value pack_f16(Value);         // f32 -> i32
  Value reduce(Prim combine, Value);

 private:
  struct Pair {
    NodeId re, im;
  };
  static constexpr NodeId kPairs = NodeId{1} << 31;  // ids from here on
  static bool is_pair(NodeId id) { return id >= kPairs && id != kNoNode; }
  const Pair& pair(NodeId id) const { return pairs_[id - kPairs]; }

  Buffer& buffer(uint32_t slot);
  Value push(const Node&);
  Value unary(Prim, Value);
  Value binary(Prim, Operand, Operand);

  struct NodeHash {
    size_t operator()(const Node&) const;
  };
  Kernel& kernel_;
  const Simplify simplify_;
  std::unordered_map<Node, NodeId, NodeHash> known_;
  std::vector<Pair> pairs_;
};

inline Value operator+(Value a, Operand b) { return a.builder().add(a, b); }
inline Value operator-(Value a, Operand b) { return a.builder().sub(a, b); }
inline Value operator*(Value a, Operand b) { return a.builder().mul(a, b); }
inline Value operator/(Value a, Operand b) { return a.builder().div(a, b); }
inline Value operator+(double a, Value b) { return b.builder().add(a, b); }
inline Value operator-(double a, Value b) { return b.builder().sub(a, b); }
inline Value operator*(double a, Value b) { return b.builder().mul(a, b); }
inline Value operator/(double a, Value b) { return b.builder().div(a, b); }
inline Value operator-(Value a) { return a.builder().neg(a); }

}  // namespace kiln::codegen
