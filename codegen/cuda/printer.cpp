#include "codegen/cuda/printer.h"

#include <algorithm>

#include "codegen/error.h"
#include "codegen/legalise.h"

namespace kiln::codegen::cuda {
namespace {

constexpr size_t kMostParameterBytes = 32764;  // since CUDA 12.1, on the architectures that Kiln prints for

}  // namespace

// ---- Text ----

void Text::line(const std::string& text) { text_ += std::string(static_cast<size_t>(2 * depth_), ' ') + text + "\n"; }
void Text::open(const std::string& text) {
  line(text.empty() ? "{" : text + " {");
  ++depth_;
}
void Text::otherwise() {
  --depth_;
  open("} else");
}
void Text::close(const char* end) {
  --depth_;
  line(end);
}

// ---- The whole ----

Printer::Printer(const Kernel& kernel, const Options& options)
    : kernel_(kernel),
      options_(options),
      schedule_(schedule(kernel)),
      keep_(values_to_keep(kernel, schedule_)),
      last_(kernel.rank - 1),
      reduced_(kernel.reduced_dim()),
      buffers_(kernel.buffers.size()),
      index_(kernel.rank) {
  for (int d = 0; d < kernel.rank; ++d)
    if (d != reduced_ && d != last_) outer_.push_back(d);
  for (const Schedule::Pass& pass : schedule_.steps)
    for (const auto* list : {&pass.once, &pass.loop})
      for (NodeId id : *list)
        if (reads_memory(kernel.nodes[id])) buffers_[kernel.nodes[id].slot] = true;
  for (const Store& s : kernel.stores) buffers_[s.buffer] = true;
}

std::string Printer::run() {
  const size_t words = kernel_.buffers.size() * (1 + kernel_.rank) + kernel_.rank + kernel_.scalars + 3;
  if (words * 8 > kMostParameterBytes)
    fail(ErrorCode::not_implemented,
         "a kernel of " + std::to_string(kernel_.buffers.size()) + " buffers has more parameters than CUDA passes");
  arguments();
  if (kernel_.reduction != Reduction::none) out_.line("extern __shared__ uint4 shared[];\n");
  out_.open("extern \"C\" __global__ void __launch_bounds__(" + std::to_string(kThreads) + ") " + std::string(options_.name) +
            "(const __grid_constant__ Arguments a)");
  switch (kernel_.reduction) {
    case Reduction::none: pointwise(); break;
    case Reduction::lanes:
    case Reduction::tree: lanes(); break;
    case Reduction::rows: rows(); break;
  }
  out_.close();
  const std::string text = out_.take();
  return prelude(functions_ + text) + "\n" + functions_ + text;
}

void Printer::arguments() {
  const std::string rank = std::to_string(kernel_.rank), buffers = std::to_string(kernel_.buffers.size());
  out_.open("struct Arguments");
  out_.line("char* pointer[" + buffers + "];");
  out_.line("i64 stride[" + buffers + "][" + rank + "];  // bytes");
  out_.line("i64 extent[" + rank + "];");
  if (kernel_.scalars > 0) out_.line("u64 scalar[" + std::to_string(kernel_.scalars) + "];");
  out_.line("i64 clip_total;");
  out_.line("i64 kept;  // bytes of shared memory for one row; 0: values are computed anew in each pass");
  out_.line("i64 team;  // threads that share one result");
  out_.close("};\n");
}

// ---- Indices and addresses ----

std::string Printer::outer_count() const {
  std::string count;
  for (int d : outer_) count += (count.empty() ? "" : " * ") + std::string("a.extent[") + std::to_string(d) + "]";
  return count.empty() ? "1" : count;
}

void Printer::outer_indices(const std::string& rest) {
  std::string left = rest;
  for (size_t i = outer_.size(); i-- > 0;) {
    const std::string d = std::to_string(outer_[i]);
    index_[static_cast<size_t>(outer_[i])] = "i" + d;
    if (i == 0) {
      out_.line("const i64 i" + d + " = " + left + ";");
      continue;
    }
    out_.line("const i64 q" + d + " = quotient(" + left + ", a.extent[" + d + "]), i" + d + " = " + left + " - q" + d + " * a.extent[" + d +
              "];");
    left = "q" + d;
  }
}

std::string Printer::stride(uint32_t buffer, int dim) const {
  const Buffer& b = kernel_.buffers[buffer];
  const Stride known = dim == last_ ? b.inner : dim == reduced_ ? b.reduced : Stride::any;
  if (known == Stride::zero) return {};
  if (known == Stride::contiguous) return std::to_string(size_of(b.dtype));
  return "a.stride[" + std::to_string(buffer) + "][" + std::to_string(dim) + "]";
}

void Printer::pointers(const std::string& along_last) {
  for (uint32_t b = 0; b < buffers_.size(); ++b) {
    if (!buffers_[b]) continue;
    std::string text = "char* const " + named('p', b) + " = a.pointer[" + std::to_string(b) + "]";
    for (int d : outer_) text += " + " + index_[static_cast<size_t>(d)] + " * " + stride(b, d);
    if (!along_last.empty() && !stride(b, last_).empty()) text += " + " + along_last + " * " + stride(b, last_);
    out_.line(text + ";");
  }
}

std::string Printer::address(uint32_t buffer) const {
  std::string text = named('p', buffer);
  if (!along_last_.empty() && !stride(buffer, last_).empty()) text += " + " + along_last_ + " * " + stride(buffer, last_);
  if (!along_rows_.empty() && !stride(buffer, reduced_).empty()) text += " + " + along_rows_ + " * " + stride(buffer, reduced_);
  return text;
}

void Printer::reduced_extent() {
  const std::string whole = "a.extent[" + std::to_string(reduced_) + "]";
  if (kernel_.clip < 0) {
    out_.line("const i64 extent = " + whole + ";");
    return;
  }
  out_.line("const i64 left = a.clip_total - " + index_[static_cast<size_t>(kernel_.clip)] + " * " + whole + ";");
  out_.line("const i64 extent = left < 0 ? 0 : least(left, " + whole + ");");
}

// ---- Nodes ----

void Printer::node(NodeId id, const std::string& guard) {
  const Node& n = kernel_.nodes[id];
  const std::string name = "const " + type(id) + " " + value(id) + " = ";
  switch (n.kind) {
    case NodeKind::constant: return out_.line(name + constant(n.dtype, n.bits) + ";");
    case NodeKind::scalar: return out_.line(name + from_word(n.dtype, "a.scalar[" + std::to_string(n.slot) + "]") + ";");
    case NodeKind::index: return out_.line(name + index_[n.slot] + ";");
    case NodeKind::load:
    case NodeKind::gather: {
      const bool boolean = n.dtype == DType::Bool;  // any byte but 0 is true
      const std::string moved =
          n.kind == NodeKind::gather ? " + " + value(n.operands[0]) + " * " + std::to_string(size_of(n.dtype)) : std::string();
      std::string text = "*(const " + (boolean ? "u8" : type(id)) + "*)(" + address(n.slot) + moved + ")" + (boolean ? " != 0" : "");
      const bool masked = is_masked(n);
      const std::string mask = masked ? value(n.operands[mask_operand(n)]) : std::string();
      const std::string condition = masked ? guard.empty() ? mask : guard + " && " + mask : guard;
      if (!condition.empty())
        text = condition + " ? " + text + " : " + (masked ? value(n.operands[mask_operand(n) + 1]) : "(" + type(id) + ")0");
      return out_.line(name + text + ";");
    }
    case NodeKind::primitive: {
      std::string operands[3];
      for (int i = 0; i < 3; ++i)
        if (n.operands[i] != kNoNode) operands[i] = value(n.operands[i]);
      const DType from = kernel_.nodes[n.operands[info(n.prim).operands - 1]].dtype;
      return out_.line(name + filled(options_.forms(n.prim, n.dtype, from), n.dtype, from, operands[0], operands[1], operands[2]) + ";");
    }
    case NodeKind::reduce: return;  // declared before its loop
  }
}

void Printer::store(uint32_t index, const std::string& guard) {
  const Store& s = kernel_.stores[index];
  const std::string to = kernel_.nodes[s.value].dtype == DType::Bool ? "u8" : type(s.value);
  out_.line((guard.empty() ? "" : "if (" + guard + ") ") + "*(" + to + "*)(" + address(s.buffer) +
            ") = " + canonical(kernel_.nodes[s.value].dtype, value(s.value)) + ";");
}

void Printer::body(const std::vector<NodeId>& loop, const std::vector<uint32_t>& stores, const std::string& guard) {
  for (NodeId id : loop) node(id);
  for (uint32_t s : stores) store(s, guard);
}

// ---- Reductions ----

std::string Printer::identity(NodeId reduce) const {
  const Node& n = kernel_.nodes[reduce];
  return constant(n.dtype, identity_bits(n.prim, n.dtype));
}

std::string Printer::combine(NodeId reduce) {
  const Node& n = kernel_.nodes[reduce];
  const std::string t = type(reduce), name = "combine_" + std::string(info(n.prim).name) + "_" + t;
  if (std::find(combines_.begin(), combines_.end(), name) == combines_.end()) {
    combines_.push_back(name);
    functions_ += "static __device__ " + t + " " + name + "(" + t + " a, " + t + " b) { return " +
                  filled(options_.forms(n.prim, n.dtype, n.dtype), n.dtype, n.dtype, "a", "b") + "; }\n\n";
  }
  return name;
}

void Printer::identities(const Schedule::Pass& pass, char prefix) {
  for (NodeId id : pass.reduces) out_.line(type(id) + " " + named(prefix, id) + " = " + identity(id) + ";");
}

void Printer::trees(const Schedule::Pass& pass, char prefix, int levels) {
  for (NodeId id : pass.reduces)
    out_.line("Tree<" + type(id) + ", " + combine(id) + ", " + std::to_string(levels) + "> " + named(prefix, id) + ";");
}

std::string source(const Kernel& kernel, const Options& options) { return Printer(legalise_halves(kernel), options).run(); }

}  // namespace kiln::codegen::cuda
