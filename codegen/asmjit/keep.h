// Varying values that a later pass needs again: computing exp twice in a softmax costs more than writing it down. Which values those are, and
// the memory they are written to.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "codegen/kernel.h"

namespace kiln::codegen::x64 {

struct Kept {
  NodeId node;
  size_t made;               // the pass whose loop writes it down
  std::vector<size_t> read;  // the later ones whose loops read it instead of computing it
};

// Operations that varying values take, shared ones counted once, where those of `there` take none; a slow one (a division) counts as several.
int operations(const Kernel&, const Schedule&, std::span<const NodeId> values, std::span<const NodeId> there = {});

std::vector<Kept> values_to_keep(const Kernel&, const Schedule&);

// Memory of the calling thread, 64-byte aligned, good until the next call; null if there is none.
void* scratch_memory(size_t bytes) noexcept;

}  // namespace kiln::codegen::x64
