// From a cluster to the kernel it runs as: each value is asked for at an index map; what the cluster computes becomes expression, what it
// reads becomes loads at the composed address. Uses the same drafting and operator emission as eager mode (eager/lowering.h).
#pragma once

#include <optional>

#include "eager/lowering.h"
#include "jit/fusion/cluster.h"

namespace kiln::jit {

struct DraftedCluster {
  std::vector<eager::LoweredKernel> kernels;  // BufferUse::tensor: a ValueId (an update's: the updated value), or partials below
  std::vector<int> scalars;                   // unused numbers are allowed: LoweredKernel::scalars index `scalar_slots`
  struct ScalarSlot {
    uint32_t number;                    // the graph's scalar
    DType dtype;                        // in which the kernel reads it
    std::optional<int64_t> known = {};  // instead of the graph's: an extent or a stride that the kernel computes with
  };
  std::vector<ScalarSlot> scalar_slots;
  std::optional<eager::TensorType> partials;   // temporary between two kernels, tensor number kPartials
  std::vector<tracer::ValueId> reads, writes;  // materialised values
  int64_t unread = 0;                          // bytes of `reads` that gathers leave out, if each position is asked for once
};
inline constexpr int kPartials = -2;

// Which values must be in memory: those read by another cluster, as what an update overwrites, or wanted at the end. Fusion lets a cluster
// read its own values through a view only where it has them in registers.
std::vector<bool> stored_values(const tracer::Graph&, const Partition&);

// `stored[v]`: is value v wanted outside the cluster. nullopt: an access does not cross the reduced range evenly; run the nodes apart.
std::optional<DraftedCluster> draft(const tracer::Graph&, const Cluster&, const std::vector<bool>& stored);

}  // namespace kiln::jit
