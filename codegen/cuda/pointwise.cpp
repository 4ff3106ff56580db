// Kernels without a reduction: each thread takes a few neighbouring elements of the last dimension.
#include <algorithm>

#include "codegen/cuda/printer.h"

namespace kiln::codegen::cuda {

// What a thread does `width` times (with k as the index) and what it moves as one word. A load or store whose elements are not neighbours,
// or whose mask decides, moves element by element.
struct Printer::Vectors {
  int width = 1;
  std::vector<bool> wide;        // [node] differs along the last dimension
  std::vector<bool> loaded;      // [node] a load that comes as a vector
  std::vector<uint32_t> stored;  // buffers that are stored to as one
  bool stores(uint32_t buffer) const { return std::find(stored.begin(), stored.end(), buffer) != stored.end(); }
};

Printer::Vectors Printer::vectors() const {
  Vectors v{.width = vector_width(kernel_, schedule_)};
  v.wide.resize(kernel_.nodes.size());
  v.loaded.resize(kernel_.nodes.size());
  for (NodeId id : schedule_.steps[0].once) {
    const Node& node = kernel_.nodes[id];
    if (node.kind == NodeKind::index) v.wide[id] = static_cast<int>(node.slot) == last_;
    if (reads_memory(node)) v.wide[id] = kernel_.buffers[node.slot].inner != Stride::zero;
    for (NodeId operand : node.operands) v.wide[id] = v.wide[id] || (operand != kNoNode && v.wide[operand]);
    if (v.width > 1 && node.kind == NodeKind::load && node.operands[0] == kNoNode)
      v.loaded[id] = kernel_.buffers[node.slot].inner == Stride::contiguous;
  }
  for (const Store& s : kernel_.stores)
    if (v.width > 1 && kernel_.buffers[s.buffer].inner == Stride::contiguous) v.stored.push_back(s.buffer);
  return v;
}

void Printer::pointwise() {
  const Vectors v = vectors();
  const std::string width = std::to_string(v.width), last = std::to_string(last_);
  out_.line("const i64 vectors = (a.extent[" + last + "] + " + std::to_string(v.width - 1) + ") / " + width + ", items = " + outer_count() +
            " * vectors;");
  out_.open("for (i64 item = (i64)blockIdx.x * blockDim.x + threadIdx.x; item < items; item += (i64)gridDim.x * blockDim.x)");
  if (outer_.empty()) {
    out_.line("const i64 first = item * " + width + ";");
  } else {
    out_.line("const i64 row = quotient(item, vectors), first = (item - row * vectors) * " + width + ";");
    outer_indices("row");
  }
  pointers("first");
  for (NodeId id : schedule_.steps[0].once)
    if (!v.wide[id]) node(id);
  if (v.width == 1) {
    index_[static_cast<size_t>(last_)] = "first";
    for (NodeId id : schedule_.steps[0].once)
      if (v.wide[id]) node(id);
    for (uint32_t s = 0; s < kernel_.stores.size(); ++s) store(s);
  } else {
    out_.line("const int n = (int)least(" + width + ", a.extent[" + last + "] - first);");
    out_.line("const bool whole = n == " + width + aligned(v) + ";");
    load_vectors(v);
    vector_body(v);
    store_vectors(v);
  }
  out_.close();
}

// The condition that all vectors are at addresses of multiples of their size.
std::string Printer::aligned(const Vectors& v) const {
  std::string condition;
  for (int size = kVectorBytes; size > 1; size /= 2) {
    std::string bits;
    for (uint32_t b = 0; b < kernel_.buffers.size(); ++b) {
      bool moved = v.stores(b);
      for (NodeId id = 0; id < v.loaded.size(); ++id) moved = moved || (v.loaded[id] && kernel_.nodes[id].slot == b);
      if (moved && v.width * size_of(kernel_.buffers[b].dtype) == size) (bits += bits.empty() ? "(u64)" : " | (u64)") += named('p', b);
    }
    if (!bits.empty()) condition += " && ((" + bits + ") & " + std::to_string(size - 1) + ") == 0";
  }
  return condition;
}

std::string Printer::element(uint32_t buffer) const {
  const DType t = kernel_.buffers[buffer].dtype;
  return std::string(t == DType::Bool ? "u8" : type_name(t));
}

void Printer::declare_vector(const Vectors& v, const std::string& name, uint32_t buffer) {
  const int bytes = v.width * size_of(kernel_.buffers[buffer].dtype);
  out_.line("__align__(" + std::to_string(bytes) + ") " + element(buffer) + " " + name + "[" + std::to_string(v.width) + "];");
}

void Printer::move_vector(const Vectors& v, const std::string& to, const std::string& from, uint32_t buffer) {
  const int bytes = v.width * size_of(kernel_.buffers[buffer].dtype);
  out_.line("move_vector<" + std::to_string(bytes) + ">(" + to + ", " + from + ");");
}

void Printer::each_element(const Vectors& v, const std::string& statement) {
  out_.line("#pragma unroll");
  out_.line("for (int k = 0; k < " + std::to_string(v.width) + "; ++k) " + statement);
}

void Printer::load_vectors(const Vectors& v) {
  std::vector<NodeId> loads;
  for (NodeId id = 0; id < v.loaded.size(); ++id)
    if (v.loaded[id]) loads.push_back(id);
  if (loads.empty()) return;
  for (NodeId id : loads) declare_vector(v, named('x', id), kernel_.nodes[id].slot);
  out_.open("if (whole)");
  for (NodeId id : loads) move_vector(v, named('x', id), named('p', kernel_.nodes[id].slot), kernel_.nodes[id].slot);
  out_.otherwise();
  for (NodeId id : loads) {
    const std::string t = element(kernel_.nodes[id].slot), p = named('p', kernel_.nodes[id].slot);
    each_element(v, named('x', id) + "[k] = k < n ? ((const " + t + "*)" + p + ")[k] : (" + t + ")0;");
  }
  out_.close();
}

void Printer::vector_body(const Vectors& v) {
  for (uint32_t b : v.stored) declare_vector(v, named('y', b), b);
  out_.line("#pragma unroll");
  out_.open("for (int k = 0; k < " + std::to_string(v.width) + "; ++k)");
  along_last_.assign(1, 'k');
  index_[static_cast<size_t>(last_)] = "first + k";
  for (NodeId id : schedule_.steps[0].once) {
    if (!v.wide[id]) continue;
    const char* read = kernel_.nodes[id].dtype == DType::Bool ? "[k] != 0;" : "[k];";
    if (v.loaded[id]) out_.line("const " + type(id) + " " + value(id) + " = " + named('x', id) + read);
    else node(id, "k < n");
  }
  for (uint32_t i = 0; i < kernel_.stores.size(); ++i) {
    const Store& s = kernel_.stores[i];
    if (v.stores(s.buffer)) out_.line(named('y', s.buffer) + "[k] = " + canonical(kernel_.nodes[s.value].dtype, value(s.value)) + ";");
    else store(i, "k < n");
  }
  along_last_.clear();
  out_.close();
}

void Printer::store_vectors(const Vectors& v) {
  if (v.stored.empty()) return;
  out_.open("if (whole)");
  for (uint32_t b : v.stored) move_vector(v, named('p', b), named('y', b), b);
  out_.otherwise();
  for (uint32_t b : v.stored) each_element(v, "if (k < n) ((" + element(b) + "*)" + named('p', b) + ")[k] = " + named('y', b) + "[k];");
  out_.close();
}

}  // namespace kiln::codegen::cuda
