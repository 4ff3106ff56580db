#include "codegen/kernel.h"

namespace kiln::codegen {
namespace {

// The halves of a 128-bit product, xored: every bit of the result depends on every bit of both factors.
uint64_t fold(uint64_t a, uint64_t b) {
  const __uint128_t product = static_cast<__uint128_t>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// One step of a hash over words, the same in every process. Cheap where it matters: one multiplication waits for the step before.
uint64_t mix(uint64_t h, uint64_t first, uint64_t second = 0, uint64_t third = 0) {
  return fold(h ^ first ^ 0x9e3779b97f4a7c15u, second ^ 0xd6e8feb86659fd93u) ^ fold(third ^ 0xa0761d6478bd642fu, 0xe7037ed1a0b428dbu);
}

template <class... Bytes>
uint64_t pack(Bytes... bytes) {
  uint64_t word = 0;
  ((word = word << 8 | static_cast<uint8_t>(bytes)), ...);
  return word;
}

}  // namespace

int64_t block_count(const Kernel& kernel, const int64_t* extents) {
  const int reduced = kernel.reduced_dim();
  const int last = kernel.rank - 1;
  int64_t blocks = 1;
  for (int d = 0; d < kernel.rank; ++d) {
    if (d == reduced) continue;
    blocks *= d == last ? (extents[d] + kChunk - 1) / kChunk : extents[d];
  }
  return blocks;
}

uint64_t hash(const Kernel& kernel) {
  uint64_t h = mix(kernel.nodes.size(), pack(kernel.rank, kernel.reduction, kernel.clip) << 32 | kernel.scalars);
  h = mix(h, static_cast<uint64_t>(kernel.buffers.size()) << 32 | kernel.stores.size());
  for (const Buffer& b : kernel.buffers) h = mix(h, pack(b.dtype, b.written | b.gathered << 1, b.inner, b.reduced));
  for (const Node& n : kernel.nodes) {
    const uint64_t operands = static_cast<uint64_t>(n.operands[0]) << 32 | n.operands[1];
    // A constant has no third operand, and only constants have bits.
    h = mix(h, pack(n.kind, n.prim, n.dtype) << 32 | n.slot, operands, n.bits ^ n.operands[2]);
  }
  for (const Store& s : kernel.stores) h = mix(h, static_cast<uint64_t>(s.buffer) << 32 | s.value);
  return h;
}

}  // namespace kiln::codegen
