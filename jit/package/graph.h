// graph.json: everything of a package but the state's bytes.
#pragma once

#include "jit/package/budget.h"
#include "jit/package/package.h"
#include "jit/package/weights.h"

namespace kiln::jit::package {

std::string write_graph(const std::vector<Entry>&, const std::vector<StateType>&);

struct GraphContents {
  std::vector<StateType> state;
  std::vector<Entry> entries;
};
// What of it is a matter of the text: names, versions, kinds, counts. What must hold of a procedure is tracer::verify's to say. The budget
// is charged for what is made here, and for the state's tensors.
GraphContents read_graph(std::string_view text, Budget&);

}  // namespace kiln::jit::package
