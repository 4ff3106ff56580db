// The graph: SSA values in an arena, storages apart.
//
// A value is an array (dtype, dimensions). A node computes one or more values:
//   input      what a leaf storage holds when the program starts
//   operation  an operator applied to values, run-time scalars or nothing (an absent optional operand)
//   view       a strided window of a value's row-major elements (offset, shape, strides in elements)
//   update     the operand with the window overwritten by a second value of the window's shape: a write, as a value
//   reorder    the same array in another physical layout (put in by the layout pass; see jit/passes/layout.cpp)
// Nodes are in topological order. A storage's successive contents are successive values, so its versions are SSA names; the last one is
// written back if anyone can still see the storage. Compositions and views of the eager world never appear: they were resolved at the call.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "eager/operator.h"
#include "tracer/dim.h"

namespace kiln::tracer {

using codegen::Layout;
using ValueId = uint32_t;
using NodeIndex = uint32_t;
inline constexpr ValueId kNoValue = ~ValueId{0};

struct Type {
  DType dtype = DType::F32;
  std::vector<Dim> shape;
  bool operator==(const Type&) const = default;
};

struct Operand {
  enum class Kind : uint8_t { absent, value, scalar } kind = Kind::absent;
  uint32_t id = 0;  // ValueId, or the number of a run-time scalar
  DTypeKind scalar_kind = DTypeKind::floating;
  static Operand value(ValueId v) { return {Kind::value, v, {}}; }
  static Operand scalar(uint32_t number, DTypeKind kind) { return {Kind::scalar, number, kind}; }
  bool is_value() const { return kind == Kind::value; }
  bool operator==(const Operand&) const = default;
};

enum class NodeKind : uint8_t { input, operation, view, update, reorder };

struct Window {  // of a value's row-major elements
  Dim offset = 0;
  std::vector<Dim> shape;
  std::vector<int64_t> strides;  // elements; zero and negative allowed
  bool operator==(const Window&) const = default;
};

inline constexpr uint32_t kNoOrigin = ~uint32_t{0};

struct Node {
  NodeKind kind = NodeKind::operation;
  const eager::Operator* op = nullptr;  // operation
  std::vector<Operand> operands;
  eager::Attrs attrs;    // operation
  Window window;         // view, update
  uint32_t storage = 0;  // input
  ValueId first_output = kNoValue;
  uint32_t outputs = 1;
  uint32_t origin = kNoOrigin;  // operation: which of the calls that were recorded it is, or is made of
};

struct Value {
  Type type;
  NodeIndex node = 0;
  uint32_t output = 0;  // which of the node's outputs
  Layout layout = Layout::plain;
};

// A storage whose last content is a value of this graph and is still visible when the program ends.
struct Result {
  uint32_t storage = 0;
  ValueId value = kNoValue;
  bool operator==(const Result&) const = default;
};

class Graph {
 public:
  DimTable dims;
  std::vector<Node> nodes;
  std::vector<Value> values;
  std::vector<Result> results;
  std::vector<uint32_t> lent;  // storages of inputs that nobody sees when the program has run: it may leave anything in them
  uint32_t storages = 0;       // storages 0.. are bound when the program runs
  uint32_t scalars = 0;

  // Appends a node and its values; returns the first one's id.
  ValueId add(Node node, std::vector<Type> types);
  ValueId add_input(uint32_t storage, Type);
  ValueId add_view(ValueId, Window);
  ValueId add_update(ValueId destination, ValueId source, Window);
  ValueId add_reorder(ValueId, Layout);

  const Type& type(ValueId v) const { return values[v].type; }
  const Node& producer(ValueId v) const { return nodes[values[v].node]; }
  std::vector<uint32_t> use_counts() const;  // per value: operands and results that name it

  // Replaces uses by `forward[v]` (identity where unchanged), drops nodes no result needs, renumbers. The tail of every rewriting pass.
  void rewrite(const std::vector<ValueId>& forward);
};

// Were v's elements stored by a kernel of ours, which writes every NaN as the canonical one? Memory from outside and a library's results
// may hold others; a copy of those is not the same value.
bool has_canonical_nans(const Graph&, ValueId);
bool is_identity(const Window&, const Type& of);                        // the whole value, in order
std::vector<int64_t> row_major_strides(const std::vector<Dim>& shape);  // constant dimensions only
eager::Dims constant_shape(const Type&);  // as the eager world writes it; throws Error{internal} on a symbolic dimension
eager::OperandType operand_type(const Graph&, const Operand&);

std::string print(const Graph&);
Graph parse(std::string_view);  // what print() wrote; throws Error{value} naming the line
void verify(const Graph&);      // throws Error{internal} naming the offending node

}  // namespace kiln::tracer
