#include "jit/passes/pass.h"

namespace kiln::jit {

void dce(tracer::Graph& g) { g.rewrite({}); }

}  // namespace kiln::jit
