#include "codegen/kernel_loop.h"

#include "codegen/builder.h"

namespace kiln::codegen {

Kernel without_scalars(const Kernel& from, std::span<const ScalarSource> scalars) {
  Kernel to = from;
  to.nodes.clear();
  to.stores.clear();
  to.scalars = 0;
  Builder b(to);
  std::vector<Value> read(scalars.size());  // from buffers
  for (size_t s = 0; s < scalars.size(); ++s)
    if (!scalars[s].known) read[s] = b.load(b.add_buffer({.dtype = scalars[s].element, .inner = Stride::zero, .reduced = Stride::zero}));
  std::vector<Value> values;
  const auto low_bits = [](uint64_t bits, DType t) { return size_of(t) == 8 ? bits : bits & ((uint64_t{1} << (8 * size_of(t))) - 1); };
  const auto at = [&](NodeId id) { return id == kNoNode ? Value() : values[id]; };
  for (const Node& n : from.nodes) {
    const Value x = at(n.operands[0]), y = at(n.operands[1]), z = at(n.operands[2]);
    switch (n.kind) {
      case NodeKind::constant: values.push_back(b.constant_bits(n.dtype, n.bits)); break;
      case NodeKind::scalar: {
        const ScalarSource& s = scalars[n.slot];
        values.push_back(s.known ? b.constant_bits(n.dtype, low_bits(*s.known, n.dtype)) : b.cast(read[n.slot], n.dtype));
        break;
      }
      case NodeKind::index: values.push_back(b.index(static_cast<int>(n.slot))); break;
      case NodeKind::load: values.push_back(is_masked(n) ? b.load(n.slot, x, y) : b.load(n.slot)); break;
      case NodeKind::gather: values.push_back(is_masked(n) ? b.gather(n.slot, x, y, z) : b.gather(n.slot, x)); break;
      case NodeKind::primitive: {
        const Value operands[] = {x, y, z};
        values.push_back(b.primitive(n.prim, n.dtype, std::span(operands, static_cast<size_t>(info(n.prim).operands))));
        break;
      }
      case NodeKind::reduce: values.push_back(b.reduce(n.prim, x)); break;
    }
  }
  for (const Store& s : from.stores) b.store(s.buffer, values[s.value]);
  return to;
}

}  // namespace kiln::codegen
