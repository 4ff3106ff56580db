// The rules of kernel.h, checked: what a back end may rely on.
#include <algorithm>
#include <string>

#include "codegen/error.h"
#include "codegen/kernel.h"

namespace kiln::codegen {
namespace {

class Verifier {
 public:
  explicit Verifier(const Kernel& kernel) : kernel_(kernel) {}

  void run() {
    header();
    for (size_t i = 0; i < kernel_.buffers.size(); ++i) buffer(i);
    for (size_t i = 0; i < kernel_.nodes.size(); ++i) node(static_cast<NodeId>(i));
    for (const Store& store : kernel_.stores)
      require(store.buffer < kernel_.buffers.size() && store.value < kernel_.nodes.size(), "store", store.buffer,
              "names a buffer or a node that is not there");
    schedule_ = schedule(kernel_);
    for (const Store& s : kernel_.stores) store(s);
    written_flags();
    aliasing();
  }

 private:
  [[noreturn]] void broken(const char* what, size_t index, const std::string& why) const {
    fail(ErrorCode::internal, "invalid kernel: " + std::string(what) + " " + std::to_string(index) + " " + why + "\n" + print(kernel_));
  }
  void require(bool holds, const char* what, size_t index, const char* why) const {
    if (!holds) broken(what, index, why);
  }

  void header() const {
    require(kernel_.rank >= 1 && kernel_.rank <= kMaxKernelRank, "rank", kernel_.rank, "is out of range");
    require(kernel_.reduction != Reduction::rows || kernel_.rank >= 2, "rank", kernel_.rank, "is too small for a `rows` reduction");
    require(kernel_.clip == -1 || (kernel_.clip >= 0 && kernel_.clip < kernel_.reduced_dim()), "clip",
            static_cast<size_t>(kernel_.clip + 0), "is not before the reduced dimension");
    require(!kernel_.stores.empty(), "kernel", 0, "stores nothing");
  }

  void buffer(size_t i) const {
    const Buffer& b = kernel_.buffers[i];
    if (kernel_.reduction == Reduction::none)
      require(b.reduced == Stride::zero, "buffer", i, "varies along a reduced dimension, but none is");
    require(!b.written || !b.gathered, "buffer", i, "is both written and gathered");
    if (kernel_.reduced_dim() == kernel_.rank - 1)
      require(b.reduced == b.inner, "buffer", i, "has two strides along the last dimension, which is the reduced one");
  }

  DType operand_dtype(const Node& node, int i) const { return kernel_.nodes[node.operands[i]].dtype; }

  void node(NodeId id) const {
    const Node& n = kernel_.nodes[id];
    operands(id, n);
    // Unused fields hold their defaults, so that equal kernels compare equal.
    const bool combines = n.kind == NodeKind::primitive || n.kind == NodeKind::reduce;
    const bool has_slot = n.kind == NodeKind::scalar || n.kind == NodeKind::index || reads_memory(n);
    require(combines || n.prim == Node{}.prim, "node", id, "has a primitive it does not use");
    require(has_slot || n.slot == 0, "node", id, "has a slot it does not use");
    require(n.kind == NodeKind::constant || n.bits == 0, "node", id, "has bits it does not use");
    switch (n.kind) {
      case NodeKind::constant: {
        const int width = 8 * size_of(n.dtype);
        require(width == 64 || n.bits >> width == 0, "node", id, "has bits beyond its dtype");
        require(n.dtype != DType::Bool || n.bits <= 1, "node", id, "is a bool other than 0 and 1");
        return;
      }
      case NodeKind::scalar: return require(n.slot < kernel_.scalars, "node", id, "reads a scalar that is not there");
      case NodeKind::index:
        require(n.slot < kernel_.rank, "node", id, "reads the index of a dimension that is not there");
        return require(n.dtype == DType::I64, "node", id, "is an index, but not i64");
      case NodeKind::load:
      case NodeKind::gather:
        require(n.slot < kernel_.buffers.size(), "node", id, "loads a buffer that is not there");
        require(n.dtype == kernel_.buffers[n.slot].dtype, "node", id, "has another dtype than its buffer");
        require(kernel_.buffers[n.slot].gathered == (n.kind == NodeKind::gather), "node", id,
                "loads a gathered buffer, or gathers from one that is not marked");
        if (n.kind == NodeKind::gather) require(operand_dtype(n, 0) == DType::I64, "node", id, "has an offset that is not i64");
        if (!is_masked(n)) return;
        require(operand_dtype(n, mask_operand(n)) == DType::Bool, "node", id, "has a mask that is not bool");
        return require(operand_dtype(n, mask_operand(n) + 1) == n.dtype, "node", id,
                       "has another dtype than its value where the mask is false");
      case NodeKind::primitive: return primitive(id, n);
      case NodeKind::reduce:
        require(kernel_.reduction != Reduction::none, "node", id, "reduces, but no dimension is reduced");
        require(can_combine(n.prim) && takes(n.prim, n.dtype), "node", id, "combines with a primitive that cannot");
        return require(operand_dtype(n, 0) == n.dtype, "node", id, "has another dtype than its operand");
    }
    broken("node", id, "has an unknown kind");
  }

  void operands(NodeId id, const Node& n) const {
    int given = 0;
    for (; given < 3 && n.operands[given] != kNoNode; ++given)
      require(n.operands[given] < id, "node", id, "has an operand that does not come before it");
    for (int i = given; i < 3; ++i) require(n.operands[i] == kNoNode, "node", id, "has a gap in its operands");
    const bool fits = n.kind == NodeKind::primitive ? given == info(n.prim).operands
                      : n.kind == NodeKind::reduce  ? given == 1
                      : n.kind == NodeKind::load    ? given == 0 || given == 2
                      : n.kind == NodeKind::gather  ? given == 1 || given == 3
                                                    : given == 0;
    require(fits, "node", id, "has a wrong number of operands");
  }

  void primitive(NodeId id, const Node& n) const {
    const PrimInfo& prim = info(n.prim);
    const DType first = operand_dtype(n, 0);
    if (n.prim == Prim::cast) return require(first != n.dtype, "node", id, "casts a value to the dtype it has");
    if (n.prim == Prim::bitcast) {
      const bool fits = size_of(first) == size_of(n.dtype) && size_of(first) >= 2 && is_floating(first) != is_floating(n.dtype);
      return require(fits, "node", id, "bitcasts between dtypes that are no float and integer of one size");
    }
    const bool selects = n.prim == Prim::select;
    if (selects) require(first == DType::Bool, "node", id, "has a condition that is not bool");
    const DType type = selects ? operand_dtype(n, 1) : first;
    for (int i = selects ? 1 : 0; i < prim.operands; ++i)
      require(operand_dtype(n, i) == type, "node", id, "has operands of different dtypes");
    require(takes(n.prim, type), "node", id, "has operands of a dtype that its primitive does not take");
    require(n.dtype == result_dtype(n.prim, type), "node", id, "has a dtype that its primitive does not give");
  }

  void store(const Store& s) const {
    const Buffer& b = kernel_.buffers[s.buffer];
    require(kernel_.nodes[s.value].dtype == b.dtype, "store to buffer", s.buffer, "has another dtype than its value");
    require(b.written, "store to buffer", s.buffer, "that is not marked as written");
    require(!schedule_.varying[s.value] || b.reduced != Stride::zero, "store to buffer", s.buffer,
            "that does not vary along the reduced dimension, where its value does");
  }

  void written_flags() const {
    std::vector<int> stores(kernel_.buffers.size());
    for (const Store& s : kernel_.stores) ++stores[s.buffer];
    for (size_t i = 0; i < stores.size(); ++i)
      require(stores[i] == (kernel_.buffers[i].written ? 1 : 0), "buffer", i,
              "is not stored to exactly as often as it is marked (never or once)");
  }

  // A load reads what memory held before the kernel's store, so none may run in a later pass than the store to its buffer.
  void aliasing() const {
    std::vector<int> store_pass(kernel_.buffers.size(), schedule_.passes);
    for (size_t i = 0; i < kernel_.stores.size(); ++i) store_pass[kernel_.stores[i].buffer] = schedule_.store_pass[i];
    for (int p = 0; p < schedule_.passes; ++p)
      for (const auto* list : {&schedule_.steps[static_cast<size_t>(p)].once, &schedule_.steps[static_cast<size_t>(p)].loop})
        for (NodeId id : *list)
          if (kernel_.nodes[id].kind == NodeKind::load)
            require(p <= store_pass[kernel_.nodes[id].slot], "node", id, "loads a buffer in a later pass than the store to it");
  }

  const Kernel& kernel_;
  Schedule schedule_;
};

}  // namespace

void verify(const Kernel& kernel) { Verifier(kernel).run(); }

}  // namespace kiln::codegen
