// The interpreter: the living definition of kernels, always built, the oracle of the other back ends. A kernel's nodes are evaluated
// one after the other over strips of up to kStrip neighbouring elements of the last dimension.
#include <algorithm>
#include <cstring>
#include <new>

#include "codegen/backend.h"
#include "codegen/interpreter/fold.h"
#include "codegen/interpreter/primitives.h"

namespace kiln::codegen {
namespace interpreter {
namespace {

constexpr int64_t kStrip = 256;
static_assert(kStrip % kLanes == 0 && kLaneBlock % kStrip == 0 && kChunk % kStrip == 0);
constexpr size_t kSlot = kStrip * sizeof(uint64_t);  // bytes of one node's strip

struct Program final : Code {
  Kernel kernel;
  Schedule schedule;
  std::vector<Apply> apply;  // [node], primitives only
};

// What a thread keeps from one call to the next.
struct Workspace {
  std::vector<std::byte> values;  // [node][kStrip]
  std::vector<Fold> folds;        // [node], reduces only
};

// Gathers and scatters of elements of one size, without alignment or type.
template <size_t size>
void copy_strided(std::byte* to, int64_t to_stride, const std::byte* from, int64_t from_stride, int64_t n) {
  if (to_stride == size && from_stride == size) {
    std::memmove(to, from, static_cast<size_t>(n) * size);
    return;
  }
  for (int64_t i = 0; i < n; ++i, to += to_stride, from += from_stride) std::memmove(to, from, size);
}
void copy_elements(int size, std::byte* to, int64_t to_stride, const std::byte* from, int64_t from_stride, int64_t n) {
  if (size == 1) copy_strided<1>(to, to_stride, from, from_stride, n);
  else if (size == 2) copy_strided<2>(to, to_stride, from, from_stride, n);
  else if (size == 4) copy_strided<4>(to, to_stride, from, from_stride, n);
  else copy_strided<8>(to, to_stride, from, from_stride, n);
}

// One call: blocks [begin, end) of a program.
class Run {
 public:
  Run(const Program& program, const Args& args, Workspace& workspace)
      : program_(program),
        kernel_(program.kernel),
        args_(args),
        workspace_(workspace),
        last_(kernel_.rank - 1),
        reduced_(kernel_.reduced_dim()) {
    workspace.values.resize(std::max(workspace.values.size(), kernel_.nodes.size() * kSlot));
    workspace.folds.resize(std::max(workspace.folds.size(), kernel_.nodes.size()));
    const int64_t width = std::clamp<int64_t>(args.extents[last_], 1, kStrip);
    for (NodeId id = 0; id < kernel_.nodes.size(); ++id) {
      const Node& node = kernel_.nodes[id];
      if (node.kind == NodeKind::constant) fill(id, node.bits, width);
      if (node.kind == NodeKind::scalar) fill(id, args.scalars[node.slot], width);
    }
  }

  void block(int64_t b) {
    const bool reduces_last = reduced_ == last_;
    const int64_t chunks = reduces_last ? 1 : (args_.extents[last_] + kChunk - 1) / kChunk;
    int64_t outer = b / chunks;
    for (int d = last_ - 1; d >= 0; --d) {
      if (d == reduced_) continue;
      index_[d] = outer % args_.extents[d];
      outer /= args_.extents[d];
    }
    if (reduces_last) return row(reduced_extent());
    const int64_t begin = b % chunks * kChunk;
    const int64_t end = std::min(begin + kChunk, args_.extents[last_]);
    for (int64_t at = begin; at < end; at += kStrip) columns(at, std::min(kStrip, end - at));
  }

 private:
  // none, rows: n columns, all passes; a pass loops over the rows, if any.
  void columns(int64_t at, int64_t n) {
    for (const Schedule::Pass& pass : program_.schedule.steps) {
      index_[last_] = at;
      for (NodeId id : pass.once) evaluate(id, n);
      for (uint32_t s : pass.stores_once) store(kernel_.stores[s], n);
      if (!pass.loops()) continue;
      for (NodeId id : pass.reduces) fold(id).begin(kernel_.nodes[id], kernel_.reduction, n);
      const int64_t rows = reduced_extent();
      for (index_[reduced_] = 0; index_[reduced_] < rows; ++index_[reduced_]) element(pass, n);
      index_[reduced_] = 0;
      for (NodeId id : pass.reduces) std::memcpy(value(id), fold(id).end(), static_cast<size_t>(n * size_of(kernel_.nodes[id].dtype)));
    }
  }

  // lanes, tree: one index of the other dimensions. Non-varying values are repeated, as varying nodes read them strip by strip.
  void row(int64_t extent) {
    const int64_t width = std::clamp<int64_t>(extent, 1, kStrip);
    for (const Schedule::Pass& pass : program_.schedule.steps) {
      index_[last_] = 0;
      for (NodeId id : pass.once) evaluate(id, width);
      for (uint32_t s : pass.stores_once) store(kernel_.stores[s], 1);
      if (!pass.loops()) continue;
      for (NodeId id : pass.reduces) fold(id).begin(kernel_.nodes[id], kernel_.reduction, 1);
      for (int64_t at = 0; at < extent; at += kStrip) {
        index_[last_] = at;
        element(pass, std::min(kStrip, extent - at));
      }
      for (NodeId id : pass.reduces) copy_elements(size(id), value(id), size(id), static_cast<const std::byte*>(fold(id).end()), 0, width);
    }
  }

  // A strip of n elements inside the loop of a pass.
  void element(const Schedule::Pass& pass, int64_t n) {
    for (NodeId id : pass.loop) evaluate(id, n);
    for (uint32_t s : pass.stores_loop) store(kernel_.stores[s], n);
    for (NodeId id : pass.reduces) fold(id).take(value(kernel_.nodes[id].operands[0]), n);
  }

  int64_t reduced_extent() const {
    const int64_t extent = args_.extents[reduced_];
    if (kernel_.clip < 0) return extent;
    return std::clamp<int64_t>(args_.clip_total - index_[kernel_.clip] * extent, 0, extent);
  }

  void evaluate(NodeId id, int64_t n) {
    const Node& node = kernel_.nodes[id];
    switch (node.kind) {
      case NodeKind::constant:
      case NodeKind::scalar: return;  // filled before the first block
      case NodeKind::index: return count(reinterpret_cast<int64_t*>(value(id)), static_cast<int>(node.slot), n);
      case NodeKind::load: return load(id, n);
      case NodeKind::gather: return gather(id, n);
      case NodeKind::primitive: return program_.apply[id](value(id), operand(node, 0), operand(node, 1), operand(node, 2), n);
      case NodeKind::reduce: return;  // set when its loop is over
    }
  }

  void count(int64_t* to, int dim, int64_t n) const {
    for (int64_t i = 0; i < n; ++i) to[i] = index_[dim] + (dim == last_ ? i : 0);
  }

  // The element at the current index. Integer arithmetic: a masked-off element's address need not be in any object.
  uintptr_t address(uint32_t buffer) const {
    auto at = reinterpret_cast<uintptr_t>(args_.pointers[buffer]);
    for (int d = 0; d < kernel_.rank; ++d)
      at += static_cast<uintptr_t>(index_[d] * args_.strides[buffer * kernel_.rank + static_cast<uint32_t>(d)]);
    return at;
  }
  int64_t inner_stride(uint32_t buffer) const {
    return kernel_.buffers[buffer].inner == Stride::zero ? 0 : args_.strides[(buffer + 1) * kernel_.rank - 1];
  }

  void load(NodeId id, int64_t n) {
    const Node& node = kernel_.nodes[id];
    const int64_t stride = inner_stride(node.slot);
    const uintptr_t from = address(node.slot);
    std::byte* to = value(id);
    if (node.operands[0] == kNoNode) {
      copy_elements(size(id), to, size(id), reinterpret_cast<const std::byte*>(from), stride, n);
    } else {
      const auto* mask = reinterpret_cast<const bool*>(value(node.operands[0]));
      copy_elements(size(id), to, size(id), value(node.operands[1]), size(id), n);
      for (int64_t i = 0; i < n; ++i)
        if (mask[i])
          std::memcpy(to + i * size(id), reinterpret_cast<const std::byte*>(from + static_cast<uintptr_t>(i * stride)),
                      static_cast<size_t>(size(id)));
    }
    any_byte_but_0_is_true(node.dtype, to, n);
  }

  void gather(NodeId id, int64_t n) {
    const Node& node = kernel_.nodes[id];
    const int64_t stride = inner_stride(node.slot);
    const uintptr_t from = address(node.slot);
    const auto* offset = reinterpret_cast<const int64_t*>(value(node.operands[0]));
    const auto* mask = reinterpret_cast<const bool*>(operand(node, 1));
    std::byte* to = value(id);
    if (mask != nullptr) copy_elements(size(id), to, size(id), value(node.operands[2]), size(id), n);
    for (int64_t i = 0; i < n; ++i)
      if (mask == nullptr || mask[i])
        std::memcpy(to + i * size(id), reinterpret_cast<const std::byte*>(from + static_cast<uintptr_t>(i * stride + offset[i] * size(id))),
                    static_cast<size_t>(size(id)));
    any_byte_but_0_is_true(node.dtype, to, n);
  }

  static void any_byte_but_0_is_true(DType t, std::byte* to, int64_t n) {
    if (t != DType::Bool) return;
    for (int64_t i = 0; i < n; ++i) to[i] = static_cast<std::byte>(to[i] != std::byte{0});
  }

  void store(const Store& s, int64_t n) {
    canonicalise(kernel_.nodes[s.value].dtype, value(s.value), n);
    copy_elements(size(s.value), reinterpret_cast<std::byte*>(address(s.buffer)), inner_stride(s.buffer), value(s.value), size(s.value), n);
  }

  // n copies of a value given in the low bytes.
  void fill(NodeId id, uint64_t bits, int64_t n) {
    if (kernel_.nodes[id].dtype == DType::Bool) bits = (bits & 0xff) != 0;
    copy_elements(size(id), value(id), size(id), reinterpret_cast<const std::byte*>(&bits), 0, n);
  }

  int size(NodeId id) const { return size_of(kernel_.nodes[id].dtype); }
  std::byte* value(NodeId id) { return workspace_.values.data() + id * kSlot; }
  const std::byte* operand(const Node& node, int i) { return node.operands[i] == kNoNode ? nullptr : value(node.operands[i]); }
  Fold& fold(NodeId id) { return workspace_.folds[id]; }

  const Program& program_;
  const Kernel& kernel_;
  const Args& args_;
  Workspace& workspace_;
  const int last_;
  const int reduced_;
  int64_t index_[kMaxKernelRank] = {};
};

uint32_t run(const Args* args, int64_t begin, int64_t end) noexcept {
  static thread_local Workspace workspace;
  try {
    Run run(*static_cast<const Program*>(args->self), *args, workspace);
    for (int64_t b = begin; b < end; ++b) run.block(b);
    return 0;
  } catch (const std::bad_alloc&) {
    if (args->error) *args->error = kKernelOutOfMemory;
    return kKernelOutOfMemory;
  }
}

class Interpreter final : public Backend {
 public:
  BackendKind kind() const override { return BackendKind::interpreter; }

  std::shared_ptr<Code> compile(const Kernel& kernel, Isa) override {
    auto program = std::make_shared<Program>();
    program->kernel = kernel;
    program->schedule = schedule(kernel);
    for (const Node& n : kernel.nodes) {
      const bool computes = n.kind == NodeKind::primitive;
      // The last operand's dtype stands for all: select's first is bool.
      program->apply.push_back(computes ? apply_of(n.prim, n.dtype, kernel.nodes[n.operands[info(n.prim).operands - 1]].dtype) : nullptr);
    }
    program->function = run;
    program->self = static_cast<const Program*>(program.get());
    program->backend = BackendKind::interpreter;
    return program;
  }
};

}  // namespace
}  // namespace interpreter

Backend& interpreter_backend() {
  static interpreter::Interpreter backend;
  return backend;
}

}  // namespace kiln::codegen
