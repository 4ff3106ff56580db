// Where every materialised value of a program lives: in a bound storage, or at an offset of an arena allocated per run.
//
// Results are computed straight into their storage where nothing still needs what it held; an update overwrites its operand's memory where
// that is dead; an input that nobody sees afterwards lends its memory to a result or to temporaries, once it is read; the other temporaries
// share the arena by lifetime, and take over a dying operand's place where a kernel reads it element for element.
#pragma once

#include <optional>

#include "jit/fusion/cluster_draft.h"
#include "jit/fusion/place.h"

namespace kiln::jit {

struct Place {
  bool in_storage = false;
  uint32_t storage = 0;  // in_storage
  int64_t offset = 0;    // in the arena, bytes
  int64_t bytes = 0;
};

// A copy the plan asks for: of a whole location, into the row-major memory of a value or a storage.
struct PlannedCopy {
  tracer::ValueId source;
  tracer::ValueId to_value = tracer::kNoValue;  // else to_storage
  uint32_t to_storage = 0;
};

struct MemoryPlan {
  std::vector<std::optional<Place>> places;      // by value; nullopt: never in memory, or a view
  std::vector<std::vector<PlannedCopy>> before;  // by step: bases of updates that cannot be overwritten
  std::vector<PlannedCopy> first, last;          // before all steps: results that are inputs about to be overwritten; after all steps
  std::vector<Place> saved;                      // temporaries of `first`, in order
  struct Loan {
    uint32_t from, to;  // storages: an input's memory becomes a result's
  };
  std::vector<Loan> loans;
  int64_t lent_bytes = 0;         // of inputs' memory that results and temporaries have
  std::optional<Place> partials;  // the largest temporary between two kernels of one step
  int64_t arena_bytes = 0;
  int64_t lower_bound = 0;  // the most bytes of temporaries live at one step
};

// drafts[k] is set for kernel clusters.
MemoryPlan plan_memory(const tracer::Graph&, const Partition&, const std::vector<std::optional<DraftedCluster>>& drafts);

}  // namespace kiln::jit
