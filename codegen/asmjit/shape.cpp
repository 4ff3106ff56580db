#include "codegen/asmjit/shape.h"

namespace kiln::codegen::x64 {

void Shape::lower_entry() {
  entry_ = vectors_.open("once a call", 0);
  for (uint32_t b = 0; b < kernel_.buffers.size(); ++b)
    if (kernel_.buffers[b].inner == Stride::any && size_of(kernel_.buffers[b].dtype) > 1) vectors_.lane_offsets(b);
  for (const Store& s : kernel_.stores) nodes_.hoist(s.value, Level::call);
}

void Shape::values_then_stores(const std::vector<uint32_t>& stores, bool streaming) {
  // All loads come before the first store: a written buffer may be loaded too.
  for (uint32_t s : stores) nodes_.value(kernel_.stores[s].value);
  for (uint32_t s : stores) nodes_.store(kernel_.stores[s], streaming);
}

}  // namespace kiln::codegen::x64
