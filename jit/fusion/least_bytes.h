// How much memory what lies between contractions must move at the least, for reports: a bound that says what fusion still leaves on the table.
#pragma once

#include "tracer/graph.h"

namespace kiln::jit {

// Bytes read and written by all nodes that are not contractions, if all between two contractions ran as one kernel: nodes that no
// contraction parts form a stage, the earliest or the latest that each can be in; a stage reads what it needs from outside once and writes what is needed outside once. Changes of layout
// and views cost nothing; a view that shows a part of an array reads that part.
int64_t least_bytes(const tracer::Graph&);

}  // namespace kiln::jit
