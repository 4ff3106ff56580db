#include "codegen/asmjit/shape.h"

namespace kiln::codegen::x64 {

void Shape::lower_entry() {
  entry_ = vectors_.open("once a call", 0);
  for (uint32_t b = 0; b < kernel_.buffers.size(); ++b)
    if (kernel_.buffers[b].inner == Stride::any && (size_of(kernel_.buffers[b].dtype) > 1 || kernel_.buffers[b].gathered))
      vectors_.lane_offsets(b);
  nodes_.hoist(Level::call);
}

void Shape::values_then_stores(Nodes& nodes, const std::vector<uint32_t>& stores) {
  // All loads come before the first store: a written buffer may be loaded too.
  for (uint32_t s : stores) nodes.value(kernel_.stores[s].value);
  for (uint32_t s : stores) nodes.store(kernel_.stores[s]);
}

void Shape::emit_reduced_extent(Emitter& e) const {
  using namespace asmjit::x86;
  auto& a = e.a;
  a.mov(rdx, Emitter::word(e.args));
  a.mov(rcx, qword_ptr(rdx, offsetof(Args, extents)));
  a.mov(rax, qword_ptr(rcx, 8 * kernel_.reduced_dim()));
  if (kernel_.clip < 0) return;
  // The last block of a split reduction has what is left.
  a.mov(rcx, Emitter::word(e.index[static_cast<size_t>(kernel_.clip)]));
  a.imul(rcx, rax);
  a.mov(rdx, qword_ptr(rdx, offsetof(Args, clip_total)));
  a.sub(rdx, rcx);
  a.xor_(ecx, ecx);
  a.cmp(rdx, rcx);
  a.cmovl(rdx, rcx);
  a.cmp(rax, rdx);
  a.cmovg(rax, rdx);
}

}  // namespace kiln::codegen::x64
