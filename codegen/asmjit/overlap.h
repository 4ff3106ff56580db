// Software pipelining over the rows of a reduction: the last loop over a row (in a softmax the division) and the last but one over the next
// (the exponentials) are one loop. The one mostly waits for the divider or for additions, the other keeps the multipliers busy; a processor
// that executes out of order does not look far enough ahead to overlap them by itself.
#pragma once

#include <atomic>
#include <optional>
#include <vector>

#include "codegen/asmjit/keep.h"
#include "codegen/asmjit/machine.h"
#include "codegen/asmjit/nodes.h"

namespace kiln::codegen::x64 {

struct Overlap {
  size_t last = 0;               // the pass of a row's last loop
  std::vector<uint32_t> stored;  // buffers that it and the passes after it store to
  std::vector<NodeId> carried;   // values of a row that they take up: they are needed while the next row's are computed
};

// None where rows run one after the other. The nodes are those of the kernel.
std::optional<Overlap> overlap(const Kernel&, const Schedule&, const std::vector<Kept>&, Isa, const Nodes&);

// For tests: rows overlap wherever that gives the right results, worth it or not.
extern std::atomic<bool> overlap_always;

}  // namespace kiln::codegen::x64
