#include <array>
#include <cstdio>

#include "codegen/environment.h"
#include "jit/passes/pass.h"

namespace kiln::jit {
namespace {

constexpr std::array kPasses = {
    Pass{"decompose", "scattered reductions into adjacent ones; contraction operands made contiguous", decompose},
    Pass{"simplify", "identities that keep every bit", simplify},
    Pass{"cse", "equal nodes are computed once", cse},
    Pass{"layout", "blocked layouts carried from contraction to contraction", layout},
    Pass{"dce", "what no result needs is dropped", dce},
};

bool dumps(std::string_view what) {
  const char* list = std::getenv("KILN_DUMP");
  return list != nullptr && std::string_view(list).find(what) != std::string_view::npos;
}

}  // namespace

std::span<const Pass> passes() { return kPasses; }

void run_passes(tracer::Graph& graph) {
  const bool dump = dumps("passes");
  std::string before = dump ? print(graph) : std::string();
  for (const Pass& pass : kPasses) {
    pass.run(graph);
    verify(graph);
    if (!dump) continue;
    std::string after = print(graph);
    std::fprintf(stderr, "-- after %s%s\n%s", std::string(pass.name).c_str(), after == before ? " (unchanged)" : "",
                 after == before ? "" : after.c_str());
    before = std::move(after);
  }
}

}  // namespace kiln::jit
